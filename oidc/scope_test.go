package oidc_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

const (
	ordersAPI = "https://orders.example"
	newsAPI   = "https://news.example"
)

// registerAPIs adds two APIs to the directory, of which the clients may have both: orders by role, news by consent alone. Ann may read
// orders by herself and write them through her group.
func (h *harness) registerAPIs(clientIDs ...string) (orderAPI *directory.APIResource, writer *directory.Role) {
	h.tb.Helper()
	ctx := h.tb.Context()
	orderAPI = &directory.APIResource{
		Name: "Orders", Identifier: ordersAPI, AccessTokenLifetime: 300,
		Scopes: []directory.APIScope{{Name: "orders:read"}, {Name: "orders:write", DisplayName: "Change your orders", Description: "All of them"}},
	}
	newsResource := &directory.APIResource{Name: "News", Identifier: newsAPI, Scopes: []directory.APIScope{{Name: "news:read"}}, AccessTokenFormat: "opaque"}
	h.must(h.people.APIs.Create(ctx, orderAPI))
	h.must(h.people.APIs.Create(ctx, newsResource))
	for _, id := range clientIDs {
		app := h.client(id).Application
		h.must(h.people.AuthorizedAPIs.Authorize(ctx, &directory.AuthorizedAPI{
			Application: app, API: orderAPI.Ref(), Scopes: []string{"orders:read", "orders:write"},
		}))
		h.must(h.people.AuthorizedAPIs.Authorize(ctx, &directory.AuthorizedAPI{
			Application: app, API: newsResource.Ref(), Scopes: []string{"news:read"}, Policy: directory.AuthorizeByConsent,
		}))
	}
	reader := &directory.Role{Name: "reader", Permissions: []string{"orders:read"}}
	writer = &directory.Role{Name: "writer", Permissions: []string{"orders:write"}}
	staff := &directory.Group{Name: "staff"}
	h.must(h.people.Roles.Create(ctx, reader))
	h.must(h.people.Roles.Create(ctx, writer))
	h.must(h.people.Groups.Create(ctx, staff))
	h.must(h.people.Groups.AddMember(ctx, staff.Ref(), h.subject(ann).Ref()))
	h.must(h.people.Roles.Assign(ctx, reader.Ref(), h.subject(ann).Ref()))
	h.must(h.people.Roles.AssignGroup(ctx, writer.Ref(), staff.Ref()))
	return orderAPI, writer
}

// audiences are the aud of a JWT.
func audiences(t *testing.T, token string) []string {
	t.Helper()
	switch aud := claims(t, token)["aud"].(type) {
	case string:
		return []string{aud}
	case []any:
		var all []string
		for _, a := range aud {
			all = append(all, a.(string))
		}
		return all
	}
	return nil
}

// TestScopesOfAPIs holds RBAC-2, RBAC-3 and APP-24: requested ∩ granted to the application ∩ the person's roles; and RBAC-1: the
// token is for the APIs that its scopes belong to.
func TestScopesOfAPIs(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.registerAPIs(spa)
		const all = "openid orders:read orders:write news:read hidden"
		got := h.tokens(spa, "scope", "openid orders:read orders:write hidden")
		if got.Scope != "openid orders:read orders:write" || got.ExpiresIn != 300 {
			t.Errorf("ann: %+v", got)
		}
		if aud := audiences(t, got.AccessToken); !slices.Equal(aud, []string{ordersAPI, issuer}) {
			t.Errorf("audience %v", aud)
		}
		items := h.persona.lastInteraction().Consent
		i := slices.IndexFunc(items, func(c directory.ConsentItem) bool { return c.ID == "orders:write" })
		if i < 0 || items[i].Title != "scope.orders:write|Change your orders" || items[i].Detail != "scope.orders:write.detail|All of them" {
			t.Errorf("consent items %+v", items)
		}
		if got := h.tokens(web, "scope", all); got.Scope != "openid" {
			t.Errorf("an application without the APIs: %q", got.Scope)
		}
		h.persona.acts(script{User: bob})
		got = h.tokens(spa, "scope", all)
		if got.Scope != "openid news:read" || strings.Count(got.AccessToken, ".") == 2 { // as the API has it: opaque
			t.Errorf("bob, without a role: %+v", got)
		}
		if a := h.newBrowser().authorize(authorization(spa, "scope", "orders:read")); a.errorCode() != "invalid_scope" {
			t.Errorf("bob, and nothing that he may: %s", a)
		}
	})
}

// TestScopesOfMachines holds OID-19: roles are for people; a machine gets what its application was granted.
func TestScopesOfMachines(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.register(&oidc.Client{ClientID: "worker", GrantTypes: []oidc.GrantType{oidc.ClientCredentials}})
		h.registerAPIs("worker", robot)
		got := h.issued(h.token("worker", "grant_type", "client_credentials", "scope", "orders:write openid profile unheard-of"))
		if got.Scope != "orders:write" || !slices.Equal(audiences(t, got.AccessToken), []string{ordersAPI}) {
			t.Errorf("%+v", got)
		}
		// The client's own list still bounds it.
		if got := h.issued(h.token(robot, "grant_type", "client_credentials", "scope", "orders:write read")); got.Scope != "read" {
			t.Errorf("beyond the client's scopes: %+v", got)
		}
		h.must(h.people.AuthorizedAPIs.Authorize(t.Context(), &directory.AuthorizedAPI{
			Application: h.client("worker").Application, API: store.Ref{ID: h.api(ordersAPI).ID},
		}))
		if a := h.token("worker", "grant_type", "client_credentials", "scope", "orders:write"); a.errorCode() != "invalid_scope" {
			t.Errorf("after the application lost it: %s", a)
		}
	})
}

func (h *harness) api(identifier string) *directory.APIResource {
	h.tb.Helper()
	api, err := h.people.APIs.Find(h.tb.Context(), "", identifier)
	h.must(err)
	return api
}

// TestAttackRoleTakenAway: a refresh, and an exchange, give no more than the person's roles of now permit.
func TestAttackRoleTakenAway(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.register(&oidc.Client{
			ClientID: "desk", RedirectURIs: []string{callback},
			GrantTypes: []oidc.GrantType{oidc.AuthorizationCode, oidc.RefreshToken, oidc.TokenExchangeGrant},
		})
		_, writer := h.registerAPIs("desk")
		got := h.tokens("desk", "scope", "openid orders:read orders:write")
		if got.Scope != "openid orders:read orders:write" {
			t.Fatalf("%+v", got)
		}
		h.must(h.people.Roles.Delete(t.Context(), writer))
		next := h.issued(h.refresh("desk", got.RefreshToken))
		if next.Scope != "openid orders:read" {
			t.Errorf("refreshed: %q", next.Scope)
		}
		exchanged := h.issued(h.token("desk", "grant_type", string(oidc.TokenExchangeGrant), "subject_token", got.AccessToken,
			"subject_token_type", "urn:ietf:params:oauth:token-type:access_token"))
		if exchanged.Scope != "openid orders:read" {
			t.Errorf("exchanged: %q", exchanged.Scope)
		}
	}, exchanging())
}

// TestAttackResourceOfAnother: a client names only those APIs of the directory that its application was granted (RFC 8707 §2), and a
// grant for one of them is worth nothing there once that is withdrawn.
func TestAttackResourceOfAnother(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.registerAPIs(spa)
		got := h.tokens(spa, "scope", "openid orders:read news:read", "resource", ordersAPI)
		if got.Scope != "openid orders:read" || !slices.Equal(audiences(t, got.AccessToken), []string{ordersAPI, issuer}) {
			t.Errorf("%+v", got)
		}
		for clientID, identifier := range map[string]string{web: ordersAPI, spa: "https://unknown.example"} {
			a := h.newBrowser().authorize(authorization(clientID, "resource", identifier))
			if a.errorCode() != "invalid_target" {
				t.Errorf("%s for %s: %s", clientID, identifier, a)
			}
		}
		h.must(h.people.AuthorizedAPIs.Withdraw(t.Context(), h.client(spa).Application, h.api(ordersAPI).Ref()))
		if a := h.refresh(spa, got.RefreshToken); a.errorCode() != "invalid_target" {
			t.Errorf("refreshed after the application lost the API: %s", a)
		}
	}, func(c *oidc.Config) { c.Features.ResourceIndicators = &oidc.ResourceIndicators{} })
}

// TestScopesAboutPeople holds RBAC-4: a scope of the directory's releases its claims, to those who are granted it.
func TestScopesAboutPeople(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.must(h.people.Scopes.Create(t.Context(), &directory.Scope{Name: "team", DisplayName: "Your team", Claims: []string{"team", "iss", "salary"}}))
		h.must(h.people.Scopes.Create(t.Context(), &directory.Scope{Name: "email", Claims: []string{"email"}}))
		got := h.tokens(spa, "scope", "openid team email")
		if got.Scope != "openid team email" {
			t.Fatalf("%+v", got)
		}
		if items := h.persona.lastInteraction().Consent; items[0].Title != "scope.team|Your team" {
			t.Errorf("consent items %+v", items)
		}
		a := h.userInfo(got.AccessToken)
		if a.Status != http.StatusOK || a.member("team") != "blue" || a.member("iss") != "" || a.member("email") == "" || strings.Contains(a.Body, "email_verified") {
			t.Errorf("userinfo: %s", a)
		}
		if a := h.userInfo(h.tokens(spa, "scope", "openid").AccessToken); a.member("team") != "" {
			t.Errorf("without the scope: %s", a)
		}
		h.persona.acts(script{Allow: []string{}})
		if a := h.userInfo(h.tokens(web, "scope", "openid team").AccessToken); a.member("team") != "" {
			t.Errorf("refused: %s", a)
		}
		if a := h.token(robot, "grant_type", "client_credentials", "scope", "team"); a.errorCode() != "invalid_scope" {
			t.Errorf("a machine asks about people: %s", a)
		}
	})
}

func scopeDoors() []door {
	return []door{
		{name: "authorize for an API", done: gotCode, open: func(h *harness) attempt {
			h.registerAPIs(spa)
			b := h.newBrowser()
			return attempt{send: func() *answer {
				return b.get(pathAuthorize + "?" + authorization(spa, "scope", "openid orders:read orders:write").Encode())
			}}
		}},
		{name: "refresh for an API", done: gotTokens, open: func(h *harness) attempt {
			h.registerAPIs(spa)
			token := h.tokens(spa, "scope", "openid orders:read").RefreshToken
			return attempt{send: func() *answer { return h.refresh(spa, token) }}
		}},
		{name: "client credentials for an API", done: gotTokens, open: func(h *harness) attempt {
			h.register(&oidc.Client{ClientID: "worker", GrantTypes: []oidc.GrantType{oidc.ClientCredentials}})
			h.registerAPIs("worker")
			return attempt{send: func() *answer { return h.token("worker", "grant_type", "client_credentials", "scope", "news:read") }}
		}},
	}
}
