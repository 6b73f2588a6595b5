package oidc

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// JWTBearer takes JWTs of trusted issuers as grants (RFC 7523 §2.1). Each is used once: by its jti, or as a whole where it has none. It
// must not be for others too, and have been made within the last 30 minutes, or where it does not say when, expire within them. Clients
// must authenticate and be registered for JWTBearerGrant; they get the scopes that they ask for and may have, and no refresh token
// (RFC 7521 §4.1).
type JWTBearer struct {
	// Issuers are those whose JWTs are taken. Required.
	Issuers []TrustedIssuer
}

// JWTBearerGrant is the grant type of RFC 7523 §2.1.
const JWTBearerGrant GrantType = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// assertionUse says that an assertion was used as a grant. Inserting it is what redeems the assertion.
type assertionUse struct{ store.Meta }

var (
	assertionKind = store.Kind{Name: "oidc.assertion"}
	assertionType = store.Type[assertionUse]{Kind: assertionKind}
)

// assertionGrants are the grants that are assertions (RFC 7521 §4).
type assertionGrants struct {
	p    *Provider
	uses *store.Collection[assertionUse]
	// bearers are those whose JWTs are taken, jags those whose identity assertion authorization grants are.
	bearers, jags trustedIssuers
	saml          SAMLVerifier
}

// assertionPart gives the token endpoint the assertion grants that are on.
func (p *Provider) assertionPart() (part, error) {
	f := p.config.Features
	a := &assertionGrants{p: p, uses: store.NewCollection(p.db, assertionType)}
	made := part{grants: map[GrantType]exchange{}}
	var problems []error
	var checks []func(*Client, report)
	if f.JWTBearer != nil {
		var err error
		a.bearers, err = p.trust("JWTBearer.Issuers", f.JWTBearer.Issuers)
		if len(f.JWTBearer.Issuers) == 0 {
			err = errors.New("oidc: Config.Features.JWTBearer.Issuers is required")
		}
		problems = append(problems, err)
	}
	if jag := f.Experimental.IDJAG; jag != nil && len(jag.Issuers) > 0 {
		var err error
		a.jags, err = p.trust("Experimental.IDJAG.Issuers", jag.Issuers)
		problems = append(problems, err)
	}
	if len(a.bearers)+len(a.jags) > 0 {
		made.grants[JWTBearerGrant] = a.exchangeJWT
		checks = append(checks, confidentialOnly(JWTBearerGrant, "RFC 7523 §3.1"))
	}
	if f.SAMLBearer != nil {
		a.saml = f.SAMLBearer.Verifier
		if a.saml == nil {
			problems = append(problems, errors.New("oidc: Config.Features.SAMLBearer.Verifier is required"))
		}
		made.grants[SAMLBearerGrant] = a.exchangeSAML
		checks = append(checks, confidentialOnly(SAMLBearerGrant, "RFC 7522 §3.1"))
	}
	made.check = func(c *Client, bad report) {
		for _, check := range checks {
			check(c, bad)
		}
	}
	return made, errors.Join(problems...)
}

var errAssertion = invalidGrant("the assertion is wrong, expired, used, not for this provider, or about nobody here")

// redemption is an assertion that was found good, and what it is good for.
type redemption struct {
	issuer, id string
	until      time.Time
	subject    *directory.Subject
	typ        GrantType
	scopes     []string
	audience   []string
	noIDToken  bool
}

// exchangeJWT redeems a JWT (RFC 7523 §2.1).
func (a *assertionGrants) exchangeJWT(ctx context.Context, r tokenRequest) (*tokenResponse, error) {
	token := r.form.Value("assertion")
	if token == "" {
		return nil, invalidRequest("assertion is missing")
	}
	judge := a.judgeJWT
	if unverified, err := jose.Parse(token); err == nil && unverified.Header().Typ == typIDJAG {
		judge = a.judgeIDJAG
	}
	return a.retry(func() (*tokenResponse, error) {
		found, err := judge(ctx, r, token)
		if err != nil {
			return nil, assertionError(err)
		}
		return a.redeem(ctx, r, found)
	})
}

// retry begins anew when something that the tokens rest on moved meanwhile.
func (a *assertionGrants) retry(attempt func() (*tokenResponse, error)) (*tokenResponse, error) {
	for n := 0; ; n++ {
		response, err := attempt()
		if n < maxAttempts && a.p.parentMoved(err) {
			continue
		}
		return response, err
	}
}

// assertionError tells an assertion that is not taken from a failure (RFC 7521 §4.1.1).
func assertionError(err error) error {
	if errors.Is(err, errForeign) || errors.Is(err, errBroken) {
		return errAssertion.because(err)
	}
	return err
}

func (a *assertionGrants) judgeJWT(ctx context.Context, r tokenRequest, token string) (*redemption, error) {
	want := demands{exclusive: true, window: assertionWindow}
	said, issuer, err := a.bearers.open(ctx, a.p, token, want, "", "JWT", "authorization-grant+jwt")
	if err != nil {
		return nil, err
	}
	scopes, refusal := a.p.scopesForTheAsking(ctx, r)
	if refusal != nil {
		return nil, refusal
	}
	targets, err := a.targetsOf(ctx, r)
	if err != nil {
		return nil, err
	}
	return a.found(ctx, r, token, said, issuer, &redemption{scopes: scopes, audience: targets, until: said.until(want)})
}

// found completes a redemption by whom the assertion is about.
func (a *assertionGrants) found(ctx context.Context, r tokenRequest, token string, said *assertion, issuer *trustedIssuer, made *redemption) (*redemption, error) {
	if !said.provenBy(r.proven) {
		return nil, errAssertion
	}
	var err error
	made.issuer, made.id, made.typ = issuer.Issuer, said.JTI, JWTBearerGrant
	if made.id == "" { // what is signed, for there may be more than one signature to it
		made.id = token[:strings.LastIndexByte(token, '.')]
	}
	made.subject, err = issuer.subjectOf(ctx, a.p, said)
	return made, err
}

// scopesForTheAsking are those that a client asks for and may have of anybody: there is no bound but its own, and that of the person, to
// which mint holds them.
func (p *Provider) scopesForTheAsking(ctx context.Context, r tokenRequest) ([]string, *Error) {
	asked, refusal := scopesOf(r.form)
	if refusal != nil {
		return nil, refusal
	}
	wanted := slices.DeleteFunc(slices.Clone(asked), func(s string) bool { return s == scopeOffline })
	scopes, refusal := p.grantable(ctx, r.client, beneficiary{}, wanted)
	if refusal != nil {
		return nil, refusal
	}
	if len(asked) > 0 && len(scopes) == 0 {
		return nil, errNoScope()
	}
	return scopes, nil
}

// targetsOf are the APIs that a client asks for, all of them its own (RFC 8707 §2); empty is all that it has.
func (a *assertionGrants) targetsOf(ctx context.Context, r tokenRequest) ([]string, error) {
	targets, refusal := askedTargets(r)
	if refusal != nil {
		return nil, refusal
	}
	for _, target := range targets {
		if err := a.p.mayTarget(ctx, r.client, target); err != nil {
			return nil, err
		}
	}
	return targets, nil
}

// redeem makes the Grant. The Insert of the assertion's use is the gate: of any number of redeemers on any number of nodes one passes.
func (a *assertionGrants) redeem(ctx context.Context, r tokenRequest, found *redemption) (*tokenResponse, error) {
	g, err := a.p.grantFor(ctx, r.client, found.subject)
	if err != nil {
		return nil, err
	}
	g.Type, g.Scopes, g.Audience, g.NoIDToken = found.typ, found.scopes, found.audience, found.noIDToken
	use := &assertionUse{store.Meta{
		ID: secret.Hash(strings.Join([]string{string(found.typ), found.issuer, found.id}, "\x00")), Expires: found.until.Add(gateMargin),
	}}
	response, err := a.p.mint(ctx, minting{
		request: r, grant: g,
		consume: func(_ context.Context, b *store.Batch, _ *issue) error {
			use.Version = 0
			a.uses.Insert(b, use)
			return nil
		},
	})
	if store.ConflictOn(err, assertionKind) != nil {
		a.p.observe(ctx, directory.Observation{Type: "assertion.reused", ClientID: r.client.ClientID, Subject: found.subject.ID})
		return nil, errAssertion
	}
	return response, err
}

// grantFor begins a Grant to a client about somebody of whom nobody at a browser has given proof.
func (p *Provider) grantFor(ctx context.Context, c *Client, subject *directory.Subject) (*Grant, error) {
	app, err := p.livingApplication(ctx, c)
	if errors.Is(err, errBroken) {
		return nil, &Error{Code: "unauthorized_client", Description: "the application is disabled", Status: 400}
	}
	if err != nil {
		return nil, err
	}
	return &Grant{
		Meta:     store.Meta{Org: c.Org, ID: store.NewID()},
		ClientID: c.ClientID, Application: app.Ref(), ApplicationEpoch: app.Epoch,
		Subject: subject.Ref(), SubjectEpoch: subject.Epoch, Status: directory.Active,
	}, nil
}
