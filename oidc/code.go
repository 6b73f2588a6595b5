package oidc

import (
	"context"
	"errors"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// newCode returns a code for the request: the locator of the Grant it will create, and a secret.
func newCode(q *authorizationRequest) (code string, hash string) {
	s := secret.New()
	return locate(codePrefix, q.Ref()) + "." + s.Reveal(), s.Hash()
}

var errCode = invalidGrant("the code is wrong, expired, used, or another client's")

// exchangeCode redeems an authorization code (RFC 6749 §4.1.3). A code that fails any condition is left as it was; one that
// meets all of them a second time takes the first use's tokens down with it (RFC 6749 §4.1.2, RFC 9700 §4.2.4).
func (p *Provider) exchangeCode(ctx context.Context, r tokenRequest) (*tokenResponse, error) {
	if !r.form.Has("code") {
		return nil, invalidRequest("code is missing")
	}
	ref, presented, ok := cutLocated(codePrefix, r.form.Value("code"))
	if !ok {
		return nil, errCode
	}
	q, err := p.requests.Get(ctx, ref)
	if errors.Is(err, store.ErrNotFound) {
		return nil, p.lateCode(ctx, r.client, ref, presented)
	}
	if err != nil {
		return nil, err
	}
	if refusal := p.judgeCode(q, r, presented); refusal != nil {
		return nil, refusal
	}
	for attempt := 0; ; attempt++ {
		response, err := p.redeem(ctx, q, r)
		if attempt < maxAttempts && (p.parentMoved(err) || store.ConflictOn(err, consentKind) != nil) { // between reading and writing: it may still be good
			continue
		}
		return response, err
	}
}

// judgeCode checks everything about the code that does not need its chain.
func (p *Provider) judgeCode(q *authorizationRequest, r tokenRequest, presented string) *Error {
	switch {
	case q.Answer == nil || !secret.Matches(q.Answer.CodeHash, presented):
		return errCode
	case q.ClientID != r.client.ClientID:
		return errCode
	case !p.db.Now().Before(q.Answer.Expires):
		return errCode
	case r.form.Value("redirect_uri") != q.RedirectURI: // RFC 6749 §4.1.3
		return invalidGrant("redirect_uri is not that of the authorization request")
	case r.client.TokenBinding == BindCookie && r.browser != q.Browser:
		return invalidGrant("the code was given to another browser")
	case q.JKT != "" && q.JKT != r.proven.JKT: // RFC 9449 §10
		return invalidGrant("the code is bound to another DPoP key")
	}
	return checkVerifier(q.Challenge, r.form.Value("code_verifier"))
}

// lateCode is a code whose request is forgotten. If its Grant stands and is proven to be this code's, it is a reuse.
func (p *Provider) lateCode(ctx context.Context, c *Client, ref store.Ref, presented string) error {
	g, err := p.grants.Get(ctx, ref)
	if errors.Is(err, store.ErrNotFound) {
		return errCode
	}
	if err != nil {
		return err
	}
	if g.ClientID == c.ClientID && secret.Matches(g.CodeHash, presented) {
		return p.reusedCode(ctx, ref, c)
	}
	return errCode
}

func (p *Provider) reusedCode(ctx context.Context, ref store.Ref, c *Client) error {
	if err := p.revokeGrant(ctx, ref, "code used twice"); err != nil {
		return err
	}
	p.observe(ctx, directory.Observation{Type: "code.reused", ClientID: c.ClientID, Grant: ref.ID})
	return errCode
}

// redeem makes the Grant. The Insert of its id is the gate: of any number of redeemers on any number of nodes one passes.
func (p *Provider) redeem(ctx context.Context, q *authorizationRequest, r tokenRequest) (*tokenResponse, error) {
	g := q.grant()
	acting, err := p.actingAgent(ctx, q, r)
	if err != nil {
		return nil, err
	}
	q.actsIn(g)
	if err := p.tieSignIn(ctx, g, q, r.client); err != nil {
		return nil, err
	}
	response, err := p.mint(ctx, minting{
		request: r, grant: g, nonce: q.Nonce, outlives: q.Answer.Expires, refresh: true,
		consume: func(ctx context.Context, b *store.Batch, _ *issue) error {
			if acting != nil { // it is not revoked in this moment
				p.grants.Check(b, acting.chain.grant)
			}
			return p.checkConsent(ctx, b, q)
		},
	})
	if gateTaken(err) {
		return nil, p.reusedCode(ctx, g.Ref(), r.client)
	}
	return response, err
}

// grant is the Grant that the code stands for.
func (q *authorizationRequest) grant() *Grant {
	a := q.Answer
	assurance := directory.Assess(a.Evidence)
	acr := q.acr(assurance, a.ACR)
	g := &Grant{
		Meta:     store.Meta{Org: q.Org, ID: q.ID},
		ClientID: q.ClientID, Application: a.Application, ApplicationEpoch: a.ApplicationEpoch,
		Subject: a.Subject, SubjectEpoch: a.SubjectEpoch, Session: a.Session, SessionEpoch: a.SessionEpoch,
		Status: directory.Active, Type: AuthorizationCode, Scopes: a.Scopes, Claims: a.Claims, SignInClaims: a.SignInClaims, Resources: q.Resources, Details: q.Details, ClaimsLocales: q.ClaimsLocales, SID: a.Session.ID,
		AuthTime: assurance.AuthTime, ACR: acr, AMR: assurance.AMR, CodeHash: a.CodeHash,
		ACRTime: directory.ReachedSince(a.Evidence, acr),
	}
	if g.offline() {
		g.Session, g.SessionEpoch = store.Ref{}, 0
	}
	return g
}
