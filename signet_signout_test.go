package signet_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// chained is a provider whose people sign in at another one of ours, which signs them out as well, an application, and one of them.
type chained struct {
	*testing.T
	idp, upstream *idptest.Server
	app           *idptest.App
	there         *directory.User
}

const shopBye = "https://shop.example/bye"

func chain(t *testing.T, edits ...func(*signet.Config)) *chained {
	t.Helper()
	c := &chained{T: t, upstream: idptest.New(t)}
	c.there = c.upstream.User("there")
	c.idp = idptest.New(t, append([]func(*signet.Config){withAccount, func(config *signet.Config) {
		app := c.upstream.App(config.Issuer+"/flow/callback/up", func(a *idptest.App) {
			a.Application.SkipConsent = true
			a.Client.PostLogoutRedirectURIs = []string{config.Issuer + federated.PostLogoutPath + "up"}
		})
		config.Connections = []federated.Connection{{
			Name: "up", Title: "Upstream", Create: true, RPInitiatedLogout: true,
			Provider: rp.Config{Issuer: c.upstream.URL, ClientID: app.ClientID, ClientSecret: app.ClientSecret},
		}}
	}}, edits...)...)
	c.app = c.idp.App("https://shop.example/callback", func(a *idptest.App) {
		a.Application.SkipConsent = true
		a.Client.PostLogoutRedirectURIs = []string{shopBye}
	})
	return c
}

// signIn signs somebody in to the application, by way of the provider upstream.
func (c *chained) signIn(b *idptest.Browser) *idptest.Tokens {
	c.Helper()
	r := c.app.Request()
	page := comeBack(b, c.onward(b.Open(r.URL).Submit("method_up")), c.there)
	tokens, err := r.Redeem(page)
	if err != nil {
		c.Fatalf("%v at %s", err, page)
	}
	return tokens
}

// onward is where a page sends the browser.
func (c *chained) onward(page *idptest.Page) string {
	c.Helper()
	_, to, ok := strings.Cut(page.Header.Get("Refresh"), ";url=")
	if !ok {
		c.Fatalf("the browser goes nowhere: %s", page)
	}
	return to
}

// inside reports whether a browser is signed in at a provider.
func inside(b *idptest.Browser, idp *idptest.Server) bool {
	page := b.Open(idp.URL + "/oidc/logout")
	return page.Has("logout_confirm")
}

// logout signs out by the application.
func (c *chained) logout(b *idptest.Browser, tokens *idptest.Tokens, parameters ...string) *idptest.Page {
	c.Helper()
	query := url.Values{"id_token_hint": {tokens.IDToken}}
	for i := 0; i+1 < len(parameters); i += 2 {
		query.Set(parameters[i], parameters[i+1])
	}
	return b.Open(c.idp.URL + "/oidc/logout?" + query.Encode())
}

// Somebody signs out of an application, is signed out here at once, then upstream, where they are asked, and ends at the application with
// its state; without an application, on our page (OpenID Connect RP-Initiated Logout 1.0 §2, §3).
func TestSignOutUpstream(t *testing.T) {
	t.Parallel()
	c := chain(t)
	b := c.idp.Browser()
	tokens := c.signIn(b)
	page := c.logout(b, tokens, "post_logout_redirect_uri", shopBye, "state", "s&t")
	to := c.onward(page)
	if !strings.HasPrefix(to, c.upstream.URL+"/oidc/logout?") || strings.Contains(to, "id_token_hint") {
		t.Errorf("sent to %s", to)
	}
	if inside(b, c.idp) || !inside(b, c.upstream) {
		t.Error("signed out upstream before here, or not here")
	}
	page = b.Open(to)
	if page = page.Submit("logout_confirm"); page.URL.String() != shopBye+"?state=s%26t" {
		t.Errorf("ends at %s", page.URL)
	}
	if inside(b, c.upstream) {
		t.Error("still signed in upstream")
	}

	tokens = c.signIn(b)
	page = b.Open(c.onward(c.logout(b, tokens))).Submit("logout_confirm")
	if page.Status != http.StatusOK || !page.Has("logged_out") || page.URL.Path != federated.PostLogoutPath+"up" {
		t.Errorf("without an application: %s", page)
	}
}

// A browser that says that the provider has sent it back goes on from a page of ours; to an app's own
// scheme, which no page links to, it is redirected.
func TestSignOutUpstreamGoesOnFromAPage(t *testing.T) {
	t.Parallel()
	const app = "com.example.shop:/bye"
	c := chain(t)
	client, err := c.idp.Provider.Clients.Find(t.Context(), c.app.ClientID)
	if err != nil {
		t.Fatal(err)
	}
	client.PostLogoutRedirectURIs = append(client.PostLogoutRedirectURIs, app)
	if err := c.idp.Provider.Clients.Replace(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	c.idp.Advance(2 * store.Staleness)
	for _, next := range []string{shopBye, app} {
		b := c.idp.Browser()
		away := c.logout(b, c.signIn(b), "post_logout_redirect_uri", next)
		back, err := url.Parse(c.onward(away))
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodGet, back.Query().Get("post_logout_redirect_uri")+"?state="+back.Query().Get("state"), nil)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		for _, cookie := range (&http.Response{Header: away.Header}).Cookies() {
			r.AddCookie(cookie)
		}
		w := httptest.NewRecorder()
		c.idp.Provider.ServeHTTP(w, r)
		page, redirected := w.Header().Get("Refresh") == "0;url="+next, w.Header().Get("Location") == next
		if page != (next == shopBye) || redirected != (next == app) {
			t.Errorf("%s: %d, %v", next, w.Code, w.Header())
		}
	}
}

// Who signs out on the page of their account is signed out upstream too, and both pages on the way lead there without a script or a form.
func TestAccountSignsOutUpstream(t *testing.T) {
	t.Parallel()
	c := chain(t)
	b := c.idp.Browser()
	c.signIn(b)
	page := b.Open(c.idp.URL + "/account/sessions").Submit("end_1")
	to := c.onward(page)
	if !page.Has("logged_out") || !page.Has("continue") || !strings.HasPrefix(to, c.upstream.URL) {
		t.Errorf("after signing out: %s", page)
	}
	if inside(b, c.idp) {
		t.Error("still signed in here")
	}
	if page = b.Open(to).Submit("logout_confirm"); !page.Has("logged_out") || inside(b, c.upstream) {
		t.Errorf("back: %s", page)
	}
}

// Clients that are framed at a logout are told before the browser goes upstream.
func TestSignOutUpstreamTellsClientsFirst(t *testing.T) {
	t.Parallel()
	c := chain(t, func(config *signet.Config) { config.OIDC.FrontChannelLogout = &oidc.FrontChannelLogout{} })
	c.app.Client.FrontChannelLogoutURI = "https://shop.example/out"
	if err := c.idp.Provider.Clients.Replace(t.Context(), c.app.Client); err != nil {
		t.Fatal(err)
	}
	b := c.idp.Browser()
	page := c.logout(b, c.signIn(b), "post_logout_redirect_uri", shopBye)
	if !strings.Contains(page.Body, `<iframe src="https://shop.example/out`) || !strings.HasPrefix(c.onward(page), c.upstream.URL) {
		t.Errorf("%s", page)
	}
}

// Who stays signed in here stays so upstream.
func TestAttackRefusedLogoutGoesNotUpstream(t *testing.T) {
	t.Parallel()
	c := chain(t)
	b := c.idp.Browser()
	c.signIn(b)
	page := b.Open(c.idp.URL + "/oidc/logout").Submit("logout_cancel")
	if page.Header.Get("Refresh") != "" || !inside(b, c.idp) || !inside(b, c.upstream) {
		t.Errorf("%s", page)
	}
}

// Attack: somebody is sent to where a logout upstream comes back, with a state that is forged, or another's (open redirect; a page that says
// that they are signed out while they are not). A store that is down is no signed-out page either.
func TestAttackForgedReturnFromUpstream(t *testing.T) {
	t.Parallel()
	c := chain(t)
	at := c.idp.Provider.Connections.PostLogoutRedirectURL("up")
	thief := c.idp.Browser()
	to, err := url.Parse(c.onward(c.logout(thief, c.signIn(thief), "post_logout_redirect_uri", shopBye)))
	if err != nil {
		t.Fatal(err)
	}
	victim, nobody := c.idp.Browser(), c.idp.Browser()
	c.signIn(victim)
	for _, query := range []string{
		"", "?state=x", "?state=" + url.QueryEscape(to.Query().Get("state")), "?state=x&post_logout_redirect_uri=https://evil.example", "?next=https://evil.example",
	} {
		if page := victim.Open(at + query); page.Status != http.StatusOK || page.Has("logged_out") || !strings.Contains(page.Body, "still signed in") || !inside(victim, c.idp) {
			t.Errorf("%q in another browser: %s", query, page)
		}
		if page := nobody.Open(at + query); page.Status != http.StatusOK || !page.Has("logged_out") {
			t.Errorf("%q where nobody is signed in: %s", query, page)
		}
	}
	c.idp.Fail(nil)
	if page := victim.Open(at + "?state=x"); page.Status != http.StatusServiceUnavailable || page.Has("logged_out") {
		t.Errorf("without a store: %s", page)
	}
	c.idp.Heal()
	if page := thief.Open(at + "?" + to.Query().Encode()); page.URL.String() != shopBye {
		t.Errorf("its own: %s", page)
	}
}
