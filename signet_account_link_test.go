package signet_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/flow/service"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// linking is a provider with the pages of accounts, and one upstream at which somebody is.
func linking(t *testing.T) (idp, upstream *idptest.Server, there *directory.User) {
	t.Helper()
	upstream = idptest.New(t)
	there = upstream.User("there")
	idp = idptest.New(t, withAccount, func(c *signet.Config) {
		app := upstream.App(c.Issuer+"/flow/callback/up", func(a *idptest.App) { a.Application.SkipConsent = true })
		c.Connections = []federated.Connection{{
			Name: "up", Title: "Upstream", Provider: rp.Config{Issuer: upstream.URL, ClientID: app.ClientID, ClientSecret: app.ClientSecret},
		}}
	})
	return idp, upstream, there
}

// leave asks for a link, and returns where the browser goes.
func leave(t *testing.T, page *idptest.Page) string {
	t.Helper()
	page = page.Submit("link_up").Submit("federated")
	to, ok := strings.CutPrefix(page.Header.Get("Refresh"), "0;url=")
	if !ok {
		t.Fatalf("the browser does not leave: %s", page)
	}
	return to
}

// comeBack signs in upstream.
func comeBack(b *idptest.Browser, to string, u *directory.User) *idptest.Page {
	page := b.Open(to)
	if page.Has("username") {
		page = page.Fill("username", u.Username).Fill("password", idptest.Password).Submit("login")
	}
	return page
}

func links(t *testing.T, idp *idptest.Server, u *directory.User) int {
	t.Helper()
	list, err := idp.Provider.Connections.Links(t.Context(), idp.Provider.Directory.SubjectRef(u))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// Somebody links an account upstream on the page of their own, sees it there, and takes it back.
func TestAccountLink(t *testing.T) {
	t.Parallel()
	idp, _, there := linking(t)
	ann, b := idp.User("ann"), idp.Browser()
	page := comeBack(b, leave(t, visitAccount(t, idp, b, ann, "/account/security")), there)
	if page.URL.Path != "/account/security" || !page.Has("unlink_1") || page.Has("link_up") || links(t, idp, ann) != 1 {
		t.Fatalf("linked: %s", page)
	}
	if page = page.Submit("unlink_1"); !page.Has("link_up") || links(t, idp, ann) != 0 {
		t.Errorf("unlinked: %s", page)
	}
}

// Attack: an account upstream that belongs to somebody else here is linked, or its person found out; a link comes back in another browser, or
// after the session in which it was asked for; a link without a fresh proof (OpenID Connect Core §3.1.2.1, RFC 9700 §4.7).
func TestAttackAccountLink(t *testing.T) {
	t.Parallel()
	idp, _, there := linking(t)
	ann, bob := idp.User("ann"), idp.User("bob")
	b, other := idp.Browser(), idp.Browser()
	comeBack(b, leave(t, visitAccount(t, idp, b, ann, "/account/security")), there)
	page := comeBack(other, leave(t, visitAccount(t, idp, other, bob, "/account/security")), there)
	if links(t, idp, bob) != 0 || links(t, idp, ann) != 1 || strings.Contains(page.Body, "ann") {
		t.Errorf("that of another: %s", page)
	}

	idp2, _, there2 := linking(t)
	eve, browser, victim := idp2.User("eve"), idp2.Browser(), idp2.Browser()
	to := leave(t, visitAccount(t, idp2, browser, eve, "/account/security"))
	visitAccount(t, idp2, victim, idp2.User("victim"), "/account")
	if page := comeBack(victim, to, there2); links(t, idp2, eve) != 0 {
		t.Errorf("in another browser: %s", page)
	}
	idp2.SignOut(eve)
	if page := comeBack(browser, to, there2); links(t, idp2, eve) != 0 {
		t.Errorf("after the end of the session: %s", page)
	}

	for what, end := range map[string]func(context.Context, store.Ref, *directory.Subjects) error{
		"revoked": func(ctx context.Context, ref store.Ref, s *directory.Subjects) error { return s.Revoke(ctx, ref) },
		"disabled and enabled": func(ctx context.Context, ref store.Ref, s *directory.Subjects) error {
			return errors.Join(s.Disable(ctx, ref), s.Enable(ctx, ref))
		},
	} {
		idp4, _, there4 := linking(t)
		ann4, thief := idp4.User("ann"), idp4.Browser()
		to = leave(t, visitAccount(t, idp4, thief, ann4, "/account/security"))
		if err := end(t.Context(), idp4.Provider.Directory.SubjectRef(ann4), idp4.Provider.Directory.Subjects); err != nil {
			t.Fatal(err)
		}
		if page := comeBack(thief, to, there4); links(t, idp4, ann4) != 0 {
			t.Errorf("after everything was %s: %s", what, page)
		}
	}

	idp3, _, _ := linking(t)
	late, tab := idp3.User("late"), idp3.Browser()
	stale := visitAccount(t, idp3, tab, late, "/account/security")
	idp3.Advance(11 * time.Minute)
	if page := stale.Submit("link_up"); page.URL.Path != "/login" || page.Has("federated") {
		t.Errorf("without a fresh proof: %s", page)
	}
}

// An account at a service of the host's own is linked as one at a provider: what was fresh is the proof of who they are here.
func TestAccountLinkByService(t *testing.T) {
	t.Parallel()
	remote := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"actionStatus":"SUCCESS","data":{"user":{"id":"42"}}}`)
	}))
	defer remote.Close()
	end := &service.Endpoint{URL: remote.URL, InsecureNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	idp := idptest.New(t, withAccount, func(c *signet.Config) { c.Connections = []federated.Connection{{Name: "up", Service: end}} })
	ann, b := idp.User("ann"), idp.Browser()
	if page := b.Open(leave(t, visitAccount(t, idp, b, ann, "/account/security"))); links(t, idp, ann) != 1 {
		t.Errorf("linked: %s", page)
	}
}

// A failing store is 503, and names nothing.
func TestAccountLinkFails(t *testing.T) {
	t.Parallel()
	idp, _, _ := linking(t)
	ann, b := idp.User("ann"), idp.Browser()
	page := visitAccountBy(t, idp, b, idp.EnrollPasskey(ann))
	idp.Fail(nil)
	for _, button := range []string{"link_up", "rename_1"} {
		if got := page.Submit(button); got.Status != http.StatusServiceUnavailable {
			t.Errorf("%s: %s", button, got)
		}
	}
	idp.Heal()
}

// visitAccountBy opens the page of ways to sign in with a passkey.
func visitAccountBy(t *testing.T, idp *idptest.Server, b *idptest.Browser, device *idptest.SecurityKey) *idptest.Page {
	t.Helper()
	page := b.Open(idp.URL + "/account/security").UsePasskey(device)
	if page.Status != http.StatusOK || !page.Has("remove_1") {
		t.Fatalf("not there: %s", page)
	}
	return page
}

// A passkey has the name that its owner gives it; a name that is too long is refused.
func TestAccountRename(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withAccount)
	ann, b := idp.User("ann"), idp.Browser()
	page := visitAccountBy(t, idp, b, idp.EnrollPasskey(ann))
	page = page.Fill("label", strings.Repeat("x", 65)).Submit("rename_1")
	if page.Status != http.StatusUnprocessableEntity || !strings.Contains(page.Text("messages"), "64") {
		t.Errorf("too long: %s", page)
	}
	page = page.Fill("label", " <b>Blue key ").Submit("rename_1")
	if page.Status != http.StatusOK || !strings.Contains(page.Text("passkeys"), "<b>Blue key") || strings.Contains(page.Body, "<b>Blue") {
		t.Errorf("renamed: %s", page)
	}
}

// Attack: somebody renames a credential of somebody else by its id, or finds out that there is one (attacks.md C).
func TestAttackAccountRename(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withAccount)
	ann := idp.User("ann")
	idp.EnrollPasskey(ann)
	passkey := func() *directory.Credential {
		found, err := idp.Provider.Directory.Credentials.Passkeys(t.Context(), idp.Provider.Directory.SubjectRef(ann), "")
		if err != nil || len(found) != 1 {
			t.Fatal(found, err)
		}
		return found[0]
	}
	eve := newVisitor(t, idp, idp.User("eve"))
	form := url.Values{"action": {"rename"}, "id": {passkey().ID}, "label": {"mine"}}
	theirs := eve.post("/account/security", form)
	form.Set("id", "nothing")
	none := eve.post("/account/security", form)
	if theirs.status != http.StatusUnprocessableEntity || none.status != theirs.status || theirs.body != none.body {
		t.Errorf("%d, %d for nothing", theirs.status, none.status)
	}
	if got := passkey().Label; got == "mine" {
		t.Errorf("that of another is called %q", got)
	}
}
