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

var proofs = jose.Verifier{Types: []string{"dpop+jwt"}}

func TestVerifyProof(t *testing.T) {
	t.Parallel()
	for _, a := range knownToGoJose() {
		got, payload, err := proofs.VerifyProof(dpop(t, a))
		if err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		want, err := jose.Thumbprint(testKeys()[a].Public())
		if err != nil || got != want || string(payload) != claims {
			t.Errorf("%s: %s says %q, want %s, error %v", a, got, payload, want, err)
		}
	}
}

// proofHeaders are of proofs that carry no key, the key of another algorithm, or none that may be used.
var proofHeaders = []string{
	`{"alg":"EdDSA"}`,
	`{"alg":"EdDSA","jwk":null}`,
	`{"alg":"EdDSA","jwk":"key"}`,
	`{"alg":"EdDSA","jwk":{}}`,
	`{"alg":"EdDSA","jwk":{` + ecMembers + `}}`,
	`{"alg":"ES384","jwk":{` + ecMembers + `}}`,
	`{"alg":"HS256","jwk":{` + ecMembers + `}}`,
	`{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}`,
	`{"alg":"EdDSA","jwk":{"alg":"ES256",` + edMembers + `}}`,
	`{"alg":"EdDSA","jwk":{"use":"enc",` + edMembers + `}}`,
	`{"alg":"EdDSA","jwk":{"d":"AQ",` + edMembers + `}}`,
	`{"alg":"EdDSA","jwk":{"D":"AQ",` + edMembers + `}}`,
	`{"alg":"EdDSA","jwk":{"kty":"OKP",` + edMembers + `}}`,
	`{"alg":"EdDSA","JWK":{` + edMembers + `}}`,
	`{"alg":"none","jwk":{` + edMembers + `}}`,
	`{"alg":"EdDSA","crit":["jwk"],"jwk":{` + edMembers + `}}`,
	`{"alg":"EdDSA","jwk":{` + edMembers + `},"jwk":{` + edMembers + `}}`,
	`{"alg":"EdDSA","jwk":{` + edMembers + `}}`,
}

func TestVerifyProofRefuses(t *testing.T) {
	t.Parallel()
	for i, want := range []error{
		jose.ErrKey, jose.ErrKey, jose.ErrMalformed, jose.ErrKey, jose.ErrKey, jose.ErrKey, jose.ErrAlgorithm, jose.ErrAlgorithm, jose.ErrKey,
		jose.ErrKey, jose.ErrKey, jose.ErrMalformed, jose.ErrMalformed, jose.ErrMalformed, jose.ErrAlgorithm, jose.ErrMalformed,
		jose.ErrMalformed, jose.ErrSignature,
	} {
		thumbprint, payload, err := jose.Verifier{}.VerifyProof(compact(proofHeaders[i], claims, nil))
		if !errors.Is(err, want) || thumbprint != "" || payload != nil {
			t.Errorf("%s: %s says %q, error %v, want %v", proofHeaders[i], thumbprint, payload, err, want)
		}
	}
	good := dpop(t, jose.ES256)
	for name, c := range map[string]struct {
		v     jose.Verifier
		token string
		want  error
	}{
		"another type":      {jose.Verifier{}, good, jose.ErrType},
		"another algorithm": {jose.Verifier{Types: proofs.Types, Algorithms: []jose.Algorithm{jose.RS256}}, good, jose.ErrAlgorithm},
		"too long":          {jose.Verifier{Types: proofs.Types, MaxSize: len(good) - 1}, good, jose.ErrMalformed},
		"changed":           {proofs, good[:len(good)-4] + "AAAA", jose.ErrSignature},
		"not a token":       {proofs, "a.b", jose.ErrMalformed},
	} {
		_, payload, err := c.v.VerifyProof(c.token)
		if !errors.Is(err, c.want) || payload != nil {
			t.Errorf("%s: %q, error %v, want %v", name, payload, err, c.want)
		}
	}
}

// TestSignProof holds that a proof of ours is one to go-jose, and to VerifyProof.
func TestSignProof(t *testing.T) {
	t.Parallel()
	for _, a := range knownToGoJose() {
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
		if _, _, err := proofs.VerifyProof(token); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	if _, err := jose.SignProof([]byte(claims), jose.ES256, "dpop+jwt", nil); !errors.Is(err, jose.ErrKey) {
		t.Errorf("without a key: %v", err)
	}
}
