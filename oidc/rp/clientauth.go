package rp

import (
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
)

// assertionLifetime is how long a client assertion is good: it is used at once.
const assertionLifetime = time.Minute

// authenticated is the client as the token endpoint will know it (RFC 6749 §2.3, OpenID Connect Core §9).
func (p *Provider) authenticated(m *Metadata, redirectURL string) (*oauth2.Config, []oauth2.AuthCodeOption, error) {
	c := &oauth2.Config{
		ClientID: p.config.ClientID, ClientSecret: p.config.ClientSecret, RedirectURL: redirectURL, Scopes: p.config.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: m.AuthorizationEndpoint, TokenURL: m.TokenEndpoint, AuthStyle: oauth2.AuthStyleInHeader},
	}
	if p.config.MakeSecret != nil {
		made, err := p.config.MakeSecret(p.config.Now())
		if err != nil {
			return nil, nil, fmt.Errorf("rp: making the client secret: %w", err)
		}
		c.ClientSecret = made
	}
	if p.config.SecretInBody || c.ClientSecret == "" {
		c.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	if p.config.Key == nil {
		return c, nil, nil
	}
	assertion, err := p.assertion()
	return c, []oauth2.AuthCodeOption{
		oauth2.SetAuthURLParam("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
		oauth2.SetAuthURLParam("client_assertion", assertion),
	}, err
}

// assertion is a JWT that authenticates us once (RFC 7523 §3).
func (p *Provider) assertion() (string, error) {
	key, now := p.config.Key, p.config.Now()
	audience := key.Audience
	if audience == "" {
		audience = p.config.Issuer
	}
	claims, err := json.Marshal(map[string]any{
		"iss": p.config.ClientID, "sub": p.config.ClientID, "aud": audience, "jti": secret.UUID(),
		"iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
	})
	if err != nil {
		return "", err
	}
	return jose.Sign(claims, jose.Header{Alg: jose.Algorithm(key.Algorithm), Kid: key.ID, Typ: "JWT"}, key.Signer)
}
