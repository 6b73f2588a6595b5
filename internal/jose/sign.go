package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"unicode/utf8"
)

// Sign returns the compact serialization (RFC 7515 §7.1) of claims, which must be an encoded JSON object and is signed
// as it is. The header needs Alg, which must fit the key; Kid and Typ are left out when empty.
//
// Any [crypto.Signer] will do; its Public is asked on every call, so a remote one should remember it. Sign returns
// ErrAlgorithm or ErrKey for what does not fit, and otherwise the signer's own error, wrapped. It keeps no state
// and is as safe for concurrent use as the signer.
func Sign(claims []byte, h Header, key crypto.Signer) (string, error) {
	if !utf8.ValidString(h.Kid) || !utf8.ValidString(h.Typ) {
		return "", fmt.Errorf("%w: header is not UTF-8", ErrMalformed)
	}
	return sign(claims, h.Alg, h, key)
}

// sign makes a token whose header encodes to JSON.
func sign(claims []byte, a Algorithm, header any, key crypto.Signer) (string, error) {
	if key == nil {
		return "", fmt.Errorf("%w: no key", ErrKey)
	}
	public := key.Public()
	s, err := a.admitPublic(public)
	if err != nil {
		return "", err
	}
	size := s.signatureSize(public)
	token, err := signingInput(claims, header, size)
	if err != nil {
		return "", err
	}
	signature, err := s.sign(token, key)
	if err != nil {
		return "", err
	}
	if len(signature) != size {
		return "", errors.New("jose: sign: the signer returned a signature of another size than its key's")
	}
	token = append(token, '.')
	return string(base64.RawURLEncoding.AppendEncode(token, signature)), nil
}

// SignSecret is Sign with a secret that both sides know: HS256, HS384 or HS512, of at least the hash's size (RFC 7518 §3.2).
func SignSecret(claims []byte, h Header, secret []byte) (string, error) {
	s, err := h.Alg.admit(secret)
	if err != nil {
		return "", err
	}
	if !utf8.ValidString(h.Kid) || !utf8.ValidString(h.Typ) {
		return "", fmt.Errorf("%w: header is not UTF-8", ErrMalformed)
	}
	token, err := signingInput(claims, h, s.hash.Size())
	if err != nil {
		return "", err
	}
	mac := s.mac(secret, token)
	token = append(token, '.')
	return string(base64.RawURLEncoding.AppendEncode(token, mac)), nil
}

// signingInput returns what a signature covers (RFC 7515 §5.1), with room for a signature of that size behind it.
func signingInput(claims []byte, h any, size int) ([]byte, error) {
	header, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("jose: encode header: %v", err)
	}
	enc := base64.RawURLEncoding
	token := make([]byte, 0, enc.EncodedLen(len(header))+1+enc.EncodedLen(len(claims))+1+enc.EncodedLen(size))
	token = enc.AppendEncode(token, header)
	token = append(token, '.')
	return enc.AppendEncode(token, claims), nil
}

func (s scheme) sign(input []byte, key crypto.Signer) ([]byte, error) {
	signature, err := crypto.SignMessage(key, rand.Reader, input, s.options())
	if err != nil {
		return nil, fmt.Errorf("jose: sign: %w", err)
	}
	if s.family == ecdsaFixed {
		return fixedLength(signature, s.coordinate())
	}
	return signature, nil
}

// signatureSize is the length in bytes of the signatures of a key that admitPublic let through.
func (s scheme) signatureSize(public crypto.PublicKey) int {
	switch public := public.(type) {
	case *rsa.PublicKey:
		return public.Size()
	case *ecdsa.PublicKey:
		return 2 * s.coordinate()
	}
	return ed25519.SignatureSize
}

// fixedLength turns the ASN.1 form in which a crypto.Signer returns an ECDSA signature into R || S (RFC 7518 §3.4).
func fixedLength(der []byte, size int) ([]byte, error) {
	var sig struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &sig)
	if err != nil || len(rest) != 0 || !within(sig.R, size) || !within(sig.S, size) {
		return nil, errors.New("jose: sign: the signer returned no ASN.1 ECDSA signature of the curve's size")
	}
	out := make([]byte, 2*size)
	sig.R.FillBytes(out[:size])
	sig.S.FillBytes(out[size:])
	return out, nil
}

func within(n *big.Int, size int) bool {
	return n.Sign() > 0 && n.BitLen() <= 8*size
}
