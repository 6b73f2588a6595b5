package me

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Scope is what a token must permit.
const Scope = "internal_login"

// Settings are what a host chooses. The zero value is safe.
type Settings struct {
	// MaxAge is how long ago somebody may have signed in who changes how they sign in: one minute to a day. Zero is ten minutes.
	MaxAge time.Duration
	// ACR is the class of authentication, one of directory.ACRs, that such a change demands of everybody at the least. Of those who have
	// enrolled a second factor it demands two, whatever ACR is. "" demands no more of the others than one.
	ACR string
}

// Config is the wiring of an API.
type Config struct {
	Settings
	// DB and Directory keep the people. Required.
	DB        *store.DB
	Directory *directory.Directory
	// Issuer is the provider's, and TrustedProxies may name the client's address. Issuer is required.
	Issuer         string
	TrustedProxies []netip.Prefix
	// Guard finds out who calls. Required.
	Guard Guard
	// Applications are what people have allowed; an *oidc.Provider is one. Nil has none.
	Applications Applications
	// Connections are where people have accounts that let them in here. Nil is none.
	Connections *federated.Connections
	// Passkeys makes passkeys: flow.Engine.PasskeyEnrolment. Nil makes none.
	Passkeys *flow.PasskeyEnrolment
	// Push says that people can confirm sign-ins on a device.
	Push bool
	// TOTP, which needs its Issuer, and BackupCodes are what they are in the Engine. Nil is off.
	TOTP        *mfa.TOTP
	BackupCodes *mfa.BackupCodes
	// Logger takes the causes of failures. Nil discards them.
	Logger *slog.Logger
}

// API is the self-service API. It is safe for concurrent use and starts no goroutines.
type API struct {
	Config
	site    *web.Site
	pending *store.Collection[pending]
	log     *slog.Logger
}

// New checks the configuration and returns an API, or an error that names every problem. It does no I/O.
func New(config Config) (*API, error) {
	var problems []error
	for _, need := range []struct {
		field   string
		missing bool
	}{
		{"DB", config.DB == nil},
		{"Directory", config.Directory == nil},
		{"Guard", config.Guard == nil},
	} {
		if need.missing {
			problems = append(problems, fmt.Errorf("me: Config.%s is required", need.field))
		}
	}
	site, err := web.NewSite(config.Issuer, config.TrustedProxies)
	if err != nil {
		problems = append(problems, fmt.Errorf("me: Config.Issuer: %w", err))
	}
	problems = append(problems, config.checkFactors()...)
	if config.MaxAge == 0 {
		config.MaxAge = 10 * time.Minute
	}
	if config.MaxAge < time.Minute || config.MaxAge > 24*time.Hour {
		problems = append(problems, errors.New("me: Config.MaxAge must be between one minute and a day"))
	}
	if config.ACR != "" && !slices.Contains(directory.ACRs(), config.ACR) {
		problems = append(problems, fmt.Errorf("me: Config.ACR %q is none of %q", config.ACR, directory.ACRs()))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	a := &API{Config: config, site: site, pending: store.NewCollection(config.DB, pendingType), log: config.Logger}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	return a, nil
}

// checkFactors says what is wrong with the factors.
func (c *Config) checkFactors() (problems []error) {
	if c.TOTP != nil {
		if c.TOTP.Issuer == "" {
			problems = append(problems, errors.New("me: Config.TOTP.Issuer is required: it is what the app shows"))
		}
		if err := c.TOTP.Validate(); err != nil {
			problems = append(problems, fmt.Errorf("me: Config.TOTP: %w", err))
		}
	}
	if c.BackupCodes != nil {
		if err := c.BackupCodes.Validate(); err != nil {
			problems = append(problems, fmt.Errorf("me: Config.BackupCodes: %w", err))
		}
	}
	return problems
}

// The paths below the issuer's.
const (
	usersV1   = "/api/users/v1/me"
	usersV2   = "/api/users/v2/me"
	exportMe  = "/api/identity/user/v1.0/me"
	consentV1 = "/api/identity/consent-mgt/v1.0/consents"
)

// Routes lists the endpoints by their default path below the issuer, in the pattern language of http.ServeMux. Each decides by a token
// alone, and reads no cookie.
func (a *API) Routes() []flow.Route {
	byPath := map[string][]endpoint{}
	for _, e := range a.endpoints() {
		byPath[e.path] = append(byPath[e.path], e)
	}
	var routes []flow.Route
	for path, endpoints := range byPath {
		route := flow.Route{Path: path}
		mux := map[string]http.Handler{}
		for _, e := range endpoints {
			route.Methods = append(route.Methods, e.method)
			mux[e.method] = a.handler(e)
		}
		slices.Sort(route.Methods)
		route.Handler = byMethod(mux, strings.Join(route.Methods, ", "))
		routes = append(routes, route)
	}
	slices.SortFunc(routes, func(a, b flow.Route) int { return strings.Compare(a.Path, b.Path) })
	return routes
}

// byMethod serves each method by its handler; GET includes HEAD.
func byMethod(mux map[string]http.Handler, allowed string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		if handler := mux[method]; handler != nil {
			handler.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Allow", allowed)
		w.WriteHeader(http.StatusMethodNotAllowed)
	})
}

// endpoint is one line of the route table.
type endpoint struct {
	method, path string
	// sensitive ones show or change how the person signs in, or show all that is kept, and want them to have signed in just now.
	sensitive bool
	serve     func(*call) (answer, error)
}

func (a *API) endpoints() []endpoint {
	const get, post, del = http.MethodGet, http.MethodPost, http.MethodDelete
	return []endpoint{
		{post, usersV1 + "/change-password", true, a.changePassword},
		{get, usersV1 + "/federated-associations", false, a.listLinks},
		{del, usersV1 + "/federated-associations", true, a.unlinkAll},
		{del, usersV1 + "/federated-associations/{id}", true, a.unlink},
		{get, usersV1 + "/associations", false, notImplemented},
		{post, usersV1 + "/associations", false, notImplemented},
		{del, usersV1 + "/associations", false, notImplemented},
		{del, usersV1 + "/associations/{id}", false, notImplemented},

		{get, exportMe, true, a.export},
		{get, consentV1, false, a.listReceipts},
		{get, consentV1 + "/{id}", false, a.showReceipt},
		{del, consentV1 + "/{id}", false, a.revokeReceipt},
		{get, usersV1 + "/consents", false, a.listConsents},
		{post, usersV1 + "/consents", false, notImplemented},
		{get, usersV1 + "/consents/{id}", false, a.showConsent},
		{post, usersV1 + "/consents/{id}/revoke", false, a.revokeConsent},
		{post, usersV1 + "/consents/{id}/authorize", false, notImplemented},
		{get, usersV1 + "/consents/{id}/validate", false, a.validateConsent},
		{get, usersV2 + "/authorized-apps", false, a.listAuthorizedApps},
		{del, usersV2 + "/authorized-apps", false, a.revokeAuthorizedApps},
		{get, usersV2 + "/authorized-apps/{id}", false, a.showAuthorizedApp},
		{del, usersV2 + "/authorized-apps/{id}", false, a.revokeAuthorizedApp},
		{get, usersV1 + "/applications", false, a.listApplications},
		{get, usersV1 + "/applications/{id}", false, a.showApplication},

		{get, usersV1 + "/sessions", false, a.listSessions},
		{del, usersV1 + "/sessions", false, a.endSessions},
		{del, usersV1 + "/sessions/{id}", false, a.endSession},

		{get, usersV1 + "/webauthn", false, a.listPasskeys},
		{get, usersV1 + "/webauthn/start-registration", true, a.startPasskey},
		{post, usersV1 + "/webauthn/start-registration", true, a.startPasskey},
		{post, usersV1 + "/webauthn/finish-registration", true, a.finishPasskey},
		{del, usersV1 + "/webauthn/{credentialId}", true, a.removePasskey},

		{get, usersV1 + "/push/discovery-data", true, a.invitePush},
		{get, usersV1 + "/push/devices", false, a.listPush},
		{get, usersV1 + "/push/devices/{deviceId}", false, a.showPush},
		{del, usersV1 + "/push/devices/{deviceId}", true, a.removePush},

		{get, usersV1 + "/totp", true, a.showTOTP},
		{get, usersV1 + "/totp/secret", true, a.showTOTPSecret},
		{post, usersV1 + "/totp", true, a.postTOTP},
		{del, usersV1 + "/totp", true, a.removeTOTP},
		{get, usersV1 + "/mfa/authenticators", false, a.listFactors},
		{post, usersV1 + "/mfa/authenticators", false, a.putFactors},
		{get, usersV1 + "/backup-codes", false, a.countBackupCodes},
		{post, usersV1 + "/backup-codes", true, a.drawBackupCodes},
		{del, usersV1 + "/backup-codes", true, a.removeBackupCodes},
	}
}
