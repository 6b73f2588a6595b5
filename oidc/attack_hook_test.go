package oidc_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// A failed exchange after minting must consume nothing (RFC 6749 §4.1.2, the lesson of "a failed exchange revokes only its
// own token"): a hook that refuses, fails, or adds a reserved claim or one that is not JSON leaves code and refresh token as they
// were.
func TestAttackHookFailureConsumesNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hook   oidc.TokenHook
		status int
		code   string
	}{
		"refusal": {func(context.Context, *oidc.TokenDraft) error {
			return &oidc.Error{Code: "invalid_grant", Description: "not today", Status: 400}
		}, http.StatusBadRequest, "invalid_grant"},
		"failure": {func(context.Context, *oidc.TokenDraft) error {
			return errors.New("the policy server is down")
		}, http.StatusServiceUnavailable, "temporarily_unavailable"},
		"reserved claim": {func(_ context.Context, d *oidc.TokenDraft) error {
			d.Claims["sub"] = "somebody-else"
			return nil
		}, http.StatusServiceUnavailable, "temporarily_unavailable"},
		"claim that is not JSON": {func(_ context.Context, d *oidc.TokenDraft) error {
			d.Claims["f"] = func() {}
			return nil
		}, http.StatusServiceUnavailable, "temporarily_unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
				t.Parallel()
				broken := false
				h := newHarness(t, p, func(c *oidc.Config) {
					c.TokenHook = func(ctx context.Context, d *oidc.TokenDraft) error {
						if broken {
							return test.hook(ctx, d)
						}
						return nil
					}
				})
				for _, clientID := range []string{web, vault} {
					code := h.code(clientID)
					broken = true
					if a := h.redeem(clientID, code); a.Status != test.status || a.errorCode() != test.code {
						t.Errorf("redeem: %s", a)
					}
					broken = false
					got := h.issued(h.redeem(clientID, code))
					broken = true
					if a := h.refresh(clientID, got.RefreshToken); a.Status != test.status || a.errorCode() != test.code {
						t.Errorf("refresh: %s", a)
					}
					broken = false
					h.issued(h.refresh(clientID, got.RefreshToken))
				}
			})
		})
	}
}

// A hook or a claims source must not speak for the protocol (RFC 9068 §2.2, OpenID Connect Core §2), in no spelling that a
// reader ignoring case would take for the real claim, and must not reach into what is shared.
func TestAttackHookSpeaksForTheProtocol(t *testing.T) {
	t.Parallel()
	reserved := []string{
		"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash", "s_hash",
		"sid", "cnf", "act", "client_id", "scope", "gid", "aep", "authorization_details",
	}
	for _, plain := range reserved {
		for _, name := range []string{plain, strings.ToUpper(plain), strings.ToUpper(plain[:1]) + plain[1:], strings.Replace(plain, "s", "ſ", 1)} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				placements(t, func(t *testing.T, h *harness) {
					if a := h.token(robot, "grant_type", "client_credentials"); a.Status != http.StatusServiceUnavailable {
						t.Errorf("the hook set %q: %s", name, a)
					}
				}, func(c *oidc.Config) {
					c.TokenHook = func(_ context.Context, d *oidc.TokenDraft) error {
						d.Claims[name] = "evil"
						return nil
					}
				})
			})
		}
	}
}

// A user's own attribute must not become a claim of the protocol in an ID token or at the userinfo endpoint (OpenID Connect
// Core §5.5), even when the client asks for it by name.
func TestAttackAttributeNamedLikeAClaimOfTheProtocol(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		ask := `{"sub":null,"SID":null,"Sub":null,"Iss":null,"name":null}`
		got := h.tokens(web, "claims", `{"id_token":`+ask+`,"userinfo":`+ask+`}`)
		if payload := fmt.Sprint(claims(t, got.IDToken)); strings.Contains(payload, "evil") || !strings.Contains(payload, "name:Ann") {
			t.Errorf("ID token: %s", payload)
		}
		if a := h.userInfo(got.AccessToken); strings.Contains(a.Body, "evil") || a.member("name") != "Ann" {
			t.Errorf("userinfo: %s", a)
		}
	}, func(c *oidc.Config) {
		c.Claims = func(context.Context, *directory.Directory, *directory.Subject) (map[string]any, error) {
			return map[string]any{"sub": "evil", "SID": "evil", "Sub": "evil", "Iss": "evil", "name": "Ann"}, nil
		}
	})
}

// A hook that changes what it was shown changes nothing for anybody else: client metadata is shared between requests.
func TestAttackHookChangesTheClient(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.machineToken(robot)
		if got := h.issued(h.token(robot, "grant_type", "client_credentials", "scope", "read")); got.Scope != "read" {
			t.Errorf("scope is %q", got.Scope)
		}
	}, func(c *oidc.Config) {
		c.TokenHook = func(_ context.Context, d *oidc.TokenDraft) error {
			for i := range d.Client.Scopes {
				d.Client.Scopes[i] = "admin"
			}
			for i := range d.Client.GrantTypes {
				d.Client.GrantTypes[i] = oidc.AuthorizationCode
			}
			for i := range d.Scopes {
				d.Scopes[i] = "admin"
			}
			return nil
		}
	})
}

// A claims source whose map is its own is neither changed nor emptied, whatever requests run beside each other.
func TestAttackClaimsSourceIsShared(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		shared := map[string]any{"name": "Ann", "email": "ann@example.com", "team": "blue"}
		h := newHarness(t, place, func(c *oidc.Config) {
			c.Claims = func(context.Context, *directory.Directory, *directory.Subject) (map[string]any, error) {
				return shared, nil
			}
		})
		got := h.tokens(web)
		for _, a := range atOnce(8, func(int) *answer { return h.userInfo(got.AccessToken) }) {
			if a.member("name") != "Ann" || a.member("team") != "" {
				t.Errorf("userinfo: %s", a)
			}
		}
		if len(shared) != 3 {
			t.Errorf("the source's map is %v", shared)
		}
	})
}

// Deprovisioned user (CVE-2026-16103's class): a person whom the source of people no longer knows is an answer, not a
// failure, at the token and the userinfo endpoint.
func TestAttackPersonIsNoMore(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		gone := false
		h := newHarness(t, place, func(c *oidc.Config) {
			c.Claims = func(ctx context.Context, d *directory.Directory, s *directory.Subject) (map[string]any, error) {
				if gone {
					return nil, fmt.Errorf("ldap: %w", store.ErrNotFound)
				}
				return oidc.DirectoryClaims(ctx, d, s)
			}
		})
		pairs := []string{"claims", `{"id_token":{"email":null}}`}
		got, code := h.tokens(web, pairs...), h.code(web, pairs...)
		gone = true
		if a := h.userInfo(got.AccessToken); a.Status != http.StatusUnauthorized || a.errorCode() != "invalid_token" {
			t.Errorf("userinfo: %s", a)
		}
		if a := h.refresh(web, got.RefreshToken); a.errorCode() != "invalid_grant" {
			t.Errorf("refresh: %s", a)
		}
		if a := h.redeem(web, code); a.errorCode() != "invalid_grant" {
			t.Errorf("redeem: %s", a)
		}
	})
}
