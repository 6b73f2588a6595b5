package oidc_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
)

func withTokenReuse(c *oidc.Config) { c.Features.TokenReuse = &oidc.TokenReuse{} }

// thrifty registers machines that are given their tokens again, of either form.
func thrifty(h *harness) []string {
	for _, f := range []oidc.TokenFormat{oidc.JWT, oidc.Opaque} {
		h.register(&oidc.Client{
			ClientID: "thrifty-" + string(f), GrantTypes: []oidc.GrantType{oidc.ClientCredentials}, Scopes: []string{"read", "write"}, Audience: []string{api},
			AccessTokenFormat: f, ReuseAccessToken: true,
		})
	}
	return []string{"thrifty-jwt", "thrifty-opaque"}
}

// WSO2's TOK-4: while a token lives it is given again with what is left of its life; what says anything else is another; and others get
// one of their own each time.
func TestTokenReuse(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, id := range thrifty(h) {
			ask := func(scope string) issued {
				return h.issued(h.token(id, "grant_type", "client_credentials", "scope", scope))
			}
			first := ask("read")
			h.clock.advance(10 * time.Minute)
			second, other := ask("read"), ask("read write")
			if second.AccessToken != first.AccessToken || second.ExpiresIn != first.ExpiresIn-600 || second.Scope != "read" || other.AccessToken == first.AccessToken {
				t.Errorf("%s: %+v, then %+v, and %+v", id, first, second, other)
			}
			h.clock.advance(50 * time.Minute)
			third := ask("read")
			if third.AccessToken == first.AccessToken || third.ExpiresIn != 3600 {
				t.Errorf("%s: when it has died: %+v", id, third)
			}
			if a := h.revoke(id, third.AccessToken); a.Status != http.StatusOK {
				t.Errorf("%s: %s", id, a)
			}
			fourth := ask("read")
			if fourth.AccessToken == third.AccessToken || !h.introspect(server, fourth.AccessToken).active() {
				t.Errorf("%s: a revoked token is given again", id)
			}
		}
		if first, second := h.machineToken(robot), h.machineToken(robot); first == second {
			t.Error("a client that did not ask for it")
		}
	}, withTokenReuse)
	h := together(t, withTokenReuse)
	if _, err := h.Clients.Create(t.Context(), "", &oidc.Client{RedirectURIs: []string{callback}, ReuseAccessToken: true}); !slices.Equal(fields(err), []string{"reuse_access_token"}) {
		t.Errorf("a client for people: %v", err)
	}
}

// Equal requests at once: all get the one token, and none an error.
func TestAttackTokenReuseInParallel(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, id := range thrifty(h) {
			tokens := make([]string, 64)
			var asking sync.WaitGroup
			for i := range tokens {
				asking.Go(func() { tokens[i] = h.token(id, "grant_type", "client_credentials").member("access_token") })
			}
			asking.Wait()
			if slices.Sort(tokens); tokens[0] == "" || len(slices.Compact(tokens)) != 1 {
				t.Errorf("%s: different tokens, or none", id)
			}
		}
	}, withTokenReuse)
}

// A token that is given again is given to nobody else: not after the application was disabled and enabled, not to another client, and what lies in the
// store is sealed (which every harness looks for).
func TestAttackTokenReuseAfterTheEnd(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, id := range thrifty(h) {
			held := h.machineToken(id)
			h.must(h.people.Applications.Disable(t.Context(), h.client(id).Application))
			h.clock.advance(2 * time.Second)
			if a := h.token(id, "grant_type", "client_credentials"); a.errorCode() != "unauthorized_client" {
				t.Errorf("%s of a disabled application: %s", id, a)
			}
			h.must(h.people.Applications.Enable(t.Context(), h.client(id).Application))
			h.clock.advance(2 * time.Second)
			if h.machineToken(id) == held {
				t.Errorf("%s: the token of before is given again", id)
			}
		}
	}, withTokenReuse)
}

// TestTokenReuseFaults breaks the store under a token that is given again, and under the first.
func TestTokenReuseFaults(t *testing.T) {
	t.Parallel()
	ask := func(h *harness) *answer { return h.token("thrifty-opaque", "grant_type", "client_credentials") }
	faults(t, []door{
		{name: "first", done: gotTokens, open: func(h *harness) attempt {
			thrifty(h)
			return attempt{send: func() *answer { return ask(h) }}
		}},
		{name: "again", done: gotTokens, open: func(h *harness) attempt {
			thrifty(h)
			ask(h)
			return attempt{send: func() *answer { return ask(h) }}
		}},
	}, withTokenReuse)
}
