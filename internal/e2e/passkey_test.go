package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	devtools "github.com/chromedp/cdproto/page"
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

// inject has every page of a tab run a script before its own.
func inject(t *testing.T, tab context.Context, source string) {
	t.Helper()
	do(t, tab, call(devtools.AddScriptToEvaluateOnNewDocument, devtools.AddScriptToEvaluateOnNewDocumentParams{Source: source}))
}

// waiting stands in for a person who does not choose a passkey in the field for the name, and, when refuse is set, none behind the
// button either: this browser takes the first one as soon as it is asked.
const waiting = `if (window.PublicKeyCredential) {
	const get = navigator.credentials.get.bind(navigator.credentials);
	window.conditional = 0;
	navigator.credentials.get = request => {
		if (request.mediation !== "conditional")
			return window.refuse ? Promise.reject(new DOMException("", "NotAllowedError")) : get(request);
		window.conditional++;
		return new Promise((_, reject) => request.signal.addEventListener("abort", () => {
			window.conditional--;
			reject(new DOMException("", "AbortError"));
		}));
	};
}`

// until waits until an expression is true on the page.
func until(t *testing.T, tab context.Context, expression string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, patience)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](expression)); err != nil {
		t.Fatalf("%s: %v %s", expression, err, describe(tab))
	}
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
	virtualAuthenticator(t, tab)
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

	signOut(t, tab) // the button, while the other request waits; which waits again when the button has come to nothing
	inject(t, tab, waiting)
	r = w.app.Request()
	visit(t, tab, r.URL)
	evaluate[bool](t, tab, "window.refuse = true")
	do(t, tab, chromedp.Click(chromedp.ID("method_passkey")))
	await(t, tab, "webauthn_failed")
	until(t, tab, "window.conditional === 1 && !document.getElementById('method_passkey').disabled")
	evaluate[bool](t, tab, "window.refuse = false")
	do(t, tab, chromedp.Click(chromedp.ID("method_passkey")))
	if got := amr(arrive(t, tab, r)); !strings.Contains(got, "mfa") {
		t.Errorf("button: amr %s", got)
	}

	signOut(t, tab) // after the password
	r = w.app.Request()
	visit(t, tab, r.URL)
	login(t, tab, idptest.Password)
	press(t, tab, "login")
	if !has(t, tab, "passkey") {
		t.Fatalf("no second factor %s", describe(tab))
	}
	press(t, tab, "passkey")
	if got := amr(arrive(t, tab, r)); !strings.Contains(got, "pwd") || !strings.Contains(got, "swk") {
		t.Errorf("second factor: amr %s", got)
	}
}

// willing stands in for a password manager, which this browser has not: what is to be made in passing is made at once.
const willing = `if (window.PublicKeyCredential) {
	const create = navigator.credentials.create.bind(navigator.credentials);
	navigator.credentials.create = ({ mediation, ...request }) => create(request);
	PublicKeyCredential.getClientCapabilities = async () => ({ conditionalCreate: true });
}`

// A browser that makes passkeys in passing is asked to, straight after the password; whatever it does, the person gets on.
func passkeyInPassing(t *testing.T, browser context.Context) {
	w := passkeyWorld(t, flow.Passkeys{Upgrade: true})
	tab := newPerson(t, browser)
	id := virtualAuthenticator(t, tab)
	for want := range 2 {
		signOut(t, tab)
		r := w.app.Request()
		visit(t, tab, r.URL)
		login(t, tab, idptest.Password)
		do(t, tab, chromedp.Click(chromedp.ID("login")))
		arrive(t, tab, r)
		kept, err := w.idp.Provider.Directory.Credentials.Passkeys(t.Context(), w.ann.Ref(), "localhost")
		if made := passkeys(t, tab, id); err != nil || made != want || len(kept) != want {
			t.Errorf("the browser has made %d, and the provider keeps %d, %v; want %d", made, len(kept), err, want)
		}
		inject(t, tab, willing)
	}
	signOut(t, tab)
	r := w.app.Request()
	do(t, tab, chromedp.Navigate(r.URL))
	arrive(t, tab, r)
}

// passkeys counts those of an authenticator.
func passkeys(t *testing.T, tab context.Context, id webauthn.AuthenticatorID) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, patience)
	defer cancel()
	held, err := chromedp.Call(ctx, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: id})
	if err != nil {
		t.Fatal(err)
	}
	return len(held.Credentials)
}

// Somebody is offered a passkey, does not want it now, takes it the next time, and loses it: the browser is told that it is of no use any more,
// and the person signs in as before.
func passkeyOffered(t *testing.T, browser context.Context) {
	w := passkeyWorld(t, flow.Passkeys{Offer: true})
	tab := newPerson(t, browser)
	id := virtualAuthenticator(t, tab)
	for _, choice := range []string{"skip", "passkey_create"} {
		signOut(t, tab)
		r := w.app.Request()
		visit(t, tab, r.URL)
		login(t, tab, idptest.Password)
		press(t, tab, "login")
		do(t, tab, chromedp.Click(chromedp.ID(choice)))
		arrive(t, tab, r)
	}
	kept, err := w.idp.Provider.Directory.Credentials.Passkeys(t.Context(), w.ann.Ref(), "localhost")
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept %v, %v", kept, err)
	}
	if err := w.idp.Provider.Directory.Credentials.Delete(t.Context(), kept[0]); err != nil {
		t.Fatal(err)
	}
	signOut(t, tab)
	inject(t, tab, waiting)
	r := w.app.Request()
	visit(t, tab, r.URL)
	do(t, tab, chromedp.Click(chromedp.ID("method_passkey")))
	await(t, tab, "messages")
	for range 50 {
		if passkeys(t, tab, id) == 0 {
			break
		}
		do(t, tab, chromedp.Sleep(100*time.Millisecond))
	}
	if n := passkeys(t, tab, id); n != 0 {
		t.Errorf("the browser still has %d passkeys", n)
	}
	login(t, tab, idptest.Password)
	press(t, tab, "login")
}

// Without JavaScript the page says what is missing, and leads back.
func passkeyWithoutScript(t *testing.T, browser context.Context) {
	w := passkeyWorld(t, flow.Passkeys{})
	tab, r := newPerson(t, browser), w.app.Request()
	withoutScript(t, tab)
	visit(t, tab, r.URL)
	press(t, tab, "method_passkey")
	if response := press(t, tab, "passkey"); response.Status != 422 {
		t.Errorf("status %d %s", response.Status, describe(tab))
	}
	press(t, tab, "method_password")
	signIn(t, tab, r)
}
