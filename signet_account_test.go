package signet_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/account"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store/directory"
)

// withAccount turns the pages of accounts on, with passkeys.
func withAccount(c *signet.Config) {
	c.Account, c.Passkeys = &account.Settings{}, &flow.Passkeys{}
	c.Issuer = strings.Replace(c.Issuer, "127.0.0.1", "localhost", 1)
}

// visitAccount opens a page of an account, and signs in where that is asked.
func visitAccount(t *testing.T, idp *idptest.Server, b *idptest.Browser, u *directory.User, path string) *idptest.Page {
	t.Helper()
	page := b.Open(idp.URL + path)
	if page.Has("username") && page.Has("login") {
		page = page.Fill("username", u.Username).Fill("password", idptest.Password).Submit("login")
	}
	if page.Status != http.StatusOK || page.URL.Path != path {
		t.Fatalf("%s: %s", path, page)
	}
	return page
}

// Somebody who is not signed in signs in first, and comes back to the page that they wanted; the profile is theirs to write.
func TestAccountProfile(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withAccount)
	ann, b := idp.User("ann"), idp.Browser()
	page := visitAccount(t, idp, b, ann, "/account")
	page = page.Fill("name", "Ann Example").Fill("zoneinfo", "Europe/Paris").Submit("save")
	if page.Status != http.StatusOK || !strings.Contains(page.Text("messages"), "saved") {
		t.Fatalf("saved: %s", page)
	}
	if page = b.Open(idp.URL + "/account"); page.Has("messages") {
		t.Errorf("the notice stays: %s", page)
	}
	u, err := idp.Provider.Directory.FindUser(t.Context(), "", "ann")
	if err != nil || u.Name != "Ann Example" || u.Zoneinfo != "Europe/Paris" || u.Email != ann.Email {
		t.Errorf("%+v, %v", u, err)
	}
	page = page.Fill("zoneinfo", "not a zone!").Fill("nickname", "Annie").Submit("save")
	if page.Status != http.StatusUnprocessableEntity || !page.Has("zoneinfo-problem") || !strings.Contains(page.Body, `value="Annie"`) {
		t.Errorf("a wrong zone: %s", page)
	}
}

// The pages are off without their Settings.
func TestAccountOff(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t)
	if page := idp.Browser().Open(idp.URL + "/account"); page.Status != http.StatusNotFound {
		t.Errorf("%s", page)
	}
}

// What opens an account is for people who have proven lately who they are.
func TestAccountStepUp(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withAccount)
	ann, b := idp.User("ann"), idp.Browser()
	visitAccount(t, idp, b, ann, "/account")
	if page := b.Open(idp.URL + "/account/security"); page.URL.Path != "/account/security" {
		t.Fatalf("just signed in: %s", page)
	}
	idp.Advance(11 * time.Minute)
	if page := b.Open(idp.URL + "/account"); page.URL.Path != "/account" {
		t.Errorf("the profile: %s", page)
	}
	page := b.Open(idp.URL + "/account/security")
	if page.URL.Path != "/login" || !strings.Contains(page.Body, `value="ann"`) {
		t.Fatalf("11 minutes later: %s", page)
	}
	if back := page.Submit("cancel"); back.URL.Path != "/account" || back.URL.RawQuery != "" {
		t.Errorf("canceled: %s", back)
	}
	page = visitAccount(t, idp, b, ann, "/account/security")
	if !page.Has("change_password") || page.URL.RawQuery != "" {
		t.Errorf("proven: %s", page)
	}
}

// A new password ends the other sessions and keeps this one; backup codes are shown once.
func TestAccountSecurity(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withAccount)
	ann, b, other := idp.User("ann"), idp.Browser(), idp.Browser()
	visitAccount(t, idp, other, ann, "/account")
	page := visitAccount(t, idp, b, ann, "/account/security").Submit("draw_codes")
	codes := page.Text("backup_codes")
	if strings.Count(codes, "-") < 10 {
		t.Fatalf("codes: %s", page)
	}
	if page = b.Open(idp.URL + "/account/security"); page.Has("backup_codes") || !strings.Contains(page.Body, "10 codes left") {
		t.Errorf("again: %s", page)
	}
	page = page.Fill("new_password", "a much better horse").Fill("new_password_again", "another").Submit("change_password")
	if !page.Has("new_password_again-problem") {
		t.Errorf("two that differ: %s", page)
	}
	page = page.Fill("new_password", "password").Fill("new_password_again", "password").Submit("change_password")
	if page.Status != http.StatusUnprocessableEntity || !page.Has("new_password-problem") {
		t.Errorf("a common one: %s", page)
	}
	page = page.Fill("new_password", "a much better horse").Fill("new_password_again", "a much better horse").Submit("change_password")
	if page.Status != http.StatusOK || page.URL.Path != "/account/security" || !strings.Contains(page.Text("messages"), "changed") {
		t.Errorf("changed: %s", page)
	}
	if page := other.Open(idp.URL + "/account"); page.URL.Path != "/login" {
		t.Errorf("the other browser: %s", page)
	}
}

// Whoever deletes their account has proven who they are, and has said that they mean it.
func TestAccountDeleted(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withAccount)
	ann, b := idp.User("ann"), idp.Browser()
	page := visitAccount(t, idp, b, ann, "/account/data")
	if page = page.Submit("delete_account"); page.Status != http.StatusUnprocessableEntity || !page.Has("confirm-problem") {
		t.Fatalf("without a tick: %s", page)
	}
	if file := page.Submit("export"); !strings.Contains(file.Header.Get("Content-Disposition"), "account.json") || !strings.Contains(file.Body, ann.Email) {
		t.Errorf("export: %s", file)
	}
	page = page.Fill("confirm", "true").Submit("delete_account")
	if page.Status != http.StatusOK || !page.Has("done") {
		t.Fatalf("deleted: %s", page)
	}
	if _, err := idp.Provider.Directory.FindUser(t.Context(), "", "ann"); err == nil {
		t.Error("ann is still there")
	}
	if page := b.Open(idp.URL + "/account"); page.URL.Path != "/login" {
		t.Errorf("afterwards: %s", page)
	}
}
