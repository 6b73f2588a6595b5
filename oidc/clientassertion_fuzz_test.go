package oidc_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc"
)

// What is found good says by itself, read by another parser, all that RFC 7523 §3 demands.
func FuzzClientAssertion(f *testing.F) {
	now := time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC)
	for _, seed := range []string{
		`{"iss":"c","sub":"c","aud":"https://id.example","jti":"1","exp":1935835260,"iat":1935835200}`,
		`{"iss":"c","sub":"c","aud":["https://id.example"],"jti":"1","exp":1935835260.5,"nbf":1935835200}`,
		`{"iss":"c","sub":"c","aud":["https://id.example","x"],"jti":"1","exp":1e99}`, `{"sub":"c","sub":"d"}`, `{"SUB":"c"}`, `[]`, `null`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		text := rawJWT(map[string]any{"alg": "ES256"}, map[string]any{}, func([]byte) []byte { return []byte("x") })
		parts := strings.Split(text, ".")
		parts[1] = base64.RawURLEncoding.EncodeToString([]byte(payload))
		subject, judged, err := oidc.ReadClientAssertion(strings.Join(parts, "."), issuer, now)
		if err != nil || judged != nil {
			return
		}
		var said struct {
			Iss, Sub, Jti string
			Aud           any
			Exp           float64
		}
		if json.Unmarshal([]byte(payload), &said) != nil || said.Iss != subject || said.Sub != subject || said.Jti == "" || said.Aud == nil ||
			said.Exp < float64(now.Add(-time.Minute).Unix()) {
			t.Errorf("%s is found good", payload)
		}
	})
}

// A key set that is taken has keys.
func FuzzClientKeys(f *testing.F) {
	document, err := jose.Set([]jose.PublicKey{{ID: "k", Algorithm: jose.ES256, Key: generateKey(jose.ES256).Public()}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(document)
	f.Add([]byte(strings.Replace(string(document), `"sig"`, `"enc"`, 1)))
	f.Add([]byte(strings.Replace(string(document), `{"use"`, `{"x5c":["AAAA"],"use"`, 1)))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AAAA"}]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		if signing, encryption, err := oidc.ParseClientKeys(document); err == nil && signing+encryption == 0 {
			t.Errorf("%s is taken", document)
		}
	})
}
