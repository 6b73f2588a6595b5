package resource_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc/resource"
)

// answer is a signed answer about a token, with what changes it.
func (s *issuer) answer(about string, changes ...any) map[string]any {
	c := map[string]any{"iss": s.URL, "aud": "api", "iat": time.Now().Unix(), "token_introspection": json.RawMessage(about)}
	for i := 0; i < len(changes); i += 2 {
		if c[changes[i].(string)] = changes[i+1]; changes[i+1] == nil {
			delete(c, changes[i].(string))
		}
	}
	return c
}

// TestAttackSignedIntrospection: with Signed an answer counts when the issuer has signed it for us just now, and no other does, in whatever
// form; a good one that says no is no (RFC 9701 §5, §8).
func TestAttackSignedIntrospection(t *testing.T) {
	t.Parallel()
	s, another := newIssuer(t), newIssuer(t)
	const typ = "token-introspection+jwt"
	active := `{"active":true,"sub":"ann","aud":"` + api + `","scope":"read","client_id":"web"}`
	h := s.guard(introspecting(s), func(c *resource.Config) { c.Introspection.Signed = true }).Protect("read")(inside())
	s.says("good", s.sign(typ, s.answer(active)))
	if w := call(h, "Authorization: Bearer good"); w.Code != http.StatusOK {
		t.Errorf("good: %d %s", w.Code, w.Body)
	}
	s.says("dead", s.sign(typ, s.answer(`{"active":false}`)))
	if w := call(h, "Authorization: Bearer dead"); w.Code != http.StatusUnauthorized {
		t.Errorf("dead: %d %s", w.Code, w.Body)
	}
	good := s.sign(typ, s.answer(active))
	for name, answer := range map[string]string{
		"not signed":       active,
		"of another":       another.sign(typ, s.answer(active)),
		"another issuer":   s.sign(typ, s.answer(active, "iss", another.URL)),
		"for another":      s.sign(typ, s.answer(active, "aud", "other")),
		"for nobody":       s.sign(typ, s.answer(active, "aud", nil)),
		"old":              s.sign(typ, s.answer(active, "iat", time.Now().Add(-3*time.Minute).Unix())),
		"of no time":       s.sign(typ, s.answer(active, "iat", nil)),
		"of tomorrow":      s.sign(typ, s.answer(active, "iat", time.Now().Add(time.Hour).Unix())),
		"expired":          s.sign(typ, s.answer(active, "exp", time.Now().Add(-time.Hour).Unix())),
		"an access token":  s.sign("at+jwt", s.answer(active)),
		"an ID token":      s.sign("JWT", s.answer(active)),
		"empty":            s.sign(typ, s.answer(active, "token_introspection", nil)),
		"a text":           s.sign(typ, s.answer(`"active"`)),
		"twice":            s.sign(typ, s.answer(`{"active":true,"active":true}`)),
		"cut short":        good[:len(good)-3],
		"without a key":    "eyJhbGciOiJub25lIiwidHlwIjoidG9rZW4taW50cm9zcGVjdGlvbitqd3QifQ." + strings.Split(good, ".")[1] + ".",
		"claims beside it": s.sign(typ, s.claims("aud", "api")),
	} {
		s.says("opaque", answer)
		if w := call(h, "Authorization: Bearer opaque"); w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	s.untyped = true
	if w := call(h, "Authorization: Bearer good"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("without its media type: %d", w.Code)
	}
	s.untyped = false
	s.fails()
	if w := call(h, "Authorization: Bearer good"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("down: %d", w.Code)
	}
}

// The metadata say in a JWT who says them, and the same as beside it; without a key that signs there is no Guard (RFC 9728 §2.2).
func TestSignedMetadata(t *testing.T) {
	t.Parallel()
	key, err := jose.GenerateKey(jose.ES256)
	if err != nil {
		t.Fatal(err)
	}
	config := resource.Config{
		Resource: api, Issuers: []string{"https://id.example"}, Scopes: []string{"read"},
		SignedMetadata: &resource.SignedMetadata{KeyID: "m", Algorithm: "ES256", Signer: key, JWKSURI: api + "/jwks"},
	}
	for named, want := range map[string]string{"": api, "https://registry.example": "https://registry.example"} {
		config.SignedMetadata.Issuer = named
		g, err := resource.New(config)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		g.Metadata().ServeHTTP(w, httptest.NewRequest(http.MethodGet, api, nil))
		var said, signed map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil {
			t.Fatal(err)
		}
		token, _ := said["signed_metadata"].(string)
		_, payload, err := jose.Verifier{Types: []string{"oauth-protected-resource-metadata+jwt"}}.Verify(token, func(jose.Header) (jose.PublicKey, error) {
			return jose.PublicKey{ID: "m", Algorithm: jose.ES256, Key: key.Public()}, nil
		})
		if err != nil || json.Unmarshal(payload, &signed) != nil {
			t.Fatal(err)
		}
		if signed["iss"] != want || signed["iat"] == nil || said["jwks_uri"] != api+"/jwks" {
			t.Errorf("signed %v", signed)
		}
		delete(said, "signed_metadata")
		delete(signed, "iss")
		delete(signed, "iat")
		if !reflect.DeepEqual(said, signed) {
			t.Errorf("beside it %v, in it %v", said, signed)
		}
	}
	config.SignedMetadata.Algorithm = "HS256"
	if _, err := resource.New(config); err == nil || !strings.Contains(err.Error(), "Config.SignedMetadata") {
		t.Errorf("signed by a secret: %v", err)
	}
	config.SignedMetadata.Algorithm, config.SignedMetadata.Signer = "ES256", nil
	if _, err := resource.New(config); err == nil || !strings.Contains(err.Error(), "Config.SignedMetadata") {
		t.Errorf("signed by nobody: %v", err)
	}
}
