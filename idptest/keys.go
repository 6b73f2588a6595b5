package idptest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"sync"

	"github.com/signet-idp/signet/oidc"
)

// processKeys are made once for a process: an RSA key takes longer than most tests.
var processKeys = sync.OnceValues(func() (map[string]crypto.Signer, error) {
	slow, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	quick, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return map[string]crypto.Signer{"RS256": slow, "PS256": slow, "ES256": quick}, err
})

// signingKeys is oidc.Keys over processKeys.
type signingKeys struct{}

var _ oidc.Keys = signingKeys{}

func (signingKeys) Signer(_ context.Context, algorithm string) (id string, key crypto.Signer, err error) {
	all, err := processKeys()
	if err != nil {
		return "", nil, err
	}
	key, ok := all[algorithm]
	if !ok {
		return "", nil, fmt.Errorf("idptest: no key for %s", algorithm)
	}
	return "idptest-" + algorithm, key, nil
}

func (k signingKeys) Public(ctx context.Context, algorithm string) (map[string]crypto.PublicKey, error) {
	id, key, err := k.Signer(ctx, algorithm)
	if err != nil {
		return nil, err
	}
	return map[string]crypto.PublicKey{id: key.Public()}, nil
}
