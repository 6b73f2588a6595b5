package signet_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store/storetest"
)

// Whoever opens the page of a sign-in that is done finds the way back to the application, where a browser can go there.
func TestFinished(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		idp := idptest.New(t, placed(p))
		ann := idp.User("ann")
		for name, c := range map[string]struct{ redirect, url, want string }{
			"as the application says":  {"https://shop.example.com/callback", "https://www.example.com/shop", "https://www.example.com/shop"},
			"site of the redirect URI": {"https://shop.example.com:8443/a/b?c=d", "", "https://shop.example.com:8443/"},
			"in development":           {"http://localhost:3000/callback", "", "http://localhost:3000/"},
			"on this device":           {"http://127.0.0.1/callback", "", ""},
			"scheme of an application": {"com.example.app:/callback", "", ""},
		} {
			app := idp.App(c.redirect, func(a *idptest.App) { a.Application.URL = c.url })
			b := idp.Browser()
			login := b.Open(app.Request().URL)
			login.SignIn(ann)
			page := b.Open(login.URL.String())
			link := `id="application" href="` + c.want + `"`
			if page.Status != http.StatusOK || page.Has("application") != (c.want != "") || c.want != "" && !strings.Contains(page.Body, link) {
				t.Errorf("%s: %v\n%s", name, page, page.Body)
			}
		}
	})
}
