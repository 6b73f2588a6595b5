package signet_test

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/me"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/internal/authenticator"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// self is somebody who looks after their account from an application.
type self struct {
	*testing.T
	idp    *idptest.Server
	app    *idptest.App
	user   *directory.User
	tokens *idptest.Tokens
}

func withMe(c *signet.Config) { c.Me = &me.Settings{} }

// mine is an App of the operator's own that may call for the person.
func mine(a *idptest.App) { a.Client.Scopes = []string{"openid", "offline_access", me.Scope} }

var scopeOfMe = oauth2.SetAuthURLParam("scope", "openid "+me.Scope)

func newSelf(t *testing.T, p storetest.Placement, edits ...func(*signet.Config)) *self {
	t.Helper()
	idp := idptest.New(t, append([]func(*signet.Config){placed(p), withMe}, edits...)...)
	s := &self{T: t, idp: idp, app: idp.App(callback, mine), user: idp.User("ann")}
	s.signIn()
	return s
}

// everySelf runs a test of the API in both placements.
func everySelf(t *testing.T, test func(s *self), edits ...func(*signet.Config)) {
	t.Helper()
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		t.Parallel()
		test(newSelf(t, p, edits...))
	})
}

// signIn signs the person in anew, in a browser of its own.
func (s *self) signIn() *idptest.Browser {
	s.Helper()
	b := s.idp.Browser()
	s.signInWith(b)
	return b
}

// signInWith does so in a browser.
func (s *self) signInWith(b *idptest.Browser, options ...oauth2.AuthCodeOption) {
	s.Helper()
	s.tokens = b.SignIn(s.user, s.app, append([]oauth2.AuthCodeOption{scopeOfMe}, options...)...)
}

// told is what the API has answered.
type told struct {
	status int
	header http.Header
	text   string
}

// into decodes the answer.
func (a told) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.text), v); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.text, err)
	}
}

// code is that of an error.
func (a told) code() string {
	var e struct {
		Code  string `json:"code"`
		Error string `json:"error"`
	}
	_ = json.Unmarshal([]byte(a.text), &e)
	return e.Code + e.Error
}

// request is a call that was not made.
func (s *self) request(method, path string, body any) *http.Request {
	s.Helper()
	var content io.Reader
	if body != nil {
		text, ok := body.(string)
		if !ok {
			encoded, err := json.Marshal(body)
			if err != nil {
				s.Fatal(err)
			}
			text = string(encoded)
		}
		content = strings.NewReader(text)
	}
	r, err := http.NewRequestWithContext(s.Context(), method, s.idp.URL+path, content)
	if err != nil {
		s.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	s.tokens.SetAuthHeader(r)
	return r
}

func (s *self) send(r *http.Request) told {
	s.Helper()
	response, err := s.idp.Client().Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(response.Body); err != nil {
		s.Fatal(err)
	}
	if len(response.Cookies()) > 0 {
		s.Errorf("cookies: %v", response.Cookies())
	}
	if response.Header.Get("Cache-Control") != "no-store" {
		s.Errorf("%s %s may be kept: %v", r.Method, r.URL.Path, response.Header)
	}
	return told{response.StatusCode, response.Header, body.String()}
}

// call calls the API below /api/users/v1/me.
func (s *self) call(method, path string, body any) told {
	s.Helper()
	return s.send(s.request(method, "/api/users/v1/me"+path, body))
}

// want calls and compares the status.
func (s *self) want(status int, method, path string, body any) told {
	s.Helper()
	a := s.call(method, path, body)
	if a.status != status {
		s.Fatalf("%s %s: %d %s, want %d", method, path, a.status, a.text, status)
	}
	return a
}

func (s *self) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *self) ref() store.Ref { return s.idp.Provider.Directory.SubjectRef(s.user) }

// The sessions of the person are listed with what took part, and end with everything that hangs on them.
func TestMeSessions(t *testing.T) {
	everySelf(t, func(s *self) {
		first := s.tokens
		s.idp.Advance(time.Minute)
		s.signIn()
		var list struct {
			UserID   string `json:"userId"`
			Sessions []struct {
				ID           string `json:"id"`
				LoginTime    string `json:"loginTime"`
				IDPName      string `json:"idpName"`
				Applications []struct {
					AppName string `json:"appName"`
					Subject string `json:"subject"`
				} `json:"applications"`
			} `json:"sessions"`
		}
		s.want(200, "GET", "/sessions", nil).into(t, &list)
		if len(list.Sessions) != 2 || list.UserID != s.user.ID {
			t.Fatalf("got %+v", list)
		}
		older := list.Sessions[0]
		if older.IDPName != "LOCAL" || len(older.Applications) != 1 || older.Applications[0].AppName != "App 1" || older.Applications[0].Subject != "ann" {
			t.Errorf("got %+v", older)
		}
		s.want(204, "DELETE", "/sessions/"+older.ID, nil)
		if a := s.as(first).call("GET", "/sessions", nil); a.status != 401 || a.code() != "invalid_token" {
			t.Errorf("the token of a session that was ended: %d %s", a.status, a.text)
		}
		s.want(204, "DELETE", "/sessions", nil)
		if a := s.call("GET", "/sessions", nil); a.status != 401 {
			t.Errorf("after all were ended: %d", a.status)
		}
	})
}

// as is the person with other tokens.
func (s *self) as(tokens *idptest.Tokens) *self {
	other := *s
	other.tokens = tokens
	return &other
}

func TestMePassword(t *testing.T) {
	everySelf(t, func(s *self) {
		const fresh = "a fresh horse battery staple"
		change := func(current, to string) told {
			return s.call("POST", "/change-password", map[string]string{"currentPassword": current, "newPassword": to})
		}
		if a := change("wrong", fresh); a.status != 400 || a.code() != "PWD-10001" {
			t.Errorf("a wrong one: %d %s", a.status, a.text)
		}
		if a := change(idptest.Password, "12345"); a.status != 400 || a.code() != "PWD-10003" || strings.Contains(a.text, "12345") {
			t.Errorf("a weak one: %d %s", a.status, a.text)
		}
		for _, body := range []string{"", "{", `{"currentPassword":"x"}`, `{"currentPassword":"x","newPassword":"y","newPassword":"z"}`, `[]`, strings.Repeat(" ", 17<<10)} {
			if a := s.call("POST", "/change-password", body); a.status != 400 || a.code() != "ME-60001" {
				t.Errorf("%.40q: %d %s", body, a.status, a.text)
			}
		}
		r := s.request("POST", "/api/users/v1/me/change-password", "currentPassword=x")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if a := s.send(r); a.status != 415 {
			t.Errorf("a form: %d", a.status)
		}
		other := *s
		other.signIn()
		if a := change(idptest.Password, fresh); a.status != 204 || a.text != "" {
			t.Fatalf("%d %s", a.status, a.text)
		}
		for _, tokens := range []*idptest.Tokens{s.tokens, other.tokens} { // whoever knew the old one keeps nothing
			if a := s.as(tokens).call("GET", "/sessions", nil); a.status != 401 {
				t.Errorf("a token from before: %d", a.status)
			}
		}
		for password, want := range map[string]bool{idptest.Password: false, fresh: true} {
			if right, err := s.idp.Provider.Directory.Users.VerifyPassword(t.Context(), s.find(), password); err != nil || right != want {
				t.Errorf("%q: %v, %v", password, right, err)
			}
		}
	})
}

// find reads the person anew.
func (s *self) find() *directory.User {
	s.Helper()
	u, err := s.idp.Provider.Directory.FindUser(s.Context(), "", "ann")
	s.must(err)
	return u
}

// What changes how somebody signs in wants a sign-in of just now, and of two factors from those who have two (RFC 9470 §3).
func TestMeAsksAgain(t *testing.T) {
	everySelf(t, func(s *self) {
		s.idp.Advance(11 * time.Minute)
		for path, method := range map[string]string{
			"/change-password": "POST", "/totp": "GET", "/totp/secret": "GET", "/backup-codes": "POST", "/push/discovery-data": "GET",
			"/federated-associations": "DELETE",
		} {
			a := s.want(401, method, path, nil)
			challenge := a.header.Get("WWW-Authenticate")
			if a.code() != "insufficient_user_authentication" || !strings.HasPrefix(challenge, "Bearer ") ||
				!strings.Contains(challenge, `error="insufficient_user_authentication"`) || !strings.Contains(challenge, "max_age=600") || strings.Contains(challenge, "acr_values") {
				t.Errorf("%s: %s %q", path, a.text, challenge)
			}
		}
		if a := s.send(s.request("GET", "/api/identity/user/v1.0/me", nil)); a.status != http.StatusUnauthorized || a.code() != "insufficient_user_authentication" {
			t.Errorf("everything that is kept: %s", a.text)
		}
		s.want(200, "GET", "/sessions", nil)
		s.want(200, "GET", "/backup-codes", nil)
		s.signIn()
		s.want(201, "POST", "/backup-codes", nil)
		s.want(204, "DELETE", "/backup-codes", nil) // codes alone are no second factor

		s.idp.EnrollTOTP(s.user)
		a := s.want(401, "DELETE", "/totp", nil)
		if challenge := a.header.Get("WWW-Authenticate"); !strings.Contains(challenge, `acr_values="aal2"`) {
			t.Errorf("%q", challenge)
		}
		s.signIn()
		s.want(200, "DELETE", "/totp", nil)
	})
}

func TestMeSettings(t *testing.T) {
	t.Parallel()
	s := newSelf(t, storetest.Placement{Driver: memory.New()}, func(c *signet.Config) { c.Me = &me.Settings{MaxAge: time.Hour, ACR: "aal2"} })
	a := s.want(401, "POST", "/backup-codes", nil)
	if challenge := a.header.Get("WWW-Authenticate"); !strings.Contains(challenge, `acr_values="aal2", max_age=3600`) {
		t.Errorf("%q", challenge)
	}
	for _, settings := range []me.Settings{{MaxAge: time.Second}, {MaxAge: 25 * time.Hour}, {ACR: "high"}} {
		if _, err := signet.New(wiring(t, func(c *signet.Config) { c.Me = &settings })); err == nil || !strings.Contains(err.Error(), "me: Config.") {
			t.Errorf("%+v: %v", settings, err)
		}
	}
	off := idptest.New(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, off.URL+"/api/users/v1/me/sessions", nil)
	s.must(err)
	response, err := off.Client().Do(r)
	s.must(err)
	defer response.Body.Close()
	if response.StatusCode != http.StatusNotFound {
		t.Errorf("without Config.Me: %d", response.StatusCode)
	}
}

// totp sets up an authenticator app by an action and returns its seed.
func (s *self) totp(action string) []byte {
	s.Helper()
	var begun struct {
		URL string `json:"qrCodeUrl"`
	}
	s.want(200, "POST", "/totp", map[string]string{"action": action}).into(s, &begun)
	text, err := base64.StdEncoding.DecodeString(begun.URL)
	s.must(err)
	uri, err := url.Parse(string(text))
	s.must(err)
	if uri.Scheme != "otpauth" || !strings.HasSuffix(uri.Path, ":ann") {
		s.Errorf("got %s", uri)
	}
	seed, err := base32Seed(uri.Query().Get("secret"))
	s.must(err)
	var secret struct {
		Secret string `json:"secret"`
	}
	s.want(200, "GET", "/totp/secret", nil).into(s, &secret)
	if secret.Secret != uri.Query().Get("secret") {
		s.Errorf("two secrets: %s and %s", secret.Secret, uri)
	}
	return seed
}

func base32Seed(text string) ([]byte, error) {
	return base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(text)
}

// codeOf is what an app with a seed shows.
func (s *self) codeOf(seed []byte) string {
	s.Helper()
	code, err := mfa.TOTP{}.Code(seed, s.idp.Now())
	s.must(err)
	return code
}

// validate sends a first code, and reports what was said of it.
func (s *self) validate(code any) bool {
	s.Helper()
	var said struct {
		Valid bool `json:"isValid"`
	}
	s.want(200, "POST", "/totp", map[string]any{"action": "VALIDATE", "verificationCode": code}).into(s, &said)
	return said.Valid
}

// inUse is the seed of the app in use; nil is none.
func (s *self) inUse() []byte {
	s.Helper()
	_, seed, err := s.idp.Provider.Directory.Credentials.TOTP(s.Context(), s.ref())
	if !errors.Is(err, store.ErrNotFound) {
		s.must(err)
	}
	return seed
}

func (s *self) factors() string {
	s.Helper()
	var list struct {
		Enabled string `json:"enabledAuthenticators"`
	}
	s.want(200, "GET", "/mfa/authenticators", nil).into(s, &list)
	return list.Enabled
}

func TestMeTOTP(t *testing.T) {
	everySelf(t, func(s *self) {
		if a := s.want(404, "GET", "/totp", nil); a.code() != "ME-60002" {
			t.Errorf("got %s", a.text)
		}
		s.want(404, "POST", "/totp", `{"action":"VALIDATE","verificationCode":123456}`)
		s.want(400, "POST", "/totp", `{"action":"DRINK"}`)
		seed := s.totp("INIT")
		if s.inUse() != nil || s.factors() != "" {
			t.Fatal("in use before its first code")
		}
		right := s.codeOf(seed)
		if s.validate(other(right)) {
			t.Error("another code is right")
		}
		number, err := strconv.Atoi(right)
		s.must(err)
		if !s.validate(number) || !bytes.Equal(s.inUse(), seed) || s.factors() != "TOTP" {
			t.Fatal("not in use after its first code")
		}
		// Enrolled: from here on with two factors.
		s.must(s.idp.Provider.Directory.RemoveCredential(t.Context(), s.subject(), nil, s.ref().ID+"/totp"))
		s.idp.EnrollTOTP(s.user)
		s.signIn()
		if a := s.want(409, "POST", "/totp", `{"action":"INIT"}`); a.code() != "ME-60003" {
			t.Errorf("INIT beside an app: %s", a.text)
		}
		before := s.inUse()
		s.totp("REFRESH")
		if !bytes.Equal(s.inUse(), before) {
			t.Fatal("REFRESH kills the old secret before VALIDATE")
		}
		s.signIn() // by the old app
		next := s.totp("REFRESH")
		if !s.validate(s.codeOf(next)) || !bytes.Equal(s.inUse(), next) {
			t.Error("the new secret is not in use")
		}
		s.want(404, "GET", "/totp", nil) // and is shown no more
		s.want(404, "GET", "/totp/secret", nil)
		s.want(200, "DELETE", "/totp", nil)
		s.want(200, "DELETE", "/totp", nil)
		if s.inUse() != nil {
			t.Error("still in use")
		}
	})
}

func (s *self) subject() *directory.Subject {
	s.Helper()
	subject, err := s.idp.Provider.Directory.Subjects.Get(s.Context(), s.ref())
	s.must(err)
	return subject
}

func other(code string) string {
	if code == "111111" {
		return "222222"
	}
	return "111111"
}

// What was begun in one session is neither seen nor completed in another, and ends with its time.
func TestAttackMeEnrolmentOfAnotherSession(t *testing.T) {
	everySelf(t, func(s *self) {
		seed := s.totp("INIT")
		mine := s.tokens
		s.signIn()
		s.want(404, "GET", "/totp", nil)
		s.want(404, "GET", "/totp/secret", nil)
		s.want(404, "POST", "/totp", map[string]string{"action": "VALIDATE", "verificationCode": s.codeOf(seed)})
		s.tokens = mine
		s.idp.Advance(5 * time.Minute)
		s.want(200, "GET", "/totp", nil)
		s.idp.Advance(4*time.Minute + 59*time.Second)
		if !s.validate(s.codeOf(seed)) {
			t.Error("the session that began cannot complete")
		}
	})
}

// A code that completed an enrolment is spent: it neither signs in nor completes another one.
func TestAttackMeCodeReplayed(t *testing.T) {
	everySelf(t, func(s *self) {
		seed := s.totp("INIT")
		code := s.codeOf(seed)
		if !s.validate(code) {
			t.Fatal("not right")
		}
		credential, _, err := s.idp.Provider.Directory.Credentials.TOTP(t.Context(), s.ref())
		s.must(err)
		if _, err := (mfa.TOTP{}).Verify(seed, code, credential.Step, s.idp.Now()); !errors.Is(err, mfa.ErrReplayed) {
			t.Errorf("at sign-in: %v", err)
		}
		a := s.call("POST", "/totp", map[string]string{"action": "VALIDATE", "verificationCode": code})
		if a.status == 200 {
			t.Errorf("a second time: %s", a.text)
		}
	})
}

// First codes count as codes at sign-in: after as many as lock the factor no right one is right.
func TestAttackMeCodeGuessed(t *testing.T) {
	everySelf(t, func(s *self) {
		seed := s.totp("INIT")
		right := s.codeOf(seed)
		for range 5 {
			if s.validate(other(right)) {
				t.Fatal("a wrong code is right")
			}
		}
		if s.validate(right) || s.inUse() != nil {
			t.Error("a locked factor takes a code")
		}
	})
}

// A token does not help to guess the password: guesses count with those at sign-in.
func TestAttackMePasswordGuessed(t *testing.T) {
	everySelf(t, func(s *self) {
		for _, current := range []string{"a", "b", "c", "d", "e", idptest.Password} {
			a := s.call("POST", "/change-password", map[string]string{"currentPassword": current, "newPassword": "a fresh horse battery staple"})
			if a.status != 400 || a.code() != "PWD-10001" {
				t.Errorf("%s: %d %s", current, a.status, a.text)
			}
		}
		key := directory.AttemptKey{Account: s.ref().ID, Factor: "password"}
		if attempt, err := s.idp.Provider.Directory.Locks.Weigh(t.Context(), key); err != nil || attempt.Admitted() {
			t.Errorf("sign-in is not locked: %v", err)
		}
	})
}

func TestMeBackupCodes(t *testing.T) {
	everySelf(t, func(s *self) {
		var count map[string]int
		s.want(200, "GET", "/backup-codes", nil).into(t, &count)
		if count["remainingBackupCodesCount"] != 0 {
			t.Errorf("got %v", count)
		}
		var first, second struct {
			Codes []string `json:"backupCodes"`
		}
		s.want(201, "POST", "/backup-codes", nil).into(t, &first)
		s.want(201, "POST", "/backup-codes", nil).into(t, &second)
		credential, err := s.idp.Provider.Directory.Credentials.BackupCodes(t.Context(), s.ref())
		s.must(err)
		has := func(code string) bool {
			return s.idp.Provider.Directory.Credentials.HasBackupCode(credential, mfa.BackupCode(code))
		}
		if len(first.Codes) != 10 || len(second.Codes) != 10 || has(first.Codes[0]) || !has(second.Codes[9]) {
			t.Error("the second set is not the one that counts")
		}
		a := s.want(200, "GET", "/backup-codes", nil)
		if a.into(t, &count); count["remainingBackupCodesCount"] != 10 || strings.Contains(a.text, second.Codes[0]) {
			t.Errorf("got %s", a.text)
		}
		s.want(204, "DELETE", "/backup-codes", nil)
		s.want(204, "DELETE", "/backup-codes", nil)
	})
}

func withPasskeys(c *signet.Config) { c.Passkeys = &flow.Passkeys{} }

// localhost gives the provider a name that passkeys may belong to.
func onLocalhost(c *signet.Config) { c.Issuer = strings.Replace(c.Issuer, "127.0.0.1", "localhost", 1) }

type madePasskey struct {
	Credential struct {
		ID string `json:"credentialId"`
	} `json:"credential"`
}

func TestMePasskeys(t *testing.T) {
	everySelf(t, func(s *self) {
		device := authenticator.New(s.idp.URL)
		start := func(method string) (request string, answer []byte) {
			var begun struct {
				Username string          `json:"username"`
				Request  string          `json:"requestId"`
				Options  json.RawMessage `json:"publicKeyCredentialCreationOptions"`
			}
			s.want(201, method, "/webauthn/start-registration?appId="+s.idp.URL, nil).into(t, &begun)
			answer, err := device.Create(begun.Options)
			s.must(err)
			return begun.Request, answer
		}
		finish := func(request string, answer []byte) told {
			return s.call("POST", "/webauthn/finish-registration", map[string]any{"requestId": request, "credential": json.RawMessage(answer)})
		}
		stale, answer := start("POST")
		request, current := start("GET")
		if a := finish(stale, answer); a.status != 400 || a.code() != "ME-60009" {
			t.Errorf("an older registration: %d %s", a.status, a.text)
		}
		if a := finish(request, answer); a.status != 400 {
			t.Errorf("another challenge: %d %s", a.status, a.text)
		}
		if a := finish(request, current); a.status != 400 {
			t.Errorf("a challenge that was answered before: %d %s", a.status, a.text)
		}
		request, current = start("GET")
		var made madePasskey
		a := finish(request, current)
		if a.into(t, &made); a.status != 201 {
			t.Fatalf("%d %s", a.status, a.text)
		}
		var list []madePasskey
		if s.want(200, "GET", "/webauthn", nil).into(t, &list); len(list) != 1 || list[0] != made {
			t.Errorf("got %+v", list)
		}
		if s.factors() != "FIDO" {
			t.Errorf("factors %q", s.factors())
		}
		s.want(401, "DELETE", "/webauthn/"+made.Credential.ID, nil)
		s.idp.EnrollPasskey(s.user)
		s.signIn()
		s.want(404, "DELETE", "/webauthn/nothing", nil)
		s.want(200, "DELETE", "/webauthn/"+made.Credential.ID, nil)
		s.want(404, "DELETE", "/webauthn/"+made.Credential.ID, nil)
	}, withPasskeys, onLocalhost)
}

// The only way in stays.
func TestMeLastWayIn(t *testing.T) {
	everySelf(t, func(s *self) {
		bob := &directory.User{Username: "bob"}
		s.must(s.idp.Provider.Directory.CreateUser(t.Context(), bob, ""))
		s.idp.EnrollPasskey(bob)
		s.user = bob
		s.signIn()
		var list []madePasskey
		s.want(200, "GET", "/webauthn", nil).into(t, &list)
		if a := s.want(409, "DELETE", "/webauthn/"+list[0].Credential.ID, nil); a.code() != "ME-60004" {
			t.Errorf("got %s", a.text)
		}
	}, withPasskeys, onLocalhost)
}
