// Package pushdevice is a device that confirms sign-ins, in software, for tests, as package authenticator is one for passkeys: it
// registers by what a QR code says, signs what it is asked, and says what it is told to.
//
//	device, err := pushdevice.New("EdDSA")
//	…
//	registration, err := device.Register(discovery.DeviceID, discovery.Challenge, "where messages to it go")
//	…
//	token, err := device.Token(device.Header(), pushdevice.Answer(message, "APPROVED", "42", now.Add(time.Minute)))
package pushdevice

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// Device has a key of its own.
type Device struct {
	// ID is what it is registered as.
	ID string
	// Algorithm is that of its tokens, and PublicKey the base64 of its SubjectPublicKeyInfo.
	Algorithm, PublicKey string

	key crypto.Signer
}

// New makes a device with a key for RS256, ES256 or EdDSA.
func New(algorithm string) (*Device, error) {
	d := &Device{Algorithm: algorithm}
	var err error
	switch algorithm {
	case "RS256":
		d.key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		d.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, d.key, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("pushdevice: algorithm %q", algorithm)
	}
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(d.key.Public())
	d.PublicKey = base64.StdEncoding.EncodeToString(der)
	return d, err
}

// Register gives the device its id, and returns what it sends to be registered. Token is where messages to it go.
func (d *Device) Register(id, challenge, token string) (map[string]any, error) {
	d.ID = id
	signature, err := d.Sign(challenge + "." + token)
	return map[string]any{
		"deviceId": id, "model": "Fair", "name": "Phone", "deviceToken": token, "publicKey": d.PublicKey,
		"signature": base64.StdEncoding.EncodeToString(signature),
	}, err
}

// Sign returns a signature as the key store of a phone makes it: those of ES256 are in ASN.1.
func (d *Device) Sign(text string) ([]byte, error) {
	if d.Algorithm == "EdDSA" {
		return d.key.Sign(rand.Reader, []byte(text), crypto.Hash(0))
	}
	digest := sha256.Sum256([]byte(text))
	return d.key.Sign(rand.Reader, digest[:], crypto.SHA256)
}

// Header is that of the device's tokens.
func (d *Device) Header() map[string]any {
	return map[string]any{"alg": d.Algorithm, "typ": "JWT", "deviceId": d.ID}
}

// Answer is what a device says about a message that has asked it, as claims of a token that is good until then.
func Answer(message map[string]string, response, number string, until time.Time) map[string]any {
	return map[string]any{
		"pushAuthId": message["pushId"], "challenge": message["challenge"], "response": response, "numberChallenge": number, "exp": until.Unix(),
	}
}

// Token is a JWT of the device.
func (d *Device) Token(header, claims map[string]any) (string, error) {
	head, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	input := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body)
	signature, err := d.signJWS(input)
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), err
}

// signJWS is Sign, with the numbers of ES256 one after the other (RFC 7518 §3.4).
func (d *Device) signJWS(input string) ([]byte, error) {
	key, ok := d.key.(*ecdsa.PrivateKey)
	if !ok {
		return d.Sign(input)
	}
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return nil, err
	}
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), nil
}
