package directory_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// member adds somebody without a password.
func (w *world) member(t *testing.T, name string) *directory.Subject {
	t.Helper()
	b := w.db.Batch()
	s, err := w.AddUser(t.Context(), b, &directory.User{Username: name})
	is(t, "add", err, nil)
	w.apply(t, b)
	return w.subject(t, s.Ref())
}

// The last way in cannot be removed (attacks.md C): neither the only passkey of somebody without a password, nor, of two that are removed
// at once, both.
func TestAttackLastWayIn(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		ann := w.member(t, "ann")
		only := w.addPasskey(t, ann, "one")
		is(t, "the only passkey", w.RemoveCredential(ctx, ann, nil, only.ID), directory.ErrLastWayIn)
		has := func(context.Context, *store.Batch, store.Ref) (bool, error) { return true, nil }
		w.enroll(t, ann, "seed", 1)
		is(t, "a second factor is no way in", w.RemoveCredential(ctx, ann, nil, only.ID), directory.ErrLastWayIn)
		other := w.addPasskey(t, ann, "two")
		results := make([]error, 2)
		var wg sync.WaitGroup
		for i, id := range []string{only.ID, other.ID} {
			wg.Go(func() { results[i] = w.RemoveCredential(ctx, ann, nil, id) })
		}
		wg.Wait()
		if (results[0] == nil) == (results[1] == nil) || !errors.Is(errors.Join(results...), directory.ErrLastWayIn) {
			t.Fatalf("two at once: %v", results)
		}
		left, err := w.Credentials.Passkeys(ctx, ann.Ref(), "")
		if err != nil || len(left) != 1 {
			t.Fatalf("left %v, %v", left, err)
		}
		is(t, "with another way in", w.RemoveCredential(ctx, ann, nil, left[0].ID, has), nil)
	})
}

// A suspended passkey lets nobody in, and a password is replaced, never removed.
func TestRemoveCredential(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, ann := w.person(t, "ann")
		key := w.addPasskey(t, ann, "one")
		w.enroll(t, ann, "seed", 1)
		totp, _, err := w.Credentials.TOTP(ctx, ann.Ref())
		is(t, "TOTP", err, nil)
		is(t, "passkey beside a password", w.RemoveCredential(ctx, ann, nil, key.ID), nil)
		is(t, "TOTP", w.RemoveCredential(ctx, ann, nil, totp.ID), nil)
		is(t, "once more", w.RemoveCredential(ctx, ann, nil, totp.ID), store.ErrNotFound)
		if err := w.RemoveCredential(ctx, ann, nil, ann.ID+"/password"); len(directory.Problems(err)) != 1 {
			t.Errorf("the password: %v", err)
		}

		bob := w.member(t, "bob")
		good, bad := w.addPasskey(t, bob, "good"), w.addPasskey(t, bob, "bad")
		b := w.db.Batch()
		w.Credentials.SuspectPasskey(b, bad, true)
		w.apply(t, b)
		is(t, "beside a suspended one", w.RemoveCredential(ctx, bob, nil, good.ID), directory.ErrLastWayIn)
		is(t, "the suspended one", w.RemoveCredential(ctx, bob, nil, bad.ID), nil)
		if n := count(w.events(t), "credential.removed"); n != 3 {
			t.Errorf("%d events credential.removed", n)
		}
	})
}

// Nothing is removed for whoever has been signed out by then, nor for somebody whose sessions were all revoked (attacks.md D).
func TestAttackRemovalAfterTheSessionEnded(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, ann := w.person(t, "ann")
		key := w.addPasskey(t, ann, "one")
		thiefs, _ := w.signIn(t, ann, false)
		owners, _ := w.signIn(t, ann, false)
		is(t, "end", w.EndOwnSession(ctx, ann, thiefs.ID), nil)
		is(t, "in the session that ended", w.RemoveCredential(ctx, ann, thiefs, key.ID), directory.ErrChainBroken)
		revoked := *ann
		revoked.Epoch--
		is(t, "of somebody revoked", w.RemoveCredential(ctx, &revoked, owners, key.ID), directory.ErrChainBroken)
		is(t, "in the other session", w.RemoveCredential(ctx, ann, owners, key.ID), nil)
	})
}

// Nobody touches what is somebody else's, and nobody learns that it is there (attacks.md C).
func TestAttackSomebodyElsesCredential(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, ann := w.person(t, "ann")
		_, bob := w.person(t, "bob")
		key := w.addPasskey(t, bob, "bobs")
		for _, id := range []string{key.ID, "nothing", "", "x\x00y", bob.ID + "/password"} {
			is(t, id, w.RemoveCredential(ctx, ann, nil, id), store.ErrNotFound)
			is(t, "session "+id, w.EndOwnSession(ctx, ann, id), store.ErrNotFound)
		}
		session, _ := w.signIn(t, bob, false)
		is(t, "session", w.EndOwnSession(ctx, ann, session.ID), store.ErrNotFound)
		is(t, "own session", w.EndOwnSession(ctx, bob, session.ID), nil)
		list, err := w.ActiveSessions(ctx, bob)
		if err != nil || len(list) != 0 {
			t.Errorf("left: %v, %v", list, err)
		}
	})
}

// What somebody has beside a password is what they show before they change it; what is out of use, or stands in for others, counts not.
func TestBestACR(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		_, ann := w.person(t, "ann")
		best := func(want string) {
			t.Helper()
			if got, err := w.BestACR(t.Context(), ann); err != nil || got != want {
				t.Errorf("%s, %v, want %s", got, err, want)
			}
		}
		best(directory.ACR1)
		b := w.db.Batch()
		is(t, "codes", w.Credentials.SetBackupCodes(t.Context(), b, ann.Ref(), nil), nil)
		w.apply(t, b)
		best(directory.ACR1)
		key := w.addPasskey(t, ann, "one")
		best(directory.ACR2)
		b = w.db.Batch()
		w.Credentials.SuspectPasskey(b, key, true)
		w.apply(t, b)
		best(directory.ACR1)
		w.enroll(t, ann, "seed", 1)
		best(directory.ACR2)
	})
}
