package jose

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/signet-idp/signet/internal/strictjson"
)

const (
	maxSetSize = 256 << 10
	maxSetKeys = 256
)

// PublicKey is a key that verifies signatures.
type PublicKey struct {
	ID        string           // "kid"; may be empty in a foreign set
	Algorithm Algorithm        // the one algorithm it is for; empty when a foreign set does not say
	Key       crypto.PublicKey // *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey

	// Certificate is the first of "x5c" in a foreign set, which is of the same key; nil is none. Nobody has judged it.
	Certificate *x509.Certificate
}

// EncryptionKey is a key to encrypt to.
type EncryptionKey struct {
	ID        string           // "kid"; may be empty in a foreign set
	Algorithm KeyManagement    // the one algorithm it is for; empty when a foreign set does not say
	Key       crypto.PublicKey // *rsa.PublicKey, *ecdsa.PublicKey
}

// Set renders a JWK Set (RFC 7517 §5) of keys for signatures and behind them keys for encryption, in the given order. Every key
// needs an ID of its own, an Algorithm, and to be public and strong enough for it: otherwise Set names all that are not, with
// ErrKey or ErrAlgorithm.
func Set(keys []PublicKey, encryption ...EncryptionKey) ([]byte, error) {
	set := struct {
		Keys []published `json:"keys"`
	}{make([]published, 0, len(keys)+len(encryption))}
	seen := make(map[string]bool, len(keys))
	var problems []error
	publish := func(k published, key crypto.PublicKey, err error) {
		i := len(set.Keys)
		if err == nil {
			k.members, err = membersOf(key)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("key %d: %w", i, err))
		}
		if k.Kid == "" || seen[k.Kid] {
			problems = append(problems, fmt.Errorf("key %d: %w: kid missing or not unique", i, ErrKey))
		}
		seen[k.Kid] = true
		set.Keys = append(set.Keys, k)
	}
	for _, k := range keys {
		_, err := k.Algorithm.admitPublic(k.Key)
		publish(published{Use: "sig", Kid: k.ID, Alg: string(k.Algorithm)}, k.Key, err)
	}
	for _, k := range encryption {
		publish(published{Use: "enc", Kid: k.ID, Alg: string(k.Algorithm)}, k.Key, k.Algorithm.admitPublic(k.Key))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	document, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrKey, err)
	}
	return document, nil
}

// published is a key in a set of ours.
type published struct {
	Use string `json:"use"`
	Kid string `json:"kid"`
	Alg string `json:"alg"`
	members
}

// ParseSet reads a foreign JWK Set of at most 256 KiB and 256 keys and returns those that can verify signatures.
//
// Keys of other kinds and uses, and those that are weak or broken, are left out, as RFC 7517 §5 asks; ErrKey
// tells why when nothing is left of a set that was not empty. A private or symmetric key anywhere refuses the whole set with
// ErrKey: its owner has published a secret. A set that is no valid JSON is ErrMalformed.
func ParseSet(document []byte) ([]PublicKey, error) {
	return parseSet(document, jwk.publicKey)
}

// ParseEncryptionSet is ParseSet for the keys that one can encrypt to: those of use "enc", or of no use in particular.
func ParseEncryptionSet(document []byte) ([]EncryptionKey, error) {
	return parseSet(document, jwk.encryptionKey)
}

func parseSet[K any](document []byte, read func(jwk) (K, error)) ([]K, error) {
	if len(document) > maxSetSize {
		return nil, fmt.Errorf("%w: key set longer than %d bytes", ErrMalformed, maxSetSize)
	}
	var set struct {
		Keys *[]jwk `json:"keys"`
	}
	if err := strictjson.Unmarshal(document, &set); err != nil {
		return nil, fmt.Errorf("%w: key set: %v", ErrMalformed, err)
	}
	if set.Keys == nil || len(*set.Keys) > maxSetKeys {
		return nil, fmt.Errorf("%w: key set without keys, or with more than %d", ErrMalformed, maxSetKeys)
	}
	if slices.ContainsFunc(*set.Keys, jwk.private) {
		return nil, fmt.Errorf("%w: key set holds a private key", ErrKey)
	}
	keys := make([]K, 0, len(*set.Keys))
	var problems []error
	for i, k := range *set.Keys {
		key, err := read(k)
		if err != nil {
			problems = append(problems, fmt.Errorf("key %d: %w", i, err))
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 && len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return keys, nil
}

// Find returns the key for a token with header h: the one with its kid, or without a kid the only one that its algorithm fits
// (OpenID Connect Core §10.1). A key without an Algorithm is taken for h's when it is of that kind. Anything else is ErrKey.
func Find(keys []PublicKey, h Header) (PublicKey, error) {
	var found []PublicKey
	for _, k := range keys {
		if h.Kid != "" && h.Kid != k.ID {
			continue
		}
		if k.Algorithm == "" {
			k.Algorithm = h.Alg
		}
		if _, err := h.Alg.admitPublic(k.Key); err == nil && k.Algorithm == h.Alg {
			found = append(found, k)
		}
	}
	if len(found) != 1 {
		return PublicKey{}, fmt.Errorf("%w: %d keys match", ErrKey, len(found))
	}
	return found[0], nil
}

// FindEncryption returns the first key for alg, pinned to it: one that says so, or else one that says nothing. ErrKey is none.
func FindEncryption(keys []EncryptionKey, alg KeyManagement) (EncryptionKey, error) {
	for _, said := range []KeyManagement{alg, ""} {
		for _, k := range keys {
			if k.Algorithm == said && alg.admitPublic(k.Key) == nil {
				k.Algorithm = alg
				return k, nil
			}
		}
	}
	return EncryptionKey{}, fmt.Errorf("%w: none for this encryption", ErrKey)
}
