// Package jose signs and verifies JSON Web Tokens and reads and writes JSON Web Key Sets for the protocol packages.
// It is the only package that imports go-jose, and none of go-jose's types leave it.
//
// A key is pinned to one algorithm; a token is accepted only when its header names exactly that algorithm.
//
//	key, err := jose.GenerateKey(jose.ES256)
//	kid, err := jose.Thumbprint(key.Public())
//	token, err := jose.Sign(claims, jose.Header{Alg: jose.ES256, Kid: kid, Typ: "at+jwt"}, key)
//
//	published := []jose.PublicKey{{ID: kid, Algorithm: jose.ES256, Key: key.Public()}}
//	document, err := jose.Set(published) // the answer of jwks_uri
//
//	verifier := jose.Verifier{Types: []string{"at+jwt"}}
//	header, claims, err := verifier.Verify(token, func(h jose.Header) (jose.PublicKey, error) {
//		return jose.Find(published, h)
//	})
//
// Signatures go straight to the standard library, in both directions, and not through go-jose:
//
//   - a KMS or HSM is a [crypto.Signer], which go-jose takes only through an adapter with a second look-up of the algorithm;
//   - the header is parsed once, strictly, so that no second, more lenient parser can see another header than the one
//     that was judged;
//   - a signature should cost what the signature costs (see the benchmarks).
//
// JWKs go straight to the standard library's keys too, which judge points and lengths: what is left is six members. A token of which one
// must know more before it can be verified is read once ([Parse], [Verifier.VerifyParsed]), and so is one that carries its own key
// ([Verifier.VerifyProof]).
//
// The tests hold all of this against go-jose. Encryption is go-jose's, behind a header that has been judged here first:
//
//	token, err := jose.Encrypt(signed, jose.EncryptionHeader{Alg: jose.RSAOAEP256, Enc: jose.A256GCM, Cty: "JWT"}, key)
//	header, signed, err := jose.Decrypter{Nested: true}.Decrypt(token, keys)
//
// Covered: RFC 7515 and RFC 7516 compact serialization, RFC 7517, RFC 7518 §3 (all but none), §4 (RSA-OAEP, RSA-OAEP-256, ECDH-ES,
// ECDH-ES+A128KW, ECDH-ES+A256KW, A128KW, A256KW, dir; RSA1_5 where it is asked for by name) and §5 (all but A192CBC-HS384),
// RFC 7519 §2 NumericDate and §5.2 nested tokens, RFC 7638, RFC 8037 (Ed25519), RFC 8725 §3.1-§3.3, §3.5, §3.6, §3.10 and §3.11,
// OpenID Connect Core §3.1.3.6.
//
// Not covered: PBES2, AES-GCM key wrapping, compression, X25519, the JSON serializations, detached or unencoded payloads (RFC 7797), unsigned tokens, critical
// extensions, X.509 headers, and the judgement of claims (issuer, audience, times, replay), which is the caller's.
package jose
