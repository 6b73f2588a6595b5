package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"testing"

	gojose "github.com/go-jose/go-jose/v4"

	"github.com/signet-idp/signet/internal/jose"
)

const claims = `{"iss":"https://op.example","sub":"7","exp":4000000000}`

func TestSignThenVerify(t *testing.T) {
	t.Parallel()
	for _, a := range jose.Supported() {
		for name, signer := range map[string]crypto.Signer{"local": testKeys()[a], "remote": remote{testKeys()[a]}} {
			t.Run(string(a)+" "+name, func(t *testing.T) {
				t.Parallel()
				want := jose.Header{Alg: a, Kid: "the key", Typ: "at+jwt"}
				token, err := jose.Sign([]byte(claims), want, signer)
				if err != nil {
					t.Fatal(err)
				}
				h, payload, err := jose.Verifier{Types: []string{"at+jwt"}}.Verify(token, pinned(a, signer.Public()))
				if err != nil || string(payload) != claims || h != want {
					t.Errorf("header %v, payload %q, error %v", h, payload, err)
				}
			})
		}
	}
}

// knownToGoJose are the algorithms that go-jose knows too: RFC 9864 is younger.
func knownToGoJose() []jose.Algorithm {
	return slices.DeleteFunc(jose.Supported(), func(a jose.Algorithm) bool { return a == jose.Ed25519 })
}

func TestGoJoseVerifiesOurs(t *testing.T) {
	t.Parallel()
	for _, a := range knownToGoJose() {
		for _, signer := range []crypto.Signer{testKeys()[a], remote{testKeys()[a]}} {
			token, err := jose.Sign([]byte(claims), jose.Header{Alg: a, Kid: "k", Typ: "JWT"}, signer)
			if err != nil {
				t.Fatal(err)
			}
			jws, err := gojose.ParseSignedCompact(token, []gojose.SignatureAlgorithm{gojose.SignatureAlgorithm(a)})
			if err != nil {
				t.Fatalf("%s: %v", a, err)
			}
			payload, err := jws.Verify(signer.Public())
			if err != nil || string(payload) != claims {
				t.Errorf("%s: payload %q, error %v", a, payload, err)
			}
			if h := jws.Signatures[0].Protected; h.KeyID != "k" || h.ExtraHeaders[gojose.HeaderType] != "JWT" {
				t.Errorf("%s: header %v", a, h)
			}
		}
	}
}

func TestVerifyGoJoses(t *testing.T) {
	t.Parallel()
	secret := []byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
	for _, a := range append(knownToGoJose(), jose.Symmetric()...) {
		var private, public any = secret, secret
		if key := testKeys()[a]; key != nil {
			private, public = key, key.Public()
		}
		options := (&gojose.SignerOptions{}).WithType("JWT").WithHeader("kid", "k")
		signer, err := gojose.NewSigner(gojose.SigningKey{Algorithm: gojose.SignatureAlgorithm(a), Key: private}, options)
		if err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		jws, err := signer.Sign([]byte(claims))
		if err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		token, err := jws.CompactSerialize()
		if err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		h, payload, err := jose.Verifier{Algorithms: []jose.Algorithm{a}}.Verify(token, pinned(a, public))
		if err != nil || string(payload) != claims || h != (jose.Header{Alg: a, Kid: "k", Typ: "JWT"}) {
			t.Errorf("%s: header %v, payload %q, error %v", a, h, payload, err)
		}
	}
}

// A short R or S loses its leading zeros in ASN.1; the fixed form must give them back. One signature in 128 is such.
func TestSignPadsCoordinates(t *testing.T) {
	t.Parallel()
	for range 600 {
		token := signed(t, jose.ES256, "", "{}")
		if _, _, err := (jose.Verifier{}).Verify(token, pinned(jose.ES256, testKeys()[jose.ES256].Public())); err != nil {
			t.Fatalf("%s: %v", token, err)
		}
	}
}

func TestSignEscapesHeader(t *testing.T) {
	t.Parallel()
	want := jose.Header{Alg: jose.EdDSA, Kid: "a\"b\\c\n<ü>", Typ: "JWT"}
	token, err := jose.Sign([]byte("{}"), want, testKeys()[jose.EdDSA])
	if err != nil {
		t.Fatal(err)
	}
	if parsed, err := jose.Parse(token); err != nil || parsed.Header() != want {
		t.Errorf("header %q, error %v", parsed.Header(), err)
	}
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := testKeys()
	for name, c := range map[string]struct {
		header jose.Header
		key    crypto.Signer
		want   error
	}{
		"no algorithm":      {jose.Header{}, keys[jose.RS256], jose.ErrAlgorithm},
		"none":              {jose.Header{Alg: "none"}, keys[jose.RS256], jose.ErrAlgorithm},
		"HS256 as a signer": {jose.Header{Alg: jose.HS256}, symmetric{}, jose.ErrAlgorithm},
		"RSA for ES256":     {jose.Header{Alg: jose.ES256}, keys[jose.RS256], jose.ErrKey},
		"P-256 for ES384":   {jose.Header{Alg: jose.ES384}, keys[jose.ES256], jose.ErrKey},
		"P-521 for ES256":   {jose.Header{Alg: jose.ES256}, other, jose.ErrKey},
		"weak RSA":          {jose.Header{Alg: jose.RS256}, weak, jose.ErrKey},
		"no key":            {jose.Header{Alg: jose.RS256}, nil, jose.ErrKey},
		"kid not UTF-8":     {jose.Header{Alg: jose.EdDSA, Kid: "\xff"}, keys[jose.EdDSA], jose.ErrMalformed},
		"typ not UTF-8":     {jose.Header{Alg: jose.EdDSA, Typ: "\xff"}, keys[jose.EdDSA], jose.ErrMalformed},
	} {
		token, err := jose.Sign([]byte("{}"), c.header, c.key)
		if !errors.Is(err, c.want) || token != "" {
			t.Errorf("%s: token %q, error %v, want %v", name, token, err, c.want)
		}
	}
}

// What a signer returns in another dialect must not become a token.
func TestSignMeasuresSignature(t *testing.T) {
	t.Parallel()
	for _, a := range []jose.Algorithm{jose.RS256, jose.PS256, jose.EdDSA} {
		for _, size := range []int{0, 1, 63, 65, 255, 257} {
			token, err := jose.Sign([]byte("{}"), jose.Header{Alg: a}, broken{Signer: testKeys()[a], signature: make([]byte, size)})
			if err == nil {
				t.Errorf("%s with %d bytes: %q", a, size, token)
			}
		}
	}
}

func TestSignReportsSigner(t *testing.T) {
	t.Parallel()
	down := errors.New("KMS is down")
	key := testKeys()[jose.ES256]
	_, err := jose.Sign([]byte("{}"), jose.Header{Alg: jose.ES256}, broken{Signer: key, err: down})
	wantError(t, err, down)

	for name, signature := range map[string][]byte{
		"empty":          {},
		"fixed length":   make([]byte, 64),
		"zero":           {0x30, 6, 2, 1, 0, 2, 1, 0},
		"negative":       {0x30, 6, 2, 1, 0x80, 2, 1, 1},
		"no S":           {0x30, 6, 2, 1, 1, 2, 1, 0},
		"trailing bytes": {0x30, 6, 2, 1, 1, 2, 1, 1, 0},
		"too long":       append([]byte{0x30, 38, 2, 33, 1}, append(make([]byte, 32), 2, 1, 1)...),
	} {
		token, err := jose.Sign([]byte("{}"), jose.Header{Alg: jose.ES256}, broken{Signer: key, signature: signature})
		if err == nil {
			t.Errorf("%s: token %q", name, token)
		}
	}
}

type broken struct {
	crypto.Signer
	signature []byte
	err       error
}

func (b broken) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return b.signature, b.err }

type symmetric struct{}

func (symmetric) Public() crypto.PublicKey { return make([]byte, 32) }

func (symmetric) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return make([]byte, 32), nil
}

func TestSignLeavesOutEmptyMembers(t *testing.T) {
	t.Parallel()
	token, err := jose.Sign([]byte("{}"), jose.Header{Alg: jose.EdDSA}, testKeys()[jose.EdDSA])
	if err != nil {
		t.Fatal(err)
	}
	jws, err := gojose.ParseSignedCompact(token, []gojose.SignatureAlgorithm{gojose.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	header, err := json.Marshal(jws.Signatures[0].Protected)
	if err != nil || jws.Signatures[0].Protected.KeyID != "" || len(jws.Signatures[0].Protected.ExtraHeaders) != 0 {
		t.Errorf("header %s, error %v", header, err)
	}
}

func TestSignSecret(t *testing.T) {
	t.Parallel()
	secret := []byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
	for a, size := range map[jose.Algorithm]int{jose.HS256: 32, jose.HS384: 48, jose.HS512: 64} {
		token, err := jose.SignSecret([]byte(claims), jose.Header{Alg: a, Kid: "k", Typ: "JWT"}, secret[:size])
		if err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		jws, err := gojose.ParseSignedCompact(token, []gojose.SignatureAlgorithm{gojose.SignatureAlgorithm(a)})
		if err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		if payload, err := jws.Verify(secret[:size]); err != nil || string(payload) != claims {
			t.Errorf("%s: go-jose reads %q, error %v", a, payload, err)
		}
		// RFC 7518 §3.2: a key of the size of the hash or longer.
		token, err = jose.SignSecret([]byte(claims), jose.Header{Alg: a}, secret[:size-1])
		if !errors.Is(err, jose.ErrKey) || token != "" {
			t.Errorf("%s, short secret: %q, error %v", a, token, err)
		}
	}
	for _, h := range []jose.Header{{Alg: jose.HS256, Kid: "\xff"}, {Alg: jose.HS256, Typ: "\xff"}} {
		_, err := jose.SignSecret([]byte(claims), h, secret)
		wantError(t, err, jose.ErrMalformed)
	}
	_, err := jose.SignSecret([]byte(claims), jose.Header{Alg: jose.RS256}, secret)
	wantError(t, err, jose.ErrKey)
	_, err = jose.SignSecret([]byte(claims), jose.Header{Alg: "none"}, secret)
	wantError(t, err, jose.ErrAlgorithm)
}

// Ed25519 is what EdDSA was with that curve (RFC 9864 §2.2): one key and one signature, and yet a key that is for the one name is not for the
// other (RFC 8725 §3.1).
func TestEd25519(t *testing.T) {
	t.Parallel()
	key := testKeys()[jose.EdDSA]
	for _, a := range []jose.Algorithm{jose.EdDSA, jose.Ed25519} {
		token, err := jose.Sign([]byte(claims), jose.Header{Alg: a, Kid: "k", Typ: "JWT"}, key)
		if err != nil {
			t.Fatal(err)
		}
		for _, of := range []jose.Algorithm{"", jose.EdDSA, jose.Ed25519} {
			published := []jose.PublicKey{{ID: "k", Algorithm: of, Key: key.Public()}}
			_, payload, err := jose.Verifier{}.Verify(token, func(h jose.Header) (jose.PublicKey, error) { return jose.Find(published, h) })
			if fits := of == "" || of == a; fits != (err == nil) || fits != (string(payload) == claims) {
				t.Errorf("%s by a key for %q: %q, %v", a, of, payload, err)
			}
		}
		proof, err := jose.SignProof([]byte(claims), a, "dpop+jwt", key)
		if err != nil {
			t.Fatal(err)
		}
		if _, payload, err := proofs.VerifyProof(proof); err != nil || string(payload) != claims {
			t.Errorf("a proof by %s: %q, %v", a, payload, err)
		}
	}
	one, err := jose.HalfHash(jose.EdDSA, "value")
	if other, errOther := jose.HalfHash(jose.Ed25519, "value"); err != nil || errOther != nil || one != other {
		t.Errorf("%q and %q: %v, %v", one, other, err, errOther)
	}
}
