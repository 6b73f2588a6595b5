package recovery

import (
	"context"
	"net/http"
	"slices"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store/directory"
)

// Path is below the issuer's path, and above that of each call.
const Path = "/api/users/v2/recovery"

// Config is how programs are spoken to. The zero value is good.
type Config struct {
	// Locate is the path on the host of what is at a path by default, for the links in the answers. Nil leaves it as it is.
	Locate func(path string) string
	// Text words a message for a person, as what is wrong with a password; see execute.Config. Nil gives the id of the message as it is.
	Text func(r *http.Request, locales []string, m flow.Message) string
}

// Transport is a [flow.Program] that writes and reads the JSON of the Account Recovery API. It is safe for concurrent use.
type Transport struct {
	locate func(path string) string
	words  func(r *http.Request, locales []string, m flow.Message) string
}

var _ flow.Program = (*Transport)(nil)

// New returns a Transport.
func New(config Config) *Transport {
	if config.Locate == nil {
		config.Locate = func(path string) string { return path }
	}
	if config.Text == nil {
		config.Text = func(_ *http.Request, _ []string, m flow.Message) string { return m.ID }
	}
	return &Transport{locate: config.Locate, words: config.Text}
}

// Interact is flow.Engine.Interact, of an Engine that has the Transport as its flow.Config.Recovery.
type Interact func(w http.ResponseWriter, r *http.Request, in directory.Interaction) (*directory.Result, error)

// Route is one call.
type Route struct {
	// Path is below the issuer's. The call is a POST.
	Path    string
	Handler http.Handler
}

// Routes are the calls for an organization; "" is the root. They read no cookie and ask for no authorization: whoever has a code goes on with
// the flow that it names and no other. A flow of another organization is not known.
func (t *Transport) Routes(organization string, interact Interact) (routes []Route) {
	for _, o := range operations {
		routes = append(routes, Route{Path + o.path, t.handler(o, organization, interact)})
	}
	return routes
}

// operation is one of the calls.
type operation struct {
	path string
	plan string
	// step is that of the flow to which the call is an answer, code what its code is for, and bad the error of one that is not, or of another
	// stage. A call without a step begins a flow.
	step string
	code purpose
	bad  *web.ProblemError
	show func(t *Transport, c *call, v flow.View) (*said, *web.ProblemError)
	// done is the answer when the flow has come to its end by the call.
	done func(c *call) *said
}

const (
	passwordPlan = "recover"
	usernamePlan = "recover-username"

	whoStep      = "recover"
	codeStep     = "recover-code"
	passwordStep = "recover-password"
	nameStep     = "recover-username"

	initPassword    = "/password/init"
	recoverPassword = "/password/recover"
	resendPassword  = "/password/resend"
	confirmPassword = "/password/confirm"
	resetPassword   = "/password/reset"
	initUsername    = "/username/init"
	recoverUsername = "/username/recover"
)

// operations are all of them.
var operations = []*operation{
	{path: initPassword, plan: passwordPlan, bad: errRequest, show: showChannels},
	{path: recoverPassword, plan: passwordPlan, step: whoStep, code: toSend, bad: errRecoveryCode, show: showSent},
	{path: resendPassword, plan: passwordPlan, step: codeStep, code: toResend, bad: errResendCode, show: showSent},
	{path: confirmPassword, plan: passwordPlan, step: codeStep, code: anyOfFlow, bad: errFlowCode, show: showConfirmed},
	{path: resetPassword, plan: passwordPlan, step: passwordStep, code: toPassword, bad: errWrongCode, show: showRefused, done: tellReset},
	{path: initUsername, plan: usernamePlan, bad: errRequest, show: showChannels},
	{path: recoverUsername, plan: usernamePlan, step: nameStep, code: toSend, bad: errRecoveryCode, show: showUnsent, done: tellName},
}

// call is a request for an operation.
type call struct {
	*operation
	request
	r *http.Request
}

type callKey struct{}

// callOf is the call that a request is, as the Engine hands it back.
func callOf(r *http.Request) *call {
	c, _ := r.Context().Value(callKey{}).(*call)
	return c
}

func (t *Transport) handler(o *operation, organization string, interact Interact) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{operation: o, r: r}
		in, problem := c.read(w, r)
		if problem != nil {
			problem.Write(w, web.NewCorrelationID())
			return
		}
		in.Organization, in.Resume = organization, r.URL.Path
		r = r.WithContext(context.WithValue(r.Context(), callKey{}, c))
		result, err := interact(w, r, in)
		switch {
		case err != nil:
			errUnavailable.Write(w, web.NewCorrelationID())
		case result == nil: // the Transport has answered
		case result.Refusal != "":
			o.refused(result.Refusal).Write(w, web.NewCorrelationID())
		case o.done == nil: // a plan that asks for less than this API
			o.bad.Write(w, web.NewCorrelationID())
		default:
			o.done(c).write(w)
		}
	})
}

// Show implements [flow.Transport].
func (t *Transport) Show(w http.ResponseWriter, r *http.Request, v flow.View) {
	c := callOf(r)
	said, problem := c.show(t, c, v)
	if problem != nil {
		problem.Write(w, web.NewCorrelationID())
		return
	}
	said.write(w)
}

// Supports implements [flow.Program]. The calls are those of a plan in which somebody says who they are, proves it by a code, and chooses a password,
// or is told their name.
func (*Transport) Supports(option string, executor flow.Executor) bool {
	return executor != nil && slices.Contains([]string{whoStep, codeStep, passwordStep, nameStep}, option)
}

// SignedOut implements [flow.Transport]. No program is shown it.
func (*Transport) SignedOut(w http.ResponseWriter, _ *http.Request, _ flow.View) {
	w.WriteHeader(http.StatusNoContent)
}
