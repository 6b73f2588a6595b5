package e2e_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/oidc/rp"
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

// Who signed in by a provider upstream, another site, is signed out there too, and gets back to the application: Chromium goes all the way along,
// which it would not by redirects that answer a form (OpenID Connect RP-Initiated Logout 1.0 §2).
func logoutUpstream(t *testing.T, browser context.Context) {
	upstream := idptest.New(t)
	upstream.User("ann")
	w := &world{site: newSite(t), idp: idptest.New(t, func(c *signet.Config) {
		c.Issuer = strings.Replace(c.Issuer, "127.0.0.1", "localhost", 1) // cookies know no ports
		app := upstream.App(c.Issuer+"/flow/callback/up", trusted, func(a *idptest.App) {
			a.Client.PostLogoutRedirectURIs = []string{c.Issuer + federated.PostLogoutPath + "up"}
		})
		c.Connections = []federated.Connection{{
			Name: "up", Title: "Upstream", Create: true, RPInitiatedLogout: true,
			Provider: rp.Config{Issuer: upstream.URL, ClientID: app.ClientID, ClientSecret: app.ClientSecret},
		}}
	})}
	w.app = w.idp.App(w.site.as("127.0.0.1")+"/callback", trusted)
	tab, r := newPerson(t, browser), w.app.Request()
	visit(t, tab, r.URL)
	passThrough(t, tab, "method_up")
	await(t, tab, "username")
	login(t, tab, idptest.Password)
	passThrough(t, tab, "login")
	arrive(t, tab, r)

	query := url.Values{"post_logout_redirect_uri": w.app.Client.PostLogoutRedirectURIs, "client_id": {w.app.ClientID}, "state": {"after"}}
	visit(t, tab, w.idp.URL+"/oidc/logout?"+query.Encode())
	passThrough(t, tab, "logout_confirm")
	await(t, tab, "logout_cancel") // the question of the provider upstream
	if at := location(t, tab).String(); !strings.HasPrefix(at, upstream.URL+"/") {
		t.Errorf("asked at %s", at)
	}
	passThrough(t, tab, "logout_confirm")
	await(t, tab, "arrived")
	if got := location(t, tab).String(); got != w.app.Client.PostLogoutRedirectURIs[0]+"?state=after" {
		t.Errorf("back at %s", got)
	}
	wantSignedOut(t, tab, w)
	visit(t, tab, upstream.URL+"/oidc/logout")
	if has(t, tab, "logout_confirm") {
		t.Error("still signed in upstream")
	}
}
