package execute

import (
	"net/url"
	"slices"
	"strings"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/challenge"
)

// choose stands in an actionId before the name of another way to do the step.
const choose = "method_"

// Read implements [flow.Program].
func (t *Transport) Read(v flow.View, answer []byte) (flow.Reply, error) {
	sent, problem := parse(answer)
	switch {
	case problem != nil:
		return flow.Reply{}, bad(badRequest, problem.description)
	case sent.FlowType != "" && planOf(sent.FlowType, "") != v.Plan:
		return flow.Reply{}, bad(badRequest, "flowType is not that of the flow")
	}
	if option, ok := strings.CutPrefix(sent.ActionID, choose); ok && offers(v.Prompt, sent.ActionID) {
		return flow.Reply{Option: option, Bare: true}, nil
	}
	if v.Prompt.Away != nil && len(sent.Inputs) > 0 {
		return back(v, sent.Inputs)
	}
	reply := flow.Reply{Option: present(v), Fields: url.Values{}}
	var err error
	if reply.Action, err = actionOf(v.Prompt, sent); err != nil {
		return flow.Reply{}, err
	}
	if err := fill(reply.Fields, v.Prompt, sent.Inputs); err != nil {
		return flow.Reply{}, err
	}
	if v.Prompt.WebAuthn != nil && reply.Fields.Has("credential") {
		credential, ok := challenge.Credential(v.Prompt.WebAuthn.Options, reply.Fields.Get("credential"))
		if !ok {
			return flow.Reply{}, bad(badInputs, challenge.Param+" is not well-formed, or of another challenge")
		}
		reply.Action = v.Prompt.WebAuthn.Action
		reply.Fields.Set("credential", credential)
	}
	return reply, lacks(reply, v.Prompt)
}

// What a person comes back with who was at a provider: an answer to an authorization request (RFC 6749 §4.1.2, RFC 9207 §2).
const (
	codeInput  = "code"
	stateInput = "state"
	errorInput = "error"
)

var returnInputs = []string{codeInput, stateInput, "iss", errorInput, "error_description"}

// back reads what a person has come back with.
func back(v flow.View, inputs map[string]any) (flow.Reply, error) {
	reply := flow.Reply{Option: present(v), Back: true, Fields: url.Values{}}
	for name, value := range inputs {
		text, isText := value.(string)
		if !slices.Contains(returnInputs, name) || !isText {
			return flow.Reply{}, bad(badInputs, "there is an input that is none of those with which somebody comes back")
		}
		reply.Fields.Set(name, text)
	}
	switch {
	case reply.Fields.Get(stateInput) == "":
		return flow.Reply{}, bad(badInputs, "the input "+stateInput+" is missing")
	case reply.Fields.Get(codeInput) == "" && !reply.Fields.Has(errorInput):
		return flow.Reply{}, bad(badInputs, "the input "+codeInput+" is missing")
	}
	return reply, nil
}

// present is the option by which the step is being done.
func present(v flow.View) string {
	for _, c := range v.Choices {
		if c.Begun || c.Prompt != nil && c.Prompt.Step == v.Prompt.Step {
			return c.Option
		}
	}
	return ""
}

func offers(p flow.Prompt, action string) bool {
	return slices.ContainsFunc(p.Actions, func(a flow.Action) bool { return a.Name == action })
}

// actionOf is the action that a program has chosen; the first when it has said nothing.
func actionOf(p flow.Prompt, sent request) (string, error) {
	switch {
	case sent.ActionID == "" && len(p.Actions) > 0:
		return p.Actions[0].Name, nil
	case sent.ActionID == "":
		return "", nil
	case p.Drawing != nil:
		for d := range parts(p.Drawing.Components) {
			switch {
			case d.ID != sent.ActionID || d.Action == "":
			case d.Action == flow.MainAction && len(p.Actions) > 0:
				return p.Actions[0].Name, nil
			case offers(p, d.Action):
				return d.Action, nil
			}
		}
	case offers(p, sent.ActionID):
		return sent.ActionID, nil
	}
	return "", bad(badAction, "actionId is none of this step")
}

// fill takes the fields of a prompt from the inputs, of which each must be one.
func fill(fields url.Values, p flow.Prompt, inputs map[string]any) error {
	names := map[string]string{}
	for _, f := range asked(p) {
		names[known(p, f.Name)] = f.Name
	}
	if p.WebAuthn != nil {
		names[challenge.Param] = "credential"
	}
	for name, value := range inputs {
		field, ok := names[name]
		if !ok {
			return bad(badInputs, "there is an input that the step does not ask for")
		}
		switch value := value.(type) {
		case string:
			fields.Set(field, value)
		case bool:
			if value {
				fields.Set(field, "true")
			}
		default:
			return bad(badInputs, "an input is neither text nor a yes or no")
		}
	}
	return nil
}

// lacks reports an input that has to be there and is not. Only the main action sends the form.
func lacks(reply flow.Reply, p flow.Prompt) error {
	if len(p.Actions) > 0 && reply.Action != p.Actions[0].Name {
		return nil
	}
	for _, f := range asked(p) {
		switch {
		case !f.Required || reply.Fields.Get(f.Name) != "":
		case f.Type == flow.CaptchaField:
			return bad(badCaptcha, "")
		case f.Name == "username":
			return bad(usernameMissing, "")
		default:
			return bad(badInputs, "the input "+known(p, f.Name)+" is missing")
		}
	}
	return nil
}

func bad(code errorCode, problem string) *flow.AnswerError {
	return &flow.AnswerError{Code: string(code), Problem: problem}
}
