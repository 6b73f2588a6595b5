package directory_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// race runs a step 64 times at once and returns how many were applied. The losers get a Conflict, or one of the errors.
func race(t *testing.T, step func() error, losers ...error) int {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, 64)
	for i := range errs {
		wg.Go(func() { errs[i] = step() })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		_, conflict := errors.AsType[*store.Conflict](err)
		expected := conflict
		for _, loser := range losers {
			expected = expected || errors.Is(err, loser)
		}
		switch {
		case err == nil:
			won++
		case !expected:
			t.Errorf("a loser got %v", err)
		}
	}
	return won
}

func TestHOTP(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, s := w.person(t, "ann")
		_, _, err := w.Credentials.HOTP(ctx, s.Ref())
		is(t, "before enrolment", err, store.ErrNotFound)
		b := w.db.Batch()
		is(t, "enroll", w.Credentials.EnrollHOTP(ctx, b, s.Ref(), "token", []byte("seed"), 1), nil)
		w.apply(t, b)
		credential, seed, err := w.Credentials.HOTP(ctx, s.Ref())
		if err != nil || string(seed) != "seed" || credential.Step != 1 || credential.Type != directory.HOTPCredential {
			t.Fatalf("HOTP = %+v, %q, %v", credential, seed, err)
		}
		is(t, "a counter that does not move on", w.Credentials.AdvanceHOTP(w.db.Batch(), credential, 1), directory.ErrReplayed)
		won := race(t, func() error {
			credential, _, err := w.Credentials.HOTP(ctx, s.Ref())
			if err != nil {
				return err
			}
			b := w.db.Batch()
			if err := w.Credentials.AdvanceHOTP(b, credential, 5); err != nil {
				return err
			}
			return b.Apply(ctx)
		}, directory.ErrReplayed)
		if won != 1 {
			t.Errorf("%d of 64 spent one code", won)
		}
	})
}

// Attacks C 10: a backup code is good once, for its person and its set.
func TestAttackBackupCodes(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, ann := w.person(t, "ann")
		_, bob := w.person(t, "bob")
		set := func(s *directory.Subject, codes ...secret.Text) *directory.Credential {
			b := w.db.Batch()
			is(t, "set", w.Credentials.SetBackupCodes(ctx, b, s.Ref(), codes), nil)
			w.apply(t, b)
			credential, err := w.Credentials.BackupCodes(ctx, s.Ref())
			is(t, "read", err, nil)
			return credential
		}
		first := set(ann, "ONE", "TWO", "THREE")
		bobs := set(bob, "FOUR")
		if strings.Contains(strings.Join(first.Codes, " "), "ONE") {
			t.Error("the codes are kept as they are")
		}
		for _, code := range []secret.Text{"", "FOUR", "ON", "ONE "} {
			if w.Credentials.TakeBackupCode(w.db.Batch(), first, code) {
				t.Errorf("code %q was taken", code.Reveal())
			}
		}
		bobs.Codes = first.Codes
		if w.Credentials.TakeBackupCode(w.db.Batch(), bobs, "ONE") {
			t.Error("a hash that was moved to somebody else is good")
		}
		spent := errors.New("spent")
		won := race(t, func() error {
			credential, err := w.Credentials.BackupCodes(ctx, ann.Ref())
			if err != nil {
				return err
			}
			b := w.db.Batch()
			if !w.Credentials.TakeBackupCode(b, credential, "TWO") {
				return spent
			}
			return b.Apply(ctx)
		}, spent)
		if won != 1 {
			t.Errorf("%d of 64 used one code", won)
		}
		left, err := w.Credentials.BackupCodes(ctx, ann.Ref())
		if err != nil || len(left.Codes) != 2 {
			t.Errorf("%d codes are left, %v", len(left.Codes), err)
		}
		second := set(ann, "FIVE")
		if second.Epoch == first.Epoch || w.Credentials.TakeBackupCode(w.db.Batch(), second, "ONE") {
			t.Error("a code of the set before is good")
		}
		if n := count(w.events(t), "backup_code.used"); n != 1 {
			t.Errorf("%d events backup_code.used", n)
		}
	})
}

func TestSends(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		send := func(key directory.SendKey) time.Duration {
			sending, err := w.Sends.Weigh(ctx, key)
			is(t, "Weigh", err, nil)
			b := w.db.Batch()
			w.Sends.Add(b, sending) // also when it has to wait: it is not counted then
			w.apply(t, b)
			return sending.Wait()
		}
		key := directory.SendKey{Purpose: "email", Destination: "ann@example.com", Account: "ann"}
		steps := []struct {
			after, want time.Duration
			edit        func(*directory.SendKey)
		}{
			{0, 0, nil},
			{20 * time.Second, 40 * time.Second, nil},
			{0, 40 * time.Second, func(k *directory.SendKey) { k.Destination = "ANN@example.com" }},
			{0, 40 * time.Second, func(k *directory.SendKey) { k.Destination = "other@example.com" }}, // one account
			{0, 40 * time.Second, func(k *directory.SendKey) { k.Account = "bob" }},                   // one recipient
			{0, 0, func(k *directory.SendKey) { k.Purpose = "second" }},
			{0, 0, func(k *directory.SendKey) { k.Account, k.Destination = "bob", "bob@example.com" }},
			{40 * time.Second, 0, nil},
			{time.Minute, 0, nil},
			{time.Minute, 0, nil},
			{time.Minute, 0, nil},
			{time.Minute, time.Hour - 5*time.Minute, nil}, // the sixth within an hour
			{time.Hour - 5*time.Minute, 0, nil},
		}
		for i, step := range steps {
			w.advance(step.after)
			k := key
			if step.edit != nil {
				step.edit(&k)
			}
			if wait := send(k); wait != step.want {
				t.Fatalf("step %d: wait %v, want %v", i, wait, step.want)
			}
		}
	})
}

// TestSendsDay holds the limit of a day, and that of a network address.
func TestSendsDay(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx, sent := t.Context(), 0
		for range 40 {
			sending, err := w.Sends.Weigh(ctx, directory.SendKey{Destination: "d", Account: "a"})
			is(t, "Weigh", err, nil)
			if sending.Wait() == 0 {
				sent++
				b := w.db.Batch()
				w.Sends.Add(b, sending)
				w.apply(t, b)
			}
			w.advance(30 * time.Minute)
		}
		if sent != 20 {
			t.Errorf("%d messages in 20 hours, want 20", sent)
		}
		sent = 0
		for i := range 15 {
			name := string(rune('a' + i))
			sending, err := w.Sends.Weigh(ctx, directory.SendKey{Destination: name, Account: name, Address: "192.0.2.7"})
			is(t, "Weigh", err, nil)
			if sending.Wait() == 0 {
				sent++
				b := w.db.Batch()
				w.Sends.Add(b, sending)
				w.apply(t, b)
			}
		}
		if sent != 10 {
			t.Errorf("%d messages for one address, want 10", sent)
		}
	})
}

// TestAttackSendsAtOnce asks for 64 messages to one recipient at once: one is sent.
func TestAttackSendsAtOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		full := errors.New("full")
		won := race(t, func() error {
			sending, err := w.Sends.Weigh(t.Context(), directory.SendKey{Destination: "d", Account: "a"})
			if err != nil {
				return err
			}
			if sending.Wait() > 0 {
				return full
			}
			b := w.db.Batch()
			w.Sends.Add(b, sending)
			return b.Apply(t.Context())
		}, full)
		if won != 1 {
			t.Errorf("%d of 64 messages were sent", won)
		}
	})
}
