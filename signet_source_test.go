package signet_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/script"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
)

// scripted is a provider whose logins go by scripts, and what sets them.
func scripted(t *testing.T) (policies *script.Policies, idp *idptest.Server) {
	t.Helper()
	idp = idptest.New(t, func(c *signet.Config) {
		c.Source = func(p signet.Parts) (_ flow.Source, _ map[string]flow.Executor, err error) {
			secrets := script.NewSecrets(p.DB)
			functions, err := script.DirectoryFunctions(script.DirectoryConfig{DB: p.DB, Directory: p.Directory, Secrets: secrets})
			if err != nil {
				return nil, nil, err
			}
			engine, err := script.New(script.Config{Functions: functions})
			if err != nil {
				return nil, nil, err
			}
			policies, err = script.NewPolicies(script.PoliciesConfig{
				DB: p.DB, Directory: p.Directory, Engine: engine, Libraries: script.NewLibraries(p.DB, engine), Secrets: secrets, Manage: true,
			})
			return policies, script.Executors(nil), err
		}
	})
	return policies, idp
}

// An administrator's script decides about a sign-in, from the moment in which it is set.
func TestScriptDecides(t *testing.T) {
	t.Parallel()
	policies, idp := scripted(t)
	app := idp.App("https://app.example/callback", func(a *idptest.App) { a.Application.SkipConsent = true })
	ann := idp.User("ann")
	idp.SignIn(ann, app)
	err := policies.Set(t.Context(), "", "", script.Policy{
		Source: `var onLoginRequest = function(context) {
			executeStep(1, { onSuccess: function(context) { fail({ errorCode: 'access_denied', errorMessage: 'not today' }); } });
		};`,
		Steps: [][]script.Way{{{Option: script.Option{Authenticator: "BasicAuthenticator"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	idp.Advance(store.Staleness)
	if refused := idp.Deny(ann, app); refused.Code != "access_denied" {
		t.Errorf("afterwards: %v", refused)
	}
}

func TestSourceThatCannotBeMade(t *testing.T) {
	t.Parallel()
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	if err != nil {
		t.Fatal(err)
	}
	_, err = signet.New(signet.Config{
		Issuer: "https://id.example.com", Store: memory.New(), Keys: ring,
		Source: func(signet.Parts) (flow.Source, map[string]flow.Executor, error) {
			return nil, nil, errors.New("no scripts today")
		},
	})
	if err == nil || !strings.Contains(err.Error(), "Config.Source: no scripts today") {
		t.Errorf("got %v", err)
	}
}

// The class that a script selects is the acr of the sign-in's tokens, also after a refresh, where the application has asked for it and the
// person has reached it; the next sign-in of the same session starts afresh.
func TestScriptSelectsClass(t *testing.T) {
	t.Parallel()
	policies, idp := scripted(t)
	app := idp.App("https://app.example/callback")
	other := idp.App("https://other.example/callback")
	ann := idp.User("ann")
	idp.EnrollTOTP(ann)
	set := func(a *idptest.App, source string) {
		t.Helper()
		if err := policies.Set(t.Context(), "", a.Application.ID, script.Policy{
			Source: source,
			Steps: [][]script.Way{
				{{Option: script.Option{Authenticator: "BasicAuthenticator"}}}, {{Option: script.Option{Authenticator: "totp"}}},
			},
		}); err != nil {
			t.Fatal(err)
		}
	}
	steps := "executeStep(1); executeStep(2); };"
	set(app, "var onLoginRequest = function(context) { context.selectedAcr = selectAcrFrom(context, ['aal1']); "+steps)
	set(other, "var onLoginRequest = function(context) { context.selectedAcr = 'aal3'; "+steps)
	browser := idp.Browser()
	asks := func(values string) oauth2.AuthCodeOption { return oauth2.SetAuthURLParam("acr_values", values) }
	first := browser.SignIn(ann, app, asks("aal2 aal1"))
	again, err := first.Refresh()
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]struct {
		tokens *idptest.Tokens
		acr    string
	}{
		"selected":                         {first, "aal1"},
		"refreshed":                        {again, "aal1"},
		"not asked for, in the session":    {browser.SignIn(ann, app), "aal2"},
		"raised, at another application":   {browser.SignIn(ann, other, asks("aal3 aal2")), "aal2"},
		"asked for, by nobody's selection": {browser.SignIn(ann, other, asks("aal1")), "aal2"},
	} {
		if acr := got.tokens.Claims["acr"]; acr != got.acr {
			t.Errorf("%s: acr is %v", name, acr)
		}
	}
}

// What a script says in user.claims of the person who signs in is in the tokens of that sign-in and of its refreshes, for the claims that the
// application gets, and in no other's.
func TestScriptSaysClaims(t *testing.T) {
	t.Parallel()
	policies, idp := scripted(t)
	app := idp.App("https://app.example/callback", func(a *idptest.App) { a.Application.SkipConsent = true })
	other := idp.App("https://other.example/callback", func(a *idptest.App) { a.Application.SkipConsent = true })
	ann := idp.User("ann", func(u *directory.User) { u.Nickname = "Annie" })
	if err := policies.Set(t.Context(), "", app.Application.ID, script.Policy{
		Source: `var onLoginRequest = function(context) {
			executeStep(1, { onSuccess: function(context) {
				var user = context.steps[1].subject;
				user.claims['http://wso2.org/claims/nickname'] = user.claims['http://wso2.org/claims/nickname'] + ' from ' + (user.uniqueId ? 'here' : 'nowhere');
				user.claims['acr'] = 'aal3';
				user.claims['http://wso2.org/claims/gender'] = 'none of your business';
			} });
		};`,
		Steps: [][]script.Way{{{Option: script.Option{Authenticator: "BasicAuthenticator"}}}},
	}); err != nil {
		t.Fatal(err)
	}
	asks := oauth2.SetAuthURLParam("claims", `{"id_token":{"nickname":null,"acr":null}}`)
	browser := idp.Browser()
	first := browser.SignIn(ann, app, asks)
	again, err := first.Refresh()
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]struct {
		tokens   *idptest.Tokens
		nickname any
	}{
		"said":                      {first, "Annie from here"},
		"refreshed":                 {again, "Annie from here"},
		"in the session":            {browser.SignIn(ann, app, asks), "Annie from here"},
		"not asked for":             {browser.SignIn(ann, app), nil},
		"at an application without": {browser.SignIn(ann, other, asks), "Annie"},
	} {
		if c := got.tokens.Claims; c["nickname"] != got.nickname || c["acr"] == "aal3" || c["gender"] != nil {
			t.Errorf("%s: %v", name, c)
		}
	}
	if known, err := idp.Provider.Directory.FindUser(t.Context(), "", "ann"); err != nil || known.Nickname != "Annie" {
		t.Errorf("the account: %v, %v", known, err)
	}
}

// Secrets and libraries of scripts are managed with a token for the one or the other, of an administrator and of a client of the root: not with
// none, one of another API, one to look alone, or one of somebody without the role.
func TestAttackScriptManagementToken(t *testing.T) {
	t.Parallel()
	_, idp := scripted(t)
	people := idp.Provider.Directory
	app := idp.App("https://console.example.com/callback", func(a *idptest.App) { a.Application.SkipConsent = true })
	admin, ann := idp.User("admin"), idp.User("ann")
	secrets := []string{script.ScopeSecretView, script.ScopeSecretAdd}
	libraries := []string{script.ScopeLibraryView, script.ScopeLibraryCreate}
	role := &directory.Role{Name: "scripts", Permissions: slices.Concat(secrets, libraries)}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, scopes := range map[string][]string{script.SecretsPath: secrets, script.LibrariesPath: libraries} {
		api := &directory.APIResource{Name: path, Identifier: idp.URL + path, Scopes: []directory.APIScope{{Name: scopes[0]}, {Name: scopes[1]}}}
		must(people.APIs.Create(t.Context(), api))
		must(people.AuthorizedAPIs.Authorize(t.Context(), &directory.AuthorizedAPI{Application: app.Application.Ref(), API: api.Ref(), Scopes: scopes}))
	}
	must(people.Roles.Create(t.Context(), role))
	must(people.Roles.Assign(t.Context(), role.Ref(), store.Ref{ID: admin.ID}))
	token := func(u *directory.User, scopes ...string) string {
		t.Helper()
		return idp.SignIn(u, app, oauth2.SetAuthURLParam("scope", "openid "+strings.Join(scopes, " "))).AccessToken
	}
	add := func(token string) int {
		r := httptest.NewRequest(http.MethodPost, idp.URL+script.SecretsPath+"/ADAPTIVE_AUTH_CALL_CHOREO", strings.NewReader(`{"name":"key","value":"x"}`))
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		rec := httptest.NewRecorder()
		idp.Provider.ServeHTTP(rec, r)
		return rec.Code
	}
	for name, token := range map[string]string{
		"none": "", "not well-formed": "x", "another API": token(admin, libraries...), "no API": token(admin), "to look": token(admin, script.ScopeSecretView),
		"without the role": token(ann),
	} {
		if code := add(token); code != http.StatusUnauthorized && code != http.StatusForbidden {
			t.Errorf("%s: %d", name, code)
		}
	}
	if code := add(token(admin, secrets...)); code != http.StatusCreated {
		t.Errorf("with a token for it: %d", code)
	}
}
