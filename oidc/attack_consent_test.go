package oidc_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// Claims asked for one by one beside a scope that releases them are not got past a person who refused the scope (OpenID
// Connect Core §5.4, §5.5).
func TestAttackClaimsPastARefusedScope(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		ask := `{"name":{"essential":true},"email":null,"team":null}`
		pairs := []string{"scope", "openid profile email", "claims", `{"id_token":` + ask + `,"userinfo":` + ask + `}`}
		for _, step := range []struct {
			allow []string
			want  string
		}{
			{[]string{}, ""}, {[]string{"email"}, "email"}, {[]string{"claim:team"}, "team"}, {[]string{"profile", "claim:email"}, "name"}, {nil, "name email team"},
		} {
			h.persona.acts(script{Allow: step.allow})
			got := h.tokens(web, append([]string{"prompt", "consent"}, pairs...)...)
			token, info := claims(t, got.IDToken), h.userInfo(got.AccessToken)
			for _, name := range []string{"name", "email", "team"} {
				want := strings.Contains(step.want, name)
				if _, has := token[name]; has != want {
					t.Errorf("allowed %q: %s in the ID token: %v", step.allow, name, has)
				}
				if has := info.member(name) != ""; has != want {
					t.Errorf("allowed %q: %s at userinfo: %v", step.allow, name, has)
				}
			}
		}
	})
}

// A scope whose name would pass for a single claim on the consent page cannot be registered.
func TestAttackScopeNamedLikeAClaim(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, scope := range []string{"claim:email", "a b", "a\"", "a\\", "", "ü", strings.Repeat("a", 129)} {
			_, err := h.Clients.Create(t.Context(), "X", &oidc.Client{RedirectURIs: []string{callback}, Scopes: []string{"openid", scope}})
			if err == nil || !strings.Contains(err.Error(), "scopes") {
				t.Errorf("scope %q: %v", scope, err)
			}
		}
	})
}

// Revoking a consent ends what was issued also where nobody was asked, and in every organization.
func TestAttackRevokedConsentOfATrustedApplication(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		c := &oidc.Client{ClientID: "branch", RedirectURIs: []string{callback}}
		c.Org = "acme"
		h.register(c)
		h.skipConsent(web)
		for _, clientID := range []string{web, "branch"} {
			got := h.tokens(clientID)
			h.must(h.RevokeConsent(t.Context(), h.subject(ann).Ref(), clientID))
			h.demandDead(clientID, got)
			h.must(h.RevokeConsent(t.Context(), h.subject(ann).Ref(), clientID))
		}
	})
}

// A code that was handed out and not redeemed does not outrun the revocation of what it rests on, whether somebody was asked or not,
// and however close the two come; a code from afterwards is good.
func TestAttackCodeOutrunsRevokedConsent(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.skipConsent(mail)
		subject := h.subject(ann).Ref()
		for _, clientID := range []string{web, mail} {
			for range 2 {
				code := h.code(clientID)
				h.must(h.RevokeConsent(t.Context(), subject, clientID))
				if a := h.redeem(clientID, code); a.errorCode() != "invalid_grant" {
					t.Errorf("%s: a code from before: %s", clientID, a)
				}
				if all, err := h.Consents(t.Context(), subject); err != nil || len(all) != 0 {
					t.Errorf("%s: consents %v, %v", clientID, all, err)
				}
				got := h.issued(h.redeem(clientID, h.code(clientID)))
				if a := h.userInfo(got.AccessToken); a.Status != http.StatusOK {
					t.Errorf("%s: a code from afterwards: %s", clientID, a)
				}
			}
			for _, kind := range []string{"oidc.grant", "oidc.consent"} {
				code := h.code(clientID)
				a := h.midway(kind, func() error { return h.RevokeConsent(t.Context(), subject, clientID) },
					func() *answer { return h.redeem(clientID, code) })
				if a.errorCode() != "invalid_grant" {
					t.Errorf("%s: a revocation in between: %s", clientID, a)
				}
			}
			// The other way round: the code is redeemed while the revocation is under way.
			code := h.code(clientID)
			var got issued
			h.midway("oidc.consent", func() error {
				got = h.issued(h.redeem(clientID, code))
				return nil
			}, func() *answer {
				h.must(h.RevokeConsent(t.Context(), subject, clientID))
				return nil
			})
			h.demandDead(clientID, got)
		}
	})
}

// An ephemeral store that has lost its memory opens nothing again: a code is gone with it, and one that was used is still
// known by its Grant (DESIGN: one-time use has a durable gate).
func TestAttackCodeAfterTheEphemeralStoreForgot(t *testing.T) {
	t.Parallel()
	forgetful := &forgetful{Ephemeral: memory.New()}
	h := newHarness(t, storetest.Placement{Name: "apart", Driver: memory.New(), Ephemeral: forgetful})
	unused, used := h.code(web), h.code(web)
	got := h.issued(h.redeem(web, used))
	forgetful.forget()
	if a := h.redeem(web, unused); a.errorCode() != "invalid_grant" {
		t.Errorf("a code that was forgotten: %s", a)
	}
	if a := h.redeem(mail, used); a.errorCode() != "invalid_grant" {
		t.Errorf("another client: %s", a)
	}
	if a := h.redeem(web, used+"x"); a.errorCode() != "invalid_grant" {
		t.Errorf("another secret: %s", a)
	}
	if a := h.userInfo(got.AccessToken); a.Status != http.StatusOK {
		t.Errorf("harmed by what proves nothing: %s", a)
	}
	if a := h.redeem(web, used); a.errorCode() != "invalid_grant" {
		t.Errorf("a code that was used: %s", a)
	}
	h.demandDead(web, got)
}

// forgetful is an Ephemeral that can lose everything.
type forgetful struct {
	mu sync.Mutex
	store.Ephemeral
}

func (f *forgetful) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Ephemeral = memory.New()
}

// A second use that overtakes the first is found by the first's own step: the one that loses the gate takes the winner down.
func TestAttackCodeOvertaken(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, clientID := range []string{web, vault} {
			code := h.code(clientID)
			var winner issued
			a := h.midway("oidc.grant", func() error {
				winner = h.issued(h.redeem(clientID, code))
				return nil
			}, func() *answer { return h.redeem(clientID, code) })
			if a.errorCode() != "invalid_grant" {
				t.Errorf("the loser: %s", a)
			}
			h.demandDead(clientID, winner)
		}
	})
}

// A revocation that comes between the reading and the rotating of a refresh token wins.
func TestAttackRevocationOvertakesRefresh(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, clientID := range []string{web, vault} {
			old := h.tokens(clientID)
			a := h.midway("oidc.refresh", func() error {
				if a := h.revoke(clientID, old.RefreshToken); a.Status != http.StatusOK {
					t.Errorf("revocation: %s", a)
				}
				return nil
			}, func() *answer { return h.refresh(clientID, old.RefreshToken) })
			if a.errorCode() != "invalid_grant" {
				t.Errorf("%s: %s", clientID, a)
			}
		}
	})
}

// A fresh start from an expired page leads to our own authorization endpoint and nowhere else, and only from what we sealed
// (CVE-2024-39694's class: local return URLs).
func TestAttackRestart(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.newBrowser().authorize(authorization(web, "state", "//evil.example/\\@x"))
		sealed := h.signIn().Restart
		path, err := h.Restart(sealed)
		if err != nil || !strings.HasPrefix(path, pathAuthorize+"?") || strings.Contains(path, "//") || strings.ContainsAny(path, "\\\r\n") {
			t.Errorf("%q %v", path, err)
		}
		if a := h.newBrowser().follow(h.newBrowser().get(path)); !a.returned().Has("code") && a.Status != http.StatusSeeOther {
			t.Errorf("a fresh start: %s", a)
		}
		for _, forged := range []string{"", "x", "//evil.example", sealed[:len(sealed)-1], sealed + "A", strings.ToUpper(sealed), "client_id=web"} {
			if path, err := h.Restart(forged); err == nil {
				t.Errorf("%q leads to %q", forged, path)
			}
		}
	})
}

// A client gets by the claims parameter nothing that its scopes do not release and that it was not registered for, also where
// nobody is asked (OpenID Connect Core §5.5).
func TestAttackClaimsPastTheScopesOfTheClient(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.register(&oidc.Client{ClientID: "narrow", RedirectURIs: []string{callback}, Scopes: []string{"openid", "email"}, Claims: []string{"team"}})
		h.skipConsent("narrow")
		ask := `{"name":{"essential":true},"phone_number":null,"email":null,"team":null,"salary":null}`
		got := h.tokens("narrow", "scope", "openid", "claims", `{"id_token":`+ask+`,"userinfo":`+ask+`}`)
		token, info := claims(t, got.IDToken), h.userInfo(got.AccessToken)
		for name, want := range map[string]bool{"name": false, "phone_number": false, "salary": false, "email": true, "team": true} {
			if _, has := token[name]; has != want {
				t.Errorf("%s in the ID token: %t", name, has)
			}
			if has := info.member(name) != ""; has != want {
				t.Errorf("%s at userinfo: %t", name, has)
			}
		}
	})
}

// What people and tokens said of a client is never said of a stranger: the id of a deleted client is not used again.
func TestAttackDeletedClientIsBornAgain(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		got := h.tokens(web, "scope", "openid offline_access")
		h.must(h.Clients.Delete(t.Context(), h.client(web)))
		_, err := h.Clients.Create(t.Context(), "Stranger", &oidc.Client{ClientID: web, RedirectURIs: []string{"https://evil.example/"}})
		if !slices.Equal(fields(err), []string{"client_id"}) {
			t.Errorf("the id of a deleted client was given again: %v", err)
		}
		if a := h.userInfo(got.AccessToken); a.Status == http.StatusServiceUnavailable {
			t.Errorf("a token of a deleted client: %v", a)
		}
	})
}

// Storage exhaustion: what nobody has proven anything for is kept in bounds.
func TestAttackLargeRequests(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for name, tc := range map[string]struct {
			pairs   []string
			refused bool
		}{
			"longest state":  {[]string{"state", strings.Repeat("s", 4096)}, false},
			"longer state":   {[]string{"state", strings.Repeat("s", 4097)}, true},
			"longest nonce":  {[]string{"nonce", strings.Repeat("n", 512)}, false},
			"longer nonce":   {[]string{"nonce", strings.Repeat("n", 513)}, true},
			"longer request": {[]string{"x", strings.Repeat("x", 16<<10)}, true},
		} {
			h.faults.Forget()
			a := h.newBrowser().authorize(authorization(web, tc.pairs...))
			refused := a.Status == http.StatusRequestEntityTooLarge || strings.Contains(a.Header.Get("Location"), "error=invalid_request")
			if refused != tc.refused {
				t.Errorf("%s: %v", name, a)
			}
			for _, call := range h.faults.Calls() {
				if tc.refused && call.Method == storetest.MethodApply {
					t.Errorf("%s: was written", name)
				}
			}
		}
	})
}

// A flood of refusals is a bounded number of observations, and the next one says how many there were.
func TestAttackFloodOfObservations(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		const flood = 250
		before := len(h.observedSoFar())
		for range flood {
			h.userInfo("nonsense")
			h.newBrowser().get("/oauth2/authorize?client_id=nobody")
		}
		seen := len(h.observedSoFar()) - before
		if seen == 0 || seen > 100 {
			t.Errorf("%d refusals made %d observations", 2*flood, seen)
		}
		h.clock.advance(time.Second)
		h.newBrowser().get("/oauth2/authorize?client_id=nobody")
		all := h.observedSoFar()
		if last := all[len(all)-1]; last.Missed == 0 {
			t.Errorf("the next observation does not say how many were left out: %+v", last)
		}
	})
}

// What somebody has decided is personal: it goes when they do, with what their clients hold.
func TestDeletedPersonLeavesNoConsent(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		tokens := h.tokens(web)
		u, err := h.people.FindUser(t.Context(), "", ann)
		h.must(err)
		subject := h.people.SubjectRef(u)
		if all, err := h.Consents(t.Context(), subject); err != nil || len(all) == 0 {
			t.Fatalf("nothing was decided: %v (%v)", all, err)
		}
		h.must(h.people.DeleteUser(t.Context(), u))
		if all, err := h.Consents(t.Context(), subject); err != nil || len(all) > 0 {
			t.Errorf("left are %v (%v)", all, err)
		}
		h.demandDead(web, tokens)
	})
}
