package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// party is somebody of whom a token in an exchange speaks: its subject, or who wants to act for them.
type party struct {
	// chain is what the token hangs on; nil for one of another issuer and for that of a machine.
	chain *chain
	// family is the refresh token, if it is one.
	family *family
	// subject is who it is; nil for a machine.
	subject *directory.Subject
	// application is the machine's.
	application *directory.Application
	// name is what an act member calls them.
	name actClaim
	// issuer is who says so; "" is the provider.
	issuer string
	// clientID is the client that the token was issued to; "" for another issuer's.
	clientID string

	// scopes and audience bound what may come of it, and expires when that must end: zero of each is no bound, for the token of
	// another issuer says nothing of what is ours.
	scopes   []string
	audience []string
	expires  time.Time
	bounded  bool
	// details are what the token is good for beyond its scopes.
	details []json.RawMessage
	// actor is who acts already, mayAct who may come to.
	actor  *actor
	mayAct json.RawMessage
}

// parent is on whom of them an actor depends.
func (a *party) parent() actorParent {
	switch {
	case a.subject != nil:
		return actorParent{Subject: a.subject.Ref(), Epoch: a.subject.Epoch}
	case a.application != nil:
		return actorParent{Application: a.application.Ref(), Epoch: a.application.Epoch}
	}
	return actorParent{}
}

// The types of token (RFC 8693 §3).
const (
	typeAccessToken  = "urn:ietf:params:oauth:token-type:access_token"
	typeRefreshToken = "urn:ietf:params:oauth:token-type:refresh_token"
	typeIDToken      = "urn:ietf:params:oauth:token-type:id_token"
	typeJWT          = "urn:ietf:params:oauth:token-type:jwt"
)

// errParty says that a token in an exchange is none that is taken, for whatever reason.
var errParty = errors.New("oidc: the token is not one that is taken here")

// openParty finds out of whom a token speaks. errParty and errForeign mean nobody; any other error is a failure.
func (x *tokenExchange) openParty(ctx context.Context, r tokenRequest, token, typ string) (*party, error) {
	var a *party
	var err error
	switch {
	case typ == typeRefreshToken:
		a, err = x.openRefreshToken(ctx, r, token)
	case typ == typeAccessToken:
		a, err = x.openAccessToken(ctx, r, token)
	case typ != typeIDToken && typ != typeJWT:
		return nil, errParty
	case !x.p.isOurs(token):
		a, err = x.openForeign(ctx, r, token)
	case typ == typeIDToken:
		a, err = x.openIDToken(ctx, r, token)
	default:
		a, err = x.openJWT(ctx, r, token)
	}
	if errors.Is(err, errBroken) || isTokenFault(err) {
		return nil, errParty
	}
	if err == nil && a.name.Subject == "" { // somebody here: by the name that the client knows them by
		a.name.Subject, err = x.p.subjectFor(ctx, r.client, a.subject.ID)
	}
	return a, err
}

// isOurs reports whether a JWT says that it is ours: whether it is remains to be proven.
func (p *Provider) isOurs(token string) bool {
	unverified, err := jose.Parse(token)
	var claimed struct {
		Issuer string `json:"iss"`
	}
	return err == nil && json.Unmarshal(unverified.Payload(), &claimed) == nil && claimed.Issuer == p.site.Issuer()
}

// openAccessToken takes an access token of ours from the client that it was issued to, and from an API that it is for: whoever else
// holds it has found it. What it is bound to must be proven here as everywhere.
func (x *tokenExchange) openAccessToken(ctx context.Context, r tokenRequest, token string) (*party, error) {
	t, err := x.p.openAccessToken(ctx, token)
	if err != nil {
		return nil, err
	}
	if !mayIntrospect(r.client, t.claims.ClientID, t.claims.Audience) || !t.claims.Confirmation.demanded().provenBy(r.proven) {
		return nil, errParty
	}
	if t.chain != nil && t.chain.grant.Tie.Type == BindCookie && !t.chain.grant.Tie.heldBy(r.client, r.browser) {
		return nil, errParty
	}
	a := &party{
		chain: t.chain, clientID: t.claims.ClientID,
		scopes: t.scopes(), audience: t.claims.Audience, expires: time.Unix(t.claims.Expires, 0), bounded: true,
		mayAct: t.claims.MayAct,
	}
	if len(t.claims.Details) > 0 && json.Unmarshal(t.claims.Details, &a.details) != nil {
		return nil, errParty
	}
	if t.chain != nil {
		a.subject, a.actor = t.chain.subject, t.chain.grant.Actor
		return a, nil
	}
	c, err := x.p.Clients.find(ctx, t.claims.ClientID)
	if err == nil {
		a.name.Subject = c.ClientID
		a.application, err = x.p.livingApplication(ctx, c)
	}
	return a, err
}

// openJWT takes a JWT of ours: an access token, or what was issued for an impersonation.
func (x *tokenExchange) openJWT(ctx context.Context, r tokenRequest, token string) (*party, error) {
	if unverified, err := jose.Parse(token); err == nil && unverified.Header().Typ == typSubjectToken {
		return x.openSubjectToken(ctx, r, token)
	}
	return x.openAccessToken(ctx, r, token)
}

// openRefreshToken takes a refresh token from whoever could use it, and does not use it up (RFC 8693 §2.1).
func (x *tokenExchange) openRefreshToken(ctx context.Context, r tokenRequest, token string) (*party, error) {
	presented, ok := parseRefreshToken(token)
	if !ok {
		return nil, errParty
	}
	f, c, err := x.p.familyOf(ctx, presented)
	if err != nil {
		return nil, err
	}
	if c.grant.ClientID != r.client.ClientID || !f.isCurrent(presented) || !f.Bound.provenBy(r.proven) || !c.grant.Tie.renewedBy(r.client, r) {
		return nil, errParty
	}
	return &party{
		chain: c, family: f, subject: c.subject, clientID: c.grant.ClientID,
		scopes: f.Scopes, audience: x.p.audienceOf(c.grant, r.client), expires: f.Expires, bounded: true, actor: c.grant.Actor,
		details: c.grant.Details,
	}, nil
}

// audienceOf is whom the access tokens of a grant are for.
func (p *Provider) audienceOf(g *Grant, c *Client) []string {
	if len(g.Audience) > 0 {
		return g.Audience
	}
	if len(g.Resources) > 0 {
		return p.audience(g.Resources, g.Scopes)
	}
	return p.audience(c.Audience, g.Scopes)
}

// ownIDToken is what is read of an ID token of ours.
type ownIDToken struct {
	idTokenHint
	Expires  int64  `json:"exp"`
	AuthTime int64  `json:"auth_time"`
	Party    string `json:"azp"`
}

// openIDToken takes an ID token of ours from a client that it is for. It says nothing of a grant: that of its client which came of
// the same sign-in must stand, or nobody could take back what comes of the token.
func (x *tokenExchange) openIDToken(ctx context.Context, r tokenRequest, token string) (*party, error) {
	p := x.p
	payload, err := p.keys.verify(ctx, token, "JWT")
	if err != nil {
		return nil, err
	}
	var said ownIDToken
	if json.Unmarshal(payload, &said) != nil || said.Issuer != p.site.Issuer() || said.Subject == "" {
		return nil, errParty
	}
	expires := time.Unix(said.Expires, 0)
	if !slices.Contains(said.Audience, r.client.ClientID) || !p.db.Now().Before(expires) {
		return nil, errParty
	}
	if said.Party == "" {
		said.Party = said.Audience[0]
	}
	c, err := x.grantBehind(ctx, &said)
	if err != nil {
		return nil, err
	}
	return &party{
		chain: c, subject: c.subject, clientID: said.Party,
		scopes: c.grant.Scopes, audience: x.p.audienceOf(c.grant, r.client), expires: expires, bounded: true, actor: c.grant.Actor,
		details: c.grant.Details,
	}, nil
}

// grantBehind finds the grant of the sign-in that an ID token tells of.
func (x *tokenExchange) grantBehind(ctx context.Context, said *ownIDToken) (*chain, error) {
	client, err := x.p.Clients.find(ctx, said.Party)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errParty
	}
	if err != nil {
		return nil, err
	}
	subject, err := x.p.subjectNamed(ctx, client, said.Subject)
	if err != nil {
		return nil, unavailable(err)
	}
	session, err := x.p.sessionNamed(ctx, client, said.SID)
	if err != nil {
		return nil, unavailable(err)
	}
	query := store.Query{Org: client.Org, Filter: store.Equals("holder", store.Text(grantHolder(store.Ref{ID: subject}, said.Party)))}
	for g, err := range x.p.grants.All(ctx, query) {
		if err != nil {
			return nil, err
		}
		if g.Status != directory.Active || g.NoIDToken || g.SID != session || g.authTime() != said.AuthTime {
			continue
		}
		c, err := x.p.parentsOf(ctx, g)
		if err == nil || !errors.Is(err, errBroken) {
			return c, err
		}
	}
	return nil, errParty
}

// openForeign takes a JWT of a trusted issuer.
func (x *tokenExchange) openForeign(ctx context.Context, r tokenRequest, token string) (*party, error) {
	said, issuer, err := x.issuers.open(ctx, x.p, token, demands{}, "", "JWT", "at+jwt")
	if err != nil {
		return nil, err
	}
	if !said.provenBy(r.proven) {
		return nil, errParty
	}
	subject, err := issuer.subjectOf(ctx, x.p, said)
	if err != nil {
		return nil, err
	}
	a := &party{subject: subject, issuer: issuer.Issuer, mayAct: said.MayAct}
	if subject.Kind == directory.Outsider {
		a.name = actClaim{Issuer: said.Issuer, Subject: said.Subject}
	}
	if subject.Status != directory.Active {
		return nil, errParty
	}
	return a, nil
}
