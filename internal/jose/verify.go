package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// Verifier says which tokens are acceptable in one place. The zero value accepts the algorithms of Supported, no typ
// or "JWT", and up to DefaultMaxSize. It is a value without state: copy and share it freely, but do not change its slices.
type Verifier struct {
	// Algorithms that may be used; nil means Supported. A key's own algorithm must match besides.
	Algorithms []Algorithm

	// Types are the accepted values of "typ", compared without case and with or without "application/"
	// (RFC 7515 §4.1.9); "" stands for a token without one. nil means "" and "JWT", which keeps out every token
	// whose type says that it is something else (RFC 8725 §3.11).
	Types []string

	// MaxSize is the largest token in bytes, judged before anything is read. 0 means DefaultMaxSize.
	MaxSize int
}

// Verify checks token and returns its header and payload, which is not parsed and whose claims are the caller's to judge.
//
// keys finds the key for a header that is well-formed, allowed and of an accepted type, but not verified yet; it must
// return ErrKey when there is none, and any other error (a store that failed) is returned wrapped. The PublicKey's
// Algorithm is the pin: it must be set, and equal the header's. Its Key is an *rsa.PublicKey, *ecdsa.PublicKey,
// ed25519.PublicKey or, for HS256, HS384 and HS512 alone, the secret as a []byte of at least the hash's size.
//
// Errors are ErrMalformed, ErrAlgorithm, ErrType, ErrKey, ErrSignature.
func (v Verifier) Verify(token string, keys func(Header) (PublicKey, error)) (Header, []byte, error) {
	u, err := parse(token, v.maxSize())
	if err != nil {
		return Header{}, nil, err
	}
	return v.VerifyParsed(u, keys)
}

// VerifyParsed is Verify for a token that was read before.
func (v Verifier) VerifyParsed(u Unverified, keys func(Header) (PublicKey, error)) (Header, []byte, error) {
	if err := v.accepts(u); err != nil {
		return Header{}, nil, err
	}
	key, err := keys(u.header)
	if err != nil {
		return Header{}, nil, fmt.Errorf("jose: find key: %w", err)
	}
	if key.Algorithm != u.header.Alg {
		return Header{}, nil, fmt.Errorf("%w: the key is for another", ErrAlgorithm)
	}
	s, err := key.Algorithm.admit(key.Key)
	if err != nil {
		return Header{}, nil, err
	}
	if !s.verify(key.Key, u.input, u.signature) {
		return Header{}, nil, ErrSignature
	}
	return u.header, u.payload, nil
}

// accepts judges all but the signature.
func (v Verifier) accepts(u Unverified) error {
	switch {
	case u.size > v.maxSize():
		return fmt.Errorf("%w: token longer than %d bytes", ErrMalformed, v.maxSize())
	case !slices.Contains(v.algorithms(), u.header.Alg):
		return fmt.Errorf("%w: not allowed here", ErrAlgorithm)
	case !slices.ContainsFunc(v.types(), func(typ string) bool { return sameType(typ, u.header.Typ) }):
		return ErrType
	}
	return nil
}

func (v Verifier) maxSize() int {
	if v.MaxSize <= 0 {
		return DefaultMaxSize
	}
	return v.MaxSize
}

func (v Verifier) algorithms() []Algorithm {
	if v.Algorithms == nil {
		return Supported()
	}
	return v.Algorithms
}

func (v Verifier) types() []string {
	if v.Types == nil {
		return []string{"", "JWT"}
	}
	return v.Types
}

// sameType compares two media types as RFC 7515 §4.1.9 says: "application/" is understood where no slash stands.
func sameType(a, b string) bool {
	a, b = shortType(a), shortType(b)
	// Equal length keeps Unicode folding (U+212A for k) out: media types are ASCII.
	return len(a) == len(b) && strings.EqualFold(a, b)
}

func shortType(typ string) string {
	const prefix = "application/"
	if len(typ) > len(prefix) && strings.EqualFold(typ[:len(prefix)], prefix) && !strings.Contains(typ[len(prefix):], "/") {
		return typ[len(prefix):]
	}
	return typ
}

// verify needs a key that admit let through.
func (s scheme) verify(key crypto.PublicKey, input, signature []byte) bool {
	switch s.family {
	case rsaPKCS1:
		return rsa.VerifyPKCS1v15(key.(*rsa.PublicKey), s.hash, s.digest(input), signature) == nil
	case rsaPSS:
		options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: s.hash}
		return rsa.VerifyPSS(key.(*rsa.PublicKey), s.hash, s.digest(input), signature, options) == nil
	case ecdsaFixed:
		size := s.coordinate()
		if len(signature) != 2*size { // RFC 7518 §3.4; ASN.1 is another length
			return false
		}
		r, t := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
		return ecdsa.Verify(key.(*ecdsa.PublicKey), s.digest(input), r, t)
	case ed25519Pure:
		return ed25519.Verify(key.(ed25519.PublicKey), input, signature)
	case hmacSHA:
		return hmac.Equal(s.mac(key.([]byte), input), signature)
	}
	return false
}

func (s scheme) mac(secret, input []byte) []byte {
	mac := hmac.New(s.hash.New, secret)
	mac.Write(input)
	return mac.Sum(nil)
}

func (s scheme) digest(input []byte) []byte {
	h := s.hash.New()
	h.Write(input)
	return h.Sum(nil)
}
