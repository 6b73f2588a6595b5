package e2e_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/account"
	"github.com/signet-idp/signet/idptest"
)

// accountWorld is a provider at localhost with the pages of accounts, and passkeys.
func accountWorld(t *testing.T) *world {
	t.Helper()
	w := &world{site: newSite(t), idp: idptest.New(t, func(c *signet.Config) {
		c.Issuer = strings.Replace(c.Issuer, "127.0.0.1", "localhost", 1)
		c.Account, c.Passkeys = &account.Settings{}, &flow.Passkeys{}
	})}
	w.app = w.idp.App(w.site.as("127.0.0.1") + "/callback")
	w.ann = w.idp.User("ann")
	return w
}

// signInAt opens a page of the account, and signs in on the way.
func signInAt(t *testing.T, tab context.Context, w *world, path, password string) {
	t.Helper()
	visit(t, tab, w.idp.URL+path)
	login(t, tab, password)
	press(t, tab, "login")
	isAt(t, tab, path)
}

func isAt(t *testing.T, tab context.Context, path string) {
	t.Helper()
	if u := location(t, tab); u.Path != path || u.RawQuery != "" {
		t.Fatalf("not at %s %s", path, describe(tab))
	}
}

// userInfo is what the provider answers to the access token.
func (w *world) userInfo(t *testing.T, tokens *idptest.Tokens) int {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, w.idp.URL+"/oauth2/userinfo", nil)
	tokens.SetAuthHeader(r)
	answer := httptest.NewRecorder()
	w.idp.Provider.ServeHTTP(answer, r)
	return answer.Code
}

// says waits for what the page says about what was done.
func says(t *testing.T, tab context.Context, want string) {
	t.Helper()
	if got := text(t, tab, "messages"); !strings.Contains(got, want) {
		t.Errorf("%q is not said %s", want, describe(tab))
	}
}

// Without JavaScript, a person edits their profile, changes their password, which ends their other session, sees what they have
// allowed and takes it back, and deletes their account.
func accountWithoutScript(t *testing.T, browser context.Context) {
	w := accountWorld(t)
	tab, other := newPerson(t, browser), newPerson(t, browser)
	withoutScript(t, tab)
	r := w.app.Request()
	visit(t, tab, r.URL)
	login(t, tab, idptest.Password)
	press(t, tab, "login")
	press(t, tab, "consent_allow")
	tokens := arrive(t, tab, r)
	signInAt(t, other, w, "/account", idptest.Password)

	if status := w.userInfo(t, tokens); status != http.StatusOK {
		t.Errorf("the application has no access: %d", status)
	}
	visit(t, tab, w.idp.URL+"/account")
	enter(t, tab, "name", "Ann Example", "nickname", "Annie")
	press(t, tab, "save")
	isAt(t, tab, "/account")
	says(t, tab, "saved")
	press(t, tab, "account-applications-link")
	press(t, tab, "revoke_1")
	says(t, tab, "taken back")
	if status := w.userInfo(t, tokens); status != http.StatusUnauthorized {
		t.Errorf("the application has access still: %d", status)
	}
	press(t, tab, "account-sessions-link")
	if !has(t, tab, "end_2") || has(t, tab, "end_3") {
		t.Errorf("not two sessions %s", describe(tab))
	}
	press(t, tab, "account-security-link")
	enter(t, tab, "new_password", betterPassword, "new_password_again", betterPassword)
	press(t, tab, "change_password")
	says(t, tab, "changed")
	visit(t, other, w.idp.URL+"/account")
	if !has(t, other, "password") {
		t.Errorf("the other session goes on %s", describe(other))
	}
	press(t, tab, "account-data-link")
	evaluate[bool](t, tab, "document.getElementById('confirm').checked = true")
	press(t, tab, "delete_account")
	if !has(t, tab, "done") {
		t.Errorf("not deleted %s", describe(tab))
	}
	visit(t, tab, w.idp.URL+"/account")
	login(t, tab, betterPassword)
	press(t, tab, "login")
	if !has(t, tab, "password") {
		t.Errorf("signed in to what was deleted %s", describe(tab))
	}
}

// A person sets up an authenticator app, is asked for its code from then on, draws backup codes, and removes the app.
func accountFactors(t *testing.T, browser context.Context) {
	w := accountWorld(t)
	tab := newPerson(t, browser)
	signInAt(t, tab, w, "/account/security", idptest.Password)
	press(t, tab, "add_totp")
	press(t, tab, "back")
	isAt(t, tab, "/account/security")
	press(t, tab, "add_totp")
	app := authenticator(t, tab)
	enter(t, tab, "otp", app.code(t, w.idp.Now()))
	press(t, tab, "login")
	isAt(t, tab, "/account/security")
	if has(t, tab, "add_totp") || !has(t, tab, "remove_1") {
		t.Fatalf("not added %s", describe(tab))
	}
	press(t, tab, "draw_codes")
	says(t, tab, "backup codes")
	code, _, _ := strings.Cut(text(t, tab, "backup_codes"), "\n")
	press(t, tab, "account-security-link")
	if has(t, tab, "backup_codes") || !strings.Contains(text(t, tab, "backup"), "10 codes left") {
		t.Errorf("the codes are shown again %s", describe(tab))
	}

	second := newPerson(t, browser)
	visit(t, second, w.idp.URL+"/account/security")
	login(t, second, idptest.Password)
	press(t, second, "login")
	press(t, second, "method_backup-code")
	enter(t, second, "backup-code", code)
	press(t, second, "login")
	isAt(t, second, "/account/security")
	press(t, second, "remove_1")
	says(t, second, "removed")
	if !has(t, second, "add_totp") {
		t.Errorf("not removed %s", describe(second))
	}
}

// A person makes a passkey with the authenticator of their device, signs in by it, and removes it.
func accountPasskey(t *testing.T, browser context.Context) {
	w := accountWorld(t)
	tab := newPerson(t, browser)
	virtualAuthenticator(t, tab)
	signInAt(t, tab, w, "/account/security", idptest.Password)
	press(t, tab, "add_passkey")
	press(t, tab, "passkey_create")
	isAt(t, tab, "/account/security")
	if !has(t, tab, "remove_1") {
		t.Fatalf("not added %s", describe(tab))
	}
	signOut(t, tab)
	do(t, tab, chromedp.Navigate(w.idp.URL+"/account/security"))
	await(t, tab, "passkeys")
	isAt(t, tab, "/account/security")
	press(t, tab, "remove_1")
	says(t, tab, "removed")
	if kept, err := w.idp.Provider.Directory.Credentials.Passkeys(t.Context(), w.ann.Ref(), ""); err != nil || len(kept) != 0 {
		t.Errorf("kept %v, %v", kept, err)
	}
}

// A person ends a session elsewhere, then all but their own, and then that.
func accountSessions(t *testing.T, browser context.Context) {
	w := accountWorld(t)
	tab := newPerson(t, browser)
	var others []context.Context
	for range 3 {
		other := newPerson(t, browser)
		signInAt(t, other, w, "/account", idptest.Password)
		others = append(others, other)
	}
	signInAt(t, tab, w, "/account/sessions", idptest.Password)
	press(t, tab, "end_2")
	says(t, tab, "signed out")
	press(t, tab, "end_others")
	says(t, tab, "everywhere else")
	for _, other := range others {
		visit(t, other, w.idp.URL+"/account")
		if !has(t, other, "password") {
			t.Errorf("a session goes on %s", describe(other))
		}
	}
	press(t, tab, "end_1")
	if !has(t, tab, "logged_out") {
		t.Errorf("not signed out %s", describe(tab))
	}
	visit(t, tab, w.idp.URL+"/account")
	if !has(t, tab, "password") {
		t.Errorf("the session goes on %s", describe(tab))
	}
}
