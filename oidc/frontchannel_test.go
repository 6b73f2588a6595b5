package oidc_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc"
)

// legacy turns on every response type there is.
func legacy(c *oidc.Config) {
	c.Features.Legacy = &oidc.Legacy{ResponseTypes: []string{
		"token", "id_token", "token id_token", "code token", "code id_token", "code id_token token", "none",
	}}
}

// receives registers a client of the harness for a response type.
func (h *harness) receives(clientID string, responseTypes ...string) {
	h.tb.Helper()
	c := h.client(clientID)
	c.ResponseTypes = responseTypes
	c.GrantTypes = []oidc.GrantType{oidc.AuthorizationCode, oidc.RefreshToken, oidc.Implicit}
	h.must(h.Clients.Replace(h.tb.Context(), c))
	h.clock.advance(2e9) // past what is remembered of clients
}

// respond sends an authorization request of a response type and returns what came back in the fragment, and nothing in the query.
func (h *harness) respond(clientID, responseType string, pairs ...string) url.Values {
	h.tb.Helper()
	request := authorization(clientID, "response_type", responseType)
	override(request, pairs)
	a := h.newBrowser().authorize(request)
	u := a.location()
	if a.Status != http.StatusSeeOther || u == nil {
		h.tb.Fatalf("%s: %s", responseType, a)
	}
	if (u.RawQuery != "") == (u.Fragment != "") {
		h.tb.Fatalf("%s: parameters in query and fragment, or in neither: %s", responseType, u)
	}
	return a.returned()
}

// Each response type gives what it names and nothing else (OAuth 2.0 Multiple Response Type Encoding Practices §3 to §5), in the
// fragment when tokens are among it; the ID token answers for what came with it (OpenID Connect Core §3.2.2.10, §3.3.2.11).
func TestResponseTypes(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, responseType := range []string{
			"code", "token", "id_token", "id_token token", "token id_token", "code token", "code id_token", "code id_token token", "none",
		} {
			h.receives(web, responseType)
			got := h.respond(web, responseType)
			for parameter, word := range map[string]string{"code": "code", "access_token": "token", "id_token": "id_token", "token_type": "token"} {
				if got.Has(parameter) != slices.Contains(strings.Fields(responseType), word) {
					t.Errorf("%s: has %s: %v", responseType, parameter, got.Has(parameter))
				}
			}
			if got.Get("state") != "xyz" || got.Get("iss") != issuer {
				t.Errorf("%s: state %q, iss %q", responseType, got.Get("state"), got.Get("iss"))
			}
			if got.Has("id_token") {
				judgeFrontIDToken(t, responseType, got)
			}
			if got.Has("access_token") {
				if a := h.userInfo(got.Get("access_token")); a.Status != http.StatusOK || a.member("name") == "" {
					t.Errorf("%s: userinfo: %s", responseType, a)
				}
			}
			if got.Has("code") {
				h.issued(h.redeem(web, got.Get("code")))
			}
		}
	}, legacy)
}

func judgeFrontIDToken(t *testing.T, responseType string, got url.Values) {
	t.Helper()
	id := claims(t, got.Get("id_token"))
	for claim, value := range map[string]string{"at_hash": got.Get("access_token"), "c_hash": got.Get("code"), "s_hash": "xyz"} {
		want := any(nil)
		if value != "" {
			hash, err := jose.HalfHash(jose.RS256, value)
			if err != nil {
				t.Fatal(err)
			}
			want = hash
		}
		if id[claim] != want {
			t.Errorf("%s: %s is %v, want %v", responseType, claim, id[claim], want)
		}
	}
	if id["nonce"] != "n-0S6" {
		t.Errorf("%s: nonce %v", responseType, id["nonce"])
	}
	// OpenID Connect Core §5.4: claims of scopes stand in the ID token when there is no access token to ask for them with.
	if (id["name"] != nil) != (responseType == "id_token") {
		t.Errorf("%s: name in the ID token: %v", responseType, id["name"])
	}
}

// Where there is no code there is nothing that offline_access could mean (OpenID Connect Core §11), and a token in front lives no longer
// than its session.
func TestFrontTokenEndsWithItsSession(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, responseType := range []string{"token", "code token"} {
			h.receives(web, responseType)
			got := h.respond(web, responseType)
			token := got.Get("access_token")
			if strings.Contains(got.Get("scope"), "offline_access") || !h.introspect(web, token).active() {
				t.Fatalf("%s: scope %q", responseType, got.Get("scope"))
			}
			h.must(h.people.Sessions.End(t.Context(), h.persona.lastSession().Ref(), "test"))
			h.dead(web, token)(t)
		}
	}, legacy)
}

func TestRequestDefaults(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		c, age := h.client(web), int64(300)
		c.DefaultMaxAge, c.DefaultACRValues, c.RequireAuthTime = &age, []string{"urn:example:gold"}, true
		h.must(h.Clients.Replace(t.Context(), c))
		h.clock.advance(2e9)
		h.code(web)
		in := h.persona.interactions()[0]
		if in.MaxAge == nil || in.MaxAge.Seconds() != 300 || !slices.Equal(in.ACR, c.DefaultACRValues) || in.EssentialACR {
			t.Errorf("max_age %v, acr %q, essential %v", in.MaxAge, in.ACR, in.EssentialACR)
		}
		h.code(web, "max_age", "10", "acr_values", "urn:example:silver")
		in = h.persona.lastInteraction()
		for _, asked := range h.persona.interactions() {
			if asked.ACR != nil && asked.ACR[0] == "urn:example:silver" {
				in = asked
			}
		}
		if in.MaxAge == nil || in.MaxAge.Seconds() != 10 || !slices.Equal(in.ACR, []string{"urn:example:silver"}) {
			t.Errorf("what the request says does not come first: max_age %v, acr %q", in.MaxAge, in.ACR)
		}
		bad := int64(-1)
		c = h.client(web)
		c.DefaultMaxAge = &bad
		if err := h.Clients.Replace(t.Context(), c); !slices.Equal(fields(err), []string{"default_max_age"}) {
			t.Errorf("a negative age: %v", err)
		}
	})
}

func TestLegacyRefusesUnknownTypes(t *testing.T) {
	t.Parallel()
	h := together(t)
	for _, named := range []string{"", "code", "code code", "password", "ID_TOKEN", "id_token token none"} {
		_, err := oidc.New(oidc.Config{
			Issuer: issuer, DB: h.db, Directory: h.people, Keys: staticKeys{}, Interact: h.persona.Interact,
			Features: oidc.Features{Legacy: &oidc.Legacy{ResponseTypes: []string{named}}},
		})
		if err == nil || !strings.Contains(err.Error(), "Legacy.ResponseTypes") {
			t.Errorf("%q: %v", named, err)
		}
	}
}

// A token in front is for the resources that were asked for, and not for all that the client may have (RFC 8707 §2.1).
func TestAttackFrontTokenForgetsTheResource(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		resourceful(h)
		for _, responseType := range []string{"token", "code token"} {
			h.receives("any", responseType)
			got := h.respond("any", responseType, "scope", "openid read book", "resource", files)
			payload := claims(t, got.Get("access_token"))
			if aud := h.audienceOf(got.Get("access_token")); !slices.Contains(aud, files) || payload["scope"] != "openid read" {
				t.Errorf("%s: for %q with %v", responseType, aud, payload["scope"])
			}
		}
	}, legacy, resources)
}
