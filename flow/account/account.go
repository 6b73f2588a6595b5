package account

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/flow/pages"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Settings are what a host chooses. The zero value offers everything.
type Settings struct {
	// NoDeletion keeps people from deleting their accounts by themselves.
	NoDeletion bool
	// ACR is the class of authentication, one of directory.ACRs, that everybody must have shown at the least, within ten minutes, who changes how
	// they sign in or are reached. Of those who have enrolled a second factor two are demanded, whatever ACR is. Codes that are
	// sent are enrolled by nobody: where these are what people are asked for, it is for ACR to demand them here too.
	ACR string
}

// Config is the wiring of a Portal.
type Config struct {
	Settings
	// DB, Directory and Issuer are those of the Engine. Required.
	DB        *store.DB
	Directory *directory.Directory
	Issuer    string
	// Paths moves the pages: their default path below the issuer ("/account"), and the path to have instead. Nil leaves them there.
	Paths map[string]string
	// Engine signs people in; its Plans hold those of Plans. Required.
	Engine *flow.Engine
	// Look writes the pages. Required.
	Look *pages.Pages
	// Applications act for people: an *oidc.Provider. Nil shows none.
	Applications Applications
	// Connections are where people have accounts that let them in here. Nil is none.
	Connections *federated.Connections
	// Messages takes what is sent to an address that is to be confirmed. Nil sends nothing; then no policy may ask for it.
	Messages notify.Outbox
	// TOTP, Passkeys and Push offer to add authenticator apps, passkeys, and devices that confirm sign-ins: what people are asked for when
	// they sign in.
	TOTP     bool
	Passkeys bool
	Push     bool
	// HOTP and BackupCodes offer to add a token, and to draw codes, of what they are in the Engine. Nil offers none. What somebody has is
	// shown, and can be removed, all the same.
	HOTP        *mfa.HOTP
	BackupCodes *mfa.BackupCodes
	// Logger takes the causes of failures. Nil discards them.
	Logger *slog.Logger
}

// Applications are those that act for people. An *oidc.Provider implements it. Methods are safe for concurrent use.
type Applications interface {
	// Authorizations returns what somebody has allowed applications.
	Authorizations(ctx context.Context, subject store.Ref) ([]directory.Authorization, error)
	// RevokeConsent takes everything back that somebody has allowed the application of an Authorization, and ends its tokens. For an id that
	// is none it does nothing.
	RevokeConsent(ctx context.Context, subject store.Ref, id string) error
}

// Portal is the pages. It is safe for concurrent use and starts no goroutines.
type Portal struct {
	Config
	site    *web.Site
	log     *slog.Logger
	origins *http.CrossOriginProtection
}

// New checks the configuration and returns a Portal, or an error that names every problem. It does no I/O.
func New(config Config) (*Portal, error) {
	site, err := web.NewSite(config.Issuer, nil)
	if err != nil {
		err = fmt.Errorf("account: Config.Issuer: %w", err)
	} else if site, err = site.WithPaths(config.Paths); err != nil {
		err = fmt.Errorf("account: Config.Paths: %w", err)
	} else if err = site.CheckRoutes(routeTable()); err != nil {
		err = fmt.Errorf("account: Config.Paths: %w", err)
	}
	if err := errors.Join(err, config.check()); err != nil {
		return nil, err
	}
	p := &Portal{Config: config, site: site, log: config.Logger, origins: http.NewCrossOriginProtection()}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	// A proxy may show us another Host than the one in the browser's address bar.
	if err := p.origins.AddTrustedOrigin(site.Origin()); err != nil {
		return nil, fmt.Errorf("account: Config.Issuer: %w", err)
	}
	return p, nil
}

func (c *Config) check() error {
	var problems []error
	for _, need := range []struct {
		field   string
		missing bool
	}{
		{"DB", c.DB == nil},
		{"Directory", c.Directory == nil},
		{"Engine", c.Engine == nil},
		{"Look", c.Look == nil},
	} {
		if need.missing {
			problems = append(problems, fmt.Errorf("account: Config.%s is required", need.field))
		}
	}
	if c.ACR != "" && !slices.Contains(directory.ACRs(), c.ACR) {
		problems = append(problems, fmt.Errorf("account: Config.ACR %q is none of %q", c.ACR, directory.ACRs()))
	}
	if c.HOTP != nil {
		problems = append(problems, c.HOTP.Validate())
	}
	if c.BackupCodes != nil {
		problems = append(problems, c.BackupCodes.Validate())
	}
	return errors.Join(problems...)
}

// Home is the path, below the issuer's, of the first page.
const Home = "/account"

// The pages, below the issuer's path.
const (
	profilePath      = Home
	contactPath      = Home + "/contact"
	securityPath     = Home + "/security"
	sessionsPath     = Home + "/sessions"
	applicationsPath = Home + "/applications"
	dataPath         = Home + "/data"
)

// Routes lists the pages. They are of the same-origin class: the Portal itself refuses posts from elsewhere.
func (p *Portal) Routes() []flow.Route {
	var routes []flow.Route
	for _, page := range p.pages() {
		routes = append(routes, flow.Route{Path: p.site.Path(page.path), Handler: p.handler(page)})
	}
	slices.SortFunc(routes, func(a, b flow.Route) int { return strings.Compare(a.Path, b.Path) })
	return routes
}

func routeTable() (routes []web.Route) {
	for _, path := range []string{profilePath, contactPath, securityPath, sessionsPath, applicationsPath, dataPath} {
		routes = append(routes, web.Route{Path: path, Methods: []string{http.MethodGet, http.MethodPost}})
	}
	return routes
}
