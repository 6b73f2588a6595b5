package pages_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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

// acme is a look that takes all that there is.
var acme = directory.Branding{
	Name: "Acme", SupportEmail: "help@acme.example", PrivacyURL: "/privacy", TermsURL: "/terms", Light: map[string]string{"accent": "#0f766e"},
}

// violations are the rules that a page breaks, with the elements.
const violations = `axe.run(document, {resultTypes: ['violations']}).then(r =>
	r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 120) + ' ' + n.any.map(a => a.message).join('; ')).join(' | ')).join('\n'))`

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
	}{{"light", "en", 1280}, {"dark", "ar", 1280}, {"dark", "fr", 360}} {
		if err := chromedp.Do(ctx, chromedp.EmulateViewport(look.width, 800), preferScheme(look.scheme)); err != nil {
			t.Fatal(err)
		}
		for name := range shown {
			if err := chromedp.Do(ctx, chromedp.Navigate(server.URL+"/"+look.language+"/"+name)); err != nil {
				t.Fatal(err)
			}
			found := judge(t, ctx, axe)
			if found != "" {
				t.Errorf("%s, %s in %s, %d wide:\n%s", name, look.scheme, look.language, look.width, found)
			}
		}
	}
	evaluate[bool](t, ctx, `document.querySelector('main').append(new Image()), true`)
	if found := judge(t, ctx, axe); !strings.Contains(found, "image-alt") {
		t.Errorf("a picture without words passes: %q", found)
	}
}

// judge is what axe-core finds on the page.
func judge(t *testing.T, ctx context.Context, axe string) string {
	t.Helper()
	evaluate[bool](t, ctx, axe+"\n;true")
	found, err := chromedp.Run(ctx, chromedp.Evaluate[string](violations, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	return found
}
