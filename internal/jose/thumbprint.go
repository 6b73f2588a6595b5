package jose

import (
	"crypto"
	"crypto/sha256"
	"encoding/json"
	"fmt"
)

// Thumbprint is the SHA-256 fingerprint of a public key (RFC 7638), in base64url: our "kid", and "jkt" of RFC 9449 §6.1.
// It returns ErrKey for anything but a public key that some supported algorithm accepts.
func Thumbprint(key crypto.PublicKey) (string, error) {
	if err := (PublicKey{Key: key}).usable(); err != nil {
		return "", err
	}
	m, err := membersOf(key)
	if err != nil {
		return "", err
	}
	return m.thumbprint()
}

func (m members) thumbprint() (string, error) {
	input, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("%w: %v", ErrKey, err)
	}
	sum := sha256.Sum256(input)
	return segments.EncodeToString(sum[:]), nil
}
