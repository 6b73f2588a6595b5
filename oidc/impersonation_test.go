package oidc_test

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
)

const support = "support" // an application of people who help others

// impersonating lets bob act as ann.
func impersonating(c *oidc.Config) {
	exchanging()(c)
	c.Features.Impersonation = &oidc.Impersonation{Permit: func(_ context.Context, r oidc.ImpersonationRequest) error {
		if slices.Contains(r.Scopes, "never") {
			return &oidc.Error{Code: "access_denied", Description: "not this one", Status: 403}
		}
		return nil
	}}
}

func (h *harness) registerSupport() *harness {
	h.register(&oidc.Client{
		ClientID: support, RedirectURIs: []string{callback}, ResponseTypes: []string{"id_token subject_token", "subject_token"},
		GrantTypes: []oidc.GrantType{oidc.Implicit, oidc.TokenExchangeGrant}, Audience: []string{api},
		Scopes: []string{"openid", "read", "never", "internal_user_impersonate"},
	})
	return h
}

// impersonate asks for a subject token about ann as bob, and returns what came in the fragment.
func (h *harness) impersonate(pairs ...string) url.Values {
	h.persona.acts(script{User: bob})
	all := append([]string{
		"response_type", "id_token subject_token", "requested_subject", h.subject(ann).ID,
		"scope", "openid read internal_user_impersonate", "code_challenge", "", "code_challenge_method", "",
	}, pairs...)
	a := h.newBrowser().authorize(authorization(support, all...))
	u := a.location()
	if u == nil {
		h.tb.Fatalf("no answer: %s", a)
	}
	got, err := url.ParseQuery(u.Fragment)
	h.must(err)
	h.noteSecret("subject token", got.Get("subject_token"))
	h.noteSecret("ID token", got.Get("id_token"))
	return got
}

// exchangeAs exchanges a subject token with the ID token of whoever acts.
func (h *harness) exchangeAs(subject, actor string) *answer {
	return h.exchange(support, subject, typeJWT, "actor_token", actor, "actor_token_type", typeID, "scope", "read")
}

// TestImpersonation: a subject token names who may act, and with their ID token yields tokens about the other (RFC 8693 §4.1, §4.4).
func TestImpersonation(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.registerSupport()
		got := h.impersonate()
		c := claims(t, got.Get("subject_token"))
		annID, bobID := h.subject(ann).ID, h.subject(bob).ID
		if c["sub"] != annID || c["may_act"].(map[string]any)["sub"] != bobID || c["azp"] != support || c["exp"].(float64)-c["iat"].(float64) != 180 {
			t.Errorf("subject token: %v", c)
		}
		if claims(t, got.Get("id_token"))["sub"] != bobID || got.Get("access_token") != "" {
			t.Errorf("answer: %v", got)
		}
		tokens := h.issued(h.exchangeAs(got.Get("subject_token"), got.Get("id_token")))
		access := claims(t, tokens.AccessToken)
		if access["sub"] != annID || access["act"].(map[string]any)["sub"] != bobID || access["scope"] != "read" || access["auth_time"] != nil {
			t.Errorf("access token: %v", access)
		}
		if a := h.introspect(support, tokens.AccessToken); !a.active() {
			t.Errorf("introspection: %s", a)
		}
		if !slices.Contains(h.events(), "oidc.impersonation.begun") {
			t.Errorf("events: %v", h.events())
		}
		h.must(h.people.Sessions.End(t.Context(), h.persona.lastSession().Ref(), "test"))
		if h.introspect(support, tokens.AccessToken).active() {
			t.Error("it lives on without the session of who acts")
		}
	}, impersonating)
}

// TestAttackImpersonation: no subject token without the scope, the permission and a target; and none is of use to another, without the one it
// names, for anything but an exchange, or for long.
func TestAttackImpersonation(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.registerSupport()
		for name, c := range map[string]struct {
			pairs []string
			code  string
		}{
			"no scope":      {[]string{"scope", "openid read"}, "invalid_scope"},
			"no target":     {[]string{"requested_subject", ""}, "invalid_request"},
			"no such one":   {[]string{"requested_subject", "nobody"}, "access_denied"},
			"oneself":       {[]string{"requested_subject", h.subject(bob).ID}, "access_denied"},
			"not permitted": {[]string{"scope", "openid never internal_user_impersonate"}, "access_denied"},
		} {
			if got := h.impersonate(c.pairs...); got.Get("error") != c.code || got.Has("subject_token") || got.Has("id_token") {
				t.Errorf("%s: %v", name, got)
			}
		}
		h.persona.acts(script{User: bob, Allow: []string{"read"}})
		got := h.impersonate()
		subject, actor := got.Get("subject_token"), got.Get("id_token")
		if a := h.userInfo(subject); a.Status == 200 {
			t.Errorf("it opens userinfo: %s", a)
		}
		if h.introspect(support, subject).active() {
			t.Error("it is an access token")
		}
		h.persona.acts(script{})
		third := h.tokens(web, "scope", "openid").IDToken
		for name, a := range map[string]*answer{
			"without the actor":  h.exchange(support, subject, typeJWT),
			"as access token":    h.exchange(support, subject, typeAccess, "actor_token", actor, "actor_token_type", typeID),
			"by another client":  h.exchange(support, subject, typeJWT, "actor_token", third, "actor_token_type", typeID),
			"the actor's as own": h.exchange(support, actor, typeID, "actor_token", subject, "actor_token_type", typeJWT),
		} {
			if a.errorCode() != "invalid_request" {
				t.Errorf("%s: %s", name, a)
			}
		}
		h.clock.advance(3 * time.Minute)
		if a := h.exchangeAs(subject, actor); a.errorCode() != "invalid_request" {
			t.Errorf("late: %s", a)
		}
		got = h.impersonate()
		h.must(h.people.Subjects.Disable(t.Context(), h.subject(bob).Ref()))
		if a := h.exchangeAs(got.Get("subject_token"), got.Get("id_token")); a.errorCode() != "invalid_request" {
			t.Errorf("a blocked impersonator: %s", a)
		}
	}, impersonating)
}

// TestAttackImpersonatorForgotten: an ID token about the other says who acts, and no exchange of it leads to a token that does not
// (RFC 8693 §4.1).
func TestAttackImpersonatorForgotten(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.registerSupport()
		bobID := h.subject(bob).ID
		for range 8 { // the order of grants is that of their ids, which are random
			got := h.impersonate()
			a := h.exchange(support, got.Get("subject_token"), typeJWT, "actor_token", got.Get("id_token"), "actor_token_type", typeID,
				"scope", "openid read", "requested_token_type", typeID)
			token := a.member("access_token")
			h.noteSecret("ID token about the other", token)
			if act, _ := claims(t, token)["act"].(map[string]any); act["sub"] != bobID {
				t.Fatalf("the ID token says %v", claims(t, token))
			}
			access := claims(t, h.issued(h.exchange(support, token, typeID)).AccessToken)
			if act, _ := access["act"].(map[string]any); act["sub"] != bobID || access["scope"] != "openid read" {
				t.Errorf("the access token says %v", access)
			}
		}
	}, impersonating)
}

// TestImpersonationFaults breaks the store under the request for a subject token, and under its exchange: nothing is begun by halves.
func TestImpersonationFaults(t *testing.T) {
	t.Parallel()
	pairs := []string{
		"response_type", "id_token subject_token", "scope", "openid read internal_user_impersonate", "code_challenge", "", "code_challenge_method", "",
	}
	faults(t, []door{
		{name: "begin", done: func(a *answer) bool {
			u := a.location()
			return u != nil && strings.Contains(u.Fragment, "subject_token=")
		}, lost: func(a *answer) bool {
			return a.errorCode() == "request_finished" || strings.Contains(a.Header.Get("Location"), "subject_token=")
		}, open: func(h *harness) attempt {
			h.registerSupport()
			h.persona.acts(script{User: bob})
			request, b := authorization(support, append(pairs, "requested_subject", h.subject(ann).ID)...), h.newBrowser()
			return attempt{send: func() *answer { return b.authorize(request) }}
		}},
		{name: "exchange", done: gotTokens, open: func(h *harness) attempt {
			h.registerSupport()
			got := h.impersonate()
			return attempt{send: func() *answer { return h.exchangeAs(got.Get("subject_token"), got.Get("id_token")) }}
		}},
	}, impersonating)
}
