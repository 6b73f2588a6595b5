package jose_test

import (
	"errors"
	"testing"

	gojose "github.com/go-jose/go-jose/v4"

	"github.com/signet-idp/signet/internal/jose"
)

// dpop has go-jose make a proof that carries its own key.
func dpop(t *testing.T, a jose.Algorithm) string {
	t.Helper()
	options := (&gojose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
	signer, err := gojose.NewSigner(gojose.SigningKey{Algorithm: gojose.SignatureAlgorithm(a), Key: testKeys()[a]}, options)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(claims))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestProofKey(t *testing.T) {
	t.Parallel()
	for _, a := range jose.Supported() {
		token := dpop(t, a)
		key, err := jose.ProofKey(token)
		if err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		want, err := jose.Thumbprint(testKeys()[a].Public())
		if err != nil || key.ID != want || key.Algorithm != a {
			t.Errorf("%s: %v, want the thumbprint %s, error %v", a, key, want, err)
		}
		_, _, err = jose.Verifier{Types: []string{"dpop+jwt"}}.Verify(token, func(jose.Header) (jose.PublicKey, error) { return key, nil })
		wantError(t, err, nil)
	}
}

func TestProofKeyRefuses(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]error{
		`{"alg":"EdDSA"}`:                                                     jose.ErrKey,
		`{"alg":"EdDSA","jwk":null}`:                                          jose.ErrKey,
		`{"alg":"EdDSA","jwk":"key"}`:                                         jose.ErrMalformed,
		`{"alg":"EdDSA","jwk":{}}`:                                            jose.ErrKey,
		`{"alg":"EdDSA","jwk":{` + ecMembers + `}}`:                           jose.ErrKey,
		`{"alg":"ES384","jwk":{` + ecMembers + `}}`:                           jose.ErrKey,
		`{"alg":"HS256","jwk":{` + ecMembers + `}}`:                           jose.ErrKey,
		`{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}`:                      jose.ErrKey,
		`{"alg":"EdDSA","jwk":{"alg":"ES256",` + edMembers + `}}`:             jose.ErrKey,
		`{"alg":"EdDSA","jwk":{"use":"enc",` + edMembers + `}}`:               jose.ErrKey,
		`{"alg":"EdDSA","jwk":{"d":"AQ",` + edMembers + `}}`:                  jose.ErrKey,
		`{"alg":"EdDSA","jwk":{"D":"AQ",` + edMembers + `}}`:                  jose.ErrMalformed,
		`{"alg":"EdDSA","jwk":{"kty":"OKP",` + edMembers + `}}`:               jose.ErrMalformed,
		`{"alg":"none","jwk":{` + edMembers + `}}`:                            jose.ErrAlgorithm,
		`{"alg":"EdDSA","crit":["jwk"],"jwk":{` + edMembers + `}}`:            jose.ErrMalformed,
		`{"alg":"EdDSA","jwk":{` + edMembers + `},"jwk":{` + edMembers + `}}`: jose.ErrMalformed,
	} {
		key, err := jose.ProofKey(compact(header, claims, nil))
		if !errors.Is(err, want) || key.Key != nil {
			t.Errorf("%s: %v, error %v, want %v", header, key, err, want)
		}
	}
}

// TestSignProof holds that a proof of ours is one to go-jose, and to ProofKey.
func TestSignProof(t *testing.T) {
	t.Parallel()
	for _, a := range jose.Supported() {
		token, err := jose.SignProof([]byte(claims), a, "dpop+jwt", testKeys()[a])
		if err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		parsed, err := gojose.ParseSignedCompact(token, []gojose.SignatureAlgorithm{gojose.SignatureAlgorithm(a)})
		if err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		if _, err := parsed.Verify(parsed.Signatures[0].Header.JSONWebKey); err != nil {
			t.Errorf("%s: %v", a, err)
		}
		if key, err := jose.ProofKey(token); err != nil || key.Algorithm != a {
			t.Errorf("%s: %v, %v", a, key, err)
		}
	}
	if _, err := jose.SignProof([]byte(claims), jose.ES256, "dpop+jwt", nil); !errors.Is(err, jose.ErrKey) {
		t.Errorf("without a key: %v", err)
	}
}
