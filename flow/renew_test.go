package flow_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// expire has the passwords of everybody expire that stand by now, and no others.
func (w *world) expire() {
	w.Helper()
	w.must(directory.Set(w.Context(), w.Settings, w.Settings.PasswordExpiry, "", "", directory.PasswordExpiryPolicy{Days: 30}))
	w.advance(31 * 24 * time.Hour)
}

func TestExpiredPassword(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann := w.user("ann")
		elsewhere := w.browser()
		w.expire()
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if p.step() != "renew-password" || p.View.Person != "ann" || b.cookie("session") != "" {
			t.Fatalf("got %v", p)
		}
		if p = b.submit(p, "new_password", "short"); p.View.Prompt.Fields[1].Problem.ID != "password.policy.min_length" {
			t.Errorf("a password that the policy refuses: got %v", p)
		}
		if p = b.submit(p, "new_password", goodPassword); p.View.Prompt.Fields[1].Problem.ID != "password.policy.used_before" {
			t.Errorf("the old one once more: got %v", p)
		}
		result := b.submit(p, "new_password", newPassword).answer(t)
		if a := directory.Assess(result.Evidence); a.ACR != directory.ACR1 || b.cookie("session") == "" {
			t.Errorf("got %+v with session %q", a, b.cookie("session"))
		}
		if n := w.events("password.changed"); n != 1 {
			t.Errorf("%d events", n)
		}
		if expired, err := w.PasswordExpired(t.Context(), ann); expired || err != nil {
			t.Errorf("the new one: expired %v, %v", expired, err)
		}
		b.get(w.request(directory.Interaction{})).answer(t)
		p = elsewhere.login(elsewhere.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if p.message() != "password.wrong" {
			t.Errorf("the old password: got %v", p)
		}
		elsewhere.login(p, "ann", newPassword).answer(t)
	})
}

// Whoever knows the password that has expired, and no more, gets neither in nor to a new one.
func TestAttackExpiredPasswordIsNotASecondFactor(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		seed := w.totp(w.user("ann"))
		w.expire()
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if p.step() != "totp" {
			t.Fatalf("got %v", p)
		}
		if early := b.submit(p, "new_password", newPassword); early.Status != 400 {
			t.Errorf("a new password on another page: got %v", early)
		}
		if p = b.submit(p, "otp", w.code(seed)); p.step() != "renew-password" {
			t.Fatalf("got %v", p)
		}
		result := b.submit(p, "new_password", newPassword).answer(t)
		if a := directory.Assess(result.Evidence); a.ACR != directory.ACR2 {
			t.Errorf("with both: %+v", a)
		}
	})
}

// A page that asks for a new password is worth nothing once somebody else has ended everything, changed the password or locked the account.
func TestAttackExpiredPasswordAfterARevocation(t *testing.T) {
	for name, revoke := range map[string]func(w *world, ann *directory.User) error{
		"revoked": func(w *world, ann *directory.User) error { return w.Subjects.Revoke(w.Context(), w.SubjectRef(ann)) },
		"changed": func(w *world, ann *directory.User) error {
			return w.SetPassword(w.Context(), ann, "chosen by somebody else")
		},
		"locked": func(w *world, ann *directory.User) error {
			return w.Subjects.Hold(w.Context(), w.SubjectRef(ann), directory.AccountLocked, "")
		},
		"deleted": func(w *world, ann *directory.User) error { return w.DeleteUser(w.Context(), ann) },
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, w *world) {
				ann := w.user("ann")
				w.expire()
				b := w.browser()
				p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
				w.must(revoke(w, ann))
				before := w.events("password.changed")
				if p = b.submit(p, "new_password", newPassword); p.Result == nil || p.Result.Refusal != directory.LoginRequired {
					t.Errorf("got %v", p)
				}
				if b.cookie("session") != "" || w.events("password.changed") != before {
					t.Error("it was worth something")
				}
			})
		})
	}
}

// Of two answers at once one is the new password, and both go on with it.
func TestExpiredPasswordOneWinner(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		w.expire()
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		var wg sync.WaitGroup
		for _, pass := range []string{"one of two answers", "the other of the two"} {
			other := b.clone()
			wg.Go(func() { other.do("POST", p.View.Submit, fill(p.View, "new_password", pass)) })
		}
		wg.Wait()
		if n := w.events("password.changed"); n != 1 {
			t.Errorf("changed %d times", n)
		}
		b.get(p.from).answer(t)
	})
}

// A new password is that of one person: whoever signs in by the same request after them, once its flow is forgotten, needs one of their own.
func TestAttackExpiredPasswordAfterAnotherPersons(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		w.must(w.Subjects.Revoke(t.Context(), w.SubjectRef(w.user("bob")))) // to the epoch to which a new password brings ann
		w.expire()
		request := w.request(directory.Interaction{})
		first := w.browser()
		p := first.get(request)
		w.advance(29 * time.Minute)
		first.submit(first.login(p, "ann", goodPassword), "new_password", newPassword).answer(t)
		w.advance(2 * time.Minute) // by now the flow is gone
		b := w.browser()
		p = b.login(b.get(request), "bob", goodPassword)
		if p.step() != "renew-password" {
			t.Fatalf("got %v", p)
		}
		if p = b.submit(p, "new_password", goodPassword); p.step() != "renew-password" || b.cookie("session") != "" {
			t.Errorf("the old password: got %v", p)
		}
		b.submit(p, "new_password", newPassword).answer(t)
	})
}

// The session in which somebody has signed in before ends with their old password, and with it what was taken over from there.
func TestExpiredPasswordInASession(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		seed := w.totp(w.user("ann"))
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{ACR: []string{directory.ACR2}})), "ann", goodPassword)
		old := b.submit(p, "otp", w.code(seed)).answer(t)
		w.must(directory.Set(w.Context(), w.Settings, w.Settings.PasswordExpiry, "", "", directory.PasswordExpiryPolicy{Days: 1}))
		policy, err := directory.Resolve(t.Context(), w.Settings, w.Settings.Session, "", "")
		w.must(err)
		for range 25 * time.Hour / (policy.Idle / 2) { // in use all the time
			w.advance(policy.Idle / 2)
			b.get(w.request(directory.Interaction{})).answer(t)
		}
		age := time.Minute
		p = b.get(w.request(directory.Interaction{MaxAge: &age})) // which takes the code over
		if p = b.login(p, "ann", goodPassword); p.step() != "renew-password" {
			t.Fatalf("got %v", p)
		}
		if p = b.submit(p, "new_password", newPassword); p.step() != "totp" || p.message() != "renew-password.done" {
			t.Fatalf("a code that was shown in another session: got %v", p)
		}
		result := b.submit(p, "otp", w.nextCode(seed)).answer(t)
		if result.Session == old.Session {
			t.Error("the session goes on")
		}
		if session, err := w.Sessions.Get(t.Context(), old.Session); err != nil || session.Status == directory.Active {
			t.Errorf("the old session: %+v, %v", session, err)
		}
	})
}

// judging is a store of people that judges their passwords itself.
type judging struct {
	directory.Users
	mu    sync.Mutex
	state directory.AccountState
}

func (j *judging) VerifyPassword(ctx context.Context, u *directory.User, pass string) (bool, error) {
	right, err := j.Users.VerifyPassword(ctx, u, pass)
	j.mu.Lock()
	defer j.mu.Unlock()
	if right && j.state != "" {
		return false, &directory.AccountError{State: j.state}
	}
	return right, err
}

func (j *judging) SetPassword(ctx context.Context, b *store.Batch, u *directory.User, pass string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.state = ""
	return j.Users.SetPassword(ctx, b, u, pass)
}

// A store may demand another password, as after a reset by an administrator. Who is refused for any other reason has typed a wrong one.
func TestPasswordThatAStoreRefuses(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		for state, want := range map[directory.AccountState]string{
			directory.PasswordMustChange: "renew-password.demanded", directory.PasswordExpired: "renew-password.intro",
			directory.AccountLocked: "", directory.AccountExpired: "",
		} {
			people := &judging{}
			w := open(t, func(_ *flow.Config, d *directory.Config) {
				plain, err := directory.New(*d)
				if err != nil {
					t.Fatal(err)
				}
				people.Users, d.Users = plain.Users, people
			})
			w.user("ann")
			people.state = state
			b := w.browser()
			p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
			if want == "" {
				if p.message() != "password.wrong" {
					t.Errorf("%s: got %v", state, p)
				}
				continue
			}
			if p.step() != "renew-password" || p.View.Prompt.Intro.ID != want {
				t.Fatalf("%s: got %v", state, p)
			}
			b.submit(p, "new_password", newPassword).answer(t)
		}
	})
}

// A password that has expired is judged whatever plan the host has.
func TestAttackExpiredPasswordUnderAnotherPlan(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		always := compiled(t, flow.Step{Name: "first", Options: []string{"password"}, When: func(_ context.Context, s *flow.State) (bool, error) {
			return s.Subject.IsZero(), nil
		}})
		w := newWorld(t, place, func(c *flow.Config, _ *directory.Config) { c.Plans = map[string]flow.Plan{"login": always} })
		w.user("ann")
		w.expire()
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if p.step() != "renew-password" {
			t.Fatalf("got %v", p)
		}
		b.submit(p, "new_password", newPassword).answer(t)
	})
}
