package federated

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
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
	// front. Required; a plan and the provider's registration have it.
	Name string
	// Title is how pages call the provider; "" is Name.
	Title string
	// Provider says where it is and who we are there, as rp.Google and its like do. RedirectURL, Replays and Now are filled in.
	Provider rp.Config
	// Service is, in the place of Provider, a service of the host's own that has people of its own; see package service. They are known by
	// Name, which must not change, and their id there. Claims are taken over by the URIs of WSO2 Identity Server, an address only with
	// http://wso2.org/claims/identity/emailVerified. Nil is none.
	Service *service.Endpoint

	// Create makes an account for somebody who comes for the first time. False lets only those in who are linked.
	Create bool
	// Store is the user store that they come to; "" is the one that registers.
	Store string
	// Map fills the account that is about to be made, after the standard claims were taken over. Nil adds nothing. An address that it
	// sets with EmailVerified is believed.
	Map func(*directory.User, *rp.Identity)
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
}

// Connections are the providers upstream. They are safe for concurrent use.
type Connections struct {
	db    *store.DB
	dir   *directory.Directory
	log   *slog.Logger
	links *store.Collection[Link]
	all   map[string]*connection
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

var connectionName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

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
		db: config.DB, dir: config.Directory, log: config.Logger,
		links: store.NewCollection(config.DB, linkType), all: map[string]*connection{},
	}
	for i, made := range config.Connections {
		if err := c.add(site, made); err != nil {
			problems = append(problems, fmt.Errorf("federated: Config.Connections[%d]: %w", i, err))
		}
	}
	c.dir.OnDeleteUser(c.forget)
	return c, errors.Join(problems...)
}

func (c *Connections) add(site *web.Site, made Connection) error {
	if !connectionName.MatchString(made.Name) {
		return fmt.Errorf("the name %q is not 1 to 32 lower-case letters, digits and hyphens with a letter in front", made.Name)
	}
	if c.all[made.Name] != nil {
		return fmt.Errorf("the name %q stands twice", made.Name)
	}
	if made.Title == "" {
		made.Title = made.Name
	}
	ready := &connection{Connection: made, Connections: c, back: site.URL(flow.CallbackPath + made.Name)}
	var err error
	if made.Service != nil {
		err = ready.openService(site.Issuer())
	} else {
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

// Executors are for flow.Config.Executors: under each connection's name one that signs in, and under the name with "-link" one that
// links the person whom the flow is about.
func (c *Connections) Executors() map[string]flow.Executor {
	executors := map[string]flow.Executor{}
	for name, made := range c.all {
		if made.signsIn != nil {
			executors[name], executors[name+linkSuffix] = made.signsIn, made.linksTo
			continue
		}
		executors[name] = executor{connection: made}
		executors[LinkExecutor(name)] = executor{connection: made, links: true}
	}
	return executors
}

const linkSuffix = "-link"

// RedirectURL is what to register with the provider of a connection, and where its service sends people back; "" when there is none of that name.
func (c *Connections) RedirectURL(name string) string {
	if made := c.all[name]; made != nil {
		return made.back
	}
	return ""
}

// Names are those of the connections, in order.
func (c *Connections) Names() []string { return slices.Sorted(maps.Keys(c.all)) }

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
