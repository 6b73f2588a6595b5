package rp

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
)

// assertionLifetime is how long a client assertion is good: it is used at once.
const assertionLifetime = time.Minute

// authenticate adds to a request, and to its form, what the provider knows the client by (RFC 6749 §2.3, OpenID Connect Core §9). An
// assertion is good once, so that a request that is made again is authenticated again. A certificate needs no more than the client_id
// (RFC 8705 §2).
func (p *Provider) authenticate(r http.Header, form url.Values) error {
	c := &p.config
	if c.Key != nil || c.SecretInJWT {
		assertion, err := p.assertion()
		if err != nil {
			return err
		}
		form.Set("client_id", c.ClientID)
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
		return nil
	}
	own := c.ClientSecret
	if c.MakeSecret != nil {
		made, err := c.MakeSecret(c.Now())
		if err != nil {
			return fmt.Errorf("rp: making the client secret: %w", err)
		}
		own = made
	}
	switch {
	case own == "":
		form.Set("client_id", c.ClientID)
	case c.SecretInBody:
		form.Set("client_id", c.ClientID)
		form.Set("client_secret", own)
	default: // RFC 6749 §2.3.1: each in the encoding of a form
		basic := http.Request{Header: r}
		basic.SetBasicAuth(url.QueryEscape(c.ClientID), url.QueryEscape(own))
	}
	return nil
}

// assertion is a JWT that authenticates us once (RFC 7523 §3), signed with the client's key or with its secret.
func (p *Provider) assertion() (string, error) {
	key, now, audience := p.config.Key, p.config.Now(), p.config.Issuer
	if key != nil && key.Audience != "" {
		audience = key.Audience
	}
	claims, err := json.Marshal(map[string]any{
		"iss": p.config.ClientID, "sub": p.config.ClientID, "aud": audience, "jti": secret.UUID(),
		"iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
	})
	if err != nil {
		return "", err
	}
	if key == nil {
		return jose.SignSecret(claims, jose.Header{Alg: jose.HS256, Typ: "JWT"}, []byte(p.config.ClientSecret))
	}
	return key.sign(claims, "JWT")
}

// sign makes a JWT of a type.
func (k *ClientKey) sign(claims []byte, typ string) (string, error) {
	return jose.Sign(claims, jose.Header{Alg: jose.Algorithm(k.Algorithm), Kid: k.ID, Typ: typ}, k.Signer)
}
