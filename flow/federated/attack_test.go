package federated_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// Linking by an unverified address: whoever writes somebody's address into their account upstream does not get the account here.
func TestAttackUnverifiedAddressUpstream(t *testing.T) {
	everywhere(t, func(w *world) {
		victim := w.user("victim", "ann@example.com", true)
		for _, verdict := range []any{false, nil, "true", "false", 1} {
			w.up.says("email_verified", verdict)
			b := w.browser()
			p := b.signIn()
			if r := p.result(); r != nil && r.Subject.ID == victim.ID {
				t.Errorf("%v: signed in as the victim", verdict)
			}
			if u := b.isIn(p); u.Email != "" {
				t.Errorf("%v: the address was taken over", verdict)
			}
		}
		if found, err := w.FindUser(t.Context(), "", "ann@example.com"); err != nil || found.ID != victim.ID {
			t.Errorf("the victim cannot sign in by their address any more: %v, %v", found, err)
		}
	}, func(c *federated.Connection) { c.LinkByEmail = true })
}

// The other direction: an account that somebody has prepared here under a stranger's address does not get the stranger.
func TestAttackUnverifiedAddressHere(t *testing.T) {
	everywhere(t, func(w *world) {
		prepared := w.user("attacker", "ann@example.com", false)
		b := w.browser()
		b.isOut(b.signIn(), "An account with your email address is here already")
		links, err := w.connections.Links(t.Context(), prepared.Ref())
		if err != nil || len(links) != 0 {
			t.Errorf("links %v, %v", links, err)
		}
	}, func(c *federated.Connection) { c.LinkByEmail = true })
}

// Without LinkByEmail two verdicts link nothing either; an address that several have is nobody's.
func TestAttackAddressOfSeveral(t *testing.T) {
	everywhere(t, func(w *world) {
		w.user("one", "ann@example.com", true)
		w.user("two", "ann@example.com", true)
		b := w.browser()
		b.isOut(b.signIn(), "is here already")
	}, func(c *federated.Connection) { c.LinkByEmail = true })
}

// A user name upstream that is somebody's address, or their name.
func TestAttackNameOfAnother(t *testing.T) {
	everywhere(t, func(w *world) {
		victim := w.user("victim", "victim@example.com", true)
		for _, name := range []string{"victim@example.com", "later@example.com", "victim"} {
			w.up.says("sub", "of "+name)
			w.up.says("email", nil)
			w.up.says("preferred_username", name)
			b := w.browser()
			if u := b.isIn(b.signIn()); u.ID == victim.ID || u.Username == name {
				t.Errorf("%s: became %+v", name, u)
			}
		}
	})
}

// A response is for the browser and the flow that have left: another browser, another flow, another connection, an old one get nothing.
func TestAttackAnswerOfAnotherBrowser(t *testing.T) {
	everywhere(t, func(w *world) {
		attacker, victim := w.browser(), w.browser()
		to := attacker.leave(attacker.begin())
		stop := func(r *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(r.URL.Path, "/flow/callback/") {
				return http.ErrUseLastResponse
			}
			return nil
		}
		attacker.CheckRedirect = stop
		back := attacker.open(to).header.Get("Location")
		attacker.CheckRedirect = nil
		p := victim.open(back) // login CSRF
		if p.status != http.StatusForbidden || p.result() != nil || victim.begin().result() != nil {
			t.Errorf("another browser: %d at %s", p.status, p.at)
		}
		p = victim.begin() // and with a flow of its own
		victim.leave(p)
		if p = victim.open(back); p.status != http.StatusForbidden || victim.begin().result() != nil {
			t.Errorf("another flow: %d at %s", p.status, p.at)
		}
		own, err := url.Parse(victim.leave(victim.begin()))
		w.must(err)
		mixed, err := url.Parse(back)
		w.must(err)
		query := mixed.Query()
		query.Set("state", own.Query().Get("state")) // the attacker's code in the victim's flow
		mixed.RawQuery = query.Encode()
		victim.isOut(victim.open(mixed.String()), "Something went wrong")
		attacker.CheckRedirect = stop // the code is used up
		back = attacker.open(attacker.leave(attacker.begin())).header.Get("Location")
		attacker.CheckRedirect = nil
		if p = attacker.open(strings.Replace(back, "/callback/up?", "/callback/other?", 1)); p.result() != nil {
			t.Error("the callback of another connection has taken it")
		}
		attacker.isIn(attacker.open(back))
		if p = attacker.open(strings.Replace(back, "code=", "code=x", 1)); p.result() == nil {
			t.Errorf("afterwards: %d at %s", p.status, p.at) // the flow is done, and stays so
		}
	})
}

// Somebody else signs in upstream than the request is about.
func TestAttackAnotherPersonUpstream(t *testing.T) {
	everywhere(t, func(w *world) {
		b := w.browser()
		first := b.isIn(b.signIn())
		w.up.says("sub", "upstream-2")
		w.up.says("email", "other@example.com")
		w.in.HintSubject, w.in.Reauthenticate = first.ID, true
		w.up.says("auth_time", w.Now().Unix())
		p := b.signIn()
		if r := p.result(); r == nil || r.Refusal != directory.LoginRequired {
			t.Errorf("got %d at %s\n%s", p.status, p.at, p.body)
		}
	})
}

// Of first contacts at once there comes one account, and one link.
func TestAttackFirstContactsAtOnce(t *testing.T) {
	everywhere(t, func(w *world) {
		var wg sync.WaitGroup
		for range 8 {
			b := w.browser()
			to := b.leave(b.begin())
			wg.Go(func() {
				r, err := b.Get(to)
				if err != nil {
					t.Error(err)
					return
				}
				_ = r.Body.Close()
			})
		}
		wg.Wait()
		b := w.browser()
		u := b.isIn(b.signIn())
		page, err := w.Users.List(t.Context(), store.Query{})
		w.must(err)
		all := len(page.Items)
		links, err := w.connections.Links(t.Context(), u.Ref())
		if err != nil || all != 1 || len(links) != 1 {
			t.Errorf("%d accounts, %d links, %v", all, len(links), err)
		}
	})
}

// An account there is one person's here, also when another links it.
func TestAttackLinkOfAnother(t *testing.T) {
	t.Parallel()
	proven := func(method string) func(context.Context, *flow.State) (bool, error) {
		return func(_ context.Context, s *flow.State) (bool, error) {
			return !slices.ContainsFunc(s.Evidence, func(e directory.Evidence) bool { return e.Method == method }), nil
		}
	}
	plan, err := flow.Compile( // who is known links
		flow.Step{Name: "password", Options: []string{"password"}, When: proven("password")},
		flow.Step{Name: "link", Options: []string{"up-link"}, When: proven(directory.Federated)},
	)
	if err != nil {
		t.Fatal(err)
	}
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w := newWorld(t, p, plan)
		w.user("ann", "", false)
		w.user("bob", "", false)
		link := func(name string) page {
			b := w.browser()
			p := b.press(b.begin(), "login", "username", name, "password", goodPassword)
			p = b.press(p, "federated")
			return b.open(strings.TrimPrefix(p.header.Get("Refresh"), "0;url="))
		}
		if r := link("ann").result(); r == nil || r.Refusal != "" {
			t.Fatal("not linked")
		}
		second := link("bob")
		if second.result() != nil || !strings.Contains(second.body, "is connected with somebody else") {
			t.Errorf("got %d at %s\n%s", second.status, second.at, second.body)
		}
	})
}
