package signet

import (
	"context"
	"io/fs"
	"log/slog"
	"net/netip"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/account"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/flow/me"
	"github.com/signet-idp/signet/flow/native"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/flow/service"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Config is the wiring of a Provider. Issuer, Store and Keys are required; the zero value of all else is a good choice.
// New copies it.
type Config struct {
	// Issuer is the URL under which people and clients reach the provider: https, or http on a loopback host, without a
	// trailing slash. It may have a path. It is never taken from a request.
	Issuer string
	// Store is where everything is kept. The Provider owns it from New on: Close closes it if it can be closed.
	Store store.Driver
	// Ephemeral keeps what may be lost apart from Store, for example in Redis (store/redis); docs/operations.md says what its
	// loss costs. The Provider owns it as it does Store. Nil keeps everything in Store.
	Ephemeral store.Ephemeral
	// Keys seals the secrets in the store. All nodes have the same; without it the sealed values are lost.
	Keys *store.KeyRing

	// Users is where people live; directorytest proves one of the host's own. Nil keeps them in Store.
	Users directory.Users
	// UserStores are, in the place of Users, several such places side by side, in the order in which a name is looked for; see
	// directory.Config.
	UserStores []directory.UserStore
	// Verifier is another system that knows the passwords of people who are moving into Store; see docs/migration.md. Nil is none.
	Verifier directory.Verifier
	// SigningKeys signs tokens, with a key for each of oidc.Algorithms. Nil keeps keys in Store, sealed, and rotates them.
	SigningKeys oidc.Keys
	// Claims says what is true of a person. Nil is oidc.DirectoryClaims.
	Claims oidc.ClaimsSource
	// TokenHook adds claims to tokens, or refuses them, before anything is consumed. Nil is none.
	TokenHook oidc.TokenHook
	// ScopeHook narrows what scopes are granted to whom, beside roles and the grants of applications at APIs. Nil narrows nothing.
	ScopeHook oidc.ScopeHook
	// Observer learns of refusals, reuses, attempts at signing in that failed, and calls that change something at the management APIs, on the request's path, and must be quick. Nil is
	// none.
	Observer func(context.Context, directory.Observation)
	// Paths moves endpoints and pages, for hosts that have something else there: their default path below the issuer ("/login",
	// "/oauth2/token"), or that of several ("/oauth2"), and the path to have instead. Well-known names stay. Nil leaves all where they are.
	Paths map[string]string
	// Profile is what the provider keeps to, FAPI 2.0 for example: it turns on what it needs of OIDC, and New refuses what contradicts it. The
	// zero value is RFC 9700.
	Profile oidc.Profile
	// OIDC is what is offered beyond the authorization code flow: the device grant, dynamic registration and so on. The zero value is
	// none.
	OIDC oidc.Features
	// Outbound is how URLs are called that clients have registered. The zero value is safe.
	Outbound oidc.Outbound
	// Tokens are the lifetimes of clients without their own.
	Tokens TokenLifetimes

	// Session, Lock, Throttle, Password, Push and Branding hold where Directory.Settings has nothing else. Branding.Name is also
	// what authenticator apps show; it must not contain a colon here.
	Session  directory.SessionPolicy
	Lock     directory.LockPolicy
	Throttle directory.ThrottlePolicy
	Password directory.PasswordPolicy
	Push     directory.PushPolicy
	Branding directory.Branding
	// Accounts are the policies of accounts, as they hold where nothing else was set: history and expiry of passwords, bounds on sessions,
	// identifiers, invitation, recovery, idle accounts. Registration.Enabled needs Messages. Where there
	// are Messages and Recovery is zero, accounts are recovered by mail.
	Accounts directory.AccountPolicies
	// Blocklist is what nobody may have as a password, beside the most common ones; directory.OpenBlocklist opens it. The Provider
	// does not close it.
	Blocklist *directory.Blocklist
	// PasswordCost is what hashing a password costs; the zero value is the default, and less is for tests. Ignored
	// where nobody lives in Store.
	PasswordCost PasswordCost

	// Factors are what the default login asks for beside passwords, Passkeys and Connections. The zero value is authenticator apps, and what
	// else somebody was given.
	Factors Factors
	// Plans are what flows ask for, by name; see flow.Config. Without "login", signing in asks for a password, and for a second
	// factor of Factors from those who have one and where the application demands it (directory.Application.SecondFactor).
	Plans map[string]flow.Plan
	// Source makes the plans that change while the Provider runs, and the Executors that they need besides, over the Provider's own
	// stores: the scripts of administrators (flow/script), say. Nil has none.
	// Where the Source has APIs for administrators (script.PoliciesConfig.Manage), they are served, each for access tokens whose API resource
	// (directory.APIResource) has its URL as identifier, of clients of the root organization.
	Source func(Parts) (flow.Source, map[string]flow.Executor, error)
	// BotCheck asks people to show that they are no programs, where the policies of Accounts say so. Nil asks nobody. It is not asked of
	// OIDC.Legacy's grant of passwords, beside which New refuses it.
	BotCheck *flow.BotCheck
	// Home is the URL or path to which people go who sign in for no application in particular, at /login, /register or /recover; "" is
	// the pages of their account, and without these the issuer's.
	Home string
	// Connections are providers upstream at which people may sign in. They are further options of the default login; a "login" of
	// the host's own names them. Nil is none.
	Connections []federated.Connection
	// Services are authentication services of the host's own over HTTP (flow/service). Those that identify people are further ways to begin
	// in the default login, and those that verify them second factors. Nil has none. A service with people of its own is one of Connections.
	Services []service.Service
	// Passkeys are how people sign in with passkeys, as further options of the default login; a plan of the host's own named "login"
	// has them by flow.Passkeys.Steps. Nil has none.
	Passkeys *flow.Passkeys
	// Account has the pages on which people look after their account, at /account: flow/account. Nil has none.
	Account *account.Settings
	// Me has the API by which people look after their account from applications, below /api/users: flow/me. Nil has none.
	Me *me.Settings
	// Executors are steps of the host's own for Plans, by name; see flow.Config.
	Executors map[string]flow.Executor
	// Authenticators are how apps know the Executors when they sign people in without a browser (OIDC.Direct); see native.Config.
	Authenticators map[string]native.Authenticator
	// FlowExecution lets programs make and recover accounts without a browser, in the JSON of flow execution (flow/execute), at
	// /api/server/v1/flow/execute. Anybody may send something there, as anybody may open the pages.
	FlowExecution bool
	// RecoveryAPI lets programs recover accounts by the calls of WSO2 Identity Server's Account Recovery API (flow/recovery), below
	// /api/users/v2/recovery: passwords and user names, as the RecoveryPolicy has it. Anybody may send something there, as anybody may open the
	// pages. New refuses it where no Messages reach anybody.
	RecoveryAPI bool
	// SessionExtension lets pages of applications on the issuer's site keep the browser's session from going idle, while somebody works there, by GET
	// /identity/extend-session as in WSO2 Identity Server. It needs the session's cookie, and no session outlives its end.
	SessionExtension bool
	// FlowBuilder lets administrators draw what is asked of people who register, recover an account or accept an invitation, in the JSON
	// of WSO2 Identity Server (flow/builder), at /api/server/v1/flow. They need an access token for the API resource with that URL as its
	// identifier (directory.APIResource), of a client of the root organization, and the scopes internal_flow_mgt_view or
	// internal_flow_mgt_update.
	FlowBuilder bool
	// Templates and Locales are laid over the built-in pages and texts; see pages.Config.
	Templates fs.FS
	Locales   fs.FS
	// ImageOrigins are the origins, as "https://cdn.example.com", from which pages may load the logos of applications, that of a client's
	// logo_uri too (OpenID Connect Registration 1.0 §2); "https:" is any. Empty shows none from elsewhere: who serves a logo sees who signs in.
	ImageOrigins []string
	// DefaultLocale is the language of those whose languages are not there; "" is "en".
	DefaultLocale string

	// Messages are the ways to send people something: codes and links, and what has happened to their account. Nil sends nothing, and New
	// refuses Factors and Accounts that need it.
	Messages *notify.Senders

	// Consumers must learn of events for certain: each gets a Delivery of every event that it wants, in the step that makes the
	// event true, and takes it with DB.Claim. Names must differ.
	Consumers []store.Consumer
	// EventRetention is how long events are kept; zero is 90 days.
	EventRetention time.Duration

	// TrustedProxies may name the client's address in X-Forwarded-For. Empty believes nobody.
	TrustedProxies []netip.Prefix
	// Logger takes causes of failures. Nil discards them.
	Logger *slog.Logger
	// Now is the clock. Nil is time.Now.
	Now func() time.Time
}

// Parts are those of a Provider in the making that a Config.Source builds on.
type Parts struct {
	DB        *store.DB
	Directory *directory.Directory
	// Connections are nil without Config.Connections.
	Connections *federated.Connections
}

// TokenLifetimes are how long tokens live; see the fields of the same names in oidc.Config.
type TokenLifetimes struct {
	Code, Access, ID, Refresh time.Duration
}

// PasswordCost is the cost of an argon2id hash (RFC 9106 §3.1). Zero fields are 19 MiB, 2 passes, 1 thread.
type PasswordCost struct {
	// Memory is in KiB.
	Memory  uint32
	Passes  uint32
	Threads uint8
}
