package flow_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// However the name is spelled, by whichever identifier, in however many flows: it is one account with one budget.
func TestAttackBudgetForEachSpelling(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.must(w.CreateUser(t.Context(), &directory.User{Username: "Jos\u00e9\u017f", Email: "jose@example.com"}, goodPassword))
		for i, name := range []string{"Jos\u00e9\u017f", "JOSE\u0301S", "jose\u0301s", "jose@example.com", "JOSE@example.com"} {
			b := w.browser()
			b.address = fmt.Sprintf("198.51.100.%d", i+1)
			if p := b.login(b.get(w.request(directory.Interaction{})), name, "wrong"); p.message() != "password.wrong" {
				t.Fatalf("%q: got %v", name, p)
			}
		}
		b := w.browser()
		if p := b.login(b.get(w.request(directory.Interaction{})), "jos\u00e9s", goodPassword); p.message() != "password.wrong" {
			t.Errorf("a sixth guess was judged: %v", p)
		}
		w.advance(5 * time.Minute)
		b.login(b.get(w.request(directory.Interaction{})), "jos\u00e9s", goodPassword).answer(t)
	})
}

// Neither a new flow, nor a new browser, nor what a request says about where it comes from, nor another address of the same
// network brings new attempts.
func TestAttackThrottleEvaded(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		w := newWorld(t, place, func(_ *flow.Config, d *directory.Config) {
			d.Throttle.Password = []directory.Limit{{Count: 8, Per: time.Hour}}
		})
		seed := w.totp(w.user("ann"))
		inside := w.browser()
		inside.address = "[2001:db8:0:1::1]"
		code := inside.login(inside.get(w.request(directory.Interaction{})), "ann", goodPassword) // one
		for i := range 7 {
			b := w.browser()
			b.address = fmt.Sprintf("[2001:db8:0:1:%x::%x]", i, i*4099)
			p := b.get(w.request(directory.Interaction{}))
			p = b.do(http.MethodPost, p.View.Submit, fill(p.View, "username", fmt.Sprintf("nobody%d", i), "password", "wrong"), func(r *http.Request) {
				r.Header.Set("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i))
				r.Header.Set("Forwarded", fmt.Sprintf("for=203.0.113.%d", i))
				r.Header.Set("X-Real-IP", fmt.Sprintf("203.0.113.%d", i))
			})
			if p.message() != "password.wrong" {
				t.Fatalf("attempt %d: got %v", i, p)
			}
		}
		for _, address := range []string{"[2001:db8:0:1:ffff::1]", "[2001:db8:0:1::1%eth0]"} {
			b := w.browser()
			b.address = address
			if p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword); p.Status != 429 {
				t.Errorf("%s: got %v", address, p)
			}
		}
		if p := inside.submit(code, "otp", w.code(seed)); p.Status != 429 {
			t.Errorf("a code: got %v", p)
		}
		b := w.browser()
		b.address = "[2001:db8:0:2::1]"
		if p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword); p.step() != "totp" {
			t.Errorf("another network: got %v", p)
		}
	})
}

// Attempts that the throttle refuses lock nobody out, and are not judged.
func TestAttackThrottledAttemptsLockNobody(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		w := newWorld(t, place, func(_ *flow.Config, d *directory.Config) {
			d.Throttle.Password = []directory.Limit{{Count: 2, Per: time.Hour}}
		})
		w.user("ann")
		eve := w.browser()
		p := eve.get(w.request(directory.Interaction{}))
		for range 20 {
			if got := eve.login(p, "ann", "wrong"); got.View != nil {
				p = got
			}
		}
		elsewhere := w.browser()
		elsewhere.address = "203.0.113.9"
		elsewhere.signIn("ann")
	})
}

// A person is not locked out by a stranger who guesses for hours: the device on which they have signed in before has guesses of
// its own.
func TestAttackLockOutOfAVictim(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		seed := w.totp(w.user("ann"))
		own := w.browser()
		own.submit(own.login(own.get(w.request(directory.Interaction{})), "ann", goodPassword), "otp", w.code(seed)).answer(t)
		for range 6 {
			own.forget("session")
			own.forget("flow")
			w.guess("ann", 7)
			w.advance(time.Hour)
			w.guess("ann", 1)
			p := own.login(own.get(w.request(directory.Interaction{})), "ann", goodPassword)
			own.submit(p, "otp", w.code(seed)).answer(t)
		}
	})
}

// A success by somebody who knows one password gives no guesses at another's, nor at the second factor.
func TestAttackBudgetResetByAnotherSuccess(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.unthrottle()
		w.totp(w.user("ann"))
		w.user("eve")
		b := w.browser()
		for i := range 6 {
			if i < 5 {
				p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
				b.submit(p, "otp", "000000")
			}
			b.signIn("eve")
			b.forget("session")
		}
		locks, err := w.Locks.Of(t.Context(), w.mustFind("ann").Ref())
		w.must(err)
		found := false
		for _, l := range locks {
			found = found || l.Factor == "totp" && l.Until.After(w.Now())
		}
		if !found {
			t.Errorf("five wrong codes and no lock: %+v", locks)
		}
	})
}

// Two hundred logins at once: each is judged or told to come back, and none is taken for wrong. That what is in memory at a time is
// what the gate admits is held by password.TestFloodStaysWithinMemory.
func TestAttackPasswordFlood(t *testing.T) {
	t.Parallel()
	const people, budget = 200, 8 << 20
	hasher, err := password.New(password.Config{ // slow enough that all have come before the first few are judged
		Params: password.Params{Memory: 2 << 10, Time: 10, Threads: 1}, MaxMemory: budget, Queue: 20, MaxWait: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	w := together(t, func(_ *flow.Config, d *directory.Config) {
		d.Hasher = hasher
	})
	w.unthrottle()
	for i := range people / 4 {
		w.user(fmt.Sprintf("ann%d", i))
	}
	browsers, pages := make([]*browser, people), make([]page, people)
	for i := range people {
		browsers[i] = w.browser()
		pages[i] = browsers[i].get(w.request(directory.Interaction{}))
	}
	start := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	in, away := 0, 0
	for i := range people {
		wg.Go(func() {
			<-start
			p := browsers[i].login(pages[i], fmt.Sprintf("ann%d", i/4), goodPassword)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case p.Result != nil && p.Result.Refusal == "":
				in++
			case p.unavailable() && p.Header.Get("Retry-After") != "":
				away++
			default:
				t.Errorf("got %v", p)
			}
		})
	}
	close(start)
	wg.Wait()
	if in == 0 || away == 0 {
		t.Errorf("%d let in, %d sent away: the flood is none", in, away)
	}
	w.browser().signIn("ann0")
}

// Whatever is typed, however long and in whatever bytes, is a wrong guess or a malformed form: never a failure, never a match.
func TestAttackOddPasswords(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.unthrottle()
		long := strings.Repeat("\u00e9", 512) // 1 KiB, the most that is hashed
		w.must(w.CreateUser(t.Context(), &directory.User{Username: "ann"}, long))
		for _, c := range []struct {
			pass   string
			status int
		}{
			{long + "x", 422},
			{long + "\u00e9", 422},
			{long[:1022], 422},
			{strings.Repeat("x", 60_000), 422},
			{long + "\x00", 400},
			{"\x00", 400},
			{"\xff\xfe", 400},
			{"\xed\xa0\x80", 400},
			{"", 422},
			{" ", 422},
			{long + " ", 422},
		} {
			b := w.browser()
			p := b.get(w.request(directory.Interaction{}))
			if p = b.login(p, "ann", c.pass); p.Status != c.status || b.cookie("session") != "" {
				t.Errorf("%.12q of %d bytes: got %v, want %d", c.pass, len(c.pass), p, c.status)
			}
			w.must(w.Locks.Unlock(t.Context(), w.mustFind("ann").Ref()))
		}
		b := w.browser()
		b.login(b.get(w.request(directory.Interaction{})), "ann", long).answer(t)
	})
}
