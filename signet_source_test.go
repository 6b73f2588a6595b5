package signet_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/script"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
)

// An administrator's script decides about a sign-in, from the moment in which it is set.
func TestScriptDecides(t *testing.T) {
	t.Parallel()
	var policies *script.Policies
	idp := idptest.New(t, func(c *signet.Config) {
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
