package oidc

import (
	"cmp"
	"context"
	"encoding/json"
)

// SignedIntrospection answers introspection requests that ask for it (Accept: application/token-introspection+jwt) with a JWT that
// the API can keep as a proof (RFC 9701), signed as the client is registered, by default with RS256, and encrypted where
// Encryption is on and the client asks for it.
type SignedIntrospection struct{}

// mediaIntrospection is the media type of such an answer, and without "application/" its typ (RFC 9701 §5).
const mediaIntrospection = "application/token-introspection+jwt"

func (f SignedIntrospection) part(p *Provider) (part, error) {
	return part{
		features: []string{"signed introspection"},
		describe: func(m *metadata) { m.IntrospectionAlgs = p.keys.names() },
	}, nil
}

// introspectionClaims is the payload of RFC 9701 §5. There is no sub and no exp, so that it cannot pass for an access token (§8.1).
type introspectionClaims struct {
	Issuer        string          `json:"iss"`
	Audience      string          `json:"aud"`
	Issued        int64           `json:"iat"`
	Introspection json.RawMessage `json:"token_introspection"`
}

// signIntrospection makes a JWT of an answer for the API that asked.
func (p *Provider) signIntrospection(ctx context.Context, caller *Client, answer []byte) ([]byte, error) {
	key, err := p.keys.signer(ctx, cmp.Or(caller.IntrospectionSignedResponseAlg, p.keys.standard()))
	if err != nil {
		return nil, err
	}
	seal, err := p.sealing(ctx, caller, caller.IntrospectionEncryptedResponseAlg, caller.IntrospectionEncryptedResponseEnc)
	if err != nil {
		return nil, err
	}
	claims, err := json.Marshal(introspectionClaims{p.site.Issuer(), caller.ClientID, p.db.Now().Unix(), answer})
	if err != nil {
		return nil, err
	}
	signed, err := key.sign("token-introspection+jwt", claims)
	if err != nil {
		return nil, err
	}
	token, err := seal.token(signed)
	return []byte(token), err
}
