package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/signet-idp/signet/idptest"
)

func TestOrders(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t)
	ann := idp.User("ann")
	app := idp.App("http://127.0.0.1/callback", func(a *idptest.App) { a.Client.Audience = []string{audience} })
	tokens := idp.SignIn(ann, app)

	if code, body := orders(t, idp, tokens.AccessToken); code != http.StatusOK || body != "no orders of "+ann.ID+" yet\n" {
		t.Errorf("ann gets %d %q", code, body)
	}
	if code, _ := orders(t, idp, tokens.IDToken); code != http.StatusUnauthorized {
		t.Errorf("an ID token gets %d", code)
	}
	idp.Advance(2 * time.Hour)
	if code, _ := orders(t, idp, tokens.AccessToken); code != http.StatusUnauthorized {
		t.Errorf("an expired token gets %d", code)
	}
}

// Tokens of another application, of another provider and of nobody are refused.
func TestForeignTokens(t *testing.T) {
	t.Parallel()
	idp, other := idptest.New(t), idptest.New(t)
	for name, token := range map[string]string{
		"another application": idp.SignIn(idp.User("ann"), idp.App("http://127.0.0.1/callback")).AccessToken,
		"another provider": other.SignIn(other.User("ann"), other.App("http://127.0.0.1/callback", func(a *idptest.App) {
			a.Client.Audience = []string{audience}
		})).AccessToken,
		"nobody": "",
	} {
		if code, _ := orders(t, idp, token); code != http.StatusUnauthorized {
			t.Errorf("%s gets %d", name, code)
		}
	}
}

// orders asks a shop that trusts idp.
func orders(t *testing.T, idp *idptest.Server, token string) (int, string) {
	t.Helper()
	shop, err := newShop(t.Context(), idp.URL, idp.Now)
	if err != nil {
		t.Fatal(err)
	}
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	shop.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}
