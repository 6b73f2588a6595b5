package oidc

import (
	"context"
	"errors"
	"slices"

	"github.com/signet-idp/signet/internal/aba"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Agents lets software agents (directory.Agent) have tokens of their own, and act for people who allow it, in the way of WSO2 Identity
// Server and of draft-oauth-ai-agents-on-behalf-of-user. It is for clients with Client.Agents; Direct must be on.
//
// An agent signs in by itself as people do in an app: the client begins a request with response_mode=direct and answers the first prompt
// with the agent's id, or "AGENT/id", and its secret as username and password. No session comes of that, and one wrong answer ends it. What
// the agent may do is what its roles permit, and where none are asked for, what the client may; nobody is asked for consent.
//
// For a person the client names the agent by requested_actor in an ordinary request for a code. The person is asked about the agent by name,
// whatever Application.SkipConsent says, and their consent is remembered for each agent by itself. The code is redeemed together
// with actor_token: an access token that the agent has by itself, that this client was given and that is for the provider, not for an API
// alone. What is issued is about the person, and act names the agent (RFC 8693 §4.1). Disabling the agent, replacing its secret
// or deleting it ends all of it.
type Agents struct{}

func (f Agents) part(p *Provider) (part, error) {
	var problem error
	if p.config.Features.Direct == nil {
		problem = errors.New("oidc: Config.Features.Agents needs Config.Features.Direct, by which agents sign in")
	}
	return part{features: []string{"agents"}, check: func(c *Client, bad report) {
		if c.Agents && !c.DirectAuthentication {
			bad("agents", "needs direct_authentication, by which agents sign in")
		}
	}}, problem
}

// hasAgents reports whether the client is one for agents.
func (p *Provider) hasAgents(c *Client) bool { return p.config.Features.Agents != nil && c.Agents }

// agentAnswer is what an agent answers: its name and its secret, where an app sends those of a person.
type agentAnswer struct {
	Params struct {
		Login  string      `json:"username"`
		Secret secret.Text `json:"password"`
	} `json:"params"`
}

// agentAnswer reads what an agent answers; an empty login is somebody else's answer.
func (p *Provider) agentAnswer(c *Client, q *authorizationRequest) (answer agentAnswer) {
	if !p.hasAgents(c) || q.native == nil {
		return answer
	}
	// What is no such answer, the flow will judge.
	if strictjson.Unmarshal(q.native.Answer, &answer, strictjson.Depth(5)) != nil || directory.AgentID(answer.Params.Login) == "" {
		return agentAnswer{}
	}
	return answer
}

// whoAnswers is the flow, but where an agent proves by itself who it is.
func (p *Provider) whoAnswers(ctx context.Context, c *Client, app *directory.Application, q *authorizationRequest) (*directory.Result, error) {
	answer := p.agentAnswer(c, q)
	if answer.Params.Login == "" {
		if q.native != nil && q.native.Answer != nil && !app.SkipConsent { // see judgeDirect
			return nil, &directError{code: aba.Off, description: "the application asks people for consent, which no program can give"}
		}
		return nil, nil
	}
	subject, err := p.config.Directory.Agents.Authenticate(ctx, q.Org, answer.Params.Login, answer.Params.Secret)
	if errors.Is(err, directory.ErrAgent) {
		return nil, p.endDirect(ctx, q)
	}
	if err != nil {
		return nil, unavailable(err)
	}
	q.alone = true
	return &directory.Result{
		Subject: subject.Ref(), SubjectVersion: subject.Version, SubjectEpoch: subject.Epoch,
		Evidence: []directory.Evidence{{Method: directory.ByAgentSecret, AMR: []string{"pwd"}, Subject: subject.ID, Time: p.db.Now()}},
	}, nil
}

// endDirect ends the sign-in of an agent whose id or secret is wrong.
func (p *Provider) endDirect(ctx context.Context, q *authorizationRequest) error {
	b := p.db.Batch()
	p.requests.Delete(b, q)
	if err := b.Apply(ctx); err != nil && store.ConflictOn(err, requestKind) == nil {
		return unavailable(err)
	}
	return &directError{code: aba.Failed, description: "the id or the secret of the agent is wrong"}
}

// parseRequestedActor reads which agent is to act for the person.
func (p *Provider) parseRequestedActor(ctx context.Context, c *Client, form web.Form, q *authorizationRequest) *Error {
	if !form.Has("requested_actor") {
		return nil
	}
	switch {
	case !p.hasAgents(c): // left out, it would be somebody else's token
		return invalidRequest("requested_actor is not for this client")
	case q.ResponseType != responseCode: // what is issued in front proves no agent
		return invalidRequest("requested_actor needs the response type code")
	case q.direct():
		return invalidRequest("requested_actor needs a person at a browser")
	}
	q.RequestedActor = directory.AgentID(form.Value("requested_actor"))
	_, err := p.requestedActor(ctx, q)
	if errors.Is(err, errBroken) {
		return invalidRequest("requested_actor is no agent that may act")
	}
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// requestedActor reads the Subject of the agent that the request names. errBroken says that there is none that may act.
func (p *Provider) requestedActor(ctx context.Context, q *authorizationRequest) (*directory.Subject, error) {
	subject, err := p.config.Directory.Subjects.Get(ctx, store.Ref{Org: q.Org, ID: q.RequestedActor})
	if errors.Is(err, store.ErrNotFound) || err == nil && (subject.Kind != directory.AgentKind || subject.Status != directory.Active) {
		return nil, errBroken
	}
	return subject, err
}

// agentPrefix stands before the id of an agent where consent to scopes and claims is named by them. No scope has a space in it.
const agentPrefix = "agent "

// actorItem is what the consent to the agent of the request is called.
func (q *authorizationRequest) actorItem() string { return agentPrefix + q.RequestedActor }

// agentItem is how an agent is put to a person.
func (p *Provider) agentItem(ctx context.Context, org, id string) (directory.ConsentItem, error) {
	name := id
	agent, err := p.config.Directory.Agents.Get(ctx, store.Ref{Org: org, ID: id})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return directory.ConsentItem{}, err
	}
	if err == nil {
		name = agent.DisplayName
	}
	return directory.ConsentItem{
		ID: agentPrefix + id, Title: "approval.agent|Let an agent act for you", Mandatory: true, Params: map[string]string{"agent": name},
		Detail: "approval.agent.detail|It can do what you allow here in your name until you take it back.",
	}, nil
}

// dueActor puts the question about the agent before the others, unless it was answered.
func (p *Provider) dueActor(ctx context.Context, q *authorizationRequest, consent *Consent, due []directory.ConsentItem) ([]directory.ConsentItem, error) {
	if q.RequestedActor == "" {
		return due, nil
	}
	subject, err := p.requestedActor(ctx, q)
	if errors.Is(err, errBroken) {
		return nil, &Error{Code: "access_denied", Description: "the agent may not act any more"}
	}
	if err != nil {
		return nil, unavailable(err)
	}
	q.actorEpoch = subject.Epoch
	if slices.Contains(consent.Granted, q.actorItem()) && !q.prompts(promptConsent) {
		return due, nil
	}
	item, err := p.agentItem(ctx, q.Org, q.RequestedActor)
	if err != nil {
		return nil, unavailable(err)
	}
	return append([]directory.ConsentItem{item}, due...), nil
}

// mayActFor reports whether the person lets the agent of the request act; true where none is named.
func (c *Consent) mayActFor(q *authorizationRequest) bool {
	return q.RequestedActor == "" || slices.Contains(c.Granted, q.actorItem())
}

// errActor is one error for all that may be wrong with an actor token, so that nobody learns whose it is.
var errActor = invalidGrant("actor_token is wrong, expired, revoked, not proven to be held, or not the requested agent's own for this client")

// actingAgent opens the token by which the agent takes part in the redemption of a code; nil where the code names none.
func (p *Provider) actingAgent(ctx context.Context, q *authorizationRequest, r tokenRequest) (*presentedToken, error) {
	switch given := r.form.Has("actor_token"); {
	case q.RequestedActor == "" && given && p.config.Features.Agents != nil:
		return nil, invalidRequest("actor_token is given, but the authorization request had no requested_actor")
	case q.RequestedActor == "":
		return nil, nil
	case !given:
		return nil, invalidRequest("actor_token is missing")
	case !p.hasAgents(r.client):
		return nil, errActor
	}
	if typ := r.form.Value("actor_token_type"); typ != "" && typ != typeAccessToken && typ != typeJWT {
		return nil, invalidRequest("actor_token_type is not supported")
	}
	t, err := p.openAccessToken(ctx, r.form.Value("actor_token"))
	switch {
	case errors.Is(err, errBroken):
		return nil, errActor
	case err != nil:
		return nil, err
	case t.chain == nil || t.claims.ClientID != r.client.ClientID || !t.isFor(p.site.Issuer()):
		return nil, errActor
	case !t.claims.Confirmation.demanded().provenBy(r.proven) || !t.chain.grant.Tie.renewedBy(r.client, r):
		return nil, errActor
	case t.chain.subject.Kind != directory.AgentKind || t.chain.subject.Ref() != (store.Ref{Org: q.Org, ID: q.RequestedActor}):
		return nil, errActor
	case t.chain.grant.Actor != nil || len(t.claims.MayAct) > 0: // somebody acts for it, or may
		return nil, errActor
	}
	return t, nil
}

// actsIn makes the agent the one who acts in a grant, by the epoch at which the person has agreed to it: what it has done before it
// was disabled meanwhile does not count.
func (q *authorizationRequest) actsIn(g *Grant) {
	if q.RequestedActor != "" {
		g.Actor = &actor{
			Links:   []actorLink{{Person: q.RequestedActor}},
			Parents: []actorParent{{Subject: store.Ref{Org: q.Org, ID: q.RequestedActor}, Epoch: q.Answer.ActorEpoch}},
		}
	}
}
