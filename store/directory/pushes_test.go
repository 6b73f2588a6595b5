package directory_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// phone registers a device for a person.
func (w *world) phone(ctx context.Context, s *directory.Subject, token secret.Text) (*directory.Credential, error) {
	b := w.db.Batch()
	invitation := w.Pushes.NewInvitation(s.Ref(), s.Epoch)
	w.Pushes.Invite(b, invitation)
	id := invitation.Device
	if err := b.Apply(ctx); err != nil {
		return nil, err
	}
	if _, _, err := w.Pushes.Invitation(ctx, id); err != nil {
		return nil, err
	}
	b = w.db.Batch()
	device, err := w.Pushes.Register(ctx, b, id, "", directory.PushDevice{Model: "Fair", PublicKey: "key"}, token)
	if err != nil {
		return nil, err
	}
	return device, b.Apply(ctx)
}

// ask asks a person's devices.
func (w *world) ask(ctx context.Context, s *directory.Subject, flow string, number secret.Text) (*directory.Push, error) {
	q := directory.PushQuestion{
		Prompt: store.NewID(), Flow: flow, Challenge: "challenge", Number: number, Until: w.Now().Add(3 * time.Minute),
	}
	asking, err := w.Pushes.Weigh(ctx, s.Ref(), flow)
	if err != nil {
		return nil, err
	}
	if asking.Wait() > 0 {
		return nil, waiting(asking.Wait())
	}
	b := w.db.Batch()
	w.Pushes.Ask(b, asking, q)
	if err := b.Apply(ctx); err != nil {
		return nil, err
	}
	return w.Pushes.Find(ctx, q.Prompt)
}

// waiting is that the devices are left alone.
type waiting time.Duration

func (w waiting) Error() string { return "wait " + time.Duration(w).String() }

// An invitation that is out does not outlive what everything else of the person's does not.
func TestAttackPushInvitationAfterARevocation(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		for name, end := range map[string]func(u *directory.User) error{
			"changed":  func(u *directory.User) error { return w.SetPassword(t.Context(), u, "chosen after the theft") },
			"disabled": func(u *directory.User) error { return w.Subjects.Disable(t.Context(), w.SubjectRef(u)) },
			"deleted":  func(u *directory.User) error { return w.DeleteUser(t.Context(), u) },
		} {
			u, s := w.person(t, name)
			b := w.db.Batch()
			invitation := w.Pushes.NewInvitation(s.Ref(), s.Epoch)
			w.Pushes.Invite(b, invitation)
			w.apply(t, b)
			is(t, name, end(u), nil)
			_, err := w.Pushes.Register(t.Context(), w.db.Batch(), invitation.Device, "", directory.PushDevice{}, "x")
			is(t, name, err, directory.ErrNotInvited)
		}
	})
}

func TestPushDevices(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, ann := w.person(t, "ann")
		_, bob := w.person(t, "bob")
		device, err := w.phone(ctx, ann, "where to")
		is(t, "register", err, nil)
		found, err := w.Pushes.Device(ctx, ann.Ref(), device.ID)
		if err != nil || found.Label != "Fair" || found.Push.PublicKey != "key" {
			t.Errorf("Device = %+v, %v", found, err)
		}
		if token, err := w.Pushes.Token(found); err != nil || token.Reveal() != "where to" {
			t.Errorf("Token = %q, %v", token.Reveal(), err)
		}
		_, err = w.Pushes.Device(ctx, bob.Ref(), device.ID)
		is(t, "somebody else's device", err, store.ErrNotFound)
		_, err = w.Pushes.Device(ctx, ann.Ref(), ann.ID+"/password")
		is(t, "another credential", err, store.ErrNotFound)
		_, err = w.Pushes.Register(ctx, w.db.Batch(), device.ID, "", directory.PushDevice{}, "x")
		is(t, "invited once", err, directory.ErrNotInvited)

		b := w.db.Batch()
		session, _ := w.signIn(t, ann, false)
		within := w.Pushes.NewInvitation(ann.Ref(), ann.Epoch).Within(session)
		w.Pushes.Invite(b, within)
		w.apply(t, b)
		is(t, "end the session", w.Sessions.End(ctx, session.Ref(), "logout"), nil)
		_, err = w.Pushes.Register(ctx, w.db.Batch(), within.Device, "", directory.PushDevice{}, "x")
		is(t, "asked for in a session that has ended", err, directory.ErrNotInvited)

		b = w.db.Batch()
		late := w.Pushes.NewInvitation(ann.Ref(), ann.Epoch)
		w.Pushes.Invite(b, late)
		w.apply(t, b)
		w.advance(180 * time.Second)
		_, err = w.Pushes.Register(ctx, w.db.Batch(), late.Device, "", directory.PushDevice{}, "x")
		is(t, "too late", err, directory.ErrNotInvited)

		for range 9 {
			_, err := w.phone(ctx, ann, "x")
			is(t, "another", err, nil)
		}
		_, err = w.phone(ctx, ann, "x")
		is(t, "the eleventh", err, directory.ErrTooManyDevices)
		is(t, "remove", w.Credentials.Delete(ctx, device), nil)
		_, err = w.phone(ctx, ann, "x")
		is(t, "after one was removed", err, nil)
	})
}

// TestAttackPushDevicesAtOnce registers devices at once: none over the limit, and one for each invitation.
func TestAttackPushDevicesAtOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, ann := w.person(t, "ann")
		for range 9 {
			_, err := w.phone(ctx, ann, "x")
			is(t, "register", err, nil)
		}
		if won := race(t, func() error { _, err := w.phone(ctx, ann, "x"); return err }, directory.ErrTooManyDevices); won != 1 {
			t.Errorf("%d of 64 devices have become the tenth", won)
		}
	})
}

// Attacks C 9: one question at a time, five an hour, none for a while after three denials.
func TestAttackPushFatigue(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, ann := w.person(t, "ann")
		device, err := w.phone(ctx, ann, "x")
		is(t, "register", err, nil)
		first, err := w.ask(ctx, ann, "one", "42")
		is(t, "the first", err, nil)
		_, err = w.ask(ctx, ann, "two", "42")
		is(t, "while another is open", err, waiting(3*time.Minute))
		second, err := w.ask(ctx, ann, "one", "43")
		is(t, "anew in the same flow", err, nil)
		_, err = w.Pushes.Find(ctx, first.Prompt)
		is(t, "the one before", err, directory.ErrPushOver)

		answer := func(p *directory.Push, approved bool, number secret.Text) error {
			b := w.db.Batch()
			if err := w.Pushes.Answer(ctx, b, p, device, approved, number); err != nil {
				return err
			}
			return b.Apply(ctx)
		}
		is(t, "another number", answer(second, true, "42"), nil)
		if second.Answer != directory.PushMismatched || w.Pushes.Use(w.db.Batch(), second) == nil {
			t.Errorf("answer %q", second.Answer)
		}
		is(t, "a second answer", answer(second, true, "43"), directory.ErrPushOver)
		for _, flow := range []string{"three", "four"} {
			p, err := w.ask(ctx, ann, flow, "44")
			is(t, flow, err, nil)
			is(t, "deny", answer(p, false, ""), nil)
		}
		_, err = w.ask(ctx, ann, "five", "44")
		is(t, "after three denials", err, waiting(15*time.Minute))
		w.advance(15 * time.Minute)
		p, err := w.ask(ctx, ann, "six", "44")
		is(t, "the fifth", err, nil)
		w.advance(3 * time.Minute)
		is(t, "too late", answer(p, true, "44"), directory.ErrPushOver)
		_, err = w.ask(ctx, ann, "seven", "44")
		is(t, "the sixth within an hour", err, waiting(42*time.Minute))
		if n := count(w.events(t), "push.denied"); n != 3 {
			t.Errorf("%d events push.denied", n)
		}
	})
}

// TestAttackPushAnsweredAtOnce holds that of answers at once one counts, and that an approval signs in once.
func TestAttackPushAnsweredAtOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, ann := w.person(t, "ann")
		_, bob := w.person(t, "bob")
		device, err := w.phone(ctx, ann, "x")
		is(t, "register", err, nil)
		bobs, err := w.phone(ctx, bob, "x")
		is(t, "register", err, nil)
		push, err := w.ask(ctx, ann, "flow", "42")
		is(t, "ask", err, nil)
		is(t, "somebody else's device", w.Pushes.Answer(ctx, w.db.Batch(), push, bobs, true, "42"), directory.ErrPushOver)
		is(t, "used before it is approved", w.Pushes.Use(w.db.Batch(), push), directory.ErrPushOver)
		step := func(do func(b *store.Batch, p *directory.Push) error) func() error {
			return func() error {
				p, err := w.Pushes.Find(ctx, push.Prompt)
				if err != nil {
					return err
				}
				b := w.db.Batch()
				if err := do(b, p); err != nil {
					return err
				}
				return b.Apply(ctx)
			}
		}
		answered := race(t, step(func(b *store.Batch, p *directory.Push) error {
			return w.Pushes.Answer(ctx, b, p, device, true, "42")
		}), directory.ErrPushOver)
		used := race(t, step(w.Pushes.Use), directory.ErrPushOver)
		if answered != 1 || used != 1 {
			t.Errorf("answered %d times, used %d times", answered, used)
		}
		other, err := w.ask(ctx, ann, "flow", "42")
		is(t, "ask", err, nil)
		is(t, "remove", w.Credentials.Delete(ctx, device), nil)
		b := w.db.Batch()
		is(t, "answer", w.Pushes.Answer(ctx, b, other, device, true, "42"), nil)
		if _, conflict := errors.AsType[*store.Conflict](b.Apply(ctx)); !conflict {
			t.Error("a device that was removed has answered")
		}
	})
}
