package native

import (
	"net/url"
	"slices"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/challenge"
	"github.com/signet-idp/signet/internal/strictjson"
)

// The codes of what can be wrong with an answer.
const (
	malformed         = "invalid_request"
	badAuthenticator  = "unknown_option"
	maxValues         = 100 // of one parameter
	longestIdentifier = 1024
)

// selected is what a program sends: the authenticator that the person has chosen, and what they, or the program, answer.
type selected struct {
	AuthenticatorID string         `json:"authenticatorId"`
	Params          map[string]any `json:"params"`
}

// Read implements [flow.Program].
func (t *Transport) Read(v flow.View, answer []byte) (flow.Reply, error) {
	var sent selected
	if err := strictjson.Unmarshal(answer, &sent, strictjson.Depth(4)); err != nil {
		return flow.Reply{}, bad("selectedAuthenticator is not well-formed")
	}
	if sent.AuthenticatorID == "" || len(sent.AuthenticatorID) > longestIdentifier {
		return flow.Reply{}, bad("authenticatorId is missing or too long")
	}
	option, ok := t.option(v, sent.AuthenticatorID)
	if !ok {
		return flow.Reply{}, &flow.AnswerError{Code: badAuthenticator, Problem: "authenticatorId is none of this step"}
	}
	reply := flow.Reply{Option: option, Bare: len(sent.Params) == 0, Fields: url.Values{}}
	i := slices.IndexFunc(v.Choices, func(c flow.Choice) bool { return c.Option == option })
	if reply.Bare || i < 0 || v.Choices[i].Prompt == nil {
		return reply, nil
	}
	if away := v.Choices[i].Prompt.Away; away != nil {
		return reply, back(&reply, *away, sent.Params)
	}
	if v.Choices[i].Prompt.Step == sessionLimit {
		return reply, limit(&reply, v, sent.Params)
	}
	return reply, t.read(&reply, *v.Choices[i].Prompt, sent.Params)
}

// What a person comes back with who was at a provider: an answer to an authorization request (RFC 6749 §4.1.2, RFC 9207 §2).
const (
	codeParam  = "code"
	stateParam = "state"
	errorParam = "error"
)

// What a program brings that has got an ID token by itself.
const (
	accessTokenParam = "accessToken"
	idTokenParam     = "idToken"
)

var returnParams = []string{codeParam, stateParam, "iss", errorParam, "error_description"}

// back reads what a person has come back with.
func back(reply *flow.Reply, away flow.Away, sent map[string]any) error {
	reply.Back = true
	known := returnParams
	if away.Nonce != "" {
		known = []string{accessTokenParam, idTokenParam}
	}
	for name, value := range sent {
		texts, ok := textsOf(value)
		if !slices.Contains(known, name) || !ok || len(texts) != 1 { // RFC 6749 §3.1
			return bad("there is a parameter that is none of those with which somebody comes back, or not one text")
		}
		reply.Fields[name] = texts
	}
	switch {
	case away.Nonce != "" && reply.Fields.Get(idTokenParam) == "":
		return bad("the parameter " + idTokenParam + " is missing")
	case away.Nonce != "":
		return nil
	case reply.Fields.Get(stateParam) == "":
		return bad("the parameter " + stateParam + " is missing")
	case reply.Fields.Get(codeParam) == "" && !reply.Fields.Has(errorParam):
		return bad("the parameter " + codeParam + " is missing")
	}
	return nil
}

// option finds the Executor of an id: one of the step, or the one that has been answered before it.
func (t *Transport) option(v flow.View, id string) (string, bool) {
	named := func(option string) bool {
		a := t.authenticator(option)
		return id == a.id() || id == a.bareID()
	}
	for _, c := range v.Choices {
		if named(c.Option) {
			return c.Option, true
		}
	}
	if v.Last != "" && named(v.Last) {
		return v.Last, true
	}
	return "", false
}

// read takes what belongs to the prompt from the parameters.
func (t *Transport) read(reply *flow.Reply, prompt flow.Prompt, sent map[string]any) error {
	known := t.authenticator(reply.Option)
	params := known.params(prompt)
	values := url.Values{}
	for name, value := range sent {
		texts, ok := textsOf(value)
		if !ok {
			return bad("a parameter is neither text nor a list of texts")
		}
		if action, ok := known.Actions[name]; ok {
			if len(texts) == 1 && texts[0] != "" && texts[0] != "false" {
				reply.Action = action
			}
			continue
		}
		i := slices.IndexFunc(params, func(p Param) bool { return p.Name == name || isOTP(p.Name) && isOTP(name) })
		if i < 0 {
			return bad("there is a parameter that the authenticator does not have")
		}
		if values.Has(params[i].Field) {
			return bad("a parameter stands more than once")
		}
		values[params[i].Field] = texts
	}
	if reply.Action != "" {
		return nil
	}
	for _, p := range params {
		if !p.Optional && values.Get(p.Field) == "" {
			return bad("a required parameter is missing")
		}
	}
	if values.Has(scenarioParam.Field) && proceeds(prompt) {
		if values.Get(scenarioParam.Field) != proceedScenario {
			return bad("the scenario is another than " + proceedScenario)
		}
		reply.Action = proceedAction
		return nil
	}
	if values.Has(passkeyParam.Field) && prompt.WebAuthn != nil {
		credential, ok := challenge.Credential(prompt.WebAuthn.Options, values.Get(passkeyParam.Field))
		if !ok {
			return bad("tokenResponse is not well-formed, or of another challenge")
		}
		values.Set(passkeyParam.Field, credential)
		reply.Action = prompt.WebAuthn.Action
	}
	reply.Fields = values
	return nil
}

// isOTP reports whether a parameter is a code that was sent: the product spells it in two ways.
func isOTP(name string) bool { return name == "OTPCode" || name == "OTPcode" }

// textsOf returns the values of a parameter: a text or a list of them.
func textsOf(value any) ([]string, bool) {
	switch value := value.(type) {
	case string:
		return []string{value}, true
	case []any:
		if len(value) > maxValues {
			return nil, false
		}
		texts := make([]string, len(value))
		for i, v := range value {
			text, ok := v.(string)
			if !ok {
				return nil, false
			}
			texts[i] = text
		}
		return texts, true
	}
	return nil, false
}

func bad(problem string) *flow.AnswerError {
	return &flow.AnswerError{Code: malformed, Problem: problem}
}
