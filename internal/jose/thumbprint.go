package jose

import (
	"crypto"
	"encoding/base64"
	"fmt"

	gojose "github.com/go-jose/go-jose/v4"
)

// Thumbprint is the SHA-256 fingerprint of a public key (RFC 7638), in base64url: our "kid", and "jkt" of RFC 9449 §6.1.
// It returns ErrKey for anything but a public key that some supported algorithm accepts.
func Thumbprint(key crypto.PublicKey) (string, error) {
	if err := (PublicKey{Key: key}).usable(); err != nil {
		return "", err
	}
	sum, err := (&gojose.JSONWebKey{Key: key}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("%w: %v", ErrKey, err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}
