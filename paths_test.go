package signet_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow/me"
	"github.com/signet-idp/signet/idptest"
)

// A host may have something else where Signet has its pages and endpoints: every path can be moved, and people and clients find them by
// redirects and discovery alone.
func TestPathsAreMoved(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, func(c *signet.Config) {
		c.Paths = map[string]string{"/oauth2": "/as", "/oauth2/token": "/token", "/login": "/people/in", "/flow": "/people"}
	})
	ann, app := idp.User("ann"), idp.App("https://shop.example.com/callback")
	if tokens := idp.Browser().SignIn(ann, app); tokens.Claims["sub"] != ann.ID {
		t.Errorf("signed in as %v", tokens.Claims["sub"])
	}
	for _, gone := range []string{"/oauth2/jwks", "/login", "/flow/consent"} {
		w := httptest.NewRecorder()
		idp.Provider.ServeHTTP(w, httptest.NewRequest(http.MethodGet, gone, nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("%s is answered with %d", gone, w.Code)
		}
	}
}

// What devices for pushes call moves with the APIs that it stands among.
func TestPathsOfDevicesAreMoved(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, func(c *signet.Config) {
		c.Me = &me.Settings{}
		c.Paths = map[string]string{"/api": "/v1", "/push-auth": "/devices"}
	})
	for path, want := range map[string]int{
		"/v1/users/v1/me/push/devices": http.StatusBadRequest, "/devices/authenticate": http.StatusBadRequest, // heard, and not believed
		"/api/users/v1/me/push/devices": http.StatusNotFound, "/push-auth/authenticate": http.StatusNotFound,
	} {
		w := httptest.NewRecorder()
		idp.Provider.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader("{}")))
		if w.Code != want {
			t.Errorf("POST %s is answered with %d, want %d", path, w.Code, want)
		}
	}
}

func TestPathsThatCannotBe(t *testing.T) {
	t.Parallel()
	for problem, paths := range map[string]map[string]string{
		`nothing is at "/oauth2/tokens"`: {"/oauth2/tokens": "/token"},
		`nothing is at "/signin"`:        {"/signin": "/in"},
		`is taken twice`:                 {"/login": "/oauth2/jwks"},
		`both at`:                        {"/oauth2/jwks": "/oauth2/userinfo"},
		`plain path`:                     {"/login": "//evil.example"},
	} {
		_, err := newProvider(signet.Config{Paths: paths})
		if err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%v: %v, want %s", paths, err, problem)
		}
	}
}
