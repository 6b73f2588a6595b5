package directory_test

import (
	"testing"
	"time"

	"github.com/signet-idp/signet/store/directory"
)

// confirm is ConfirmPassword by somebody who has not tried too often.
func (w *world) confirm(t *testing.T, s *directory.Subject, password string) bool {
	t.Helper()
	right, wait, err := w.ConfirmPassword(t.Context(), s, password, "192.0.2.1")
	is(t, "confirm", err, nil)
	if wait != 0 {
		t.Fatalf("the address has to wait for %v", wait)
	}
	return right
}

func TestConfirmPassword(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		_, ann := w.person(t, "ann")
		if !w.confirm(t, ann, goodPassword) || w.confirm(t, ann, "wrong") {
			t.Error("the password and another are not told apart")
		}
		w.advance(time.Minute)
		if !w.confirm(t, ann, goodPassword) {
			t.Error("a wrong one has used up the right one")
		}
	})
}

// TestAttackPasswordGuessedByAToken holds that who has a token, and not the password, gets no more guesses than who has neither: they are
// counted together with those at sign-in, in both directions, and for the address.
func TestAttackPasswordGuessedByAToken(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		_, ann := w.person(t, "ann")
		key := directory.AttemptKey{Account: w.Locks.Account(ann, "", "ann"), Factor: "password"}
		for range 3 {
			w.confirm(t, ann, "wrong")
		}
		if n := w.guesses(t, key, 5); n != 2 {
			t.Errorf("sign-in judges %d further guesses, want 2", n)
		}
		if w.confirm(t, ann, goodPassword) {
			t.Error("a locked account takes its password")
		}
		w.advance(5 * time.Minute)
		if !w.confirm(t, ann, goodPassword) {
			t.Error("the lock has not ended")
		}
		if n := count(w.events(t), "account.locked"); n != 1 {
			t.Errorf("%d locks", n)
		}
	})
}

func TestAttackPasswordsGuessedFromOneAddress(t *testing.T) {
	t.Parallel()
	w := together(t, func(c *directory.Config) {
		c.Throttle.Password = []directory.Limit{{Count: 2, Per: time.Minute}}
	})
	var last *directory.Subject
	for _, name := range []string{"ann", "bob", "cas"} {
		_, last = w.person(t, name)
		right, wait, err := w.ConfirmPassword(t.Context(), last, goodPassword, "192.0.2.1")
		is(t, name, err, nil)
		if right == (name == "cas") || (wait > 0) != (name == "cas") {
			t.Errorf("%s: %v, wait %v", name, right, wait)
		}
	}
	w.advance(time.Minute)
	if !w.confirm(t, last, goodPassword) {
		t.Error("who had to wait has used up a guess")
	}
}
