package signet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/account"
	"github.com/signet-idp/signet/flow/builder"
	"github.com/signet-idp/signet/flow/execute"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/flow/me"
	"github.com/signet-idp/signet/flow/native"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/flow/pages"
	"github.com/signet-idp/signet/flow/recovery"
	"github.com/signet-idp/signet/flow/service"
	"github.com/signet-idp/signet/internal/keyring"
	"github.com/signet-idp/signet/internal/observe"
	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/oidc/resource"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Provider is an identity provider: an http.Handler, and the services behind it for the host. It is safe for concurrent
// use. It starts no goroutine by itself; see Run.
type Provider struct {
	// Directory is people, applications, sessions and settings.
	Directory *directory.Directory
	// Clients are the registered OAuth clients.
	Clients *oidc.Clients
	// OIDC is the OpenID provider.
	OIDC *oidc.Provider
	// Connections are the providers upstream; nil without Config.Connections.
	Connections *federated.Connections
	// Services are the host's own authentication services; nil without Config.Services.
	Services *service.Services
	// Messages tells people things; nil without Config.Messages.
	Messages *notify.Messages
	// DB is the store, for events and for packages of the host's own.
	DB *store.DB

	config Config
	ring   *keyring.Ring // nil with Config.SigningKeys
	flow   *flow.Engine
	pages  *pages.Pages
	// Each is nil without what Config has for it: FlowExecution, RecoveryAPI, Account, Me.
	execution *execute.Transport
	recovery  *recovery.Transport
	account   *account.Portal
	me        *me.API
	// source is that of Config.Source, and builder nil without Config.FlowBuilder; management are their APIs, and guards keep those.
	source     flow.Source
	builder    *builder.Builder
	management []web.Route
	seen       observe.Limit
	guards     []*resource.Guard
	// api is where the APIs of the product are.
	api *web.Site
	mux *http.ServeMux
	log *slog.Logger
}

// New checks the configuration and returns a Provider, or an error that names every problem. It does no I/O: a store that
// is down is met by the requests, which answer 503 until it is back.
func New(config Config) (*Provider, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Provider{config: config, log: config.Logger, mux: http.NewServeMux()}
	if err := p.build(); err != nil {
		return nil, err
	}
	if err := p.checkPaths(); err != nil {
		return nil, err
	}
	p.Mount(p.mux)
	p.mux.HandleFunc("/", p.miss)
	return p, nil
}

// build makes the parts, each from those it needs. A part that cannot be made does not hide what is wrong with the others.
func (p *Provider) build() error {
	if err := p.buildStore(); err != nil {
		return named("store", err)
	}
	problems := []error{
		named("directory", p.buildDirectory()), named("keys", p.buildKeys()), named("pages", p.buildPages()),
	}
	if p.Directory != nil && p.config.Messages != nil {
		problems = append(problems, named("messages", p.buildMessages()))
	}
	if p.Directory != nil && p.pages != nil {
		problems = append(problems, named("connections", p.buildConnections()), named("services", p.buildServices()), named("plans", p.buildPlans()), named("flow", p.buildFlow()))
	}
	if p.Directory != nil && p.config.SigningKeys != nil {
		problems = append(problems, named("oidc", p.buildOIDC()))
	}
	if p.OIDC != nil && p.flow != nil && p.config.Account != nil {
		problems = append(problems, named("account", p.buildAccount()))
	}
	if p.OIDC != nil && p.flow != nil && p.config.Me != nil {
		problems = append(problems, named("me", p.buildMe()))
	}
	if p.OIDC != nil && p.flow != nil && p.builder != nil {
		problems = append(problems, named("builder", p.buildManagement()))
	}
	if source, ok := p.source.(managed); ok && p.OIDC != nil && p.flow != nil {
		problems = append(problems, named("Config.Source", p.buildSourceManagement(source)))
	}
	problems = append(problems, named("paths", p.buildAPI()))
	return errors.Join(problems...)
}

// named says which part an error is of.
func named(part string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("signet: %s: %w", part, err)
}

func (c *Config) check() error {
	var problems []error
	if c.Issuer == "" {
		problems = append(problems, errors.New("signet: Config.Issuer is required, for example https://id.example.com"))
	} else if _, err := web.NewSite(c.Issuer, c.TrustedProxies); err != nil {
		problems = append(problems, fmt.Errorf("signet: Config.Issuer: %w", err))
	}
	if c.Store == nil {
		problems = append(problems, errors.New("signet: Config.Store is required; sqlite.Open makes one"))
	}
	if c.Keys == nil {
		problems = append(problems, errors.New("signet: Config.Keys is required; store.OpenKeyFile makes one"))
	}
	if c.BotCheck != nil && c.OIDC.Legacy != nil && c.OIDC.Legacy.Password {
		problems = append(problems, errors.New("signet: Config.BotCheck is not asked of the password grant; without OIDC.Legacy.Password it is asked of all"))
	}
	return errors.Join(problems...)
}

func (p *Provider) buildStore() (err error) {
	p.DB, err = store.Open(store.Config{
		Driver: p.config.Store, Ephemeral: p.config.Ephemeral, Keys: p.config.Keys, Now: p.config.Now,
		Consumers: p.consumers(), EventRetention: p.config.EventRetention,
	})
	return err
}

// consumers are the host's, and those of the parts that deliver something.
func (p *Provider) consumers() []store.Consumer {
	all := slices.Concat(p.config.Consumers, p.config.OIDC.Consumers())
	if p.config.Messages != nil {
		all = append(all, notify.Consumers()...)
	}
	return all
}

func (p *Provider) buildDirectory() error {
	cost := p.config.PasswordCost
	hasher, err := password.New(password.Config{
		Params: password.Params{Memory: cost.Memory, Time: cost.Passes, Threads: cost.Threads},
	})
	if err != nil {
		return err
	}
	p.Directory, err = directory.New(directory.Config{
		DB: p.DB, Users: p.config.Users, UserStores: p.config.UserStores, Verifier: p.config.Verifier, Hasher: hasher, Logger: p.log,
		Session: p.config.Session, Lock: p.config.Lock, Throttle: p.config.Throttle,
		Password: p.config.Password, Push: p.config.Push, Branding: p.config.Branding, Accounts: p.accounts(), Blocklist: p.config.Blocklist,
		ServiceWords: []string{host(p.config.Issuer)},
	})
	return err
}

// accounts are the policies of accounts: with recovery by mail, unless the host has one of its own.
func (p *Provider) accounts() directory.AccountPolicies {
	accounts := p.config.Accounts
	if p.config.Messages != nil && accounts.Recovery == (directory.RecoveryPolicy{}) {
		accounts.Recovery = directory.RecoveryPolicy{EmailLink: true, SignIn: true, Notify: true}
	}
	return accounts
}

func (p *Provider) buildKeys() (err error) {
	if p.config.SigningKeys != nil {
		return nil
	}
	p.ring, err = keyring.New(keyring.Config{
		DB: p.DB, Algorithms: oidc.Algorithms(), OnDemand: furtherAlgorithms(), Encryption: keyring.Encryption(),
		TokenLifetime: oidc.LongestToken, Logger: p.log,
	})
	p.config.SigningKeys = p.ring
	return err
}

// furtherAlgorithms are those whose keys are made when a client is registered for them.
func furtherAlgorithms() []string {
	return slices.DeleteFunc(keyring.Signing(), func(a string) bool { return slices.Contains(oidc.Algorithms(), a) })
}

func (p *Provider) buildPages() (err error) {
	p.pages, err = pages.New(pages.Config{
		Issuer: p.config.Issuer, DefaultLocale: p.config.DefaultLocale, Locales: p.config.Locales, Templates: p.config.Templates,
		ImageOrigins: p.config.ImageOrigins, Logger: p.log,
	})
	return err
}

func (p *Provider) buildMessages() (err error) {
	senders := *p.config.Messages
	if senders.DefaultLocale == "" {
		senders.DefaultLocale = p.config.DefaultLocale
	}
	p.Messages, err = notify.New(notify.Config{
		DB: p.DB, Directory: p.Directory, Issuer: p.config.Issuer, Senders: senders, Logger: p.log,
	})
	return err
}

// buildPlans makes the plans that the configuration asks for. Those of the host's own come before them.
func (p *Provider) buildPlans() error {
	mail := p.Messages != nil && p.Messages.Reaches(notify.Email)
	if p.config.Accounts.Registration.Enabled && !mail {
		return errors.New("Config.Accounts.Registration needs Config.Messages that reach e-mail")
	}
	if err := p.config.Factors.check(p.config.Messages); err != nil {
		return err
	}
	sms := p.Messages != nil && p.Messages.Reaches(notify.SMS)
	if r := p.config.Accounts.Recovery; (r.SMSCode || r.UsernameSMS) && !sms {
		return errors.New("Config.Accounts.Recovery: SMSCode and UsernameSMS need Config.Messages.SMS")
	}
	if p.config.RecoveryAPI && !mail && !sms {
		return errors.New("Config.RecoveryAPI needs Config.Messages: it recovers accounts by what they send")
	}
	plans := map[string]flow.Plan{"login": p.config.login(), "invite": flow.Invitation(), "verify": flow.Verification()}
	if mail || sms {
		plans["recover"] = flow.Recovery()
	}
	if mail {
		plans["register"] = flow.Registration()
	}
	if p.config.Account != nil {
		maps.Copy(plans, account.Plans(p.config.Factors.orDefault().TOTP != nil, p.config.Passkeys != nil, p.pushes(), p.connectionNames()...))
	}
	maps.Copy(plans, p.config.Plans)
	p.config.Plans = plans
	if p.config.Home == "" {
		p.config.Home = p.config.Issuer
		if p.config.Account != nil {
			p.config.Home += p.accountHome()
		}
	}
	return nil
}

// connectionNames are those of the providers upstream.
func (p *Provider) connectionNames() []string {
	if p.Connections == nil {
		return nil
	}
	return p.Connections.Names()
}

// signUps are the providers at which people may register.
func (p *Provider) signUps() (all []builder.Connection) {
	for _, c := range p.config.Connections {
		if c.Create && c.Service == nil {
			all = append(all, builder.Connection{Name: c.Name, Title: p.Connections.TitleOf(c.Name)})
		}
	}
	return all
}

// pushes reports whether people are asked to confirm sign-ins on a device.
func (p *Provider) pushes() bool {
	return p.Messages != nil && p.Messages.Reaches(notify.Push) && p.config.Factors.orDefault().Push != nil
}

// accountHome is where the pages of accounts begin, below the issuer.
func (p *Provider) accountHome() string {
	if moved, ok := p.config.Paths[account.Home]; ok {
		return moved
	}
	return account.Home
}

// buildConnections makes the ways to sign in upstream: steps of the login beside those of the host.
func (p *Provider) buildConnections() (err error) {
	if len(p.config.Connections) == 0 {
		return nil
	}
	p.Connections, err = federated.New(federated.Config{
		DB: p.DB, Directory: p.Directory, Issuer: p.config.Issuer, Connections: p.config.Connections, Logger: p.log,
	})
	if err != nil {
		return err
	}
	p.addExecutors(p.Connections.Executors())
	return nil
}

// buildServices makes the steps that services of the host's own do.
func (p *Provider) buildServices() (err error) {
	if len(p.config.Services) == 0 {
		return nil
	}
	p.Services, err = service.New(service.Config{
		DB: p.DB, Directory: p.Directory, Issuer: p.config.Issuer, Services: p.config.Services, Logger: p.log,
	})
	if err != nil {
		return err
	}
	executors := p.Services.Executors()
	if p.Connections != nil {
		for name := range p.Connections.Executors() { // each connection has several
			if executors[name] != nil {
				return fmt.Errorf("Config.Services: the name %q is that of a step of Config.Connections", name)
			}
		}
	}
	p.addExecutors(executors)
	return nil
}

// addExecutors adds steps to those of the host, which take precedence.
func (p *Provider) addExecutors(executors map[string]flow.Executor) {
	maps.Copy(executors, p.config.Executors)
	p.config.Executors = executors
}

// authenticators are how apps know the Connections, as WSO2 Identity Server calls them, and what the host says.
func (p *Provider) authenticators() map[string]native.Authenticator {
	all := map[string]native.Authenticator{}
	for _, c := range p.config.Connections {
		a := native.Authenticator{
			Name: "OpenIDConnectAuthenticator", IDP: c.Name, DisplayName: p.Connections.TitleOf(c.Name), Key: "authenticator.openid.connect",
		}
		switch {
		case c.Service != nil:
			continue
		case c.Provider.Issuer == "https://accounts.google.com":
			a.Name, a.Key = "GoogleOIDCAuthenticator", "authenticator.google"
		case c.Provider.Issuer == "https://github.com/login/oauth":
			a.Name, a.Key = "GithubAuthenticator", "authenticator.github"
		}
		all[c.Name] = a
	}
	maps.Copy(all, p.config.Authenticators)
	return all
}

func (p *Provider) buildFlow() (err error) {
	var source flow.Source
	executors := map[string]flow.Executor{}
	if p.config.Source != nil {
		made, more, err := p.config.Source(Parts{p.DB, p.Directory, p.Connections})
		if err != nil {
			return fmt.Errorf("Config.Source: %w", err)
		}
		source, p.source = made, made
		maps.Copy(executors, more)
	}
	maps.Copy(executors, p.config.Executors)
	var outbox notify.Outbox
	if p.Messages != nil {
		outbox = p.Messages
	}
	if p.config.FlowBuilder {
		if p.builder, err = builder.New(builder.Config{
			DB: p.DB, Directory: p.Directory, Next: source, Connections: p.signUps(), SMS: outbox != nil && outbox.Reaches(notify.SMS),
		}); err != nil {
			return err
		}
		source = p.builder
	}
	var execution flow.Program
	if p.config.FlowExecution {
		p.execution = execute.New(execute.Config{Text: p.pages.Text})
		execution = p.execution
	}
	var recoveries flow.Program
	if p.config.RecoveryAPI {
		p.recovery = recovery.New(recovery.Config{Locate: func(path string) string { return p.api.Path(path) }, Text: p.pages.Text})
		recoveries = p.recovery
	}
	config := flow.Config{
		Execution: execution, Recovery: recoveries, Messages: outbox, Home: p.config.Home, Source: source,
		DB: p.DB, Directory: p.Directory, Issuer: p.config.Issuer, Paths: p.config.paths(ofFlow), TrustedProxies: p.config.TrustedProxies,
		Transport: p.pages, Native: native.New(native.Config{Text: p.pages.Text, Authenticators: p.authenticators()}),
		Plans: p.config.Plans, Executors: executors, Passkeys: p.config.Passkeys,
		BotCheck: p.config.BotCheck, Restart: p.restart, Observer: p.config.Observer, Logger: p.log,
	}
	p.config.Factors.apply(&config, p.config.Branding.Name)
	p.flow, err = flow.New(config)
	return err
}

// authenticatorName is a name as an authenticator app can show it: a colon would end it there.
func authenticatorName(name string) string { return strings.ReplaceAll(name, ":", " ") }

func (p *Provider) buildOIDC() (err error) {
	var links oidc.Links
	var upstream func(http.ResponseWriter, *http.Request, store.Ref, string) (string, error)
	if p.Connections != nil {
		links, upstream = p.Connections, p.Connections.SignOut
	}
	p.OIDC, err = oidc.New(oidc.Config{
		Links: links, SignOutUpstream: upstream,
		Issuer: p.config.Issuer, DB: p.DB, Directory: p.Directory, Keys: p.config.SigningKeys,
		Interact: p.flow.Interact, EndSession: p.flow.EndSession, Pages: oidcPages{p},
		Paths: p.config.paths(ofProtocol), Profile: p.config.Profile, Features: p.config.OIDC, Outbound: p.config.Outbound, Claims: p.config.Claims, TokenHook: p.config.TokenHook, ScopeHook: p.config.ScopeHook, Observer: p.config.Observer,
		Logger: p.log, TrustedProxies: p.config.TrustedProxies,
		CodeLifetime: p.config.Tokens.Code, AccessTokenLifetime: p.config.Tokens.Access,
		IDTokenLifetime: p.config.Tokens.ID, RefreshTokenLifetime: p.config.Tokens.Refresh,
	})
	if err == nil {
		p.Clients = p.OIDC.Clients
	}
	return err
}

func (p *Provider) buildAccount() (err error) {
	factors := p.config.Factors.orDefault()
	var outbox notify.Outbox
	if p.Messages != nil {
		outbox = p.Messages
	}
	p.account, err = account.New(account.Config{
		Settings: *p.config.Account, DB: p.DB, Directory: p.Directory, Issuer: p.config.Issuer, Paths: p.config.paths(ofAccount),
		Engine: p.flow, Look: p.pages, Applications: p.OIDC, Connections: p.Connections, Messages: outbox,
		TOTP: factors.TOTP != nil, Passkeys: p.config.Passkeys != nil, Push: p.pushes(),
		HOTP: p.config.Factors.HOTP, BackupCodes: factors.BackupCodes, Logger: p.log, // nobody has a token unless the host gives them out
	})
	return err
}

// restart begins the request of an expired page again, by the protocol that sealed it.
func (p *Provider) restart(_ context.Context, _ *http.Request, sealed string) (string, error) {
	url, err := p.OIDC.Restart(sealed)
	if errors.Is(err, store.ErrSealed) {
		return "", nil // forged, or sealed under a key that is gone: there is nothing to begin again
	}
	return url, err
}

// ServeHTTP implements http.Handler for everything that Mount registers, with a page for what is not there.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// Mount registers all endpoints and pages on the host's mux, below the issuer's path, and the well-known documents also
// where their specifications have them: at the root of the host.
func (p *Provider) Mount(mux *http.ServeMux) {
	p.OIDC.Mount(mux)
	for _, r := range p.routes() {
		mux.Handle(r.pattern, r.handler)
	}
	p.api.Mount(mux, p.apiRoutes())
	for _, guard := range p.guards {
		guard.Mount(mux)
	}
	for _, r := range p.flow.WellKnown() {
		mux.Handle("GET "+r.Path, r.Handler)
	}
	mux.Handle("GET "+p.prefix()+pages.Assets, p.pages)
	mux.Handle("POST "+p.prefix()+pages.Language, p.pages)
	if p.Connections != nil {
		mux.Handle("POST "+p.prefix()+federated.LogoutPath+"{connection}", p.Connections)
		mux.HandleFunc("GET "+p.prefix()+federated.PostLogoutPath+"{connection}", p.serveSignedOutUpstream)
	}
}

// pageRoutes are the pages for people.
func (p *Provider) pageRoutes() []flow.Route {
	routes := p.flow.Routes()
	if p.account != nil {
		routes = append(routes, p.account.Routes()...)
	}
	return routes
}

// route is one line of a host's mux.
type route struct {
	pattern string
	handler http.Handler
}

// routes are the pages for people, and what their devices call.
func (p *Provider) routes() (routes []route) {
	for _, r := range p.pageRoutes() {
		methods := r.Methods
		if methods == nil {
			methods = []string{http.MethodGet, http.MethodPost}
		}
		for _, method := range methods {
			routes = append(routes, route{method + " " + r.Path, r.Handler})
		}
	}
	return routes
}

func (p *Provider) prefix() string {
	u, err := url.Parse(p.config.Issuer)
	if err != nil {
		return ""
	}
	return u.Path
}

// Ready reports whether the provider can serve: the store answers, the separate one for what is ephemeral too, and every
// signing key is there. It is what a readiness probe asks, and what makes the first keys before the first request does.
func (p *Provider) Ready(ctx context.Context) error {
	for _, kind := range []store.Kind{{Name: "signet.probe"}, {Name: "signet.probe.ephemeral", Ephemeral: true}} {
		probes := store.NewCollection(p.DB, store.Type[probe]{Kind: kind})
		if _, err := probes.Get(ctx, store.Ref{ID: "probe"}); err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("signet: the store does not answer: %w", err)
		}
	}
	if err := p.DB.Ready(ctx); err != nil {
		return fmt.Errorf("signet: the store is not ready: %w", err)
	}
	if p.ring != nil {
		return p.ring.Ready(ctx)
	}
	for _, algorithm := range oidc.Algorithms() {
		if _, err := p.config.SigningKeys.Public(ctx, algorithm); err != nil {
			return err
		}
	}
	return nil
}

// probe is a record that nobody writes: that it is not there is all that Ready wants to hear.
type probe struct{ store.Meta }

// The rhythm of maintenance.
const (
	maintainEvery = time.Minute
	purgeBatch    = 500
	purgeRounds   = 20
	// listenAgain is how long Run waits before it listens anew.
	listenAgain = 5 * time.Second
)

// Maintain does one round of what must be done from time to time: rotates signing keys that are due, delivers messages, does the
// background work of the features, and removes expired records, at most 10,000 of them. Hosts without background work call it from a scheduler. Any
// number of nodes may call it at once: one of them does the work, and goes on doing it while it calls at least every two minutes; messages
// are delivered by each.
func (p *Provider) Maintain(ctx context.Context) error {
	if p.Messages == nil {
		return p.maintain(ctx)
	}
	return errors.Join(p.Messages.Maintain(ctx), p.maintain(ctx))
}

// remind sends word to somebody who has not signed in for long, where messages are sent.
func (p *Provider) remind(_ context.Context, b *store.Batch, u *directory.User, days int) error {
	if p.Messages == nil || u.Email == "" {
		return nil
	}
	return p.Messages.Send(b, notify.Message{
		Template: notify.IdleAccountReminder, Channel: notify.Email, To: u.Email, Subject: p.Directory.SubjectRef(u), Organization: u.Org,
		Params: map[string]string{"reminder-days": strconv.Itoa(days)},
	})
}

// host is the host of an issuer, of which passwords must not be made.
func host(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// maintain is Maintain without the messages, which may take their time.
func (p *Provider) maintain(ctx context.Context) error {
	ours, err := p.DB.Lease(ctx, "signet.maintain", 2*maintainEvery)
	if err != nil || !ours {
		return err
	}
	var problems []error
	if p.ring != nil {
		problems = append(problems, p.ring.Maintain(ctx))
	}
	problems = append(problems, p.OIDC.Maintain(ctx), p.Directory.Maintain(ctx, p.remind))
	for range purgeRounds {
		n, err := p.DB.Purge(ctx, purgeBatch)
		problems = append(problems, err)
		if err != nil || n < purgeBatch {
			break
		}
	}
	return errors.Join(problems...)
}

// Run does what Maintain does every minute, delivers at once what this node sends, and hears at once of what other nodes have written where
// the store can tell (store.Notifier), until ctx is done; it returns the context's error. What fails is logged and tried again.
func (p *Provider) Run(ctx context.Context) error {
	var jobs sync.WaitGroup
	defer jobs.Wait()
	jobs.Go(func() { p.listen(ctx) })
	jobs.Go(func() { p.deliver(ctx) })
	if p.Messages != nil {
		jobs.Go(func() { _ = p.Messages.Run(ctx) }) // ends with ctx alone
	}
	tick := time.NewTicker(maintainEvery)
	defer tick.Stop()
	for {
		if err := p.maintain(ctx); err != nil && ctx.Err() == nil {
			p.log.ErrorContext(ctx, "signet: maintenance failed", slog.String("cause", err.Error()))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// deliver sends what clients wait for without waiting for a round, until ctx is done. What fails is sent again with the rounds.
func (p *Provider) deliver(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.OIDC.Due():
		}
		if err := p.OIDC.Maintain(ctx); err != nil && ctx.Err() == nil {
			p.log.ErrorContext(ctx, "signet: delivery failed", slog.String("cause", err.Error()))
		}
	}
}

// listen hears of other nodes until ctx is done.
func (p *Provider) listen(ctx context.Context) {
	for {
		err := p.DB.Listen(ctx)
		if ctx.Err() != nil {
			return
		}
		p.log.WarnContext(ctx, "signet: other nodes are not heard; what they write is known a second later", slog.Any("cause", err))
		select {
		case <-ctx.Done():
			return
		case <-time.After(listenAgain):
		}
	}
}

// Close closes the store and the separate one for what is ephemeral, as far as they can be closed. Stop serving first.
func (p *Provider) Close() error {
	var problems []error
	for _, s := range []store.Ephemeral{p.config.Store, p.config.Ephemeral} {
		if c, ok := s.(io.Closer); ok {
			problems = append(problems, c.Close())
		}
	}
	return errors.Join(problems...)
}
