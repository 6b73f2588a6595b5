package jose_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"testing"

	"github.com/signet-idp/signet/internal/jose"
)

func TestKeyRoundTrip(t *testing.T) {
	t.Parallel()
	for _, a := range jose.Supported() {
		key := testKeys()[a]
		der, err := jose.MarshalKey(key)
		if err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		parsed, err := jose.ParseKey(der)
		if err != nil || !parsed.(interface{ Equal(crypto.PrivateKey) bool }).Equal(key) {
			t.Errorf("%s: another key, error %v", a, err)
		}
		if _, err := jose.Sign([]byte("{}"), jose.Header{Alg: a}, parsed); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
}

func TestGenerateKeyRefuses(t *testing.T) {
	t.Parallel()
	for _, a := range []jose.Algorithm{"", "none", jose.HS256, jose.HS512, "ES256K"} {
		key, err := jose.GenerateKey(a)
		if !errors.Is(err, jose.ErrAlgorithm) || key != nil {
			t.Errorf("%q: %T, error %v", a, key, err)
		}
	}
}

func TestMarshalKeyRefuses(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]crypto.Signer{"nil": nil, "remote": remote{testKeys()[jose.ES256]}, "symmetric": symmetric{}} {
		der, err := jose.MarshalKey(key)
		if !errors.Is(err, jose.ErrKey) || der != nil {
			t.Errorf("%s: %d bytes, error %v", name, len(der), err)
		}
	}
}

func TestParseKeyRefuses(t *testing.T) {
	t.Parallel()
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	agreement, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []any{weak, curve, agreement} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		_, err = jose.ParseKey(der)
		if !errors.Is(err, jose.ErrKey) {
			t.Errorf("%T: %v", key, err)
		}
	}
	good, err := jose.MarshalKey(testKeys()[jose.EdDSA])
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		_, err := jose.ParseKey(good[:i])
		wantError(t, err, jose.ErrMalformed)
	}
}
