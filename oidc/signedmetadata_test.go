package oidc_test

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc"
)

// turning are keys of which another signs when the test says so, or none.
type turning struct {
	staticKeys
	mu   sync.Mutex
	id   string
	next crypto.Signer
	gone bool
}

func (k *turning) turn(id string, next crypto.Signer, gone bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.id, k.next, k.gone = id, next, gone
}

func (k *turning) Signer(ctx context.Context, algorithm string) (string, crypto.Signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.gone {
		return "", nil, errors.New("the key service is away")
	}
	if k.next != nil && algorithm == "ES256" {
		return k.id, k.next, nil
	}
	return k.staticKeys.Signer(ctx, algorithm)
}

func (k *turning) Public(ctx context.Context, algorithm string) (map[string]crypto.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	public, err := k.staticKeys.Public(ctx, algorithm)
	if err == nil && k.next != nil && algorithm == "ES256" {
		public = maps.Clone(public)
		public[k.id] = k.next.Public()
	}
	return public, err
}

// The discovery document says in a JWT of the issuer, by a key that is published, what it says beside it, and nothing of the JWT itself; when
// another key signs, that has signed it; without a key there is no document (RFC 8414 §2.1).
func TestSignedMetadata(t *testing.T) {
	t.Parallel()
	keys := &turning{}
	h := together(t, func(c *oidc.Config) {
		c.Keys, c.Features.SignedMetadata = keys, &oidc.SignedMetadata{Algorithm: "ES256"}
	})
	read := func() string {
		t.Helper()
		a := h.send(h.request(http.MethodGet, "/.well-known/openid-configuration", nil))
		var said map[string]any
		if err := json.Unmarshal([]byte(a.Body), &said); err != nil || a.Status != http.StatusOK {
			t.Fatal(a)
		}
		token, _ := said["signed_metadata"].(string)
		published, err := jose.ParseSet([]byte(h.send(h.request(http.MethodGet, pathJWKS, nil)).Body))
		h.must(err)
		header, payload, err := jose.Verifier{Types: []string{"oauth-authorization-server-metadata+jwt"}}.Verify(token, func(h jose.Header) (jose.PublicKey, error) {
			return jose.Find(published, h)
		})
		h.must(err)
		var signed map[string]any
		h.must(json.Unmarshal(payload, &signed))
		if signed["iss"] != issuer || signed["iat"] == nil {
			t.Errorf("signed by %v at %v", signed["iss"], signed["iat"])
		}
		delete(said, "signed_metadata")
		delete(signed, "iss")
		delete(signed, "iat")
		one, _ := json.Marshal(said)
		if other, _ := json.Marshal(signed); string(one) != string(other) {
			t.Errorf("beside it stands\n%s\nand in it\n%s", one, other)
		}
		return header.Kid
	}
	first := read()
	if again := read(); again != first {
		t.Errorf("signed by %s, then by %s", first, again)
	}
	keys.turn("next", generateKey(jose.ES256), false)
	if second := read(); second != "next" {
		t.Errorf("signed by %s", second)
	}
	keys.turn("", nil, true)
	if a := h.send(h.request(http.MethodGet, "/.well-known/openid-configuration", nil)); a.Status != http.StatusServiceUnavailable || strings.Contains(a.Body, "away") {
		t.Errorf("without keys: %s", a)
	}
	if _, err := oidc.New(wiring(t, func(c *oidc.Config) { c.Features.SignedMetadata = &oidc.SignedMetadata{Algorithm: "HS256"} })); err == nil {
		t.Error("signed by a secret")
	}
}
