package resource_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/signet-idp/signet/oidc/resource"
)

// orderly is a Verifier whose issuer orders its classes.
type orderly struct{ vouching }

func (orderly) ACROrder() []string { return []string{"aal1", "aal2", "aal3"} }

// RFC 9470 §3, RFC 9068 §4: where the issuer orders its classes, one stands for those below it, and for none above; without an order each
// stands for itself.
func TestACROrder(t *testing.T) {
	t.Parallel()
	s := newIssuer(t)
	for name, c := range map[string]struct {
		has, demanded string
		order         []string
		status        int
	}{
		"the class":                       {"aal2", "aal2", nil, http.StatusOK},
		"above, without an order":         {"aal3", "aal2", nil, http.StatusUnauthorized},
		"above":                           {"aal3", "aal2", []string{"aal1", "aal2", "aal3"}, http.StatusOK},
		"below":                           {"aal1", "aal2", []string{"aal1", "aal2", "aal3"}, http.StatusUnauthorized},
		"outside of the order":            {"gold", "aal2", []string{"aal1", "aal2"}, http.StatusUnauthorized},
		"demanded outside of the order":   {"aal2", "gold", []string{"aal1", "aal2"}, http.StatusUnauthorized},
		"none, with an order":             {"", "aal1", []string{"aal1", "aal2"}, http.StatusUnauthorized},
		"one of two, the weaker counting": {"aal2", "aal3 aal1", []string{"aal1", "aal2", "aal3"}, http.StatusOK},
	} {
		g := s.guard(func(config *resource.Config) { config.ACROrder = c.order })
		h := g.With(resource.Requirement{ACR: strings.Fields(c.demanded)})(inside())
		if w := call(h, "Authorization: Bearer "+s.token("acr", c.has)); w.Code != c.status {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	by := s.guard(func(config *resource.Config) { config.Verifier = orderly{vouching(s.claims("acr", "aal3"))} })
	if w := call(by.With(resource.Requirement{ACR: []string{"aal2"}})(inside()), "Authorization: Bearer token"); w.Code != http.StatusOK {
		t.Errorf("by the order of the Verifier: %d", w.Code)
	}
	for _, wrong := range [][]string{{"aal1", "aal1"}, {""}} {
		if _, err := resource.New(resource.Config{Resource: "https://api.example", Issuers: []string{"https://id.example"}, ACROrder: wrong}); err == nil {
			t.Errorf("the order %q", wrong)
		}
	}
}

// TestObserver holds that refusals are told, with whose token it was only where that is proven, never with the token, and at a bounded rate.
func TestObserver(t *testing.T) {
	t.Parallel()
	s := newIssuer(t)
	var mu sync.Mutex
	var seen []resource.Observation
	g := s.guard(func(config *resource.Config) {
		config.Observer = func(_ context.Context, o resource.Observation) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, o)
		}
	})
	h := g.Protect("write")(inside())
	call(h)
	call(h, "Authorization: Bearer "+s.token()) // which may only read
	call(h, "Authorization: Bearer "+s.token("sub", "forged")+"x")
	if len(seen) != 2 || seen[0].Code != "insufficient_scope" || seen[0].ClientID != "web" || seen[0].Subject == "" || seen[0].Path == "" {
		t.Fatalf("told %+v", seen)
	}
	if seen[1].Code != "invalid_token" || seen[1].Subject != "" || seen[1].ClientID != "" {
		t.Errorf("of a token that is not good: %+v", seen[1])
	}
	for range 400 {
		call(h, "Authorization: Bearer x")
	}
	if len(seen) > 302 {
		t.Errorf("%d were told of a flood", len(seen))
	}
}
