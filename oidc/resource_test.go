package oidc_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
)

// The resources of the tests.
const (
	files   = "https://files.example/v1"
	ledger  = "https://ledger.example"
	private = "https://private.example"
)

// resources are three APIs: one as the clients have it, one with opaque tokens that live for a minute, and one of an organization's
// registry.
func resources(c *oidc.Config) {
	c.Features.ResourceIndicators = &oidc.ResourceIndicators{
		Resources: []oidc.Resource{
			{Identifier: files, Scopes: []string{"read", "write"}, Claims: []string{"team"}},
			{Identifier: ledger, Scopes: []string{"book"}, AccessTokenFormat: oidc.Opaque, AccessTokenLifetime: time.Minute},
		},
		Find: func(_ context.Context, _, identifier string) (*oidc.Resource, error) {
			if identifier == private {
				return &oidc.Resource{Identifier: private}, nil
			}
			return nil, store.ErrNotFound
		},
	}
}

// resourceful is a harness with clients that may have tokens for resources.
func resourceful(h *harness) {
	h.register(&oidc.Client{ClientID: "any", RedirectURIs: []string{callback}, Scopes: []string{"openid", "profile", "offline_access", "read", "write", "book"}})
	h.register(&oidc.Client{
		ClientID: "some", RedirectURIs: []string{callback}, Scopes: []string{"openid", "offline_access", "read", "book"}, Audience: []string{files},
		AccessTokenClaims: []string{"email"},
	})
	h.register(&oidc.Client{
		ClientID: "bot", GrantTypes: []oidc.GrantType{oidc.ClientCredentials}, Scopes: []string{"read", "book"},
	})
	h.register(&oidc.Client{ClientID: "apis", GrantTypes: []oidc.GrantType{oidc.ClientCredentials}, Resources: []string{files, ledger}})
}

// audienceOf is the aud of a token, as introspection has it.
func (h *harness) audienceOf(token string) []string {
	h.tb.Helper()
	var answer struct {
		Aud json.RawMessage `json:"aud"`
	}
	h.must(json.Unmarshal([]byte(h.introspect("apis", token).Body), &answer))
	var many []string
	if json.Unmarshal(answer.Aud, &many) == nil {
		return many
	}
	var one string
	h.must(json.Unmarshal(answer.Aud, &one))
	return []string{one}
}

// A token is for what its request names, and has the form, the lifetime, the scopes and the claims of that (RFC 8707 §2, §2.2).
func TestResourceIndicators(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		resourceful(h)
		request := authorization("any", "scope", "openid read book offline_access")
		request["resource"] = []string{files, ledger, files}
		both := h.newBrowser().authorize(request).returned().Get("code")
		first := h.issued(h.redeem("any", both, "resource", ledger))
		if strings.Contains(first.AccessToken, "eyJ") || first.ExpiresIn != 60 || first.Scope != "openid book offline_access" {
			t.Errorf("a token for the ledger is %+v", first)
		}
		if got := h.audienceOf(first.AccessToken); !slices.Equal(got, []string{ledger, issuer}) {
			t.Errorf("it is for %q", got)
		}
		second := h.issued(h.refresh("any", first.RefreshToken, "resource", files))
		payload := claims(t, second.AccessToken)
		if payload["scope"] != "openid read offline_access" || payload["team"] != "blue" {
			t.Errorf("a token for the files says %v", payload)
		}
		if got := h.audienceOf(second.AccessToken); !slices.Equal(got, []string{files, issuer}) {
			t.Errorf("it is for %q", got)
		}
		all := h.issued(h.refresh("any", second.RefreshToken))
		if got := h.audienceOf(all.AccessToken); !slices.Equal(got, []string{files, ledger, issuer}) || all.ExpiresIn != 60 {
			t.Errorf("a token without a resource is for %q, all that was granted", got)
		}
		own := h.issued(h.token("bot", "grant_type", "client_credentials", "resource", private, "scope", "read"))
		if aud := claims(t, own.AccessToken)["aud"]; aud != private {
			t.Errorf("a client's own token is for %v", aud)
		}
		preset := h.tokens("some", "scope", "openid read")
		if payload := claims(t, preset.AccessToken); payload["email"] != "ann@example.com" || payload["team"] != "blue" {
			t.Errorf("claims that the client and the API are registered for: %v", payload)
		}
	}, resources)
}

// Nothing makes a token for more than was granted: not another resource at the token endpoint, nor at a refresh, nor one that the
// client may no longer have (RFC 8707 §2.2), and what is unknown is for nobody (RFC 8707 §2).
func TestAttackResourceWidened(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		resourceful(h)
		for name, wrong := range map[string]string{
			"unknown": "https://else.example", "relative": "/v1", "fragment": files + "#a", "case": strings.ToUpper(files), "longer": files + "/",
			"not text": "https://files.example/\u00e9",
		} {
			if a := h.newBrowser().authorize(authorization("any", "resource", wrong)); a.errorCode() != "invalid_target" {
				t.Errorf("%s at the authorization endpoint: %v", name, a)
			}
			if a := h.token("bot", "grant_type", "client_credentials", "resource", wrong); a.errorCode() != "invalid_target" {
				t.Errorf("%s at the token endpoint: %v", name, a)
			}
		}
		if a := h.newBrowser().authorize(authorization("some", "resource", ledger)); a.errorCode() != "invalid_target" {
			t.Errorf("a resource that is not the client's: %v", a)
		}
		code := h.code("any", "scope", "openid read offline_access", "resource", files)
		if a := h.redeem("any", code, "resource", ledger); a.errorCode() != "invalid_target" {
			t.Errorf("another resource at the redemption: %v", a)
		}
		got := h.issued(h.redeem("any", code)) // the code was not consumed
		if a := h.refresh("any", got.RefreshToken, "resource", ledger); a.errorCode() != "invalid_target" {
			t.Errorf("another resource at the refresh: %v", a)
		}
		got = h.issued(h.refresh("any", got.RefreshToken))
		unnamed := h.tokens("any", "scope", "openid read offline_access")
		if a := h.refresh("any", unnamed.RefreshToken, "resource", ledger); a.errorCode() != "invalid_target" {
			t.Errorf("a resource where none was granted: %v", a)
		}
		c := h.client("any")
		c.Audience = []string{ledger}
		h.must(h.Clients.Replace(t.Context(), c))
		h.clock.advance(2 * time.Second)
		if a := h.refresh("any", got.RefreshToken); a.errorCode() != "invalid_target" {
			t.Errorf("a resource that the client may no longer have: %v", a)
		}
	}, resources)
}

// A registry that fails, or lies, is not taken for one that knows nothing.
func TestResourceRegistryFails(t *testing.T) {
	t.Parallel()
	answer := func() (*oidc.Resource, error) { return &oidc.Resource{Identifier: "https://other.example"}, nil }
	h := together(t, func(c *oidc.Config) {
		c.Features.ResourceIndicators = &oidc.ResourceIndicators{
			Find: func(context.Context, string, string) (*oidc.Resource, error) { return answer() },
		}
	})
	resourceful(h)
	for _, fails := range []func() (*oidc.Resource, error){
		answer,
		func() (*oidc.Resource, error) { return nil, context.DeadlineExceeded },
		func() (*oidc.Resource, error) { return nil, nil },
	} {
		answer = fails
		if a := h.token("bot", "grant_type", "client_credentials", "resource", private); a.Status != http.StatusServiceUnavailable {
			t.Errorf("answered with %d %s", a.Status, a.Body)
		}
	}
}

func TestResourcesAreChecked(t *testing.T) {
	t.Parallel()
	h := together(t)
	_, err := oidc.New(oidc.Config{
		Issuer: issuer, DB: h.db, Directory: h.people, Interact: h.persona.Interact, Keys: staticKeys{},
		Features: oidc.Features{ResourceIndicators: &oidc.ResourceIndicators{Resources: []oidc.Resource{
			{Identifier: "files"}, {Identifier: files, AccessTokenFormat: "saml"}, {Identifier: files, AccessTokenLifetime: time.Millisecond},
		}}},
	})
	for _, want := range []string{"Resources[0]", "Resources[1]", "Resources[2]"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in %v", want, err)
		}
	}
}

func resourceDoors() []door {
	ask := authorization("any", "scope", "openid read book offline_access", "resource", files)
	return []door{
		{name: "authorize for a resource", config: resources, done: gotCode, open: func(h *harness) attempt {
			resourceful(h)
			b := h.newBrowser()
			return attempt{send: func() *answer { return b.get(pathAuthorize + "?" + ask.Encode()) }}
		}},
		{name: "code for a resource", config: resources, done: gotTokens, lost: refusedWith("invalid_grant"), open: func(h *harness) attempt {
			resourceful(h)
			code := h.newBrowser().authorize(ask).returned().Get("code")
			return attempt{send: func() *answer { return h.redeem("any", code, "resource", files) }}
		}},
		{name: "refresh for a resource", config: resources, done: gotTokens, open: func(h *harness) attempt {
			resourceful(h)
			code := h.newBrowser().authorize(ask).returned().Get("code")
			token := h.issued(h.redeem("any", code)).RefreshToken
			return attempt{send: func() *answer { return h.refresh("any", token, "resource", files) }}
		}},
		{name: "client credentials for a resource", config: resources, done: gotTokens, open: func(h *harness) attempt {
			resourceful(h)
			return attempt{send: func() *answer {
				return h.token("bot", "grant_type", "client_credentials", "resource", private, "scope", "read")
			}}
		}},
	}
}
