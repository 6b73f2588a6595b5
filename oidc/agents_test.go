package oidc_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

func withAgents(c *oidc.Config) {
	c.Features.Direct, c.Features.Agents = &oidc.Direct{}, &oidc.Agents{}
	c.Features.DPoP, c.Features.TokenExchange = &oidc.DPoP{}, &oidc.TokenExchange{}
}

const (
	crew   = "crew"   // a client of agents
	rivals = "rivals" // another
)

// bot is an agent with its secret.
type bot struct {
	*directory.Agent
	secret secret.Text
}

// registerAgents registers the clients and makes two agents.
func (h *harness) registerAgents() (helper, other bot) {
	h.tb.Helper()
	for _, id := range []string{crew, rivals} {
		h.register(&oidc.Client{ClientID: id, RedirectURIs: []string{callback}, DirectAuthentication: true, Agents: true})
	}
	return h.agent("Travel Helper"), h.agent("Other")
}

func (h *harness) agent(name string) bot {
	h.tb.Helper()
	a := &directory.Agent{DisplayName: name}
	fresh, err := h.people.Agents.Create(h.tb.Context(), a)
	h.must(err)
	h.noteSecret("secret of agent "+name, fresh.Reveal())
	return bot{a, fresh}
}

// beginDirect sends the first call of an app and returns the name of its flow. What the flow shows is a page.
func (h *harness) beginDirect(clientID string, pairs ...string) string {
	h.tb.Helper()
	before := len(h.persona.interactions())
	h.persona.acts(script{Page: true})
	defer h.persona.acts(script{})
	a := h.post(pathAuthorize, clientID, authorization(clientID, append([]string{"response_mode", "direct"}, pairs...)...))
	asked := h.persona.interactions()
	if len(asked) == before || asked[len(asked)-1].Native == nil {
		h.tb.Fatalf("no prompt: %s", a)
	}
	return asked[len(asked)-1].Native.Flow.Reveal()
}

// answers sends what an app answers.
func (h *harness) answers(flow, login, presented string) *answer {
	h.tb.Helper()
	body, err := json.Marshal(map[string]any{"flowId": flow, "selectedAuthenticator": map[string]any{
		"authenticatorId": "QmFzaWNBdXRoZW50aWNhdG9yOkxPQ0FM", "params": map[string]string{"username": login, "password": presented},
	}})
	h.must(err)
	r := httptest.NewRequest(http.MethodPost, h.issuer+"/oauth2/authn", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	a := h.send(r)
	h.noteSecret("code of an agent", directCode(a))
	return a
}

// signsInAlone is the code of an agent that signs in by itself.
func (h *harness) signsInAlone(clientID string, b bot, pairs ...string) string {
	h.tb.Helper()
	a := h.answers(h.beginDirect(clientID, pairs...), b.ID, b.secret.Reveal())
	code := directCode(a)
	if code == "" {
		h.tb.Fatalf("no code: %s", a)
	}
	return code
}

// directCode is the code that an app was answered; "" is none.
func directCode(a *answer) string {
	var told struct {
		AuthData struct {
			Code string `json:"code"`
		} `json:"authData"`
	}
	_ = json.Unmarshal([]byte(a.Body), &told) // what is no answer has none
	return told.AuthData.Code
}

// alone are the tokens of an agent by itself.
func (h *harness) alone(clientID string, b bot, pairs ...string) issued {
	h.tb.Helper()
	return h.issued(h.redeem(clientID, h.signsInAlone(clientID, b, pairs...)))
}

// An agent proves itself in an app's conversation and gets a code, with PKCE as always; its tokens are about itself, hang on it and on no
// session, and have no more scopes than its roles permit (WSO2's agent authentication; RFC 6749 §4.1).
func TestAgentAlone(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		helper, _ := h.registerAgents()
		trains := h.trains(helper)
		got := h.alone(crew, helper, "scope", "openid profile trains:book trains:drive")
		said := claims(t, got.AccessToken)
		if said["sub"] != helper.ID || said["act"] != nil || said["client_id"] != crew {
			t.Errorf("claims = %v", said)
		}
		if got.Scope != "openid profile trains:book" {
			t.Errorf("scope = %q", got.Scope)
		}
		if aud, _ := said["aud"].([]any); !slices.Contains(aud, any(trains)) {
			t.Errorf("aud = %v", said["aud"])
		}
		if id := claims(t, got.IDToken); id["sub"] != helper.ID || id["sid"] != nil || id["acr"] != directory.ACR1 {
			t.Errorf("ID token = %v", id)
		}
		if a := h.userInfo(got.AccessToken); a.member("name") != "Travel Helper" || a.member("sub") != helper.ID {
			t.Errorf("userinfo: %s", a)
		}
		if a := h.answers(h.beginDirect(crew), "AGENT/"+helper.ID, helper.secret.Reveal()); !strings.Contains(a.Body, "SUCCESS_COMPLETED") {
			t.Errorf("by the longer name: %s", a)
		}
	}, withAgents)
}

// trains is an API whose scope trains:book the agent has by a role, and trains:drive nobody.
func (h *harness) trains(b bot) string {
	h.tb.Helper()
	ctx := h.tb.Context()
	api := &directory.APIResource{Name: "Trains", Identifier: "https://trains.example", Scopes: []directory.APIScope{{Name: "trains:book"}, {Name: "trains:drive"}}}
	h.must(h.people.APIs.Create(ctx, api))
	for _, id := range []string{crew, rivals} {
		h.must(h.people.AuthorizedAPIs.Authorize(ctx, &directory.AuthorizedAPI{
			Application: h.client(id).Application, API: api.Ref(), Scopes: []string{"trains:book", "trains:drive"}, Policy: directory.AuthorizeByRole,
		}))
	}
	role := &directory.Role{Name: "traveller", Permissions: []string{"trains:book"}}
	h.must(h.people.Roles.Create(ctx, role))
	h.must(h.people.Roles.Assign(ctx, role.Ref(), b.Ref()))
	return api.Identifier
}

// For a person the agent is named in the request, put to the person by its name, and named by act in what comes of it; the decision is
// about that agent alone (draft-oauth-ai-agents-on-behalf-of-user; RFC 8693 §4.1).
func TestAgentForPerson(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		helper, other := h.registerAgents()
		acting := h.alone(crew, helper).AccessToken
		code := h.code(crew, "requested_actor", helper.ID)
		asked := h.persona.lastInteraction()
		if len(asked.Consent) == 0 || asked.Consent[0].Params["agent"] != "Travel Helper" || !asked.Consent[0].Mandatory {
			t.Errorf("asked: %+v", asked.Consent)
		}
		got := h.issued(h.redeem(crew, code, "actor_token", acting, "actor_token_type", typeAccess))
		for name, token := range map[string]string{
			"access token": got.AccessToken, "ID token": got.IDToken, "refreshed": h.issued(h.refresh(crew, got.RefreshToken)).AccessToken,
		} {
			said := claims(t, token)
			act, _ := said["act"].(map[string]any)
			if said["sub"] != h.subject(ann).ID || act["sub"] != helper.ID || len(act) != 1 {
				t.Errorf("%s: %v", name, said)
			}
		}
		h.code(crew, "requested_actor", helper.ID)
		if in := h.persona.lastInteraction(); in.Purpose != directory.SignIn {
			t.Errorf("asked again: %+v", in.Consent)
		}
		for _, further := range []string{other.ID, ""} { // another agent, and none
			h.code(crew, "requested_actor", further)
			if in := h.persona.lastInteraction(); in.Purpose != directory.ApproveConsent {
				t.Errorf("agent %q goes by what was allowed another", further)
			}
		}
		all, err := h.Authorizations(t.Context(), h.subject(ann).Ref())
		h.must(err)
		if len(all) != 1 || !slices.ContainsFunc(all[0].Granted, func(i directory.ConsentItem) bool { return i.Params["agent"] == "Travel Helper" }) {
			t.Errorf("authorizations: %+v", all)
		}
		h.must(h.RevokeConsent(t.Context(), h.subject(ann).Ref(), crew))
		if h.introspect(crew, got.AccessToken).active() {
			t.Error("the tokens outlive the consent")
		}
		h.code(crew, "requested_actor", helper.ID)
		if in := h.persona.lastInteraction(); in.Purpose != directory.ApproveConsent || in.Consent[0].Params["agent"] != "Travel Helper" {
			t.Errorf("not asked after the consent was revoked: %+v", in)
		}
	}, withAgents)
}

// With a deleted agent go the consents to it, and nothing else that people have decided; while the store fails the deletion may be repeated.
func TestDeletedAgentLeavesNoConsent(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		helper, other := h.registerAgents()
		for _, agent := range []string{helper.ID, other.ID, ""} {
			h.code(crew, "requested_actor", agent)
		}
		agents := func() (names []string) {
			all, err := h.Consents(t.Context(), h.subject(ann).Ref())
			h.must(err)
			for _, c := range all {
				names = append(names, c.Agent)
			}
			slices.Sort(names)
			return names
		}
		want := []string{"", helper.ID, other.ID}
		slices.Sort(want)
		if got := agents(); !slices.Equal(got, want) {
			t.Fatalf("decided about %q", got)
		}
		gone := store.Ref{ID: helper.ID}
		for calls := 1; ; calls++ {
			h.faults.FailCall(calls, nil)
			err := h.people.Agents.Delete(t.Context(), gone)
			h.faults.Heal()
			if err == nil {
				break
			}
			if calls > 50 {
				t.Fatal("never deleted")
			}
		}
		if got := agents(); !slices.Equal(got, []string{"", other.ID}) {
			t.Errorf("after the deletion there are decisions about %q", got)
		}
	}, withAgents)
}

// An application of the operator's own asks nobody for consent, but about an agent.
func TestAgentNeedsConsent(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		helper, _ := h.registerAgents()
		h.skipConsent(crew)
		h.persona.acts(script{Allow: []string{}})
		request := authorization(crew, "requested_actor", "AGENT/"+helper.ID)
		if a := h.newBrowser().authorize(request); a.errorCode() != "access_denied" {
			t.Errorf("without the consent: %s", a)
		}
		if in := h.persona.lastInteraction(); len(in.Consent) != 1 {
			t.Errorf("asked: %+v", in.Consent)
		}
		h.persona.acts(script{RefuseConsent: directory.Denied})
		if a := h.newBrowser().authorize(request); a.errorCode() != "access_denied" {
			t.Errorf("refused: %s", a)
		}
	}, withAgents)
}

func TestAgentsNeedDirect(t *testing.T) {
	t.Parallel()
	h := together(t, withAgents)
	_, err := oidc.New(oidc.Config{
		Issuer: issuer, DB: h.db, Directory: h.people, Keys: staticKeys{}, Interact: h.persona.Interact,
		Features: oidc.Features{Agents: &oidc.Agents{}},
	})
	if err == nil || !strings.Contains(err.Error(), "Config.Features.Agents needs Config.Features.Direct") {
		t.Errorf("err = %v", err)
	}
	_, err = h.Clients.Create(t.Context(), "x", &oidc.Client{RedirectURIs: []string{callback}, Agents: true})
	if got := fields(err); !slices.Equal(got, []string{"agents"}) {
		t.Errorf("problems with %v", got)
	}
	_, err = together(t).Clients.Create(t.Context(), "x", &oidc.Client{RedirectURIs: []string{callback}, Agents: true})
	if got := fields(err); !slices.Equal(got, []string{"agents"}) {
		t.Errorf("problems with %v while the feature is off", got)
	}
}

func agentDoors() []door {
	return []door{
		{
			name: "agent signs in", config: withAgents, done: func(a *answer) bool { return strings.Contains(a.Body, "SUCCESS_COMPLETED") },
			lost: func(a *answer) bool { return strings.Contains(a.Body, "ABA-60009") },
			open: func(h *harness) attempt {
				helper, _ := h.registerAgents()
				flow := h.beginDirect(crew)
				return attempt{send: func() *answer { return h.answers(flow, helper.ID, helper.secret.Reveal()) }}
			},
		},
		{
			name: "code with an actor token", config: withAgents, done: gotTokens, lost: refusedWith("invalid_grant"),
			open: func(h *harness) attempt {
				helper, _ := h.registerAgents()
				acting, code := h.alone(crew, helper).AccessToken, h.code(crew, "requested_actor", helper.ID)
				return attempt{send: func() *answer { return h.redeem(crew, code, "actor_token", acting) }}
			},
		},
		{
			name: "request with a requested actor", config: withAgents, done: gotCode, lost: eventually,
			open: func(h *harness) attempt {
				helper, _ := h.registerAgents()
				return attempt{send: func() *answer {
					return h.newBrowser().authorize(authorization(crew, "requested_actor", helper.ID))
				}}
			},
		},
	}
}
