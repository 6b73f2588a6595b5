package oidc

import (
	"context"
	"errors"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// exchangeClientCredentials gives a client a token for itself (RFC 6749 §4.4): no refresh token, no ID token, and for a JWT
// no write. The token carries its application's epoch, which is read just now and compared when the token is used.
func (p *Provider) exchangeClientCredentials(ctx context.Context, r tokenRequest) (*tokenResponse, error) {
	for attempt := 0; ; attempt++ {
		response, err := p.mintOwnToken(ctx, r)
		if attempt < maxAttempts && (p.parentMoved(err) || store.ConflictOn(err, liveKind) != nil) {
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
	scopes, refusal := p.ownScopes(ctx, r, app)
	if refusal != nil {
		return nil, refusal
	}
	own, refusal := r.client.tieRequest(r)
	if refusal != nil {
		return nil, refusal
	}
	t := &issue{client: r.client, app: app, tie: own, scopes: scopes, form: r.form, bound: r.bound()}
	if err := p.draft(ctx, t); err != nil {
		return nil, err
	}
	b := p.db.Batch()
	p.write(b, t)
	if b.Len() > 0 { // an opaque token is written, and only under a living application
		p.config.Directory.Applications.Check(b, app)
	}
	if p.live != nil && r.client.ReuseAccessToken {
		return p.reuse(ctx, t, b)
	}
	if err := b.Apply(ctx); err != nil {
		return nil, err
	}
	return t.sign()
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
