package jose_test

import (
	"crypto"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	gojose "github.com/go-jose/go-jose/v4"

	"github.com/signet-idp/signet/internal/jose"
)

func documented(err error) bool {
	for _, sentinel := range []error{jose.ErrMalformed, jose.ErrAlgorithm, jose.ErrType, jose.ErrKey, jose.ErrSignature} {
		if errors.Is(err, sentinel) {
			return true
		}
	}
	return false
}

func seeds(f *testing.F) {
	for _, token := range []string{
		rfc7515RSA, rfc7515EC, rfc7515HMAC, rfc7515None, rfc8037, "", "..", ".", "a.b.c",
		compact(`{"alg":"EdDSA","crit":["b64"],"b64":false}`, "{}", nil),
		compact(`{"alg":"EdDSA","jwk":{`+edMembers+`}}`, "{}", make([]byte, 64)),
		rfc8037 + "==", strings.Replace(rfc8037, ".", ".\n", 1),
	} {
		f.Add(token)
	}
}

// What Verify accepts is the one spelling of what go-jose accepts too.
func FuzzVerify(f *testing.F) {
	seeds(f)
	// RFC 8037's own key makes its token a seed that verifies.
	set, err := jose.ParseSet([]byte(rfc8037Key))
	if err != nil {
		f.Fatal(err)
	}
	key := set[0].Key
	f.Fuzz(func(t *testing.T, token string) {
		h, payload, err := jose.Verifier{}.Verify(token, pinned(jose.EdDSA, key))
		if err != nil {
			if !documented(err) || payload != nil {
				t.Fatalf("payload %q, error %v", payload, err)
			}
			return
		}
		jws, err := gojose.ParseSignedCompact(token, []gojose.SignatureAlgorithm{gojose.EdDSA})
		if err != nil {
			t.Fatalf("go-jose refuses %q: %v", token, err)
		}
		theirs, err := jws.Verify(key)
		if err != nil || string(theirs) != string(payload) || h.Alg != jose.EdDSA {
			t.Fatalf("go-jose reads %q, error %v", theirs, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, token string) {
		parsed, err := jose.Parse(token)
		h, payload := parsed.Header(), parsed.Payload()
		if err != nil {
			if !documented(err) || payload != nil || h != (jose.Header{}) {
				t.Fatalf("header %v, payload %q, error %v", h, payload, err)
			}
			return
		}
		parts := strings.Split(token, ".")
		if again := compact("", string(payload), nil); again != "."+parts[1]+"." {
			t.Fatalf("%q is a second spelling of %q", parts[1], again)
		}
	})
}

// A proof that verifies is one to go-jose too, of the same key; the seeds are such proofs and what is nearly one.
func FuzzVerifyProof(f *testing.F) {
	seeds(f)
	for _, a := range jose.Supported() {
		proof, err := jose.SignProof([]byte(claims), a, "JWT", testKeys()[a])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(proof)
	}
	for _, header := range proofHeaders {
		f.Add(compact(header, claims, make([]byte, 64)))
	}
	f.Fuzz(func(t *testing.T, token string) {
		thumbprint, payload, err := jose.Verifier{}.VerifyProof(token)
		if err != nil {
			if !documented(err) || payload != nil || thumbprint != "" {
				t.Fatalf("thumbprint %q, payload %q, error %v", thumbprint, payload, err)
			}
			return
		}
		parsed, err := jose.Parse(token)
		if err != nil {
			t.Fatal(err)
		}
		if parsed.Header().Alg == jose.Ed25519 { // go-jose does not know it
			return
		}
		jws, err := gojose.ParseSignedCompact(token, []gojose.SignatureAlgorithm{gojose.SignatureAlgorithm(parsed.Header().Alg)})
		if err != nil {
			t.Fatalf("go-jose refuses %q: %v", token, err)
		}
		key := jws.Signatures[0].Header.JSONWebKey
		theirs, err := jws.Verify(key)
		if err != nil || string(theirs) != string(payload) {
			t.Fatalf("go-jose reads %q, error %v", theirs, err)
		}
		sum, err := key.Thumbprint(crypto.SHA256)
		if err != nil || base64.RawURLEncoding.EncodeToString(sum) != thumbprint {
			t.Fatalf("go-jose has the thumbprint %x, we have %s, error %v", sum, thumbprint, err)
		}
	})
}

func FuzzParseSet(f *testing.F) {
	for _, set := range []string{
		rfc7515RSAKey, rfc7515ECKey, rfc8037Key, `{"keys":[]}`, `{"keys":[{}]}`, `null`, `{"keys":[{"kty":"oct","k":"AA"}]}`,
		`{"keys":[{"x5c":["AAAA"],` + ecMembers + `}]}`, `{"keys":[{"use":"enc",` + edMembers + `}]}`,
	} {
		f.Add([]byte(set))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		keys, err := jose.ParseSet(document)
		if err != nil {
			if !documented(err) || keys != nil {
				t.Fatalf("%v, error %v", keys, err)
			}
			return
		}
		for i, k := range keys {
			// Whatever is let in can be published again and fingerprinted: it is public, and strong enough.
			if _, err := jose.Thumbprint(k.Key); err != nil {
				t.Fatal(err)
			}
			for _, a := range jose.Supported() {
				if pinned, err := jose.Find(keys[i:i+1], jose.Header{Alg: a}); err == nil {
					pinned.ID = "k"
					if _, err := jose.Set([]jose.PublicKey{pinned}); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	})
}

// A header means the same whether or not it has the spelling that is read without a JSON decoder: a blank behind it makes
// the difference.
func FuzzHeader(f *testing.F) {
	for _, header := range []string{
		`{"alg":"ES256","kid":"a","typ":"at+jwt"}`, `{"alg":"ES256"}`, `{"alg":"ES256","typ":"JWT"}`, `{"alg":"none"}`, `{"alg":""}`,
		`{"alg":"ES256","typ":"JWT","kid":"a"}`, `{"alg":"ES256","kid":"a","kid":"b"}`, `{"alg":"ES256","alg":"ES256"}`,
		`{"alg":"ES256","kid":"\u0061"}`, `{"alg":"ES256","kid":"ü"}`, "{\"alg\":\"ES256\",\"kid\":\"\xff\"}", `{"alg":"ES256","kid":"a"`,
		`{"alg":"ES256","kid":"a"},`, `{"alg":"ES256","Kid":"a"}`, `{"alg":"ES256","kid":"a\"}`, `{"alg":"ES256","kid":null}`,
		"{\"alg\":\"ES256\",\"kid\":\"\t\"}", `{"alg":"ES256","crit":["b64"]}`, `{}`, ``,
	} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		plain, err := jose.Parse(compact(header, "{}", nil))
		other, otherErr := jose.Parse(compact(header+" ", "{}", nil))
		if plain.Header() != other.Header() || (err == nil) != (otherErr == nil) || errors.Is(err, jose.ErrAlgorithm) != errors.Is(otherErr, jose.ErrAlgorithm) {
			t.Fatalf("%q is %v, %v; with a blank behind it %v, %v", header, plain.Header(), err, other.Header(), otherErr)
		}
	})
}

// What comes out of Decrypt is what go-jose, with a header that we let through, decrypts; and never a panic.
func FuzzDecrypt(f *testing.F) {
	secret := b64(f, rfc7516A3Key)
	ec, public := recipient(f, jose.ECDHES, jose.A256GCM)
	agreed, err := jose.Encrypt([]byte("{}"), jose.EncryptionHeader{Alg: jose.ECDHES, Enc: jose.A256GCM}, public)
	if err != nil {
		f.Fatal(err)
	}
	for _, token := range []string{
		rfc7516A1, rfc7516A2, rfc7516A3, rfc7515RSA, agreed, "....", "", strings.Replace(rfc7516A3, ".", "..", 1), rfc7516A3 + "AAAA",
		compact(`{"alg":"dir","enc":"A128GCM","zip":"DEF"}`, "", nil) + "..",
	} {
		f.Add(token)
	}
	d := jose.Decrypter{Algorithms: []jose.KeyManagement{jose.A128KW, jose.ECDHES}}
	f.Fuzz(func(t *testing.T, token string) {
		h, plaintext, err := d.Decrypt(token, only(jose.PrivateKey{Algorithm: jose.A128KW, Key: secret}, ec))
		if err != nil {
			if !errors.Is(err, jose.ErrDecryption) && !documented(err) || plaintext != nil || h != (jose.EncryptionHeader{}) {
				t.Fatalf("%q, header %v, error %v", plaintext, h, err)
			}
			return
		}
		again, err := jose.Encrypt(plaintext, jose.EncryptionHeader{Alg: jose.A128KW, Enc: h.Enc}, secret)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice, err := d.Decrypt(again, only(jose.PrivateKey{Algorithm: jose.A128KW, Key: secret})); err != nil || string(twice) != string(plaintext) {
			t.Fatalf("%q, error %v", twice, err)
		}
	})
}
