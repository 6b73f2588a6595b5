package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/signet-idp/signet/internal/fetch"
	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/observe"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Config is the wiring of a Provider. New copies it. The zero value of everything that is not required is the safe choice.
type Config struct {
	// Issuer is the issuer identifier: https, or http on a loopback host, without a trailing slash. Required.
	Issuer string
	// DB is where clients, grants and requests are kept. Required.
	DB *store.DB
	// Directory is who people and applications are. Required.
	Directory *directory.Directory
	// Keys signs. Required.
	Keys Keys
	// Interact lets the right person act at the browser: a flow engine. Required. It returns nil when it has answered
	// the request itself and will send the browser to Interaction.Resume; see directory.Interaction.
	Interact func(w http.ResponseWriter, r *http.Request, in directory.Interaction) (*directory.Result, error)
	// EndSession ends a session and forgets its cookie, when a person logs out. Nil ends it in the Directory alone.
	EndSession func(w http.ResponseWriter, r *http.Request, session store.Ref, reason string) error
	// SignOutUpstream returns where the browser of somebody whose session has ended, by their logout, is sent, to be signed out where they had
	// signed in, and which of our own pages sends it on from there to next; "" as next is the page that says that they are signed out. "" is
	// nowhere: the browser goes to next at once. Nil never sends anybody.
	SignOutUpstream func(w http.ResponseWriter, r *http.Request, session store.Ref, next string) (string, error)
	// Pages shows what is not for a client. Nil shows plain pages.
	Pages Pages

	// Paths moves endpoints: their default path below the issuer ("/oauth2/token"), or that of several ("/oauth2"), and the path to have
	// instead. Well-known names stay. Nil leaves all where they are.
	Paths map[string]string
	// Profile is what the provider keeps to: it turns on the features that it needs, and New refuses what contradicts it. The zero value
	// is OAuth21.
	Profile Profile
	// Features are what is offered beyond the authorization code flow. The zero value is none.
	Features Features
	// Outbound is how URLs are called that clients have registered. The zero value is safe.
	Outbound Outbound

	// Links finds the accounts of people whom a TrustedIssuer speaks of, for issuers without a way of their own. Nil finds nobody.
	Links Links

	// Claims says what is true of a person. Nil is DirectoryClaims.
	Claims ClaimsSource
	// TokenHook sees every token before anything is consumed. Nil is none.
	TokenHook TokenHook
	// ScopeHook narrows what scopes are granted. Nil narrows nothing.
	ScopeHook ScopeHook
	// Observer learns of refusals and reuses, of at most 100 a second. It is called on the request's path and must be quick. Nil
	// is none.
	Observer func(context.Context, directory.Observation)
	// Logger takes causes. Nil discards them.
	Logger *slog.Logger
	// TrustedProxies may name the client's address in X-Forwarded-For.
	TrustedProxies []netip.Prefix

	// CodeLifetime is how long an authorization code can be redeemed; zero is one minute (at most ten, RFC 6749 §4.1.2).
	CodeLifetime time.Duration
	// AccessTokenLifetime and IDTokenLifetime hold for clients without their own; zero is one hour.
	AccessTokenLifetime time.Duration
	IDTokenLifetime     time.Duration
	// RefreshTokenLifetime is how long a refresh token may lie unused; zero is one day. Using it gives the next one a
	// full period again.
	RefreshTokenLifetime time.Duration
}

// Pages shows a person what no client can be told. Methods are safe for concurrent use.
type Pages interface {
	// Error writes a page about an error that must not be redirected.
	Error(w http.ResponseWriter, r *http.Request, page ErrorPage)
	// SignedOut writes the page that ends a logout without a client to return to.
	SignedOut(w http.ResponseWriter, r *http.Request)
	// Device writes the page on which a person enters the code of a device, with status 422 when it was wrong and 429 when too many
	// were tried. It needs no script: a form posts "user_code" to DevicePage.Submit.
	Device(w http.ResponseWriter, r *http.Request, page DevicePage)
	// Done writes the page that ends what was begun on another device.
	Done(w http.ResponseWriter, r *http.Request, page DonePage)
}

// ErrorPage is what an error page shows.
type ErrorPage struct {
	Status      int
	Code        string
	Description string
	// Correlation is in the log line that has the cause.
	Correlation string
	// Application is the URL at which the person finds the application again; "" is not known, or of no use.
	Application string
	RetryAfter  time.Duration
}

// Provider is an OpenID provider. It is an http.Handler for all of its endpoints, and safe for concurrent use.
type Provider struct {
	// Clients are the registered clients.
	Clients *Clients
	// InitialAccess are the tokens that let somebody register clients; see Registration.
	InitialAccess *InitialAccesses

	config  Config
	db      *store.DB
	site    *web.Site
	keys    *keySet
	mux     *http.ServeMux
	console []byte // the discovery document
	// signedMetadata signs it; nil does not.
	signedMetadata *signedMetadata
	seen           observe.Limit
	// fetch calls the URLs that clients supply: nothing else may.
	fetch *fetch.Client
	// shared lets scripts call; nil lets none.
	shared *sharing
	// registeredKeys are the key sets that clients have given by value.
	registeredKeys keySetMemory
	// assertions and mutualTLS are how clients authenticate besides; nil is not.
	assertions *assertionRules
	mutualTLS  *mutualTLS

	parts      []part
	grantTypes map[GrantType]exchange
	routes     []web.Route
	// responseModes are how authorization responses travel.
	responseModes []string

	requests *store.Collection[authorizationRequest]
	logouts  *store.Collection[logoutRequest]
	consents *store.Collection[Consent]
	grants   *store.Collection[Grant]
	families *store.Collection[family]
	tokens   *store.Collection[accessToken]
	denials  *store.Collection[denial]
	marks    *store.Collection[replayMark]

	live     *store.Collection[liveToken]   // nil without TokenReuse
	latest   *store.Collection[latestGrant] // likewise
	proofs   *proofs                        // nil without DPoP
	pairwise *pairwiseSubjects              // nil without the feature
	// claimTypes are what Config.Claims may answer with (OpenID Connect Core §5.6).
	claimTypes []string
	ciba       *cibaGrant // nil without the feature
	due        chan struct{}

	logoutTokenLifetime time.Duration
	checkSession        *checkSession // nil without SessionManagement
}

// signingAlgorithms are those that everybody's Keys have, the one that every OpenID client knows first (OpenID Connect
// Core §15.1).
var signingAlgorithms = []jose.Algorithm{jose.RS256, jose.PS256, jose.ES256}

// Algorithms lists the signing algorithms for which Config.Keys must have keys, unless it says by itself which it has: see
// KeyAlgorithms.
func Algorithms() []string {
	names := make([]string, len(signingAlgorithms))
	for i, a := range signingAlgorithms {
		names[i] = string(a)
	}
	return names
}

// New checks the configuration and returns a Provider, or an error that names every problem. It does no I/O.
func New(config Config) (*Provider, error) {
	site, problem := web.NewSite(config.Issuer, config.TrustedProxies)
	problems := []error{wrap("oidc: Config.Issuer: ", problem)}
	if problem == nil {
		site, problem = site.WithPaths(config.Paths)
		problems = append(problems, wrap("oidc: Config.Paths: ", problem))
	}
	for _, required := range []struct {
		field   string
		missing bool
	}{
		{"DB", config.DB == nil},
		{"Directory", config.Directory == nil},
		{"Keys", config.Keys == nil},
		{"Interact", config.Interact == nil},
	} {
		if required.missing {
			problems = append(problems, fmt.Errorf("oidc: Config.%s is required", required.field))
		}
	}
	claimTypes := []string{"normal"}
	if config.Claims != nil { // which may refer to others
		claimTypes = append(claimTypes, "aggregated", "distributed")
	}
	config.Profile.fill(&config.Features)
	problems = append(problems, config.fillDefaults())
	problems = append(problems, config.Profile.judge(&config))
	var keys *keySet
	if config.DB != nil && config.Keys != nil {
		keys, problem = newKeySet(config.Keys, config.DB.Now)
		problems = append(problems, problem)
	}
	err := errors.Join(problems...)
	if err != nil {
		return nil, err
	}
	p := &Provider{
		config: config, db: config.DB, site: site, claimTypes: claimTypes,
		Clients:  newClients(config.DB, config.Directory),
		keys:     keys,
		requests: store.NewCollection(config.DB, requestType),
		logouts:  store.NewCollection(config.DB, logoutType),
		consents: store.NewCollection(config.DB, consentType),
		grants:   store.NewCollection(config.DB, grantType),
		families: store.NewCollection(config.DB, familyType),
		tokens:   store.NewCollection(config.DB, tokenType),
		denials:  store.NewCollection(config.DB, denialType),
		marks:    store.NewCollection(config.DB, replayType),
		due:      make(chan struct{}, 1),
	}
	p.InitialAccess = &InitialAccesses{db: config.DB, all: store.NewCollection(config.DB, initialAccessType)}
	if p.fetch, err = config.Outbound.client(config.DB.Now); err != nil {
		return nil, fmt.Errorf("oidc: Config.Outbound: %w", err)
	}
	if err = p.buildFeatures(); err != nil {
		return nil, err
	}
	p.joinParts()
	config.Directory.OnDeleteUser(p.forgetSubject)
	if err := wrap("oidc: Config.Paths: ", site.CheckRoutes(p.routes)); err != nil {
		return nil, err
	}
	if p.console, err = json.Marshal(p.metadata()); err != nil {
		return nil, fmt.Errorf("oidc: metadata: %w", err)
	}
	p.mux = http.NewServeMux()
	site.Mount(p.mux, p.routes)
	return p, nil
}

func wrap(prefix string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s%w", prefix, err)
}

// fillDefaults sets what was left zero and judges what was not.
func (c *Config) fillDefaults() error {
	var problems []error
	for _, d := range []struct {
		field     string
		value     *time.Duration
		otherwise time.Duration
		limit     time.Duration
	}{
		{"CodeLifetime", &c.CodeLifetime, time.Minute, 10 * time.Minute},
		{"AccessTokenLifetime", &c.AccessTokenLifetime, time.Hour, LongestToken},
		{"IDTokenLifetime", &c.IDTokenLifetime, time.Hour, LongestToken},
		{"RefreshTokenLifetime", &c.RefreshTokenLifetime, 24 * time.Hour, longestRefresh},
		{"Outbound.Timeout", &c.Outbound.Timeout, 5 * time.Second, time.Minute},
	} {
		switch {
		case *d.value == 0:
			*d.value = d.otherwise
		case *d.value < time.Second:
			problems = append(problems, fmt.Errorf("oidc: Config.%s must be at least one second", d.field))
		case *d.value > d.limit:
			problems = append(problems, fmt.Errorf("oidc: Config.%s must be at most %s", d.field, d.limit))
		}
	}
	if c.Claims == nil {
		c.Claims = DirectoryClaims
	}
	if c.Pages == nil {
		c.Pages = plainPages{}
	}
	if c.EndSession == nil {
		c.EndSession = func(_ http.ResponseWriter, r *http.Request, session store.Ref, reason string) error {
			return c.Directory.Sessions.End(r.Context(), session, reason)
		}
	}
	if c.SignOutUpstream == nil {
		c.SignOutUpstream = func(http.ResponseWriter, *http.Request, store.Ref, string) (string, error) { return "", nil }
	}
	if c.Observer == nil {
		c.Observer = func(context.Context, directory.Observation) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return errors.Join(problems...)
}

// ServeHTTP implements http.Handler for everything that Mount registers.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// The paths of the endpoints below the issuer.
const (
	pathAuthorize = "/oauth2/authorize"
	pathResume    = "/oauth2/authorize/resume"
	pathToken     = "/oauth2/token"
	pathUserInfo  = "/oauth2/userinfo"
	pathJWKS      = "/oauth2/jwks"
	pathIntro     = "/oauth2/introspect"
	pathRevoke    = "/oauth2/revoke"
	pathLogout    = "/oidc/logout"
	pathLeave     = "/oidc/logout/resume"

	pathDiscovery = "/.well-known/openid-configuration"
	pathMetadata  = "/.well-known/oauth-authorization-server"
)

// coreRoutes gives every endpoint of the core its class. The metadata of RFC 8414 lies between host and issuer path, that of OpenID
// Connect behind it; both are served in both places, because clients disagree.
func (p *Provider) coreRoutes() []web.Route {
	get, post, both := []string{http.MethodGet}, []string{http.MethodPost}, []string{http.MethodGet, http.MethodPost}
	routes := []web.Route{
		{Path: pathAuthorize, Methods: both, Class: web.CrossOrigin, Handler: p.serveAuthorize},
		{Path: pathResume, Methods: get, Class: web.SameOrigin, Handler: p.serveResume},
		{Path: pathLogout, Methods: both, Class: web.CrossOrigin, Handler: p.serveLogout},
		{Path: pathLeave, Methods: get, Class: web.SameOrigin, Handler: p.serveLeave},
		{Path: pathToken, Methods: post, Class: web.TokenAuthenticated, Handler: p.serveToken},
		{Path: pathIntro, Methods: post, Class: web.TokenAuthenticated, Handler: p.serveIntrospect},
		{Path: pathRevoke, Methods: post, Class: web.TokenAuthenticated, Handler: p.serveRevoke},
		{Path: pathUserInfo, Methods: both, Class: web.TokenAuthenticated, Handler: p.serveUserInfo},
		{Path: pathJWKS, Methods: get, Class: web.TokenAuthenticated, Handler: p.serveJWKS},
	}
	for _, wellKnown := range []string{pathDiscovery, pathMetadata} {
		routes = append(routes, web.Route{Path: wellKnown, Methods: get, Class: web.TokenAuthenticated, Handler: p.serveMetadata})
		if p.site.Prefix() != "" {
			routes = append(routes, web.Route{
				Path: wellKnown + p.site.Prefix(), AtRoot: true, Methods: get, Class: web.TokenAuthenticated, Handler: p.serveMetadata,
			})
		}
	}
	return routes
}

// Patterns lists where the endpoints are: what Mount registers on a mux, each a method and a path.
func (p *Provider) Patterns() []string { return p.site.Patterns(p.routes) }

// Mount registers the endpoints on the host's mux, below the issuer's path, with the metadata also where RFC 8414 §3.1
// has it: at the root of the host.
func (p *Provider) Mount(mux *http.ServeMux) { p.site.Mount(mux, p.routes) }

// eventData encodes the data of an event; the values are plain and always encodable.
func eventData(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return data
}
