package signet_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// managed is a provider with the flow builder, its API resource, and an administrator's application.
func managed(t *testing.T, edits ...func(*signet.Config)) (*idptest.Server, *idptest.App, *directory.User) {
	t.Helper()
	idp := idptest.New(t, append([]func(*signet.Config){func(c *signet.Config) {
		c.FlowBuilder, c.FlowExecution = true, true
		c.Accounts.Registration.Enabled = true
	}}, edits...)...)
	scopes := []string{"internal_flow_mgt_view", "internal_flow_mgt_update"}
	api := &directory.APIResource{
		Name: "Flows", Identifier: idp.URL + "/api/server/v1/flow", Scopes: []directory.APIScope{{Name: scopes[0]}, {Name: scopes[1]}},
	}
	people := idp.Provider.Directory
	app := idp.App("https://console.example.com/callback")
	admin := idp.User("admin")
	role := &directory.Role{Name: "flows", Permissions: scopes}
	for _, err := range []error{
		people.APIs.Create(t.Context(), api),
		people.AuthorizedAPIs.Authorize(t.Context(), &directory.AuthorizedAPI{Application: app.Application.Ref(), API: api.Ref(), Scopes: scopes}),
		people.Roles.Create(t.Context(), role),
		people.Roles.Assign(t.Context(), role.Ref(), store.Ref{ID: admin.ID}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return idp, app, admin
}

// manage sends a call of the flow builder with a token.
func manage(idp *idptest.Server, method, path, token, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, idp.URL+"/api/server/v1/flow"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	rec := httptest.NewRecorder()
	idp.Provider.ServeHTTP(rec, r)
	return rec
}

// An administrator draws a flow with a token for it, and people are asked what was drawn.
func TestFlowBuilder(t *testing.T) {
	t.Parallel()
	idp, app, admin := managed(t)
	token := idp.SignIn(admin, app, oauth2.SetAuthURLParam("scope", "openid internal_flow_mgt_view internal_flow_mgt_update")).AccessToken
	drawn, err := os.ReadFile("flow/builder/testdata/registration.json")
	if err != nil {
		t.Fatal(err)
	}
	if rec := manage(idp, http.MethodPut, "", token, string(drawn)); rec.Code != http.StatusOK {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	if rec := manage(idp, http.MethodPatch, "/config", token, `{"flowType":"REGISTRATION","isEnabled":true}`); rec.Code != http.StatusOK {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	if rec := manage(idp, http.MethodPost, "/execute", "", `{"flowType":"REGISTRATION"}`); !strings.Contains(rec.Body.String(), `"actionId":"join"`) {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// Nobody draws flows without a token for it: none, one of another API, one of somebody without the role, one with the scope to look alone.
func TestAttackFlowBuilderToken(t *testing.T) {
	t.Parallel()
	idp, app, admin := managed(t)
	ann := idp.User("ann")
	look := idp.SignIn(admin, app, oauth2.SetAuthURLParam("scope", "openid internal_flow_mgt_view")).AccessToken
	for name, token := range map[string]string{
		"none":            "",
		"another API":     idp.SignIn(admin, app).AccessToken,
		"without a role":  idp.SignIn(ann, app, oauth2.SetAuthURLParam("scope", "openid profile")).AccessToken,
		"to look":         look,
		"not well-formed": "x",
	} {
		if rec := manage(idp, http.MethodPut, "", token, `{}`); rec.Code != http.StatusUnauthorized && rec.Code != http.StatusForbidden {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
	if rec := manage(idp, http.MethodGet, "/configs", look, ""); rec.Code != http.StatusOK {
		t.Errorf("to look: %d %s", rec.Code, rec.Body)
	}
}

// A client of an organization below the root draws nothing at the root, whatever is registered for it there.
func TestAttackFlowBuilderOfAnotherOrganization(t *testing.T) {
	t.Parallel()
	idp, _, _ := managed(t)
	for org, want := range map[string]int{"": http.StatusOK, "acme": http.StatusForbidden} {
		app := &directory.Application{Name: "Machine"}
		app.Org = org
		if err := idp.Provider.Directory.Applications.Create(t.Context(), app); err != nil {
			t.Fatal(err)
		}
		people := idp.Provider.Directory
		if org != "" {
			own := &directory.APIResource{
				Name: "Flows", Identifier: idp.URL + "/api/server/v1/flow", Scopes: []directory.APIScope{{Name: "internal_flow_mgt_view"}},
			}
			own.Org = org
			if err := people.APIs.Create(t.Context(), own); err != nil {
				t.Fatal(err)
			}
		}
		api, err := people.APIs.Find(t.Context(), org, idp.URL+"/api/server/v1/flow")
		if err == nil {
			err = people.AuthorizedAPIs.Authorize(t.Context(), &directory.AuthorizedAPI{
				Application: app.Ref(), API: api.Ref(), Scopes: []string{"internal_flow_mgt_view"}, Policy: directory.AuthorizeByConsent,
			})
		}
		if err != nil {
			t.Fatal(err)
		}
		machine := &oidc.Client{
			ClientID: "machine" + org, Application: app.Ref(), GrantTypes: []oidc.GrantType{oidc.ClientCredentials},
			Scopes: []string{"internal_flow_mgt_view"}, Audience: []string{idp.URL + "/api/server/v1/flow"},
		}
		machine.Org = org
		secret, err := idp.Provider.Clients.Create(t.Context(), "Machine", machine)
		if err != nil {
			t.Fatal(err)
		}
		form := url.Values{"grant_type": {"client_credentials"}, "scope": {"internal_flow_mgt_view"}}
		r := httptest.NewRequest(http.MethodPost, idp.URL+"/oauth2/token", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(machine.ClientID, secret)
		rec := httptest.NewRecorder()
		idp.Provider.ServeHTTP(rec, r)
		var sent struct {
			Token string `json:"access_token"`
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &sent); err != nil || sent.Token == "" {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
		if rec := manage(idp, http.MethodGet, "/configs", sent.Token, ""); rec.Code != want {
			t.Errorf("of %q: %d %s", org, rec.Code, rec.Body)
		}
	}
}
