package signet_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/signet-idp/signet/idptest"
)

// A header as large as net/http lets through is answered as one that says nothing, and does not fill the log.
func TestLargeHeaders(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t)
	idp.User("ann")
	login := idp.Browser().Open(idp.App(callback).Request().URL).URL.RequestURI()
	large := strings.Repeat("a,b;q=0.5 ", 50_000)
	cookies := strings.Repeat("a=b; ", 100_000)
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, "/oauth2/authorize?client_id=app-1", http.StatusBadRequest},
		{http.MethodGet, login, http.StatusForbidden},
		{http.MethodPost, "/login", http.StatusUnsupportedMediaType},
		{http.MethodGet, "/oidc/logout/resume?id=x", http.StatusBadRequest},
		{http.MethodPost, "/oauth2/token", http.StatusUnsupportedMediaType},
		{http.MethodGet, "/oauth2/userinfo", http.StatusUnauthorized},
		{http.MethodGet, "/oauth2/jwks", http.StatusOK},
	} {
		for name, value := range map[string]string{
			"Accept-Language": large, "Cookie": cookies, "X-Forwarded-For": large, "User-Agent": large, "Origin": large,
			"Authorization": "Bearer " + strings.Repeat("e30.", 100_000), "Proxy-Authorization": large, "Content-Type": "text/html; x=" + large,
		} {
			before := len(idp.Log())
			got := request(t, idp.Provider, c.method, idp.URL+c.path, func(r *http.Request) { r.Header.Set(name, value) })
			want := c.want
			if name == "Origin" && c.method == http.MethodPost && c.path == "/login" {
				want = http.StatusForbidden
			}
			if got.StatusCode != want {
				t.Errorf("%s %s with a large %s: %d, want %d", c.method, c.path, name, got.StatusCode, want)
			}
			if log := idp.Log()[before:]; len(log) > 4096 {
				t.Errorf("%s %s with a large %s: %d bytes of log", c.method, c.path, name, len(log))
			}
		}
	}
}

// Basic credentials that are too large are wrong ones.
func TestLargeCredentials(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t)
	idp.App(callback)
	for _, credentials := range [][2]string{{strings.Repeat("a", 500_000), "b"}, {"app-1", strings.Repeat("b", 500_000)}} {
		got := request(t, idp.Provider, http.MethodPost, idp.URL+"/oauth2/token", func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.SetBasicAuth(credentials[0], credentials[1])
		})
		if got.StatusCode != http.StatusUnauthorized || len(idp.Log()) > 4096 {
			t.Errorf("%d with %d bytes of log", got.StatusCode, len(idp.Log()))
		}
	}
}
