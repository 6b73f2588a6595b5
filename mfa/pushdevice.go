package mfa

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/strictjson"
)

// PushKey is the public key of a device, and the one algorithm that it is for: RS256 for RSA of 2048 to 4096 bits, ES256 for P-256,
// EdDSA for Ed25519. The zero value verifies nothing.
type PushKey struct {
	algorithm jose.Algorithm
	key       crypto.PublicKey
}

// ParsePushKey reads a key as devices send it: the base64 of a SubjectPublicKeyInfo, which is the body of its PEM form.
func ParsePushKey(text string) (PushKey, error) {
	der, err := decodeBase64(text, 2<<10)
	if err != nil {
		return PushKey{}, errors.New("mfa: the public key is not base64")
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return PushKey{}, errors.New("mfa: the public key is not a SubjectPublicKeyInfo")
	}
	switch key := parsed.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits >= 2048 && bits <= 4096 && key.E >= 3 {
			return PushKey{jose.RS256, key}, nil
		}
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return PushKey{jose.ES256, key}, nil
		}
	case ed25519.PublicKey:
		return PushKey{jose.EdDSA, key}, nil
	}
	return PushKey{}, errors.New("mfa: the public key is neither RSA of 2048 to 4096 bits, nor P-256, nor Ed25519")
}

// Algorithm is the "alg" by which the device signs.
func (k PushKey) Algorithm() string { return string(k.algorithm) }

// PushDiscovery is what the QR code says that a person scans to register a device. A device of a person in the root organization
// gets neither of the last three.
type PushDiscovery struct {
	DeviceID         string `json:"deviceId"`
	Username         string `json:"username"`
	Host             string `json:"host"`
	TenantDomain     string `json:"tenantDomain,omitempty"`
	OrganizationID   string `json:"organizationId,omitempty"`
	OrganizationName string `json:"organizationName,omitempty"`
	Challenge        string `json:"challenge"`
}

// PushRegistration is what a device sends to be registered.
type PushRegistration struct {
	DeviceID string `json:"deviceId"`
	Model    string `json:"model"`
	Name     string `json:"name"`
	// DeviceToken is where messages to the device are sent.
	DeviceToken string `json:"deviceToken"`
	PublicKey   string `json:"publicKey"`
	Signature   string `json:"signature"`
	// Provider says who delivers the messages; nil is the provider there is.
	Provider *PushProvider `json:"provider,omitempty"`
}

// PushProvider names a service that delivers messages to devices.
type PushProvider struct {
	Name     string            `json:"name"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// ParsePushRegistration reads what a device has sent, of at most 16 KiB, and its key. Nothing is proven before Verify says so.
// The error may be shown to whoever writes the app.
func ParsePushRegistration(data []byte) (PushRegistration, PushKey, error) {
	var r PushRegistration
	if len(data) > 16<<10 {
		return PushRegistration{}, PushKey{}, errors.New("mfa: the registration is too long")
	}
	if err := strictjson.Unmarshal(data, &r); err != nil {
		return PushRegistration{}, PushKey{}, errors.New("mfa: the registration is not the JSON it should be")
	}
	if !validPushID(r.DeviceID) {
		return PushRegistration{}, PushKey{}, errors.New("mfa: deviceId is missing or malformed")
	}
	if len(r.DeviceToken) < 1 || len(r.DeviceToken) > 4<<10 {
		return PushRegistration{}, PushKey{}, errors.New("mfa: deviceToken is missing or over 4096 bytes")
	}
	for _, text := range []string{r.Model, r.Name} {
		if len(text) > maxLabel || !utf8.ValidString(text) {
			return PushRegistration{}, PushKey{}, errors.New("mfa: model or name is over 256 bytes")
		}
	}
	key, err := ParsePushKey(r.PublicKey)
	return r, key, err
}

// Verify reports whether the device that wants to be registered holds the key and has scanned the challenge: its signature is over
// the challenge, a dot and the device token. RSA signs by PKCS #1 v1.5 with SHA-256, P-256 with SHA-256 in ASN.1, as the key stores
// of phones make it. The error is ErrForged.
func (r PushRegistration) Verify(key PushKey, challenge string) error {
	signature, err := decodeBase64(r.Signature, 1<<10)
	if err != nil || challenge == "" {
		return ErrForged
	}
	signed := []byte(challenge + "." + r.DeviceToken)
	digest := sha256.Sum256(signed)
	right := false
	switch k := key.key.(type) {
	case *rsa.PublicKey:
		right = rsa.VerifyPKCS1v15(k, crypto.SHA256, digest[:], signature) == nil
	case *ecdsa.PublicKey:
		right = ecdsa.VerifyASN1(k, digest[:], signature)
	case ed25519.PublicKey:
		right = ed25519.Verify(k, signed, signature)
	}
	if !right {
		return ErrForged
	}
	return nil
}

// decodeBase64 reads the standard alphabet, padded, in lines or in one.
func decodeBase64(text string, limit int) ([]byte, error) {
	if len(text) > limit {
		return nil, errors.New("mfa: too long")
	}
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
}

// readToken takes a token apart, unverified: the device that it names in its header, and the claims.
func readToken(token string) (device string, payload []byte, err error) {
	if len(token) > maxPushToken {
		return "", nil, ErrForged
	}
	unverified, err := jose.Parse(token)
	if err != nil {
		return "", nil, ErrForged
	}
	segment, _, _ := strings.Cut(token, ".")
	encoded, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return "", nil, ErrForged
	}
	var header struct {
		Device string `json:"deviceId"`
	}
	if strictjson.Unmarshal(encoded, &header) != nil || !validPushID(header.Device) {
		return "", nil, ErrForged
	}
	return header.Device, unverified.Payload(), nil
}
