package oidc_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/storetest"
)

// without is a hook that removes a scope, from people alone or from everybody.
func without(scope string, fromPeople bool) oidc.ScopeHook {
	return func(_ context.Context, d *oidc.ScopeDraft) error {
		if !fromPeople || !d.Subject.IsZero() {
			d.Scopes = slices.DeleteFunc(d.Scopes, func(s string) bool { return s == scope })
		}
		return nil
	}
}

// What the hook removes is neither asked of the person nor granted, and what it removes later is left out of renewed tokens (RFC 6749
// §3.3, §6).
func TestScopeHook(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		t.Parallel()
		hook := without("email", true)
		h := newHarness(t, p, func(c *oidc.Config) {
			c.ScopeHook = func(ctx context.Context, d *oidc.ScopeDraft) error { return hook(ctx, d) }
		})
		got := h.issued(h.redeem(web, h.code(web, "scope", "openid profile email")))
		if got.Scope != "openid profile" {
			t.Errorf("granted is %q", got.Scope)
		}
		for _, item := range h.persona.lastInteraction().Consent {
			if strings.Contains(item.ID, "email") {
				t.Errorf("the person is asked for %v", item)
			}
		}
		hook = without("profile", true)
		if renewed := h.issued(h.refresh(web, got.RefreshToken)); renewed.Scope != "openid" {
			t.Errorf("renewed with %q", renewed.Scope)
		}
		hook = without("read", false)
		if a := h.token(robot, "grant_type", "client_credentials", "scope", "read"); a.errorCode() != "invalid_scope" {
			t.Errorf("nothing is left: %s", a)
		}
	})
}

// A hook can add nothing, and when it fails nothing is granted and nothing used up.
func TestAttackScopeHook(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		t.Parallel()
		fails := false
		h := newHarness(t, p, func(c *oidc.Config) {
			c.ScopeHook = func(_ context.Context, d *oidc.ScopeDraft) error {
				if fails {
					return errors.New("the policy server is down")
				}
				d.Client.Scopes = append(d.Client.Scopes, "admin")
				d.Scopes = append(d.Scopes, "admin", "offline_access", "write")
				return nil
			}
		})
		if got := h.issued(h.token(robot, "grant_type", "client_credentials", "scope", "read")); got.Scope != "read" {
			t.Errorf("granted is %q", got.Scope)
		}
		code := h.code(web)
		fails = true
		if a := h.redeem(web, code); a.Status != http.StatusServiceUnavailable {
			t.Errorf("the code with a hook that fails: %s", a)
		}
		if a := h.token(robot, "grant_type", "client_credentials", "scope", "read"); a.Status != http.StatusServiceUnavailable {
			t.Errorf("client credentials with a hook that fails: %s", a)
		}
		fails = false
		got := h.issued(h.redeem(web, code))
		fails = true
		if a := h.refresh(web, got.RefreshToken); a.Status != http.StatusServiceUnavailable {
			t.Errorf("the refresh token with a hook that fails: %s", a)
		}
		fails = false
		h.issued(h.refresh(web, got.RefreshToken))
	})
}
