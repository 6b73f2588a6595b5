package directory_test

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// guess makes one attempt and reports whether it was judged.
func (w *world) guess(t *testing.T, key directory.AttemptKey, right bool) bool {
	t.Helper()
	a, err := w.begin(t.Context(), key)
	is(t, "begin", err, nil)
	is(t, "settle", w.settle(t.Context(), a, right), nil)
	return a.Admitted()
}

// begin makes an attempt that is counted before it is judged.
func (w *world) begin(ctx context.Context, key directory.AttemptKey) (a *directory.Attempt, err error) {
	err = w.insist(ctx, func(b *store.Batch) (err error) {
		a, err = w.Locks.Begin(ctx, b, key)
		return err
	})
	return a, err
}

// settle notes what became of an attempt.
func (w *world) settle(ctx context.Context, a *directory.Attempt, right bool) error {
	return w.insist(ctx, func(b *store.Batch) error {
		if right {
			return w.Locks.Succeed(ctx, b, a)
		}
		return w.Locks.Fail(ctx, b, a)
	})
}

// weigh makes an attempt that is counted by what it turns out to be, and reports whether it was judged.
func (w *world) weigh(ctx context.Context, key directory.AttemptKey, right bool) (admitted bool, err error) {
	err = w.insist(ctx, func(b *store.Batch) error {
		a, err := w.Locks.Weigh(ctx, key)
		if err != nil {
			return err
		}
		if admitted = a.Admitted(); right {
			return w.Locks.Succeed(ctx, b, a)
		}
		return w.Locks.Fail(ctx, b, a)
	})
	return admitted, err
}

// insist applies what fill puts into a batch, and fills another one as long as somebody was faster.
func (w *world) insist(ctx context.Context, fill func(*store.Batch) error) error {
	for {
		b := w.db.Batch()
		if err := fill(b); err != nil {
			return err
		}
		if err := b.Apply(ctx); store.ConflictOn(err, w.Locks.Kind()) == nil {
			return err
		}
	}
}

// guesses makes attempts that are wrong and returns how many were judged.
func (w *world) guesses(t *testing.T, key directory.AttemptKey, n int) (judged int) {
	t.Helper()
	for range n {
		if w.guess(t, key, false) {
			judged++
		}
	}
	return judged
}

func TestLock(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w := newWorld(t, p)
		_, s := w.person(t, "ann")
		key := directory.AttemptKey{Account: w.Locks.Account(s, "", "ann"), Factor: "password"}
		for _, lasts := range []time.Duration{5 * time.Minute, 10 * time.Minute, 20 * time.Minute} {
			if n := w.guesses(t, key, 20); n != 5 {
				t.Fatalf("%d of 20 wrong guesses were judged, want 5", n)
			}
			w.advance(lasts - time.Second)
			if w.guess(t, key, true) {
				t.Fatalf("the lock of %v ended early", lasts)
			}
			w.advance(time.Second)
		}
		if !w.guess(t, key, true) {
			t.Fatal("the lock did not end")
		}
		if n := w.guesses(t, key, 20); n != 5 {
			t.Errorf("%d guesses after a success, want 5", n)
		}
		w.advance(5 * time.Minute)
		if !w.guess(t, key, true) {
			t.Error("the first lock after a success lasts longer than 5 minutes")
		}
		if n := count(w.events(t), "account.locked"); n != 4 {
			t.Errorf("%d events, want 4 for 4 locks", n)
		}
	})
}

func TestLockSuccessResets(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		key := directory.AttemptKey{Account: "a", Factor: "password"}
		for range 10 {
			if n := w.guesses(t, key, 4); n != 4 {
				t.Fatalf("%d of 4 guesses were judged", n)
			}
			if !w.guess(t, key, true) {
				t.Fatal("the right one was refused")
			}
		}
	})
}

func TestLockBudgets(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		_, s := w.person(t, "ann")
		ann := w.Locks.Account(s, "", "ann")
		w.guesses(t, directory.AttemptKey{Account: ann, Factor: "password"}, 20)
		for name, other := range map[string]directory.AttemptKey{
			"another factor":  {Account: ann, Factor: "totp"},
			"a known device":  {Account: ann, Factor: "password", Device: "laptop"},
			"another account": {Account: w.Locks.Account(nil, "", "bob"), Factor: "password"},
			"moved words":     {Account: ann + "password"},
		} {
			if !w.guess(t, other, true) {
				t.Errorf("%s is locked too", name)
			}
		}
		if w.Locks.Account(nil, "", "bob") != w.Locks.Account(nil, "", "BOB") {
			t.Error("an unknown name has a budget for each spelling")
		}
	})
}

// TestLockParallel holds that no number of attempts at once gets more than the allowed guesses.
func TestLockParallel(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w := newWorld(t, p)
		key := directory.AttemptKey{Account: "ann", Factor: "password"}
		for round := range 3 {
			var judged atomic.Int64
			var wg sync.WaitGroup
			for range 64 {
				wg.Go(func() {
					a, err := w.begin(t.Context(), key)
					if err != nil {
						t.Error("begin failed:", err)
						return
					}
					if a.Admitted() {
						judged.Add(1)
					}
					if err := w.settle(t.Context(), a, false); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if n := judged.Load(); n != 5 {
				t.Errorf("round %d: %d of 64 parallel guesses were judged, want 5", round, n)
			}
			w.advance(24 * time.Hour) // longer than each of these locks, shorter than their memory
		}
	})
}

// TestLockUnfinished holds that attempts which were never finished do not lock an account for ever.
func TestLockUnfinished(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		key := directory.AttemptKey{Account: "ann", Factor: "password"}
		for range 5 {
			b := w.db.Batch()
			_, err := w.Locks.Begin(t.Context(), b, key)
			is(t, "begin", err, nil)
			w.apply(t, b) // and the process dies
		}
		if w.guess(t, key, true) {
			t.Error("a sixth attempt was judged")
		}
		w.advance(5 * time.Minute)
		if !w.guess(t, key, true) {
			t.Error("the account stays locked")
		}
	})
}

func TestLockAbort(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		key := directory.AttemptKey{Account: "ann", Factor: "password"}
		for range 20 {
			b := w.db.Batch()
			a, err := w.Locks.Begin(t.Context(), b, key)
			is(t, "begin", err, nil)
			if a.Admitted() {
				t.Fatal("admitted before it was counted")
			}
			w.apply(t, b)
			if !a.Admitted() {
				t.Fatal("attempts that were taken back count")
			}
			is(t, "abort", w.insist(t.Context(), func(b *store.Batch) error { return w.Locks.Abort(t.Context(), b, a) }), nil)
		}
	})
}

// People who sign in on several devices at once are all let in, and so are those who come next.
func TestLockSuccessesAtOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		key := directory.AttemptKey{Account: "ann", Factor: "password"}
		var attempts []*directory.Attempt
		for range 4 {
			b := w.db.Batch()
			a, err := w.Locks.Begin(t.Context(), b, key)
			is(t, "begin", err, nil)
			w.apply(t, b)
			attempts = append(attempts, a)
		}
		for _, a := range attempts {
			if !a.Admitted() {
				t.Fatal("one of four at once is not judged")
			}
			b := w.db.Batch()
			is(t, "succeed", w.Locks.Succeed(t.Context(), b, a), nil)
			w.apply(t, b)
		}
		if !w.guess(t, key, true) {
			t.Error("the next is not judged")
		}
	})
}

// Right passwords in flight lock nobody, however many they are and whatever becomes of the ones that found no room; and a wrong one
// among them counts as one.
func TestLockRightInFlight(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		_, s := w.person(t, "ann")
		key := directory.AttemptKey{Account: w.Locks.Account(s, "", "ann"), Factor: "password"}
		for round := range 20 {
			var attempts []*directory.Attempt
			for range 8 {
				a, err := w.begin(t.Context(), key)
				is(t, "begin", err, nil)
				attempts = append(attempts, a)
			}
			for i, a := range attempts {
				if admitted := i < 5; a.Admitted() != admitted || a.Crowded() == admitted {
					t.Fatalf("attempt %d: admitted %v, crowded %v", i, a.Admitted(), a.Crowded())
				}
				is(t, "settle", w.settle(t.Context(), a, a.Admitted() && i != round%4), nil)
			}
		}
		if locks, err := w.Locks.Of(t.Context(), s.Ref()); len(locks) > 0 || err != nil {
			t.Errorf("locks: %+v, %v", locks, err)
		}
		if n := count(w.events(t), "account.locked"); n > 0 {
			t.Errorf("%d events", n)
		}
	})
}

// The same with many at once: all are let in sooner or later, none is told wrong by a lock.
func TestLockRightAtOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		_, s := w.person(t, "ann")
		key := directory.AttemptKey{Account: w.Locks.Account(s, "", "ann"), Factor: "password"}
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				for {
					a, err := w.begin(t.Context(), key)
					if err != nil || !a.Admitted() && !a.Crowded() {
						t.Errorf("begin: %v, locked", err)
						return
					}
					if err := w.settle(t.Context(), a, a.Admitted()); err != nil {
						t.Error(err)
					}
					if a.Admitted() {
						return
					}
				}
			})
			wg.Go(func() {
				if admitted, err := w.weigh(t.Context(), directory.AttemptKey{Account: key.Account, Factor: "totp"}, true); err != nil || !admitted {
					t.Errorf("weighed: %v, %v", admitted, err)
				}
			})
		}
		wg.Wait()
		if locks, err := w.Locks.Of(t.Context(), s.Ref()); len(locks) > 0 || err != nil {
			t.Errorf("locks: %+v, %v", locks, err)
		}
	})
}

// Of guesses that are weighed at once no more are judged than the policy allows, and a right one among them comes before the last
// or not at all.
func TestLockWeighedParallel(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		key := directory.AttemptKey{Account: "ann", Factor: "totp"}
		for round := range 3 {
			var judged atomic.Int64
			var wg sync.WaitGroup
			for range 64 {
				wg.Go(func() {
					admitted, err := w.weigh(t.Context(), key, false)
					if err != nil {
						t.Error(err)
					}
					if admitted {
						judged.Add(1)
					}
				})
			}
			wg.Wait()
			if n := judged.Load(); n != 5 {
				t.Errorf("round %d: %d of 64 guesses were judged, want 5", round, n)
			}
			if admitted, err := w.weigh(t.Context(), key, true); admitted || err != nil {
				t.Errorf("under the lock: %v, %v", admitted, err)
			}
			w.advance(24 * time.Hour)
		}
	})
}

// A success that was weighed before the last wrong guess was written does not stand.
func TestLockWeighedSuccessComesTooLate(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		for _, before := range []int{0, 1, 4} {
			key := directory.AttemptKey{Account: "ann" + strconv.Itoa(before), Factor: "totp"}
			w.guesses(t, key, before)
			a, err := w.Locks.Weigh(t.Context(), key)
			is(t, "weigh", err, nil)
			if !a.Admitted() {
				t.Fatal("not admitted")
			}
			for range 5 - before {
				_, err := w.weigh(t.Context(), key, false)
				is(t, "wrong", err, nil)
			}
			b := w.db.Batch()
			is(t, "succeed", w.Locks.Succeed(t.Context(), b, a), nil)
			if err := b.Apply(t.Context()); store.ConflictOn(err, w.Locks.Kind()) == nil {
				t.Errorf("after %d: got %v, want a conflict", before, err)
			}
		}
	})
}

func TestUnlock(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		_, s := w.person(t, "ann")
		key := directory.AttemptKey{Account: w.Locks.Account(s, "", "ann"), Factor: "password"}
		w.guesses(t, key, 5)
		locks, err := w.Locks.Of(t.Context(), s.Ref())
		if err != nil || len(locks) != 1 || locks[0].Factor != "password" || !locks[0].Until.Equal(w.db.Now().Add(5*time.Minute)) {
			t.Fatalf("Of = %+v, %v", locks, err)
		}
		is(t, "unlock", w.Locks.Unlock(t.Context(), s.Ref()), nil)
		if n := w.guesses(t, key, 20); n != 5 {
			t.Errorf("%d guesses after Unlock, want 5", n)
		}
		if n := count(w.events(t), "account.unlocked"); n != 1 {
			t.Errorf("%d events account.unlocked, want 1", n)
		}
	})
}

func TestLockForgets(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		key := directory.AttemptKey{Account: "ann", Factor: "password"}
		w.guesses(t, key, 5)
		w.advance(5*time.Minute + 24*time.Hour)
		w.guesses(t, key, 5)
		w.advance(5 * time.Minute)
		if !w.guess(t, key, true) {
			t.Error("a lock of the day before made this one longer")
		}
	})
}

func TestLockPolicy(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		policy := directory.LockPolicy{Failures: 2, Time: time.Hour, Ratio: 100, Max: 3 * time.Hour}
		is(t, "set", directory.Set(t.Context(), w.Settings, w.Settings.Lock, "", "", policy), nil)
		key := directory.AttemptKey{Account: "ann", Factor: "password"}
		for _, lasts := range []time.Duration{time.Hour, 3 * time.Hour, 3 * time.Hour} {
			if n := w.guesses(t, key, 3); n != 2 {
				t.Errorf("%d guesses were judged, want 2", n)
			}
			w.advance(lasts)
		}
	})
}

func TestThrottle(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		try := func(what directory.Throttled, address string) *directory.Pass {
			b := w.db.Batch()
			pass, err := w.Throttle.Begin(t.Context(), b, "", what, address)
			is(t, "begin", err, nil)
			w.apply(t, b)
			return pass
		}
		w.advance(15 * time.Second)
		for range 60 {
			if !try(directory.ThrottlePassword, "2001:db8:0:1::1").Admitted() {
				t.Fatal("refused within the limit")
			}
		}
		for _, address := range []string{"2001:db8:0:1::1", "2001:db8:0:1:ffff::2"} {
			refused := try(directory.ThrottlePassword, address)
			if refused.Admitted() || refused.RetryAfter() != 45*time.Second {
				t.Errorf("%s: admitted %v, retry after %v", address, refused.Admitted(), refused.RetryAfter())
			}
		}
		for _, address := range []string{"2001:db8:0:2::1", "192.0.2.1", ""} {
			if p := try(directory.ThrottlePassword, address); !p.Admitted() || p.RetryAfter() != 0 {
				t.Errorf("%q pays for another", address)
			}
		}
		if !try(directory.ThrottleAccount, "2001:db8:0:1::1").Admitted() {
			t.Error("new accounts pay for passwords")
		}
		for range 60 {
			try(directory.ThrottlePassword, "::ffff:192.0.2.9")
		}
		if try(directory.ThrottlePassword, "192.0.2.9").Admitted() {
			t.Error("an IPv4 address in IPv6's form is another")
		}
		w.advance(45 * time.Second)
		if !try(directory.ThrottlePassword, "2001:db8:0:1::1").Admitted() {
			t.Error("refused in the next window")
		}
	})
}

func TestThrottleDay(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		admitted := 0
		for range 20 {
			for range 60 {
				b := w.db.Batch()
				pass, err := w.Throttle.Begin(t.Context(), b, "", directory.ThrottlePassword, "192.0.2.1")
				is(t, "begin", err, nil)
				w.apply(t, b)
				if pass.Admitted() {
					admitted++
				}
			}
			w.advance(time.Minute)
		}
		if admitted != 1000 {
			t.Errorf("%d attempts in a day, want 1000", admitted)
		}
	})
}
