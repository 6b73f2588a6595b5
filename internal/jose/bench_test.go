package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"testing"

	"github.com/signet-idp/signet/internal/jose"
)

const benchClaims = `{"iss":"https://op.example.com","sub":"6b0b2f0e-3a58-4b3a-9d5e-0c8f6d1f7a10","aud":"https://api.example.com","exp":4000000300,` +
	`"iat":4000000000,"jti":"0f4d5a1c2b3e49788796a5b4c3d2e1f0","client_id":"s6BhdRkqt3","scope":"openid profile email"}`

// digestOf does what precedes every signature.
func digestOf(a jose.Algorithm, input []byte) ([]byte, crypto.SignerOpts) {
	switch a {
	case jose.ES384, jose.RS384:
		d := sha512.Sum384(input)
		return d[:], crypto.SHA384
	case jose.ES512, jose.RS512:
		d := sha512.Sum512(input)
		return d[:], crypto.SHA512
	case jose.EdDSA:
		return input, crypto.Hash(0)
	case jose.PS256:
		d := sha256.Sum256(input)
		return d[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	case jose.PS384:
		d := sha512.Sum384(input)
		return d[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA384}
	case jose.PS512:
		d := sha512.Sum512(input)
		return d[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA512}
	}
	d := sha256.Sum256(input)
	return d[:], crypto.SHA256
}

func BenchmarkSign(b *testing.B) {
	for _, a := range jose.Supported() {
		key, input := testKeys()[a], make([]byte, 400)
		b.Run(string(a)+"/floor", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				digest, opts := digestOf(a, input)
				if _, err := key.Sign(rand.Reader, digest, opts); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(string(a)+"/token", func(b *testing.B) {
			b.ReportAllocs()
			header := jose.Header{Alg: a, Kid: "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", Typ: "at+jwt"}
			for b.Loop() {
				if _, err := jose.Sign([]byte(benchClaims), header, key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, a := range jose.Supported() {
		key, input := testKeys()[a], make([]byte, 400)
		digest, opts := digestOf(a, input)
		signature, err := key.Sign(rand.Reader, digest, opts)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(string(a)+"/floor", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				digest, opts := digestOf(a, input)
				if !verifyRaw(key.Public(), digest, signature, opts) {
					b.Fatal("refused")
				}
			}
		})
		b.Run(string(a)+"/token", func(b *testing.B) {
			b.ReportAllocs()
			token, find := signed(b, a, "JWT", benchClaims), pinned(a, key.Public())
			for b.Loop() {
				if _, _, err := (jose.Verifier{}).Verify(token, find); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func verifyRaw(key crypto.PublicKey, digest, signature []byte, opts crypto.SignerOpts) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if pss, ok := opts.(*rsa.PSSOptions); ok {
			return rsa.VerifyPSS(key, pss.Hash, digest, signature, pss) == nil
		}
		return rsa.VerifyPKCS1v15(key, opts.HashFunc(), digest, signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, digest, signature)
	case ed25519.PublicKey:
		return ed25519.Verify(key, digest, signature)
	}
	return false
}

// BenchmarkParse is about what Verify does besides the signature.
func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	token := signed(b, jose.ES256, "JWT", benchClaims)
	for b.Loop() {
		if _, err := jose.Parse(token); err != nil {
			b.Fatal(err)
		}
	}
}
