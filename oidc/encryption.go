package oidc

import (
	"cmp"
	"context"
	"slices"

	"github.com/signet-idp/signet/internal/jose"
)

// Encryption lets clients be registered for ID tokens, userinfo and introspection answers that only they can read: encrypted to a
// key in their jwks or jwks_uri, around the signature where there is one (OpenID Connect Core §10.2, RFC 9701 §5). The first key
// in the set that is for the algorithm is taken.
type Encryption struct{}

// errSealing says that the client has asked for encryption and has no key for it.
var errSealing = &Error{
	Code: "invalid_request", Description: "the client has no key to encrypt the answer to, or its key set cannot be read", Status: 400,
}

func (f Encryption) part(p *Provider) (part, error) {
	return part{
		features: []string{"encryption"},
		check:    checkEncryption,
		describe: func(m *metadata) {
			algs, encs := keyManagements(), encryptions()
			m.IDTokenEncryptionAlgs, m.IDTokenEncryptionEncs = algs, encs
			m.UserInfoEncryptionAlgs, m.UserInfoEncryptionEncs = algs, encs
			if p.config.Features.SignedIntrospection != nil {
				m.IntrospectionEncryptionAlgs, m.IntrospectionEncryptionEncs = algs, encs
			}
		},
	}, nil
}

// keyManagements and encryptions list what answers to clients are encrypted with.
func keyManagements() []string {
	var names []string
	for _, a := range jose.KeyManagements() {
		names = append(names, string(a))
	}
	return names
}

func encryptions() []string {
	var names []string
	for _, e := range jose.Encryptions() {
		names = append(names, string(e))
	}
	return names
}

// defaultEnc is the content encryption of a client that names only the other half (OpenID Connect Registration §2).
const defaultEnc = string(jose.A128CBCHS256)

// encryptedResponses are the pairs of settings by which a client asks for encryption, by what they begin with.
func (c *Client) encryptedResponses() map[string][2]string {
	return map[string][2]string{
		"id_token":      {c.IDTokenEncryptedResponseAlg, c.IDTokenEncryptedResponseEnc},
		"userinfo":      {c.UserInfoEncryptedResponseAlg, c.UserInfoEncryptedResponseEnc},
		"introspection": {c.IntrospectionEncryptedResponseAlg, c.IntrospectionEncryptedResponseEnc},
	}
}

func checkEncryption(c *Client, bad report) {
	chosen := c.encryptedResponses()
	for _, what := range sortedKeys(chosen) {
		checkEncryptedResponse(c, what, chosen[what][0], chosen[what][1], bad)
	}
}

func checkEncryptedResponse(c *Client, what, alg, enc string, bad report) {
	switch {
	case alg == "" && enc == "":
		return
	case !slices.Contains(keyManagements(), alg):
		bad(what+"_encrypted_response_alg", "%q is not supported", alg)
	case !c.hasKeys():
		bad(what+"_encrypted_response_alg", "needs jwks or jwks_uri")
	}
	if enc != "" && !slices.Contains(encryptions(), enc) {
		bad(what+"_encrypted_response_enc", "%q is not supported", enc)
	}
}

// sealing is how an answer is encrypted. The zero value leaves it as it is.
type sealing struct {
	header jose.EncryptionHeader
	key    jose.EncryptionKey
}

// sealing finds the key to encrypt to: before anything is consumed, so that a key set that cannot be read costs nobody a code. The
// error about a client without such a key is errSealing.
func (p *Provider) sealing(ctx context.Context, c *Client, alg, enc string) (sealing, error) {
	if alg == "" {
		return sealing{}, nil
	}
	key, err := p.clientEncryptionKey(ctx, c, jose.KeyManagement(alg))
	switch {
	case isClientKeyFault(err):
		return sealing{}, errSealing.because(err)
	case err != nil:
		return sealing{}, unavailable(err)
	}
	return sealing{
		jose.EncryptionHeader{Alg: jose.KeyManagement(alg), Enc: jose.Encryption(cmp.Or(enc, defaultEnc)), Kid: key.ID}, key,
	}, nil
}

// token encrypts a signed token (RFC 7519 §5.2).
func (s sealing) token(signed string) (string, error) {
	if s.key.Key == nil {
		return signed, nil
	}
	header := s.header
	header.Cty = "JWT"
	return jose.Encrypt([]byte(signed), header, s.key.Key)
}
