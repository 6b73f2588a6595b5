package oidc_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/storetest"
)

// shop is the origin of the single-page application.
const shop = "https://shop.example"

// sharing turns CORS on.
func sharing(c *oidc.Config) {
	c.Features.CORS = &oidc.CORS{Origins: []string{"https://console.example"}}
}

// from sends a request of a script at an origin.
func (h *harness) from(origin, method, path string, pairs ...string) *answer {
	form := values(pairs...)
	if method != http.MethodPost {
		form = nil
	}
	r := h.request(method, path, form)
	r.Header.Set("Origin", origin)
	if method == http.MethodOptions {
		r.Header.Set("Access-Control-Request-Method", http.MethodPost)
	}
	return h.send(r)
}

// Fetch Standard §3.2: scripts of a client's own origins may call for it, and are told so before and after.
func TestCORS(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.register(&oidc.Client{ClientID: "shop", AuthMethod: oidc.NoAuth, RedirectURIs: []string{callback}, AllowedOrigins: []string{shop}})
		for _, origin := range []string{shop, "https://console.example"} {
			for _, path := range []string{pathToken, pathUserInfo, pathRevoke} {
				a := h.from(origin, http.MethodOptions, path)
				if a.Status != http.StatusNoContent || a.Header.Get("Access-Control-Allow-Origin") != origin || !strings.Contains(a.Header.Get("Access-Control-Allow-Headers"), "DPoP") ||
					a.Header.Get("Vary") != "Origin" || a.Header.Get("Access-Control-Allow-Credentials") != "" || a.Header.Get("Access-Control-Max-Age") != "3600" {
					t.Errorf("%s is asked by %s and answers %s", path, origin, a)
				}
			}
			code := h.code("shop")
			a := h.from(origin, http.MethodPost, pathToken, "grant_type", "authorization_code", "client_id", "shop", "code", code, "redirect_uri", callback, "code_verifier", verifier)
			if !gotTokens(a) || a.Header.Get("Access-Control-Allow-Origin") != origin {
				t.Errorf("a script at %s is answered with %s", origin, a)
			}
			r := h.request(http.MethodGet, pathUserInfo, nil)
			r.Header.Set("Origin", origin)
			r.Header.Set("Authorization", "Bearer "+h.issued(a).AccessToken)
			if a := h.send(r); a.Status != http.StatusOK || a.Header.Get("Access-Control-Allow-Origin") != origin {
				t.Errorf("userinfo for a script at %s: %s", origin, a)
			}
			if a := h.from(origin, http.MethodPost, pathToken, "grant_type", "refresh_token", "client_id", "shop", "refresh_token", "x"); a.Status != http.StatusBadRequest || a.Header.Get("Access-Control-Allow-Origin") != origin {
				t.Errorf("a script at %s cannot read its error: %s", origin, a)
			}
		}
		for _, path := range []string{pathJWKS, "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
			if a := h.from("https://anybody.example", http.MethodOptions, path); a.Status != http.StatusNoContent || a.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s is asked and answers %s", path, a)
			}
		}
	}, sharing)
}

// CORS by other origins: nobody's script reads an answer that is for another's client, no origin is reflected, "null" is none, and no
// cookie goes along; what browsers alone use is never shared.
func TestAttackCORSOfAnotherClient(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.register(&oidc.Client{ClientID: "shop", AuthMethod: oidc.NoAuth, RedirectURIs: []string{callback}, AllowedOrigins: []string{shop}})
		for _, origin := range []string{
			"https://evil.example", "null", "https://shop.example.evil.example", "http://shop.example", "https://SHOP.example", "https://shop.example:444",
			"https://shop.example/", "https://shop.example,https://evil.example", "*", "https://*", "file://", "https://shop.example\u0000",
		} {
			for _, path := range []string{pathToken, pathUserInfo, pathRevoke} {
				for _, method := range []string{http.MethodOptions, http.MethodPost} {
					if a := h.from(origin, method, path, "grant_type", "refresh_token", "client_id", "shop", "refresh_token", "x"); a.Header.Get("Access-Control-Allow-Origin")+a.Header.Get("Access-Control-Allow-Credentials") != "" {
						t.Errorf("%s %s from %q: %v", method, path, origin, a.Header)
					}
				}
			}
		}
		if a := h.from(shop, http.MethodPost, pathToken, "grant_type", "refresh_token", "client_id", spa, "refresh_token", "x"); a.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("a script at %s reads for another client: %v", shop, a.Header)
		}
		for _, path := range []string{pathAuthorize, pathResume, pathLogout, pathIntrospect} {
			if a := h.from(shop, http.MethodOptions, path); a.Status == http.StatusNoContent || a.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s is shared: %s", path, a)
			}
		}
		c := h.client("shop")
		c.AllowedOrigins = nil
		h.must(h.Clients.Replace(t.Context(), c))
		if a := h.from(shop, http.MethodOptions, pathToken); a.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("an origin that was taken back: %v", a.Header)
		}
	}, sharing)
}

// An origin is written as a browser writes it (RFC 6454 §6.2), or cannot be registered.
func TestAllowedOrigins(t *testing.T) {
	t.Parallel()
	h := together(t, sharing)
	for _, origin := range []string{
		"", "*", "null", "https://", "https://a.example/", "https://a.example/x", "https://A.example", "https://a.example:443", "http://a.example", "https://u@a.example",
		"https://a.example?x", "https://a.example#x", "https://*.example", "ftp://a.example", "a.example", "https://a.example:",
	} {
		_, err := h.Clients.Create(t.Context(), "Shop", &oidc.Client{RedirectURIs: []string{callback}, AllowedOrigins: []string{origin}})
		if !slices.Equal(fields(err), []string{"allowed_origins"}) {
			t.Errorf("%q is taken: %v", origin, err)
		}
	}
	for _, origin := range []string{"https://a.example", "https://a.example:8443", "http://localhost:3000", "http://127.0.0.1:5173"} {
		if _, err := h.Clients.Create(t.Context(), "Shop", &oidc.Client{RedirectURIs: []string{callback}, AllowedOrigins: []string{origin}}); err != nil {
			t.Errorf("%q is refused: %v", origin, err)
		}
	}
	_, err := oidc.New(oidc.Config{
		Issuer: issuer, DB: h.db, Directory: h.people, Keys: staticKeys{}, Interact: h.persona.Interact, Features: oidc.Features{CORS: &oidc.CORS{Origins: []string{"*"}}},
	})
	if err == nil || !strings.Contains(err.Error(), "CORS.Origins") {
		t.Errorf("a wildcard is taken for all: %v", err)
	}
	if _, err := together(t).Clients.Create(t.Context(), "Shop", &oidc.Client{RedirectURIs: []string{callback}, AllowedOrigins: []string{shop}}); !slices.Equal(fields(err), []string{"allowed_origins"}) {
		t.Errorf("with the feature off: %v", err)
	}
}

// Where anybody may register, any script may; and the client of a metadata document is called from the document's own origin.
func TestCORSOfClientsThatRegisterThemselves(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w := publish(t, documentOf(""))
		h := newHarness(t, p, sharing, openly, w.reading(oidc.MetadataDocuments{}))
		if a := h.from("https://anybody.example", http.MethodOptions, pathRegister); a.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("asked to register: %s", a)
		}
		a := h.from("https://example.com", http.MethodPost, pathToken, "grant_type", "refresh_token", "client_id", publishedURL, "refresh_token", "x")
		if a.Header.Get("Access-Control-Allow-Origin") != "https://example.com" {
			t.Errorf("its own origin: %s", a)
		}
		if a := h.from(shop, http.MethodPost, pathToken, "grant_type", "refresh_token", "client_id", publishedURL, "refresh_token", "x"); a.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("another origin: %s", a)
		}
		h.faults.FailAll(nil)
		if a := h.from(shop, http.MethodOptions, pathToken); a.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("a store that fails lets a script in: %s", a)
		}
		h.faults.Heal()
	})
}
