package rp

import (
	"context"
	"net/url"
	"slices"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
)

// BeginNative begins a login in which an app of one's own gets an ID token by itself, as by the sign-in of its platform, for the Nonce of
// the Pending. Of the Request, MaxAge and the classes count. It asks the provider nothing.
func (p *Provider) BeginNative(r Request) Pending {
	return Pending{
		Issuer: p.config.Issuer, Nonce: secret.New().Reveal(), Began: p.config.Now(),
		MaxAge: r.MaxAge, ACR: slices.Clone(r.ACR), EssentialACR: r.EssentialACR,
	}
}

// FinishNative judges the ID token that the app has brought and returns who has signed in: as Finish does, but that it is for one of the
// clients, and issued to one of them. Its signature is by a key of the provider; a token that the secret of a client has signed is none. An
// access token, "" where there is none, has to be the one that the ID token names, if it names one, and is used for nothing: the
// Identity has no Token. Who keeps the Pending sees to it that it is finished once. Errors: ErrInvalid and ErrUnavailable; else the machinery's.
func (p *Provider) FinishNative(ctx context.Context, pending Pending, clients []string, idToken, accessToken string) (*Identity, error) {
	switch {
	case !p.config.openID() || slices.Contains(p.config.Algorithms, string(jose.HS256)):
		return nil, invalid("the provider signs no ID tokens with keys of its own")
	case pending.Issuer != p.config.Issuer || pending.State != "": // RFC 9700 §4.4
		return nil, invalid("the login was begun elsewhere")
	case p.config.Now().Sub(pending.Began) > patience:
		return nil, invalid("the login was begun too long ago")
	case len(clients) == 0:
		return nil, invalid("no apps are known to the provider")
	}
	m, err := p.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	id, err := p.verifyIDToken(ctx, m, idToken, expectation{
		clients: clients, nonce: pending.Nonce, began: pending.Began, maxAge: pending.MaxAge, acr: pending.ACR, essentialACR: pending.EssentialACR,
		accessToken: accessToken, alone: accessToken == "",
	})
	if err != nil {
		return nil, err
	}
	if p.config.Normalize != nil {
		p.config.Normalize(id.Claims, url.Values{})
	}
	id.fill()
	return id, nil
}
