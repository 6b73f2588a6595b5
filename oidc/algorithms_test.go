package oidc_test

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/keyring"
	"github.com/signet-idp/signet/oidc"
)

// ring gives the provider a key ring with further algorithms.
func ring(c *oidc.Config) {
	keys, err := keyring.New(keyring.Config{
		DB: c.DB, Algorithms: []string{"ES256"}, OnDemand: []string{"EdDSA", "Ed25519", "ES384"}, TokenLifetime: oidc.LongestToken,
	})
	if err != nil {
		panic(err)
	}
	c.Keys = &ringKeys{keys}
}

// ringKeys has those keys too that the clients of every harness need.
type ringKeys struct{ *keyring.Ring }

func (k *ringKeys) Algorithms() []string { return append(k.Ring.Algorithms(), "RS256", "PS256") }

func (k *ringKeys) Signer(ctx context.Context, algorithm string) (string, crypto.Signer, error) {
	if algorithm == "RS256" || algorithm == "PS256" {
		return staticKeys{}.Signer(ctx, algorithm)
	}
	return k.Ring.Signer(ctx, algorithm)
}

func (k *ringKeys) Public(ctx context.Context, algorithm string) (map[string]crypto.PublicKey, error) {
	if algorithm == "RS256" || algorithm == "PS256" {
		return staticKeys{}.Public(ctx, algorithm)
	}
	return k.Ring.Public(ctx, algorithm)
}

func (k *ringKeys) Rotate(ctx context.Context, algorithm string) error {
	if algorithm == "RS256" || algorithm == "PS256" {
		return nil
	}
	return k.Ring.Rotate(ctx, algorithm)
}

func (k *ringKeys) RotateNow(ctx context.Context, algorithm string) error {
	if algorithm == "RS256" || algorithm == "PS256" {
		return nil
	}
	return k.Ring.RotateNow(ctx, algorithm)
}

// keySet is what is published, by kid.
func (h *harness) keySet() map[string]string {
	h.tb.Helper()
	var set struct {
		Keys []struct{ Kid, Alg string }
	}
	h.must(json.Unmarshal([]byte(h.send(h.request(http.MethodGet, pathJWKS, nil)).Body), &set))
	byID := map[string]string{}
	for _, k := range set.Keys {
		byID[k.Kid] = k.Alg
	}
	return byID
}

// Each client's tokens are signed as it was registered, with a key that was published before (OpenID Connect Registration §2,
// RFC 8037 §3.1, RFC 9864 §2.2).
func TestAlgorithmOfTheClient(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, algorithm := range []string{"EdDSA", "Ed25519", "ES384", "ES256"} {
			id := strings.ToLower(algorithm)
			h.register(&oidc.Client{ClientID: id, RedirectURIs: []string{callback}, AccessTokenAlg: algorithm, IDTokenAlg: algorithm})
			published := h.keySet()
			got := h.tokens(id, "scope", "openid profile")
			for _, token := range []string{got.AccessToken, got.IDToken} {
				parsed, err := jose.Parse(token)
				if header := parsed.Header(); err != nil || string(header.Alg) != algorithm || published[header.Kid] != algorithm {
					t.Errorf("%s: header %+v, %v; published was %v", algorithm, header, err, published)
				}
			}
			want, err := jose.HalfHash(jose.Algorithm(algorithm), got.AccessToken)
			if err != nil || claims(t, got.IDToken)["at_hash"] != want {
				t.Errorf("%s: at_hash is %v, want %s", algorithm, claims(t, got.IDToken)["at_hash"], want)
			}
			if a := h.userInfo(got.AccessToken); a.Status != http.StatusOK {
				t.Errorf("%s: the access token is refused: %s", algorithm, a.Body)
			}
		}
		_, err := h.Clients.Create(t.Context(), "", &oidc.Client{RedirectURIs: []string{callback}, IDTokenAlg: "ES512"})
		if got := fields(err); !slices.Equal(got, []string{"id_token_signed_response_alg"}) {
			t.Errorf("an algorithm without keys: problems with %v", got)
		}
	}, ring)
}

// Keys change under running clients: what was signed stays good, the next key is published before it signs, and at once when it
// must be (OpenID Connect Core §10.1.1).
func TestRotateKeys(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.register(&oidc.Client{ClientID: "ec", RedirectURIs: []string{callback}, AccessTokenAlg: "ES256", IDTokenAlg: "ES256"})
		first := h.tokens("ec", "scope", "openid")
		kid := func(token string) string {
			parsed, err := jose.Parse(token)
			h.must(err)
			return parsed.Header().Kid
		}
		before := h.keySet()
		h.must(h.RotateKeys(t.Context()))
		prepared := h.keySet()
		if len(prepared) != len(before)+1 {
			t.Errorf("published are %v, want one more than %v", prepared, before)
		}
		if got := h.tokens("ec", "scope", "openid"); kid(got.IDToken) != kid(first.IDToken) {
			t.Error("a key signs that was published this moment")
		}
		h.must(h.RotateKeysNow(t.Context()))
		after := h.keySet()
		now := h.tokens("ec", "scope", "openid")
		if kid(now.IDToken) == kid(first.IDToken) || after[kid(now.IDToken)] != "ES256" || after[kid(first.IDToken)] != "ES256" || len(after) != len(prepared) {
			t.Errorf("%s signs after %s, published are %v", kid(now.IDToken), kid(first.IDToken), after)
		}
		for _, token := range []string{first.AccessToken, now.AccessToken} {
			if a := h.userInfo(token); a.Status != http.StatusOK {
				t.Errorf("a token signed by %s is refused: %s", kid(token), a.Body)
			}
		}
		h.faults.FailAll(nil)
		if err := h.RotateKeysNow(t.Context()); err == nil {
			t.Error("a failing store is not reported")
		}
		h.faults.Heal()
	}, ring)
	if err := together(t).RotateKeys(t.Context()); err == nil {
		t.Error("keys that cannot be rotated were")
	}
}

// Config.Keys may say which algorithms it has; what nobody knows, or nothing, is an error of New.
func TestAlgorithmsOfTheKeys(t *testing.T) {
	t.Parallel()
	for name, has := range map[string][]string{"unknown": {"RS256", "none"}, "symmetric": {"HS256"}, "nothing": {}} {
		h := together(t)
		_, err := oidc.New(oidc.Config{Issuer: issuer, DB: h.db, Directory: h.people, Interact: h.persona.Interact, Keys: namedKeys{has: has}})
		if err == nil || !strings.Contains(err.Error(), "Config.Keys") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type namedKeys struct {
	staticKeys
	has []string
}

func (k namedKeys) Algorithms() []string { return k.has }

// A key service that fails when a client is registered is no mistake of the client's.
func TestKeysFailAtRegistration(t *testing.T) {
	t.Parallel()
	h := together(t, func(c *oidc.Config) { c.Keys = emptyKeys{namedKeys{has: []string{"RS256", "PS256", "ES256", "EdDSA"}}} })
	_, err := h.Clients.Create(t.Context(), "", &oidc.Client{RedirectURIs: []string{callback}, IDTokenAlg: "EdDSA"})
	if refusal, ok := errors.AsType[*oidc.Error](err); !ok || refusal.Status != http.StatusServiceUnavailable {
		t.Errorf("registered with %v", err)
	}
}

type emptyKeys struct{ namedKeys }

func (k emptyKeys) Signer(ctx context.Context, algorithm string) (string, crypto.Signer, error) {
	if algorithm == "EdDSA" {
		return "", nil, fmt.Errorf("no %s key", algorithm)
	}
	return k.namedKeys.Signer(ctx, algorithm)
}
