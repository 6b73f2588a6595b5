package idptest_test

import (
	"slices"
	"testing"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store/directory"
)

func withPasskeys(c *signet.Config) { c.Passkeys = &flow.Passkeys{Offer: true} }

// Whoever has a passkey signs in with it alone, also with a path in the issuer.
func TestSignInWithPasskey(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/id"} {
		t.Run("issuer"+path, func(t *testing.T) {
			t.Parallel()
			idp := idptest.New(t, withPasskeys, func(c *signet.Config) { c.Issuer += path })
			ann, app := idp.User("ann"), idp.App(callback)
			idp.EnrollPasskey(ann)
			for range 2 {
				tokens := idp.SignIn(ann, app)
				amr, _ := tokens.Claims["amr"].([]any)
				if tokens.Claims["acr"] != "aal2" || tokens.Claims["sub"] != ann.ID || slices.Contains(amr, any("pwd")) {
					t.Errorf("signed in with %v", tokens.Claims)
				}
			}
		})
	}
}

// A device makes a passkey where one is offered, and signs in with it.
func TestMakePasskey(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withPasskeys)
	app, device := idp.App(callback), idp.SecurityKey()
	idp.User("ann")
	page := idp.Browser().Open(app.Request().URL)
	page = page.Fill("username", "ann").Fill("password", idptest.Password).Submit("login")
	if page = page.UsePasskey(device); !page.Has("consent_allow") {
		t.Fatalf("after the passkey: %v", page)
	}
	page = idp.Browser().Open(app.Request().URL).UsePasskey(device)
	if !page.Has("consent_allow") {
		t.Errorf("with the passkey: %v", page)
	}
}

// A stranger's device is of no use.
func TestForeignPasskey(t *testing.T) {
	t.Parallel()
	idp, other := idptest.New(t, withPasskeys), idptest.New(t, withPasskeys)
	app := idp.App(callback)
	idp.EnrollPasskey(idp.User("ann"))
	stranger := other.EnrollPasskey(other.User("ann")) // of another port of the same name
	if page := idp.Browser().Open(app.Request().URL).UsePasskey(stranger); !page.Has("password") || page.Text("messages") == "" {
		t.Errorf("got %v", page)
	}
}

// Codes that are sent are read from the mailbox, by hand and by SignIn.
func TestSignInWithSentCodes(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, func(c *signet.Config) {
		c.Factors = signet.Factors{EmailCode: &mfa.OneTimeCode{}, SMSCode: &mfa.OneTimeCode{}, MagicLink: &mfa.MagicLink{}}
	})
	app := idp.App(callback)
	ann := idp.User("ann")
	bob := idp.User("bob", func(u *directory.User) {
		u.EmailVerified, u.Phone, u.PhoneVerified = false, "+491701234567", true
	})
	for _, u := range []*directory.User{ann, bob} {
		if tokens := idp.SignIn(u, app); tokens.Claims["acr"] != "aal2" {
			t.Errorf("%s signed in with %v", u.Username, tokens.Claims)
		}
	}
	b, request := idp.Browser(), app.Request()
	b.Open(request.URL).Submit("method_magic-link").Fill("username", "ann").Submit("login")
	page := b.Open(idp.Mailbox().Link(ann.Email))
	if page.Status != 200 {
		t.Fatalf("the link leads to %v", page)
	}
	if page.Has("mlt") {
		t.Errorf("the link shows what it brings: %v", page)
	}
	tokens, err := request.Redeem(page.Submit("login"))
	if err != nil || tokens.Claims["acr"] != "aal1" {
		t.Errorf("the link signs in to %v, %v", tokens, err)
	}
}
