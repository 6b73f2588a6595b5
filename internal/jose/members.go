package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"math/big"
	"slices"
)

// members are what a JWK says of a public key (RFC 7518 §6.2.1 and §6.3.1, RFC 8037 §2). Encoded in this order, and without
// those that its kind does not have, they are what its thumbprint is of (RFC 7638 §3).
type members struct {
	Crv string `json:"crv,omitempty"`
	E   string `json:"e,omitempty"`
	Kty string `json:"kty"`
	N   string `json:"n,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
}

// membersOf is the inverse of key. A key that is none of ours, or broken, is ErrKey.
func membersOf(key crypto.PublicKey) (members, error) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if strongRSA(key) {
			exponent := big.NewInt(int64(key.E))
			return members{Kty: "RSA", N: segments.EncodeToString(key.N.Bytes()), E: segments.EncodeToString(exponent.Bytes())}, nil
		}
	case *ecdsa.PublicKey:
		if point, err := uncompressed(key); err == nil {
			x, y := point[1:1+len(point)/2], point[1+len(point)/2:]
			return members{
				Kty: "EC", Crv: key.Curve.Params().Name, X: segments.EncodeToString(x), Y: segments.EncodeToString(y),
			}, nil
		}
	case ed25519.PublicKey:
		if len(key) == ed25519.PublicKeySize {
			return members{Kty: "OKP", Crv: "Ed25519", X: segments.EncodeToString(key)}, nil
		}
	}
	return members{}, fmt.Errorf("%w: weak, or of an unsupported kind", ErrKey)
}

// uncompressed is the form of SEC 1 §2.3.3: a byte, and both coordinates at their full length, as RFC 7518 §6.2.1.2 wants them too.
func uncompressed(key *ecdsa.PublicKey) ([]byte, error) {
	if key == nil || key.Curve == nil || !isPoint(key) {
		return nil, ErrKey
	}
	return key.Bytes()
}

// key is the key that the members describe, of any strength.
func (m members) key() (crypto.PublicKey, error) {
	switch {
	case m.Kty == "RSA":
		return m.rsaKey()
	case m.Kty == "EC":
		return m.ecKey()
	case m.Kty == "OKP" && m.Crv == "Ed25519":
		x, err := decodeSegment(m.X)
		if err != nil || len(x) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("%w: x is not an Ed25519 public key", ErrKey)
		}
		return ed25519.PublicKey(x), nil
	}
	return nil, fmt.Errorf("%w: of an unsupported kind", ErrKey)
}

func (m members) rsaKey() (crypto.PublicKey, error) {
	n, err := decodeSegment(m.N)
	if err != nil {
		return nil, fmt.Errorf("%w: n is not base64url", ErrKey)
	}
	e, err := decodeSegment(m.E)
	if err != nil {
		return nil, fmt.Errorf("%w: e is not base64url", ErrKey)
	}
	exponent := new(big.Int).SetBytes(e)
	if exponent.BitLen() > 31 { // as crypto/rsa demands
		return nil, fmt.Errorf("%w: the exponent is too large", ErrKey)
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent.Int64())}, nil
}

func (m members) ecKey() (crypto.PublicKey, error) {
	curves := []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()}
	i := slices.IndexFunc(curves, func(c elliptic.Curve) bool { return c.Params().Name == m.Crv })
	if i < 0 {
		return nil, fmt.Errorf("%w: of an unsupported curve", ErrKey)
	}
	x, errX := decodeSegment(m.X)
	y, errY := decodeSegment(m.Y)
	if errX != nil || errY != nil || len(x) != len(y) { // their length is that of the curve, or the point is none
		return nil, fmt.Errorf("%w: x and y are not coordinates of the curve", ErrKey)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(curves[i], slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, fmt.Errorf("%w: x and y are not a point of the curve", ErrKey)
	}
	return key, nil
}
