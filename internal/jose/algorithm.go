package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // links crypto.SHA256
	_ "crypto/sha512" // links crypto.SHA384 and crypto.SHA512
	"fmt"
)

// Algorithm is a value of the "alg" header (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2). The empty Algorithm is none of them.
type Algorithm string

// The algorithms that Sign and Verify know.
const (
	RS256 Algorithm = "RS256"
	RS384 Algorithm = "RS384"
	RS512 Algorithm = "RS512"
	PS256 Algorithm = "PS256"
	PS384 Algorithm = "PS384"
	PS512 Algorithm = "PS512"
	ES256 Algorithm = "ES256"
	ES384 Algorithm = "ES384"
	ES512 Algorithm = "ES512" // with P-521
	EdDSA Algorithm = "EdDSA" // with Ed25519 only: the older name of the next
	// Ed25519 is EdDSA under a name that says with which curve (RFC 9864 §2.2). A key serves under both names, unless its JWK has one of them.
	Ed25519 Algorithm = "Ed25519"

	// HS256, HS384 and HS512 are for tokens made with a client secret. They are not among Supported, so a Verifier
	// accepts them only when its Algorithms name them and the key is a []byte.
	HS256 Algorithm = "HS256"
	HS384 Algorithm = "HS384"
	HS512 Algorithm = "HS512"
)

// Supported returns the algorithms that sign with a key pair, in the order in which metadata should list them.
func Supported() []Algorithm {
	return []Algorithm{RS256, PS256, ES256, ES384, Ed25519, EdDSA, RS384, RS512, PS384, PS512, ES512}
}

// Symmetric returns the algorithms that sign with a secret.
func Symmetric() []Algorithm { return []Algorithm{HS256, HS384, HS512} }

const (
	minRSABits = 2048 // RFC 7518 §3.3
	maxRSABits = 8192 // above, one verification costs milliseconds: a gift to whoever registers such a key
)

type family int

const (
	rsaPKCS1 family = iota + 1
	rsaPSS
	ecdsaFixed
	ed25519Pure
	hmacSHA
)

// scheme is what an Algorithm means.
type scheme struct {
	family family
	hash   crypto.Hash    // 0 for Ed25519, which hashes by itself
	curve  elliptic.Curve // ECDSA only
}

func (a Algorithm) scheme() (scheme, error) {
	switch a {
	case RS256:
		return scheme{family: rsaPKCS1, hash: crypto.SHA256}, nil
	case RS384:
		return scheme{family: rsaPKCS1, hash: crypto.SHA384}, nil
	case RS512:
		return scheme{family: rsaPKCS1, hash: crypto.SHA512}, nil
	case PS256:
		return scheme{family: rsaPSS, hash: crypto.SHA256}, nil
	case PS384:
		return scheme{family: rsaPSS, hash: crypto.SHA384}, nil
	case PS512:
		return scheme{family: rsaPSS, hash: crypto.SHA512}, nil
	case ES256:
		return scheme{family: ecdsaFixed, hash: crypto.SHA256, curve: elliptic.P256()}, nil
	case ES384:
		return scheme{family: ecdsaFixed, hash: crypto.SHA384, curve: elliptic.P384()}, nil
	case ES512:
		return scheme{family: ecdsaFixed, hash: crypto.SHA512, curve: elliptic.P521()}, nil
	case EdDSA, Ed25519:
		return scheme{family: ed25519Pure}, nil
	case HS256:
		return scheme{family: hmacSHA, hash: crypto.SHA256}, nil
	case HS384:
		return scheme{family: hmacSHA, hash: crypto.SHA384}, nil
	case HS512:
		return scheme{family: hmacSHA, hash: crypto.SHA512}, nil
	}
	return scheme{}, fmt.Errorf("%w: unsupported", ErrAlgorithm)
}

// admit returns the scheme of a when key is of its kind and strong enough. Every use of a key passes here, so a public
// key can never serve as an HMAC secret, nor a curve serve another algorithm (RFC 8725 §3.1).
func (a Algorithm) admit(key crypto.PublicKey) (scheme, error) {
	s, err := a.scheme()
	if err != nil {
		return scheme{}, err
	}
	switch fits, strong := s.suits(key); {
	case !fits:
		return scheme{}, fmt.Errorf("%w: %T is no key for %s", ErrKey, key, a)
	case !strong:
		return scheme{}, fmt.Errorf("%w: size or exponent out of bounds for %s", ErrKey, a)
	}
	return s, nil
}

// suits reports whether key is of the kind that s is for, and strong enough.
func (s scheme) suits(key crypto.PublicKey) (fits, strong bool) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		fits = s.family == rsaPKCS1 || s.family == rsaPSS
		strong = strongRSA(key)
	case *ecdsa.PublicKey:
		fits = s.family == ecdsaFixed && key != nil && key.Curve == s.curve && isPoint(key)
		strong = true
	case ed25519.PublicKey:
		fits = s.family == ed25519Pure
		strong = len(key) == ed25519.PublicKeySize
	case []byte:
		fits = s.family == hmacSHA
		strong = fits && len(key) >= s.hash.Size() // RFC 7518 §3.2
	}
	return fits, strong
}

// isPoint reports whether both coordinates are there; a half-filled key would panic when it is used.
func isPoint(key *ecdsa.PublicKey) bool {
	//lint:ignore SA1019 the coordinates are only compared with nil, and asking for their bytes would panic
	return key.X != nil && key.Y != nil
}

// admitPublic is admit without symmetric keys.
func (a Algorithm) admitPublic(key crypto.PublicKey) (scheme, error) {
	s, err := a.admit(key)
	if err == nil && s.family == hmacSHA {
		return scheme{}, fmt.Errorf("%w: %s is symmetric", ErrAlgorithm, a)
	}
	return s, err
}

func strongRSA(key *rsa.PublicKey) bool {
	if key == nil || key.N == nil || key.E < 3 || key.E%2 == 0 || int64(key.E) > 1<<31-1 {
		return false
	}
	bits := key.N.BitLen()
	return minRSABits <= bits && bits <= maxRSABits
}

// options are what crypto.Signer wants to hear.
func (s scheme) options() crypto.SignerOpts {
	if s.family == rsaPSS {
		// RFC 7518 §3.5: the salt is as long as the hash.
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: s.hash}
	}
	return s.hash
}

// coordinate is the length in bytes of one half of an ECDSA signature.
func (s scheme) coordinate() int {
	return (s.curve.Params().BitSize + 7) / 8
}
