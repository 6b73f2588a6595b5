package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/store"
)

// SecretSignatures lets clients that have a secret be registered for HS256 (OpenID Connect Core §10.1): their ID tokens, userinfo, logout
// tokens and authorization responses are then signed with it, and so are their request objects. The secret is kept sealed, as that of
// client_secret_jwt is, instead of by its hash alone.
//
// What is signed so proves nothing to anybody but that client, who could have made it: so access tokens never are, an ID token that comes back
// is a hint about that client and its people, and none is taken in an exchange. Profiles of FAPI know no HS256.
type SecretSignatures struct{}

// hs256 is the one algorithm of secrets that is served: a secret that Clients has made is long enough for no other (RFC 7518 §3.2).
const hs256 = string(jose.HS256)

// leastSigningSecret is how long a secret must be that signs, in bytes (RFC 7518 §3.2).
const leastSigningSecret = 32

func (f SecretSignatures) part(p *Provider) (part, error) {
	return part{describe: func(m *metadata) {
		for _, algorithms := range []*[]string{&m.IDTokenAlgs, &m.UserInfoAlgs, &m.AuthorizationAlgs, &m.RequestObjectAlgs} {
			if len(*algorithms) > 0 { // what is not on has none
				*algorithms = append(slices.Clone(*algorithms), hs256)
			}
		}
	}}, nil
}

// bySecret lists what of a client is signed with its secret, by metadata name.
func (c *Client) bySecret() []string {
	var fields []string
	for field, algorithm := range map[string]string{
		"authorization_signed_response_alg": c.AuthorizationSignedResponseAlg,
		"id_token_signed_response_alg":      c.IDTokenAlg,
		"request_object_signing_alg":        c.RequestObjectSigningAlg,
		"userinfo_signed_response_alg":      c.UserInfoSignedResponseAlg,
	} {
		if algorithm == hs256 {
			fields = append(fields, field)
		}
	}
	slices.Sort(fields)
	return fields
}

// signsBySecret reports whether the secret itself is needed, and not only its hash.
func (c *Client) signsBySecret() bool {
	return c.AuthMethod == ClientSecretJWT || len(c.bySecret()) > 0
}

// checkSecretSignatures lets nobody sign with a secret that there is not (OpenID Connect Core §10.1).
func (p *Provider) checkSecretSignatures(c *Client, bad report) {
	for _, field := range c.bySecret() {
		switch {
		case p.config.Features.SecretSignatures == nil:
			bad(field, "%q is not supported", hs256)
		case !usesSecret(c.AuthMethod):
			bad(field, "HS256 is for clients that have a secret (OpenID Connect Core §10.1)")
		case c.SealedSecret == "":
			bad("client_secret", "is kept only as a hash: the client needs a new one (Clients.RotateSecret)")
		case len(p.permitted(c, []jose.Algorithm{jose.HS256})) == 0:
			bad(field, "HS256 is not permitted by the profile")
		}
	}
}

// signerFor returns the key with which something is signed for a client: one of ours, or its own secret.
func (p *Provider) signerFor(ctx context.Context, c *Client, algorithm string) (signingKey, error) {
	if algorithm != hs256 {
		return p.keys.signer(ctx, algorithm)
	}
	if p.config.Features.SecretSignatures == nil {
		return signingKey{}, unavailable(errors.New("oidc: client " + c.ClientID + " is registered for HS256, and Features.SecretSignatures is off"))
	}
	own, err := p.Clients.secret(c)
	return signingKey{algorithm: jose.HS256, secret: own}, err
}

// openOwnHint opens an ID token that was signed with the secret of its client. It says who that client signed in, and nothing else.
func (p *Provider) openOwnHint(ctx context.Context, unverified jose.Unverified) ([]byte, error) {
	var said idTokenHint
	if json.Unmarshal(unverified.Payload(), &said) != nil || len(said.Audience) == 0 {
		return nil, errBroken
	}
	c, err := p.Clients.find(ctx, said.Audience[0])
	if errors.Is(err, store.ErrNotFound) {
		return nil, errBroken
	}
	if err != nil {
		return nil, err
	}
	if c.IDTokenAlg != hs256 || !slices.Equal(said.Audience, c.idTokenAudience()) {
		return nil, errBroken
	}
	own, err := p.Clients.secret(c)
	if err != nil {
		return nil, err
	}
	v := jose.Verifier{Algorithms: []jose.Algorithm{jose.HS256}, Types: []string{"JWT"}}
	_, payload, err := v.VerifyParsed(unverified, func(jose.Header) (jose.PublicKey, error) {
		return jose.PublicKey{Algorithm: jose.HS256, Key: []byte(own.Reveal())}, nil
	})
	return payload, err
}
