package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// TokenExchange lets a client have a token about the same person as one that it holds (RFC 8693): for other APIs, with less scope, or
// with somebody named who acts for the person. It takes access tokens of the provider from the clients that they were issued to, and
// from the APIs that they are for (Client.Resources); refresh tokens and ID tokens from those whose they are; and JWTs of Issuers. What
// comes of a token has no more scope than it had, lives no longer unless Refresh permits, is bound to what the sender has proven,
// and is for the APIs of the client (Client.Audience) or those of the token. The client must authenticate, and be registered for
// TokenExchangeGrant. The zero struct takes tokens of the provider alone.
type TokenExchange struct {
	// Issuers are those whose JWTs are taken too.
	Issuers []TrustedIssuer
	// Policy sees every exchange before anything is written, and narrows or refuses it. Nil permits what the rules above do.
	Policy ExchangePolicy
	// Refresh gives a refresh token with every access token, to clients that are registered for the refresh grant. Without it they
	// have to ask for one by requested_token_type.
	Refresh bool
}

// ExchangePolicy decides on an exchange. It may shorten Scopes and Audience; what it adds to them is a failure (503). An *Error is
// sent as it is; any other error is a failure (503).
type ExchangePolicy func(ctx context.Context, e *Exchange) error

// Exchange is an exchange of tokens that the rules permit.
type Exchange struct {
	Client Client
	// Subject is whom both tokens are about. Issuer is who says so; "" is the provider.
	Subject directory.Subject
	Issuer  string
	// SubjectClient is the client that the subject token was issued to; "" for that of another issuer.
	SubjectClient string
	// SubjectTokenType, ActorTokenType and RequestedTokenType are as in RFC 8693 §3; ActorTokenType is "" when nobody new acts.
	SubjectTokenType, ActorTokenType, RequestedTokenType string
	// Actor is the sub of who will act for the subject, ActorIssuer who calls them so ("" is the provider); "" is nobody new.
	Actor, ActorIssuer string
	// Scopes and Audience are those of the new token. An empty Audience is that of the client.
	Scopes, Audience []string
	// Details are the authorization details of the subject token (RFC 9396), of which the new one has what the client may have and asks for.
	Details []json.RawMessage
}

// TokenExchangeGrant is the grant type of RFC 8693 §2.1.
const TokenExchangeGrant GrantType = "urn:ietf:params:oauth:grant-type:token-exchange"

// tokenExchange is a TokenExchange at work.
type tokenExchange struct {
	p       *Provider
	feature TokenExchange
	issuers trustedIssuers
	// issue are further types of token that can be asked for.
	issue map[string]func(context.Context, *exchangeRequest) (*tokenResponse, error)
}

// part gives the token endpoint the grant.
func (f TokenExchange) part(p *Provider) (*tokenExchange, part, error) {
	x := &tokenExchange{p: p, feature: f, issue: map[string]func(context.Context, *exchangeRequest) (*tokenResponse, error){}}
	var err error
	x.issuers, err = p.trust("TokenExchange.Issuers", f.Issuers)
	return x, part{
		grants: map[GrantType]exchange{TokenExchangeGrant: x.exchange},
		check:  confidentialOnly(TokenExchangeGrant, "RFC 8693 §2.1"),
	}, err
}

// confidentialOnly keeps a grant from clients that prove nothing: whoever finds what they give for it could be them.
func confidentialOnly(g GrantType, clause string) func(*Client, report) {
	return func(c *Client, bad report) {
		if c.Public() && c.allows(g) {
			bad("grant_types", "%s needs a client that authenticates (%s)", g, clause)
		}
	}
}

// exchangeRequest is a request for an exchange.
type exchangeRequest struct {
	tokenRequest
	requested string
	scopes    []string
	targets   []string
	who       *party
	// acting is who wants to act; nil is nobody new.
	acting *party
	actor  *actor
}

// exchange answers a token request (RFC 8693 §2.1). Each round reads anew.
func (x *tokenExchange) exchange(ctx context.Context, r tokenRequest) (*tokenResponse, error) {
	for attempt := 0; ; attempt++ {
		response, err := x.attempt(ctx, r)
		moved := x.p.parentMoved(err) || store.ConflictOn(err, grantKind) != nil || store.ConflictOn(err, familyKind) != nil
		if attempt < maxAttempts && moved {
			continue
		}
		return response, err
	}
}

func (x *tokenExchange) attempt(ctx context.Context, r tokenRequest) (*tokenResponse, error) {
	q, err := x.parse(r)
	if err != nil {
		return nil, err
	}
	if q.who, err = x.present(ctx, r, "subject_token"); err != nil {
		return nil, err
	}
	if q.who.subject == nil {
		return nil, invalidRequest("subject_token is about no person")
	}
	if r.form.Has("actor_token") {
		if q.acting, err = x.present(ctx, r, "actor_token"); err != nil {
			return nil, err
		}
	}
	for _, judge := range []func(*tokenExchange) *Error{q.judgeActor, q.judgeScopes} {
		if refusal := judge(x); refusal != nil {
			return nil, refusal
		}
	}
	if err := q.judgeTargets(ctx, x); err != nil {
		return nil, err
	}
	if refusal := x.grantScopes(ctx, q); refusal != nil {
		return nil, refusal
	}
	if err := x.askPolicy(ctx, q); err != nil {
		return nil, err
	}
	if issue := x.issue[q.requested]; issue != nil {
		return issue(ctx, q)
	}
	return x.mint(ctx, q)
}

// parse reads what can be judged without the tokens.
func (x *tokenExchange) parse(r tokenRequest) (*exchangeRequest, error) {
	q := &exchangeRequest{tokenRequest: r, requested: r.form.Value("requested_token_type")}
	switch {
	case !r.form.Has("subject_token"):
		return nil, invalidRequest("subject_token is missing")
	case !r.form.Has("subject_token_type"):
		return nil, invalidRequest("subject_token_type is missing")
	case r.form.Has("actor_token") != r.form.Has("actor_token_type"): // RFC 8693 §2.1
		return nil, invalidRequest("actor_token and actor_token_type go together")
	case r.form.Value("actor_token_type") == typeRefreshToken:
		return nil, invalidRequest("actor_token must not be a refresh token")
	}
	if q.requested == "" {
		q.requested = typeAccessToken
	}
	own := []string{typeAccessToken, typeJWT, typeIDToken, typeRefreshToken}
	switch {
	case !slices.Contains(own, q.requested) && x.issue[q.requested] == nil:
		return nil, invalidRequest("requested_token_type is not supported")
	case q.requested == typeRefreshToken && !r.client.allows(RefreshToken):
		return nil, &Error{Code: "unauthorized_client", Description: "the client is not registered for refresh tokens", Status: 400}
	}
	for _, s := range strings.Fields(r.form.Value("scope")) {
		if !validScope(s) {
			return nil, invalidScope("scope is not well-formed")
		}
		q.scopes = append(q.scopes, s)
	}
	var refusal *Error
	if q.targets, refusal = askedTargets(r); refusal != nil {
		return nil, refusal
	}
	q.targets = append(q.targets, r.form.Values("audience")...)
	slices.Sort(q.targets)
	q.targets = slices.Compact(q.targets)
	return q, nil
}

// askedTargets are the APIs that a request names by their URIs (RFC 8693 §2.1, RFC 8707 §2).
func askedTargets(r tokenRequest) ([]string, *Error) {
	var targets []string
	for _, resource := range r.form.Values("resource") {
		if !validResource(resource) {
			return nil, errTarget
		}
		targets = append(targets, resource)
	}
	slices.Sort(targets)
	return slices.Compact(targets), nil
}

func invalidTarget(description string) *Error {
	return &Error{Code: "invalid_target", Description: description, Status: 400}
}

// present opens one of the tokens. Whatever is wrong with it is the same error, so that nobody learns whose it is (RFC 8693 §2.2.2).
func (x *tokenExchange) present(ctx context.Context, r tokenRequest, name string) (*party, error) {
	a, err := x.openParty(ctx, r, r.form.Value(name), r.form.Value(name+"_type"))
	if errors.Is(err, errParty) || errors.Is(err, errForeign) {
		return nil, invalidRequest(name + " is wrong, expired, revoked, not proven to be held, or not for this client to exchange").because(err)
	}
	return a, err
}

// judgeActor finds out who will act (RFC 8693 §4.1, §4.4). Who acts already goes on acting: an exchange without an actor does not make
// anybody's act forgotten.
func (q *exchangeRequest) judgeActor(x *tokenExchange) *Error {
	q.actor = q.who.actor
	if q.acting == nil {
		if q.who.mayAct != nil {
			return invalidRequest("subject_token may only be used by the actor that it names")
		}
		return nil
	}
	if q.acting.mayAct != nil || q.acting.actor != nil { // somebody else holds it, whose part in this would be forgotten
		return invalidRequest("actor_token must be of the actor, and not of somebody who acts or may act for them")
	}
	if q.who.mayAct != nil && !mayAct(q.who.mayAct, q.acting.name, x.p.site.Issuer(), q.client.ClientID) {
		return invalidRequest("actor_token is not of the actor that subject_token names")
	}
	if q.acting.parent().same(q.who.parent()) && q.actor == nil { // nobody acts for themselves
		return nil
	}
	var err error
	if q.actor, err = q.actor.followedBy(q.acting.name, q.acting.parent()); err != nil {
		return invalidRequest("too many have acted for the subject already").because(err)
	}
	return nil
}

// judgeScopes keeps the new token within the scopes of the subject token.
func (q *exchangeRequest) judgeScopes(x *tokenExchange) *Error {
	if x.issue[q.requested] != nil { // its scopes are not ours
		return nil
	}
	asked := q.scopes
	if len(asked) == 0 {
		asked = q.who.scopes
	}
	for _, s := range asked {
		if q.who.bounded && !slices.Contains(q.who.scopes, s) {
			return invalidScope("scope is wider than that of subject_token")
		}
	}
	return nil
}

// grantScopes keeps the new token within what the client, and the person by their roles, may be granted.
func (x *tokenExchange) grantScopes(ctx context.Context, q *exchangeRequest) *Error {
	if x.issue[q.requested] != nil { // its scopes are not ours
		return nil
	}
	asked := q.scopes
	if len(asked) == 0 {
		asked = q.who.scopes
	}
	app, err := x.p.livingApplication(ctx, q.client)
	if errors.Is(err, errBroken) {
		return &Error{Code: "unauthorized_client", Description: "the application is disabled", Status: 400}
	}
	if err != nil {
		return asError(err)
	}
	scopes, refusal := x.p.grantable(ctx, q.client, beneficiary{app: app, subject: q.who.subject.Ref()}, asked)
	if refusal != nil {
		return refusal
	}
	if len(q.scopes) > 0 && len(scopes) == 0 {
		return invalidScope("the client may not have any of the requested scopes")
	}
	if q.requested == typeIDToken && !slices.Contains(scopes, scopeOpenID) {
		return invalidScope("an ID token needs the scope openid")
	}
	q.scopes = scopes
	return nil
}

// judgeTargets keeps the new token to the APIs of the client, and of the subject token (RFC 8693 §2.2.2).
func (q *exchangeRequest) judgeTargets(ctx context.Context, x *tokenExchange) error {
	if x.issue[q.requested] != nil { // whoever issues it judges whom it is for
		return nil
	}
	for _, target := range q.targets {
		if slices.Contains(q.who.audience, target) {
			continue
		}
		if err := x.p.mayTarget(ctx, q.client, target); err != nil {
			return err
		}
	}
	return nil
}

// mayTarget returns nil when a client may have tokens for an API without being granted it by anybody: its own, or where it is not
// kept to some, a resource that is known (RFC 8707 §2).
func (p *Provider) mayTarget(ctx context.Context, c *Client, target string) error {
	if slices.Contains(c.Audience, target) {
		return nil
	}
	if len(c.Audience) > 0 {
		return errTarget
	}
	_, err := p.findResource(ctx, c, target)
	if errors.Is(err, store.ErrNotFound) {
		return errTarget
	}
	return err
}

// askPolicy lets the host's policy narrow or refuse the exchange.
func (x *tokenExchange) askPolicy(ctx context.Context, q *exchangeRequest) error {
	if x.feature.Policy == nil {
		return nil
	}
	e := &Exchange{
		Client: *q.client.clone(), Subject: *q.who.subject, SubjectClient: q.who.clientID,
		SubjectTokenType: q.form.Value("subject_token_type"), ActorTokenType: q.form.Value("actor_token_type"),
		RequestedTokenType: q.requested, Scopes: slices.Clone(q.scopes), Audience: slices.Clone(q.targets),
		Details: slices.Clone(q.who.details),
	}
	e.Issuer = q.who.issuer
	if q.acting != nil {
		e.Actor, e.ActorIssuer = q.acting.name.Subject, q.acting.issuer
	}
	if err := x.feature.Policy(ctx, e); err != nil {
		if refusal, ok := errors.AsType[*Error](err); ok {
			return refusal
		}
		return unavailable(err)
	}
	if !subset(e.Scopes, q.scopes) || !subset(e.Audience, q.targets) || !subset(texts(e.Details), texts(q.who.details)) {
		return unavailable(errors.New("oidc: the exchange policy has added scopes, audiences or details"))
	}
	q.who.details = e.Details
	if len(q.targets) > 0 && len(e.Audience) == 0 { // nothing left is not the audience of the client
		return errTarget
	}
	q.scopes, q.targets = e.Scopes, e.Audience
	return nil
}

func texts(details []json.RawMessage) []string {
	var all []string
	for _, d := range details {
		all = append(all, string(d))
	}
	return all
}

func subset(part, whole []string) bool {
	return !slices.ContainsFunc(part, func(s string) bool { return !slices.Contains(whole, s) })
}

// mint makes the Grant of the new token: it stands on the same person, sign-in and session as that of the subject token.
func (x *tokenExchange) mint(ctx context.Context, q *exchangeRequest) (*tokenResponse, error) {
	g, err := x.p.grantFor(ctx, q.client, q.who.subject)
	if err != nil {
		return nil, err
	}
	g.Type, g.Scopes, g.Audience, g.Actor = TokenExchangeGrant, q.scopes, q.targets, q.actor
	g.Details = q.who.details // what of them the new token has, detailsOf decides
	g.NoIDToken = q.requested != typeIDToken
	if c := q.who.chain; c != nil {
		g.Session, g.SessionEpoch, g.SID = c.grant.Session, c.grant.SessionEpoch, c.grant.SID
		g.AuthTime, g.ACR, g.AMR, g.ACRTime = c.grant.AuthTime, c.grant.ACR, c.grant.AMR, c.grant.ACRTime
	}
	refresh := q.requested == typeRefreshToken || x.feature.Refresh && q.requested == typeAccessToken && q.client.allows(RefreshToken)
	return x.p.mint(ctx, minting{
		request: q.tokenRequest, grant: g, refresh: refresh,
		draft:  func(t *issue) { q.shape(t, refresh) },
		answer: func(t *issue) (*tokenResponse, error) { return x.answer(q, t) },
		consume: func(_ context.Context, b *store.Batch, _ *issue) error {
			x.checkParties(b, q)
			return nil
		},
	})
}

// shape makes the tokens what was asked for.
func (q *exchangeRequest) shape(t *issue, refresh bool) {
	if q.requested != typeAccessToken {
		t.format = JWT
	}
	if !refresh { // with one, it is the refresh token that bounds the client
		t.until = q.who.expires
	}
}

// checkParties adds to the batch that the grants of both tokens stand as they were read: what is revoked in this moment is not
// exchanged.
func (x *tokenExchange) checkParties(b *store.Batch, q *exchangeRequest) {
	var checked *Grant
	for _, a := range []*party{q.who, q.acting} {
		if a == nil || a.chain == nil || checked != nil && checked.Ref() == a.chain.grant.Ref() {
			continue
		}
		checked = a.chain.grant
		x.p.grants.Check(b, checked)
		if a.family != nil {
			x.p.families.Check(b, a.family)
		}
	}
}

// answer says what the token is (RFC 8693 §2.2.1). What is no access token has no token_type.
func (x *tokenExchange) answer(q *exchangeRequest, t *issue) (*tokenResponse, error) {
	r := &tokenResponse{TokenType: "N_A", Scope: strings.Join(t.scopes, " "), IssuedTokenType: q.requested}
	switch q.requested {
	case typeRefreshToken:
		r.AccessToken, r.ExpiresIn = t.refresh, int64(x.p.refreshLifetime(q.client)/time.Second)
		return r, nil
	case typeIDToken:
		t.id.Expires = min(t.id.Expires, t.access.Expires)
		signed, err := signClaims(t.idKey, "JWT", t.id, t.idExtra)
		if err != nil {
			return nil, unavailable(err)
		}
		if r.AccessToken, err = t.idSealing.token(signed); err != nil { // OpenID Connect Core §10.2
			return nil, unavailable(err)
		}
		r.ExpiresIn = t.id.Expires - t.id.Issued
		return r, nil
	}
	r, err := t.sign()
	if err == nil {
		r.IssuedTokenType = q.requested
	}
	return r, err
}
