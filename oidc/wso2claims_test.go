package oidc_test

import (
	"context"
	"reflect"
	"slices"
	"testing"

	"github.com/signet-idp/signet/oidc"
)

func withWSO2Claims(c *oidc.Config) { c.Features.WSO2Claims = &oidc.WSO2Claims{} }

// An access token says whose it is in WSO2's word, and its scope as a list to those who asked for it; answers to clients and introspection
// keep the text of RFC 6749 §3.3, and so does everybody else.
func TestWSO2Claims(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.register(&oidc.Client{ClientID: "listed", RedirectURIs: []string{callback}, ScopeAsArray: true})
		helper, _ := h.registerAgents()
		person, agent := h.tokens("listed"), h.alone(crew, helper)
		acting := h.issued(h.redeem(crew, h.code(crew, "requested_actor", helper.ID), "actor_token", agent.AccessToken))
		for want, token := range map[string][]string{
			"APPLICATION":      {h.machineToken(robot)},
			"APPLICATION_USER": {person.AccessToken, acting.AccessToken, h.tokens(web).AccessToken},
			"AGENT":            {agent.AccessToken},
		} {
			for _, one := range token {
				if said := claims(t, one); said["aut"] != want || said["isk"] != nil || said["org_id"] != nil {
					t.Errorf("want aut %s of %v", want, said)
				}
			}
		}
		said := claims(t, person.AccessToken)
		if want := []any{"openid", "profile", "offline_access"}; !reflect.DeepEqual(said["scope"], want) {
			t.Errorf("scope = %v", said["scope"])
		}
		a := h.introspect("listed", person.AccessToken)
		if a.member("scope") != person.Scope || person.Scope != "openid profile offline_access" || a.member("aut") != "APPLICATION_USER" {
			t.Errorf("introspection: %s", a)
		}
		if a := h.userInfo(person.AccessToken); a.member("name") == "" {
			t.Errorf("userinfo: %s", a)
		}
		if got := claims(t, h.tokens(web).AccessToken)["scope"]; got != "openid profile offline_access" {
			t.Errorf("scope of a client that did not ask = %v", got)
		}
		if a := h.introspect(vault, h.tokens(vault).AccessToken); a.member("aut") != "APPLICATION_USER" {
			t.Errorf("an opaque token: %s", a)
		}
		_, err := h.Clients.Create(t.Context(), "x", &oidc.Client{RedirectURIs: []string{callback}, ScopeAsArray: true, AccessTokenFormat: oidc.Opaque})
		if got := fields(err); !slices.Equal(got, []string{"enable_jwt_scope_as_array"}) {
			t.Errorf("problems with %v", got)
		}
	}, withWSO2Claims, withAgents)
	h := together(t)
	if claims(t, h.tokens(web).AccessToken)["aut"] != nil {
		t.Error("aut while the feature is off")
	}
}

// A hook has the last word about what the protocol does not know.
func TestWSO2ClaimsAndHook(t *testing.T) {
	t.Parallel()
	h := together(t, withWSO2Claims, func(c *oidc.Config) {
		c.TokenHook = func(_ context.Context, d *oidc.TokenDraft) error {
			d.Claims["aut"] = "SERVICE"
			return nil
		}
	})
	if got := claims(t, h.machineToken(robot))["aut"]; got != "SERVICE" {
		t.Errorf("aut = %v", got)
	}
}
