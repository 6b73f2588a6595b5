package oidc_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

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
