package oidc

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// exchangeClientCredentials gives a client a token for itself (RFC 6749 §4.4): no refresh token, no ID token, and for a JWT
// no write. The token carries its application's epoch, which is read just now and compared when the token is used.
func (p *Provider) exchangeClientCredentials(ctx context.Context, r tokenRequest) (*tokenResponse, error) {
	for attempt := 0; ; attempt++ {
		response, err := p.mintOwnToken(ctx, r)
		if attempt < maxAttempts && p.parentMoved(err) {
			continue
		}
		return response, err
	}
}

func (p *Provider) mintOwnToken(ctx context.Context, r tokenRequest) (*tokenResponse, error) {
	app, err := p.livingApplication(ctx, r.client)
	if errors.Is(err, errBroken) {
		return nil, &Error{Code: "unauthorized_client", Description: "the application is disabled", Status: 400}
	}
	if err != nil {
		return nil, err
	}
	scopes, refusal := ownScopes(r)
	if refusal != nil {
		return nil, refusal
	}
	t := &issue{client: r.client, app: app, scopes: scopes, form: r.form, bound: r.bound()}
	if err := p.draft(ctx, t); err != nil {
		return nil, err
	}
	b := p.db.Batch()
	p.write(b, t)
	if b.Len() > 0 { // an opaque token is written, and only under a living application
		p.config.Directory.Applications.Check(b, app)
	}
	if err := b.Apply(ctx); err != nil {
		return nil, err
	}
	return t.sign()
}

// ownScopes are the scopes that a client may have for itself: those it is registered for, without the ones that are about a
// person.
func ownScopes(r tokenRequest) ([]string, *Error) {
	asked := strings.Fields(r.form.Value("scope"))
	var scopes []string
	for _, s := range asked {
		if !validScope(s) {
			return nil, invalidScope("scope is not well-formed")
		}
		if slices.Contains(r.client.Scopes, s) && !isStandardScope(s) && !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	if len(asked) > 0 && len(scopes) == 0 {
		return nil, invalidScope("the client may not have any of the requested scopes")
	}
	return scopes, nil
}

// livingApplication returns the client's application when it is active, and otherwise errBroken.
func (p *Provider) livingApplication(ctx context.Context, c *Client) (*directory.Application, error) {
	app, err := p.config.Directory.Applications.Get(ctx, c.Application)
	switch {
	case errors.Is(err, store.ErrNotFound) && c.described != nil:
		return p.documentApplication(c, nil), nil
	case errors.Is(err, store.ErrNotFound):
		return nil, errBroken
	case err != nil:
		return nil, err
	case app.Status != directory.Active:
		return nil, errBroken
	case c.described != nil:
		return p.documentApplication(c, app), nil
	}
	return app, nil
}
