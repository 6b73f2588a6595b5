package e2e_test

import (
	"context"
	"testing"
	"time"

	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store/directory"
)

// Every page does its work without JavaScript.
func withoutJavaScript(t *testing.T, browser context.Context) {
	w := newWorld(t, func(a *idptest.App) { a.Application.SecondFactor = directory.SecondFactorRequired })
	tab, r := newPerson(t, browser), w.app.Request()
	withoutScript(t, tab)

	visit(t, tab, r.URL)
	login(t, tab, "not the password")
	press(t, tab, "login")
	enter(t, tab, "password", idptest.Password) // the name is kept
	press(t, tab, "login")
	app := authenticator(t, tab)
	enter(t, tab, "otp", app.code(t, w.idp.Now()))
	press(t, tab, "login")
	press(t, tab, "consent_allow")
	tokens := arrive(t, tab, r)
	if tokens.Claims["acr"] != directory.ACR2 {
		t.Errorf("signed in with %v", tokens.Claims)
	}

	w.idp.Advance(time.Minute)
	r = w.app.Request(parameter("prompt", "login"))
	visit(t, tab, r.URL)
	login(t, tab, idptest.Password)
	press(t, tab, "login")
	enter(t, tab, "otp", "000000")
	press(t, tab, "login")
	enter(t, tab, "otp", app.code(t, w.idp.Now()))
	press(t, tab, "login")
	arrive(t, tab, r)

	visit(t, tab, w.idp.URL+"/oidc/logout")
	press(t, tab, "logout_confirm")
	await(t, tab, "logged_out")
	visit(t, tab, w.idp.URL+"/login?flow=unknown")
	await(t, tab, "error")
}
