package rp

import (
	"context"
	"net/http"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet/internal/strictjson"
)

// API is what a Profile asks: the provider, with the token that the person has just allowed us.
type API struct {
	// Token is the access token.
	Token *oauth2.Token

	client *http.Client
	secret string
}

// JSON does a GET with the token and decodes the answer into what v points to. Errors are ErrUnavailable.
func (a *API) JSON(ctx context.Context, url string, v any) error {
	body, _, err := fetch(ctx, a.client, url, "application/json", a.Token.AccessToken)
	if err != nil {
		return err
	}
	if err := strictjson.Unmarshal(body, v); err != nil {
		return wrong("profile", err)
	}
	return nil
}

// profile finds out who somebody is at a provider that issues no ID token. The token came over TLS from the provider itself, in
// exchange for a code of this login.
func (p *Provider) profile(ctx context.Context, token *oauth2.Token) (*Identity, error) {
	all, err := p.config.Profile(ctx, &API{Token: token, client: p.client, secret: p.config.ClientSecret})
	if err != nil {
		return nil, err
	}
	sub, _ := all["sub"].(string)
	if sub == "" || len(sub) > maxSubject {
		return nil, invalid("the profile has no subject, or one that is too long")
	}
	return &Identity{Issuer: p.config.Issuer, Subject: sub, Claims: all, Token: token}, nil
}
