package e2e_test

import (
	"context"
	"testing"
)

// A request for a fresh proof asks once, and not again for its own answer.
func promptLogin(t *testing.T, browser context.Context) {
	w := newWorld(t, trusted)
	tab, r := newPerson(t, browser), w.app.Request()
	visit(t, tab, r.URL)
	before := signIn(t, tab, r)
	for _, condition := range [][2]string{{"prompt", "login"}, {"max_age", "0"}} {
		r = w.app.Request(parameter(condition[0], condition[1]))
		visit(t, tab, r.URL)
		if !has(t, tab, "password") {
			t.Fatalf("%v does not ask: %s", condition, describe(tab))
		}
		if after := signIn(t, tab, r); after.Claims["sid"] != before.Claims["sid"] || after.Claims["auth_time"] == nil {
			t.Errorf("%v: %v, want the session of %v", condition, after.Claims, before.Claims)
		}
	}
}

// A request that forbids asking is answered at once, for who is signed in and for who is not.
func promptNone(t *testing.T, browser context.Context) {
	w := newWorld(t, trusted)
	tab, r := newPerson(t, browser), w.app.Request(parameter("prompt", "none"))
	visit(t, tab, r.URL)
	wantError(t, tab, r, "login_required")

	r = w.app.Request()
	visit(t, tab, r.URL)
	signIn(t, tab, r)
	r = w.app.Request(parameter("prompt", "none"))
	visit(t, tab, r.URL)
	arrive(t, tab, r)
}
