package oidc_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/storetest"
)

// fields lists the fields of the *oidc.InvalidClientErrors in an error, sorted.
func fields(err error) []string {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []string
		for _, err := range joined.Unwrap() {
			all = append(all, fields(err)...)
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	if invalid, ok := errors.AsType[*oidc.InvalidClientError](err); ok {
		return []string{invalid.Field}
	}
	return nil
}

func TestCreateClient(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		c := &oidc.Client{RedirectURIs: []string{callback}}
		secret, err := h.Clients.Create(t.Context(), "Shop", c)
		if err != nil || len(secret) != 43 || len(c.ClientID) != 22 {
			t.Fatalf("client %q, a secret of %d characters, %v", c.ClientID, len(secret), err)
		}
		h.noteSecret("generated secret", secret)
		got := h.client(c.ClientID)
		if got.AuthMethod != oidc.ClientSecretBasic || !slices.Equal(got.GrantTypes, []oidc.GrantType{oidc.AuthorizationCode, oidc.RefreshToken}) ||
			got.AccessTokenFormat != oidc.JWT || got.IDTokenAlg != "RS256" || got.Public() || got.InsecureOptionalPKCE {
			t.Errorf("the defaults are %+v", got)
		}
		app, err := h.people.Applications.Get(t.Context(), got.Application)
		if err != nil || app.Name != "Shop" || app.SkipConsent {
			t.Errorf("application %+v, %v", app, err)
		}
		got.RedirectURIs[0], got.GrantTypes[0] = "https://evil.example", oidc.ClientCredentials
		if again := h.client(c.ClientID); again.RedirectURIs[0] != callback || again.GrantTypes[0] != oidc.AuthorizationCode {
			t.Error("a caller of Find can change what others find")
		}
		if _, err := h.Clients.Create(t.Context(), "Thief", &oidc.Client{ClientID: c.ClientID, RedirectURIs: []string{callback}}); !slices.Equal(fields(err), []string{"client_id"}) {
			t.Errorf("a client_id was given twice: %v", err)
		}
		if err := h.Clients.Import(t.Context(), "Weak", &oidc.Client{RedirectURIs: []string{callback}}, "secret"); !slices.Equal(fields(err), []string{"client_secret"}) {
			t.Errorf("a weak secret was taken: %v", err)
		}
	})
}

func TestInvalidClient(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, tc := range []struct {
			name   string
			client oidc.Client
			want   []string
		}{
			{"client_id", oidc.Client{ClientID: "a b", RedirectURIs: []string{callback}}, []string{"client_id"}},
			{"long client_id", oidc.Client{ClientID: strings.Repeat("a", 129), RedirectURIs: []string{callback}}, []string{"client_id"}},
			{"no redirect", oidc.Client{}, []string{"redirect_uris"}},
			{"method", oidc.Client{AuthMethod: "private_key_jwt", RedirectURIs: []string{callback}}, []string{"token_endpoint_auth_method"}},
			{"grant", oidc.Client{GrantTypes: []oidc.GrantType{"password"}}, []string{"grant_types"}},
			{"implicit", oidc.Client{GrantTypes: []oidc.GrantType{"implicit"}, RedirectURIs: []string{callback}}, []string{"grant_types"}},
			{"public machine", oidc.Client{AuthMethod: oidc.NoAuth, GrantTypes: []oidc.GrantType{oidc.ClientCredentials}}, []string{"grant_types"}},
			{"public without PKCE", oidc.Client{AuthMethod: oidc.NoAuth, InsecureOptionalPKCE: true, RedirectURIs: []string{callback}}, []string{"insecure_optional_pkce"}},
			{"public with a secret", oidc.Client{AuthMethod: oidc.NoAuth, SecretHash: "x", RedirectURIs: []string{callback}}, []string{"token_endpoint_auth_method"}},
			{"access token outlives its key", oidc.Client{AccessTokenLifetime: 30*86400 + 1, RedirectURIs: []string{callback}}, []string{"access_token_lifetime"}},
			{"ID token outlives its key", oidc.Client{IDTokenLifetime: 30*86400 + 1, RedirectURIs: []string{callback}}, []string{"id_token_lifetime"}},
			{
				"everything at once",
				oidc.Client{
					ClientID: "ä", RedirectURIs: []string{"http://app.example/"}, PostLogoutRedirectURIs: []string{"javascript:alert(1)"}, Scopes: []string{"a b"},
					AccessTokenFormat: "saml", AccessTokenAlg: "none", IDTokenAlg: "HS256", AccessTokenLifetime: -1,
				},
				[]string{
					"access_token_format", "access_token_lifetime", "access_token_signed_response_alg", "client_id", "id_token_signed_response_alg",
					"post_logout_redirect_uris", "redirect_uris", "scopes",
				},
			},
		} {
			_, err := h.Clients.Create(t.Context(), "App", &tc.client)
			if got := fields(err); !slices.Equal(got, tc.want) {
				t.Errorf("%s: %v, want %v: %v", tc.name, got, tc.want, err)
			}
		}
	})
}

func TestChangeClient(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		old, stale := h.client(web), h.client(web)
		fresh, err := h.Clients.RotateSecret(t.Context(), old)
		if err != nil {
			t.Fatal(err)
		}
		h.noteSecret("rotated secret", fresh)
		if a := h.token(web, "grant_type", "refresh_token"); a.Status != http.StatusUnauthorized {
			t.Errorf("the old secret: %s", a)
		}
		r := h.request(http.MethodPost, pathToken, values("grant_type", "refresh_token"))
		r.SetBasicAuth(web, fresh)
		if a := h.send(r); a.errorCode() != "invalid_request" {
			t.Errorf("the new secret: %s", a)
		}
		if err := h.Clients.Replace(t.Context(), stale); err == nil {
			t.Error("a stale version was written")
		}
		if _, err := h.Clients.RotateSecret(t.Context(), h.client(spa)); !slices.Equal(fields(err), []string{"token_endpoint_auth_method"}) {
			t.Errorf("a public client got a secret: %v", err)
		}
		broken := h.client(web)
		broken.RedirectURIs = nil
		if err := h.Clients.Replace(t.Context(), broken); !slices.Equal(fields(err), []string{"redirect_uris"}) {
			t.Errorf("an invalid change was written: %v", err)
		}
		page, err := h.Clients.List(t.Context(), store.Query{Filter: store.Equals("application", store.Text(old.Application.ID))})
		if err != nil || len(page.Items) != 1 || page.Items[0].ClientID != web {
			t.Errorf("the clients of the application are %v, %v", page.Items, err)
		}
	})
}

// TestDeleteClient holds that nothing of a deleted client is honoured, beyond the second for which metadata is remembered.
func TestDeleteClient(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		code, machine := h.code(web), h.machineToken(robot)
		h.must(h.Clients.Delete(t.Context(), h.client(web)))
		h.must(h.Clients.Delete(t.Context(), h.client(robot)))
		h.clock.advance(2 * time.Second)
		if a := h.redeem(web, code); a.Status != http.StatusUnauthorized {
			t.Errorf("its code: %s", a)
		}
		if a := h.newBrowser().authorize(authorization(web)); a.Status != http.StatusBadRequest || a.location() != nil {
			t.Errorf("its request: %s", a)
		}
		if a := h.introspect(server, machine); a.active() {
			t.Errorf("its token: %s", a)
		}
	})
}

// TestClientsOfAFailingStore holds that a failing store is never an unknown client.
func TestClientsOfAFailingStore(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		c := h.client(web)
		h.clock.advance(2 * time.Second)
		h.faults.FailAll(nil)
		_, findErr := h.Clients.Find(t.Context(), web)
		_, createErr := h.Clients.Create(t.Context(), "App", &oidc.Client{RedirectURIs: []string{callback}})
		_, rotateErr := h.Clients.RotateSecret(t.Context(), c)
		for name, err := range map[string]error{
			"Find": findErr, "Create": createErr, "RotateSecret": rotateErr,
			"Replace": h.Clients.Replace(t.Context(), c), "Delete": h.Clients.Delete(t.Context(), c),
			"RevokeConsent": h.RevokeConsent(t.Context(), store.Ref{ID: "x"}, web),
		} {
			if !errors.Is(err, storetest.ErrInjected) || errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
