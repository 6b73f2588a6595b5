package oidc_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
)

// TestAttackActorToken: a code that names an agent is redeemed with an access token of that agent, given to this client and for the
// provider, and with nothing else that lies about (draft-oauth-ai-agents-on-behalf-of-user; RFC 8693 §7).
func TestAttackActorToken(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		helper, other := h.registerAgents()
		trains := h.trains(helper)
		own := h.alone(crew, helper)
		delegated := h.issued(h.redeem(crew, h.code(crew, "requested_actor", helper.ID), "actor_token", own.AccessToken))
		refused := map[string]string{
			"of another agent":           h.alone(crew, other).AccessToken,
			"of another client":          h.alone(rivals, helper).AccessToken,
			"for an API alone":           h.alone(crew, helper, "scope", "trains:book").AccessToken,
			"of a person":                h.tokens(crew).AccessToken,
			"of the agent for a person":  delegated.AccessToken,
			"an ID token":                own.IDToken,
			"a refresh token":            own.RefreshToken,
			"of a machine":               h.machineToken(robot),
			"nothing":                    "",
			"forged":                     own.AccessToken[:len(own.AccessToken)-8] + "AAAAAAAA",
			"the secret of the agent":    helper.secret.Reveal(),
			"longer than anybody's":      strings.Repeat("x", 20_000),
			"somebody else's code of it": h.signsInAlone(crew, helper),
		}
		if aud := claims(t, refused["for an API alone"])["aud"]; aud != trains {
			t.Fatalf("aud = %v", aud)
		}
		code := h.code(crew, "requested_actor", helper.ID)
		for name, token := range refused {
			a := h.redeem(crew, code, "actor_token", token)
			if want := "invalid_grant"; a.errorCode() != want && !(token == "" && a.errorCode() == "invalid_request") {
				t.Errorf("%s: %s", name, a)
			}
		}
		if a := h.redeem(crew, code); a.errorCode() != "invalid_request" {
			t.Errorf("without a token: %s", a)
		}
		if a := h.redeem(crew, code, "actor_token", own.AccessToken, "actor_token_type", typeRefresh); a.errorCode() != "invalid_request" {
			t.Errorf("as another type: %s", a)
		}
		if a := h.redeem(crew, code, "actor_token", own.AccessToken); a.Status != http.StatusOK { // a refusal consumes nothing
			t.Errorf("the right one afterwards: %s", a)
		}
	}, withAgents)
}

// TestAttackActorTokenExpired: what was an agent's proof is none any more once it has expired or was revoked, also at that moment.
func TestAttackActorTokenExpired(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		helper, _ := h.registerAgents()
		acting := h.alone(crew, helper).AccessToken
		h.clock.advance(time.Hour)
		code := h.code(crew, "requested_actor", helper.ID)
		if a := h.redeem(crew, code, "actor_token", acting); a.errorCode() != "invalid_grant" {
			t.Errorf("expired: %s", a)
		}
		acting = h.alone(crew, helper).AccessToken
		h.revoke(crew, acting)
		if a := h.redeem(crew, code, "actor_token", acting); a.errorCode() != "invalid_grant" {
			t.Errorf("revoked: %s", a)
		}
		acting = h.alone(crew, helper).AccessToken
		a := h.midway("oidc.grant", func() error { h.revoke(crew, acting); return nil },
			func() *answer { return h.redeem(crew, code, "actor_token", acting) })
		if a.errorCode() != "invalid_grant" {
			t.Errorf("revoked in this moment: %s", a)
		}
		acting = h.alone(crew, helper).AccessToken
		if a := h.redeem(crew, code, "actor_token", acting); a.Status != http.StatusOK { // the code was not taken for used
			t.Errorf("a good one afterwards: %s", a)
		}
	}, withAgents)
}

// TestAttackActorWithoutRequest: nobody becomes an actor to whom the person has not agreed, and no request for one is answered as if
// it were none.
func TestAttackActorWithoutRequest(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		helper, other := h.registerAgents()
		gone := h.agent("gone")
		h.must(h.people.Agents.Delete(t.Context(), gone.Ref()))
		h.must(h.people.Subjects.Disable(t.Context(), other.Ref()))
		acting := h.alone(crew, helper).AccessToken
		if a := h.redeem(crew, h.code(crew), "actor_token", acting); a.errorCode() != "invalid_request" {
			t.Errorf("an actor that nobody asked for: %s", a)
		}
		for _, id := range []string{
			"AGENT/", h.subject(bob).ID, h.subject(ann).ID, gone.ID, other.ID, store.NewID(), crew, helper.ID + " " + other.ID,
			strings.ToUpper(helper.ID), helper.DisplayName, helper.ID + "\x00",
		} {
			request := authorization(crew)
			request.Set("requested_actor", id)
			if a := h.newBrowser().authorize(request); a.errorCode() != "invalid_request" {
				t.Errorf("requested_actor %q: %s", id, a)
			}
		}
		for _, clientID := range []string{web, spa} {
			if a := h.newBrowser().authorize(authorization(clientID, "requested_actor", helper.ID)); a.errorCode() != "invalid_request" {
				t.Errorf("a client without agents: %s", a)
			}
		}
		h.register(&oidc.Client{
			ClientID: "implicit", RedirectURIs: []string{callback}, DirectAuthentication: true, Agents: true,
			GrantTypes: []oidc.GrantType{oidc.AuthorizationCode, oidc.Implicit}, ResponseTypes: []string{"code", "code id_token"},
		})
		if a := h.newBrowser().authorize(authorization("implicit", "requested_actor", helper.ID, "response_type", "code id_token")); a.errorCode() != "invalid_request" {
			t.Errorf("in front: %s", a)
		}
		if a := h.post(pathAuthorize, crew, authorization(crew, "response_mode", "direct", "requested_actor", helper.ID)); a.member("code") != "ABA-60001" {
			t.Errorf("without a browser: %s", a)
		}
	}, withAgents, legacy)
	off := together(t)
	if a := off.newBrowser().authorize(authorization(web, "requested_actor", store.NewID())); a.errorCode() != "invalid_request" {
		t.Errorf("with the feature off: %s", a)
	}
}

// TestAttackAgentBlockedMeanwhile: an agent that is disabled, deleted or given another secret between the consent and the redemption acts for
// nobody, also when it is enabled again: the person is asked by a fresh request.
func TestAttackAgentBlockedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, block := range map[string]func(h *harness, b bot) error{
		"disabled": func(h *harness, b bot) error { return h.people.Subjects.Disable(h.tb.Context(), b.Ref()) },
		"deleted":  func(h *harness, b bot) error { return h.people.Agents.Delete(h.tb.Context(), b.Ref()) },
		"other secret": func(h *harness, b bot) error {
			_, err := h.people.Agents.RegenerateSecret(h.tb.Context(), b.Ref())
			return err
		},
		"disabled for a while": func(h *harness, b bot) error {
			h.must(h.people.Subjects.Disable(h.tb.Context(), b.Ref()))
			return h.people.Subjects.Enable(h.tb.Context(), b.Ref())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			placements(t, func(t *testing.T, h *harness) {
				helper, _ := h.registerAgents()
				own := h.alone(crew, helper)
				used := h.issued(h.redeem(crew, h.code(crew, "requested_actor", helper.ID), "actor_token", own.AccessToken))
				code, atOnce := h.code(crew, "requested_actor", helper.ID), h.code(crew, "requested_actor", helper.ID)
				flow, alone := h.beginDirect(crew), h.signsInAlone(crew, helper)
				a := h.midway("oidc.grant", func() error { return block(h, helper) },
					func() *answer { return h.redeem(crew, atOnce, "actor_token", own.AccessToken) })
				if a.errorCode() != "invalid_grant" {
					t.Errorf("in this moment: %s", a)
				}
				for what, token := range map[string]string{"own": own.AccessToken, "delegated": used.AccessToken} {
					if h.introspect(crew, token).active() || h.userInfo(token).Status != http.StatusUnauthorized {
						t.Errorf("the %s token lives", what)
					}
				}
				for what, a := range map[string]*answer{
					"code":               h.redeem(crew, code, "actor_token", own.AccessToken),
					"code of its own":    h.redeem(crew, alone),
					"refresh of its own": h.refresh(crew, own.RefreshToken),
					"refresh of people":  h.refresh(crew, used.RefreshToken),
				} {
					if a.errorCode() != "invalid_grant" {
						t.Errorf("%s: %s", what, a)
					}
				}
				if name == "disabled for a while" {
					fresh := h.alone(crew, helper).AccessToken
					if a := h.redeem(crew, code, "actor_token", fresh); a.errorCode() != "invalid_grant" {
						t.Errorf("an old consent with a fresh token: %s", a)
					}
					return
				}
				if a := h.answers(flow, helper.ID, helper.secret.Reveal()); a.member("code") != "ABA-60002" {
					t.Errorf("sign-in: %s", a)
				}
			}, withAgents)
		})
	}
}

// TestAttackAgentBlockedAtConsent: the agent is judged when the person answers too, not only when the request comes.
func TestAttackAgentBlockedAtConsent(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		helper, _ := h.registerAgents()
		h.persona.acts(script{Page: true})
		b := h.newBrowser()
		a := b.get(pathAuthorize + "?" + authorization(crew, "requested_actor", helper.ID).Encode())
		h.must(h.people.Subjects.Disable(t.Context(), helper.Ref()))
		if a := b.follow(a); a.errorCode() != "access_denied" {
			t.Errorf("%s", a)
		}
	}, withAgents)
}

// TestAttackAgentSignIn: a wrong secret, somebody else's, and people's names get nothing of it, and one wrong answer ends the sign-in.
func TestAttackAgentSignIn(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		helper, other := h.registerAgents()
		for login, presented := range map[string]string{
			helper.ID: other.secret.Reveal(), other.ID: "", store.NewID(): helper.secret.Reveal(), "AGENT/" + h.subject(ann).ID: "x",
			h.subject(ann).ID: helper.secret.Reveal(),
		} {
			flow := h.beginDirect(crew)
			a := h.answers(flow, login, presented)
			if a.member("code") != "ABA-60002" || !strings.Contains(a.Body, "the id or the secret of the agent is wrong") {
				t.Errorf("%q: %s", login, a)
			}
			if a := h.answers(flow, helper.ID, helper.secret.Reveal()); a.member("code") != "ABA-60009" {
				t.Errorf("after a wrong answer: %s", a)
			}
		}
		// Where people would be asked for consent, no program speaks for them.
		if a := h.answers(h.beginDirect(crew), ann, "password"); a.member("code") != "ABA-60007" {
			t.Errorf("a person: %s", a)
		}
		h.register(&oidc.Client{ClientID: "people", RedirectURIs: []string{callback}, DirectAuthentication: true})
		h.skipConsent("people")
		flow := h.beginDirect("people")
		if a := h.answers(flow, helper.ID, helper.secret.Reveal()); claims(t, h.issued(h.redeem("people", directCode(a))).AccessToken)["sub"] == helper.ID {
			t.Error("an agent signs in to a client that is for people")
		}
		used := h.beginDirect(crew)
		h.answers(used, helper.ID, helper.secret.Reveal())
		if a := h.answers(used, helper.ID, helper.secret.Reveal()); a.member("code") != "ABA-60009" {
			t.Errorf("answered twice: %s", a)
		}
	}, withAgents)
}

// TestAttackActorTokenOfAnotherKey: a token that is bound to a key is an actor's only with the proof of it (RFC 9449 §5).
func TestAttackActorTokenOfAnotherKey(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		helper, _ := h.registerAgents()
		holder, thief := h.newProver(), h.newProver()
		send := func(p *prover, form map[string]string) *answer {
			r := h.request(http.MethodPost, pathToken, values("grant_type", "authorization_code", "redirect_uri", callback, "code_verifier", verifier, "code", form["code"]))
			if form["actor_token"] != "" {
				r = h.request(http.MethodPost, pathToken, values("grant_type", "authorization_code", "redirect_uri", callback,
					"code_verifier", verifier, "code", form["code"], "actor_token", form["actor_token"]))
			}
			r.SetBasicAuth(crew, clientSecret(crew))
			if p != nil {
				r.Header.Set("DPoP", p.proof(http.MethodPost, pathToken, ""))
			}
			return h.send(r)
		}
		acting := h.issued(send(holder, map[string]string{"code": h.signsInAlone(crew, helper)})).AccessToken
		code := h.code(crew, "requested_actor", helper.ID)
		for name, p := range map[string]*prover{"no key": nil, "another key": thief} {
			if a := send(p, map[string]string{"code": code, "actor_token": acting}); a.errorCode() != "invalid_grant" {
				t.Errorf("%s: %s", name, a)
			}
		}
		if a := send(holder, map[string]string{"code": code, "actor_token": acting}); a.Status != http.StatusOK {
			t.Errorf("by the holder: %s", a)
		}
	}, withAgents)
}
