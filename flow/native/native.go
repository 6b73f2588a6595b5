package native

import (
	"net/http"
	"slices"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/aba"
	"github.com/signet-idp/signet/store/directory"
)

// Config is how programs are spoken to. The zero value is good.
type Config struct {
	// Text words a message for a person: in the first of the locales (BCP 47) that there is, else in one of the request's
	// Accept-Language. Nil gives the id of the message as it is. pages.Pages.Text is one.
	Text func(r *http.Request, locales []string, m flow.Message) string
	// Authenticators are how programs know the host's own Executors, by the names of these; they take precedence over the
	// built-in. One that is not named here has the fields of its Prompt as parameters.
	Authenticators map[string]Authenticator
}

// Transport is a [flow.Program] that writes and reads JSON. It is safe for concurrent use.
type Transport struct {
	words func(r *http.Request, locales []string, m flow.Message) string
	known map[string]Authenticator
}

var _ flow.Program = (*Transport)(nil)

// New returns a Transport.
func New(config Config) *Transport {
	if config.Text == nil {
		config.Text = func(_ *http.Request, _ []string, m flow.Message) string { return m.ID }
	}
	return &Transport{words: config.Text, known: authenticators(config.Authenticators)}
}

// Supports implements [flow.Program]. A program cannot have a person come back here from another site, but to itself (flow.Relayed), nor
// can it sign anybody out, nor show how a device is enrolled for pushes. Consent is not asked of it: the protocol lets only those in whose consent is given.
func (*Transport) Supports(option string, executor flow.Executor) bool {
	_, leaves := executor.(flow.Leaving)
	if relayed, ok := executor.(flow.Relayed); ok {
		leaves = !relayed.Relayed(directory.SignIn)
	}
	return executor != nil && !leaves && !slices.Contains([]string{"logout", "push-enroll"}, option)
}

// Fail implements [flow.Transport].
func (*Transport) Fail(w http.ResponseWriter, _ *http.Request, f flow.Failure) {
	e := aba.Error{Code: code(f.Code), Description: f.Detail, Trace: f.Correlation, RetryAfter: f.RetryAfter}
	if e.Code == aba.TooManyAttempts || e.Code == aba.Unavailable {
		e.Status = f.Status
	}
	e.Write(w)
}

// code is the wire's for a Failure's.
func code(of string) aba.Code {
	switch of {
	case malformed, "captcha_failed", "turned_away":
		return aba.BadRequest
	case badAuthenticator:
		return aba.BadAuthenticator
	case "unsupported":
		return aba.Unsupported
	case "flow_expired":
		return aba.TimedOut
	case "flow_foreign":
		return aba.BadFlow
	case "slow_down":
		return aba.TooManyAttempts
	case "too_many_resends":
		return aba.TooManyResends
	}
	return aba.Unavailable
}

// SignedOut implements [flow.Transport]. No program is shown it.
func (*Transport) SignedOut(w http.ResponseWriter, _ *http.Request, _ flow.View) {
	w.WriteHeader(http.StatusNoContent)
}
