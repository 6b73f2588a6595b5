package federated

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/service"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Config is the wiring of Connections.
type Config struct {
	// DB keeps the links. Required.
	DB *store.DB
	// Directory knows the people. Required; over the same DB.
	Directory *directory.Directory
	// Issuer is our own issuer's URL, below which people come back. Required.
	Issuer string
	// Connections are the providers upstream. Required.
	Connections []Connection
	// Logger takes the causes of logins that came to nothing. Nil discards them.
	Logger *slog.Logger
}

// Connection is one provider upstream, and what its word is good for here.
type Connection struct {
	// Name is that of the Executor, and part of the redirect URL: 1 to 32 lower-case letters, digits and hyphens, with a letter in
	// front, and none of the built-in steps (flow.CheckStepName). Required; a plan and the provider's registration have it.
	Name string
	// Title is how pages call the provider; "" is Name.
	Title string
	// Provider says where it is and who we are there, as rp.Google and its like do. RedirectURL, Replays and Now are filled in.
	Provider rp.Config
	// Service is, in the place of Provider, a service of the host's own that has people of its own; see package service. They are known by
	// Name, which must not change, and their id there. Claims are taken over by the URIs of WSO2 Identity Server, an address only with
	// http://wso2.org/claims/identity/emailVerified. Nil is none.
	Service *service.Endpoint

	// ProgramURL is where the Provider sends people back whom a program of the host's has sent there, by flow execution or without a
	// browser of ours (packages flow/execute and flow/native): at a page, or an app link, of the program's own, which brings the parameters
	// of the answer into the flow that it has begun. It is https, or http on a loopback host, has to be registered with the provider as
	// RedirectURL is, and is another one for each connection: what comes back at the one of another provider than the flow has sent people to, the
	// program brings nowhere. "" has programs send nobody there.
	ProgramURL string

	// NativeClients are for apps of the host's own that get an ID token of the Provider by themselves, as by the sign-in of the platform, and
	// bring that (package flow/native), for a nonce that their flow has given them. The token has to be for one of these client ids (aud) and
	// issued to one (azp), as one of Google for an Android app is issued to the app and for the server; the first is what apps are told to ask
	// for. List those of the host's own apps alone. With them, apps that sign people in send nobody away, whatever ProgramURL is: that takes
	// another connection, which has the same links. Nil takes no ID token from anybody.
	NativeClients []string

	// Create makes an account for somebody who comes for the first time. False lets only those in who are linked.
	Create bool
	// Store is the user store that they come to; "" is the one that registers.
	Store string
	// Map fills the account that is about to be made, after the standard claims were taken over. Nil adds nothing. An address that it
	// sets with EmailVerified is believed. Later logins ask it too, with an account that is empty but for the claims; see Sync.
	Map func(*directory.User, *rp.Identity)
	// Sync is what later logins change of an account that this connection has made.
	Sync Sync
	// LinkByEmail connects somebody who comes for the first time with the account that has their address, when both the provider and
	// we have verified it. False never does: they sign in as before, and link there. Set it only for a provider that owns the
	// addresses, or verifies them as you would.
	LinkByEmail bool
	// TrustAMR takes over how the provider says that the person has proven themselves, so that two factors there are two here. False
	// counts the provider's word as one factor.
	TrustAMR bool
	// InsecureAssumeFresh takes a login for a fresh proof although the provider, or the service, does not say when the person proved themselves.
	// False refuses it where an application demands one (prompt=login, max_age).
	InsecureAssumeFresh bool
	// RPInitiatedLogout sends the browser of somebody who signs out here, and has signed in by the Provider, on to its end_session_endpoint, so
	// that they are signed out there as well (OpenID Connect RP-Initiated Logout 1.0 §2). Connections.PostLogoutRedirectURL has to be registered
	// there. They are signed out here before, whether or not the provider sends them back. False leaves them signed in there, as whoever uses the
	// provider for more than this expects.
	RPInitiatedLogout bool
}

// Connections are the providers upstream. They are safe for concurrent use.
type Connections struct {
	db    *store.DB
	dir   *directory.Directory
	log   *slog.Logger
	site  *web.Site
	links *store.Collection[Link]
	// signOuts are the logouts at providers whose people have not come back.
	signOuts *store.Collection[signOut]
	all      map[string]*connection
}

// connection is one of them, ready for use.
type connection struct {
	Connection
	*Connections
	provider *rp.Provider // nil for a service
	back     string       // where people come back
	// signsIn and linksTo are the steps of a service; nil for a provider.
	signsIn, linksTo *service.Step
}

// New checks the configuration and returns the Connections, or an error that names every problem. It does no I/O.
func New(config Config) (*Connections, error) {
	site, err := web.NewSite(config.Issuer, nil)
	var problems []error
	if err != nil {
		problems = append(problems, fmt.Errorf("federated: Config.Issuer: %w", err))
	}
	if config.DB == nil || config.Directory == nil {
		problems = append(problems, errors.New("federated: Config.DB and Config.Directory are required"))
	}
	if len(config.Connections) == 0 {
		problems = append(problems, errors.New("federated: Config.Connections are required"))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Connections{
		db: config.DB, dir: config.Directory, log: config.Logger, site: site,
		links: store.NewCollection(config.DB, linkType), signOuts: store.NewCollection(config.DB, signOutType), all: map[string]*connection{},
	}
	for i, made := range config.Connections {
		if err := c.add(made); err != nil {
			problems = append(problems, fmt.Errorf("federated: Config.Connections[%d]: %w", i, err))
		}
	}
	c.dir.OnDeleteUser(c.forget)
	return c, errors.Join(problems...)
}

func (c *Connections) add(made Connection) error {
	if err := flow.CheckStepName(made.Name, linkSuffix, registerSuffix); err != nil {
		return err
	}
	for name := range c.Executors() {
		if name == made.Name || name == LinkExecutor(made.Name) || name == RegisterExecutor(made.Name) {
			return fmt.Errorf("the name %q is taken: another connection has the step %q", made.Name, name)
		}
	}
	if made.Sync < SyncPreserveLocal || made.Sync > SyncNone {
		return fmt.Errorf("Sync: %d is none of its constants", made.Sync)
	}
	if made.Title == "" {
		made.Title = made.Name
	}
	ready := &connection{Connection: made, Connections: c, back: c.site.URL(flow.CallbackPath + made.Name)}
	var err error
	if made.Service != nil {
		err = ready.openService(c.site.Issuer())
	} else {
		if err := errors.Join(checkProgramURL(made.ProgramURL, ready.back), checkNative(made), checkLogout(made)); err != nil {
			return err
		}
		for _, other := range c.all { // RFC 9700 §4.4: a program that takes people back at one place cannot tell from which provider they come
			if made.ProgramURL != "" && made.ProgramURL == other.ProgramURL {
				return fmt.Errorf("ProgramURL: %q is that of the connection %q", made.ProgramURL, other.Name)
			}
		}
		ready.Connection.Provider.RedirectURL = ready.back
		ready.Connection.Provider.Now, ready.Connection.Provider.Replays = c.db.Now, newReplays(c.db)
		ready.provider, err = rp.New(ready.Connection.Provider)
	}
	if err != nil {
		return err
	}
	c.all[made.Name] = ready
	return nil
}

// checkProgramURL holds that people come back to a program where nobody listens in, and not to where browsers do.
func checkProgramURL(text, back string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || len(text) > maxURL:
		return fmt.Errorf("ProgramURL: %q is not an absolute URL without a fragment", text)
	case u.Scheme != "https" && (u.Scheme != "http" || !web.IsLoopback(u.Hostname())):
		return fmt.Errorf("ProgramURL: %q must be https, or http on a loopback host", text)
	case text == back:
		return errors.New("ProgramURL: is where browsers come back")
	}
	return nil
}

// checkNative holds that ID tokens which apps bring can be told from forged ones.
func checkNative(c Connection) error {
	switch {
	case len(c.NativeClients) == 0:
		return nil
	case slices.Contains(c.NativeClients, ""):
		return errors.New("NativeClients: a client id is empty")
	case c.Provider.Profile != nil:
		return errors.New("NativeClients: the provider issues no ID tokens")
	case slices.Contains(c.Provider.Algorithms, "HS256"):
		return errors.New("NativeClients: the provider signs with the client secret, which no app may know (RFC 8725 §3.1)")
	}
	return nil
}

// checkLogout holds that a provider of which all is known has somewhere to sign out.
func checkLogout(c Connection) error {
	if e := c.Provider.Endpoints; c.RPInitiatedLogout && e != nil && e.EndSession == "" {
		return errors.New("RPInitiatedLogout: the provider has no Endpoints.EndSession")
	}
	return nil
}

// maxURL bounds a URL in characters.
const maxURL = 2048

// Executors are for flow.Config.Executors: under each connection's name one that signs in, and under the name with "-link" one that
// links the person whom the flow is about. Where an account is made for who comes for the first time (Create), the one with "-register"
// introduces them to a plan that makes it (flow.Introducer), and signs nobody in who has one.
func (c *Connections) Executors() map[string]flow.Executor {
	executors := map[string]flow.Executor{}
	for name, made := range c.all {
		if made.signsIn != nil {
			executors[name], executors[name+linkSuffix] = made.signsIn, made.linksTo
			continue
		}
		executors[name] = executor{connection: made}
		executors[LinkExecutor(name)] = executor{connection: made, links: true}
		if made.Create {
			executors[RegisterExecutor(name)] = registering{executor{connection: made}}
		}
	}
	return executors
}

const (
	linkSuffix     = "-link"
	registerSuffix = "-register"
)

// RedirectURL is what to register with the provider of a connection, and where its service sends people back; "" when there is none of that name.
func (c *Connections) RedirectURL(name string) string {
	if made := c.all[name]; made != nil {
		return made.back
	}
	return ""
}

// Names are those of the connections, in order.
func (c *Connections) Names() []string { return slices.Sorted(maps.Keys(c.all)) }

// RegisterExecutor is the name of the Executor that introduces somebody who comes for the first time, by a connection.
func RegisterExecutor(connection string) string { return connection + registerSuffix }

// LinkExecutor is the name of the Executor that links the person whom a flow is about, by a connection.
func LinkExecutor(connection string) string { return connection + linkSuffix }

// TitleOf is how pages call the connection of a name; the name for one that is not there any more.
func (c *Connections) TitleOf(name string) string {
	if made := c.all[name]; made != nil && made.Title != "" {
		return made.Title
	}
	return name
}

// Provider is that of a connection, nil when there is none of that name, and for a service.
func (c *Connections) Provider(name string) *rp.Provider {
	if made := c.all[name]; made != nil {
		return made.provider
	}
	return nil
}

// warn tells the log why a login came to nothing, which the person is not told.
func (c *connection) warn(ctx context.Context, err error) {
	c.log.WarnContext(ctx, "an upstream login came to nothing", "connection", c.Name, "error", err)
}
