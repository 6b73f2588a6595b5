package execute

import (
	"encoding/json"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/challenge"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store/directory"
)

// The words of the wire.
const (
	incomplete = "INCOMPLETE"
	complete   = "COMPLETE"

	viewAnswer     = "VIEW"
	webAuthnAnswer = "WEBAUTHN"
	internalPrompt = "INTERNAL_PROMPT"
	redirection    = "REDIRECTION"
)

// answer is what a program is told while the flow goes on.
type answer struct {
	FlowID     string `json:"flowId"`
	FlowType   string `json:"flowType"`
	FlowStatus string `json:"flowStatus"`
	Type       string `json:"type"`
	Data       data   `json:"data"`
}

type data struct {
	Components     []component       `json:"components,omitempty"`
	RequiredParams []string          `json:"requiredParams,omitempty"`
	RedirectURL    string            `json:"redirectURL,omitempty"`
	WebAuthnData   string            `json:"webAuthnData,omitempty"`
	AdditionalData map[string]string `json:"additionalData,omitempty"`
	Messages       []message         `json:"messages,omitempty"`
}

type message struct {
	Type    string `json:"type"`
	Message string `json:"message"`
	Key     string `json:"i18nKey"`
}

// completed is what a program is told at the end.
type completed struct {
	FlowStatus string  `json:"flowStatus"`
	Data       outcome `json:"data"`
}

// outcome is what there is to be had at the end.
type outcome struct {
	UserAssertion string `json:"userAssertion,omitempty"`
}

// component is a part of a form.
type component struct {
	ID         string      `json:"id"`
	Type       string      `json:"type"`
	Variant    string      `json:"variant,omitempty"`
	ActionID   string      `json:"actionId,omitempty"`
	Config     any         `json:"config"`
	Components []component `json:"components,omitempty"`
}

// settings are the config of a component.
type settings = map[string]any

// validation is what a value has to keep to.
type validation struct {
	Type       string      `json:"type"`
	Name       string      `json:"name"`
	Conditions []condition `json:"conditions"`
}

type condition struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// claims stands before the names of the product's claims.
const claims = "http://wso2.org/claims/"

// identifiers are how programs call the fields of prompts that have another name with them: claims, for the most part.
var identifiers = map[string]string{
	"username":     claims + "username",
	"email":        claims + "emailaddress",
	"given_name":   claims + "givenname",
	"family_name":  claims + "lastname",
	"phone":        claims + "mobile",
	"new_password": "password",
	"ticket":       ticketInput,
	"credential":   challenge.Param,
}

// identifier is how programs call a field.
func identifier(field string) string {
	if known, ok := identifiers[field]; ok {
		return known
	}
	name, attribute := strings.CutPrefix(field, "attributes.")
	switch {
	case attribute && strings.Contains(name, ":"): // a URI by itself
		return name
	case attribute && !slices.Contains(slices.Collect(maps.Values(identifiers)), claims+name):
		return claims + name
	}
	return field
}

// Show implements [flow.Transport].
func (t *Transport) Show(w http.ResponseWriter, r *http.Request, v flow.View) {
	if code := refusedName(v.Prompt); code != "" {
		(&wireError{code: code}).write(w)
		return
	}
	a := answer{FlowID: v.Flow, FlowType: flowTypeOf(v.Plan), FlowStatus: incomplete, Type: viewAnswer}
	for _, m := range v.Prompt.Messages {
		a.Data.Messages = append(a.Data.Messages, t.message(r, v, m))
	}
	for _, f := range v.Prompt.Fields {
		if f.Problem.ID != "" {
			f.Problem.Level = flow.Error
			a.Data.Messages = append(a.Data.Messages, t.message(r, v, f.Problem))
		}
	}
	a.Data.RequiredParams = required(v.Prompt)
	switch {
	case v.Prompt.Away != nil:
		a.Type, a.Data.RedirectURL, a.Data.RequiredParams = redirection, v.Prompt.Link, []string{codeInput, stateInput}
		web.WriteValue(w, http.StatusOK, a)
		return
	case v.Prompt.WebAuthn != nil:
		a.Type, a.Data.RequiredParams = webAuthnAnswer, []string{challenge.Param}
		a.Data.WebAuthnData = challenge.Data(v.Prompt.WebAuthn.Options, v.Prompt.WebAuthn.Ceremony == flow.WebAuthnCreate)
	case internal(v.Prompt):
		a.Type = internalPrompt
	case v.Prompt.Drawing == nil:
		a.Data.Components = t.components(r, v)
	}
	if v.Prompt.Drawing != nil {
		a.Data.Components = drawn(v.Prompt, v.Prompt.Drawing.Components)
		if v.Prompt.Captcha != nil {
			a.Data.Components = append(a.Data.Components, captcha(v.Prompt))
		}
	}
	if v.Prompt.QR != "" {
		a.Data.AdditionalData = map[string]string{"uri": v.Prompt.QR, "secret": v.Prompt.QRText}
	}
	web.WriteValue(w, http.StatusOK, a)
}

// refusedName is the code of the product for a user name that will not do; "" has none. The step waits for another one.
func refusedName(p flow.Prompt) errorCode {
	for _, f := range p.Fields {
		switch {
		case f.Name != "username":
		case f.Problem.ID == "register.username-taken":
			return usernameTaken
		case f.Problem.ID == "username.policy.email":
			return usernameNoMail
		}
	}
	return ""
}

// internal reports whether a prompt asks the program alone: for what nobody types.
func internal(p flow.Prompt) bool {
	return len(p.Fields) > 0 && !slices.ContainsFunc(p.Fields, func(f flow.Field) bool { return f.Type != flow.HiddenField })
}

// asked are the fields that a program may fill.
func asked(p flow.Prompt) []flow.Field {
	return slices.DeleteFunc(slices.Clone(p.Fields), func(f flow.Field) bool { return f.ReadOnly })
}

// required are the identifiers of what has to be sent.
func required(p flow.Prompt) (names []string) {
	for _, f := range asked(p) {
		if f.Required {
			names = append(names, known(p, f.Name))
		}
	}
	return names
}

// captchaInput is how programs call the solution of a captcha, whatever its service calls it.
const captchaInput = "captchaResponse"

// known is how programs call a field of a prompt: as it was drawn, or as it is called everywhere.
func known(p flow.Prompt, field string) string {
	if p.Captcha != nil && field == p.Captcha.Field {
		return captchaInput
	}
	if p.Drawing != nil {
		for d := range parts(p.Drawing.Components) {
			if d.Field == field && d.Identifier != "" {
				return d.Identifier
			}
		}
	}
	return identifier(field)
}

// parts are the parts of a drawing, those within others too.
func parts(components []flow.Drawn) iter.Seq[flow.Drawn] {
	return func(yield func(flow.Drawn) bool) {
		rest := slices.Clone(components)
		for len(rest) > 0 {
			d := rest[0]
			rest = append(rest[1:], d.Components...)
			if !yield(d) {
				return
			}
		}
	}
}

// drawn are the components of a form that was drawn, with what the engine knows of its fields: whether they must be filled, and with what.
func drawn(p flow.Prompt, components []flow.Drawn) (all []component) {
	for _, d := range components {
		c := component{ID: d.ID, Type: d.Type, Variant: d.Variant, Config: d.Config, Components: drawn(p, d.Components)}
		if len(d.Config) == 0 {
			c.Config = settings{}
		}
		if d.Action != "" {
			c.ActionID = d.ID
		}
		if i := slices.IndexFunc(p.Fields, func(f flow.Field) bool { return d.Field != "" && f.Name == d.Field }); i >= 0 {
			c.Config = amended(d.Config, p.Fields[i])
		}
		all = append(all, c)
	}
	return all
}

// amended is the config of an input that was drawn, over which goes what the engine holds to.
func amended(config json.RawMessage, f flow.Field) any {
	all := settings{}
	if len(config) > 0 && json.Unmarshal(config, &all) != nil {
		return config
	}
	all["required"] = f.Required
	if f.Value != "" {
		all["defaultValue"] = f.Value
	}
	if f.Policy != nil {
		all["validations"] = validations(*f.Policy)
	}
	return all
}

// components are the form of a prompt.
func (t *Transport) components(r *http.Request, v flow.View) []component {
	p := v.Prompt
	all := []component{{ID: "title", Type: "TYPOGRAPHY", Variant: "H3", Config: settings{"text": t.text(r, v, p.Title)}}}
	if p.Intro.ID != "" {
		all = append(all, component{ID: "intro", Type: "TYPOGRAPHY", Variant: "BODY1", Config: settings{"text": t.text(r, v, p.Intro)}})
	}
	form := component{ID: "form", Type: "FORM", Config: settings{}}
	for _, f := range asked(p) {
		if f.Type == flow.CaptchaField {
			form.Components = append(form.Components, captcha(p))
		} else if f.Type != flow.HiddenField {
			form.Components = append(form.Components, t.input(r, v, f))
		}
	}
	for i, action := range p.Actions {
		if button := t.button(r, v, action); i == 0 {
			form.Components = append(form.Components, button)
			all = append(all, form)
		} else {
			all = append(all, button)
		}
	}
	return all
}

// captcha is the puzzle of a prompt.
func captcha(p flow.Prompt) component {
	return component{ID: "captcha", Type: "CAPTCHA", Variant: p.Captcha.Kind, Config: settings{
		"identifier": captchaInput, "captchaKey": p.Captcha.SiteKey, "captchaURL": p.Captcha.Script, "required": true,
	}}
}

// input is a field of a form.
func (t *Transport) input(r *http.Request, v flow.View, f flow.Field) component {
	variant, kind := shape(f.Type)
	config := settings{
		"identifier": identifier(f.Name), "type": kind, "label": t.text(r, v, flow.Message{ID: f.Label}), "required": f.Required,
	}
	if f.Value != "" {
		config["defaultValue"] = f.Value
	}
	if f.Policy != nil {
		config["validations"] = validations(*f.Policy)
	}
	return component{ID: f.Name, Type: "INPUT", Variant: variant, Config: config}
}

// shape is how a type of field is shown.
func shape(of flow.FieldType) (variant, kind string) {
	switch of {
	case flow.PasswordField:
		return "PASSWORD", "password"
	case flow.EmailField:
		return "EMAIL", "email"
	case flow.CodeField, flow.LettersField:
		return "OTP", "text"
	case flow.CheckboxField:
		return "CHECKBOX", "checkbox"
	case flow.NumberField:
		return "NUMBER", "number"
	case flow.DateField:
		return "DATE", "date"
	case flow.ChoiceField:
		return "CHOICE", "select"
	}
	return "TEXT", "text"
}

// button is an action of a form.
func (t *Transport) button(r *http.Request, v flow.View, a flow.Action) component {
	variant, kind := "PRIMARY", "submit"
	switch {
	case a.Name == "resend":
		variant, kind = "TEXT", "resend"
	case a.Kind == flow.Secondary:
		variant, kind = "SECONDARY", "button"
	case a.Kind == flow.Quiet:
		variant, kind = "TEXT", "button"
	}
	text := t.text(r, v, flow.Message{ID: a.Label, Params: a.Params})
	return component{ID: a.Name, Type: "BUTTON", Variant: variant, ActionID: a.Name, Config: settings{"type": kind, "text": text}}
}

// validations are what a new password has to keep to, as far as there are names for it.
func validations(p directory.PasswordPolicy) (all []validation) {
	rule := func(name string, pairs ...any) {
		v := validation{Type: "RULE", Name: name}
		for i := 0; i+1 < len(pairs); i += 2 {
			key, _ := pairs[i].(string)
			if n, _ := pairs[i+1].(int); n > 0 {
				v.Conditions = append(v.Conditions, condition{key, strconv.Itoa(n)})
			}
		}
		if len(v.Conditions) > 0 {
			all = append(all, v)
		}
	}
	rule("LengthValidator", "min.length", p.MinLength, "max.length", p.MaxLength)
	rule("NumeralValidator", "min.length", p.Digits)
	rule("UpperCaseValidator", "min.length", p.Upper)
	rule("LowerCaseValidator", "min.length", p.Lower)
	rule("SpecialCharacterValidator", "min.length", p.Special)
	rule("UniqueCharacterValidator", "min.unique.character", p.Unique)
	rule("RepeatedCharacterValidator", "max.consecutive.character", p.Repeats)
	return all
}

// message is a message in the person's language.
func (t *Transport) message(r *http.Request, v flow.View, m flow.Message) message {
	kinds := map[flow.Level]string{flow.Error: "ERROR", flow.Warning: "WARNING"}
	kind, ok := kinds[m.Level]
	if !ok {
		kind = "INFO"
	}
	key, _, _ := strings.Cut(m.ID, "|")
	return message{Type: kind, Message: t.text(r, v, m), Key: key}
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
