package jose

import (
	"crypto"
	"encoding/base64"
)

// HalfHash returns the left half of the hash of value, in base64url: at_hash, c_hash and s_hash of an ID token signed
// with a (OpenID Connect Core §3.1.3.6, §3.3.2.11). For EdDSA the hash is the SHA-512 inside Ed25519.
//
// An unknown algorithm is ErrAlgorithm rather than an empty string, which a comparison might take for a match.
func HalfHash(a Algorithm, value string) (string, error) {
	s, err := a.scheme()
	if err != nil {
		return "", err
	}
	if s.family == ed25519Pure {
		s.hash = crypto.SHA512
	}
	sum := s.digest([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2]), nil
}
