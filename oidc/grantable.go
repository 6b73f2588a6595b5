package oidc

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// beneficiary is for whom a client asks for scopes.
type beneficiary struct {
	// app is the client's application as it was read; nil where nobody's roles can matter.
	app *directory.Application
	// subject is the person; zero is the client itself, or whoever it may turn out to be.
	subject store.Ref
	// resources are what the scopes are for; none are all that they can be for.
	resources []string
}

// grantable returns which of the scopes a client may be granted, each once, in their order. A scope of an API is for those
// applications that were granted it there, and for those people whose roles permit it, where the API or the grant asks for roles;
// any other for clients that may ask for it. What is left out is left out silently (RFC 6749 §3.3).
func (p *Provider) grantable(ctx context.Context, c *Client, by beneficiary, scopes []string) ([]string, *Error) {
	e, named, err := p.effective(ctx, c, by, scopes)
	if err != nil {
		return nil, unavailable(err)
	}
	var granted []string
	for _, s := range scopes {
		ofAPI, registered := slices.Contains(e.Scopes, s), named[s] != nil || slices.Contains(e.Scopes, s)
		may := ofAPI || slices.Contains(e.Other, s)
		if may && (c.mayAsk(s) || registered && len(c.Scopes) == 0) && !slices.Contains(granted, s) {
			granted = append(granted, s)
		}
	}
	return p.validScopes(ctx, c, by, granted)
}

// validScopes are those of the scopes that ScopeHook leaves.
func (p *Provider) validScopes(ctx context.Context, c *Client, by beneficiary, scopes []string) ([]string, *Error) {
	if p.config.ScopeHook == nil || len(scopes) == 0 {
		return scopes, nil
	}
	draft := &ScopeDraft{Client: *c.clone(), Subject: by.subject, Resources: slices.Clone(by.resources), Scopes: slices.Clone(scopes)}
	if err := p.config.ScopeHook(ctx, draft); err != nil {
		if refusal, ok := errors.AsType[*Error](err); ok {
			return nil, refusal
		}
		return nil, unavailable(err)
	}
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return !slices.Contains(draft.Scopes, s) }), nil
}

// stillGrantable are the scopes of a Grant about to be made that client and person may be granted at this moment, whatever it is made
// for.
func (p *Provider) stillGrantable(ctx context.Context, c *Client, made *chain) ([]string, error) {
	g := made.grant
	scopes, refusal := p.grantable(ctx, c, beneficiary{made.application, g.Subject, g.Resources}, g.Scopes)
	if refusal != nil {
		return nil, refusal
	}
	if len(scopes) == 0 && len(g.Scopes) > 0 {
		return nil, invalidScope("the client may not have any of the requested scopes")
	}
	return scopes, nil
}

// ownScopes are the scopes that a client may have for itself: those of APIs that its application was granted, and those it is
// registered for, without the ones that are about a person.
func (p *Provider) ownScopes(ctx context.Context, r tokenRequest, app *directory.Application) ([]string, *Error) {
	asked, refusal := scopesOf(r.form)
	if refusal != nil {
		return nil, refusal
	}
	e, named, err := p.effective(ctx, r.client, beneficiary{app: app}, asked)
	if err != nil {
		return nil, unavailable(err)
	}
	scopes := make([]string, 0, len(asked))
	for _, s := range asked {
		listed, ofAPI := slices.Contains(r.client.Scopes, s), slices.Contains(e.Scopes, s)
		own := listed && slices.Contains(e.Other, s) && !isStandardScope(s) && named[s] == nil
		if (own || ofAPI && (listed || len(r.client.Scopes) == 0)) && !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	if scopes, refusal = p.validScopes(ctx, r.client, beneficiary{app: app}, scopes); refusal != nil {
		return nil, refusal
	}
	if len(asked) > 0 && len(scopes) == 0 {
		return nil, invalidScope("the client may not have any of the requested scopes")
	}
	return scopes, nil
}

// effective asks the directory about scopes that are not those of the standard, of which it knows nothing.
func (p *Provider) effective(ctx context.Context, c *Client, by beneficiary, scopes []string) (directory.EffectiveScopes, vocabulary, error) {
	if !slices.ContainsFunc(scopes, func(s string) bool { return !isStandardScope(s) }) {
		return directory.EffectiveScopes{Other: scopes}, nil, nil
	}
	if by.app == nil {
		by.app = &directory.Application{Meta: store.Meta{Org: c.Application.Org, ID: c.Application.ID}}
	}
	e, err := p.config.Directory.EffectiveScopes(ctx, directory.ScopeRequest{
		Application: by.app, Subject: by.subject, Scopes: scopes, Resources: by.resources,
	})
	if err != nil {
		return e, nil, err
	}
	named, err := p.vocabulary(ctx, c.Org)
	return e, named, err
}

// forPerson is the request with the scopes that the person may be granted of it.
func (p *Provider) forPerson(ctx context.Context, q *authorizationRequest, by asker, subject store.Ref) (*authorizationRequest, error) {
	scopes, refusal := p.grantable(ctx, by.client, beneficiary{by.app, subject, q.Resources}, q.Scopes)
	if refusal != nil {
		return nil, refusal
	}
	if len(scopes) == 0 && len(q.Scopes) > 0 {
		return nil, &Error{Code: "invalid_scope", Description: "the person may not be granted any of the requested scopes"}
	}
	own := *q // who is at the browser may still change
	own.Scopes = scopes
	return &own, nil
}

// registeredResource returns the API of the directory with the identifier, if the client may have tokens for it, and otherwise
// store.ErrNotFound.
func (p *Provider) registeredResource(ctx context.Context, c *Client, identifier string) (*Resource, error) {
	d := p.config.Directory
	api, err := d.APIs.Find(ctx, c.Org, identifier)
	if err != nil {
		return nil, err
	}
	if api.AllApplications {
		return resourceOf(api), nil
	}
	granted, err := d.AuthorizedAPIs.Of(ctx, c.Application)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(granted, func(g *directory.AuthorizedAPI) bool { return g.API == api.Ref() }) {
		return resourceOf(api), nil
	}
	return nil, store.ErrNotFound
}

// resourceOf is an API of the directory as a target of tokens.
func resourceOf(api *directory.APIResource) *Resource {
	r := &Resource{
		Identifier: api.Identifier, Scopes: []string{}, AccessTokenFormat: TokenFormat(api.AccessTokenFormat),
		AccessTokenLifetime: time.Duration(api.AccessTokenLifetime) * time.Second,
	}
	for _, s := range api.Scopes {
		r.Scopes = append(r.Scopes, s.Name)
	}
	return r
}

// targetOfScopes is what a token is for where neither the client nor a request says: the APIs that its scopes belong to.
func (p *Provider) targetOfScopes(ctx context.Context, org string, scopes []string) (target, error) {
	var t target
	for _, s := range scopes {
		if isStandardScope(s) {
			continue
		}
		api, err := p.config.Directory.APIs.WithScope(ctx, org, s)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return target{}, unavailable(err)
		}
		if slices.Contains(t.audience, api.Identifier) {
			continue
		}
		r := resourceOf(api)
		r.Scopes = nil // scopes beside those of APIs stay
		t.audience, t.resources = append(t.audience, r.Identifier), append(t.resources, r)
	}
	return t, nil
}
