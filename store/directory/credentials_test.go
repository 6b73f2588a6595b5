package directory_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

func (w *world) enroll(t *testing.T, s *directory.Subject, seed string, step int64) {
	t.Helper()
	b := w.db.Batch()
	is(t, "enroll", w.Credentials.EnrollTOTP(t.Context(), b, s.Ref(), "phone", []byte(seed), step), nil)
	w.apply(t, b)
}

func TestTOTP(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, s := w.person(t, "ann")
		_, _, err := w.Credentials.TOTP(ctx, s.Ref())
		is(t, "before enrolment", err, store.ErrNotFound)
		w.enroll(t, s, "seed one", 7)
		credential, seed, err := w.Credentials.TOTP(ctx, s.Ref())
		if err != nil || string(seed) != "seed one" || credential.Label != "phone" || credential.Type != directory.TOTPCredential {
			t.Fatalf("TOTP = %+v, %q, %v", credential, seed, err)
		}
		for _, step := range []int64{7, 6} { // the code of the enrolment, and an older one
			is(t, "a spent code", w.Credentials.AdvanceTOTP(w.db.Batch(), credential, step), directory.ErrReplayed)
		}
		w.enroll(t, s, "seed two", 3)
		again, seed, err := w.Credentials.TOTP(ctx, s.Ref())
		if err != nil || string(seed) != "seed two" || again.Epoch != credential.Epoch+1 || again.Step != 3 {
			t.Errorf("enrolled again: %+v, %q, %v", again, seed, err)
		}
		list, err := w.Credentials.List(ctx, s.Ref())
		if err != nil || len(list) != 2 {
			t.Errorf("List = %v, %v; want the password and one authenticator", list, err)
		}
		is(t, "delete", w.Credentials.Delete(ctx, again), nil)
		_, _, err = w.Credentials.TOTP(ctx, s.Ref())
		is(t, "after Delete", err, store.ErrNotFound)
		if n := count(w.events(t), "credential.removed"); n != 1 {
			t.Errorf("%d events credential.removed, want 1", n)
		}
	})
}

// TestTOTPOneWinner spends one code on 64 sign-ins at once.
func TestTOTPOneWinner(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, s := w.person(t, "ann")
		w.enroll(t, s, "seed", 1)
		var wg sync.WaitGroup
		errs := make([]error, 64)
		for i := range errs {
			wg.Go(func() {
				credential, _, err := w.Credentials.TOTP(ctx, s.Ref())
				if err != nil {
					errs[i] = err
					return
				}
				b := w.db.Batch()
				if errs[i] = w.Credentials.AdvanceTOTP(b, credential, 2); errs[i] == nil {
					errs[i] = b.Apply(ctx)
				}
			})
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, directory.ErrReplayed) && store.ConflictOn(err, w.Credentials.Kind()) == nil:
				t.Errorf("a loser got %v", err)
			}
		}
		if won != 1 {
			t.Errorf("%d of 64 spent one code", won)
		}
	})
}

// TestCredentialMoved holds that a sealed secret opens in its own record alone.
func TestCredentialMoved(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, ann := w.person(t, "ann")
		_, bob := w.person(t, "bob")
		w.enroll(t, ann, "seed of ann", 1)
		w.enroll(t, bob, "seed of bob", 1)
		anns, _, err := w.Credentials.TOTP(ctx, ann.Ref())
		is(t, "ann's", err, nil)
		bobs, _, err := w.Credentials.TOTP(ctx, bob.Ref())
		is(t, "bob's", err, nil)
		anns.Secret = bobs.Secret
		b := w.db.Batch()
		is(t, "advance", w.Credentials.AdvanceTOTP(b, anns, 2), nil)
		w.apply(t, b)
		_, seed, err := w.Credentials.TOTP(ctx, ann.Ref())
		if !errors.Is(err, store.ErrSealed) || seed != nil || strings.Contains(err.Error(), "seed") {
			t.Errorf("a secret moved to another person opened: %q, %v", seed, err)
		}
	})
}
