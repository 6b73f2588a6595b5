package oidc

import (
	"context"
	"slices"

	"github.com/signet-idp/signet/internal/jose"
)

// standard is the algorithm of clients that do not say: RS256 (OpenID Connect Registration §2), unless there is no key for it.
func (s *keySet) standard() string {
	if slices.Contains(s.algorithms, jose.RS256) {
		return string(jose.RS256)
	}
	return string(s.algorithms[0])
}

// signs reports whether there are keys for the algorithm.
func (s *keySet) signs(algorithm string) bool {
	return slices.Contains(s.algorithms, jose.Algorithm(algorithm))
}

// signedResponses are the algorithms that a client has chosen for what it is sent, by metadata name. Each is pinned: what the
// client reads is signed with that one and no other (RFC 8725 §3.1).
func (c *Client) signedResponses() map[string]string {
	return map[string]string{
		"access_token_signed_response_alg":  c.AccessTokenAlg,
		"id_token_signed_response_alg":      c.IDTokenAlg,
		"userinfo_signed_response_alg":      c.UserInfoSignedResponseAlg,
		"introspection_signed_response_alg": c.IntrospectionSignedResponseAlg,
		"authorization_signed_response_alg": c.AuthorizationSignedResponseAlg,
	}
}

// checkAlgorithms refuses algorithms that there are no keys for.
func (p *Provider) checkAlgorithms(c *Client, bad report) {
	chosen := c.signedResponses()
	for _, field := range sortedKeys(chosen) {
		a, optional := chosen[field], field != "access_token_signed_response_alg" && field != "id_token_signed_response_alg"
		if a == "" && optional || slices.Contains(c.bySecret(), field) { // of which checkSecretSignatures knows
			continue
		}
		if !p.keys.signs(a) {
			bad(field, "%q is not supported", a)
		}
	}
}

// prepareKeys has the keys made that the client's algorithms need, where they are made on first need: so they are published
// before they sign.
func (p *Provider) prepareKeys(ctx context.Context, c *Client) error {
	for field, algorithm := range c.signedResponses() {
		if algorithm == "" || slices.Contains(c.bySecret(), field) {
			continue
		}
		if _, err := p.keys.signer(ctx, algorithm); err != nil {
			return unavailable(err)
		}
	}
	return nil
}
