package rp

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/web"
)

// Config describes one upstream provider and the client that we are there. Google, Microsoft, GitHub, Apple, Facebook, LinkedIn
// and X return one that needs nothing more.
type Config struct {
	// Issuer is the provider's issuer identifier, byte for byte: where its metadata is found (OpenID Connect Discovery §4), what its
	// tokens must name, and what people's subjects are unique in. Required. Of a provider without metadata (see Profile) it is a
	// name in the form of a URL, which must never change.
	Issuer string
	// Tenants is for a provider whose tokens name other issuers than its metadata does. Nil is every other provider.
	Tenants *Tenants
	// Endpoints are those of a provider without metadata; with them nothing is discovered. Nil discovers.
	Endpoints *Endpoints

	// ClientID is who we are to the provider. Required.
	ClientID string
	// ClientSecret authenticates us. "" together with no Key, no MakeSecret and no Certificate is a public client.
	ClientSecret string
	// MakeSecret makes the secret anew for each request, from its time. Nil uses ClientSecret.
	MakeSecret func(now time.Time) (string, error)
	// SecretInBody sends the secret as client_secret_post. False is client_secret_basic (RFC 6749 §2.3.1).
	SecretInBody bool
	// SecretInJWT proves the secret with a signature by HS256 and sends it nowhere: client_secret_jwt (OpenID Connect Core §9). ClientSecret
	// has 32 bytes or more then. False sends it.
	SecretInJWT bool
	// Key authenticates us with private_key_jwt (OpenID Connect Core §9) in the place of a secret. Nil is none.
	Key *ClientKey
	// Certificate is what we show on connections to the provider's token, pushed request and UserInfo endpoints, at their
	// mtls_endpoint_aliases where it has some (RFC 8705 §5). Without a secret and a Key it authenticates us (tls_client_auth and
	// self_signed_tls_client_auth, §2); beside a Key the provider may bind tokens to it (§3). Its key may be elsewhere. Nil is none.
	Certificate *tls.Certificate
	// DPoP is the key that the provider binds codes and tokens to (RFC 9449); one that does not is refused. Nil asks for no binding.
	DPoP *ProofKey

	// RedirectURL is where the provider sends people back to, unless a Request says otherwise. It should be another one for each
	// provider (RFC 9700 §4.4.2.2).
	RedirectURL string
	// Scopes are asked for. Nil is openid, profile, email; without "openid" there is no ID token, and Profile is required.
	Scopes []string
	// Parameters are added to each authorization request. Nil adds none.
	Parameters url.Values
	// PAR pushes each request to the provider first, so that the browser carries only a reference, which nobody can read or change
	// (RFC 9126). False does so where the provider demands it.
	PAR bool
	// RequestKey signs each request, as a request object (RFC 9101): its Audience "" is the issuer. It may be the Key. Nil signs none, and a
	// provider that demands it is not available.
	RequestKey *ClientKey
	// FormPost has the provider answer with a form (response_mode=form_post). False is a query.
	FormPost bool
	// SignedResponse has the provider answer with a JWT that it has signed, in the query or the form (JARM, response_mode=jwt), and an answer
	// that is not signed is refused; FAPI 2.0 Message Signing §5.4.2 demands it. False takes the parameters as they come.
	SignedResponse bool

	// Algorithms may sign ID tokens and logout tokens. Nil is RS256, PS256, ES256, ES384, Ed25519 and EdDSA. HS256, which makes the client
	// secret the key, stands alone or not at all.
	Algorithms []string
	// DecryptionKeys are those that the provider may encrypt to. With them an ID token must be encrypted, and other tokens may be; the
	// signature inside counts as ever. Nil takes none that is encrypted.
	DecryptionKeys []DecryptionKey
	// Audiences are those, besides ClientID, that an ID token may name. Nil is none (OpenID Connect Core §3.1.3.7, 3).
	Audiences []string
	// Skew is by how much the provider's clock may differ from ours. Zero is one minute.
	Skew time.Duration
	// NoUserInfo leaves the UserInfo endpoint alone: the ID token says all.
	NoUserInfo bool
	// Profile finds out who somebody is at a provider that issues no ID token. It returns claims by the names of OpenID Connect
	// Core §5.1; "sub" is required. Nil is for OpenID providers.
	Profile func(ctx context.Context, api *API) (map[string]any, error)
	// Normalize puts right what a provider says in words of its own. It sees verified claims, and the parameters of the response,
	// which are the browser's word alone. Nil changes nothing.
	Normalize func(claims map[string]any, response url.Values)

	// InsecureNoPKCE leaves out the code challenge, for a provider that fails over it. A code that was stolen on its way can then be
	// injected where there is no nonce either (RFC 9700 §4.5).
	InsecureNoPKCE bool

	// Client makes the requests. Nil is one with TLS 1.2 and 10 seconds. Redirects are never followed, and nothing is read beyond a
	// mebibyte, whoever makes them. With a Certificate its Transport is an *http.Transport, or nil.
	Client *http.Client
	// Replays remembers logout tokens; several nodes need to share that. Nil remembers in this process.
	Replays Replays
	// Now is the clock. Nil is time.Now.
	Now func() time.Time
}

// ClientKey is what private_key_jwt signs with.
type ClientKey struct {
	// ID is the kid under which the provider knows the key; "" names none.
	ID string
	// Algorithm is the one that the key is registered for: "ES256". Required.
	Algorithm string
	// Signer holds the key, perhaps elsewhere. Required.
	Signer crypto.Signer
	// Audience is what the assertion is for. "" is the issuer, which no other provider can have us use at its own endpoints
	// (RFC 9700 §2.5 with its updates); some old ones want their token endpoint.
	Audience string
}

// Endpoints are where a provider without metadata is.
type Endpoints struct {
	Authorization string
	Token         string
	UserInfo      string
	JWKS          string
	EndSession    string
	PAR           string
}

// Tenants lets one client serve the people of many tenants of a provider, each with an issuer of its own.
type Tenants struct {
	// Template is the issuer of a tenant, with {tenantid} where its id stands.
	Template string
	// Claim is that of the ID token that holds the id. "" is "tid".
	Claim string
	// Allowed are the ids of those whose people may sign in. Nil is all: then anybody who can open a tenant can say what they like
	// about anybody's e-mail address.
	Allowed []string
}

// Provider signs people in upstream. It is safe for concurrent use, and starts no goroutines.
type Provider struct {
	config    Config
	client    *http.Client
	certified *http.Client // shows the Certificate, where there is one
	prover    *prover      // of DPoP
	metadata  cache[*Metadata]
	keys      keySet
}

// New checks the configuration and returns a Provider, or an error that names every problem. It does no I/O: metadata and keys are
// read when they are first needed.
func New(config Config) (*Provider, error) {
	config = config.clone()
	if err := config.check(); err != nil {
		return nil, err
	}
	p := &Provider{config: config, client: bounded(config.Client, nil), metadata: newCache[*Metadata]()}
	p.certified = p.client
	if config.Certificate != nil {
		p.certified = bounded(config.Client, config.Certificate)
	}
	var err error
	if p.prover, err = newProver(config.DPoP, config.Now); err != nil {
		return nil, err
	}
	p.keys = newKeySet(p.client, config.Now)
	if p.config.Replays == nil {
		p.config.Replays = newMemory(config.Now)
	}
	return p, nil
}

// Issuer is the issuer that the provider was configured with.
func (p *Provider) Issuer() string { return p.config.Issuer }

// Scopes are what the provider is asked for.
func (p *Provider) Scopes() []string { return slices.Clone(p.config.Scopes) }

// clone is a copy that shares nothing, with its defaults filled in.
func (c Config) clone() Config {
	c.Scopes, c.Algorithms, c.Audiences = slices.Clone(c.Scopes), slices.Clone(c.Algorithms), slices.Clone(c.Audiences)
	c.Parameters, c.DecryptionKeys = cloneValues(c.Parameters), slices.Clone(c.DecryptionKeys)
	if c.Scopes == nil {
		c.Scopes = []string{"openid", "profile", "email"}
	}
	if c.Algorithms == nil {
		for _, a := range jose.Supported() {
			c.Algorithms = append(c.Algorithms, string(a))
		}
	}
	if c.Skew == 0 {
		c.Skew = time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Tenants != nil {
		tenants := *c.Tenants
		tenants.Allowed = slices.Clone(tenants.Allowed)
		if tenants.Claim == "" {
			tenants.Claim = "tid"
		}
		c.Tenants = &tenants
	}
	if c.Endpoints != nil {
		endpoints := *c.Endpoints
		c.Endpoints = &endpoints
	}
	if c.Key != nil {
		key := *c.Key
		c.Key = &key
	}
	if c.RequestKey != nil {
		key := *c.RequestKey
		c.RequestKey = &key
	}
	if c.DPoP != nil {
		key := *c.DPoP
		c.DPoP = &key
	}
	if c.Certificate != nil {
		certificate := *c.Certificate
		c.Certificate = &certificate
	}
	return c
}

func cloneValues(v url.Values) url.Values {
	c := make(url.Values, len(v))
	for name, values := range v {
		c[name] = slices.Clone(values)
	}
	return c
}

// openID reports whether the provider issues ID tokens.
func (c *Config) openID() bool { return c.Profile == nil }

// check names every problem, by field.
func (c *Config) check() error {
	var problems []error
	problem := func(field, format string, args ...any) {
		problems = append(problems, fmt.Errorf("rp: Config."+field+": "+format, args...))
	}
	if err := checkURL(c.Issuer); err != nil {
		problem("Issuer", "%w", err)
	} else if strings.ContainsAny(c.Issuer, "?#") {
		problem("Issuer", "has no query and no fragment")
	}
	if c.ClientID == "" {
		problem("ClientID", "is required")
	}
	if c.RedirectURL != "" {
		if err := checkURL(c.RedirectURL); err != nil {
			problem("RedirectURL", "%w", err)
		}
	}
	c.checkAuthentication(problem)
	if c.openID() && !slices.Contains(c.Scopes, "openid") { // OpenID Connect Core §3.1.2.1
		problem("Scopes", "lack \"openid\"; a provider without ID tokens needs a Profile")
	}
	if !c.openID() && c.Endpoints == nil {
		problem("Endpoints", "are required with Profile")
	}
	c.checkAlgorithms(problem)
	if e := c.Endpoints; e != nil {
		if err := errors.Join(checkURL(e.Authorization), checkURL(e.Token)); err != nil {
			problem("Endpoints", "%w", err)
		}
		if c.openID() && e.JWKS == "" {
			problem("Endpoints.JWKS", "is required with ID tokens")
		}
		for _, optional := range []string{e.UserInfo, e.JWKS, e.EndSession, e.PAR} {
			if optional != "" && checkURL(optional) != nil {
				problem("Endpoints", "%w", checkURL(optional))
			}
		}
	}
	if c.Tenants != nil && !strings.Contains(c.Tenants.Template, tenantPlace) {
		problem("Tenants.Template", "has no %s", tenantPlace)
	}
	if c.Skew < 0 || c.Skew > 10*time.Minute {
		problem("Skew", "is 0 to 10 minutes")
	}
	return errors.Join(problems...)
}

func (c *Config) checkAuthentication(problem func(field, format string, args ...any)) {
	if count(c.ClientSecret != "", c.MakeSecret != nil, c.Key != nil) > 1 {
		problem("ClientSecret", "is one of three: ClientSecret, MakeSecret, Key")
	}
	if c.Key != nil && !c.Key.usable() {
		problem("Key", "needs a Signer, and an Algorithm that is one of %v", jose.Supported())
	}
	switch {
	case !c.SecretInJWT:
	case c.SecretInBody:
		problem("SecretInJWT", "contradicts SecretInBody")
	case len(c.ClientSecret) < 32:
		problem("SecretInJWT", "needs a ClientSecret of 32 bytes or more (RFC 7518 §3.2)")
	}
	if c.RequestKey != nil && !c.RequestKey.usable() {
		problem("RequestKey", "needs a Signer, and an Algorithm that is one of %v", jose.Supported())
	}
	if c.PAR && c.Endpoints != nil && c.Endpoints.PAR == "" {
		problem("Endpoints.PAR", "is required with PAR")
	}
	if c.DPoP != nil && !c.DPoP.usable() {
		problem("DPoP", "needs a Signer, and an Algorithm that is one of %v", jose.Supported())
	}
	if c.Certificate == nil {
		return
	}
	if len(c.Certificate.Certificate) == 0 || c.Certificate.PrivateKey == nil {
		problem("Certificate", "needs a certificate and its key")
	}
	if c.ClientSecret != "" || c.MakeSecret != nil {
		problem("Certificate", "takes the place of a secret (RFC 8705 §2)")
	}
	if c.Client != nil && c.Client.Transport != nil {
		if _, ok := c.Client.Transport.(*http.Transport); !ok {
			problem("Client", "cannot show the Certificate: its Transport is no *http.Transport")
		}
	}
}

func (k *ClientKey) usable() bool {
	return k.Signer != nil && slices.Contains(jose.Supported(), jose.Algorithm(k.Algorithm))
}

func (c *Config) checkAlgorithms(problem func(field, format string, args ...any)) {
	symmetric := slices.Contains(c.Algorithms, string(jose.HS256))
	for _, a := range c.Algorithms {
		if a != string(jose.HS256) && !slices.Contains(jose.Supported(), jose.Algorithm(a)) {
			problem("Algorithms", "%q is not supported", a)
		}
	}
	for _, k := range c.DecryptionKeys {
		if !k.usable() {
			problem("DecryptionKeys", "each needs an Algorithm that is one of %v, and a Key for it", jose.KeyManagements())
		}
	}
	switch {
	case len(c.Algorithms) == 0:
		problem("Algorithms", "are none")
	case symmetric && len(c.Algorithms) > 1:
		problem("Algorithms", "HS256 stands alone: a public key must never serve as a secret (RFC 8725 §3.1)")
	case symmetric && len(c.ClientSecret) < 32:
		problem("ClientSecret", "has 32 bytes or more with HS256 (RFC 7518 §3.2)")
	}
}

// checkURL accepts what requests are made to: https, or http on a loopback host.
func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "" || u.User != nil:
		return fmt.Errorf("%q is not an absolute URL", s)
	case u.Scheme != "https" && (u.Scheme != "http" || !web.IsLoopback(u.Hostname())):
		return fmt.Errorf("%q must be https, or http on a loopback host", s)
	}
	return nil
}

func count(conditions ...bool) (n int) {
	for _, c := range conditions {
		if c {
			n++
		}
	}
	return n
}
