package e2e_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/signet-idp/signet/idptest"
)

// The answer posts itself to another site, by the one script that the policy of its page lets run.
func formPost(t *testing.T, browser context.Context) {
	w := newWorld(t, trusted)
	tab, r := newPerson(t, browser), w.app.Request(parameter("response_mode", "form_post"))
	visit(t, tab, r.URL)
	login(t, tab, idptest.Password)
	do(t, tab, chromedp.Click(chromedp.ID("login"))) // the page that follows may be gone too soon to be looked over
	wantPosted(t, tab, w, r)
}

// Without JavaScript there is a button.
func formPostWithoutScript(t *testing.T, browser context.Context) {
	w := newWorld(t, trusted)
	tab, r := newPerson(t, browser), w.app.Request(parameter("response_mode", "form_post"))
	withoutScript(t, tab)
	visit(t, tab, r.URL)
	login(t, tab, idptest.Password)
	press(t, tab, "login")
	load(t, tab, chromedp.Click(chromedp.CSS("button")))
	wantPosted(t, tab, w, r)
}

// wantPosted waits for the application's page and redeems the code that was posted to it.
func wantPosted(t *testing.T, tab context.Context, w *world, r *idptest.Request) {
	t.Helper()
	await(t, tab, "arrived")
	posted, origin := w.site.received()
	if _, err := r.Redeem(&idptest.Page{URL: &url.URL{RawQuery: posted.Encode()}}); err != nil {
		t.Errorf("redeem %v: %v", posted, err)
	}
	if query := location(t, tab).RawQuery; query != "" || origin != "null" {
		t.Errorf("the address has %q, and the post is from origin %q", query, origin)
	}
}
