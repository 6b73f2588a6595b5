package e2e_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/signet-idp/signet/idptest"
)

// The session ends with the browser, unless the person wants to be remembered.
func rememberMe(t *testing.T, browser context.Context) {
	w := newWorld(t, trusted)
	for _, remember := range []bool{false, true} {
		tab, r := newPerson(t, browser), w.app.Request()
		visit(t, tab, r.URL)
		login(t, tab, idptest.Password)
		if remember {
			do(t, tab, chromedp.Click(chromedp.ID("remember")))
		}
		press(t, tab, "login")
		arrive(t, tab, r)

		c := sessionCookie(t, tab, w)
		if c.Session == remember || !c.HTTPOnly || c.SameSite != network.CookieSameSiteLax {
			t.Errorf("remember %v: cookie %+v", remember, c)
		}
		if left := time.Until(time.Unix(int64(c.Expires), 0)); remember && (left < 13*24*time.Hour || left > 15*24*time.Hour) {
			t.Errorf("the cookie lasts %v", left)
		}
	}
}

func sessionCookie(t *testing.T, tab context.Context, w *world) *network.Cookie {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, patience)
	defer cancel()
	jar, err := chromedp.Call(ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{w.idp.URL}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range jar.Cookies {
		if strings.HasPrefix(c.Name, "signet-") && strings.HasSuffix(c.Name, "-session") {
			return c
		}
	}
	t.Fatalf("no session cookie in %v", jar.Cookies)
	return nil
}

// A locked account looks like a wrong password, also to who knows the right one.
func lockedAccount(t *testing.T, browser context.Context) {
	w := newWorld(t, trusted)
	tab, r := newPerson(t, browser), w.app.Request()
	visit(t, tab, r.URL)
	said := map[string]int{}
	for i := range 7 {
		password := "wrong"
		if i >= 5 {
			password = idptest.Password
		}
		login(t, tab, password)
		response := press(t, tab, "login")
		said[text(t, tab, "messages")]++
		if response.Status != 422 || !has(t, tab, "password") {
			t.Fatalf("attempt %d: status %d %s", i+1, response.Status, describe(tab))
		}
	}
	if len(said) != 1 || said[""] != 0 {
		t.Errorf("the page said %v", said)
	}
	w.idp.Advance(6 * time.Minute)
	signIn(t, tab, r)
}
