package keyring

import (
	"context"
	"crypto"
	"fmt"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/jose"
)

// Encryption returns the public key, and its id, to which others shall encrypt with the algorithm now: an *rsa.PublicKey for
// RSA-OAEP-256, and for ECDH-ES an *ecdsa.PublicKey on P-256. If there never was one, it is made.
//
// An algorithm that is not among Config.Encryption is jose.ErrAlgorithm; other errors are those of Ready.
func (r *Ring) Encryption(ctx context.Context, algorithm string) (id string, key crypto.PublicKey, err error) {
	if !slices.Contains(r.config.Encryption, algorithm) {
		return "", nil, notConfigured(algorithm)
	}
	pair, err := r.current(ctx, algorithm)
	if err != nil {
		return "", nil, err
	}
	return pair.id, pair.signer.Public(), nil
}

// Decrypter returns the private key of that id, whether it is active or a sender may still know it: an *rsa.PrivateKey for
// RSA-OAEP-256, and for ECDH-ES an *ecdsa.PrivateKey.
//
// An id without a key is jose.ErrKey. Other errors are those of Encryption.
func (r *Ring) Decrypter(ctx context.Context, algorithm, id string) (crypto.PrivateKey, error) {
	if !slices.Contains(r.config.Encryption, algorithm) {
		return nil, notConfigured(algorithm)
	}
	found, err := r.findDecrypter(ctx, algorithm, id)
	if err != nil || found != nil {
		return found, err
	}
	// Another node may have made the key a moment ago. That is asked seldom, whoever sends ids that nobody has.
	if s := r.last.Load(); s != nil && r.db.Now().Sub(s.read) < time.Second {
		return nil, noKey(algorithm)
	}
	if _, err := r.reread(ctx); err != nil {
		return nil, err
	}
	if found, err = r.findDecrypter(ctx, algorithm, id); err == nil && found == nil {
		err = noKey(algorithm)
	}
	return found, err
}

func noKey(algorithm string) error {
	return fmt.Errorf("keyring: %w: no %s key has this id", jose.ErrKey, algorithm)
}

// findDecrypter looks among the keys that are remembered; nil is none.
func (r *Ring) findDecrypter(ctx context.Context, algorithm, id string) (crypto.PrivateKey, error) {
	keys, now, err := r.keys(ctx, algorithm, false)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if k.expired(now) {
			continue
		}
		pair, err := r.open(k)
		if err != nil {
			return nil, err
		}
		if pair.id == id {
			return pair.signer, nil
		}
	}
	return nil, nil
}
