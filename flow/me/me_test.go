package me_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow/me"
	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
)

// guard lets one person pass, or nobody.
type guard struct{ passes *me.Caller }

// Caller implements me.Guard.
func (g guard) Caller(w http.ResponseWriter, _ *http.Request, scope string) *me.Caller {
	if g.passes == nil || scope != me.Scope {
		w.WriteHeader(http.StatusUnauthorized)
		return nil
	}
	return g.passes
}

// AskAgain implements me.Guard.
func (guard) AskAgain(w http.ResponseWriter, _ *http.Request, _ time.Duration, _ string) {
	w.WriteHeader(http.StatusUnauthorized)
}

// open makes an API for one person, who has signed in just now.
func open(t testing.TB) http.Handler {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	must(err)
	db, err := store.Open(store.Config{Driver: memory.New(), Keys: ring})
	must(err)
	hasher, err := password.New(password.Config{Params: password.Params{Memory: 64, Time: 1, Threads: 1}})
	must(err)
	dir, err := directory.New(directory.Config{DB: db, Hasher: hasher})
	must(err)
	ann := &directory.User{Username: "ann"}
	must(dir.CreateUser(t.Context(), ann, "correct horse battery staple"))
	subject, err := dir.SubjectOf(t.Context(), ann)
	must(err)
	api, err := me.New(me.Config{
		DB: db, Directory: dir, Issuer: "https://id.example.com", TOTP: &mfa.TOTP{Issuer: "Test"}, BackupCodes: &mfa.BackupCodes{},
		Guard: guard{&me.Caller{Subject: subject, Holder: store.Ref{ID: "session"}, AuthTime: db.Now().Add(time.Hour), ACR: directory.ACR2, ACRTime: db.Now().Add(time.Hour)}},
	})
	must(err)
	mux := http.NewServeMux()
	for _, r := range api.Routes() {
		mux.Handle(r.Path, r.Handler)
	}
	return mux
}

func TestNew(t *testing.T) {
	t.Parallel()
	_, err := me.New(me.Config{TOTP: &mfa.TOTP{Digits: 20}, BackupCodes: &mfa.BackupCodes{Count: 99}, Settings: me.Settings{ACR: "x", MaxAge: 1}})
	for _, field := range []string{"DB", "Directory", "Guard", "Issuer", "TOTP.Issuer", "TOTP:", "BackupCodes", "ACR", "MaxAge"} {
		if err == nil || !strings.Contains(err.Error(), "Config."+field) {
			t.Errorf("%s is not named: %v", field, err)
		}
	}
	if errors.Is(err, store.ErrNotFound) {
		t.Error("a problem of the configuration is not absence")
	}
}

// A route serves its methods alone, also where a host mounts it without them.
func TestMethods(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	open(t).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPatch, "/api/users/v1/me/sessions", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "DELETE, GET" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

// FuzzBodies sends anything to whatever takes a body: the answer is a refusal or a success, and never a failure.
func FuzzBodies(f *testing.F) {
	paths := []string{"/totp", "/change-password", "/mfa/authenticators", "/webauthn/finish-registration"}
	for i, seed := range []string{
		`{"action":"INIT"}`, `{"action":"VALIDATE","verificationCode":123456}`, `{"action":"VALIDATE","verificationCode":"000000"}`,
		`{"action":"VALIDATE","verificationCode":-1e9}`, `{"currentPassword":"a","newPassword":"b"}`, `{"enabledAuthenticators":"TOTP,,TOTP"}`,
		`{"requestId":"x","credential":{}}`, `null`, `[]`, `{"action":"INIT","ACTION":"REFRESH"}`, "{\"action\":\"\\ud800\"}", `{"verificationCode":"`,
	} {
		f.Add(uint8(i), []byte(seed))
	}
	api := open(f)
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		path := "/api/users/v1/me" + paths[int(which)%len(paths)]
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(string(body)))
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		if w.Code >= 500 && w.Code != http.StatusNotImplemented {
			t.Errorf("%s %q: %d %s", path, body, w.Code, w.Body)
		}
	})
}
