package main

import (
	"crypto"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/dpop"
	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
)

// holder has the key of the clients that prove themselves by one. What they sign is made before it is needed, so that the load generator
// is not what is measured.
type holder struct{ key crypto.Signer }

// holderAlg is what it signs with, and holderKey the name of its key.
const (
	holderAlg = jose.ES256
	holderKey = "bench"
)

func newHolder() (holder, error) {
	key, err := jose.GenerateKey(holderAlg)
	return holder{key}, err
}

func (h holder) public() jose.PublicKey {
	return jose.PublicKey{ID: holderKey, Algorithm: holderAlg, Key: h.key.Public()}
}

// signed is what a client has signed for one request: an assertion of who it is (RFC 7523 §2.2), and a proof of possession (RFC 9449 §4.2).
type signed struct{ Assertion, Proof string }

// assertion is good for one request of a client.
func (h holder) assertion(client, issuer string) (string, error) {
	claims, err := json.Marshal(map[string]any{
		"iss": client, "sub": client, "aud": issuer, "jti": secret.Short().Reveal(),
		"iat": time.Now().Unix(), "exp": time.Now().Add(10 * time.Minute).Unix(),
	})
	if err != nil {
		return "", err
	}
	return jose.Sign(claims, jose.Header{Alg: holderAlg, Kid: holderKey}, h.key)
}

// proof is good for one request.
func (h holder) proof(r dpop.Request) (string, error) {
	return dpop.Sign(h.key, holderAlg, r, "", time.Now())
}

// both are for one post of a client.
func (h holder) both(client, issuer, path string) (s signed, err error) {
	if s.Assertion, err = h.assertion(client, issuer); err == nil {
		s.Proof, err = h.proof(dpop.Request{Method: "POST", URL: issuer + path})
	}
	return s, err
}

// form adds the assertion to a form.
func (s signed) form(parameters string) string {
	return parameters + "&client_assertion_type=" + url.QueryEscape("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") +
		"&client_assertion=" + s.Assertion
}

// headers are those of a request with the proof.
func (s signed) headers() []string { return []string{"DPoP: " + s.Proof} }

// verification verifies a token with a key that is known.
func verification(token string, key jose.PublicKey) func() error {
	unverified, err := jose.Parse(token)
	v := jose.Verifier{Types: []string{unverified.Header().Typ}}
	return func() error {
		if err == nil {
			_, _, err = v.Verify(token, func(jose.Header) (jose.PublicKey, error) { return key, nil })
		}
		return err
	}
}

// once renders requests that count once each.
func (w *world) once(count int, request func(c *connection) ([]byte, error)) (work, error) {
	var made work
	for range count {
		one, err := request(&connection{host: strings.TrimPrefix(w.issuer, "http://")})
		if err != nil {
			return work{}, err
		}
		made.Once = append(made.Once, one)
	}
	return made, nil
}
