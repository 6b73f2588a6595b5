package oidc_test

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
)

const (
	chat   = "https://chat.example"
	jagTyp = "oauth-id-jag+jwt"
	jag    = "urn:ietf:params:oauth:token-type:id-jag"
)

// jagging opens both halves of ID-JAG.
func jagging(c *oidc.Config) {
	exchanging()(c)
	c.Features.Experimental.IDJAG = &oidc.IDJAG{
		Issuers: []oidc.TrustedIssuer{otherIssuer()},
		Audiences: []oidc.IDJAGAudience{{
			Issuer: chat, Clients: map[string]string{front: "front-at-chat"}, Scopes: []string{"chat.read", "chat.write"},
			Resources: []string{chat + "/api"}, Email: true,
		}},
	}
}

func jaggingIn(t *testing.T, test func(t *testing.T, h *harness)) {
	t.Helper()
	placements(t, func(t *testing.T, h *harness) { test(t, h.registerExchange().registerImporter()) }, func(c *oidc.Config) {
		bearing(c)
		jagging(c)
	})
}

// TestIDJAGIssued: a client exchanges what it got at sign-in for a grant to the authorization server of another application
// (ID-JAG §4.3).
func TestIDJAGIssued(t *testing.T) {
	t.Parallel()
	jaggingIn(t, func(t *testing.T, h *harness) {
		subject := h.fronts()
		pairs := []string{"requested_token_type", jag, "audience", chat, "resource", chat + "/api", "scope", "chat.read"}
		for typ, token := range map[string]string{typeID: subject.IDToken, typeRefresh: subject.RefreshToken} {
			a := h.exchange(front, token, typ, pairs...)
			h.noteSecret("ID-JAG", a.member("access_token"))
			if a.Status != http.StatusOK || a.member("token_type") != "N_A" || a.member("issued_token_type") != jag || a.members()["expires_in"] != 300.0 {
				t.Fatalf("%s: %s", typ, a)
			}
			c := claims(t, a.member("access_token"))
			if c["iss"] != issuer || c["aud"] != chat || c["sub"] != h.subject(ann).ID || c["client_id"] != "front-at-chat" || c["jti"] == "" ||
				c["scope"] != "chat.read" || c["resource"] != chat+"/api" || c["acr"] != "aal1" || c["email"] != "ann@example.com" {
				t.Errorf("%s: %v", typ, c)
			}
			if h.introspect(front, a.member("access_token")).active() || h.userInfo(a.member("access_token")).Status == http.StatusOK {
				t.Error("the grant is an access token")
			}
			if a := h.assert(a.member("access_token")); a.errorCode() != "invalid_grant" { // ID-JAG §9.3
				t.Errorf("redeemed by who issued it: %s", a)
			}
		}
	})
}

// TestAttackIDJAGIssued: no grant without the person's own token at this client, nor for what was not configured (ID-JAG §4.3.1).
func TestAttackIDJAGIssued(t *testing.T) {
	t.Parallel()
	jaggingIn(t, func(t *testing.T, h *harness) {
		subject := h.fronts()
		for name, c := range map[string]struct {
			clientID, token, typ string
			pairs                []string
			code                 string
		}{
			"an access token":    {front, subject.AccessToken, typeAccess, nil, "invalid_request"},
			"by an API":          {broker, subject.AccessToken, typeAccess, nil, "invalid_request"},
			"another's ID token": {broker, subject.IDToken, typeID, nil, "invalid_request"},
			"a foreign token":    {front, h.foreign(nil), typeID, nil, "invalid_request"},
			"with an actor":      {front, subject.IDToken, typeID, []string{"actor_token", subject.AccessToken, "actor_token_type", typeAccess}, "invalid_request"},
			"unknown audience":   {front, subject.IDToken, typeID, []string{"audience", "https://third.example"}, "invalid_target"},
			"no audience":        {front, subject.IDToken, typeID, []string{"audience", ""}, "invalid_target"},
			"unknown resource":   {front, subject.IDToken, typeID, []string{"resource", chat + "/admin"}, "invalid_target"},
			"unknown scope":      {front, subject.IDToken, typeID, []string{"scope", "chat.read admin"}, "invalid_scope"},
		} {
			pairs := append([]string{"requested_token_type", jag, "audience", chat}, c.pairs...)
			if a := h.exchange(c.clientID, c.token, c.typ, pairs...); a.errorCode() != c.code {
				t.Errorf("%s: %s", name, a)
			}
		}
		h.must(h.people.Sessions.End(t.Context(), h.persona.lastSession().Ref(), "test"))
		if a := h.exchange(front, subject.IDToken, typeID, "requested_token_type", jag, "audience", chat); a.errorCode() != "invalid_request" {
			t.Errorf("after the session: %s", a)
		}
	})
}

// jag is a grant of the other provider for importer.
func (h *harness) jag(edit map[string]any) string {
	all := map[string]any{"client_id": importer, "scope": "read write", "resource": api}
	for name, value := range edit {
		all[name] = value
	}
	return h.foreignTyped(jagTyp, all)
}

// TestIDJAGRedeemed: the grant of a trusted provider yields what it says, within what the client may have (ID-JAG §4.4).
func TestIDJAGRedeemed(t *testing.T) {
	t.Parallel()
	jaggingIn(t, func(t *testing.T, h *harness) {
		got := h.issued(h.assert(h.jag(nil)))
		if c := claims(t, got.AccessToken); c["sub"] != h.subject(ann).ID || c["scope"] != "read" || c["aud"] != api || got.RefreshToken != "" || got.IDToken != "" {
			t.Errorf("claims: %v", c)
		}
		if got := h.issued(h.assert(h.jag(map[string]any{"resource": []string{api}}), "resource", api, "scope", "read")); got.Scope != "read" {
			t.Errorf("scope = %q", got.Scope)
		}
	})
}

// TestAttackIDJAG: a grant for another client, of others too, without its claims, or for more than it says; and each is used once
// (ID-JAG §4.4.1).
func TestAttackIDJAG(t *testing.T) {
	t.Parallel()
	jaggingIn(t, func(t *testing.T, h *harness) {
		for name, c := range map[string]struct {
			token string
			pairs []string
			code  string
		}{
			"another client":      {h.jag(map[string]any{"client_id": broker}), nil, "invalid_grant"},
			"no client":           {h.jag(map[string]any{"client_id": nil}), nil, "invalid_grant"},
			"token endpoint":      {h.jag(map[string]any{"aud": issuer + pathToken}), nil, "invalid_grant"},
			"the alias":           {h.jag(map[string]any{"aud": "the-provider"}), nil, "invalid_grant"},
			"others too":          {h.jag(map[string]any{"aud": []string{issuer, chat}}), nil, "invalid_grant"},
			"no jti":              {h.jag(map[string]any{"jti": nil}), nil, "invalid_grant"},
			"no iat":              {h.jag(map[string]any{"iat": nil}), nil, "invalid_grant"},
			"no exp":              {h.jag(map[string]any{"exp": nil}), nil, "invalid_grant"},
			"expired":             {h.jag(map[string]any{"exp": h.clock.Now().Add(-time.Minute).Unix()}), nil, "invalid_grant"},
			"another API":         {h.jag(map[string]any{"resource": orders}), nil, "invalid_target"},
			"another API asked":   {h.jag(nil), []string{"resource", orders}, "invalid_target"},
			"wider":               {h.jag(nil), []string{"scope", "read openid"}, "invalid_scope"},
			"scopes of others":    {h.jag(map[string]any{"scope": "admin"}), nil, "invalid_scope"},
			"about nobody":        {h.jag(map[string]any{"email": "zoe@example.com"}), nil, "invalid_grant"},
			"another issuer":      {h.jag(map[string]any{"iss": "https://third.example"}), nil, "invalid_grant"},
			"without a signature": {unsigned(h.jag(nil)), nil, "invalid_grant"},
		} {
			if a := h.assert(c.token, c.pairs...); a.errorCode() != c.code {
				t.Errorf("%s: %s", name, a)
			}
		}
		token := h.jag(nil)
		var wg sync.WaitGroup
		var won atomic.Int32
		for range 64 {
			wg.Go(func() {
				if gotTokens(h.assert(token)) {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("redeemed %d times", won.Load())
		}
	})
}

// TestIDJAGMetadata: both halves are announced, the draft's way (ID-JAG §5, §6).
func TestIDJAGMetadata(t *testing.T) {
	t.Parallel()
	jaggingIn(t, func(t *testing.T, h *harness) {
		m := h.send(h.request(http.MethodGet, "/.well-known/oauth-authorization-server", nil)).members()
		if types, _ := m["identity_chaining_requested_token_types_supported"].([]any); !slices.Equal(types, []any{jag}) {
			t.Errorf("types = %v", types)
		}
		if profiles, _ := m["authorization_grant_profiles_supported"].([]any); !slices.Equal(profiles, []any{"urn:ietf:params:oauth:grant-profile:id-jag"}) {
			t.Errorf("profiles = %v", profiles)
		}
		for _, g := range []any{jwtGrant, exchangeGrant, samlGrant} {
			if grants, _ := m["grant_types_supported"].([]any); !slices.Contains(grants, g) {
				t.Errorf("grants = %v", grants)
			}
		}
	})
}

// TestAttackIDJAGTellsWhoItIs: a pairwise client does not learn who a person is from a grant that it reads on the way (OpenID Connect
// Core §8.1).
func TestAttackIDJAGTellsWhoItIs(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.registerExchange()
		c := h.client(front)
		c.SubjectType = "pairwise"
		h.must(h.Clients.Replace(t.Context(), c))
		h.clock.advance(2 * time.Second)
		subject := h.fronts()
		a := h.exchange(front, subject.IDToken, typeID, "requested_token_type", jag, "audience", chat, "scope", "chat.read")
		h.noteSecret("ID-JAG", a.member("access_token"))
		if sub := claims(t, a.member("access_token"))["sub"]; sub == h.subject(ann).ID || sub != claims(t, subject.IDToken)["sub"] {
			t.Errorf("sub is %v", sub)
		}
	}, bearing, jagging, pairwise)
}
