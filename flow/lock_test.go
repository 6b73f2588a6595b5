package flow_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

func TestLock(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		w.guess("ann", 5)
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if p.message() != "password.wrong" {
			t.Fatalf("a locked account must look like a wrong guess, got %v", p)
		}
		w.advance(5*time.Minute - time.Second)
		if p = b.login(p, "ann", goodPassword); p.message() != "password.wrong" {
			t.Fatalf("the lock ended early: %v", p)
		}
		w.advance(time.Second)
		b.login(p, "ann", goodPassword).answer(t)
	})
}

// Success makes the budget whole.
func TestSuccessForgetsFailures(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		for range 3 {
			w.guess("ann", 4)
			b.cookies = map[string]string{}
			b.signIn("ann")
		}
	})
}

func TestKnownDeviceIsNotLockedOut(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		w.user("bob")
		b := w.browser()
		b.signIn("ann")
		b.forget("session")
		w.guess("ann", 5)
		b.signIn("ann")
		b.forget("session")
		w.guess("bob", 5)
		if p := b.login(b.get(w.request(directory.Interaction{})), "bob", goodPassword); p.message() != "password.wrong" {
			t.Errorf("a device that ann is known on is none of bob's: got %v", p)
		}
	})
}

func TestThrottle(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		w := newWorld(t, place, func(_ *flow.Config, d *directory.Config) {
			d.Throttle.Password = []directory.Limit{{Count: 3, Per: time.Minute}}
		})
		w.user("ann")
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		for i := range 3 {
			p = b.login(p, fmt.Sprintf("nobody%d", i), "wrong")
		}
		refused := b.login(p, "ann", goodPassword)
		if refused.Status != 429 || refused.Failure.Message.ID != "throttle.wait" || refused.Header.Get("Retry-After") != "60" {
			t.Fatalf("got %v, Retry-After %q", refused, refused.Header.Get("Retry-After"))
		}
		if refused.Failure.StartOver != p.View.Submit {
			t.Errorf("the way back: %q", refused.Failure.StartOver)
		}
		elsewhere := w.browser()
		elsewhere.address = "203.0.113.9"
		elsewhere.signIn("ann")
		w.advance(time.Minute)
		b.login(p, "ann", goodPassword).answer(t)
	})
}

// Who begins flows without end is told to wait, and fills no store with them.
func TestAttackFlowsWithoutEnd(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		w := newWorld(t, place, func(_ *flow.Config, d *directory.Config) { d.Throttle.Off = nil })
		w.user("ann")
		w.faults.Forget()
		eve := w.browser()
		for range 60 {
			if p := eve.get(w.request(directory.Interaction{})); p.step() != "password" {
				t.Fatalf("got %v", p)
			}
		}
		path := ""
		for range 200 {
			path = w.request(directory.Interaction{})
			p := w.browser().get(path) // without its cookies
			if p.Status != 429 || p.Failure.Code != "slow_down" || p.Header.Get("Retry-After") != "1" || p.Failure.StartOver != path {
				t.Fatalf("got %v, Retry-After %q", p, p.Header.Get("Retry-After"))
			}
		}
		if n := w.commits(); n != 60+60-flow.DefaultMaxFlows { // what eve's browser has too many of is forgotten
			t.Errorf("%d commits", n)
		}
		elsewhere := w.browser()
		elsewhere.address = "203.0.113.9"
		elsewhere.signIn("ann")
		w.advance(time.Second)
		if p := eve.get(path); p.step() != "password" {
			t.Errorf("a second later: %v", p)
		}
	})
}

// A page of another site has a browser fetch sign-ins without end, as images or in frames: none is kept, and the person begins one all the same.
func TestAttackFlowsInsideAPage(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		w := newWorld(t, place, func(_ *flow.Config, d *directory.Config) { d.Throttle.Off = nil })
		w.user("ann")
		w.faults.Forget()
		b := w.browser()
		for i := range 100 {
			destination := []string{"image", "iframe", "empty", "script"}[i%4]
			p := b.do(http.MethodGet, w.request(directory.Interaction{}), nil, func(r *http.Request) { r.Header.Set("Sec-Fetch-Dest", destination) })
			if p.Status != http.StatusBadRequest || p.Failure.Code != "invalid_request" || len(b.cookies) != 0 {
				t.Fatalf("%s: got %v", destination, p)
			}
		}
		if n := w.commits(); n != 0 {
			t.Errorf("%d commits", n)
		}
		p := b.follow(b.do(http.MethodGet, w.request(directory.Interaction{}), nil, func(r *http.Request) { r.Header.Set("Sec-Fetch-Dest", "document") }))
		b.login(p, "ann", goodPassword).answer(t)
	})
}

// However many guess at once, no more are judged than the policy allows.
func TestParallelGuesses(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		const guesses = 40
		pages, browsers := make([]page, guesses), make([]*browser, guesses)
		for i := range guesses {
			browsers[i] = w.browser()
			pages[i] = browsers[i].get(w.request(directory.Interaction{}))
		}
		var wg sync.WaitGroup
		for i := range guesses {
			wg.Go(func() {
				if p := browsers[i].login(pages[i], "ann", "wrong"); p.message() != "password.wrong" {
					t.Errorf("got %v", p)
				}
			})
		}
		wg.Wait()
		locks, err := w.Locks.Of(t.Context(), w.mustFind("ann").Ref())
		w.must(err)
		if len(locks) != 1 || locks[0].Streak != 1 {
			t.Errorf("locks: %+v", locks)
		}
	})
}

// However many sign in rightly at once, from devices that nobody knows, the account is not locked, and those who found no room are told
// so by nothing that lasts.
func TestRightPasswordsInFlight(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann := w.user("ann")
		seed := w.totp(ann)
		const people = 24
		pages, browsers := make([]page, people), make([]*browser, people)
		for i := range people {
			browsers[i] = w.browser()
			pages[i] = browsers[i].get(w.request(directory.Interaction{}))
		}
		for range 3 {
			var wg sync.WaitGroup
			for i := range people {
				wg.Go(func() {
					if pages[i].step() != "password" {
						return
					}
					got := browsers[i].login(pages[i], "ann", goodPassword)
					if got.step() != "totp" && got.message() != "password.wrong" {
						t.Errorf("got %v", got)
					}
					pages[i] = got
				})
			}
			wg.Wait()
		}
		in := 0
		for i := range people {
			if pages[i].step() == "totp" {
				in++
			}
		}
		locks, err := w.Locks.Of(t.Context(), ann.Ref())
		w.must(err)
		if len(locks) > 0 || in < 15 {
			t.Errorf("%d of %d are past the password; locks: %+v", in, people, locks)
		}
		b := w.browser()
		b.submit(b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword), "otp", w.code(seed)).answer(t)
	})
}

// A right code among guesses that are made at once comes before the last that the policy allows, or it is not let in: then there is a lock
// and no session.
func TestRightCodeAmongParallelGuesses(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.unthrottle()
		for round := range 10 {
			name := fmt.Sprintf("ann%d", round)
			ann := w.user(name)
			seed := w.totp(ann)
			const guesses = 16
			pages, browsers := make([]page, guesses), make([]*browser, guesses)
			for i := range guesses {
				browsers[i] = w.browser()
				pages[i] = browsers[i].login(browsers[i].get(w.request(directory.Interaction{})), name, goodPassword)
			}
			right := w.code(seed)
			var wg sync.WaitGroup
			for i := range guesses {
				wg.Go(func() {
					code := fmt.Sprintf("%06d", i)
					if i == guesses-1 {
						code = right
					}
					pages[i] = browsers[i].submit(pages[i], "otp", code)
				})
			}
			wg.Wait()
			last := pages[guesses-1]
			sessions := w.sessions(ann)
			if in := last.Result != nil; in && sessions != 1 || !in && (sessions != 0 || last.message() != "totp.wrong") {
				t.Errorf("round %d: %v with %d sessions", round, last, sessions)
			}
			locks, err := w.Locks.Of(t.Context(), ann.Ref())
			w.must(err)
			if len(locks) != 1 || locks[0].Streak > 1 { // fifteen wrong ones: five or more of them on one side of the right one
				t.Errorf("round %d: locks %+v", round, locks)
			}
		}
	})
}

func (w *world) mustFind(name string) *directory.User {
	w.Helper()
	u, err := w.FindUser(w.Context(), "", name)
	w.must(err)
	return u
}
