package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store/directory"
)

// passkeyWorld is a provider at localhost, as passkeys belong to a domain and never to an address.
func passkeyWorld(t *testing.T, settings flow.Passkeys, edits ...func(*idptest.App)) *world {
	t.Helper()
	w := &world{site: newSite(t), idp: idptest.New(t, func(c *signet.Config) {
		c.Issuer = strings.Replace(c.Issuer, "127.0.0.1", "localhost", 1)
		c.Passkeys = &settings
	})}
	w.app = w.idp.App(w.site.as("127.0.0.1")+"/callback", append(edits, trusted)...)
	w.ann = w.idp.User("ann")
	return w
}

// virtualAuthenticator gives a tab an authenticator of its platform that checks its person.
func virtualAuthenticator(t *testing.T, tab context.Context) webauthn.AuthenticatorID {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, patience)
	defer cancel()
	do(t, tab, call(webauthn.Enable, webauthn.EnableParams{}))
	added, err := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
		Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal, HasResidentKey: true,
			HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true, DefaultBackupEligibility: true, DefaultBackupState: true,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return added.AuthenticatorID
}

// touched says whether the person touches the authenticator whenever it asks.
func touched(t *testing.T, tab context.Context, id webauthn.AuthenticatorID, always bool) {
	t.Helper()
	do(t, tab, call(webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{AuthenticatorID: id, Enabled: always}))
}

// signOut forgets everything that the browser knows of the provider but its authenticator.
func signOut(t *testing.T, tab context.Context) {
	t.Helper()
	do(t, tab, call(network.ClearBrowserCookies, cdp.Empty{}))
}

// amr are the methods that an ID token names.
func amr(tokens *idptest.Tokens) string { return fmt.Sprint(tokens.Claims["amr"]) }

// Where a second factor is demanded, a person makes a passkey; from then on it signs them in: from the field for the name, behind the
// button, and after the password.
func passkey(t *testing.T, browser context.Context) {
	w := passkeyWorld(t, flow.Passkeys{}, func(a *idptest.App) { a.Application.SecondFactor = directory.SecondFactorRequired })
	tab := newPerson(t, browser)
	id := virtualAuthenticator(t, tab)
	r := w.app.Request()
	visit(t, tab, r.URL)
	login(t, tab, idptest.Password)
	press(t, tab, "login")
	press(t, tab, "method_passkey-enroll")
	press(t, tab, "passkey_create")
	arrive(t, tab, r)

	signOut(t, tab) // the field for the name: the browser offers the passkey, and the person takes it
	r = w.app.Request()
	do(t, tab, chromedp.Navigate(r.URL))
	if got := amr(arrive(t, tab, r)); !strings.Contains(got, "swk") || !strings.Contains(got, "mfa") {
		t.Errorf("autofill: amr %s", got)
	}

	signOut(t, tab) // the button, while the other request waits
	touched(t, tab, id, false)
	r = w.app.Request()
	visit(t, tab, r.URL)
	do(t, tab, chromedp.Click(chromedp.ID("method_passkey")))
	touched(t, tab, id, true)
	if got := amr(arrive(t, tab, r)); !strings.Contains(got, "mfa") {
		t.Errorf("button: amr %s", got)
	}

	signOut(t, tab) // after the password
	touched(t, tab, id, false)
	r = w.app.Request()
	visit(t, tab, r.URL)
	login(t, tab, idptest.Password)
	press(t, tab, "login")
	if !has(t, tab, "passkey") {
		t.Fatalf("no second factor %s", describe(tab))
	}
	touched(t, tab, id, true)
	press(t, tab, "passkey")
	if got := amr(arrive(t, tab, r)); !strings.Contains(got, "pwd") || !strings.Contains(got, "swk") {
		t.Errorf("second factor: amr %s", got)
	}
}
