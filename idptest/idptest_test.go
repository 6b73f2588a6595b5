package idptest_test

import (
	"testing"

	"github.com/signet-idp/signet/idptest"
)

const callback = "http://127.0.0.1/callback"

func TestSignIn(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t)
	ann := idp.User("ann")
	tokens := idp.SignIn(ann, idp.App(callback))
	for claim, want := range map[string]any{"iss": idp.URL, "sub": ann.ID, "aud": "app-1", "email": nil} {
		if got := tokens.Claims[claim]; got != want {
			t.Errorf("claim %s is %v, want %v", claim, got, want)
		}
	}
	if tokens.AccessToken == "" || tokens.RefreshToken == "" || tokens.IDToken == "" {
		t.Errorf("a token is missing: %v", tokens)
	}
}
