package signet_test

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store/directory"
)

// A factor that is sent has to have a way to be sent, and all that lack one are named at once.
func TestFactorsNeedMessages(t *testing.T) {
	t.Parallel()
	all := signet.Factors{
		Push: &mfa.Push{}, EmailCode: &mfa.OneTimeCode{}, SMSCode: &mfa.OneTimeCode{}, MagicLink: &mfa.MagicLink{},
	}
	for _, messages := range []*notify.Senders{nil, {}} {
		_, err := signet.New(wiring(t, func(c *signet.Config) { c.Factors, c.Messages = all, messages }))
		for _, want := range []string{"Factors.Push", "Factors.EmailCode", "Factors.SMSCode", "Factors.MagicLink"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s is missing in %v", want, err)
			}
		}
	}
	_, err := signet.New(wiring(t, func(c *signet.Config) { c.Factors.HOTP = &mfa.HOTP{Digits: 99} }))
	if err == nil || !strings.Contains(err.Error(), "HOTP") {
		t.Errorf("got %v", err)
	}
	open(t, func(c *signet.Config) { c.Push = directory.PushPolicy{Devices: 2} })
	if _, err = signet.New(wiring(t, func(c *signet.Config) { c.Push.Devices = -1 })); err == nil || !strings.Contains(err.Error(), "devices") {
		t.Errorf("got %v", err)
	}
}

// What is nil is neither asked for nor set up, and what is set has its parameters.
func TestFactorsOfTheDefaultLogin(t *testing.T) {
	t.Parallel()
	demand := func(a *idptest.App) { a.Application.SecondFactor = directory.SecondFactorRequired }
	enter := func(idp *idptest.Server, app *idptest.App, name string) *idptest.Page {
		page := idp.Browser().Open(app.Request().URL)
		return page.Fill("username", name).Fill("password", idptest.Password).Submit("login")
	}
	t.Run("mail alone", func(t *testing.T) {
		t.Parallel()
		idp := idptest.New(t, func(c *signet.Config) { c.Factors.EmailCode = &mfa.OneTimeCode{Length: 8} })
		app := idp.App("http://127.0.0.1/callback", demand)
		ann := idp.User("ann")
		idp.EnrollTOTP(ann)
		if page := enter(idp, app, "ann"); len(idp.Mailbox().Code(ann.Email)) != 8 || page.Has("method_totp") {
			t.Errorf("got %v", page)
		}
		idp.User("bob", func(u *directory.User) { u.EmailVerified = false })
		if page := enter(idp, app, "bob"); page.Has("manual_key") || page.Has("otp") || strings.Contains(page.URL.RawQuery, "code=") {
			t.Errorf("who cannot have the factor that is demanded gets to %v", page)
		}
	})
	t.Run("phone and app", func(t *testing.T) {
		t.Parallel()
		idp := idptest.New(t, func(c *signet.Config) {
			c.Factors = signet.Factors{TOTP: &mfa.TOTP{}, Push: &mfa.Push{}, TrustDevices: true}
		})
		idp.User("ann")
		page := enter(idp, idp.App("http://127.0.0.1/callback", demand), "ann")
		if !page.Has("manual_key") || !page.Has("method_push-enroll") {
			t.Errorf("got %v", page)
		}
	})
	t.Run("beside a connection", func(t *testing.T) {
		t.Parallel()
		idp := idptest.New(t, func(c *signet.Config) {
			c.Connections = []federated.Connection{{Name: "google", Title: "Google", Provider: rp.Google("id", "secret", ""), Create: true}}
			c.Factors.MagicLink, c.Passkeys = &mfa.MagicLink{}, &flow.Passkeys{}
		})
		page := idp.Browser().Open(idp.App("http://127.0.0.1/callback").Request().URL)
		if !page.Has("method_google") || !page.Has("method_magic-link") || !page.Has("method_passkey") {
			t.Errorf("got %v", page)
		}
	})
	t.Run("the zero value", func(t *testing.T) {
		t.Parallel()
		idp := idptest.New(t)
		ann, app := idp.User("ann"), idp.App("http://127.0.0.1/callback", demand)
		page := enter(idp, app, "ann")
		if page.Status != http.StatusOK || !page.Has("manual_key") || page.Has("method_push-enroll") {
			t.Errorf("got %v", page)
		}
		if tokens := idp.SignIn(ann, app, oauth2.SetAuthURLParam("acr_values", "aal2")); tokens.Claims["acr"] != "aal2" {
			t.Errorf("got %v", tokens.Claims)
		}
	})
}
