package jose

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
)

// jwk is what of a foreign JWK is looked at.
type jwk struct {
	members
	Alg    Algorithm `json:"alg"`
	Kid    string    `json:"kid"`
	Use    string    `json:"use"`
	KeyOps []string  `json:"key_ops"`
	// X5C says which certificate the key is of (RFC 7517 §4.7); it is no reason to trust the key.
	X5C json.RawMessage `json:"x5c"`
	jwkPrivate
}

// jwkPrivate are the members of RFC 7518 §6.2.2, §6.3.2 and §6.4, RFC 8037 §2 and RFC 9964 that must not be public.
type jwkPrivate struct {
	D    json.RawMessage `json:"d"`
	P    json.RawMessage `json:"p"`
	Q    json.RawMessage `json:"q"`
	DP   json.RawMessage `json:"dp"`
	DQ   json.RawMessage `json:"dq"`
	QI   json.RawMessage `json:"qi"`
	Oth  json.RawMessage `json:"oth"`
	K    json.RawMessage `json:"k"`
	Priv json.RawMessage `json:"priv"`
}

func (k jwk) private() bool {
	return slices.ContainsFunc(
		[]json.RawMessage{k.D, k.P, k.Q, k.DP, k.DQ, k.QI, k.Oth, k.K, k.Priv},
		func(member json.RawMessage) bool { return member != nil },
	)
}

// publicKey returns k as a key for signatures.
func (k jwk) publicKey() (PublicKey, error) {
	if k.private() {
		return PublicKey{}, fmt.Errorf("%w: private", ErrKey)
	}
	// RFC 7517 §4.2 and §4.3: a key for encryption says so, and must not verify.
	if k.Use != "" && k.Use != "sig" || k.KeyOps != nil && !slices.Contains(k.KeyOps, "verify") {
		return PublicKey{}, fmt.Errorf("%w: not for signatures", ErrKey)
	}
	public, err := k.key()
	if err != nil {
		return PublicKey{}, err
	}
	key := PublicKey{ID: k.Kid, Algorithm: k.Alg, Key: public}
	if key.Certificate, err = k.certificate(public); err != nil {
		return PublicKey{}, err
	}
	return key, key.usable()
}

// certificate returns the certificate that the key says to be of. One that is of another key is ErrKey (RFC 7517 §4.7); one that
// cannot be read is none.
func (k jwk) certificate(public crypto.PublicKey) (*x509.Certificate, error) {
	if k.X5C == nil {
		return nil, nil
	}
	var chain []string
	if json.Unmarshal(k.X5C, &chain) != nil || len(chain) == 0 {
		return nil, nil
	}
	der, err := base64.StdEncoding.DecodeString(chain[0])
	if err != nil {
		return nil, nil
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil
	}
	if own, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !own.Equal(public) {
		return nil, fmt.Errorf("%w: x5c is of another key", ErrKey)
	}
	return c, nil
}

// encryptionKey returns k as a key to encrypt to.
func (k jwk) encryptionKey() (EncryptionKey, error) {
	if k.private() {
		return EncryptionKey{}, fmt.Errorf("%w: private", ErrKey)
	}
	encrypts := func(operation string) bool {
		return slices.Contains([]string{"encrypt", "wrapKey", "deriveKey", "deriveBits"}, operation)
	}
	if k.Use != "" && k.Use != "enc" || k.KeyOps != nil && !slices.ContainsFunc(k.KeyOps, encrypts) {
		return EncryptionKey{}, fmt.Errorf("%w: not for encryption", ErrKey)
	}
	public, err := k.key()
	if err != nil {
		return EncryptionKey{}, err
	}
	key := EncryptionKey{ID: k.Kid, Algorithm: KeyManagement(k.Alg), Key: public}
	return key, key.usable()
}

// usable reports whether k serves the algorithm it names or, when it names none, any.
func (k EncryptionKey) usable() error {
	candidates := KeyManagements()
	if k.Algorithm != "" {
		candidates = []KeyManagement{k.Algorithm}
	}
	if !slices.ContainsFunc(candidates, func(a KeyManagement) bool { return a.admitPublic(k.Key) == nil }) {
		return fmt.Errorf("%w: weak, or of an unsupported kind", ErrKey)
	}
	return nil
}

// usable reports whether k serves the algorithm it names or, when it names none, any.
func (k PublicKey) usable() error {
	candidates := Supported()
	if k.Algorithm != "" {
		candidates = []Algorithm{k.Algorithm}
	}
	for _, a := range candidates {
		s, err := a.scheme()
		if fits, strong := s.suits(k.Key); err == nil && s.family != hmacSHA && fits && strong {
			return nil
		}
	}
	return fmt.Errorf("%w: weak, or of an unsupported kind", ErrKey)
}
