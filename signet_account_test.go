package signet_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/account"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/mfa"
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
	if sessions := b.Open(idp.URL + "/account/sessions"); !strings.Contains(sessions.Body, `<time datetime="`) || !strings.Contains(sessions.Body, " CE") {
		t.Errorf("no times of Paris: %s", sessions)
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

// A new address is confirmed by its message before it is in use, and one that somebody else has is refused.
func TestAccountAddress(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withAccount, func(c *signet.Config) { c.Accounts.Addresses.VerifyEmail = true })
	ann, b := idp.User("ann"), idp.Browser()
	page := visitAccount(t, idp, b, ann, "/account/contact")
	page = page.Fill("email", "new@example.com").Submit("save")
	if page.Status != http.StatusOK || !strings.Contains(page.Text("contact"), "Waits to be confirmed") {
		t.Fatalf("asked: %s", page)
	}
	current := func() *directory.User {
		u, err := idp.Provider.Directory.FindUser(t.Context(), "", "ann")
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	if u := current(); u.Email != ann.Email {
		t.Errorf("in use at once: %s", u.Email)
	}
	idp.Browser().Open(idp.Mailbox().Link("new@example.com")).Submit("continue")
	if u := current(); u.Email != "new@example.com" || !u.EmailVerified {
		t.Errorf("confirmed: %+v", u)
	}
	page = b.Open(idp.URL+"/account/contact").Fill("email", "nonsense").Submit("save")
	if page.Status != http.StatusUnprocessableEntity || !page.Has("email-problem") {
		t.Errorf("no address: %s", page)
	}
}

// The pages move with Config.Paths.
func TestAccountMoved(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withAccount, func(c *signet.Config) { c.Paths = map[string]string{"/account": "/me"} })
	ann, b := idp.User("ann"), idp.Browser()
	page := visitAccount(t, idp, b, ann, "/me/security")
	if page = page.Submit("draw_codes"); !page.Has("backup_codes") {
		t.Errorf("%s", page)
	}
	if page := b.Open(idp.URL + "/account"); page.Status != http.StatusNotFound {
		t.Errorf("where they were: %s", page)
	}
}

// A token with a button is taken up by its key and two codes, where the host has turned it on.
func TestAccountToken(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withAccount, func(c *signet.Config) { c.Factors.HOTP = &mfa.HOTP{} })
	ann, b := idp.User("ann"), idp.Browser()
	seed := []byte("12345678901234567890") // RFC 4226 appendix D
	page := visitAccount(t, idp, b, ann, "/account/security").Fill("hotp_key", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
	if refused := page.Fill("hotp_first", "755224").Fill("hotp_second", "755224").Submit("add_hotp"); !refused.Has("hotp_second-problem") {
		t.Errorf("one code twice: %s", refused)
	}
	page = page.Fill("hotp_first", "287082").Fill("hotp_second", "359152").Submit("add_hotp")
	kept, key, err := idp.Provider.Directory.Credentials.HOTP(t.Context(), ann.Ref())
	if err != nil || string(key) != string(seed) || kept.Step != 3 {
		t.Fatalf("%+v, %v: %s", kept, err, page)
	}
	if page = b.Open(idp.URL + "/account/security"); page.Has("change_password") {
		t.Errorf("the new factor is not asked for: %s", page)
	}
}

// Whoever saves their profile and does not touch an attribute leaves it as it was imported, also where no field can show that; what they type takes
// its place.
func TestAccountAttributesAreLeftAlone(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withAccount, func(c *signet.Config) {
		c.Accounts.Attributes = directory.AttributePolicy{Rules: []directory.AttributeRule{
			{Name: "teams", Account: directory.AttributeOptional},
			{Name: "areas", Account: directory.AttributeRequired},
			{Name: "size", Type: directory.ChoiceAttribute, Choices: []directory.AttributeChoice{{Value: "S"}}, Account: directory.AttributeRequired},
			{Name: "hired", Type: directory.DateAttribute, Account: directory.AttributeOptional},
			{Name: "floor", Type: directory.IntegerAttribute, Account: directory.AttributeOptional},
			{Name: "news", Type: directory.BooleanAttribute, Account: directory.AttributeOptional},
			{Name: "code", Pattern: "[0-9]+", Account: directory.AttributeOptional},
		}}
	})
	ann, b := idp.User("ann"), idp.Browser()
	ann.Attributes = map[string]any{ // as before there were rules
		"teams": []any{"sales", "support"}, "areas": []any{"north"}, "size": "XXL", "hired": "in spring", "floor": []any{2.0}, "news": "sometimes", "code": "A1",
	}
	batch := idp.Provider.DB.Batch()
	if err := errors.Join(idp.Provider.Directory.Users.Replace(t.Context(), batch, ann), batch.Apply(t.Context())); err != nil {
		t.Fatal(err)
	}
	page := visitAccount(t, idp, b, ann, "/account")
	for _, save := range []struct {
		field, value, want string
	}{
		{"nickname", "Annie", "map[areas:[north] code:A1 floor:[2] hired:in spring news:sometimes size:XXL teams:[sales support]]"},
		{"attributes.teams", "legal", "map[areas:[north] code:A1 floor:[2] hired:in spring news:sometimes size:XXL teams:legal]"},
		{"attributes.teams", "", "map[areas:[north] code:A1 floor:[2] hired:in spring news:sometimes size:XXL]"},
		{"attributes.size", "S", "map[areas:[north] code:A1 floor:[2] hired:in spring news:sometimes size:S]"},
		{"attributes.code", "", "map[areas:[north] floor:[2] hired:in spring news:sometimes size:S]"},
	} {
		page = page.Fill(save.field, save.value).Submit("save")
		if page.Status != http.StatusOK || !strings.Contains(page.Text("messages"), "saved") {
			t.Fatalf("%s: %s", save.field, page)
		}
		u, err := idp.Provider.Directory.FindUser(t.Context(), "", "ann")
		if err != nil || fmt.Sprint(u.Attributes) != save.want {
			t.Errorf("%s: %v %v, want %s", save.field, err, u.Attributes, save.want)
		}
	}
}

// Attributes of the host's own are asked for, shown, and kept from people as the rules say.
func TestAccountAttributes(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withAccount, func(c *signet.Config) {
		c.Accounts.Attributes = directory.AttributePolicy{Rules: []directory.AttributeRule{
			{Name: "department", Label: "Department", MinLength: 2, Account: directory.AttributeRequired},
			{Name: "size", Type: directory.ChoiceAttribute, Choices: []directory.AttributeChoice{{Value: "S"}, {Value: "L", Label: "Large"}}, Account: directory.AttributeOptional},
			{Name: "news", Type: directory.BooleanAttribute, Account: directory.AttributeOptional},
			{Name: "hired", Label: "Hired on", Type: directory.DateAttribute, Account: directory.AttributeReadOnly},
			{Name: "rating"},
		}}
	})
	ann, b := idp.User("ann"), idp.Browser()
	ann.Attributes = map[string]any{"hired": "2024-02-29", "rating": "C", "size": "L", "news": true, "free": "as ever"}
	if err := idp.Provider.Directory.ReplaceUser(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	page := visitAccount(t, idp, b, ann, "/account")
	if !strings.Contains(page.Body, "Hired on") || !strings.Contains(page.Body, "2024-02-29") || page.Has("attributes.hired") ||
		page.Has("attributes.rating") || strings.Contains(page.Body, "rating") || !strings.Contains(page.Body, `<option value="L" selected>Large</option>`) {
		t.Fatalf("%s", page)
	}
	if wrong := page.Fill("attributes.department", "x").Fill("birthdate", "never").Fill("attributes.news", "").Submit("save"); wrong.Status != http.StatusUnprocessableEntity ||
		!wrong.Has("attributes.department-problem") || !wrong.Has("birthdate-problem") || strings.Contains(wrong.Body, `value="true" checked`) {
		t.Fatalf("%s", wrong)
	}
	page = page.Fill("birthdate", "").Fill("attributes.department", "sales").Fill("attributes.size", "").Fill("attributes.news", "").Submit("save")
	if page.Status != http.StatusOK || !strings.Contains(page.Text("messages"), "saved") {
		t.Fatalf("%s", page)
	}
	u, err := idp.Provider.Directory.FindUser(t.Context(), "", "ann")
	if err != nil || fmt.Sprint(u.Attributes) != "map[department:sales free:as ever hired:2024-02-29 news:false rating:C]" {
		t.Errorf("%v %v", err, u.Attributes)
	}
	if page = page.Fill("attributes.department", "").Submit("save"); !page.Has("attributes.department-problem") {
		t.Errorf("without what is required: %s", page)
	}
}

// A box that has to be ticked is not passed by sending what is stored, where somebody else has stored that it is not.
func TestAttackRequiredTickStoredAsFalse(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withAccount, func(c *signet.Config) {
		c.Accounts.Attributes = directory.AttributePolicy{Rules: []directory.AttributeRule{
			{Name: "terms", Type: directory.BooleanAttribute, Account: directory.AttributeRequired},
		}}
	})
	ann, b := idp.User("ann"), idp.Browser()
	ann.Attributes = map[string]any{"terms": false}
	if err := idp.Provider.Directory.ReplaceUser(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	page := visitAccount(t, idp, b, ann, "/account")
	for _, sent := range []string{"false", ""} {
		if page = page.Fill("attributes.terms", sent).Submit("save"); page.Status != http.StatusUnprocessableEntity || !page.Has("attributes.terms-problem") {
			t.Errorf("%q: %s", sent, page)
		}
	}
	if page = page.Fill("attributes.terms", "true").Submit("save"); page.Status != http.StatusOK {
		t.Errorf("ticked: %s", page)
	}
	if u, err := idp.Provider.Directory.FindUser(t.Context(), "", "ann"); err != nil || u.Attributes["terms"] != true {
		t.Errorf("%v %v", err, u.Attributes)
	}
}
