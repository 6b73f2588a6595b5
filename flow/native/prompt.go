package native

import (
	"net/http"
	"slices"
	"strings"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/aba"
	"github.com/signet-idp/signet/internal/challenge"
	"github.com/signet-idp/signet/internal/web"
)

// The words of the wire.
const (
	incomplete     = "INCOMPLETE"
	failIncomplete = "FAIL_INCOMPLETE"

	onePrompt   = "AUTHENTICATOR_PROMPT"
	manyOptions = "MULTI_OPTIONS_PROMPT"

	userPrompt        = "USER_PROMPT"
	internalPrompt    = "INTERNAL_PROMPT"
	redirectionPrompt = "REDIRECTION_PROMPT"
)

// answer is what a program is told while the sign-in goes on.
type answer struct {
	FlowID     string   `json:"flowId"`
	FlowStatus string   `json:"flowStatus"`
	FlowType   string   `json:"flowType"`
	NextStep   nextStep `json:"nextStep"`
	Links      []link   `json:"links"`
}

type nextStep struct {
	StepType          string          `json:"stepType"`
	AcceptErrorParams bool            `json:"acceptErrorParams"`
	Authenticators    []authenticator `json:"authenticators"`
	Messages          []message       `json:"messages,omitempty"`
}

type authenticator struct {
	ID             string   `json:"authenticatorId"`
	Name           string   `json:"authenticator"`
	IDP            string   `json:"idp"`
	Metadata       metadata `json:"metadata"`
	RequiredParams []string `json:"requiredParams,omitempty"`
}

type metadata struct {
	Key        string            `json:"i18nKey"`
	PromptType string            `json:"promptType,omitempty"`
	Params     []param           `json:"params,omitempty"`
	Additional map[string]string `json:"additionalData,omitempty"`
}

type param struct {
	Param        string `json:"param"`
	Type         string `json:"type"`
	Order        int    `json:"order"`
	Key          string `json:"i18nKey,omitempty"`
	DisplayName  string `json:"displayName,omitempty"`
	Confidential bool   `json:"confidential"`
}

type message struct {
	Type      string    `json:"type"`
	MessageID string    `json:"messageId"`
	Message   string    `json:"message"`
	Key       string    `json:"i18nKey"`
	Context   []context `json:"context,omitempty"`
}

type context struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type link struct {
	Name   string `json:"name"`
	Href   string `json:"href"`
	Method string `json:"method"`
}

// Show implements [flow.Transport].
func (t *Transport) Show(w http.ResponseWriter, r *http.Request, v flow.View) {
	if v.Prompt.Step == "consent" { // which no program can give for the person
		aba.Error{Code: aba.Unsupported}.Write(w)
		return
	}
	a := answer{
		FlowID: v.Flow, FlowStatus: incomplete, FlowType: "AUTHENTICATION",
		NextStep: nextStep{StepType: onePrompt, Authenticators: []authenticator{}},
		Links:    []link{{Name: "authentication", Href: v.Submit, Method: http.MethodPost}},
	}
	for _, m := range shown(v.Prompt) {
		if m.Level == flow.Error {
			a.FlowStatus = failIncomplete
		}
		a.NextStep.Messages = append(a.NextStep.Messages, t.message(r, v, m))
	}
	choices := v.Choices
	if i := slices.IndexFunc(choices, func(c flow.Choice) bool { return c.Begun }); i >= 0 {
		choices = choices[i : i+1]
	}
	if len(choices) > 1 {
		a.NextStep.StepType = manyOptions
	}
	for _, choice := range choices {
		a.NextStep.AcceptErrorParams = a.NextStep.AcceptErrorParams || choice.Prompt != nil && choice.Prompt.Away != nil && choice.Prompt.Link != ""
		a.NextStep.Authenticators = append(a.NextStep.Authenticators, t.describe(r, v, choice))
	}
	web.WriteValue(w, http.StatusOK, a)
}

// shown are the messages of a prompt and the problems of its fields.
func shown(prompt flow.Prompt) []flow.Message {
	messages := slices.Clone(prompt.Messages)
	for _, f := range prompt.Fields {
		if f.Problem.ID != "" {
			f.Problem.Level = flow.Error
			messages = append(messages, f.Problem)
		}
	}
	return messages
}

// describe is a way to do the step. One that has to begin first shows its name alone.
func (t *Transport) describe(r *http.Request, v flow.View, choice flow.Choice) authenticator {
	known := t.authenticator(choice.Option)
	a := authenticator{ID: known.id(), Name: known.DisplayName, IDP: known.IDP, Metadata: metadata{Key: known.Key}}
	if choice.Prompt == nil || !choice.Begun && len(choice.Prompt.Fields) == 0 && choice.Prompt.WebAuthn == nil {
		return a
	}
	if away := choice.Prompt.Away; away != nil {
		a.Metadata.PromptType, a.RequiredParams = redirectionPrompt, []string{codeParam, stateParam}
		a.Metadata.Additional = map[string]string{"redirectUrl": choice.Prompt.Link, "state": away.State}
		if away.Nonce != "" {
			a.Metadata.PromptType, a.RequiredParams = internalPrompt, []string{accessTokenParam, idTokenParam}
			a.Metadata.Additional = map[string]string{"clientId": away.ClientID, "nonce": away.Nonce, "scope": strings.Join(away.Scope, " ")}
		}
		return a
	}
	a.Metadata.PromptType = userPrompt
	if known.Internal {
		a.Metadata.PromptType = internalPrompt
	} else if choice.Prompt.WebAuthn != nil { // for browsers alone: that a passkey may be shown in place of what is asked
		own := *choice.Prompt
		own.WebAuthn, choice.Prompt = nil, &own
	}
	a.Metadata.Additional = additional(*choice.Prompt)
	if choice.Prompt.Step == sessionLimit {
		t.sessions(r, v, *choice.Prompt, a.Metadata.Additional)
	}
	if poll := choice.Prompt.Poll; poll != nil {
		a.Metadata.Additional["statusEndpoint"], a.Metadata.Additional["numberChallenge"] = statusEndpoint(v, *poll), poll.Number
	}
	for i, p := range known.params(*choice.Prompt) {
		if !p.Optional {
			a.RequiredParams = append(a.RequiredParams, p.Name)
		}
		if known.Internal {
			continue
		}
		if p.DisplayName == "" {
			p.DisplayName = t.label(r, v, choice.Prompt.Fields, p)
		}
		a.Metadata.Params = append(a.Metadata.Params, param{
			Param: p.Name, Type: p.kind(), Order: i, Key: p.Key, DisplayName: p.DisplayName, Confidential: p.Confidential,
		})
	}
	return a
}

// label is how a person knows a value that has no name of its own.
func (t *Transport) label(r *http.Request, v flow.View, fields []flow.Field, p Param) string {
	i := slices.IndexFunc(fields, func(f flow.Field) bool { return f.Name == p.Field })
	if i < 0 {
		return t.text(r, v, flow.Message{ID: p.Key})
	}
	label := t.text(r, v, flow.Message{ID: p.Key, Params: fields[i].Params})
	if hint := fields[i].Hint; hint.ID != "" {
		label += " (" + t.text(r, v, hint) + ")"
	}
	return label
}

// additional is what a prompt shows besides what it asks.
func additional(prompt flow.Prompt) map[string]string {
	data := map[string]string{}
	if prompt.QR != "" {
		data["uri"], data["secret"] = prompt.QR, prompt.QRText
	}
	if prompt.Captcha != nil {
		data["captchaType"], data["captchaKey"], data["captchaURL"] = prompt.Captcha.Kind, prompt.Captcha.SiteKey, prompt.Captcha.Script
	}
	if prompt.WebAuthn != nil {
		data["challengeData"] = challenge.Data(prompt.WebAuthn.Options, prompt.WebAuthn.Ceremony == flow.WebAuthnCreate)
	}
	return data
}

// message is a message in the person's language. One that says that something has failed has the code for that, and our own id in
// its context.
func (t *Transport) message(r *http.Request, v flow.View, m flow.Message) message {
	told := message{Type: "INFO", MessageID: m.ID, Message: t.text(r, v, m)}
	if m.Level == flow.Error {
		told.Type, told.MessageID = "ERROR", string(aba.Retry)
		id, _, _ := strings.Cut(m.ID, "|")
		told.Context = append(told.Context, context{"reason", id})
	}
	if left := m.Params[flow.RemainingAttempts]; left != "" {
		told.Context = append(told.Context, context{flow.RemainingAttempts, left})
	}
	told.Key = "message." + told.MessageID
	return told
}

// text words a message.
func (t *Transport) text(r *http.Request, v flow.View, m flow.Message) string {
	params := map[string]string{"application": v.ApplicationName}
	for name, value := range m.Params {
		params[name] = value
	}
	m.Params = params
	return t.words(r, v.Locales, m)
}
