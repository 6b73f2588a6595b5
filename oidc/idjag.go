package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/secret"
)

// IDJAG is the Identity Assertion JWT Authorization Grant (draft-ietf-oauth-identity-assertion-authz-grant-02): a client gets from the
// provider at which people sign in a grant for the authorization server of another application, without asking them again. This
// provider issues such grants for Audiences, by an exchange of the client's own ID token or refresh token (TokenExchange must be on),
// and redeems those of Issuers, each once, by JWTBearerGrant. Both are for clients that authenticate.
type IDJAG struct {
	// Audiences are the authorization servers for which grants are issued.
	Audiences []IDJAGAudience
	// Issuers are the providers whose grants are redeemed here. Their Alias means nothing: a grant is for our issuer identifier.
	Issuers []TrustedIssuer
	// Lifetime is how long a grant that is issued may be redeemed; zero is five minutes, and more than an hour an error.
	Lifetime time.Duration
}

// IDJAGAudience is an authorization server for which grants are issued.
type IDJAGAudience struct {
	// Issuer is its issuer identifier. Required.
	Issuer string
	// Clients are the ids by which it knows our clients: those of ours that are not named get no grant.
	Clients map[string]string
	// Scopes are those there that may be asked for; Resources are its APIs. Others are refused.
	Scopes, Resources []string
	// Email puts the person's address into the grant, when it is verified: for finding the account there.
	Email bool
}

const (
	typIDJAG     = "oauth-id-jag+jwt"
	typeIDJAG    = "urn:ietf:params:oauth:token-type:id-jag"
	profileIDJAG = "urn:ietf:params:oauth:grant-profile:id-jag"
)

// idJAGIssuer issues grants.
type idJAGIssuer struct {
	p         *Provider
	audiences map[string]IDJAGAudience
	lifetime  time.Duration
}

// idJAGPart checks the settings, and gives the token exchange a further type of token.
func (p *Provider) idJAGPart(x *tokenExchange) (part, error) {
	f := p.config.Features.Experimental.IDJAG
	i := &idJAGIssuer{p: p, audiences: map[string]IDJAGAudience{}, lifetime: f.Lifetime}
	var problems []error
	bad := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("oidc: Config.Features.Experimental.IDJAG."+format, args...))
	}
	switch {
	case f.Lifetime == 0:
		i.lifetime = 5 * time.Minute
	case f.Lifetime < time.Second || f.Lifetime > time.Hour:
		bad("Lifetime must be one second to one hour")
	}
	if len(f.Audiences)+len(f.Issuers) == 0 {
		bad("Audiences or Issuers is required")
	}
	if len(f.Audiences) > 0 && x == nil {
		bad("Audiences needs Config.Features.TokenExchange")
	}
	for n, to := range f.Audiences {
		if u, err := url.Parse(to.Issuer); err != nil || u.Scheme != "https" || u.Host == "" || to.Issuer == p.site.Issuer() {
			bad("Audiences[%d].Issuer must be the https issuer identifier of another", n)
		}
		i.audiences[to.Issuer] = to
	}
	if x != nil && len(f.Audiences) > 0 {
		x.issue[typeIDJAG] = i.issue
	}
	return part{describe: func(m *metadata) {
		if len(f.Audiences) > 0 {
			m.ChainedTokenTypes = []string{typeIDJAG}
		}
		if len(f.Issuers) > 0 {
			m.GrantProfiles = []string{profileIDJAG}
		}
	}}, errors.Join(problems...)
}

// idJAGClaims is the payload of a grant (ID-JAG §3).
type idJAGClaims struct {
	Issuer        string   `json:"iss"`
	Subject       string   `json:"sub"`
	Audience      string   `json:"aud"`
	ClientID      string   `json:"client_id"`
	JTI           string   `json:"jti"`
	Expires       int64    `json:"exp"`
	Issued        int64    `json:"iat"`
	Resource      audience `json:"resource,omitempty"`
	Scope         string   `json:"scope,omitempty"`
	AuthTime      int64    `json:"auth_time,omitempty"`
	ACR           string   `json:"acr,omitempty"`
	AMR           []string `json:"amr,omitempty"`
	Email         string   `json:"email,omitempty"`
	EmailVerified bool     `json:"email_verified,omitempty"`
}

// issue makes a grant of an exchange that was found good. Nothing is written: it lives for minutes, and is used once where it is
// redeemed.
func (i *idJAGIssuer) issue(ctx context.Context, q *exchangeRequest) (*tokenResponse, error) {
	to, theirs, resources, refusal := i.judge(q)
	if refusal != nil {
		return nil, refusal
	}
	key, err := i.p.keys.signer(ctx, q.client.AccessTokenAlg)
	if err != nil {
		return nil, err
	}
	subject, err := i.p.subjectFor(ctx, q.client, q.who.subject.ID) // the client reads it too
	if err != nil {
		return nil, err
	}
	g, now := q.who.chain.grant, i.p.db.Now()
	said := idJAGClaims{
		Issuer: i.p.site.Issuer(), Subject: subject, Audience: to.Issuer, ClientID: theirs, JTI: secret.Short().Reveal(),
		Expires: now.Add(i.lifetime).Unix(), Issued: now.Unix(), Resource: resources, Scope: strings.Join(q.scopes, " "),
		AuthTime: g.authTime(), ACR: g.ACR, AMR: g.AMR,
	}
	if to.Email {
		if err := i.addEmail(ctx, q, &said); err != nil {
			return nil, err
		}
	}
	token, err := signClaims(key, typIDJAG, said, nil)
	if err != nil {
		return nil, unavailable(err)
	}
	return &tokenResponse{
		AccessToken: token, TokenType: "N_A", ExpiresIn: said.Expires - said.Issued, Scope: said.Scope, IssuedTokenType: typeIDJAG,
	}, nil
}

// judge decides whether the client may have the grant, under which name it is known there, and for which of its APIs (ID-JAG §4.3.1).
func (i *idJAGIssuer) judge(q *exchangeRequest) (to IDJAGAudience, theirs string, resources []string, refusal *Error) {
	typ := q.form.Value("subject_token_type")
	to, known := i.audiences[q.form.Value("audience")]
	theirs = to.Clients[q.client.ClientID]
	resources = slices.DeleteFunc(q.form.Values("resource"), func(s string) bool { return !slices.Contains(q.targets, s) })
	switch {
	case typ != typeIDToken && typ != typeRefreshToken || q.who.chain == nil || q.who.clientID != q.client.ClientID:
		return to, "", nil, invalidRequest("subject_token must be an ID token or a refresh token of the client")
	case q.acting != nil || q.actor != nil: // who acts could not be told
		return to, "", nil, invalidRequest("nobody may act for the subject")
	case len(q.form.Values("audience")) != 1 || !known || theirs == "" || !slices.Contains(q.targets, to.Issuer):
		return to, "", nil, invalidTarget("the client may not have a grant for this audience")
	case !subset(resources, to.Resources):
		return to, "", nil, invalidTarget("there is no such resource")
	case !subset(q.scopes, to.Scopes):
		return to, "", nil, invalidScope("there is no such scope")
	}
	return to, theirs, resources, nil
}

// addEmail adds the address of the person, as the claims source tells it.
func (i *idJAGIssuer) addEmail(ctx context.Context, q *exchangeRequest, said *idJAGClaims) error {
	known, err := i.p.personal(ctx, q.who.subject, nil, []string{"email", "email_verified"})
	if errors.Is(err, errBroken) {
		return invalidRequest("the account is gone")
	}
	if err != nil {
		return err
	}
	address, _ := known["email"].(string)
	if verified, _ := known["email_verified"].(bool); verified && address != "" {
		said.Email, said.EmailVerified = address, true
	}
	return nil
}

// judgeIDJAG judges a grant of another provider (ID-JAG §4.4.1): for us alone, for this client, and no more than it says.
func (a *assertionGrants) judgeIDJAG(ctx context.Context, r tokenRequest, token string) (*redemption, error) {
	want := demands{audiences: []string{a.p.site.Issuer()}, exclusive: true, window: assertionWindow, named: true}
	said, issuer, err := a.jags.open(ctx, a.p, token, want, typIDJAG)
	if err != nil {
		return nil, err
	}
	if said.Iat.IsZero() || said.ClientID != r.client.ClientID {
		return nil, errAssertion
	}
	scopes, refusal := granted(r, strings.Fields(said.Scope))
	if refusal != nil {
		return nil, refusal
	}
	targets, refusal := askedTargets(r)
	switch {
	case refusal != nil:
		return nil, refusal
	case len(targets) == 0:
		targets = said.Resource
	case len(said.Resource) > 0 && !subset(targets, said.Resource):
		return nil, errTarget
	}
	for _, target := range targets {
		if err := a.p.mayTarget(ctx, r.client, target); err != nil {
			return nil, err
		}
	}
	return a.found(ctx, r, token, said, issuer, &redemption{scopes: scopes, audience: targets, until: said.until(want), noIDToken: true})
}

// granted are the scopes that a client asks for, of those that it was granted; all of them when it does not ask.
func granted(r tokenRequest, held []string) ([]string, *Error) {
	asked := strings.Fields(r.form.Value("scope"))
	if !subset(asked, held) {
		return nil, invalidScope("scope is wider than that of the assertion")
	}
	if len(asked) == 0 {
		asked = held
	}
	return slices.DeleteFunc(slices.Clone(asked), func(s string) bool { return s == scopeOffline || !validScope(s) }), nil
}
