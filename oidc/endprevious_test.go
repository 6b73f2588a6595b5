package oidc_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
)

const (
	single     = "single"      // keeps one set of tokens for each person
	singleDark = "single-dark" // the same with opaque ones
)

func registerSingle(h *harness) {
	for id, format := range map[string]oidc.TokenFormat{single: oidc.JWT, singleDark: oidc.Opaque} {
		h.register(&oidc.Client{ClientID: id, RedirectURIs: []string{callback}, AccessTokenFormat: format, EndPreviousTokens: true})
	}
}

// WSO2's TOK-4 for people: the next sign-in for the same ends the tokens of the one before, refresh token and all; what is about other
// scopes, another person or another client goes on.
func TestEndPreviousTokens(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		registerSingle(h)
		for _, id := range []string{single, singleDark} {
			narrow, elsewhere := h.tokens(id, "scope", "openid"), h.tokens(web)
			h.persona.acts(script{User: bob})
			other := h.tokens(id)
			h.persona.acts(script{})
			first := h.tokens(id)
			second := h.tokens(id, "scope", "offline_access profile openid") // in another order
			if h.introspect(id, first.AccessToken).active() || h.refresh(id, first.RefreshToken).errorCode() != "invalid_grant" {
				t.Errorf("%s: what was issued before lives", id)
			}
			for what, token := range map[string]string{"latest": second.AccessToken, "narrower": narrow.AccessToken, "bob's": other.AccessToken} {
				if !h.introspect(id, token).active() {
					t.Errorf("%s: the %s token has ended", id, what)
				}
			}
			if !h.introspect(web, elsewhere.AccessToken).active() {
				t.Errorf("%s: another client's token has ended", id)
			}
			if h.issued(h.refresh(id, second.RefreshToken)).AccessToken == "" {
				t.Errorf("%s: no refresh", id)
			}
		}
	}, withTokenReuse)
	h := together(t, withTokenReuse)
	_, err := h.Clients.Create(t.Context(), "", &oidc.Client{GrantTypes: []oidc.GrantType{oidc.ClientCredentials}, EndPreviousTokens: true})
	if !slices.Equal(fields(err), []string{"end_previous_tokens"}) {
		t.Errorf("a machine: %v", err)
	}
}

// Equal sign-ins at once: none gets an error, none is taken for a reuse, and one set of tokens is left.
func TestAttackEndPreviousInParallel(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		registerSingle(h)
		codes, tokens := make([]string, 8), make([]string, 8)
		for i := range codes {
			codes[i] = h.code(single)
		}
		var redeeming sync.WaitGroup
		for i, code := range codes {
			redeeming.Go(func() { tokens[i] = h.redeem(single, code).member("access_token") })
		}
		redeeming.Wait()
		alive := 0
		for i, token := range tokens {
			if token == "" {
				t.Errorf("redemption %d failed", i)
			} else if h.introspect(single, token).active() {
				alive++
			}
		}
		if alive != 1 || slices.Contains(h.observations(), "code.reused") {
			t.Errorf("%d live; observed %v", alive, h.observations())
		}
		if a := h.redeem(single, codes[0]); a.errorCode() != "invalid_grant" || !slices.Contains(h.observations(), "code.reused") {
			t.Errorf("a code used twice: %s", a)
		}
	}, withTokenReuse)
}

// Whoever holds a refresh token keeps what hangs on it alive by using it; the next sign-in ends that too, however late it comes.
func TestAttackEndPreviousOutlived(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.register(&oidc.Client{
			ClientID: single, RedirectURIs: []string{callback}, AccessTokenFormat: oidc.Opaque, EndPreviousTokens: true,
			RefreshTokenLifetime: 30 * 24 * 60 * 60,
		})
		stolen := h.tokens(single)
		for range 4 {
			h.clock.advance(25 * 24 * time.Hour)
			stolen = h.issued(h.refresh(single, stolen.RefreshToken))
		}
		h.tokens(single)
		if h.introspect(single, stolen.AccessToken).active() || h.refresh(single, stolen.RefreshToken).errorCode() != "invalid_grant" {
			t.Error("what was refreshed for long outlives the next sign-in")
		}
	}, withTokenReuse)
}

// TestEndPreviousFaults breaks the store under the first and the second sign-in.
func TestEndPreviousFaults(t *testing.T) {
	t.Parallel()
	open := func(before int) func(h *harness) attempt {
		return func(h *harness) attempt {
			registerSingle(h)
			for range before {
				h.tokens(singleDark)
			}
			code := h.code(singleDark)
			return attempt{send: func() *answer { return h.redeem(singleDark, code) }}
		}
	}
	used := func(a *answer) bool { return a.Status == http.StatusBadRequest && a.errorCode() == "invalid_grant" }
	faults(t, []door{
		{name: "first", done: gotTokens, lost: used, open: open(0)},
		{name: "second", done: gotTokens, lost: used, open: open(1)},
	}, withTokenReuse)
}
