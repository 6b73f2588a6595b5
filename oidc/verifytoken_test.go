package oidc_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/oidc/resource"
	"github.com/signet-idp/signet/store/storetest"
)

var (
	_ resource.Verifier = (*oidc.Provider)(nil)
	_ resource.Replays  = (*oidc.Provider)(nil)
	_ resource.Holder   = (*oidc.Provider)(nil)
)

// guarded is an API in the provider's own program.
func (h *harness) guarded(scopes ...string) http.Handler {
	h.tb.Helper()
	g, err := resource.New(resource.Config{Resource: api, Issuers: []string{h.issuer}, Verifier: h.Provider, Now: h.clock.Now})
	h.must(err)
	return g.Protect(scopes...)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(resource.FromContext(r.Context()).Subject))
	}))
}

func callAPI(h http.Handler, scheme, token string, proofs ...string) int {
	r := httptest.NewRequest(http.MethodGet, api+"/orders", nil)
	r.Header.Set("Authorization", scheme+" "+token)
	r.Header["Dpop"] = proofs
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// TestResourceInTheSameProgram holds that the chain of authority reaches to an API that the provider itself verifies tokens for.
func TestResourceInTheSameProgram(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		guarded := h.guarded("read")
		for _, clientID := range []string{robot, safe} {
			token := h.issued(h.token(clientID, "grant_type", "client_credentials", "scope", "read")).AccessToken
			if got := callAPI(guarded, "Bearer", token); got != http.StatusOK {
				t.Errorf("%s: %d", clientID, got)
			}
			if got := callAPI(guarded, "Bearer", token+"x"); got != http.StatusUnauthorized {
				t.Errorf("%s: another token: %d", clientID, got)
			}
			h.faults.FailAll(nil)
			if got := callAPI(guarded, "Bearer", token); got != http.StatusServiceUnavailable {
				t.Errorf("%s: a store that fails: %d", clientID, got)
			}
			h.faults.Heal()
			h.revoke(clientID, token)
			if got := callAPI(guarded, "Bearer", token); got != http.StatusUnauthorized {
				t.Errorf("%s: revoked: %d", clientID, got)
			}
		}
		if got := callAPI(guarded, "Bearer", h.issued(h.token(robot, "grant_type", "client_credentials", "scope", "write")).AccessToken); got != http.StatusForbidden {
			t.Errorf("another scope: %d", got)
		}
		if got := callAPI(guarded, "Bearer", h.tokens(web).AccessToken); got != http.StatusUnauthorized {
			t.Errorf("a token for userinfo: %d", got)
		}
		if got := callAPI(guarded, "Bearer", h.tokens(web).RefreshToken); got != http.StatusUnauthorized {
			t.Errorf("a refresh token: %d", got)
		}
	})
}

// TestAttackBoundTokenAtAResource holds RFC 9449 §7.1 over the whole chain: the proof counts once, on whichever node.
func TestAttackBoundTokenAtAResource(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		t.Parallel()
		h := newHarness(t, place, withDPoP)
		one, two := h.guarded(), h.guarded() // as on two nodes
		p := h.newProver()
		token := h.issued(p.token(robot, "grant_type", "client_credentials")).AccessToken
		if got := callAPI(one, "Bearer", token); got != http.StatusUnauthorized {
			t.Errorf("as a bearer token: %d", got)
		}
		p.issuer = api
		proof := p.proof(http.MethodGet, "/orders", token)
		if got := callAPI(one, "DPoP", token, proof); got != http.StatusOK {
			t.Errorf("with a proof: %d", got)
		}
		if got := callAPI(two, "DPoP", token, proof); got != http.StatusUnauthorized {
			t.Errorf("with the same proof at another node: %d", got)
		}
	})
}
