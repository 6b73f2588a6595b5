package pages_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/pages"
	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store/directory"
)

// kinds are pages of every kind, by name.
func kinds(p *pages.Pages) map[string]http.HandlerFunc {
	push, key, wrong := codeView(), passwordView(), codeView()
	push.Prompt.Step, push.Prompt.Fields = "push", nil
	push.Prompt.Title = flow.Message{ID: "push.title"}
	push.Prompt.Intro = flow.Message{ID: "push.intro", Params: map[string]string{"number": "42"}}
	push.Prompt.Poll = &flow.Poll{URL: "/nowhere", Action: "login"}
	key.Prompt.WebAuthn = &flow.WebAuthn{Ceremony: flow.WebAuthnGet, Options: []byte(`{}`), Button: "login", Action: "passkey"}
	wrong.Prompt.Messages = []flow.Message{
		{ID: "totp.wrong", Level: flow.Error}, {ID: "code.expired", Level: flow.Warning}, {ID: "code.resent", Level: flow.Success}, {ID: "totp.used"},
	}
	wrong.Prompt.Fields[0].Problem = flow.Message{ID: "totp.wrong"}
	all := map[string]http.HandlerFunc{
		"signed-out": func(w http.ResponseWriter, r *http.Request) { p.SignedOut(w, r, flow.View{Branding: acme}) },
		"done": func(w http.ResponseWriter, r *http.Request) {
			p.Done(w, r, flow.View{Branding: acme, Prompt: flow.Prompt{Title: flow.Message{ID: "device.done"}}})
		},
		"failure": func(w http.ResponseWriter, r *http.Request) {
			f := someFailure()
			f.Status, f.Branding = http.StatusOK, acme
			p.Fail(w, r, f)
		},
		"device": func(w http.ResponseWriter, r *http.Request) {
			p.Device(w, r, pages.DeviceView{Submit: "/device", UserCode: "WDJB", Wrong: true, Branding: acme})
		},
	}
	for name, v := range furtherViews() {
		v.Branding = acme
		all[name] = func(w http.ResponseWriter, r *http.Request) { p.Show(w, r, v) }
	}
	for name, v := range map[string]flow.View{
		"password": passwordView(), "code": codeView(), "enrol": enrolView(), "consent": consentView(), "logout": logoutView(),
		"push": push, "passkey": key, "wrong": wrong,
	} {
		v.Branding = acme
		v.ApplicationLinks = directory.ApplicationLinks{Site: "shop.example", URL: "/", Policy: "/policy", Terms: "/terms"}
		all[name] = func(w http.ResponseWriter, r *http.Request) { p.Show(w, r, v) }
	}
	return all
}

// furtherViews are the questions that are asked of few.
func furtherViews() map[string]flow.View {
	token, choice, renewal, limit := enrolView(), codeView(), codeView(), codeView()
	token.Prompt.Step, token.Prompt.Title, token.Prompt.Intro = "hotp-enroll", flow.Message{ID: "hotp-enroll.title"}, flow.Message{ID: "hotp-enroll.intro"}
	token.Prompt.Fields = []flow.Field{{Name: "otp", Type: flow.CodeField, Label: "hotp-enroll.otp", Required: true, Focus: true}}
	token.Prompt.Actions = []flow.Action{{Name: "login", Label: "hotp-enroll.login"}}
	choice.Person = ""
	choice.Prompt = flow.Prompt{
		Step: "select-account", Title: flow.Message{ID: "select-account.title"}, Intro: flow.Message{ID: "select-account.intro"},
		Actions: []flow.Action{
			{Name: "current_account", Label: "select-account.current", Params: map[string]string{"person": "ann.with.a.long.name@example.com"}},
			{Name: "other_account", Label: "select-account.other", Kind: flow.Secondary},
		},
	}
	renewal.Prompt = flow.Prompt{
		Step: "renew-password", Title: flow.Message{ID: "renew-password.title"}, Intro: flow.Message{ID: "renew-password.intro"},
		Fields: []flow.Field{
			{Name: "username", Type: flow.TextField, Label: "password.username", Value: "ann", Autocomplete: "username", ReadOnly: true},
			{Name: "new_password", Type: flow.PasswordField, Label: "new-password.password", Autocomplete: "new-password", Required: true, Focus: true},
		},
		Actions: []flow.Action{{Name: "continue", Label: "renew-password.save"}},
	}
	noon := time.Date(2031, time.May, 6, 12, 0, 0, 0, time.UTC)
	detail := func(address string) flow.Message {
		return flow.Message{ID: "session-limit.detail", Params: map[string]string{"address": address}, Times: map[string]time.Time{"seen": noon}}
	}
	limit.Prompt = flow.Prompt{
		Step: "session-limit", Title: flow.Message{ID: "session-limit.title"},
		Intro: flow.Message{ID: "session-limit.intro", Params: map[string]string{"count": "1"}},
		Fields: []flow.Field{
			{Name: "session_1", Type: flow.CheckboxField, Label: "session-limit.session", Params: map[string]string{"device": "Firefox on Linux"}, Hint: detail("192.0.2.17")},
			{Name: "session_2", Type: flow.CheckboxField, Label: "session-limit.unknown", Hint: detail("2001:db8::42:1")},
		},
		Actions: []flow.Action{{Name: "continue", Label: "session-limit.end"}, {Name: "leave", Label: "session-limit.leave", Kind: flow.Secondary}},
	}
	register := codeView()
	register.Prompt = registration()
	puzzle := passwordView()
	puzzle.Prompt.Messages = []flow.Message{{ID: "captcha.needed", Level: flow.Warning}}
	puzzle.Prompt.Fields = append(puzzle.Prompt.Fields, flow.Field{Name: "solution", Type: flow.CaptchaField, Label: "captcha.label", Required: true})
	puzzle.Prompt.Captcha = puzzled().Prompt.Captcha
	return map[string]flow.View{
		"hotp-enroll": token, "select-account": choice, "renew-password": renewal, "session-limit": limit, "register": register,
		"captcha": puzzle, "x509": certificateView("x509"), "x509-refused": certificateView("x509", "x509.refused"),
		"x509-enroll": certificateView("x509-enroll", "x509-enroll.full"),
	}
}

// certificateView asks for a certificate, or for another one.
func certificateView(step string, problems ...string) flow.View {
	v := codeView()
	v.Prompt = flow.Prompt{
		Step: step, Title: flow.Message{ID: step + ".title"}, Intro: flow.Message{ID: step + ".intro"},
		Actions: []flow.Action{
			{Name: step, Label: step + ".continue"},
			{Name: "method_totp", Label: "method.totp", Kind: flow.Secondary},
			{Name: "cancel", Label: "action.cancel", Kind: flow.Quiet},
		},
	}
	for _, id := range problems {
		v.Prompt.Messages = append(v.Prompt.Messages, flow.Message{ID: id, Level: flow.Error})
	}
	return v
}

// drawn stands where the script of a service draws its puzzle: as wide and as high as the widest of them.
const drawn = `document.querySelectorAll('[data-sitekey]').forEach(e => {
	const puzzle = document.createElement('div')
	puzzle.style.cssText = 'width: 304px; height: 78px; outline: 1px solid gray; outline-offset: -1px'
	e.append(puzzle)
}), true`

// registration is the form of somebody who registers, with attributes of every type, one of which was wrong.
func registration() flow.Prompt {
	least := 1.0
	fields := []flow.Field{{Name: "email", Type: flow.EmailField, Label: "register.email", Autocomplete: "email", Required: true, Focus: true}}
	for _, rule := range []directory.AttributeRule{
		{Name: "department", Label: "Department", Hint: "As on your badge"},
		{Name: "seats", Label: "Seats", Type: directory.IntegerAttribute, Min: &least},
		{Name: "born", Label: "Born on", Type: directory.DateAttribute},
		{Name: "size", Label: "Size", Type: directory.ChoiceAttribute, Choices: []directory.AttributeChoice{{Value: "S", Label: "Small"}, {Value: "L", Label: "Large"}}},
		{Name: "terms", Label: "I accept the terms", Hint: "and have read them", Type: directory.BooleanAttribute},
	} {
		fields = append(fields, flow.AttributeField(rule))
	}
	fields[2].Value, fields[2].Problem = "0", flow.Message{ID: "attribute.min", Level: flow.Error, Params: map[string]string{"min": "1"}}
	return flow.Prompt{
		Step: "register", Title: flow.Message{ID: "register.title"}, Intro: flow.Message{ID: "register.intro"}, Fields: fields,
		Actions: []flow.Action{{Name: "continue", Label: "register.send"}, {Name: "back", Label: "action.back", Kind: flow.Quiet}},
	}
}

// acme is a look that takes all that there is.
var acme = directory.Branding{
	Name: "Acme", SupportEmail: "help@acme.example", PrivacyURL: "/privacy", TermsURL: "/terms", Light: map[string]string{"accent": "#0f766e"},
}

// Every page passes every rule of axe-core, those of WCAG and those of good practice: light and dark, from left and from right, and on a
// telephone.
func TestAxe(t *testing.T) {
	t.Parallel()
	axe := testenv.Axe(t)
	ctx := testenv.Chromium(t)
	var shown map[string]http.HandlerFunc
	var p *pages.Pages
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		language, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if show := shown[name]; show != nil {
			r.Header.Set("Accept-Language", language)
			show(w, r)
			return
		}
		p.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	p = newPages(t, func(c *pages.Config) { c.Issuer = server.URL })
	shown = kinds(p)
	for _, look := range []struct {
		scheme, language string
		width            int64
	}{{"light", "en", 1280}, {"dark", "ar", 1280}, {"dark", "fr", 360}, {"light", "ar", 360}, {"dark", "de", 320}} {
		if err := chromedp.Do(ctx, chromedp.EmulateViewport(look.width, 800), preferScheme(look.scheme)); err != nil {
			t.Fatal(err)
		}
		for name := range shown {
			if err := chromedp.Do(ctx, chromedp.Navigate(server.URL+"/"+look.language+"/"+name)); err != nil {
				t.Fatal(err)
			}
			evaluate[bool](t, ctx, drawn)
			testenv.Shoot(t, ctx, name+" "+look.scheme+" "+look.language)
			if outside := testenv.OffScreen(t, ctx); outside != "" {
				t.Errorf("%s in %s, %d wide, off the screen: %s", name, look.language, look.width, outside)
			}
			if found := axe(ctx); found != "" {
				t.Errorf("%s, %s in %s, %d wide:\n%s", name, look.scheme, look.language, look.width, found)
			}
		}
	}
	evaluate[bool](t, ctx, `document.querySelector('main').append(new Image()), true`)
	if found := axe(ctx); !strings.Contains(found, "image-alt") {
		t.Errorf("a picture without words passes: %q", found)
	}
}
