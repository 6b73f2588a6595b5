package oidc

import (
	"context"
	"crypto"
	"fmt"
	"sync"
	"time"

	"github.com/signet-idp/signet/internal/jose"
)

// Keys is where signing keys come from. Its types are the standard library's, so that a key service implements it without
// importing Signet. All methods are safe for concurrent use.
type Keys interface {
	// Signer returns the key that signs with the algorithm now, and its id. The key has been in Public for longer than
	// verifiers cache a key set, unless it is the first there ever was.
	Signer(ctx context.Context, algorithm string) (id string, key crypto.Signer, err error)
	// Public returns, by id, every key with which a token that is still alive may have been signed, or soon will be.
	// An algorithm without keys is an empty map.
	Public(ctx context.Context, algorithm string) (map[string]crypto.PublicKey, error)
}

// keySetAge is how long a node works with the key set it has read.
const keySetAge = 5 * time.Second

// keySet remembers the published keys and their rendering for a moment: they are asked for with every token and change
// a few times a year.
type keySet struct {
	keys       Keys
	algorithms []jose.Algorithm
	now        func() time.Time

	mu       sync.Mutex
	read     time.Time
	public   []jose.PublicKey
	document []byte
}

// current returns the published keys and the JWK Set document.
func (s *keySet) current(ctx context.Context) ([]jose.PublicKey, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.document != nil && now.Sub(s.read) < keySetAge && !now.Before(s.read) {
		return s.public, s.document, nil
	}
	var public []jose.PublicKey
	for _, algorithm := range s.algorithms {
		keys, err := s.keys.Public(ctx, string(algorithm))
		if err != nil {
			return nil, nil, fmt.Errorf("oidc: reading the %s keys: %w", algorithm, err)
		}
		for _, id := range sortedKeys(keys) {
			public = append(public, jose.PublicKey{ID: id, Algorithm: algorithm, Key: keys[id]})
		}
	}
	document, err := jose.Set(public)
	if err != nil {
		return nil, nil, fmt.Errorf("oidc: rendering the key set: %w", err)
	}
	s.public, s.document, s.read = public, document, now
	return public, document, nil
}

// signingKey is a key in hand. It is fetched before anything is consumed, so that a key service which is away costs nobody
// a code.
type signingKey struct {
	algorithm jose.Algorithm
	id        string
	key       crypto.Signer
}

// signer returns the key that signs with the algorithm now.
func (s *keySet) signer(ctx context.Context, algorithm string) (signingKey, error) {
	id, key, err := s.keys.Signer(ctx, algorithm)
	if err != nil {
		return signingKey{}, fmt.Errorf("oidc: the %s key: %w", algorithm, err)
	}
	return signingKey{jose.Algorithm(algorithm), id, key}, nil
}

// sign makes a token of one type.
func (k signingKey) sign(typ string, claims []byte) (string, error) {
	return jose.Sign(claims, jose.Header{Alg: k.algorithm, Kid: k.id, Typ: typ}, k.key)
}

// verify opens a token of ours. Errors of jose mean that it is none; others that the keys could not be read.
func (s *keySet) verify(ctx context.Context, token string, types ...string) ([]byte, error) {
	public, _, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	v := jose.Verifier{Types: types}
	_, claims, err := v.Verify(token, func(h jose.Header) (jose.PublicKey, error) { return jose.Find(public, h) })
	return claims, err
}
