package jose

import "errors"

// A refusal matches exactly one of these; what a caller's signer or key look-up failed with is wrapped as it is, without one of
// ours. No text holds key material or payload.
var (
	// ErrMalformed: not a compact JWS, compact JWE or JWK Set of the accepted size and shape, or a header that may not be ignored.
	ErrMalformed = errors.New("jose: malformed")

	// ErrAlgorithm: an algorithm that is unsupported, not allowed here, or not the one the key is pinned to.
	ErrAlgorithm = errors.New("jose: algorithm not accepted")

	// ErrKey: no key, several keys where one is needed, or a key that is weak, private, or of the wrong kind.
	ErrKey = errors.New("jose: key not accepted")

	// ErrSignature: the signature does not belong to this key and content.
	ErrSignature = errors.New("jose: signature invalid")

	// ErrDecryption: the ciphertext does not belong to this key, or is damaged. It says no more, and what is behind it
	// is not wrapped: a difference would be an oracle (RFC 7516 §11.5).
	ErrDecryption = errors.New("jose: decryption failed")

	// ErrType: the token is of another type (RFC 8725 §3.11).
	ErrType = errors.New("jose: type not accepted")
)
