package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
)

// GenerateKey returns a new key pair for one of Supported: RSA of 2048 bits, the algorithm's curve, or Ed25519.
// Any other algorithm is ErrAlgorithm.
func GenerateKey(a Algorithm) (crypto.Signer, error) {
	s, err := a.scheme()
	if err != nil {
		return nil, err
	}
	switch s.family {
	case rsaPKCS1, rsaPSS:
		return rsa.GenerateKey(rand.Reader, minRSABits)
	case ecdsaFixed:
		return ecdsa.GenerateKey(s.curve, rand.Reader)
	case ed25519Pure:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return nil, fmt.Errorf("%w: %s has no key pair", ErrAlgorithm, a)
}

// MarshalKey returns the PKCS #8 DER form of a private key that is in memory; what it returns is a secret. A key that
// is elsewhere (KMS, HSM), weak or of another kind is ErrKey.
func MarshalKey(key crypto.Signer) ([]byte, error) {
	if key == nil {
		return nil, fmt.Errorf("%w: no key", ErrKey)
	}
	if err := (PublicKey{Key: key.Public()}).usable(); err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("%w: no PKCS #8 form of %T", ErrKey, key)
	}
	return der, nil
}

// ParseKey is the inverse of MarshalKey, with the same demands on the key. Its errors are ErrMalformed and ErrKey.
func ParseKey(der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%w: not a PKCS #8 private key", ErrMalformed)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%w: %T does not sign", ErrKey, key)
	}
	if err := (PublicKey{Key: signer.Public()}).usable(); err != nil {
		return nil, err
	}
	return signer, nil
}
