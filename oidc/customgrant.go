package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// CustomGrant is a grant type of the host's own (RFC 6749 §4.5). It decides whom a token request is about; the tokens are the
// provider's, with everything that holds for others: the chain of authority, what they are bound to, hooks and events. Clients must
// be registered for it.
type CustomGrant struct {
	// Name is the grant_type: an absolute URI (RFC 6749 §4.5). Required.
	Name GrantType
	// Validate judges a request. An *Error is sent as it is, with invalid_grant for what is wrong with the grant; any other error is a
	// failure (503). It is called again when something moved meanwhile, and must use nothing up by itself: see Decision.Once. Required.
	Validate func(ctx context.Context, r GrantRequest) (*Decision, error)
	// IDTokenAllowed gives an ID token with the scope openid.
	IDTokenAllowed bool
	// PublicClientAllowed lets clients have it that prove nothing.
	PublicClientAllowed bool
}

// GrantRequest is a token request of a client that has proven who it is, and is registered for the grant type.
type GrantRequest struct {
	Client Client
	// Parameters are those of the request, but for what the client has authenticated by.
	Parameters url.Values
	// Address is where the request comes from.
	Address string
}

// Decision is whom a token request is about, and what for.
type Decision struct {
	// Subject is whom the tokens are about. Required.
	Subject store.Ref
	// Scopes are granted, as far as the client may have them; nil is those that the request asks for.
	Scopes []string
	// Audience names the APIs that access tokens are for; nil is those of the client.
	Audience []string
	// Evidence is what the subject has proven, and when: for auth_time, acr and amr. Nil says nothing.
	Evidence []directory.Evidence
	// Once names what was given, when it may be used once alone: of any number of requests with it one gets tokens, until Until.
	Once  string
	Until time.Time
	// Refresh gives a refresh token, to clients that are registered for them.
	Refresh bool
}

// customGrants are CustomGrants at work.
type customGrants struct {
	p    *Provider
	uses *store.Collection[assertionUse]
}

// ownGrants are the grant types that have a meaning.
var ownGrants = []GrantType{
	AuthorizationCode, RefreshToken, ClientCredentials, TokenExchangeGrant, JWTBearerGrant, SAMLBearerGrant, PasswordGrant, Implicit,
	DeviceCode, BackchannelAuthentication,
}

func (p *Provider) customGrantPart(configured []CustomGrant) (part, error) {
	c := &customGrants{p: p, uses: store.NewCollection(p.db, assertionType)}
	made := part{grants: map[GrantType]exchange{}}
	var problems []error
	var confidential []GrantType
	for i, g := range configured {
		bad := func(problem string) {
			problems = append(problems, fmt.Errorf("oidc: Config.Features.CustomGrants[%d]: %s", i, problem))
		}
		switch u, err := url.Parse(string(g.Name)); {
		case err != nil || !u.IsAbs():
			bad("Name must be an absolute URI (RFC 6749 §4.5)")
		case slices.Contains(ownGrants, g.Name) || made.grants[g.Name] != nil:
			bad("Name is that of another grant type")
		}
		if g.Validate == nil {
			bad("Validate is required")
		}
		if !g.PublicClientAllowed {
			confidential = append(confidential, g.Name)
		}
		made.grants[g.Name] = func(ctx context.Context, r tokenRequest) (*tokenResponse, error) { return c.exchange(ctx, r, g) }
	}
	made.check = func(client *Client, bad report) {
		for _, name := range confidential {
			confidentialOnly(name, "CustomGrant.PublicClientAllowed")(client, bad)
		}
	}
	return made, errors.Join(problems...)
}

// exchange answers a token request. Each round asks anew.
func (c *customGrants) exchange(ctx context.Context, r tokenRequest, g CustomGrant) (*tokenResponse, error) {
	for n := 0; ; n++ {
		response, err := c.attempt(ctx, r, g)
		if n < maxAttempts && c.p.parentMoved(err) {
			continue
		}
		return response, err
	}
}

func (c *customGrants) attempt(ctx context.Context, r tokenRequest, g CustomGrant) (*tokenResponse, error) {
	decision, err := g.Validate(ctx, GrantRequest{Client: *r.client.clone(), Parameters: openParameters(r), Address: r.address.String()})
	if err != nil {
		if refusal, ok := errors.AsType[*Error](err); ok {
			return nil, refusal
		}
		return nil, unavailable(err)
	}
	if decision == nil || decision.Subject.IsZero() || decision.Once != "" && decision.Until.IsZero() {
		return nil, unavailable(fmt.Errorf("oidc: the custom grant %s decides for nobody, or names what is used once without an end", g.Name))
	}
	subject, err := c.p.config.Directory.Subjects.Get(ctx, decision.Subject)
	if errors.Is(err, store.ErrNotFound) || err == nil && subject.Status != directory.Active {
		return nil, invalidGrant("the account cannot be used")
	}
	if err != nil {
		return nil, err
	}
	ofAnother := func(e directory.Evidence) bool { return e.Subject != subject.ID }
	if slices.ContainsFunc(decision.Evidence, ofAnother) {
		return nil, unavailable(fmt.Errorf("oidc: the custom grant %s has evidence of somebody else", g.Name))
	}
	scopes, refusal := c.scopes(ctx, decision, r)
	if refusal != nil {
		return nil, refusal
	}
	grant, err := c.p.grantFor(ctx, r.client, subject)
	if err != nil {
		return nil, err
	}
	assurance := directory.Assess(decision.Evidence)
	grant.Type, grant.Scopes, grant.Audience, grant.NoIDToken = g.Name, scopes, decision.Audience, !g.IDTokenAllowed
	grant.AuthTime, grant.ACR, grant.AMR = assurance.AuthTime, assurance.ACR, assurance.AMR
	grant.ACRTime = directory.ReachedSince(decision.Evidence, assurance.ACR)
	response, err := c.p.mint(ctx, minting{
		request: r, grant: grant, refresh: decision.Refresh,
		consume: func(_ context.Context, b *store.Batch, _ *issue) error {
			if decision.Once != "" {
				c.uses.Insert(b, &assertionUse{store.Meta{
					ID: secret.Hash(string(g.Name) + "\x00\x00" + decision.Once), Expires: decision.Until.Add(gateMargin),
				}})
			}
			return nil
		},
	})
	if store.ConflictOn(err, assertionKind) != nil {
		c.p.observe(ctx, directory.Observation{Type: "assertion.reused", ClientID: r.client.ClientID, Subject: subject.ID})
		return nil, invalidGrant("it was used before")
	}
	return response, err
}

// scopes are those of the decision that the client may have; mint holds them to the person's roles.
func (c *customGrants) scopes(ctx context.Context, d *Decision, r tokenRequest) ([]string, *Error) {
	if d.Scopes == nil {
		return c.p.personScopes(ctx, r)
	}
	scopes, refusal := c.p.grantable(ctx, r.client, beneficiary{}, d.Scopes)
	if refusal != nil {
		return nil, refusal
	}
	if len(d.Scopes) > 0 && len(scopes) == 0 {
		return nil, invalidScope("the client may not have any of the scopes")
	}
	return scopes, nil
}

// openParameters are those of a request without what proves the client.
func openParameters(r tokenRequest) url.Values {
	open := url.Values{}
	for _, name := range r.form.Names() {
		if name != "client_secret" && name != "client_assertion" {
			open[name] = r.form.Values(name)
		}
	}
	return open
}
