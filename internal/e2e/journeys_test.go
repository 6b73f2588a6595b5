package e2e_test

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store/directory"
)

// languageAndTheme shows the pages in the language and the scheme that somebody asks for, in the look of the application.
func languageAndTheme(t *testing.T, browser context.Context) {
	w := newWorld(t)
	settings := w.idp.Provider.Directory.Settings
	look := directory.Branding{
		Name: "Acme", Light: map[string]string{"accent": "#0f766e", "surface": "#fffbeb"}, Dark: map[string]string{"surface": "#1c1917"},
	}
	if err := directory.Set(t.Context(), settings, settings.Branding, "", w.app.Application.ID, look); err != nil {
		t.Fatal(err)
	}
	plain := w.idp.App(w.site.as("localhost") + "/callback")
	tab := newPerson(t, browser)
	for _, want := range []struct{ locales, language, direction, label string }{
		{"ar fr", "ar", "rtl", "تسجيل"}, {"fr-CA", "fr", "ltr", "Se connecter"}, {"es", "es", "ltr", "Iniciar sesión"}, {"tlh de", "de", "ltr", "Anmelden"},
	} {
		visit(t, tab, w.app.Request(parameter("ui_locales", want.locales)).URL)
		got := evaluate[string](t, tab, `document.documentElement.lang + ' ' + document.documentElement.dir`)
		if got != want.language+" "+want.direction || !strings.Contains(text(t, tab, "login"), want.label) {
			t.Errorf("%s: got %s, %q", want.locales, got, text(t, tab, "login"))
		}
		if laid := evaluate[string](t, tab, `getComputedStyle(document.getElementById('username').labels[0]).direction`); laid != want.direction {
			t.Errorf("%s: laid out %s", want.locales, laid)
		}
	}
	const accent, card = `getComputedStyle(document.getElementById('login')).backgroundColor`, `getComputedStyle(document.querySelector('main')).backgroundColor`
	own := evaluate[string](t, tab, accent)
	for scheme, surface := range map[string]string{"light": "rgb(255, 251, 235)", "dark": "rgb(28, 25, 23)"} {
		do(t, tab, call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		}))
		if got := evaluate[string](t, tab, card); got != surface {
			t.Errorf("%s: the card is %s, want %s", scheme, got, surface)
		}
	}
	visit(t, tab, plain.Request().URL)
	if got := evaluate[string](t, tab, accent); own != "rgb(15, 118, 110)" || got == own {
		t.Errorf("the application's button is %s, that of another %s", own, got)
	}
	// A theme is no way around the policy: what was set is colours, and the page loads nothing from elsewhere.
	if loaded := evaluate[string](t, tab, `performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith(location.origin)).join()`); loaded != "" {
		t.Errorf("loaded %s", loaded)
	}
}

// invitation gives somebody whom an administrator has made an account, by the link that they were sent; which is good once.
func invitation(t *testing.T, browser context.Context) {
	w := newWorld(t, trusted)
	dir, b := w.idp.Provider.Directory, w.idp.Provider.DB.Batch()
	_, issued, err := dir.Invite(t.Context(), b, &directory.User{Username: "zoe", Email: "zoe@example.com"}, directory.LinkByEmail)
	if err == nil {
		err = b.Apply(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	link := w.idp.URL + "/invite?ticket=" + issued.Token.Reveal()
	tab := newPerson(t, browser)
	visit(t, tab, link)
	if got := evaluate[string](t, tab, `document.getElementById('username')?.value ?? ''`); got != "zoe" {
		t.Errorf("the page is about %q %s", got, describe(tab))
	}
	enter(t, tab, "new_password", "short")
	press(t, tab, "continue")
	if !has(t, tab, "new_password-problem") {
		t.Fatalf("a short password %s", describe(tab))
	}
	enter(t, tab, "new_password", betterPassword)
	press(t, tab, "continue")

	other := newPerson(t, browser)
	visit(t, other, link)
	if has(t, other, "new_password") {
		t.Errorf("the link is good twice %s", describe(other))
	}
	r := w.app.Request()
	visit(t, other, r.URL)
	enter(t, other, "username", "zoe", "password", betterPassword)
	press(t, other, "login")
	arrive(t, other, r)
}

// sessionLimit asks somebody who is signed in at as many places as they may be where to end it.
func sessionLimit(t *testing.T, browser context.Context) {
	w := newWorldOf(t, func(c *signet.Config) {
		c.Accounts.SessionLimit = directory.SessionLimitPolicy{Max: 1, Over: directory.AskSession}
	}, trusted)
	first, second := newPerson(t, browser), newPerson(t, browser)
	r := w.app.Request()
	visit(t, first, r.URL)
	signIn(t, first, r)

	r = w.app.Request()
	visit(t, second, r.URL)
	login(t, second, idptest.Password)
	press(t, second, "login")
	await(t, second, "continue")
	press(t, second, "continue") // without having chosen
	if has(t, second, "arrived") {
		t.Fatalf("there are two sessions %s", describe(second))
	}
	do(t, second, chromedp.Click(chromedp.CSS(`input[type=checkbox]`)))
	press(t, second, "continue")
	arrive(t, second, r)

	silent := w.app.Request(parameter("prompt", "none"))
	visit(t, first, silent.URL)
	wantError(t, first, silent, "login_required")
}
