package directory_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// Of many who enrol a first authenticator at once, one does; nobody's takes the place of another's.
func TestAttackFirstAuthenticatorOneWinner(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, s := w.person(t, "ann")
		errs := make([]error, 64)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				b := w.db.Batch()
				w.Credentials.AddTOTP(b, w.Credentials.NewTOTP(s.Ref(), "phone", []byte{byte(i)}, 1))
				errs[i] = b.Apply(ctx)
			})
		}
		wg.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner < 0:
				winner = i
			case err == nil:
				t.Error("two authenticators were enrolled")
			case store.ConflictOn(err, w.Credentials.Kind()) == nil:
				t.Error(err)
			}
		}
		credential, seed, err := w.Credentials.TOTP(ctx, s.Ref())
		if err != nil || winner < 0 || seed[0] != byte(winner) {
			t.Fatalf("TOTP = %v, %v, want that of %d", seed, err, winner)
		}
		is(t, "its code", w.Credentials.AdvanceTOTP(w.db.Batch(), credential, 1), directory.ErrReplayed)
		is(t, "delete", w.Credentials.Delete(ctx, credential), nil)
		b := w.db.Batch()
		again := w.Credentials.NewTOTP(s.Ref(), "phone", []byte("again"), 1)
		w.Credentials.AddTOTP(b, again)
		w.apply(t, b)
		if again.Epoch == credential.Epoch {
			t.Error("a new authenticator stands at the epoch of one that was removed")
		}
	})
}

// A clock that is set back prolongs nothing beyond what it would have been worth without it, and revives nothing that has ended;
// one that jumps ahead ends what it must.
func TestAttackSessionClockSteps(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, s := w.person(t, "ann")
		session, cookie := w.signIn(t, s, false)
		open := func() error {
			_, err := w.Sessions.Open(ctx, cookie)
			return err
		}
		w.advance(-time.Hour)
		opened, err := w.Sessions.Open(ctx, cookie)
		is(t, "set back", err, nil)
		w.Sessions.Touch(ctx, opened) // a use in the past takes nothing away, and gives nothing
		w.advance(time.Hour + 15*time.Minute)
		is(t, "idle since the sign-in", open(), directory.ErrNoSession)
		w.Sessions.Touch(ctx, opened)
		is(t, "touched too late", open(), directory.ErrNoSession)
		w.advance(365 * 24 * time.Hour)
		is(t, "far ahead", open(), directory.ErrNoSession)
		w.advance(-365 * 24 * time.Hour)
		is(t, "end", w.Sessions.End(ctx, session.Ref(), "logout"), nil)
		w.advance(-time.Hour)
		is(t, "ended, and set back", open(), directory.ErrNoSession)
	})
}

// A lock holds while the clock is set back, and however it jumps there are no more guesses than locks that have ended allow.
func TestAttackLockClockSteps(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		key := directory.AttemptKey{Account: "ann", Factor: "password"}
		if n := w.guesses(t, key, 20); n != 5 {
			t.Fatalf("%d guesses were judged", n)
		}
		for _, step := range []time.Duration{-time.Hour, -24 * time.Hour, 24 * time.Hour, time.Hour} {
			w.advance(step)
			if w.guess(t, key, true) {
				t.Errorf("the lock ended by a step of %v", step)
			}
		}
	})
}

// SignsIn and Open are of one mind, so that nobody goes on from a session that would open nothing.
func TestAttackSessionsThatSignNobodyIn(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(context.Context, *world, *directory.Session) error{
		"ended": func(ctx context.Context, w *world, s *directory.Session) error {
			return w.Sessions.End(ctx, s.Ref(), "logout")
		},
		"revoked": func(ctx context.Context, w *world, s *directory.Session) error {
			return w.Subjects.Revoke(ctx, s.Subject)
		},
		"disabled": func(ctx context.Context, w *world, s *directory.Session) error {
			return w.Subjects.Disable(ctx, s.Subject)
		},
		"idle": func(_ context.Context, w *world, _ *directory.Session) error { w.advance(15 * time.Minute); return nil },
		"over": func(_ context.Context, w *world, _ *directory.Session) error {
			w.advance(30 * 24 * time.Hour)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
				w, ctx := newWorld(t, p), t.Context()
				_, s := w.person(t, "ann")
				session, cookie := w.signIn(t, s, false)
				if ok, err := w.Sessions.SignsIn(ctx, session); err != nil || !ok {
					t.Fatalf("before: %v, %v", ok, err)
				}
				is(t, "end", end(ctx, w, session), nil)
				if now, err := w.Sessions.Get(ctx, session.Ref()); err == nil {
					session = now
				}
				if ok, err := w.Sessions.SignsIn(ctx, session); err != nil || ok {
					t.Errorf("SignsIn = %v, %v", ok, err)
				}
				_, err := w.Sessions.Open(ctx, cookie)
				is(t, "open", err, directory.ErrNoSession)
			})
		})
	}
}
