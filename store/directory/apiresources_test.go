package directory_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// api creates an API with scopes.
func (w *world) api(t *testing.T, identifier string, scopes ...string) *directory.APIResource {
	t.Helper()
	api := &directory.APIResource{Name: identifier, Identifier: identifier}
	for _, s := range scopes {
		api.Scopes = append(api.Scopes, directory.APIScope{Name: s})
	}
	is(t, "create API", w.APIs.Create(t.Context(), api), nil)
	return api
}

func (w *world) application(t *testing.T, name string) *directory.Application {
	t.Helper()
	app := &directory.Application{Name: name}
	is(t, "create application", w.Applications.Create(t.Context(), app), nil)
	return app
}

// authorize lets an application have all scopes of an API.
func (w *world) authorize(t *testing.T, app *directory.Application, api *directory.APIResource, policy directory.AuthorizationPolicy) {
	t.Helper()
	grant := &directory.AuthorizedAPI{Application: app.Ref(), API: api.Ref(), Policy: policy}
	for _, s := range api.Scopes {
		grant.Scopes = append(grant.Scopes, s.Name)
	}
	is(t, "authorize", w.AuthorizedAPIs.Authorize(t.Context(), grant), nil)
}

func TestAPIResourceIsValidated(t *testing.T) {
	t.Parallel()
	for field, api := range map[string]directory.APIResource{
		"name":                      {Identifier: "x"},
		"identifier":                {Name: "x", Identifier: "with blank"},
		"kind":                      {Name: "x", Identifier: "x", Kind: "other"},
		"allApplications":           {Name: "x", Identifier: "x", Kind: directory.SystemAPI, AllApplications: true},
		"accessTokenFormat":         {Name: "x", Identifier: "x", AccessTokenFormat: "saml"},
		"accessTokenLifetime":       {Name: "x", Identifier: "x", AccessTokenLifetime: 31 * 24 * 60 * 60},
		"authorizationDetailsTypes": {Name: "x", Identifier: "x", AuthorizationDetailsTypes: []directory.AuthorizationDetailsType{{Type: "a", Schema: json.RawMessage(`{`)}}},
	} {
		if err := api.Validate(); !hasField(err, field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, name := range []string{"", "a b", `a"b`, `a\b`, "é", "claim:email", "openid", "profile", "offline_access"} {
		api := directory.APIResource{Name: "x", Identifier: "x", Scopes: []directory.APIScope{{Name: name}}}
		if err := api.Validate(); !hasField(err, "scopes") {
			t.Errorf("scope %q: %v", name, err)
		}
	}
	twice := directory.APIResource{Name: "x", Identifier: "x", Scopes: []directory.APIScope{{Name: "a"}, {Name: "a"}}}
	if err := twice.Validate(); !hasField(err, "scopes") {
		t.Errorf("a scope twice: %v", err)
	}
}

func TestAPIResources(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		orders := w.api(t, "https://orders.example", "orders:read", "orders:write")
		for name, taken := range map[string]*directory.APIResource{
			"identifier": {Name: "x", Identifier: "https://orders.example"},
			"scope":      {Name: "x", Identifier: "https://other.example", Scopes: []directory.APIScope{{Name: "orders:read"}}},
		} {
			if err, ok := errors.AsType[*directory.TakenError](w.APIs.Create(ctx, taken)); !ok || err.Name != name {
				t.Errorf("a taken %s: %v", name, err)
			}
		}
		found, err := w.APIs.Find(ctx, "", "https://orders.example")
		if err != nil || found.ID != orders.ID {
			t.Fatalf("Find = %v, %v", found, err)
		}
		found.Scopes[0].Name = "changed" // by a caller, who has a copy
		byScope, err := w.APIs.WithScope(ctx, "", "orders:read")
		if err != nil || byScope.ID != orders.ID {
			t.Errorf("WithScope = %v, %v", byScope, err)
		}
		_, err = w.APIs.Find(ctx, "", "https://orders.example/")
		is(t, "another identifier", err, store.ErrNotFound)

		orders.Scopes = orders.Scopes[:1]
		orders.AuthorizationDetailsTypes = []directory.AuthorizationDetailsType{{Type: "order", Schema: json.RawMessage(`{"type":"object"}`)}}
		is(t, "replace", w.APIs.Replace(ctx, orders), nil)
		_, err = w.APIs.WithScope(ctx, "", "orders:write")
		is(t, "a scope that is gone", err, store.ErrNotFound)
		if byType, err := w.APIs.WithType(ctx, "", "order"); err != nil || string(byType.AuthorizationDetailsTypes[0].Schema) != `{"type":"object"}` {
			t.Errorf("WithType = %v, %v", byType, err)
		}
		other := w.api(t, "https://other.example", "orders:write") // is free again
		page, err := w.APIs.List(ctx, store.Query{Filter: store.Equals("identifier", store.Text("https://other.example"))})
		if err != nil || len(page.Items) != 1 || page.Items[0].ID != other.ID {
			t.Errorf("List = %v, %v", page.Items, err)
		}

		shop := w.application(t, "shop")
		w.authorize(t, shop, orders, "")
		is(t, "delete", w.APIs.Delete(ctx, orders), nil)
		if grants, err := w.AuthorizedAPIs.Of(ctx, shop.Ref()); err != nil || len(grants) != 0 {
			t.Errorf("grants of an API that is gone: %v, %v", grants, err)
		}
	})
}

func TestAuthorizedAPIs(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		orders, shop := w.api(t, "https://orders.example", "read", "write"), w.application(t, "shop")
		grant := func(edit func(*directory.AuthorizedAPI)) error {
			g := &directory.AuthorizedAPI{Application: shop.Ref(), API: orders.Ref(), Scopes: []string{"read"}}
			edit(g)
			return w.AuthorizedAPIs.Authorize(ctx, g)
		}
		for field, edit := range map[string]func(*directory.AuthorizedAPI){
			"scopes":                    func(g *directory.AuthorizedAPI) { g.Scopes = []string{"delete"} },
			"policy":                    func(g *directory.AuthorizedAPI) { g.Policy = "all" },
			"authorizationDetailsTypes": func(g *directory.AuthorizedAPI) { g.AuthorizationDetailsTypes = []string{"order"} },
		} {
			if err := grant(edit); !hasField(err, field) {
				t.Errorf("%s: %v", field, err)
			}
		}
		is(t, "no API", grant(func(g *directory.AuthorizedAPI) { g.API = store.Ref{ID: "none"} }), store.ErrNotFound)
		is(t, "no application", grant(func(g *directory.AuthorizedAPI) { g.Application = store.Ref{ID: "none"} }), store.ErrNotFound)
		is(t, "grant", grant(func(*directory.AuthorizedAPI) {}), nil)
		is(t, "grant anew", grant(func(g *directory.AuthorizedAPI) { g.Scopes = []string{"write"} }), nil)
		grants, err := w.AuthorizedAPIs.Of(ctx, shop.Ref())
		if err != nil || len(grants) != 1 || !slices.Equal(grants[0].Scopes, []string{"write"}) {
			t.Errorf("Of = %v, %v", grants, err)
		}
		for range 2 {
			is(t, "withdraw", w.AuthorizedAPIs.Withdraw(ctx, shop.Ref(), orders.Ref()), nil)
		}
		if grants, err := w.AuthorizedAPIs.Of(ctx, shop.Ref()); err != nil || len(grants) != 0 {
			t.Errorf("Of = %v, %v after Withdraw", grants, err)
		}
		got := w.events(t)
		if count(got, "api.authorized") != 2 || count(got, "api.unauthorized") != 1 {
			t.Errorf("events = %v", got)
		}
		orders.RequiresAuthorization = true
		is(t, "replace", w.APIs.Replace(ctx, orders), nil)
		if err := grant(func(g *directory.AuthorizedAPI) { g.Policy = directory.AuthorizeByConsent }); !hasField(err, "policy") {
			t.Errorf("an API that requires authorization, by consent: %v", err)
		}
		is(t, "grant", grant(func(*directory.AuthorizedAPI) {}), nil)
		is(t, "read", func() (err error) { shop, err = w.Applications.Get(ctx, shop.Ref()); return err }(), nil)
		is(t, "delete", w.Applications.Delete(ctx, shop), nil)
		if grants, err := w.AuthorizedAPIs.Of(ctx, shop.Ref()); err != nil || len(grants) != 0 {
			t.Errorf("grants of an application that is gone: %v, %v", grants, err)
		}
	})
}

func TestScopes(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		for field, bad := range map[string]*directory.Scope{
			"name":        {Name: "openid"},
			"claims":      {Name: "x", Claims: []string{"a", "a"}},
			"displayName": {Name: "x", DisplayName: "\x00"},
		} {
			if err := w.Scopes.Create(ctx, bad); !hasField(err, field) {
				t.Errorf("%s: %v", field, err)
			}
		}
		badge := &directory.Scope{Name: "badge", DisplayName: "Your badge", Claims: []string{"badge_number"}}
		is(t, "create", w.Scopes.Create(ctx, badge), nil)
		if err, ok := errors.AsType[*directory.TakenError](w.Scopes.Create(ctx, &directory.Scope{Name: "badge"})); !ok {
			t.Errorf("a taken name: %v", err)
		}
		named, err := w.Scopes.Named(ctx, "")
		if err != nil || len(named) != 1 || named["badge"].DisplayName != "Your badge" {
			t.Errorf("Named = %v, %v", named, err)
		}
		badge.Claims = append(badge.Claims, "badge_color")
		is(t, "replace", w.Scopes.Replace(ctx, badge), nil)
		if named, err = w.Scopes.Named(ctx, ""); err != nil || len(named["badge"].Claims) != 2 {
			t.Errorf("Named = %v, %v after Replace", named, err)
		}
		is(t, "delete", w.Scopes.Delete(ctx, badge), nil)
		if named, err = w.Scopes.Named(ctx, ""); err != nil || len(named) != 0 {
			t.Errorf("Named = %v, %v after Delete", named, err)
		}
	})
}

// effective asks for scopes and returns what is granted.
func (w *world) effective(t *testing.T, app *directory.Application, subject store.Ref, scopes ...string) directory.EffectiveScopes {
	t.Helper()
	e, err := w.EffectiveScopes(t.Context(), directory.ScopeRequest{Application: app, Subject: subject, Scopes: scopes})
	is(t, "effective scopes", err, nil)
	return e
}

// TestEffectiveScopes holds RBAC-2, RBAC-3 and APP-24: requested ∩ granted to the application ∩ the subject's roles.
func TestEffectiveScopes(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		orders, news := w.api(t, "https://orders.example", "orders:read", "orders:write"), w.api(t, "https://news.example", "news:read")
		hidden := w.api(t, "https://hidden.example", "hidden:read")
		shop := w.application(t, "shop")
		w.authorize(t, shop, orders, directory.AuthorizeByRole)
		w.authorize(t, shop, news, directory.AuthorizeByConsent)
		_, ann := w.person(t, "ann")
		_, bob := w.person(t, "bob")
		staff := w.group(t, "staff")
		reader := &directory.Role{Name: "reader", Permissions: []string{"orders:read", "hidden:read"}}
		writer := &directory.Role{Name: "writer", Permissions: []string{"orders:write"}}
		is(t, "roles", errors.Join(
			w.Roles.Create(ctx, reader), w.Roles.Create(ctx, writer), w.Groups.AddMember(ctx, staff.Ref(), ann.Ref()),
			w.Roles.Assign(ctx, reader.Ref(), ann.Ref()), w.Roles.AssignGroup(ctx, writer.Ref(), staff.Ref()),
		), nil)
		all := []string{"openid", "orders:write", "orders:read", "orders:read", "news:read", "hidden:read", "unheard-of"}
		want := func(about string, subject store.Ref, scopes ...string) {
			t.Helper()
			if got := w.effective(t, shop, subject, all...); !slices.Equal(got.Scopes, scopes) {
				t.Errorf("%s: %v, want %v", about, got.Scopes, scopes)
			}
		}
		e := w.effective(t, shop, ann.Ref(), all...)
		if !slices.Equal(e.Audience, []string{"https://orders.example", "https://news.example"}) || !slices.Equal(e.Other, []string{"openid", "unheard-of"}) {
			t.Errorf("audience %v, others %v", e.Audience, e.Other)
		}
		want("by herself and through her group", ann.Ref(), "orders:write", "orders:read", "news:read")
		want("without a role", bob.Ref(), "news:read")
		want("the application itself", store.Ref{}, "orders:write", "orders:read", "news:read")

		narrow, err := w.EffectiveScopes(ctx, directory.ScopeRequest{
			Application: shop, Subject: ann.Ref(), Scopes: all, Resources: []string{"https://news.example"},
		})
		if err != nil || !slices.Equal(narrow.Scopes, []string{"news:read"}) || !slices.Equal(narrow.Audience, []string{"https://news.example"}) {
			t.Errorf("for one API: %v, %v", narrow, err)
		}

		hidden.AllApplications = true
		is(t, "open the API", w.APIs.Replace(ctx, hidden), nil)
		want("an open API", bob.Ref(), "news:read", "hidden:read")
		hidden.RequiresAuthorization = true
		is(t, "close the API", w.APIs.Replace(ctx, hidden), nil)
		want("an open API that asks for roles", bob.Ref(), "news:read")
		want("an open API that asks for roles", ann.Ref(), "orders:write", "orders:read", "news:read", "hidden:read")

		is(t, "leave", w.Groups.RemoveMember(ctx, staff.Ref(), ann.Ref()), nil)
		want("after leaving the group", ann.Ref(), "orders:read", "news:read", "hidden:read")
		reader.Permissions = nil
		is(t, "replace the role", w.Roles.Replace(ctx, reader), nil)
		want("with a role that permits nothing", ann.Ref(), "news:read")
		is(t, "withdraw", w.AuthorizedAPIs.Withdraw(ctx, shop.Ref(), news.Ref()), nil)
		want("after the application lost the API", ann.Ref())
	})
}

// TestRoleAudience holds RBAC-3: a role counts where its audience says.
func TestRoleAudience(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		api := w.api(t, "https://api.example", "a", "b", "c")
		shop, other := w.application(t, "shop"), w.application(t, "other")
		w.authorize(t, shop, api, "")
		_, ann := w.person(t, "ann")
		everywhere := &directory.Role{Name: "r", Permissions: []string{"a"}}
		here := &directory.Role{Name: "r", Application: shop.Ref(), Permissions: []string{"b"}}
		elsewhere := &directory.Role{Name: "r", Application: other.Ref(), Permissions: []string{"c"}}
		for _, r := range []*directory.Role{everywhere, here, elsewhere} {
			is(t, "role", errors.Join(w.Roles.Create(ctx, r), w.Roles.Assign(ctx, r.Ref(), ann.Ref())), nil)
		}
		want := func(audience directory.RoleAudience, scopes ...string) {
			t.Helper()
			is(t, "audience", w.Roles.SetAudience(ctx, shop.Ref(), audience), nil)
			app, err := w.Applications.Get(ctx, shop.Ref())
			is(t, "application", err, nil)
			if got := w.effective(t, app, ann.Ref(), "a", "b", "c"); !slices.Equal(got.Scopes, scopes) {
				t.Errorf("audience %q: %v, want %v", audience, got.Scopes, scopes)
			}
		}
		want(directory.AllRoles, "a", "b")
		want(directory.ApplicationRoles, "b")
		here.Application = other.Ref()
		if err := w.Roles.Replace(ctx, here); !hasField(err, "application") {
			t.Errorf("a role moved to another application: %v", err)
		}
		want(directory.OrganizationRoles, "a")
		_, err := w.Roles.Get(ctx, here.Ref())
		is(t, "the application's role", err, store.ErrNotFound)
		want(directory.AllRoles, "a")
	})
}

// TestAttackRoleOfADeletedGroup: nobody has a role through what remains of a group, whether its memberships were removed yet or not.
func TestAttackRoleOfADeletedGroup(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		api, shop, staff := w.api(t, "https://api.example", "a"), w.application(t, "shop"), w.group(t, "staff")
		w.authorize(t, shop, api, "")
		_, ann := w.person(t, "ann")
		role := &directory.Role{Name: "r", Permissions: []string{"a"}}
		is(t, "role", errors.Join(
			w.Roles.Create(ctx, role), w.Roles.AssignGroup(ctx, role.Ref(), staff.Ref()), w.Groups.AddMember(ctx, staff.Ref(), ann.Ref()),
		), nil)
		if got := w.effective(t, shop, ann.Ref(), "a"); len(got.Scopes) != 1 {
			t.Fatalf("a member has %v", got.Scopes)
		}
		w.faults.Forget()
		w.faults.FailCall(3, nil) // the group is gone, its memberships are not
		if err := w.Groups.Delete(ctx, staff); err == nil {
			t.Fatal("nothing failed")
		}
		if _, err := w.Groups.Get(ctx, staff.Ref()); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("the group is still there: %v", err)
		}
		if got := w.effective(t, shop, ann.Ref(), "a"); len(got.Scopes) != 0 {
			t.Errorf("a member of a deleted group has %v", got.Scopes)
		}
	})
}

// TestEffectiveScopesCost holds that a sign-in reads nothing for scopes that no role decides about, and two lists for others,
// whatever the number of groups and roles.
func TestEffectiveScopesCost(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		api, shop := w.api(t, "https://api.example", "a", "b", "c"), w.application(t, "shop")
		w.authorize(t, shop, api, "")
		_, ann := w.person(t, "ann")
		for i := range 20 {
			role, group := &directory.Role{Name: fmt.Sprint(i), Permissions: []string{"a"}}, w.group(t, fmt.Sprint(i))
			is(t, "role", errors.Join(
				w.Roles.Create(ctx, role), w.Roles.AssignGroup(ctx, role.Ref(), group.Ref()), w.Groups.AddMember(ctx, group.Ref(), ann.Ref()),
			), nil)
		}
		for range 3 { // learns what is there, and that it is up to date
			w.effective(t, shop, ann.Ref(), "a")
		}
		for _, c := range []struct {
			scopes []string
			calls  int
		}{{[]string{"openid", "profile"}, 0}, {[]string{"a", "b", "c"}, 2}} {
			w.faults.Forget()
			w.effective(t, shop, ann.Ref(), c.scopes...)
			if n := len(w.faults.Calls()); n != c.calls {
				t.Errorf("%v cost %d calls, want %d", c.scopes, n, c.calls)
			}
		}
		w.advance(2 * time.Second) // what is remembered is compared, not read again
		w.faults.Forget()
		w.effective(t, shop, ann.Ref(), "a", "b", "c")
		if n := len(w.faults.Calls()); n != 6 {
			t.Errorf("comparing cost %d calls, want 6: two lists and the generations of four kinds", n)
		}
	})
}
