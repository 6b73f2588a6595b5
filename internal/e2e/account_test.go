package e2e_test

import (
	"context"
	"testing"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/store/directory"
)

const betterPassword = "a much better horse"

// register makes an account on the way to an application, with the code of the mail, and comes back signed in.
func register(t *testing.T, browser context.Context) {
	w := newWorldOf(t, func(c *signet.Config) {
		c.Accounts.Registration = directory.RegistrationPolicy{Enabled: true, SignIn: true}
	}, trusted)
	tab := newPerson(t, browser)
	request := w.app.Request()
	visit(t, tab, request.URL)
	inspect(t, tab)
	press(t, tab, "register")
	inspect(t, tab)
	enter(t, tab, "email", "zoe@example.com", "given_name", "Zoë", "family_name", "Ng")
	press(t, tab, "continue")
	inspect(t, tab)
	enter(t, tab, "otp", w.idp.Mailbox().Code("zoe@example.com"))
	press(t, tab, "login")
	inspect(t, tab)
	enter(t, tab, "new_password", betterPassword)
	press(t, tab, "continue")
	tokens := arrive(t, tab, request)
	if tokens.Claims["given_name"] != nil || tokens.Claims["sub"] == "" {
		t.Errorf("claims %v", tokens.Claims)
	}
	user, err := w.idp.Provider.Directory.FindUser(t.Context(), "", "zoe@example.com")
	if err != nil || user.ID != tokens.Claims["sub"] || user.GivenName != "Zoë" || !user.EmailVerified {
		t.Errorf("%v %+v", err, user)
	}
}

// recoverAccount sets a new password by the link of the mail, opened in another browser, while the first one goes on waiting.
func recoverAccount(t *testing.T, browser context.Context) {
	w := newWorld(t, trusted)
	first := newPerson(t, browser)
	visit(t, first, w.app.Request().URL)
	press(t, first, "recover")
	inspect(t, first)
	enter(t, first, "username", "ann")
	press(t, first, "continue")
	mail := w.idp.Mailbox().Last(w.ann.Email)

	second := newPerson(t, browser)
	visit(t, second, mail.Link())
	inspect(t, second)
	enter(t, second, "new_password", betterPassword)
	press(t, second, "continue")

	enter(t, first, "otp", mail.Code())
	press(t, first, "login")
	if !has(t, first, "otp") {
		t.Errorf("the code is good after the link was used %s", describe(first))
	}
	third := newPerson(t, browser)
	request := w.app.Request()
	visit(t, third, request.URL)
	enter(t, third, "username", "ann", "password", betterPassword)
	press(t, third, "login")
	arrive(t, third, request)
}
