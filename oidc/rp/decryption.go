package rp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"slices"

	"github.com/signet-idp/signet/internal/jose"
)

// DecryptionKey is what a provider encrypts to: the private half of a key that the client has registered there.
type DecryptionKey struct {
	// ID is the kid under which the provider knows the key; "" is tried for any.
	ID string
	// Algorithm is the one that the client is registered for: "RSA-OAEP-256", "RSA-OAEP", "ECDH-ES", "ECDH-ES+A128KW" or "ECDH-ES+A256KW".
	// No other is accepted. Required.
	Algorithm string
	// Key is a crypto.Decrypter with an RSA key, perhaps elsewhere, or an *ecdsa.PrivateKey. Required.
	Key crypto.PrivateKey
}

func (k DecryptionKey) usable() bool {
	if !slices.Contains(jose.KeyManagements(), jose.KeyManagement(k.Algorithm)) {
		return false
	}
	switch key := k.Key.(type) {
	case *ecdsa.PrivateKey:
		return key != nil && k.Algorithm != string(jose.RSAOAEP) && k.Algorithm != string(jose.RSAOAEP256)
	case crypto.Decrypter:
		_, ok := key.Public().(*rsa.PublicKey)
		return ok && (k.Algorithm == string(jose.RSAOAEP) || k.Algorithm == string(jose.RSAOAEP256))
	}
	return false
}

// decrypted is the signed token in an encrypted one, and any other as it is. It says nothing about who has made it: anybody can encrypt to
// a public key, so that the signature inside is verified like any other (RFC 7519 §5.2, OpenID Connect Core §3.1.3.7, 1).
func (p *Provider) decrypted(token string) (string, error) {
	if !jose.IsEncrypted(token) {
		return token, nil
	}
	if len(p.config.DecryptionKeys) == 0 {
		return "", invalid("the token is encrypted, and there are no DecryptionKeys")
	}
	d := jose.Decrypter{MaxSize: 2 * maxToken, Nested: true}
	for _, k := range p.config.DecryptionKeys { // RFC 8725 §3.1: those that were agreed on
		d.Algorithms = append(d.Algorithms, jose.KeyManagement(k.Algorithm))
	}
	_, inner, err := d.Decrypt(token, p.decryptionKeys)
	if err != nil {
		return "", invalid("%v", err)
	}
	return string(inner), nil
}

// decryptionKeys are those that a token may be encrypted to.
func (p *Provider) decryptionKeys(h jose.EncryptionHeader) (keys []jose.PrivateKey, err error) {
	for _, k := range p.config.DecryptionKeys {
		if h.Kid == "" || k.ID == "" || k.ID == h.Kid {
			keys = append(keys, jose.PrivateKey{ID: k.ID, Algorithm: jose.KeyManagement(k.Algorithm), Key: k.Key})
		}
	}
	if keys == nil {
		return nil, jose.ErrKey
	}
	return keys, nil
}
