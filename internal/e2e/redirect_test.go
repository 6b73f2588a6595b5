package e2e_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"golang.org/x/oauth2"

	"github.com/signet-idp/signet/idptest"
)

// The form-action of a page must let the whole chain of redirects through that follows a post: Chromium holds every one of
// them against it.
func redirectToAnotherSite(t *testing.T, browser context.Context) {
	w := newWorld(t)
	tab, r := newPerson(t, browser), w.app.Request()
	visit(t, tab, r.URL)
	login(t, tab, idptest.Password)
	press(t, tab, "login")
	press(t, tab, "consent_allow")
	if tokens := arrive(t, tab, r); tokens.Claims["sub"] != w.ann.ID {
		t.Errorf("signed in as %v", tokens.Claims)
	}
	second := w.app.Request()
	visit(t, tab, second.URL) // neither password nor consent
	arrive(t, tab, second)
}

// The same host under another port is another origin.
func redirectToAnotherOrigin(t *testing.T, browser context.Context) {
	w := newWorld(t)
	app := w.idp.App(w.site.as("127.0.0.1")+"/callback", trusted)
	tab, r := newPerson(t, browser), app.Request()
	visit(t, tab, r.URL)
	signIn(t, tab, r)
}

// A program on the person's machine listens at whatever port is free (RFC 8252 §7.3).
func redirectToAnyLoopbackPort(t *testing.T, browser context.Context) {
	w := newWorld(t)
	app := w.idp.App("http://127.0.0.1/callback", trusted)
	app.RedirectURL = w.site.as("127.0.0.1") + "/callback"
	tab, r := newPerson(t, browser), app.Request()
	visit(t, tab, r.URL)
	signIn(t, tab, r)
}

// Nothing here opens the scheme of a mobile application, so it is enough that the browser tries to, as it would not if the
// form-action stood in the way.
func redirectToCustomScheme(t *testing.T, browser context.Context) {
	w := newWorld(t)
	app := w.idp.App("com.example.app:/callback", trusted)
	tab, r := newPerson(t, browser), app.Request()
	visit(t, tab, r.URL)
	login(t, tab, idptest.Password)

	var mu sync.Mutex
	var asked []string
	if err := chromedp.Listen(tab, func(event any) {
		if e, ok := event.(*network.EventRequestWillBeSent); ok && strings.HasPrefix(e.Request.URL, "com.example.app:") {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, e.Request.URL)
		}
	}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(tab, patience)
	defer cancel()
	failed, err := chromedp.Run(ctx, chromedp.WaitEvent(network.LoadingFailed, nil, chromedp.Click(chromedp.ID("login"))))
	if err != nil {
		t.Fatalf("%v %s", err, describe(tab))
	}
	mu.Lock()
	defer mu.Unlock()
	if failed.BlockedReason != "" || failed.ErrorText != "net::ERR_ABORTED" || len(asked) != 1 {
		t.Fatalf("the browser asked for %q and gave up: %s %s", asked, failed.ErrorText, failed.BlockedReason)
	}
	answer, err := url.Parse(asked[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Redeem(&idptest.Page{URL: answer}); err != nil {
		t.Errorf("redeem %s: %v", answer, err)
	}
}

// Refusing also leads back to the application.
func cancel(t *testing.T, browser context.Context) {
	w := newWorld(t)
	tab, r := newPerson(t, browser), w.app.Request()
	visit(t, tab, r.URL)
	press(t, tab, "cancel")
	wantError(t, tab, r, "access_denied")

	r = w.app.Request()
	visit(t, tab, r.URL)
	login(t, tab, idptest.Password)
	press(t, tab, "login")
	press(t, tab, "consent_deny")
	wantError(t, tab, r, "access_denied")
}

// An application may send its request as a post from its own site, on which no cookie of ours travels. The session counts
// all the same, because the provider has the browser come again by itself.
func crossSitePost(t *testing.T, browser context.Context) {
	w := newWorld(t, trusted)
	tab, r := newPerson(t, browser), w.app.Request()
	w.site.serve(autoPost(t, r))
	visit(t, tab, w.site.as("localhost"))
	await(t, tab, "login")
	signIn(t, tab, r)

	r = w.app.Request()
	w.site.serve(autoPost(t, r))
	kept := withheld(t, tab)
	visit(t, tab, w.site.as("localhost"))
	arrive(t, tab, r)
	if len(kept()) == 0 {
		t.Error("the post had cookies, which proves nothing")
	}
}

// withheld listens for why cookies were kept out of the requests of a tab.
func withheld(t *testing.T, tab context.Context) func() []network.CookieBlockedReason {
	t.Helper()
	var mu sync.Mutex
	var reasons []network.CookieBlockedReason
	if err := chromedp.Listen(tab, func(event any) {
		if e, ok := event.(*network.EventRequestWillBeSentExtraInfo); ok {
			mu.Lock()
			defer mu.Unlock()
			for _, c := range e.AssociatedCookies {
				reasons = append(reasons, c.BlockedReasons...)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	return func() []network.CookieBlockedReason {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(reasons)
	}
}

// autoPost is a page that posts an authorization request by itself.
func autoPost(t *testing.T, r *idptest.Request) http.HandlerFunc {
	t.Helper()
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	fields := u.Query()
	u.RawQuery = ""
	return page(autoPostPage, struct {
		Action string
		Fields url.Values
	}{u.String(), fields})
}

// wantError waits for the application's page and checks which error it was told.
func wantError(t *testing.T, tab context.Context, r *idptest.Request, code string) {
	t.Helper()
	await(t, tab, "arrived")
	answer := location(t, tab).Query()
	if answer.Get("error") != code || answer.Get("state") != r.State || answer.Has("code") {
		t.Errorf("the application was told %v, want %s", answer, code)
	}
}

func parameter(name, value string) oauth2.AuthCodeOption { return oauth2.SetAuthURLParam(name, value) }
