package signet_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"io"
	"sync/atomic"
	"testing"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
)

// remote is a key of a service: it shows nothing of itself but its public half, and only ever sees digests.
type remote struct {
	key   crypto.Signer
	asked *atomic.Int64
}

func (r remote) Public() crypto.PublicKey { return r.key.Public() }

func (r remote) Sign(random io.Reader, digest []byte, options crypto.SignerOpts) ([]byte, error) {
	r.asked.Add(1)
	return r.key.Sign(random, digest, options)
}

// A key service signs by each algorithm, as a client that knows nothing of it verifies.
func TestKeyService(t *testing.T) {
	t.Parallel()
	slow, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	quick, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	service, asked := kms{current: map[string]string{}, keys: map[string]map[string]crypto.Signer{}}, map[string]*atomic.Int64{}
	for algorithm, key := range map[string]crypto.Signer{"RS256": slow, "PS256": slow, "ES256": quick} {
		asked[algorithm] = new(atomic.Int64)
		service.current[algorithm] = "kms-" + algorithm
		service.keys[algorithm] = map[string]crypto.Signer{"kms-" + algorithm: remote{key, asked[algorithm]}}
	}
	idp := idptest.New(t, func(c *signet.Config) { c.SigningKeys = service })
	ann := idp.User("ann")
	for algorithm, times := range asked {
		app := idp.App(callback, func(a *idptest.App) { a.Client.IDTokenAlg, a.Client.AccessTokenAlg = algorithm, algorithm })
		tokens := idp.SignIn(ann, app) // verifies the ID token by the key set
		if got := kid(t, tokens.IDToken); got != "kms-"+algorithm || kid(t, tokens.AccessToken) != got {
			t.Errorf("%s: signed by %s", algorithm, got)
		}
		if n := times.Load(); n != 2 {
			t.Errorf("%s: the service signed %d times, want an access token and an ID token", algorithm, n)
		}
	}
}
