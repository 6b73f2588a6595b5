package oidc_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// TestRefreshForMonths holds that a refresh token in use outlives everything that it was issued under: the records of its
// grant and of its session live as long as it does.
func TestRefreshForMonths(t *testing.T) {
	t.Parallel()
	for name, scope := range map[string]string{"with the session": "openid", "offline": "openid offline_access"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			placements(t, func(t *testing.T, h *harness) {
				tokens := h.tokens(web, "scope", scope)
				for day := range 70 { // more than twice what expiries are moved by
					h.clock.advance(23 * time.Hour)
					if _, err := h.db.Purge(t.Context(), 1000); err != nil {
						t.Fatal(err)
					}
					a := h.refresh(web, tokens.RefreshToken)
					if !gotTokens(a) {
						t.Fatalf("day %d: %s", day, a)
					}
					tokens = h.issued(a)
				}
				if a := h.userInfo(tokens.AccessToken); !gotOK(a) {
					t.Errorf("userinfo: %s", a)
				}
				h.must(h.people.Sessions.End(t.Context(), h.persona.lastSession().Ref(), "test"))
				if survives := gotTokens(h.refresh(web, tokens.RefreshToken)); survives != (name == "offline") {
					t.Errorf("after the end of the session the refresh token lives: %v", survives)
				}
			})
		})
	}
}

// TestRefreshWithoutOpenID holds that a token keeps what it has no ID token for.
func TestRefreshWithoutOpenID(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		tokens := h.issued(h.refresh(web, h.tokens(web, "scope", "profile").RefreshToken))
		if tokens.IDToken != "" || tokens.Scope != "profile" {
			t.Errorf("got %+v", tokens)
		}
	})
}

// TestRefreshKeepsTheSignIn holds that a refreshed ID token tells of the sign-in, not of the refresh (OpenID Connect Core
// §12.2).
func TestRefreshKeepsTheSignIn(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.persona.acts(script{Evidence: []directory.Evidence{{Method: "password", AMR: []string{"pwd"}}, {Method: "totp", AMR: []string{"otp"}}}})
		first := h.tokens(web)
		h.clock.advance(20 * time.Minute)
		again := h.issued(h.refresh(web, first.RefreshToken))
		before, after := claims(t, first.IDToken), claims(t, again.IDToken)
		for _, name := range []string{"iss", "sub", "aud", "auth_time", "acr", "azp", "sid"} {
			if before[name] == nil || before[name] != after[name] {
				t.Errorf("%s was %v and is %v", name, before[name], after[name])
			}
		}
		if before["acr"] != directory.ACR2 || before["iat"] == after["iat"] {
			t.Errorf("before %v, after %v", before, after)
		}
	})
}

// TestRevocationDropsTheSealedSuccessor holds that no sealed copy of a refresh token survives what revokes its grant.
func TestRevocationDropsTheSealedSuccessor(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		families := func() int {
			q := store.Query{Kind: store.Kind{Name: "oidc.refresh"}, Within: store.Everywhere}
			page, err := h.faults.List(t.Context(), h.clock.Now(), q)
			h.must(err)
			return len(page.Records)
		}
		tokens := h.issued(h.refresh(web, h.tokens(web).RefreshToken))
		if n := families(); n != 1 {
			t.Fatalf("%d refresh tokens are stored, want 1", n)
		}
		if a := h.revoke(web, tokens.RefreshToken); !gotOK(a) {
			t.Fatalf("revoke: %s", a)
		}
		if n := families(); n != 0 {
			t.Errorf("%d refresh tokens are stored after the revocation", n)
		}
	})
}

// TestRefreshTokenKept: a client that authenticates, or whose tokens are bound, may have its refresh token stay the same. It can be used
// in parallel, and again and again (FAPI 2.0 Security Profile §5.3.2.1).
func TestRefreshTokenKept(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.change(web, func(c *oidc.Client) { c.KeepRefreshToken = true })
		token := h.tokens(web).RefreshToken
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				if a := h.refresh(web, token); a.member("refresh_token") != token {
					t.Errorf("refresh: %s", a)
				}
			})
		}
		wg.Wait()
		for range 5 {
			h.clock.advance(20 * time.Hour) // each use renews its life
			if a := h.refresh(web, token, "scope", "profile"); a.member("refresh_token") != token || a.member("scope") != "profile" {
				t.Errorf("refresh: %s", a)
			}
		}
		if got := h.issued(h.refresh(web, token)); got.Scope != "openid profile offline_access" {
			t.Errorf("a use with less scope has narrowed the token to %q", got.Scope)
		}
		h.revoke(web, token)
		if a := h.refresh(web, token); a.errorCode() != "invalid_grant" {
			t.Errorf("revoked: %s", a)
		}
		_, err := h.Clients.Create(t.Context(), "Public", &oidc.Client{AuthMethod: oidc.NoAuth, RedirectURIs: []string{callback}, KeepRefreshToken: true})
		if !slices.Equal(fields(err), []string{"keep_refresh_token"}) {
			t.Errorf("a public client: %v", err)
		}
	})
}

// TestRefreshTokenKeptFromNowOn: the last token that rotated in ends the grace of the one before, as its use always does.
func TestRefreshTokenKeptFromNowOn(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		first := h.tokens(web).RefreshToken
		second := h.issued(h.refresh(web, first)).RefreshToken
		h.change(web, func(c *oidc.Client) { c.KeepRefreshToken = true })
		if got := h.issued(h.refresh(web, second)); got.RefreshToken != second {
			t.Error("it rotates")
		}
		if a := h.refresh(web, first); a.errorCode() != "invalid_grant" {
			t.Errorf("the one before: %s", a)
		}
		if a := h.refresh(web, second); a.errorCode() != "invalid_grant" {
			t.Errorf("after a reuse: %s", a)
		}
	})
}
