package jose_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/signet-idp/signet/internal/jose"
)

// testKeys are made once: an RSA key is too slow to make in every test.
var testKeys = sync.OnceValue(func() map[jose.Algorithm]crypto.Signer {
	keys := make(map[jose.Algorithm]crypto.Signer)
	for _, a := range jose.Supported() {
		if a == jose.RS384 || a == jose.RS512 || a == jose.PS384 || a == jose.PS512 {
			keys[a] = keys[jose.RS256] // an RSA key serves every hash
			continue
		}
		key, err := jose.GenerateKey(a)
		if err != nil {
			panic(err)
		}
		keys[a] = key
	}
	return keys
})

// signed returns a token for a, signed with its test key and the kid "k".
func signed(t testing.TB, a jose.Algorithm, typ, claims string) string {
	t.Helper()
	token, err := jose.Sign([]byte(claims), jose.Header{Alg: a, Kid: "k", Typ: typ}, testKeys()[a])
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// pinned answers every header with one key.
func pinned(a jose.Algorithm, key crypto.PublicKey) func(jose.Header) (jose.PublicKey, error) {
	return func(jose.Header) (jose.PublicKey, error) {
		return jose.PublicKey{ID: "k", Algorithm: a, Key: key}, nil
	}
}

// compact joins parts of a token that no honest signer would make.
func compact(header, payload string, signature []byte) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(header)) + "." + enc([]byte(payload)) + "." + enc(signature)
}

// signRaw signs any header at all with an RSA (RS256) or Ed25519 key, so that only the header can be the reason for a refusal.
func signRaw(t testing.TB, key crypto.Signer, header, payload string) string {
	t.Helper()
	hash := crypto.SHA256
	if _, ok := key.(ed25519.PrivateKey); ok {
		hash = 0
	}
	input := strings.TrimSuffix(compact(header, payload, nil), ".")
	signature, err := crypto.SignMessage(key, rand.Reader, []byte(input), hash)
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

// remote is a signer that, like a KMS, shows nothing but the interface.
type remote struct{ signer crypto.Signer }

func (r remote) Public() crypto.PublicKey { return r.signer.Public() }

func (r remote) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return r.signer.Sign(rand, digest, opts)
}

func b64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
