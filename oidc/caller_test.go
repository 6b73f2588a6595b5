package oidc_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
)

// called is the answer of an API of the provider's own, which says whom it has let in, and demands a new sign-in after a minute.
func (h *harness) called(scope, authorization string, proofs ...string) *answer {
	r, w := h.request(http.MethodGet, "/api/me", nil), httptest.NewRecorder()
	r.Header.Set("Authorization", authorization)
	for _, proof := range proofs {
		r.Header.Add("DPoP", proof)
	}
	switch c := h.Caller(w, r, scope); {
	case c == nil:
	case scope == "openid" && c.AuthTime.Before(h.clock.Now().Add(-time.Minute)):
		h.AskAgain(w, r, oidc.Reauthentication{MaxAge: 90 * time.Second, ACR: "aal2"})
	default:
		_, _ = w.WriteString(c.Subject.ID + " " + c.ClientID + " " + c.ACR)
	}
	return &answer{Status: w.Code, Header: w.Header(), Body: w.Body.String()}
}

// The caller of an API of the provider's own is whom the token speaks for, while every link of its chain holds; a store that fails is 503.
func TestCaller(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, clientID := range []string{web, vault} {
			token := h.tokens(clientID, "scope", "openid profile").AccessToken
			if a := h.called("profile", "Bearer "+token); a.Body != h.subject(ann).ID+" "+clientID+" aal1" {
				t.Errorf("%s: %s", clientID, a)
			}
			if a := h.called("email", "Bearer "+token); a.Status != 403 || !strings.Contains(a.Header.Get("WWW-Authenticate"), `scope="email"`) {
				t.Errorf("%s, without the scope: %s", clientID, a)
			}
			h.faults.Forget()
			h.called("profile", "Bearer "+token)
			for n := len(h.faults.Calls()); n > 0; n-- {
				h.faults.FailCall(n, nil)
				if a := h.called("profile", "Bearer "+token); a.Status != 503 || a.Header.Get("Retry-After") == "" {
					t.Errorf("%s, call %d fails: %s", clientID, n, a)
				}
				h.faults.Heal()
			}
			h.must(h.people.Sessions.EndAllOf(t.Context(), h.subject(ann).Ref(), "", "test"))
			if a := h.called("profile", "Bearer "+token); a.Status != 401 || a.errorCode() != "invalid_token" {
				t.Errorf("%s, after the session: %s", clientID, a)
			}
		}
		if a := h.called("read", "Bearer "+h.machineToken(robot)); a.Status != 401 || a.errorCode() != "invalid_token" {
			t.Errorf("a client for itself: %s", a)
		}
		token := h.tokens(web, "scope", "openid").AccessToken
		h.clock.advance(2 * time.Minute)
		a := h.called("openid", "Bearer "+token)
		if challenge := a.Header.Get("WWW-Authenticate"); a.Status != 401 || !strings.HasSuffix(challenge, `acr_values="aal2", max_age=90`) || a.errorCode() != "insufficient_user_authentication" {
			t.Errorf("%s %q", a, challenge)
		}
	})
}

// A token that is bound to a key opens nothing as a bearer token, with the proof of another key, or with one proof twice.
func TestAttackCallerWithABoundToken(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		p, thief := h.newProver(), h.newProver()
		token := h.issued(p.redeem(web, h.code(web, "scope", "openid"))).AccessToken
		own := p.proof(http.MethodGet, "/api/me", token)
		if a := h.called("openid", "DPoP "+token, own); a.Status != 200 {
			t.Fatalf("%s", a)
		}
		for name, a := range map[string]*answer{
			"as a bearer token":            h.called("openid", "Bearer "+token),
			"without a proof":              h.called("openid", "DPoP "+token),
			"with a proof that was used":   h.called("openid", "DPoP "+token, own),
			"with the proof of a thief":    h.called("openid", "DPoP "+token, thief.proof(http.MethodGet, "/api/me", token)),
			"with a proof for another URL": h.called("openid", "DPoP "+token, p.proof(http.MethodGet, "/api/you", token)),
		} {
			if a.Status != 401 {
				t.Errorf("%s: %s", name, a)
			}
		}
	}, func(c *oidc.Config) { c.Features.DPoP = &oidc.DPoP{} })
}

// Whoever acts for a person is not the person.
func TestAttackCallerWhoActsForAnother(t *testing.T) {
	t.Parallel()
	exchangesIn(t, func(t *testing.T, h *harness) {
		subject := h.fronts()
		h.persona.acts(script{User: bob})
		agent := h.tokens(front, "scope", "openid")
		token := h.issued(h.exchange(front, subject.AccessToken, typeAccess, "actor_token", agent.IDToken, "actor_token_type", typeID)).AccessToken
		if claims(t, token)["act"] == nil {
			t.Fatal("nobody acts")
		}
		if a := h.called("openid", "Bearer "+token); a.Status != 401 {
			t.Errorf("%s", a)
		}
	})
}
