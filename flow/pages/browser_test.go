package pages_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/pages"
	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store/directory"
)

// serve puts views on loopback, with the files that their pages refer to.
func serve(t *testing.T, views map[string]flow.View) *httptest.Server {
	t.Helper()
	var p *pages.Pages
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if v, ok := views[strings.TrimPrefix(r.URL.Path, "/")]; ok {
			p.Show(w, r, v)
			return
		}
		p.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	p = newPages(t, func(c *pages.Config) { c.Issuer = server.URL })
	return server
}

func evaluate[T any](t *testing.T, ctx context.Context, expression string) T {
	t.Helper()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// preferScheme makes the browser ask for light or dark pages.
func preferScheme(scheme string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, tab *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return chromedp.Void{}, err
	}
}

// TestInBrowser looks at what only a browser can tell: that the policy lets the styles in, that nothing leaves a screen of
// 320 pixels (WCAG 2.2 §1.4.10), that targets can be hit (§2.5.8), and that typing begins where it should.
func TestInBrowser(t *testing.T) {
	t.Parallel()
	views := map[string]flow.View{}
	for name, v := range map[string]flow.View{
		"password": passwordView(), "totp": codeView(), "enrol": enrolView(), "consent": consentView(), "logout": logoutView(),
	} {
		v.ApplicationName = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
		v.Person = strings.Repeat("long", 30) + "@example.com"
		v.Branding = directory.Branding{Name: "Acme", SupportEmail: "help@acme.example", Light: map[string]string{"accent": "#0f766e"}}
		v.Locales = []string{"de"}
		views[name] = v
		v.Locales = []string{"ar"}
		views[name+"-rtl"] = v
	}
	server := serve(t, views)
	ctx := testenv.Chromium(t)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(320, 640)); err != nil {
		t.Fatal(err)
	}
	for name := range views {
		if err := chromedp.Do(ctx, preferScheme("light"), chromedp.Navigate(server.URL+"/"+name)); err != nil {
			t.Fatal(err)
		}
		if wide := evaluate[float64](t, ctx, `document.documentElement.scrollWidth`); wide > 320 {
			t.Errorf("%s: %v pixels wide", name, wide)
		}
		if small := evaluate[string](t, ctx, smallTargets); small != "" {
			t.Errorf("%s: too small to hit: %s", name, small)
		}
		light, dark := `rgb(15, 118, 110) on rgb(255, 255, 255)`, `rgb(15, 118, 110) on rgb(22, 27, 38)`
		if got := evaluate[string](t, ctx, colours); got != light {
			t.Errorf("%s in the light: %s", name, got)
		}
		if err := chromedp.Do(ctx, preferScheme("dark")); err != nil {
			t.Fatal(err)
		}
		if got := evaluate[string](t, ctx, colours); got != dark {
			t.Errorf("%s in the dark: %s", name, got)
		}
		want := map[string]string{"password": "username", "totp": "otp", "enrol": "otp"}[strings.TrimSuffix(name, "-rtl")]
		if got := evaluate[string](t, ctx, focused); got != want {
			t.Errorf("%s: typing begins in %q", name, got)
		}
	}
}

const (
	// smallTargets lists what is lower or narrower than 24 pixels; a checkbox has the label that it belongs to.
	smallTargets = `[...document.querySelectorAll('button, a, input:not([type=hidden])')]
		.map(e => e.type === 'checkbox' ? (e.labels[0] ?? e) : e)
		.filter(e => e.checkVisibility())
		.filter(e => e.getBoundingClientRect().height < 24 || e.getBoundingClientRect().width < 24)
		.map(e => e.outerHTML.slice(0, 60)).join()`
	// focused is the element in which typing begins: autofocus is done when the page is drawn, not when it is loaded.
	focused = `new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => r(document.activeElement.id))))`
	// colours are those of the main button and of what carries the page.
	colours = `getComputedStyle(document.querySelector('.button.primary')).backgroundColor + ' on '
		+ getComputedStyle(document.body).backgroundColor`
)
