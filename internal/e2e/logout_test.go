package e2e_test

import (
	"context"
	"net/url"
	"testing"
)

// Without proof of which session is meant, the person is asked, and may stay.
func logoutConfirm(t *testing.T, browser context.Context) {
	w := newWorld(t, trusted)
	tab, r := newPerson(t, browser), w.app.Request()
	visit(t, tab, r.URL)
	signIn(t, tab, r)

	visit(t, tab, w.idp.URL+"/oidc/logout")
	press(t, tab, "logout_cancel")
	if has(t, tab, "error") || has(t, tab, "logged_out") {
		t.Errorf("staying signed in: %s", describe(tab))
	}
	r = w.app.Request(parameter("prompt", "none"))
	visit(t, tab, r.URL)
	arrive(t, tab, r)

	visit(t, tab, w.idp.URL+"/oidc/logout")
	press(t, tab, "logout_confirm")
	await(t, tab, "logged_out")
	wantSignedOut(t, tab, w)
}

// An application that shows its ID token has the person signed out at once, and gets them back.
func logoutByApplication(t *testing.T, browser context.Context) {
	w := newWorld(t, trusted)
	tab, r := newPerson(t, browser), w.app.Request()
	visit(t, tab, r.URL)
	tokens := signIn(t, tab, r)

	back := w.app.Client.PostLogoutRedirectURIs[0]
	query := url.Values{"post_logout_redirect_uri": {back}, "id_token_hint": {tokens.IDToken}, "state": {"after"}}
	visit(t, tab, w.idp.URL+"/oidc/logout?"+query.Encode())
	await(t, tab, "arrived")
	if got := location(t, tab).String(); got != back+"?state=after" {
		t.Errorf("back at %s", got)
	}
	wantSignedOut(t, tab, w)
}

// Without an ID token the application gets the person back as well, whether or not they have stayed: the form-action of the
// question lets them through.
func logoutAskedByApplication(t *testing.T, browser context.Context) {
	w := newWorld(t, trusted)
	tab, r := newPerson(t, browser), w.app.Request()
	visit(t, tab, r.URL)
	signIn(t, tab, r)
	query := url.Values{"post_logout_redirect_uri": w.app.Client.PostLogoutRedirectURIs, "client_id": {w.app.ClientID}}
	for _, answer := range []string{"logout_cancel", "logout_confirm"} {
		visit(t, tab, w.idp.URL+"/oidc/logout?"+query.Encode())
		press(t, tab, answer)
		await(t, tab, "arrived")
	}
	wantSignedOut(t, tab, w)
}

func wantSignedOut(t *testing.T, tab context.Context, w *world) {
	t.Helper()
	r := w.app.Request(parameter("prompt", "none"))
	visit(t, tab, r.URL)
	wantError(t, tab, r, "login_required")
}
