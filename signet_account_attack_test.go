package signet_test

import (
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow/account"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// visitor is a browser that sends what it is told, and follows no redirect.
type visitor struct {
	*http.Client
	t   *testing.T
	idp *idptest.Server
}

type reply struct {
	status   int
	location string
	body     string
}

var hidden = regexp.MustCompile(`name="(flow|seq|restart)" value="([^"]*)"`)

// newVisitor signs somebody in at /account.
func newVisitor(t *testing.T, idp *idptest.Server, u *directory.User) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{&http.Client{Transport: idp.Client().Transport, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, t, idp}
	page := v.get(v.get("/account").location)
	form := url.Values{"username": {u.Username}, "password": {idptest.Password}, "action": {"login"}}
	for _, input := range hidden.FindAllStringSubmatch(page.body, -1) {
		form.Set(input[1], input[2])
	}
	v.post("/login", form)
	if page := v.get("/account"); page.status != http.StatusOK {
		t.Fatalf("not signed in: %d %s", page.status, page.location)
	}
	return v
}

func (v *visitor) send(method, path string, form url.Values, header map[string]string) reply {
	v.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.idp.URL+path, body)
	if err != nil {
		v.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	answer, err := v.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return reply{answer.StatusCode, strings.TrimPrefix(answer.Header.Get("Location"), v.idp.URL), string(text)}
}

func (v *visitor) get(path string) reply { v.t.Helper(); return v.send(http.MethodGet, path, nil, nil) }

// post is what a form of the page itself sends.
func (v *visitor) post(path string, form url.Values) reply {
	v.t.Helper()
	return v.send(http.MethodPost, path, form, map[string]string{"Origin": v.idp.URL, "Sec-Fetch-Site": "same-origin"})
}

// deed is a form that changes something.
type deed struct {
	path string
	form url.Values
}

// deeds are those of every page, by what they are for. Sensitive ones are of pages for people who have just proven who they are.
func deeds(credential, session string) (plain, sensitive map[string]deed) {
	plain = map[string]deed{
		"profile":         {"/account", url.Values{"action": {"save"}, "name": {"Mallory"}}},
		"session":         {"/account/sessions", url.Values{"action": {"end"}, "id": {session}}},
		"other sessions":  {"/account/sessions", url.Values{"action": {"end_others"}}},
		"application":     {"/account/applications", url.Values{"action": {"revoke"}, "id": {"client"}}},
		"unknown action":  {"/account", url.Values{"action": {"become_admin"}}},
		"no action":       {"/account", url.Values{"name": {"Mallory"}}},
		"foreign action":  {"/account", url.Values{"action": {"delete_account"}, "confirm": {"true"}}},
		"action of proof": {"/account/sessions", url.Values{"action": {"change_password"}, "new_password": {"a much better horse"}}},
	}
	sensitive = map[string]deed{
		"address":  {"/account/contact", url.Values{"action": {"save"}, "email": {"mallory@example.com"}}},
		"password": {"/account/security", url.Values{"action": {"change_password"}, "new_password": {"a much better horse"}, "new_password_again": {"a much better horse"}}},
		"remove":   {"/account/security", url.Values{"action": {"remove"}, "id": {credential}}},
		"totp":     {"/account/security", url.Values{"action": {"add_totp"}}},
		"passkey":  {"/account/security", url.Values{"action": {"add_passkey"}}},
		"codes":    {"/account/security", url.Values{"action": {"draw_codes"}}},
		"export":   {"/account/data", url.Values{"action": {"export"}}},
		"deletion": {"/account/data", url.Values{"action": {"delete_account"}, "confirm": {"true"}}},
	}
	return plain, sensitive
}

// victim is somebody with an authenticator app and two sessions, and what nobody else may change.
type victim struct {
	idp  *idptest.Server
	user *directory.User
	v    *visitor
	totp *directory.Credential
}

func newVictim(t *testing.T, p storetest.Placement) *victim {
	t.Helper()
	idp := idptest.New(t, placed(p), withAccount)
	c := &victim{idp: idp, user: idp.User("ann")}
	newVisitor(t, idp, c.user)
	c.v = newVisitor(t, idp, c.user)
	b := idp.Provider.DB.Batch()
	credentials := idp.Provider.Directory.Credentials
	if err := credentials.SetBackupCodes(t.Context(), b, c.user.Ref(), nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	var err error
	if c.totp, err = credentials.BackupCodes(t.Context(), c.user.Ref()); err != nil {
		t.Fatal(err)
	}
	return c
}

// untouched ends the test when anything of the person's has changed.
func (c *victim) untouched(t *testing.T, why string) {
	t.Helper()
	dir := c.idp.Provider.Directory
	u, err := dir.FindUser(t.Context(), "", c.user.Username)
	if err != nil || u.Name != c.user.Name || u.Email != c.user.Email || u.Version != c.user.Version {
		t.Fatalf("%s: %+v, %v", why, u, err)
	}
	if ok, err := dir.Users.VerifyPassword(t.Context(), u, idptest.Password); err != nil || !ok {
		t.Fatalf("%s: the password has changed: %v", why, err)
	}
	subject, err := dir.Subjects.Get(t.Context(), c.user.Ref())
	if err != nil {
		t.Fatal(err)
	}
	list, err := dir.Credentials.List(t.Context(), subject.Ref())
	if err != nil || len(list) != 2 {
		t.Fatalf("%s: credentials %v, %v", why, list, err)
	}
	if now, err := dir.OwnCredential(t.Context(), subject, c.totp.ID); err != nil || now.Version != c.totp.Version {
		t.Fatalf("%s: a credential has changed: %v", why, err)
	}
	if sessions, err := dir.Sessions.ListBySubject(t.Context(), subject); err != nil || len(sessions) != 2 {
		t.Fatalf("%s: sessions %v, %v", why, sessions, err)
	}
}

func (c *victim) deeds(t *testing.T) (plain, sensitive map[string]deed) {
	t.Helper()
	subject, err := c.idp.Provider.Directory.Subjects.Get(t.Context(), c.user.Ref())
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := c.idp.Provider.Directory.Sessions.ListBySubject(t.Context(), subject)
	if err != nil {
		t.Fatal(err)
	}
	return deeds(c.totp.ID, sessions[0].ID)
}

// A post from another site, or another origin, changes nothing on any page, and a GET changes nothing whatever its query says
// (attacks.md C).
func TestAttackAccountFromAnotherSite(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		c := newVictim(t, p)
		plain, sensitive := c.deeds(t)
		maps.Copy(plain, sensitive)
		for what, deed := range plain {
			for _, header := range []map[string]string{
				{"Origin": "https://evil.example"},
				{"Sec-Fetch-Site": "cross-site"},
				{"Sec-Fetch-Site": "same-site"},
				{"Origin": "null"},
				{"Origin": c.idp.URL + ".evil.example"},
			} {
				if got := c.v.send(http.MethodPost, deed.path, deed.form, header); got.status != http.StatusForbidden {
					t.Errorf("%s with %v: %d", what, header, got.status)
				}
			}
			c.v.get(deed.path + "?" + deed.form.Encode())
			c.untouched(t, what)
		}
	})
}

// Somebody who has but a session, be it stolen or left open, opens no account with it: what is sensitive asks for a proof of ten minutes at
// most. A session that has ended does nothing at all (attacks.md C).
func TestAttackAccountByAStolenSession(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		c := newVictim(t, p)
		plain, sensitive := c.deeds(t)
		c.idp.Advance(11 * time.Minute)
		for what, deed := range sensitive {
			if got := c.v.post(deed.path, deed.form); got.status != http.StatusSeeOther || got.location != deed.path {
				t.Errorf("%s after 11 minutes: %d to %s", what, got.status, got.location)
			}
			if got := c.v.get(deed.path); got.status != http.StatusSeeOther || !strings.HasPrefix(got.location, "/login?") {
				t.Errorf("the page of %s: %d to %s", what, got.status, got.location)
			}
			c.untouched(t, what)
		}
		subject, err := c.idp.Provider.Directory.Subjects.Get(t.Context(), c.user.Ref())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.idp.Provider.Directory.Sessions.EndAllOf(t.Context(), subject.Ref(), "", "revoked"); err != nil {
			t.Fatal(err)
		}
		newVisitor(t, c.idp, c.user)
		newVisitor(t, c.idp, c.user)
		maps.Copy(plain, sensitive)
		for what, deed := range plain {
			if got := c.v.post(deed.path, deed.form); got.status != http.StatusSeeOther || got.location != deed.path {
				t.Errorf("%s by a session that has ended: %d to %s", what, got.status, got.location)
			}
			c.untouched(t, what)
		}
	})
}

// Somebody with two factors shows both before anything is changed by which they sign in, however fresh the one is (attacks.md C).
func TestAttackAccountByOneFactor(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withAccount)
	ann := idp.User("ann")
	v := newVisitor(t, idp, ann)
	idp.EnrollTOTP(ann)
	if got := v.post("/account/security", url.Values{"action": {"draw_codes"}}); got.status != http.StatusSeeOther {
		t.Errorf("codes by the password alone: %d", got.status)
	}
	if got := v.get("/account/security"); got.status != http.StatusSeeOther || !strings.HasPrefix(got.location, "/login?") {
		t.Errorf("the page by the password alone: %d to %s", got.status, got.location)
	}
	page := idp.Browser().Open(idp.URL+"/account/security").Fill("username", "ann").Fill("password", idptest.Password).Submit("login")
	if page.Has("change_password") || !page.Has("otp") {
		t.Errorf("without a code: %s", page)
	}
}

// A code that was sent in the sign-in, and is no credential, is asked for again as well: a password that is typed once more, for a request that
// wants no more than that, opens nothing of what is sensitive (attacks.md C).
func TestAttackAccountByAnOldCode(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withAccount, func(c *signet.Config) { c.Factors.EmailCode = &mfa.OneTimeCode{} })
	ann, app, b := idp.User("ann"), idp.App("http://127.0.0.1/callback"), idp.Browser()
	b.SignIn(ann, app)
	idp.Advance(11 * time.Minute)
	page := b.Open(app.Request(oauth2.SetAuthURLParam("max_age", "600")).URL)
	page.Fill("username", "ann").Fill("password", idptest.Password).Submit("login")
	page = b.Open(idp.URL + "/account/security")
	if page.Has("change_password") || !page.Has("password") {
		t.Fatalf("by the password alone: %s", page)
	}
	page = page.Fill("username", "ann").Fill("password", idptest.Password).Submit("login")
	if page.Has("change_password") {
		t.Fatalf("without another code: %s", page)
	}
	if page = page.Fill("otp", idp.Mailbox().Code(ann.Email)).Submit("login"); !page.Has("change_password") {
		t.Errorf("with both: %s", page)
	}
}

// Codes that are sent are enrolled by nobody, so a host says that they are demanded: then a session by a password alone opens nothing
// (attacks.md C).
func TestAttackAccountByThePasswordOfOneWithSentCodes(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withAccount, func(c *signet.Config) {
		c.Account.ACR = directory.ACR2
		c.Factors = signet.Factors{EmailCode: &mfa.OneTimeCode{}}
	})
	ann := idp.User("ann", func(u *directory.User) { u.Email, u.EmailVerified = "ann@example.com", false })
	v := newVisitor(t, idp, ann)
	ann.EmailVerified = true
	if err := idp.Provider.Directory.ReplaceUser(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	if got := v.get("/account/security"); got.status != http.StatusSeeOther || !strings.HasPrefix(got.location, "/login?") {
		t.Errorf("the page by the password alone: %d to %s", got.status, got.location)
	}
	page := idp.Browser().Open(idp.URL+"/account/security").Fill("username", "ann").Fill("password", idptest.Password).Submit("login")
	if page.Has("change_password") {
		t.Fatalf("without a code: %s", page)
	}
	page = page.Fill("otp", idp.Mailbox().Code(ann.Email)).Submit("login")
	if !page.Has("change_password") {
		t.Errorf("with the code: %s", page)
	}
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	if err != nil {
		t.Fatal(err)
	}
	wrong := signet.Config{Issuer: "http://localhost:8080", Store: memory.New(), Keys: ring, Account: &account.Settings{ACR: "gold"}}
	if _, err := signet.New(wrong); err == nil || !strings.Contains(err.Error(), "ACR") {
		t.Errorf("a class that is none: %v", err)
	}
}

// A password alone takes nobody's passkey away, and adds none, also where it signs them in (attacks.md C).
func TestAttackAccountPasskeyByPassword(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withAccount)
	ann := idp.User("ann")
	v := newVisitor(t, idp, ann)
	key := idp.EnrollPasskey(ann)
	kept, err := idp.Provider.Directory.Credentials.Passkeys(t.Context(), ann.Ref(), "")
	if err != nil || len(kept) != 1 {
		t.Fatal(kept, err)
	}
	for _, form := range []url.Values{{"action": {"remove"}, "id": {kept[0].ID}}, {"action": {"add_passkey"}}, {"action": {"add_totp"}}} {
		if got := v.post("/account/security", form); got.status != http.StatusSeeOther || got.location != "/account/security" {
			t.Errorf("%v: %d to %s", form, got.status, got.location)
		}
	}
	page := idp.Browser().Open(idp.URL+"/account/security").Fill("username", "ann").Fill("password", idptest.Password).Submit("login")
	if page.Has("change_password") || page.Has("manual_key") {
		t.Fatalf("by the password alone: %s", page)
	}
	if page = page.UsePasskey(key); !page.Has("change_password") {
		t.Errorf("with the passkey: %s", page)
	}
}

// The ids of what is somebody else's are those of nothing (attacks.md C).
func TestAttackAccountOfSomebodyElse(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		c := newVictim(t, p)
		mallory := newVisitor(t, c.idp, c.idp.User("mallory"))
		plain, sensitive := c.deeds(t)
		for _, deed := range []deed{plain["session"], plain["application"], sensitive["remove"]} {
			theirs := mallory.post(deed.path, deed.form)
			deed.form.Set("id", "nothing")
			none := mallory.post(deed.path, deed.form)
			if theirs.status != http.StatusUnprocessableEntity || none.status != theirs.status || theirs.body != none.body {
				t.Errorf("%v: %d, %d for nothing", deed, theirs.status, none.status)
			}
			c.untouched(t, deed.path)
		}
	})
}

// What people may not say of themselves stays as it is, whatever a form holds (attacks.md C).
func TestAttackAccountBlockedClaims(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withAccount)
	ann := idp.User("ann")
	v := newVisitor(t, idp, ann)
	form := url.Values{"action": {"save"}, "name": {"Ann"}}
	for _, name := range []string{
		"username", "email", "emailVerified", "email_verified", "phone", "phoneVerified", "pendingEmail", "disabled", "id", "store", "groups", "roles",
		"attributes", "attributes.accountLocked", "unique", "created",
	} {
		form.Set(name, "true")
	}
	for _, path := range []string{"/account", "/account/contact"} {
		form.Set("email", ann.Email)
		v.post(path, form)
	}
	u, err := idp.Provider.Directory.FindUser(t.Context(), "", "ann")
	if err != nil || u.Name != "Ann" {
		t.Fatalf("%+v, %v", u, err)
	}
	if u.Username != "ann" || u.Email != ann.Email || u.EmailVerified != ann.EmailVerified || u.PhoneVerified || u.Disabled || len(u.Attributes) > 0 ||
		!slices.Equal(u.Unique, ann.Unique) || !u.Created.Equal(ann.Created) {
		t.Errorf("%+v", u)
	}
	v.post("/account/contact", url.Values{"action": {"save"}, "email": {"mallory@example.com"}, "emailVerified": {"true"}})
	if u, err = idp.Provider.Directory.FindUser(t.Context(), "", "ann"); err != nil || u.Email == "mallory@example.com" && u.EmailVerified {
		t.Errorf("an address counts as verified: %+v, %v", u, err)
	}
}

// No parameter says where a browser is sent (attacks.md C).
func TestAttackAccountOpenRedirect(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withAccount)
	v := newVisitor(t, idp, idp.User("ann"))
	const evil = "https://evil.example/"
	for _, name := range []string{"proof", "resume", "return", "return_to", "redirect_uri", "next", "continue", "url"} {
		for _, value := range []string{evil, "//evil.example", `/\evil.example`, "javascript:alert(1)", strings.Repeat("x", 5000)} {
			query := url.Values{name: {value}}.Encode()
			for _, path := range []string{"/account", "/account/security", "/account/sessions"} {
				got := v.get(path + "?" + query)
				to, err := url.Parse(got.location)
				if err != nil || to.Host != "" || got.location != "" && !strings.HasPrefix(got.location, "/account") && !strings.HasPrefix(got.location, "/login") {
					t.Errorf("%s=%s leads to %q", name, value, got.location)
				}
				if got.status >= http.StatusInternalServerError {
					t.Errorf("%s=%s: %d", name, value, got.status)
				}
			}
		}
	}
	for _, path := range []string{"/account//evil.example", "/account/..//evil.example", "//evil.example/account"} {
		if got := v.get(path); strings.Contains(got.location, "//evil") {
			t.Errorf("%s leads to %q", path, got.location)
		}
	}
}

// Whoever has nothing but a passkey cannot remove it (attacks.md C).
func TestAttackAccountLastWayIn(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withAccount)
	dir := idp.Provider.Directory
	b := idp.Provider.DB.Batch()
	zoe := &directory.User{Username: "zoe", Email: "zoe@example.com"}
	if _, err := dir.AddUser(t.Context(), b, zoe); err != nil {
		t.Fatal(err)
	}
	if err := b.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	key := idp.EnrollPasskey(zoe)
	page := idp.Browser().Open(idp.URL + "/account/security").Submit("method_passkey").UsePasskey(key)
	if !page.Has("remove_1") {
		t.Fatalf("not signed in: %s", page)
	}
	if page = page.Submit("remove_1"); page.Status != http.StatusUnprocessableEntity || !strings.Contains(page.Text("messages"), "last way") {
		t.Errorf("%s", page)
	}
	if kept, err := dir.Credentials.Passkeys(t.Context(), zoe.Ref(), ""); err != nil || len(kept) != 1 {
		t.Errorf("kept %v, %v", kept, err)
	}
}

// A store that fails is 503 on every page, for every deed, and never a list that is empty.
func TestAccountFaults(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withAccount)
	v := newVisitor(t, idp, idp.User("ann"))
	plain, sensitive := deeds("credential", "session")
	for _, noDeed := range []string{"unknown action", "no action", "foreign action", "action of proof"} {
		delete(plain, noDeed)
	}
	maps.Copy(plain, sensitive)
	paths := []string{"/account", "/account/contact", "/account/security", "/account/sessions", "/account/applications", "/account/data"}
	for _, path := range paths { // each read fails in turn, until one visit has gone well
		for calls := 1; ; calls++ {
			if calls > 100 {
				t.Fatalf("%s never goes well", path)
			}
			idp.Faults.FailCall(calls, nil)
			got := v.get(path)
			over := idp.Faults.Waits()
			idp.Heal()
			if over {
				if got.status != http.StatusOK {
					t.Errorf("%s: %d", path, got.status)
				}
				break
			}
			if got.status != http.StatusServiceUnavailable {
				t.Errorf("%s: %d after %d calls", path, got.status, calls)
			}
		}
	}
	for what, deed := range plain {
		idp.Fail(nil)
		if got := v.post(deed.path, deed.form); got.status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d", what, got.status)
		}
		idp.Heal()
	}
}
