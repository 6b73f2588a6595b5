package pages_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/signet-idp/signet/flow/pages"
)

// choose posts the switch of language, from our own origin unless headers say otherwise: name, value, name, value.
func choose(t *testing.T, p *pages.Pages, language, back string, headers ...string) *http.Response {
	t.Helper()
	to, form := issuer+pages.Language+"?"+url.Values{"back": {back}}.Encode(), url.Values{"language": {language}}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, to, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Result()
}

// pageWith is the page that a browser with a cookie gets at an address.
func pageWith(t *testing.T, p *pages.Pages, address string, cookie *http.Cookie) *httptest.ResponseRecorder {
	t.Helper()
	r, w := httptest.NewRequestWithContext(t.Context(), http.MethodGet, address, nil), httptest.NewRecorder()
	r.Header.Set("Accept-Language", "de")
	if cookie != nil {
		r.AddCookie(cookie)
	}
	v := passwordView()
	v.Locales = []string{"es"}
	p.Show(w, r, v)
	return w
}

// Whoever chooses a language comes back to the page, and has it on every page from then on, whatever the application asks for.
func TestLanguageChosen(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)
	first := pageWith(t, p, issuer+"/login?flow=a%26b&x=1", nil).Body.String()
	contain(t, first, `<html lang="es"`, `action="/id`+pages.Language+`?back=%2Fid%2Flogin%3Fflow%3Da%2526b%26x%3D1"`,
		`lang="ar" dir="rtl">العربية</button>`, `<span lang="es" dir="ltr">Español</span>`)
	answer := choose(t, p, "fr", "/id/login?flow=a%26b&x=1")
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/id/login?flow=a%26b&x=1" || len(answer.Cookies()) != 1 {
		t.Fatalf("%d %v", answer.StatusCode, answer.Header)
	}
	cookie := answer.Cookies()[0]
	if !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteLaxMode || !strings.HasPrefix(cookie.Name, "__Host-") || cookie.MaxAge <= 0 {
		t.Errorf("the cookie is %v", cookie)
	}
	contain(t, pageWith(t, p, issuer+"/login", cookie).Body.String(), `<html lang="fr"`, "Se connecter")
}

// A language of the host's is called what it calls itself, or by its tag; where there is but one, there is nothing to choose.
func TestLanguageNames(t *testing.T) {
	t.Parallel()
	p := newPages(t, func(c *pages.Config) {
		c.Locales = fstest.MapFS{"tlh.json": {Data: []byte(`{"locale.name": "tlhIngan Hol"}`)}, "xx.json": {Data: []byte(`{}`)}}
	})
	contain(t, pageWith(t, p, issuer+"/login", nil).Body.String(), ">tlhIngan Hol</button>", ">xx</button>", ">English</button>")
	long := pageWith(t, p, issuer+"/login?flow="+strings.Repeat("a", 4096), nil).Body.String()
	if strings.Contains(long, `id="languages"`) {
		t.Error("an address that is too long to come back to has a switch")
	}
}

// Attack: an open redirect by the switch of language (RFC 9700 §4.11). A browser is sent to a path of this host, or nowhere.
func TestAttackLanguageOpenRedirect(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)
	for _, back := range []string{
		"", "https://evil.example", "//evil.example", "///evil.example", `/\evil.example`, `\\evil.example`, "/\t/evil.example", "/\n/evil.example",
		"javascript:alert(1)", "evil.example", "?x", "https:evil.example", " //evil.example", "/\r\nSet-Cookie: a=b", "/%zz", "/ü", "/" + strings.Repeat("a", 4096),
	} {
		answer := choose(t, p, "fr", back)
		if answer.StatusCode != http.StatusBadRequest || answer.Header.Get("Location") != "" || len(answer.Cookies()) != 0 {
			t.Errorf("%q: %d %v", back, answer.StatusCode, answer.Header)
		}
	}
	for _, path := range []string{"//evil.example/login", `/\evil.example`} { // a page at such an address has no switch
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, issuer, nil)
		r.URL = &url.URL{Path: path}
		w := httptest.NewRecorder()
		p.Show(w, r, passwordView())
		if got := w.Body.String(); strings.Contains(got, `back=%2F%2F`) || strings.Contains(got, `back=%2F%5C`) {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// Attack: another site chooses the language; or puts something of its own into the cookie, and with it into the page or its policy.
func TestAttackLanguageFromAnotherSite(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)
	for name, answer := range map[string]*http.Response{
		"cross-site":     choose(t, p, "fr", "/id/login", "Sec-Fetch-Site", "cross-site"),
		"same-site":      choose(t, p, "fr", "/id/login", "Sec-Fetch-Site", "same-site"),
		"another origin": choose(t, p, "fr", "/id/login", "Sec-Fetch-Site", "", "Origin", "https://evil.example"),
		"no form":        choose(t, p, "fr", "/id/login", "Content-Type", "text/plain"),
		"no language":    choose(t, p, "tlh", "/id/login"),
		"markup":         choose(t, p, `"><script>`, "/id/login"),
	} {
		if answer.StatusCode < 400 || len(answer.Cookies()) != 0 || answer.Header.Get("Location") != "" {
			t.Errorf("%s: %d %v", name, answer.StatusCode, answer.Header)
		}
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, issuer+pages.Language+"?language=fr&back=/id/login", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Set-Cookie") != "" {
		t.Errorf("by GET: %d %v", w.Code, w.Header())
	}
	name := choose(t, p, "fr", "/id/login").Cookies()[0].Name
	plain := pageWith(t, p, issuer+"/login", nil)
	for _, planted := range []string{"tlh", "<script>", "de;script-src *", strings.Repeat("a", 4096)} {
		page := pageWith(t, p, issuer+"/login", &http.Cookie{Name: name, Value: planted})
		if !strings.Contains(page.Body.String(), `<html lang="es"`) || strings.Contains(page.Body.String(), planted) && planted != "tlh" {
			t.Errorf("%q: %s", planted, page.Body)
		}
		if got, want := page.Header().Get("Content-Security-Policy"), plain.Header().Get("Content-Security-Policy"); got != want {
			t.Errorf("%q: the policy is %q, not %q", planted, got, want)
		}
	}
	if policy := plain.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self'") || strings.Contains(policy, "unsafe-inline") {
		t.Errorf("the policy is %q", policy)
	}
}

// The buttons of the switch are a host's own like every block: on each page the one for its language is marked, and a block that cannot be
// rendered stops New.
func TestLanguageButtonsOfTheHost(t *testing.T) {
	t.Parallel()
	templates := func(source string) fstest.MapFS {
		return fstest.MapFS{"layout.html": {Data: []byte(`{{define "language-buttons"}}` + source + `{{end}}`)}}
	}
	p := newPages(t, func(c *pages.Config) {
		c.Templates = templates(`{{range .}}<button name="language" value="{{.Lang}}">{{if .Current}}this is {{end}}{{.Name}}</button>{{end}}`)
	})
	for lang, want := range map[string]string{"es": "this is Español", "fr": "this is Français"} {
		page := pageWith(t, p, issuer+"/login", choose(t, p, lang, "/id/login").Cookies()[0]).Body.String()
		contain(t, page, `<html lang="`+lang+`"`, want)
		if strings.Count(page, "this is ") != 1 || strings.Contains(page, `id="language_`) {
			t.Errorf("the page in %s has the buttons\n%s", lang, page)
		}
	}
	if _, err := pages.New(pages.Config{Issuer: issuer, Templates: templates(`{{range .}}{{.Tag}}{{end}}`)}); err == nil || !strings.Contains(err.Error(), "Tag") {
		t.Errorf("a block that cannot be rendered: %v", err)
	}
}
