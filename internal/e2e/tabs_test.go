package e2e_test

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store/directory"
)

// Two tabs sign in at once, each for the request that it began with.
func twoTabs(t *testing.T, browser context.Context) {
	w := newWorld(t, trusted)
	one := newPerson(t, browser)
	two := newTab(t, one)
	first, second := w.app.Request(), w.app.Request()
	visit(t, one, first.URL)
	visit(t, two, second.URL)
	login(t, one, idptest.Password)
	login(t, two, idptest.Password)
	do(t, one, chromedp.Click(chromedp.ID("login")))
	do(t, two, chromedp.Click(chromedp.ID("login")))
	arrive(t, one, first)
	arrive(t, two, second)
	r := w.app.Request(parameter("prompt", "none"))
	visit(t, two, r.URL)
	arrive(t, two, r)
}

// A tab in which nobody has answered anything goes on by itself once another has signed in, in the same session. One in
// which the password was typed already signs in with it, and that is still the same session.
func waitingTab(t *testing.T, browser context.Context) {
	w := newWorld(t, trusted)
	one := newPerson(t, browser)
	two, three := newTab(t, one), newTab(t, one)
	first, second, third := w.app.Request(), w.app.Request(), w.app.Request()
	visit(t, one, first.URL)
	visit(t, two, second.URL)
	visit(t, three, third.URL)
	login(t, three, idptest.Password)
	a := signIn(t, one, first)
	load(t, two, chromedp.Reload())
	b := arrive(t, two, second)
	press(t, three, "login")
	c := arrive(t, three, third)
	if a.Claims["sid"] != b.Claims["sid"] || a.Claims["sid"] != c.Claims["sid"] {
		t.Errorf("sessions %v, %v, %v", a.Claims["sid"], b.Claims["sid"], c.Claims["sid"])
	}
}

// Going back shows where the sign-in stands: the step that is due, and after the end that there is nothing left to do.
func backButton(t *testing.T, browser context.Context) {
	w := newWorld(t, trusted)
	w.idp.EnrollTOTP(w.ann)
	tab, r := newPerson(t, browser), w.app.Request()
	visit(t, tab, r.URL)
	login(t, tab, idptest.Password)
	press(t, tab, "login")
	await(t, tab, "otp")
	load(t, tab, chromedp.NavigateBack())
	if has(t, tab, "error") {
		t.Errorf("back while signing in: %s", describe(tab))
	}
	if has(t, tab, "password") { // as it was, from the browser's memory: the post is answered by the step that is due
		login(t, tab, idptest.Password)
		press(t, tab, "login")
	}
	press(t, tab, "cancel")
	wantError(t, tab, r, "access_denied")

	app := w.idp.App(w.site.as("localhost")+"/callback", trusted, func(a *idptest.App) {
		a.Application.SecondFactor = directory.SecondFactorNever
	})
	r = app.Request()
	visit(t, tab, r.URL)
	signIn(t, tab, r)
	load(t, tab, chromedp.NavigateBack())
	if has(t, tab, "error") || has(t, tab, "password") {
		t.Errorf("back after signing in: %s", describe(tab))
	}
}

func doubleClick(t *testing.T, browser context.Context) {
	w := newWorld(t, trusted)
	tab, r := newPerson(t, browser), w.app.Request()
	visit(t, tab, r.URL)
	login(t, tab, idptest.Password)
	do(t, tab, chromedp.DoubleClick(chromedp.ID("login")))
	arrive(t, tab, r)
}

// A page that was left open for too long begins the request again: what the application asked for is answered.
func expiredPage(t *testing.T, browser context.Context) {
	w := newWorld(t, trusted)
	tab, r := newPerson(t, browser), w.app.Request()
	visit(t, tab, r.URL)
	login(t, tab, idptest.Password)
	w.idp.Advance(time.Hour)
	press(t, tab, "login")
	await(t, tab, "password")
	signIn(t, tab, r)
}

// The address of a page is of no use in another browser.
func anotherBrowser(t *testing.T, browser context.Context) {
	w := newWorld(t)
	ann, eve := newPerson(t, browser), newPerson(t, browser)
	visit(t, ann, w.app.Request().URL)
	response := visit(t, eve, location(t, ann).String())
	wantFailure(t, eve, response, 403, "flow_foreign")
	if has(t, eve, "password") {
		t.Error("the page asks for a password")
	}
}

// wantFailure checks the page of a failure.
func wantFailure(t *testing.T, tab context.Context, response *network.Response, status int64, code string) {
	t.Helper()
	if response.Status != status || evaluate[string](t, tab, `document.querySelector('#error code')?.innerText ?? ''`) != code {
		t.Errorf("status %d, want %d %s %s", response.Status, status, code, describe(tab))
	}
}
