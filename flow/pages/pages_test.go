package pages_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/pages"
	"github.com/signet-idp/signet/store/directory"
)

const issuer = "https://login.example.com/id"

func newPages(t testing.TB, change func(*pages.Config)) *pages.Pages {
	t.Helper()
	c := pages.Config{Issuer: issuer}
	if change != nil {
		change(&c)
	}
	p, err := pages.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// answer is what a browser gets that speaks the languages of Accept-Language.
func answer(t testing.TB, languages string, write func(http.ResponseWriter, *http.Request)) (*http.Response, string) {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, issuer+"/login", nil)
	if languages != "" {
		r.Header.Set("Accept-Language", languages)
	}
	write(w, r)
	return w.Result(), w.Body.String()
}

func show(t testing.TB, p *pages.Pages, v flow.View) (*http.Response, string) {
	t.Helper()
	return answer(t, "", func(w http.ResponseWriter, r *http.Request) { p.Show(w, r, v) })
}

func fail(t testing.TB, p *pages.Pages, f flow.Failure) (*http.Response, string) {
	t.Helper()
	return answer(t, "", func(w http.ResponseWriter, r *http.Request) { p.Fail(w, r, f) })
}

func device(t testing.TB, p *pages.Pages, v pages.DeviceView) (*http.Response, string) {
	t.Helper()
	return answer(t, "", func(w http.ResponseWriter, r *http.Request) { p.Device(w, r, v) })
}

func done(t testing.TB, p *pages.Pages, v flow.View) (*http.Response, string) {
	t.Helper()
	return answer(t, "", func(w http.ResponseWriter, r *http.Request) { p.Done(w, r, v) })
}

func signedOut(t testing.TB, p *pages.Pages, v flow.View) (*http.Response, string) {
	t.Helper()
	return answer(t, "", func(w http.ResponseWriter, r *http.Request) { p.SignedOut(w, r, v) })
}

// contain demands that a page has each of the texts.
func contain(t *testing.T, page string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
}

func passwordView() flow.View {
	return flow.View{
		Flow: "flow-1", Sequence: 7, Submit: "/id/login?flow=flow-1", Restart: "sealed", ApplicationName: "Demo App",
		Prompt: flow.Prompt{
			Step:  "password",
			Title: flow.Message{ID: "password.title"},
			Fields: []flow.Field{
				{Name: "username", Type: flow.TextField, Label: "password.username", Autocomplete: "username", Required: true, Focus: true},
				{Name: "password", Type: flow.PasswordField, Label: "password.password", Autocomplete: "current-password", Required: true},
				{Name: "remember", Type: flow.CheckboxField, Label: "password.remember"},
			},
			Actions: []flow.Action{
				{Name: "login", Label: "password.login"},
				{Name: "cancel", Label: "action.cancel", Kind: flow.Secondary},
			},
		},
	}
}

func codeView() flow.View {
	v := passwordView()
	v.Person = "alice"
	v.Prompt = flow.Prompt{
		Step: "totp", Title: flow.Message{ID: "totp.title"}, Intro: flow.Message{ID: "totp.intro"},
		Fields: []flow.Field{
			{Name: "otp", Type: flow.CodeField, Label: "totp.otp", Autocomplete: "one-time-code", Required: true, Focus: true},
		},
		Actions: []flow.Action{{Name: "login", Label: "totp.login"}},
	}
	return v
}

func enrolView() flow.View {
	v := codeView()
	v.Prompt.Step = "totp-enroll"
	v.Prompt.QR = "otpauth://totp/Acme:alice?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Acme"
	v.Prompt.QRText = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
	return v
}

func consentView() flow.View {
	v := codeView()
	v.Prompt = flow.Prompt{
		Step: "consent", Title: flow.Message{ID: "consent.title"}, Intro: flow.Message{ID: "consent.intro"},
		Consent: []directory.ConsentItem{
			{ID: "openid", Title: "scope.openid", Detail: "scope.openid.detail", Mandatory: true},
			{ID: "email", Title: "scope.email|unused"},
			{ID: "claim:birthdate", Title: "claim.birthdate|birthdate"},
			{ID: "photos", Title: "scope.photos|Your photo albums"},
		},
		Actions: []flow.Action{
			{Name: "consent_allow", Label: "consent.allow"},
			{Name: "consent_deny", Label: "consent.deny", Kind: flow.Secondary},
		},
	}
	return v
}

func logoutView() flow.View {
	v := codeView()
	v.Prompt = flow.Prompt{
		Step: "logout", Title: flow.Message{ID: "logout.title"}, Intro: flow.Message{ID: "logout.intro"},
		Actions: []flow.Action{
			{Name: "logout_confirm", Label: "logout.confirm"},
			{Name: "logout_cancel", Label: "logout.cancel", Kind: flow.Secondary},
		},
	}
	return v
}

func someFailure() flow.Failure {
	return flow.Failure{
		Status: http.StatusBadRequest, Code: "invalid_request", Correlation: "c0rrelat10n", StartOver: "https://app.example.com/",
		Message: flow.Message{ID: "flow.malformed"}, Detail: "redirect_uri is not registered",
	}
}

// What a link has brought is carried along, and not shown.
func TestHiddenField(t *testing.T) {
	t.Parallel()
	v := passwordView()
	v.Prompt.Fields = []flow.Field{{Name: "mlt", Type: flow.HiddenField, Label: "magic-link.otp", Value: "token"}}
	_, page := show(t, newPages(t, nil), v)
	contain(t, page, `<input type="hidden" name="mlt" value="token">`)
	if strings.Contains(page, `for="mlt"`) {
		t.Error("it has a label")
	}
}

func TestPasswordPage(t *testing.T) {
	t.Parallel()
	res, page := show(t, newPages(t, nil), passwordView())
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Language") != "en" {
		t.Errorf("status %d in %q", res.StatusCode, res.Header.Get("Content-Language"))
	}
	contain(t, page,
		`<html lang="en" dir="ltr">`,
		`<title>Sign in to Demo App · login.example.com</title>`,
		`<h1>Sign in to <bdi>Demo App</bdi></h1>`,
		`<form method="post" action="/id/login?flow=flow-1">`,
		`<input type="hidden" name="flow" value="flow-1">`,
		`<input type="hidden" name="seq" value="7">`,
		`<input type="hidden" name="restart" value="sealed">`,
		`<label for="username">Username</label>`,
		`<input type="text" id="username" name="username" autocomplete="username" autocapitalize="none" spellcheck="false" dir="auto" required autofocus>`,
		`<input type="password" id="password" name="password" autocomplete="current-password" autocapitalize="none" spellcheck="false" required>`,
		`<input type="checkbox" id="remember" name="remember" value="true">`,
		`<button type="submit" id="login" name="action" value="login" class="button primary"><span>Sign in</span></button>`,
		`<button type="submit" id="cancel" name="action" value="cancel" class="button secondary" formnovalidate><span>Cancel</span></button>`,
	)
}

func TestCodePage(t *testing.T) {
	t.Parallel()
	_, page := show(t, newPages(t, nil), codeView())
	contain(t, page,
		`<input type="text" id="otp" name="otp" autocomplete="one-time-code" inputmode="numeric" autocapitalize="none" spellcheck="false" dir="ltr" required autofocus>`,
		`<bdi>alice</bdi>`,
		`shows for <bdi>login.example.com</bdi>.`,
	)
}

func TestEnrolPage(t *testing.T) {
	t.Parallel()
	_, page := show(t, newPages(t, nil), enrolView())
	contain(t, page,
		`<img class="qr" src="data:image/png;base64,iVBOR`,
		`href="otpauth://totp/Acme:alice?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&amp;issuer=Acme"`,
		`<span>JBSW</span><span>Y3DP</span><span>EHPK</span><span>3PXP</span>`,
		`id="otp"`,
	)
}

func TestConsentPage(t *testing.T) {
	t.Parallel()
	_, page := show(t, newPages(t, nil), consentView())
	contain(t, page,
		`<h1>Allow <bdi>Demo App</bdi> access?</h1>`,
		`<input type="hidden" name="consent" value="openid">`,
		`<input type="checkbox" name="consent" value="email" checked>`,
		`<strong>Your email address</strong><small>The address, and whether it is confirmed</small>`,
		`<strong>Your date of birth</strong></span>`,
		`<strong>Your photo albums</strong>`,
		`id="consent_allow"`, `id="consent_deny"`,
	)
	if strings.Contains(page, `type="checkbox" name="consent" value="openid"`) {
		t.Error("what is mandatory can be left out")
	}
}

func TestLogoutPages(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)
	_, page := show(t, p, logoutView())
	contain(t, page, `id="logout_confirm"`, `id="logout_cancel"`)
	res, page := signedOut(t, p, flow.View{})
	contain(t, page, `id="logged_out"`, `<h1>You are signed out</h1>`)
	if res.StatusCode != http.StatusOK {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestFailurePage(t *testing.T) {
	t.Parallel()
	f := someFailure()
	f.Status, f.RetryAfter = http.StatusServiceUnavailable, 1500*time.Millisecond
	res, page := fail(t, newPages(t, nil), f)
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") != "2" {
		t.Errorf("status %d, Retry-After %q", res.StatusCode, res.Header.Get("Retry-After"))
	}
	_, facts, _ := strings.Cut(page, `id="error"`)
	facts, _, _ = strings.Cut(facts, `</dl>`)
	contain(t, facts, "invalid_request", "c0rrelat10n", "redirect_uri is not registered")
	contain(t, page, `href="https://app.example.com/"`, `role="alert"`)
}

func TestNoFailure(t *testing.T) {
	t.Parallel()
	f := someFailure()
	f.Status, f.Message.ID = http.StatusOK, "logout.canceled"
	res, page := fail(t, newPages(t, nil), f)
	contain(t, page, `<h1>You are still signed in</h1>`)
	if res.StatusCode != http.StatusOK || strings.Contains(page, `id="error"`) || strings.Contains(page, "did not work") {
		t.Errorf("status %d: %s", res.StatusCode, page)
	}
}

// Where there is nothing left to do, the page leads to the application, if it is known where that is.
func TestBackToTheApplication(t *testing.T) {
	t.Parallel()
	f := flow.Failure{Status: http.StatusOK, Message: flow.Message{ID: "flow.finished"}, Application: "https://app.example.com/"}
	_, page := fail(t, newPages(t, nil), f)
	contain(t, page, `<a class="button" id="application" href="https://app.example.com/">Back to the application</a>`)
	for _, nowhere := range []string{"", "javascript:alert(1)", "//evil.example", "com.example.app:/"} {
		f.Application = nowhere
		if _, page := fail(t, newPages(t, nil), f); strings.Contains(page, `id="application"`) {
			t.Errorf("%q is a link", nowhere)
		}
	}
}

func TestFailureWithoutParticulars(t *testing.T) {
	t.Parallel()
	res, page := fail(t, newPages(t, nil), flow.Failure{StartOver: "javascript:alert(1)"})
	if res.StatusCode != http.StatusInternalServerError || res.Header.Get("Retry-After") != "" {
		t.Errorf("status %d, Retry-After %q", res.StatusCode, res.Header.Get("Retry-After"))
	}
	contain(t, page, `id="error"`, "Something went wrong on our side.")
	_, request := fail(t, newPages(t, nil), flow.Failure{Status: http.StatusBadRequest, Code: "invalid_request"})
	contain(t, request, "The application sent a request")
	if strings.Contains(page, "start_over") {
		t.Error("a start over leads to a script")
	}
}

func TestWrongAnswer(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)

	v := passwordView()
	v.Prompt.Messages = []flow.Message{{ID: "password.wrong", Level: flow.Error}}
	v.Prompt.Fields[1].Value = "secret-that-was-typed"
	res, page := show(t, p, v)
	if res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a message of level error: status %d", res.StatusCode)
	}
	contain(t, page, `<title>Error: Sign in`, `role="alert"`, `required autofocus aria-describedby="messages">`)
	if strings.Contains(page, "secret-that-was-typed") {
		t.Error("a password stands in the page")
	}

	v = codeView()
	v.Prompt.Fields[0].Problem = flow.Message{ID: "totp.wrong", Level: flow.Error}
	res, page = show(t, p, v)
	if res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a problem of a field: status %d", res.StatusCode)
	}
	contain(t, page, `aria-invalid="true" aria-describedby="otp-problem"`, `<p class="problem" id="otp-problem">`)

	v = codeView()
	v.Prompt.Messages = []flow.Message{{ID: "totp.used", Level: flow.Warning}, {ID: "totp.intro"}}
	if res, page = show(t, p, v); res.StatusCode != http.StatusOK {
		t.Errorf("a warning: status %d", res.StatusCode)
	}
	contain(t, page, `<p class="message warning" role="status">`, `<p class="message info" role="status">`)
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)
	v := passwordView()
	v.RedirectOrigins = []string{"https://app.example.com", "com.example.app:"}
	res, _ := show(t, p, v)
	want := "default-src 'none'; script-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
		"form-action 'self' https://app.example.com com.example.app:; frame-ancestors 'none'; base-uri 'none'"
	if got := res.Header.Get("Content-Security-Policy"); got != want {
		t.Errorf("Content-Security-Policy:\n%s\nwant:\n%s", got, want)
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY", "Content-Type": "text/html; charset=utf-8",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if res, _ = fail(t, p, someFailure()); !strings.Contains(res.Header.Get("Content-Security-Policy"), "form-action 'self';") {
		t.Errorf("failure: %s", res.Header.Get("Content-Security-Policy"))
	}
}

func TestNewReportsEverything(t *testing.T) {
	t.Parallel()
	_, err := pages.New(pages.Config{
		Issuer: "ftp://nowhere", DefaultLocale: "tlh",
		Templates: fstest.MapFS{"parts.html": {Data: []byte(`{{define "field"}}{{if}}{{end}}`)}},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"ftp://nowhere", "tlh", "parts.html"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not tell of %s: %v", want, err)
		}
	}
}

func TestTemplatesOfTheHost(t *testing.T) {
	t.Parallel()
	p := newPages(t, func(c *pages.Config) {
		c.Templates = fstest.MapFS{
			"layout.html": {Data: []byte(`{{define "footer"}}<footer>of the host</footer>{{end}}`)},
			"totp.html":   {Data: []byte(`{{define "main"}}<p>only for codes, {{.T "host.text|spare text"}}</p>{{end}}`)},
		}
	})
	_, password := show(t, p, passwordView())
	contain(t, password, "<footer>of the host</footer>", `id="username"`)
	_, code := show(t, p, codeView())
	contain(t, code, "<footer>of the host</footer>", "<p>only for codes, spare text</p>")
	if strings.Contains(code, `id="otp"`) {
		t.Error("the built-in block is still there")
	}
}

func TestTemplatesAreRehearsed(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]string{
		"unknown field":     `{{define "main"}}{{.Nonsense}}{{end}}`,
		"ambiguous context": `{{define "main"}}<a href="{{if .Lang}}x"{{end}}>{{end}}`,
		"unknown block":     `{{define "main"}}{{template "nonsense"}}{{end}}`,
	} {
		for _, file := range []string{"prompt.html", "failure.html", "signed-out.html", "some-step.html"} {
			_, err := pages.New(pages.Config{Issuer: issuer, Templates: fstest.MapFS{file: {Data: []byte(source)}}})
			if err == nil {
				t.Errorf("%s in %s is found out by nobody but the person who signs in", name, file)
			}
		}
	}
}

func TestTemplateThatFailsLater(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	p := newPages(t, func(c *pages.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c.Templates = fstest.MapFS{"prompt.html": {Data: []byte(`{{define "main"}}half a page {{with .Fields}}{{index . 3}}{{end}}{{end}}`)}}
	})
	res, page := show(t, p, passwordView())
	if res.StatusCode != http.StatusInternalServerError || strings.Contains(page, "half a page") {
		t.Errorf("status %d: %s", res.StatusCode, page)
	}
	if !strings.Contains(log.String(), "page not rendered") {
		t.Errorf("log: %s", &log)
	}
}

func TestAssets(t *testing.T) {
	t.Parallel()
	p := newPages(t, func(c *pages.Config) { c.CSS = "/* of the host */" })
	_, page := show(t, p, passwordView())
	_, rest, _ := strings.Cut(page, `rel="stylesheet" href="`)
	path, _, _ := strings.Cut(rest, `"`)
	if !strings.HasPrefix(path, "/id"+pages.Assets) {
		t.Fatalf("style sheet at %q", path)
	}
	get := func(method, path string) *http.Response {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
		return w.Result()
	}
	res := get(http.MethodGet, path)
	css, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("%v, status %d, %s", err, res.StatusCode, res.Header.Get("Content-Type"))
	}
	if got := res.Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
		t.Errorf("Cache-Control: %s", got)
	}
	for _, want := range []string{"prefers-color-scheme: dark", "prefers-reduced-motion", "forced-colors", "/* of the host */"} {
		if !strings.Contains(string(css), want) {
			t.Errorf("the style sheet lacks %s", want)
		}
	}
	if strings.Contains(string(css), "url(") || strings.Contains(string(css), "@import") {
		t.Error("the style sheet loads something")
	}
	if res := get(http.MethodGet, "/id"+pages.Assets+"0123456789abcdef.css"); res.StatusCode != http.StatusNotFound {
		t.Errorf("unknown file: %d", res.StatusCode)
	}
	if res := get(http.MethodPost, path); res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") == "" {
		t.Errorf("POST: %d", res.StatusCode)
	}
	_, other := show(t, newPages(t, nil), passwordView())
	if strings.Contains(other, path) {
		t.Error("another style sheet has the same path")
	}
}

func BenchmarkShow(b *testing.B) {
	p := newPages(b, nil)
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, issuer+"/login", nil)
	r.Header.Set("Accept-Language", "de-CH,de;q=0.9,en;q=0.8")
	for _, v := range []flow.View{passwordView(), codeView(), consentView()} {
		v.Branding = directory.Branding{Name: "Acme", Light: map[string]string{"accent": "#123456"}, PrivacyURL: "/privacy"}
		b.Run(v.Prompt.Step, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Show(httptest.NewRecorder(), r, v)
			}
		})
	}
}

// The page that says that somebody is signed out leads on to where else they are to be, without a script, and to nothing but a place of the web.
func TestSignedOutLeadsOn(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)
	res, page := signedOut(t, p, flow.View{Prompt: flow.Prompt{Link: "https://up.example/logout?state=x&client_id=c"}})
	contain(t, page, `id="logged_out"`, `id="continue" href="https://up.example/logout?state=x&amp;client_id=c"`)
	if got := res.Header.Get("Refresh"); got != "0;url=https://up.example/logout?state=x&client_id=c" || strings.Contains(page, "close this window") {
		t.Errorf("Refresh %q", got)
	}
	for _, hostile := range []string{"", "javascript:alert(1)", "data:text/html,x", "//evil.example", "https://user@evil.example"} {
		if res, page = signedOut(t, p, flow.View{Prompt: flow.Prompt{Link: hostile}}); res.Header.Get("Refresh") != "" || strings.Contains(page, `id="continue"`) {
			t.Errorf("%q: Refresh %q", hostile, res.Header.Get("Refresh"))
		}
	}
}
