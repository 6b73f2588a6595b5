package pages

import (
	"net/http"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store/directory"
)

// samples are pages with everything that a page can have, one for each template.
func (p *Pages) samples() []*Page {
	brand := directory.Branding{
		Name: "Sample", SupportEmail: "help@example.com", PrivacyURL: "/privacy", TermsURL: "/terms",
		Light: map[string]string{"accent": "#123456"},
	}
	message := flow.Message{ID: "password.title", Level: flow.Error}
	view := flow.View{
		Flow: "flow", Submit: "/flow", Restart: "restart", Person: "sample", ApplicationName: "Sample", Branding: brand,
		ApplicationLinks: directory.ApplicationLinks{Site: "sample.example", URL: "/", Policy: "/policy", Terms: "/terms"},
		Prompt: flow.Prompt{
			Title: message, Intro: message, Messages: []flow.Message{message}, QR: "otpauth://totp/Sample", QRText: "SAMPLE",
			Consent: []directory.ConsentItem{{ID: "email", Title: "scope.email", Detail: "scope.email.detail"}},
			Captcha: &flow.Widget{SiteKey: "key", Class: "widget", Script: "https://captcha.example.com/api.js"},
			Poll:    &flow.Poll{URL: "/", Action: "login"},
			WebAuthn: &flow.WebAuthn{
				Ceremony: flow.WebAuthnGet, Options: []byte(`{}`), Button: "login", Action: "passkey", Decline: "skip", Unknown: []byte(`{}`), Accepted: []byte(`{}`),
			},
			Actions: []flow.Action{{Name: "login", Label: "password.login"}, {Name: "cancel", Label: "action.cancel", Kind: flow.Quiet}},
		},
	}
	for _, kind := range []flow.FieldType{flow.TextField, flow.PasswordField, flow.EmailField, flow.CodeField, flow.LettersField, flow.CheckboxField, flow.CaptchaField, flow.NumberField, flow.DateField, flow.ChoiceField} {
		view.Prompt.Fields = append(view.Prompt.Fields, flow.Field{
			Name: string(kind), Type: kind, Label: "password.username", Value: "value", Required: true, Focus: true, Problem: message, Hint: message,
			Choices: []flow.FieldChoice{{Value: "value", Label: "password.username"}},
		})
	}
	r := &http.Request{Header: http.Header{}}
	failure := flow.Failure{Code: "code", Detail: "detail", Correlation: "id", StartOver: "/", Application: "/", Branding: brand, Message: message}
	account := AccountView{
		Step: "account", Title: message, Intro: message, Person: "sample", Submit: "/", Messages: []flow.Message{message}, Branding: brand,
		Links: []AccountLink{{ID: "link", URL: "/", Label: "account.nav", Current: true}},
		Sections: []AccountSection{{
			ID: "section", Title: message, Intro: message, Codes: []string{"CODE"}, Fields: view.Prompt.Fields, Actions: view.Prompt.Actions,
			Items: []AccountItem{{
				ID: "id", Icon: "key", Title: message, Details: []flow.Message{message}, Actions: view.Prompt.Actions,
				Edit: &AccountEdit{Title: message, Name: "name", Label: "account.label", Value: "value", Action: view.Prompt.Actions[0]},
			}},
		}},
	}
	all := []*Page{p.prompt(r, view), p.signedOut(r, view), p.done(r, view), p.failure(r, failure), p.account(r, account)}
	for step := range p.templates.steps {
		view.Prompt.Step = step
		all = append(all, p.prompt(r, view))
	}
	return all
}
