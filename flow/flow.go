package flow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/internal/observe"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Config is the wiring of an Engine.
type Config struct {
	// DB keeps flows under way. Required.
	DB *store.DB
	// Directory knows the people and keeps their sessions. Required; over the same DB.
	Directory *directory.Directory
	// Issuer is the issuer's URL: where the pages live, and what names the cookies. Required.
	Issuer string
	// Paths moves pages: their default path below the issuer ("/login"), and the path to have instead. Nil leaves all where they are.
	Paths map[string]string
	// TrustedProxies may name the client in X-Forwarded-For. Empty believes nobody.
	TrustedProxies []netip.Prefix
	// Home is the URL or path to which a person goes who has signed in for no application in particular, at /login, /register or
	// /recover. "" has no such doors.
	Home string
	// Transport shows the pages: flow/pages. Required.
	Transport Transport
	// Native speaks with programs instead of browsers: flow/native. Nil leaves Interactions of programs unanswered, as a failure.
	Native Program
	// Execution speaks with programs through which people make accounts and recover them: flow/execute. Nil leaves Interactions of
	// directory.ManageAccount unanswered, as a failure.
	Execution Program
	// Recovery speaks with programs through which people recover accounts by calls of their own: flow/recovery. Nil leaves Interactions of
	// directory.ManageAccount whose Native names RecoveryProgram unanswered, as a failure.
	Recovery Program
	// Plans are what flows ask for, by name: "login" for SignIn, which is Login() if there is none; "register" and "recover", into
	// which a login leads where they are; and those that other Actions lead into.
	Plans map[string]Plan
	// Source has plans that change while the Engine runs, and that take precedence over Plans. Nil has none.
	Source Source
	// Executors are the host's own, by the names under which the Plans have them; they take precedence over the built-in
	// ones: "password", "totp", "totp-enroll", "hotp", "hotp-enroll", "email-code", "sms-code", "backup-code", "push", "push-enroll", "magic-link", "consent" and "logout",
	// and those of Passkeys and Certificates.
	Executors map[string]Executor
	// Messages takes the codes and links that are sent to people: flow/notify. Nil sends nothing, and nobody can use the factors that
	// need it.
	Messages notify.Outbox
	// TOTP is how one-time passwords are made. Its Issuer is what authenticator apps show; "" is the issuer's host.
	TOTP mfa.TOTP
	// HOTP, EmailCode, SMSCode, BackupCodes, Push and MagicLink are the other factors; their zero values are good.
	HOTP        mfa.HOTP
	EmailCode   mfa.OneTimeCode
	SMSCode     mfa.OneTimeCode
	BackupCodes mfa.BackupCodes
	Push        mfa.Push
	MagicLink   mfa.MagicLink
	// Passkeys are how passkeys are made and asked for, and whether. Nil has none.
	Passkeys *Passkeys
	// Certificates are how people show X.509 certificates of their own. Nil has none.
	Certificates *Certificates
	// BotCheck asks people to show that they are no programs. Nil asks nobody.
	BotCheck *BotCheck
	// Lifetime is how long a flow may take. Zero is 30 minutes.
	Lifetime time.Duration
	// MaxFlows is how many unfinished flows one browser may have, 1 to 50: with another one, the oldest that nobody has answered is forgotten, and
	// its page begins anew (Restart); those to which another site has sent the browser without a click go first. Zero is DefaultMaxFlows. How many an address may begin is directory.ThrottleFlow's.
	MaxFlows int
	// Restart begins the request anew for a page that has expired: it opens the Restart of the Interaction, validates what is
	// in it from scratch, and returns the path to send the browser to. Returning "" with a nil error says that this
	// cannot be done; an error is a failure. Nil never restarts.
	Restart func(ctx context.Context, r *http.Request, sealed string) (string, error)
	// Observer learns of pages that were refused and of attempts that failed, of at most 100 a second. It is called on the request's
	// path and must be quick. Nil is none.
	Observer func(context.Context, directory.Observation)
	// Logger takes the causes of failures. Nil discards them.
	Logger *slog.Logger
}

// Engine runs flows. It is safe for concurrent use and starts no goroutines.
type Engine struct {
	db        *store.DB
	dir       *directory.Directory
	site      *web.Site
	home      string
	transport Transport
	native    Program
	execution Program
	recovery  Program
	plans     map[string]Plan
	source    Source
	executors map[string]Executor
	// relyingParty is of passkeys; nil without.
	relyingParty *mfa.RelyingParty
	// certificates are nil without Config.Certificates.
	certificates *certificates
	bots         *BotCheck
	lifetime     time.Duration
	maxFlows     int
	restart      func(ctx context.Context, r *http.Request, sealed string) (string, error)
	log          *slog.Logger
	observer     func(context.Context, directory.Observation)
	seen         observe.Limit
	executions   *store.Collection[execution]
	claims       *store.Collection[claim]
	solutions    *store.Collection[solution]
	assertions   *store.Collection[assertion]
	origins      *http.CrossOriginProtection
}

// New checks the configuration, fills in defaults and returns an Engine, or an error that names every problem. It does no
// I/O.
func New(config Config) (*Engine, error) {
	site, errSite := web.NewSite(config.Issuer, config.TrustedProxies)
	if errSite != nil {
		errSite = fmt.Errorf("flow: Config.Issuer: %w", errSite)
	} else if site, errSite = moved(site, config.Paths); errSite != nil {
		errSite = fmt.Errorf("flow: Config.Paths: %w", errSite)
	} else if config.TOTP.Issuer == "" {
		config.TOTP.Issuer = hostname(site)
	}
	if config.HOTP.Issuer == "" {
		config.HOTP.Issuer = config.TOTP.Issuer
	}
	plans := map[string]Plan{loginPlan: config.Passkeys.Steps(LoginSteps{}).Plan()}
	maps.Copy(plans, config.Plans)
	plans[consentPlan], plans[logoutPlan] = approval(), leaveTaking()
	plans[selectPlan], plans[namePlan] = selection(), nameRecovery()
	maps.Copy(plans, closings())
	if config.Lifetime == 0 {
		config.Lifetime = 30 * time.Minute
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Observer == nil {
		config.Observer = func(context.Context, directory.Observation) {}
	}
	if config.Messages == nil {
		config.Messages = noOutbox{}
	}
	executors, relyingParty, errPasskeys := config.builtIn(site)
	certificates := config.Certificates.open(&config, site)
	maps.Copy(executors, certificates.executors())
	maps.Copy(executors, config.Executors)
	executors[chooseOption] = chooser{}
	if err := errors.Join(errSite, errPasskeys, config.check(plans, executors)); err != nil {
		return nil, err
	}
	e := &Engine{
		db: config.DB, dir: config.Directory, site: site, home: config.Home, transport: config.Transport, native: config.Native, execution: config.Execution, recovery: config.Recovery,
		plans: plans, source: config.Source,
		executors: executors, relyingParty: relyingParty, certificates: certificates, bots: config.BotCheck, lifetime: config.Lifetime, maxFlows: cmp.Or(config.MaxFlows, DefaultMaxFlows), restart: config.Restart, log: config.Logger, observer: config.Observer,
		executions: store.NewCollection(config.DB, store.Type[execution]{Kind: executionKind}),
		claims:     store.NewCollection(config.DB, claimType),
		solutions:  store.NewCollection(config.DB, store.Type[solution]{Kind: solutionKind}),
		assertions: store.NewCollection(config.DB, assertionType),
		origins:    http.NewCrossOriginProtection(),
	}
	// A proxy may show us another Host than the one in the browser's address bar.
	if err := e.origins.AddTrustedOrigin(site.Origin()); err != nil {
		return nil, fmt.Errorf("flow: Config.Issuer: %w", err)
	}
	return e, nil
}

// builtIn are the Executors that every Engine has, and those of passkeys.
func (c *Config) builtIn(site *web.Site) (map[string]Executor, *mfa.RelyingParty, error) {
	executors := map[string]Executor{
		"password":    passwordExecutor{dir: c.Directory},
		totpFactor:    totpExecutor{c.Directory, c.TOTP},
		"totp-enroll": enrolExecutor{c.Directory, c.TOTP},
		hotpFactor:    hotpExecutor{c.Directory, c.HOTP},
		"hotp-enroll": hotpEnrolExecutor{c.Directory, c.HOTP},
		backupFactor:  backupExecutor{c.Directory},
		emailFactor:   emailCode(c, site),
		smsFactor:     smsCode(c, site),
		linkMethod:    magicLink(c, site),
		pushFactor:    pushExecutor{c.Directory, c.Messages, c.Push, site},
		"push-enroll": pushEnrolExecutor{c.Directory, site},
		selectPlan:    selectExecutor{c.Directory},
		renewPlan:     renewExecutor{c.DB, c.Directory, c.Lifetime},
		limitPlan:     limitExecutor{c.Directory},
		"consent":     consentExecutor{},
		"logout":      logoutExecutor{},
	}
	maps.Copy(executors, c.accounts(site))
	maps.Copy(executors, c.entranceExecutors(site, nil))
	if c.Passkeys == nil || site == nil {
		return executors, nil, nil
	}
	rp, err := c.Passkeys.open(site)
	if err != nil {
		return executors, nil, err
	}
	all := passkeys{dir: c.Directory, rp: rp, lifetime: c.Lifetime}
	executors["password"] = passwordExecutor{dir: c.Directory, passkey: &passkeyExecutor{all}}
	maps.Copy(executors, all.executors())
	maps.Copy(executors, c.entranceExecutors(site, &all))
	return executors, rp, nil
}

func (c *Config) check(plans map[string]Plan, executors map[string]Executor) error {
	problems := []error{c.Certificates.check()}
	if c.DB == nil {
		problems = append(problems, errors.New("flow: Config.DB is required"))
	}
	if c.Directory == nil {
		problems = append(problems, errors.New("flow: Config.Directory is required"))
	}
	if c.Transport == nil {
		problems = append(problems, errors.New("flow: Config.Transport is required; flow/pages makes one"))
	}
	if err := c.BotCheck.validate(); err != nil {
		problems = append(problems, err)
	}
	if c.Lifetime < 0 {
		problems = append(problems, errors.New("flow: Config.Lifetime is negative"))
	}
	if c.MaxFlows < 0 || c.MaxFlows > 50 {
		problems = append(problems, errors.New("flow: Config.MaxFlows is not 1 to 50"))
	}
	for field, factor := range map[string]interface{ Validate() error }{
		"TOTP": c.TOTP, "HOTP": c.HOTP, "EmailCode": c.EmailCode, "SMSCode": c.SMSCode, "BackupCodes": c.BackupCodes, "Push": c.Push, "MagicLink": c.MagicLink,
	} {
		if err := factor.Validate(); err != nil {
			problems = append(problems, fmt.Errorf("flow: Config.%s: %w", field, err))
		}
	}
	for name, plan := range plans {
		if plan == nil {
			problems = append(problems, fmt.Errorf("flow: Config.Plans[%q] is nil", name))
		} else if err := checkPlan(plan, executors); err != nil {
			problems = append(problems, fmt.Errorf("flow: Config.Plans[%q]: %w", name, err))
		}
	}
	return errors.Join(problems...)
}

// executor is who performs the flow's present step.
func (e *Engine) executor(x *execution) Executor { return e.executors[x.Option] }

// branding is the look for an application in an organization.
func (e *Engine) branding(ctx context.Context, org string, app store.Ref) (directory.Branding, error) {
	return directory.Resolve(ctx, e.dir.Settings, e.dir.Settings.Branding, org, app.ID)
}

// noOutbox stands in for Config.Messages. A plan from elsewhere may have steps that send something all the same: they fail.
type noOutbox struct{}

func (noOutbox) Send(*store.Batch, notify.Message) error {
	return errors.New("flow: a message was to be sent, and Config.Messages is nil")
}

func (noOutbox) Reaches(notify.Channel) bool { return false }

// hostname is the issuer's host as an authenticator app can show it: without a port, whose colon it would misread.
func hostname(site *web.Site) string {
	u, err := url.Parse(site.Issuer())
	if err != nil {
		return ""
	}
	return strings.ReplaceAll(u.Hostname(), ":", ".")
}
