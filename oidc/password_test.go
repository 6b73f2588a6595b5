package oidc_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/directory"
)

// carl is somebody with a password.
const (
	carl     = "carl"
	carlsKey = "correct horse battery staple"
)

func withPasswords(c *oidc.Config) { c.Features.Legacy = &oidc.Legacy{Password: true} }

func (h *harness) registerPasswords() *harness {
	h.must(h.people.CreateUser(h.tb.Context(), &directory.User{Username: carl, Name: "Carl"}, carlsKey))
	h.noteSecret("password", carlsKey)
	h.register(&oidc.Client{
		ClientID: "old", GrantTypes: []oidc.GrantType{oidc.PasswordGrant, oidc.RefreshToken}, Scopes: []string{"openid", "profile", "read", "offline_access"},
	})
	return h
}

func passwordsIn(t *testing.T, test func(t *testing.T, h *harness)) {
	t.Helper()
	placements(t, func(t *testing.T, h *harness) { test(t, h.registerPasswords()) }, withPasswords)
}

// byPassword asks for tokens by a name and a password, from one of many addresses.
func (h *harness) byPassword(name, password string, pairs ...string) *answer {
	return h.byPasswordFrom("192.0.2.1", name, password, pairs...)
}

func (h *harness) byPasswordFrom(address, name, password string, pairs ...string) *answer {
	form := values("grant_type", "password", "username", name, "password", password, "scope", "openid profile")
	override(form, pairs)
	r := h.request(http.MethodPost, pathToken, form)
	r.SetBasicAuth("old", clientSecret("old"))
	r.RemoteAddr = address + ":1234"
	return h.send(r)
}

// TestPasswordGrant: the person's own password yields tokens (RFC 6749 §4.3).
func TestPasswordGrant(t *testing.T) {
	t.Parallel()
	passwordsIn(t, func(t *testing.T, h *harness) {
		got := h.issued(h.byPassword(carl, carlsKey))
		sub := h.subject(carl).ID
		if c := claims(t, got.AccessToken); c["sub"] != sub || c["acr"] != "aal1" || c["auth_time"] != float64(h.clock.Now().Unix()) || got.Scope != "openid profile" {
			t.Errorf("claims: %v", c)
		}
		if id := claims(t, got.IDToken); id["sub"] != sub || id["aud"] != "old" {
			t.Errorf("ID token: %v", id)
		}
		if again := h.issued(h.refresh("old", got.RefreshToken)); again.RefreshToken == got.RefreshToken {
			t.Error("the refresh token did not rotate")
		}
		for name, c := range map[string]struct {
			name, password string
			pairs          []string
			code           string
		}{
			"wrong":         {carl, "wrong", nil, "invalid_grant"},
			"nobody":        {"zoe", carlsKey, nil, "invalid_grant"},
			"no password":   {ann, carlsKey, nil, "invalid_grant"},
			"empty":         {carl, "", nil, "invalid_request"},
			"nameless":      {"", carlsKey, nil, "invalid_request"},
			"scope":         {carl, carlsKey, []string{"scope", "write"}, "invalid_scope"},
			"another grant": {carl, carlsKey, []string{"grant_type", "authorization_code"}, "unauthorized_client"},
		} {
			if a := h.byPassword(c.name, c.password, c.pairs...); a.errorCode() != c.code || a.Status != http.StatusBadRequest {
				t.Errorf("%s: %s", name, a)
			}
		}
	})
}

// TestPasswordGrantIsOff: nothing serves it unless it is asked for by name (RFC 9700 §2.4).
func TestPasswordGrantIsOff(t *testing.T) {
	t.Parallel()
	h := together(t)
	if a := h.token(web, "grant_type", "password", "username", ann, "password", "x"); a.errorCode() != "unsupported_grant_type" {
		t.Errorf("%s", a)
	}
}

// TestAttackPasswordGrantGuessed: guesses are counted together with those at sign-in, however many come at once; the account that is
// locked answers as to a wrong guess, and takes the right password neither here nor there (RFC 6749 §4.3.2).
func TestAttackPasswordGrantGuessed(t *testing.T) {
	t.Parallel()
	passwordsIn(t, func(t *testing.T, h *harness) {
		for _, name := range []string{carl, "zoe"} {
			var wg sync.WaitGroup
			var mu sync.Mutex
			answers := map[string]int{}
			for n := range 40 {
				wg.Go(func() {
					a := h.byPasswordFrom(fmt.Sprintf("198.51.100.%d", n), name, fmt.Sprintf("guess %d", n))
					mu.Lock()
					defer mu.Unlock()
					answers[a.Body]++
				})
			}
			wg.Wait()
			if len(answers) != 1 {
				t.Errorf("%s: answers %v", name, answers)
			}
		}
		if a := h.byPassword(carl, carlsKey); a.errorCode() != "invalid_grant" {
			t.Errorf("a locked account: %s", a)
		}
		locks, err := h.people.Locks.Of(t.Context(), h.subject(carl).Ref())
		h.must(err)
		if len(locks) != 1 || locks[0].Factor != "password" || !locks[0].Until.After(h.clock.Now()) { // the one of sign-in
			t.Errorf("locks = %+v", locks)
		}
		seen := h.observations()
		if !slices.Contains(seen, "attempt.failed") || !slices.Contains(seen, "attempt.locked") {
			t.Errorf("observed: %v", seen)
		}
		h.clock.advance(6 * time.Minute)
		h.issued(h.byPassword(carl, carlsKey))
	})
}

// TestAttackPasswordGrantFlood: one address has a budget, whatever the names; what is beyond is not even judged.
func TestAttackPasswordGrantFlood(t *testing.T) {
	t.Parallel()
	passwordsIn(t, func(t *testing.T, h *harness) {
		for n := range 60 {
			h.byPasswordFrom("203.0.113.9", fmt.Sprintf("nobody%d", n), "x")
		}
		a := h.byPasswordFrom("203.0.113.9", carl, carlsKey)
		if a.Status != http.StatusTooManyRequests || a.errorCode() != "slow_down" || a.Header.Get("Retry-After") == "" {
			t.Errorf("beyond the budget: %s", a)
		}
		h.issued(h.byPasswordFrom("203.0.113.10", carl, carlsKey))
	})
}

// TestAttackPasswordGrantSkipsFactor: an account with a second factor, and an application that demands one, are no way around it, and the
// answer does not tell that the password was right.
func TestAttackPasswordGrantSkipsFactor(t *testing.T) {
	t.Parallel()
	passwordsIn(t, func(t *testing.T, h *harness) {
		wrong := h.byPassword(carl, "wrong").Body
		b := h.db.Batch()
		h.must(h.people.Credentials.EnrollTOTP(t.Context(), b, h.subject(carl).Ref(), "phone", []byte("12345678901234567890"), 1))
		h.must(b.Apply(t.Context()))
		for range 10 { // nor does it lock somebody out whose password nobody can guess here
			if a := h.byPassword(carl, carlsKey); a.Body != wrong {
				t.Errorf("with a second factor: %s", a)
			}
		}
		app, err := h.people.Applications.Get(t.Context(), h.client("old").Application)
		h.must(err)
		h.must(h.people.CreateUser(t.Context(), &directory.User{Username: "dora"}, carlsKey))
		h.issued(h.byPassword("dora", carlsKey))
		app.SecondFactor = directory.SecondFactorRequired
		h.must(h.people.Applications.Replace(t.Context(), app))
		if a := h.byPassword("dora", carlsKey); a.Body != wrong {
			t.Errorf("at an application that demands one: %s", a)
		}
	})
}

// TestAttackPasswordGrantDisabled: who is disabled is told nothing else than who is wrong, and keeps nothing.
func TestAttackPasswordGrantDisabled(t *testing.T) {
	t.Parallel()
	passwordsIn(t, func(t *testing.T, h *harness) {
		wrong := h.byPassword(carl, "wrong").Body
		got := h.issued(h.byPassword(carl, carlsKey))
		h.must(h.people.Subjects.Disable(t.Context(), h.subject(carl).Ref()))
		if a := h.byPassword(carl, carlsKey); a.Body != wrong {
			t.Errorf("disabled: %s", a)
		}
		if h.introspect("old", got.AccessToken).active() {
			t.Error("the token lives on")
		}
	})
}

// TestAttackPasswordGrantExpired: a password that has expired is good for nothing here, and nobody learns that it was right.
func TestAttackPasswordGrantExpired(t *testing.T) {
	t.Parallel()
	passwordsIn(t, func(t *testing.T, h *harness) {
		wrong := h.byPassword(carl, "wrong").Body
		h.must(directory.Set(t.Context(), h.people.Settings, h.people.Settings.PasswordExpiry, "", "", directory.PasswordExpiryPolicy{Days: 1}))
		h.issued(h.byPassword(carl, carlsKey))
		h.clock.advance(25 * time.Hour)
		if a := h.byPassword(carl, carlsKey); a.Body != wrong {
			t.Errorf("expired: %s", a)
		}
	})
}

// passwordDoors are the password grant, to be met by failures: they count nothing against the person.
func passwordDoors() []door {
	return []door{
		{name: "password", config: withPasswords, done: gotTokens, open: func(h *harness) attempt {
			h.registerPasswords()
			return attempt{send: func() *answer { return h.byPassword(carl, carlsKey) }}
		}},
		{name: "wrong password", config: withPasswords, done: refusedWith("invalid_grant"), open: func(h *harness) attempt {
			h.registerPasswords()
			return attempt{send: func() *answer { return h.byPassword(carl, "wrong") }}
		}},
	}
}
