package directory_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

const rpID = "example.com"

// passkey prepares a passkey of a subject, with a name of its own.
func (w *world) passkey(t *testing.T, s *directory.Subject, id string) (*directory.PasskeyUser, *directory.Credential) {
	t.Helper()
	user, err := w.Credentials.PasskeyUser(t.Context(), s.Ref(), rpID)
	is(t, "user", err, nil)
	return user, w.Credentials.NewPasskey(s.Ref(), "phone", directory.Passkey{
		ID: []byte(id), RPID: rpID, UserHandle: user.Handle, PublicKey: []byte("key"), Counter: 1,
	})
}

func (w *world) addPasskey(t *testing.T, s *directory.Subject, id string) *directory.Credential {
	t.Helper()
	user, credential := w.passkey(t, s, id)
	b := w.db.Batch()
	is(t, "add", w.Credentials.AddPasskey(t.Context(), b, user, credential), nil)
	w.apply(t, b)
	return credential
}

func TestPasskeys(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		u, ann := w.person(t, "ann")
		_, bob := w.person(t, "bob")
		_, err := w.Credentials.Passkey(ctx, "", rpID, []byte("one"))
		is(t, "before", err, store.ErrNotFound)
		w.addPasskey(t, ann, "one")
		w.addPasskey(t, ann, "two")
		bobs := w.addPasskey(t, bob, "three")
		one, err := w.Credentials.Passkey(ctx, "", rpID, []byte("one"))
		if err != nil || one.Subject != ann.Ref() || one.Label != "phone" || one.Type != directory.PasskeyCredential || one.Created.IsZero() || !one.Passkey.LastUsed.IsZero() {
			t.Fatalf("got %+v, %v", one, err)
		}
		two, err := w.Credentials.Passkey(ctx, "", rpID, []byte("two"))
		if err != nil || !bytes.Equal(one.Passkey.UserHandle, two.Passkey.UserHandle) || bytes.Equal(one.Passkey.UserHandle, bobs.Passkey.UserHandle) || len(one.Passkey.UserHandle) != 64 {
			t.Errorf("handles %x, %x, %x, %v", one.Passkey.UserHandle, two.Passkey.UserHandle, bobs.Passkey.UserHandle, err)
		}
		for rp, want := range map[string]int{rpID: 2, "": 2, "example.org": 0} {
			if list, err := w.Credentials.Passkeys(ctx, ann.Ref(), rp); err != nil || len(list) != want {
				t.Errorf("%q: %d passkeys, %v, want %d", rp, len(list), err, want)
			}
		}
		b := w.db.Batch()
		is(t, "rename", errors.Join(w.Credentials.Rename(b, one, "blue key"), b.Apply(ctx)), nil)
		if err := w.Credentials.Rename(w.db.Batch(), one, strings.Repeat("x", 65)); !errors.As(err, new(*directory.InvalidError)) {
			t.Errorf("a long label: %v", err)
		}
		is(t, "delete", w.Credentials.Delete(ctx, one), nil)
		_, err = w.Credentials.Passkey(ctx, "", rpID, []byte("one"))
		is(t, "after Delete", err, store.ErrNotFound)
		if user, err := w.Credentials.PasskeyUser(ctx, ann.Ref(), rpID); err != nil || !bytes.Equal(user.Handle, two.Passkey.UserHandle) {
			t.Errorf("the handle has changed: %v", err)
		}
		is(t, "delete ann", w.DeleteUser(ctx, u), nil)
		_, err = w.Credentials.Passkey(ctx, "", rpID, []byte("two"))
		is(t, "after DeleteUser", err, store.ErrNotFound)
		if user, err := w.Credentials.PasskeyUser(ctx, ann.Ref(), rpID); err != nil || user.Version != 0 {
			t.Errorf("the handle is still there: %v", err)
		}
		if n := count(w.events(t), "credential.renamed"); n != 1 {
			t.Errorf("%d events credential.renamed, want 1", n)
		}
	})
}

// TestAttackPasskeyTwice registers one credential id for two people (WebAuthn §7.1 step 26).
func TestAttackPasskeyTwice(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		_, ann := w.person(t, "ann")
		_, eve := w.person(t, "eve")
		w.addPasskey(t, ann, "one")
		user, credential := w.passkey(t, eve, "one")
		b := w.db.Batch()
		is(t, "add", w.Credentials.AddPasskey(t.Context(), b, user, credential), nil)
		if err := b.Apply(t.Context()); store.ConflictOn(err, w.Credentials.Kind()) == nil {
			t.Errorf("got %v", err)
		}
		_, theirs := w.passkey(t, ann, "two")
		if err := w.Credentials.AddPasskey(t.Context(), w.db.Batch(), user, theirs); err == nil {
			t.Error("a passkey with another's handle was added")
		}
	})
}

// TestPasskeyBound adds passkeys at once where there is room for one.
func TestPasskeyBound(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		_, ann := w.person(t, "ann")
		for i := range directory.MaxPasskeys - 1 {
			w.addPasskey(t, ann, fmt.Sprint(i))
		}
		won, errs := contest(64, func(i int) error {
			user, err := w.Credentials.PasskeyUser(t.Context(), ann.Ref(), rpID)
			if err != nil {
				return err
			}
			b := w.db.Batch()
			credential := w.Credentials.NewPasskey(ann.Ref(), "", directory.Passkey{
				ID: fmt.Appendf(nil, "late %d", i), RPID: rpID, UserHandle: user.Handle, PublicKey: []byte("key"),
			})
			if err := w.Credentials.AddPasskey(t.Context(), b, user, credential); err != nil {
				return err
			}
			return b.Apply(t.Context())
		})
		for _, err := range errs {
			if _, conflict := errors.AsType[*store.Conflict](err); !conflict && !errors.Is(err, directory.ErrTooManyPasskeys) {
				t.Errorf("a loser got %v", err)
			}
		}
		if list, err := w.Credentials.Passkeys(t.Context(), ann.Ref(), rpID); err != nil || won != 1 || len(list) != directory.MaxPasskeys {
			t.Errorf("%d of 64 added one, and there are %d, %v", won, len(list), err)
		}
	})
}

// contest does something n times at once and returns how often it succeeded, and the errors of the others.
func contest(n int, do func(i int) error) (won int, errs []error) {
	var wg sync.WaitGroup
	all := make([]error, n)
	for i := range all {
		wg.Go(func() { all[i] = do(i) })
	}
	wg.Wait()
	for _, err := range all {
		if err == nil {
			won++
		} else {
			errs = append(errs, err)
		}
	}
	return won, errs
}

// TestPasskeyCounterOneWinner uses one reading of a passkey 64 times at once.
func TestPasskeyCounterOneWinner(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		_, ann := w.person(t, "ann")
		w.addPasskey(t, ann, "one")
		read, err := w.Credentials.Passkey(t.Context(), "", rpID, []byte("one"))
		is(t, "read", err, nil)
		won, _ := contest(64, func(int) error {
			b, now := w.db.Batch(), *read.Passkey
			now.Counter = 2
			w.Credentials.UsePasskey(b, read, now)
			return b.Apply(t.Context())
		})
		after, err := w.Credentials.Passkey(t.Context(), "", rpID, []byte("one"))
		if err != nil || won != 1 || after.Passkey.Counter != 2 || !after.Passkey.LastUsed.Equal(w.Now()) || after.Epoch != read.Epoch {
			t.Errorf("%d of 64 won, and it is %+v, %v", won, after, err)
		}
	})
}

func TestSuspectPasskey(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		_, ann := w.person(t, "ann")
		w.addPasskey(t, ann, "one")
		read, err := w.Credentials.Passkey(t.Context(), "", rpID, []byte("one"))
		is(t, "read", err, nil)
		for _, suspend := range []bool{false, true} {
			b := w.db.Batch()
			w.Credentials.SuspectPasskey(b, read, suspend)
			w.apply(t, b)
			after, err := w.Credentials.Passkey(t.Context(), "", rpID, []byte("one"))
			if err != nil || after.Passkey.Suspended.IsZero() == suspend || (after.Epoch != read.Epoch) != suspend {
				t.Errorf("suspend %t: %+v, %v", suspend, after, err)
			}
		}
		events := w.events(t)
		if count(events, "credential.suspected") != 1 || count(events, "credential.suspended") != 1 {
			t.Errorf("events %v", events)
		}
	})
}

func TestAssessPasskey(t *testing.T) {
	t.Parallel()
	at := time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC)
	password := directory.Evidence{Method: "password", AMR: []string{"pwd"}, Time: at}
	touched := directory.Evidence{Method: directory.ByPasskey, AMR: []string{"hwk"}, Time: at.Add(time.Minute), PhishingResistant: true}
	verified, remembered := touched, touched
	verified.UserVerified = true
	remembered.UserVerified, remembered.Remembered = true, true
	again := directory.Evidence{Method: "password", AMR: []string{"pwd"}, Time: at.Add(time.Hour)}
	for name, c := range map[string]struct {
		evidence []directory.Evidence
		acr      string
		at       time.Time
		since    time.Time
	}{
		"verified":            {[]directory.Evidence{verified}, directory.ACR2, verified.Time, verified.Time},
		"touched":             {[]directory.Evidence{touched}, directory.ACR1, touched.Time, touched.Time},
		"remembered":          {[]directory.Evidence{remembered}, directory.ACR1, remembered.Time, time.Time{}},
		"after a password":    {[]directory.Evidence{password, touched}, directory.ACR2, password.Time, password.Time},
		"verified, after one": {[]directory.Evidence{password, verified}, directory.ACR2, verified.Time, verified.Time},
		"before a password":   {[]directory.Evidence{touched, again}, directory.ACR2, again.Time, touched.Time},
		"and one once more":   {[]directory.Evidence{password, touched, again}, directory.ACR2, again.Time, touched.Time},
		"remembered, and one": {[]directory.Evidence{remembered, again}, directory.ACR2, again.Time, time.Time{}},
	} {
		if since := directory.ReachedSince(c.evidence, c.acr); !since.Equal(c.since) {
			t.Errorf("%s: since %v", name, since)
		}
		got := directory.Assess(c.evidence)
		if got.ACR != c.acr || !got.AuthTime.Equal(c.at) || !got.PhishingResistant {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}
