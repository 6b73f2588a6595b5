package federated_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// A store that fails at any call while somebody comes back is 503 and signs nobody in; whoever tries again is in, with one account and
// one link.
func TestFailingStoreOnTheWayBack(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		w := newWorld(t, storetest.Placement{Name: "together", Driver: memory.New()}, flow.Login("password", "up"))
		b := w.browser()
		to := b.leave(b.begin())
		w.faults.FailCall(n, nil)
		p := b.open(to)
		reached := !w.faults.Waits()
		w.faults.Heal()
		failed := reached && p.result() == nil
		if failed && p.status != http.StatusServiceUnavailable {
			t.Errorf("call %d: %d at %s", n, p.status, p.at)
		}
		again := w.browser()
		u := again.isIn(again.signIn())
		people, err := w.Users.List(t.Context(), store.Query{})
		w.must(err)
		links, err := w.connections.Links(t.Context(), u.Ref())
		if err != nil || len(people.Items) != 1 || len(links) != 1 {
			t.Errorf("call %d: %d accounts, %d links, %v", n, len(people.Items), len(links), err)
		}
		if !reached {
			break
		}
	}
}

// A logout token that met a failing store is not used up: the provider sends it again.
func TestFailingStoreAtAnUpstreamLogout(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		w := newWorld(t, storetest.Placement{Name: "together", Driver: memory.New()}, flow.Login("password", "up"))
		b := w.browser()
		b.isIn(b.signIn())
		token := w.up.signed(map[string]any{"sub": "upstream-1", "jti": "one", "events": map[string]any{rp.LogoutEvent: map[string]any{}}}, "logout+jwt")
		post := func() int {
			r, err := new(http.Client).PostForm(w.URL+federated.LogoutPath+"up", url.Values{"logout_token": {token}})
			w.must(err)
			_ = r.Body.Close()
			return r.StatusCode
		}
		w.faults.FailCall(n, nil)
		status := post()
		reached := !w.faults.Waits()
		w.faults.Heal()
		if reached && status != http.StatusServiceUnavailable {
			t.Errorf("call %d: status %d", n, status)
		}
		if reached {
			if status = post(); status != http.StatusOK {
				t.Errorf("call %d: %d when it was sent again", n, status)
			}
		}
		if b.begin().result() != nil {
			t.Errorf("call %d: still signed in", n)
		}
		if status = post(); status != http.StatusBadRequest {
			t.Errorf("call %d: the same token again: %d", n, status)
		}
		if !reached {
			break
		}
	}
}
