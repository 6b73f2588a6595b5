package execute

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Path is where programs send what they have to say, below the issuer's path: POST alone.
const Path = "/api/server/v1/flow/execute"

// Config is how programs are spoken to. The zero value is good.
type Config struct {
	// Text words a message for a person: in the first of the locales (BCP 47) that there is, else in one of the request's
	// Accept-Language. Nil gives the id of the message as it is. pages.Pages.Text is one.
	Text func(r *http.Request, locales []string, m flow.Message) string
}

// Transport is a [flow.Program] that writes and reads the JSON of flow execution. It is safe for concurrent use.
type Transport struct {
	words func(r *http.Request, locales []string, m flow.Message) string
}

var _ flow.Program = (*Transport)(nil)

// New returns a Transport.
func New(config Config) *Transport {
	if config.Text == nil {
		config.Text = func(_ *http.Request, _ []string, m flow.Message) string { return m.ID }
	}
	return &Transport{words: config.Text}
}

// Interact is flow.Engine.Interact, of an Engine that has the Transport as its flow.Config.Execution.
type Interact func(w http.ResponseWriter, r *http.Request, in directory.Interaction) (*directory.Result, error)

// Handler serves [Path] for an organization; "" is the root. It reads no cookie and asks for no authorization: whoever knows a flowId
// goes on with that flow and no other. A flow of another organization is not known.
func (t *Transport) Handler(organization string, interact Interact) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := read(w, r)
		if err != nil {
			err.write(w)
			return
		}
		in.Organization = organization
		if !in.Application.IsZero() {
			in.Application.Org = organization
		}
		in.Resume = r.URL.Path
		result, failure := interact(w, r, in)
		switch {
		case failure != nil:
			(&wireError{code: unavailable, trace: web.NewCorrelationID()}).write(w)
		case result == nil: // the Transport has answered
		case result.Refusal != "":
			refused(result.Refusal).write(w)
		default:
			web.WriteValue(w, http.StatusOK, completed{complete, outcome{result.UserAssertion.Reveal()}})
		}
	})
}

// request is what programs send: flowType to begin, flowId to go on.
type request struct {
	FlowType      string         `json:"flowType"`
	ApplicationID string         `json:"applicationId"`
	FlowID        string         `json:"flowId"`
	ActionID      string         `json:"actionId"`
	Inputs        map[string]any `json:"inputs"`
}

const (
	// maxText bounds what is an identifier in a request.
	maxText = 256
	// ticketInput is what the link of a message holds. It may stand in the first request: for who has come by a link.
	ticketInput = "confirmationCode"
)

// plans are what programs can do, by flowType. The first spelling of a plan's is the one that is written.
var plans = []struct{ flowType, plan string }{
	{"REGISTRATION", "register"},
	{"PASSWORD_RECOVERY", "recover"},
	{"INVITED_USER_REGISTRATION", "invite"},
	{"ASK_PASSWORD", "invite"},
}

// read is the Interaction that a request asks for.
func read(w http.ResponseWriter, r *http.Request) (directory.Interaction, *wireError) {
	body, problem := readBody(w, r)
	if problem != nil {
		return directory.Interaction{}, problem
	}
	sent, problem := parse(body)
	switch {
	case problem != nil:
		return directory.Interaction{}, problem
	case sent.FlowID != "":
		return directory.Interaction{
			ID: secret.Hash(sent.FlowID), Purpose: directory.ManageAccount, Plan: planOf(sent.FlowType, "-"),
			Native: &directory.Native{Flow: secret.Text(sent.FlowID), Answer: body},
		}, nil
	}
	return start(sent)
}

// start is the Interaction of a flow that begins.
func start(sent request) (directory.Interaction, *wireError) {
	plan := planOf(sent.FlowType, "")
	switch {
	case sent.FlowType == "" && (sent.ActionID != "" || len(sent.Inputs) > 0):
		return directory.Interaction{}, &wireError{code: flowIDMissing}
	case sent.FlowType == "":
		return directory.Interaction{}, &wireError{code: flowTypeMissing}
	case plan == "":
		return directory.Interaction{}, &wireError{code: badRequest, description: "flowType is none that there is"}
	}
	link := ""
	for name, value := range sent.Inputs {
		text, isText := value.(string)
		if name != ticketInput || !isText || len(text) > maxText {
			return directory.Interaction{}, &wireError{code: badInputs, description: "a flow begins without inputs but " + ticketInput}
		}
		link = text
	}
	flowID := secret.New()
	in := directory.Interaction{
		ID: flowID.Hash(), Purpose: directory.ManageAccount, Plan: plan, Link: link, Native: &directory.Native{Flow: flowID},
	}
	if sent.ApplicationID != "" {
		in.Application = store.Ref{ID: sent.ApplicationID}
	}
	return in, nil
}

// planOf is the plan of a flowType; otherwise that.
func planOf(flowType, otherwise string) string {
	for _, p := range plans {
		if p.flowType == flowType {
			return p.plan
		}
	}
	return otherwise
}

// flowTypeOf is the flowType of a plan.
func flowTypeOf(plan string) string {
	i := slices.IndexFunc(plans, func(p struct{ flowType, plan string }) bool { return p.plan == plan })
	if i < 0 {
		return ""
	}
	return plans[i].flowType
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *wireError) {
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return nil, &wireError{code: badRequest, status: http.StatusUnsupportedMediaType, description: "the body must be application/json"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, web.MaxFormBytes))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, &wireError{code: badRequest, status: http.StatusRequestEntityTooLarge, description: "the body is too large"}
	}
	if err != nil {
		return nil, &wireError{code: badRequest, description: "the body could not be read"}
	}
	return body, nil
}

// parse reads a body.
func parse(body []byte) (sent request, problem *wireError) {
	if err := strictjson.Unmarshal(body, &sent, strictjson.Depth(4)); err != nil {
		return request{}, &wireError{code: badRequest, description: "the body is not well-formed"}
	}
	for _, text := range []string{sent.FlowType, sent.ApplicationID, sent.FlowID, sent.ActionID} {
		if len(text) > maxText {
			return request{}, &wireError{code: badRequest, description: "an identifier is too long"}
		}
	}
	return sent, nil
}

// Supports implements [flow.Program]. A program cannot have a person come back here from another site, but to itself (flow.Relayed); and
// nothing is allowed or shown on a device in a flow that signs nobody in.
func (*Transport) Supports(option string, executor flow.Executor) bool {
	_, leaves := executor.(flow.Leaving)
	if relayed, ok := executor.(flow.Relayed); ok {
		leaves = !relayed.Relayed(directory.ManageAccount)
	}
	return executor != nil && !leaves && !slices.Contains([]string{"consent", "logout", "push", "push-enroll"}, option)
}

// SignedOut implements [flow.Transport]. No program is shown it.
func (*Transport) SignedOut(w http.ResponseWriter, _ *http.Request, _ flow.View) {
	w.WriteHeader(http.StatusNoContent)
}
