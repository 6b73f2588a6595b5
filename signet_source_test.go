package signet_test

import (
	"errors"
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
		c.Source = func(db *store.DB, dir *directory.Directory) (_ flow.Source, _ map[string]flow.Executor, err error) {
			functions, err := script.DirectoryFunctions(script.DirectoryConfig{DB: db, Directory: dir, Secrets: script.NewSecrets(db)})
			if err != nil {
				return nil, nil, err
			}
			engine, err := script.New(script.Config{Functions: functions})
			if err != nil {
				return nil, nil, err
			}
			policies, err = script.NewPolicies(script.PoliciesConfig{DB: db, Directory: dir, Engine: engine})
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
		Source: func(*store.DB, *directory.Directory) (flow.Source, map[string]flow.Executor, error) {
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
