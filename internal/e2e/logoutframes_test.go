package e2e_test

import (
	"context"
	"html/template"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/oidc"
)

// newFramingWorld is a provider that frames and is framed, and an application on another port of the same site: browsers give frames
// of other sites no cookies over http.
func newFramingWorld(t *testing.T) *world {
	t.Helper()
	w := &world{site: newSite(t), idp: idptest.New(t, func(c *signet.Config) {
		c.OIDC.FrontChannelLogout, c.OIDC.SessionManagement = &oidc.FrontChannelLogout{}, &oidc.SessionManagement{}
	})}
	origin := w.site.as("127.0.0.1")
	w.app = w.idp.App(origin+"/callback", trusted, func(a *idptest.App) { a.Client.FrontChannelLogoutURI = origin + "/out" })
	w.ann = w.idp.User("ann")
	return w
}

// A logout frames the application that took part, and then goes back to it (OpenID Connect Front-Channel Logout 1.0 §3), with a script
// and without one.
func logoutByFrames(t *testing.T, browser context.Context) {
	for _, script := range []bool{true, false} {
		w := newFramingWorld(t)
		tab, r := newPerson(t, browser), w.app.Request()
		if !script {
			withoutScript(t, tab)
		}
		visit(t, tab, r.URL)
		tokens := signIn(t, tab, r)
		back := w.app.Client.PostLogoutRedirectURIs[0]
		query := url.Values{"post_logout_redirect_uri": {back}, "id_token_hint": {tokens.IDToken}}
		do(t, tab, chromedp.Navigate(w.idp.URL+"/oidc/logout?"+query.Encode())) // to a page that goes on by itself
		await(t, tab, "arrived")
		if got := location(t, tab).String(); got != back {
			t.Errorf("back at %s", got)
		}
		asked := w.site.asked("/out")
		if len(asked) != 1 || asked[0].Get("iss") != w.idp.URL || asked[0].Get("sid") == "" {
			t.Errorf("framed with %v", asked)
		}
	}
}

var statePage = template.Must(template.New("state").Parse(`<!doctype html><html lang="en">
<title>Application</title><link rel="icon" href="data:,"><main><h1>Application</h1></main>
<iframe id="op" src="{{.Frame}}" title="session"></iframe>
<script>
addEventListener("message", e => {
	if (e.origin !== {{.Origin}}) return;
	const p = document.createElement("p");
	p.id = "state";
	p.innerText = e.data;
	document.body.append(p);
});
document.getElementById("op").addEventListener("load", e => e.target.contentWindow.postMessage({{.Message}}, {{.Origin}}));
</script></html>`))

// The frame answers a page of the application: unchanged, changed after a logout, and error for what is no question (OpenID Connect
// Session Management 1.0 §3.1, §3.2).
func sessionFrame(t *testing.T, browser context.Context) {
	w := newFramingWorld(t)
	tab, r := newPerson(t, browser), w.app.Request()
	visit(t, tab, r.URL)
	login(t, tab, idptest.Password)
	press(t, tab, "login")
	await(t, tab, "arrived")
	state := location(t, tab).Query().Get("session_state")
	if _, err := r.Redeem(&idptest.Page{URL: location(t, tab)}); err != nil {
		t.Fatal(err)
	}
	ask := func(message, want string) {
		t.Helper()
		w.site.serve(page(statePage, map[string]string{"Frame": w.idp.URL + "/oidc/checksession", "Origin": w.idp.URL, "Message": message}))
		visit(t, tab, w.site.as("127.0.0.1")+"/")
		do(t, tab, chromedp.WaitVisible(chromedp.ID("state")))
		if got := text(t, tab, "state"); got != want {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
	}
	ask(w.app.ClientID+" "+state, "unchanged")
	ask("another "+state, "changed")
	ask(w.app.ClientID+" "+strings.Replace(state, ".", "x.", 1), "changed")
	ask("nonsense", "error")
	ask("a b c", "error")
	visit(t, tab, w.idp.URL+"/oidc/logout")
	do(t, tab, chromedp.Click(chromedp.ID("logout_confirm")))
	await(t, tab, "logged_out")
	ask(w.app.ClientID+" "+state, "changed")
}
