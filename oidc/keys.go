package oidc

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
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

// KeyAlgorithms is what Keys may implement besides, to offer other signing algorithms than those of Algorithms: RS256, RS384,
// RS512, PS256, PS384, PS512, ES256, ES384, ES512, Ed25519 and EdDSA are known. The list does not change. Its first is the default of
// clients, unless RS256 is in it (OpenID Connect Registration §2).
type KeyAlgorithms interface {
	Algorithms() []string
}

// EncryptionKeys is what Keys may implement besides, so that others can encrypt to this provider: request objects, for
// example. The algorithms are RSA-OAEP-256 and ECDH-ES; the keys serve the other algorithms for keys of their form too.
type EncryptionKeys interface {
	// Encryption returns the public key to encrypt to now, and its id: an *rsa.PublicKey, or an *ecdsa.PublicKey.
	Encryption(ctx context.Context, algorithm string) (id string, key crypto.PublicKey, err error)
	// Decrypter returns the private key of that id for as long as a sender may know it: a crypto.Decrypter with an RSA key,
	// or an *ecdsa.PrivateKey.
	Decrypter(ctx context.Context, algorithm, id string) (crypto.PrivateKey, error)
}

// Rotator is what Keys may implement besides, so that Provider.RotateKeys can give it the order.
type Rotator interface {
	// Rotate begins to replace the key of the algorithm: the next one is published, and signs once verifiers know it.
	Rotate(ctx context.Context, algorithm string) error
	// RotateNow replaces it at once; what it signed can still be verified.
	RotateNow(ctx context.Context, algorithm string) error
}

// RotateKeys begins to replace all signing keys that there are: the next ones are published now, and sign once verifiers have had
// the time to learn of them. While a rotation is under way it changes nothing. It needs Config.Keys to be a Rotator.
func (p *Provider) RotateKeys(ctx context.Context) error { return p.rotateKeys(ctx, false) }

// RotateKeysNow replaces all signing keys that there are at once: for tests, and for keys that may have been stolen. Whoever has
// read the key set before refuses new tokens until they read it again; what was signed before can still be verified.
func (p *Provider) RotateKeysNow(ctx context.Context) error {
	return p.rotateKeys(ctx, true)
}

func (p *Provider) rotateKeys(ctx context.Context, now bool) error {
	rotator, ok := p.config.Keys.(Rotator)
	if !ok {
		return fmt.Errorf("oidc: Config.Keys (%T) is no Rotator", p.config.Keys)
	}
	defer p.keys.forget()
	rotate := rotator.Rotate
	if now {
		rotate = rotator.RotateNow
	}
	var problems []error
	for _, algorithm := range p.keys.algorithms {
		keys, err := p.config.Keys.Public(ctx, string(algorithm))
		if err == nil && len(keys) > 0 { // what nobody uses needs no other
			err = rotate(ctx, string(algorithm))
		}
		problems = append(problems, wrap("oidc: rotating the "+string(algorithm)+" key: ", err))
	}
	return errors.Join(problems...)
}

// keySetAge is how long a node works with the key set it has read.
const keySetAge = 5 * time.Second

// keySet remembers the published keys and their rendering for a moment: they are asked for with every token and change
// a few times a year.
type keySet struct {
	keys       Keys
	algorithms []jose.Algorithm
	now        func() time.Time
	// encryption has keys published that others can encrypt to; nil has none.
	encryption EncryptionKeys

	mu       sync.Mutex
	read     time.Time
	public   []jose.PublicKey
	document []byte
}

// newKeySet judges which algorithms there are keys for.
func newKeySet(keys Keys, now func() time.Time) (*keySet, error) {
	s := &keySet{keys: keys, now: now, algorithms: signingAlgorithms}
	named, ok := keys.(KeyAlgorithms)
	if !ok {
		return s, nil
	}
	has := named.Algorithms()
	for _, name := range has {
		if !slices.Contains(jose.Supported(), jose.Algorithm(name)) {
			return nil, fmt.Errorf("oidc: Config.Keys: the algorithm %q is not supported", name)
		}
	}
	if len(has) == 0 {
		return nil, errors.New("oidc: Config.Keys has no algorithm")
	}
	s.algorithms = slices.DeleteFunc(jose.Supported(), func(a jose.Algorithm) bool { return !slices.Contains(has, string(a)) })
	return s, nil
}

// names lists the algorithms.
func (s *keySet) names() []string {
	names := make([]string, len(s.algorithms))
	for i, a := range s.algorithms {
		names[i] = string(a)
	}
	return names
}

// forget makes the next caller read.
func (s *keySet) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.document = nil
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
	encryption, err := s.encryptionKeys(ctx)
	if err != nil {
		return nil, nil, err
	}
	document, err := jose.Set(public, encryption...)
	if err != nil {
		return nil, nil, fmt.Errorf("oidc: rendering the key set: %w", err)
	}
	s.public, s.document, s.read = public, document, now
	return public, document, nil
}

// encryptionKeys are the keys to encrypt to now, one of each form.
func (s *keySet) encryptionKeys(ctx context.Context) ([]jose.EncryptionKey, error) {
	if s.encryption == nil {
		return nil, nil
	}
	var published []jose.EncryptionKey
	for _, form := range []jose.KeyManagement{jose.RSAOAEP256, jose.ECDHES} {
		id, key, err := s.encryption.Encryption(ctx, string(form))
		if err != nil {
			return nil, fmt.Errorf("oidc: reading the %s key: %w", form, err)
		}
		published = append(published, jose.EncryptionKey{ID: id, Algorithm: form, Key: key})
	}
	return published, nil
}

// signingKey is a key in hand. It is fetched before anything is consumed, so that a key service which is away costs nobody
// a code.
type signingKey struct {
	algorithm jose.Algorithm
	id        string
	key       crypto.Signer
	// secret is a client's, in place of a key of ours.
	secret secret.Text
}

// signer returns the key that signs with the algorithm now.
func (s *keySet) signer(ctx context.Context, algorithm string) (signingKey, error) {
	id, key, err := s.keys.Signer(ctx, algorithm)
	if err != nil {
		return signingKey{}, fmt.Errorf("oidc: the %s key: %w", algorithm, err)
	}
	s.learn(id)
	return signingKey{algorithm: jose.Algorithm(algorithm), id: id, key: key}, nil
}

// learn forgets the key set when it lacks a key that signs: it was made, or put to use, a moment ago.
func (s *keySet) learn(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.public, func(k jose.PublicKey) bool { return k.ID == id }) {
		s.document = nil
	}
}

// sign makes a token of one type.
func (k signingKey) sign(typ string, claims []byte) (string, error) {
	if k.secret != "" {
		return jose.SignSecret(claims, jose.Header{Alg: k.algorithm, Typ: typ}, []byte(k.secret.Reveal()))
	}
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
