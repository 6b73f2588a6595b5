package directory_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

func TestSession(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w, ctx := newWorld(t, p), t.Context()
		_, s := w.person(t, "ann")
		session, cookie := w.signIn(t, s, false)
		opened, err := w.Sessions.Open(ctx, cookie)
		if err != nil || opened.ID != session.ID || opened.Subject != s.Ref() || len(opened.Evidence) != 1 {
			t.Fatalf("Open = %+v, %v", opened, err)
		}
		_, other := w.signIn(t, s, false)
		id, _, _ := strings.Cut(cookie, ".")
		_, foreign, _ := strings.Cut(other, ".")
		for _, forged := range []string{
			"", ".", id, id + ".", id + "." + foreign, "." + foreign, cookie + "x", cookie[:len(cookie)-1], "\x00." + foreign,
			strings.Repeat("x", 300) + "." + foreign, session.SecretHash, id + "." + session.SecretHash,
		} {
			_, err := w.Sessions.Open(ctx, forged)
			is(t, "forged cookie", err, directory.ErrNoSession)
		}
		is(t, "end", w.Sessions.End(ctx, session.Ref(), "logout"), nil)
		_, err = w.Sessions.Open(ctx, cookie)
		is(t, "an ended session", err, directory.ErrNoSession)
		is(t, "end again", w.Sessions.End(ctx, session.Ref(), "logout"), nil)
		is(t, "end of one that never was", w.Sessions.End(ctx, store.Ref{ID: "none"}, "logout"), nil)
		if n := count(w.events(t), "session.ended"); n != 1 {
			t.Errorf("%d events say that one session ended", n)
		}
	})
}

func count(list []string, what string) (n int) {
	for _, s := range list {
		if s == what {
			n++
		}
	}
	return n
}

func TestSessionTimeouts(t *testing.T) {
	t.Parallel()
	const minute, day = time.Minute, 24 * time.Hour
	for name, c := range map[string]struct {
		remember bool
		visits   []time.Duration // time that passes before each visit
		want     []bool
	}{
		"used within idle time": {false, []time.Duration{14 * minute, 14 * minute, 14 * minute}, []bool{true, true, true}},
		"idle":                  {false, []time.Duration{15 * minute}, []bool{false}},
		"idle after use":        {false, []time.Duration{10 * minute, 15 * minute, minute}, []bool{true, false, false}},
		"visits within a minute do not add up to use": {
			false, []time.Duration{30 * time.Second, 15*minute - 31*time.Second, minute}, []bool{true, true, true},
		},
		"remembered while unused":    {true, []time.Duration{13 * day}, []bool{true}},
		"remembered too long":        {true, []time.Duration{14 * day}, []bool{false}},
		"use does not extend memory": {true, []time.Duration{13 * day, 23 * time.Hour, 2 * time.Hour}, []bool{true, true, false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
				w := newWorld(t, p)
				_, s := w.person(t, "ann")
				_, cookie := w.signIn(t, s, c.remember)
				for i, d := range c.visits {
					w.advance(d)
					session, err := w.Sessions.Open(t.Context(), cookie)
					if c.want[i] {
						is(t, "visit", err, nil)
						w.Sessions.Touch(t.Context(), session)
					} else {
						is(t, "visit", err, directory.ErrNoSession)
					}
				}
			})
		})
	}
}

func TestSessionAbsoluteLimit(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, s := w.person(t, "ann")
		_, cookie := w.signIn(t, s, false)
		for range 30*24*6 - 1 {
			w.advance(10 * time.Minute)
			session, err := w.Sessions.Open(ctx, cookie)
			if err != nil {
				t.Fatalf("after %v of use: %v", w.Now(), err)
			}
			w.Sessions.Touch(ctx, session)
		}
		w.advance(10 * time.Minute)
		_, err := w.Sessions.Open(ctx, cookie)
		is(t, "after 30 days of use", err, directory.ErrNoSession)
	})
}

func TestSessionTouch(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w, ctx := newWorld(t, p), t.Context()
		_, s := w.person(t, "ann")
		_, cookie := w.signIn(t, s, false)
		writes := func() (n int) {
			for _, c := range w.faults.Calls() {
				if c.Method == storetest.MethodApply {
					n++
				}
			}
			return n
		}
		w.advance(2 * time.Minute)
		w.faults.Forget()
		for range 10 {
			session, err := w.Sessions.Open(ctx, cookie)
			is(t, "open", err, nil)
			w.Sessions.Touch(ctx, session)
			w.advance(5 * time.Second)
		}
		if n := writes(); n != 1 {
			t.Errorf("ten visits within a minute wrote %d times", n)
		}
		session, err := w.Sessions.Open(ctx, cookie)
		is(t, "open", err, nil)
		w.advance(20 * time.Minute)
		w.Sessions.Touch(ctx, session) // idle meanwhile
		_, err = w.Sessions.Open(ctx, cookie)
		is(t, "a touch revived an idle session", err, directory.ErrNoSession)
	})
}

// TestSessionActivityLost holds what the loss of the ephemeral kind costs: the session is idle since its last proof.
func TestSessionActivityLost(t *testing.T) {
	t.Parallel()
	durable := memory.New()
	w := newWorld(t, storetest.Placement{Driver: durable, Ephemeral: memory.New()})
	_, s := w.person(t, "ann")
	_, cookie := w.signIn(t, s, false)
	w.advance(10 * time.Minute)
	session, err := w.Sessions.Open(t.Context(), cookie)
	is(t, "open", err, nil)
	w.Sessions.Touch(t.Context(), session)

	db, err := store.Open(store.Config{Driver: durable, Ephemeral: memory.New(), Keys: w.db.Keys(), Now: w.Now})
	if err != nil {
		t.Fatal(err)
	}
	restarted, err := directory.New(directory.Config{DB: db})
	if err != nil {
		t.Fatal(err)
	}
	_, err = restarted.Sessions.Open(t.Context(), cookie)
	is(t, "within idle time of the sign-in", err, nil)
	w.advance(10 * time.Minute)
	_, err = restarted.Sessions.Open(t.Context(), cookie)
	is(t, "beyond it", err, directory.ErrNoSession)
}

func TestSessionStepUp(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, s := w.person(t, "ann")
		_, s2 := w.person(t, "bob")
		_, old := w.signIn(t, s, false)
		w.advance(time.Minute)
		session, err := w.Sessions.Open(ctx, old)
		is(t, "open", err, nil)

		b := w.db.Batch()
		if _, err := w.Sessions.StepUp(b, session, w.proof(s2, "totp", "otp")); err == nil {
			t.Error("evidence of another subject was accepted")
		}
		fresh, err := w.Sessions.StepUp(b, session, w.proof(s, "password", "pwd"), w.proof(s, "totp", "otp"))
		is(t, "step up", err, nil)
		if _, err := w.Sessions.Open(ctx, old); err != nil {
			t.Errorf("the old cookie died before the step was done: %v", err)
		}
		w.apply(t, b)
		_, err = w.Sessions.Open(ctx, old)
		is(t, "the old cookie", err, directory.ErrNoSession)
		session, err = w.Sessions.Open(ctx, fresh.Reveal())
		if err != nil || len(session.Evidence) != 2 {
			t.Fatalf("Open = %+v, %v", session, err)
		}
		if a := directory.Assess(session.Evidence); a.ACR != directory.ACR2 || !a.AuthTime.Equal(w.db.Now()) {
			t.Errorf("assurance = %+v", a)
		}
	})
}

// TestSessionNamed holds the gate of a sign-in: of several completions one is applied.
func TestSessionNamed(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, s := w.person(t, "ann")
		w.signIn(t, s, false) // the record of a first sign-in is a gate of its own, and not the one that is held here
		id := store.NewID()
		var wg sync.WaitGroup
		errs := make([]error, 16)
		for i := range errs {
			wg.Go(func() {
				b := w.db.Batch()
				_, _, err := w.Sessions.Begin(ctx, b, directory.NewSession{ID: id, Subject: s, Evidence: []directory.Evidence{w.proof(s, "password", "pwd")}})
				errs[i] = errors.Join(err, b.Apply(ctx))
			})
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if store.ConflictOn(err, w.Sessions.Kind()) == nil {
				t.Errorf("a loser got %v", err)
			}
		}
		if won != 1 {
			t.Errorf("%d of 16 completions were applied", won)
		}
	})
}

func TestSessionBeginRefuses(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, ann := w.person(t, "ann")
		_, bob := w.person(t, "bob")
		proof := []directory.Evidence{w.proof(ann, "password", "pwd")}
		for name, n := range map[string]directory.NewSession{
			"nobody":           {Evidence: proof},
			"nothing proven":   {Subject: ann},
			"somebody else":    {Subject: bob, Evidence: proof},
			"an id with a dot": {Subject: ann, Evidence: proof, ID: "a.b"},
			"a control id":     {Subject: ann, Evidence: proof, ID: "a\nb"},
		} {
			if _, _, err := w.Sessions.Begin(ctx, w.db.Batch(), n); err == nil {
				t.Errorf("%s: a session was begun", name)
			}
		}
		b := w.db.Batch()
		_, _, err := w.Sessions.Begin(ctx, b, directory.NewSession{Subject: ann, Evidence: proof})
		is(t, "begin", err, nil)
		is(t, "disable", w.Subjects.Disable(ctx, ann.Ref()), nil)
		if store.ConflictOn(b.Apply(ctx), w.Subjects.Kind()) == nil {
			t.Error("somebody who was disabled meanwhile was signed in")
		}
	})
}

func TestSessionOfRevokedSubject(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*world, store.Ref) error{
		"disabled": func(w *world, ref store.Ref) error { return w.Subjects.Disable(t.Context(), ref) },
		"revoked":  func(w *world, ref store.Ref) error { return w.Subjects.Revoke(t.Context(), ref) },
		"disabled and enabled": func(w *world, ref store.Ref) error {
			return errors.Join(w.Subjects.Disable(t.Context(), ref), w.Subjects.Enable(t.Context(), ref))
		},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
				w := newWorld(t, p)
				_, s := w.person(t, "ann")
				_, cookie := w.signIn(t, s, true)
				is(t, name, end(w, s.Ref()), nil)
				_, err := w.Sessions.Open(t.Context(), cookie)
				is(t, "open", err, directory.ErrNoSession)
				list, err := w.Sessions.ListBySubject(t.Context(), w.subject(t, s.Ref()))
				if len(list) != 0 || err != nil {
					t.Errorf("dead sessions are listed: %v, %v", list, err)
				}
			})
		})
	}
}

func TestSessionExtend(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, s := w.person(t, "ann")
		session, cookie := w.signIn(t, s, true)
		version, until := session.Version, session.Expires.Add(time.Hour)
		extend := func(until time.Time) {
			b := w.db.Batch()
			w.Sessions.Extend(b, session, until)
			w.apply(t, b)
		}
		extend(session.Expires)
		if session.Version != version {
			t.Error("a record that lives long enough was written")
		}
		extend(until)
		if session.Version == version {
			t.Error("a record that does not live long enough was not written")
		}
		w.advance(until.Sub(w.Now()) - time.Second)
		if _, err := w.CheckSession(ctx, session.Ref(), session.Epoch); err != nil {
			t.Errorf("what hangs on the session is dead: %v", err)
		}
		_, err := w.Sessions.Open(ctx, cookie)
		is(t, "a session past its limit", err, directory.ErrNoSession)

		is(t, "end", w.Sessions.End(ctx, session.Ref(), "logout"), nil)
		b := w.db.Batch()
		w.Sessions.Extend(b, session, w.Now())
		if store.ConflictOn(b.Apply(ctx), w.Sessions.Kind()) == nil {
			t.Error("something was hung on a session that had ended")
		}
		_, err = w.CheckSession(ctx, session.Ref(), session.Epoch)
		is(t, "chain", err, directory.ErrChainBroken)
	})
}

func TestSessionsOfSubject(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, ann := w.person(t, "ann")
		_, bob := w.person(t, "bob")
		first, _ := w.signIn(t, ann, false)
		w.advance(time.Second)
		second, cookie := w.signIn(t, ann, false)
		_, bobs := w.signIn(t, bob, false)
		list, err := w.Sessions.ListBySubject(ctx, ann)
		if err != nil || len(list) != 2 || list[0].ID != first.ID || list[1].UserAgent != "Mozilla/5.0" {
			t.Fatalf("ListBySubject = %v, %v", list, err)
		}
		is(t, "end all", w.Sessions.EndAllOf(ctx, ann.Ref(), second.ID, "password.changed"), nil)
		list, err = w.Sessions.ListBySubject(ctx, ann)
		if err != nil || len(list) != 1 || list[0].ID != second.ID {
			t.Errorf("ListBySubject = %v, %v", list, err)
		}
		for _, c := range []string{cookie, bobs} {
			_, err := w.Sessions.Open(ctx, c)
			is(t, "a session that stays", err, nil)
		}
		seen, err := w.Sessions.Seen(ctx, second)
		if err != nil || !seen.Equal(second.Created) {
			t.Errorf("Seen = %v, %v", seen, err)
		}
	})
}

func TestSessionPolicyOfOrganization(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, s := w.person(t, "ann")
		_, cookie := w.signIn(t, s, false)
		policy := directory.SessionPolicy{Idle: time.Hour, Remember: time.Hour, Max: time.Hour}
		is(t, "set", directory.Set(ctx, w.Settings, w.Settings.Session, "", "", policy), nil)
		w.advance(50 * time.Minute)
		_, err := w.Sessions.Open(ctx, cookie)
		is(t, "a longer idle time", err, nil)
	})
}

func TestParticipants(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, s := w.person(t, "ann")
		session, _ := w.signIn(t, s, false)
		other, _ := w.signIn(t, s, false)
		join := func(session *directory.Session, app, protocol string) int {
			b := w.db.Batch()
			is(t, "join", w.Participants.Join(ctx, b, session, store.Ref{ID: app}, protocol), nil)
			n := b.Len()
			w.apply(t, b)
			return n
		}
		for _, n := range []int{join(session, "web", "oidc"), join(session, "web", "saml"), join(session, "mail", "oidc"), join(other, "web", "oidc")} {
			if n != 1 {
				t.Errorf("joining took %d operations", n)
			}
		}
		if n := join(session, "web", "oidc"); n != 0 {
			t.Errorf("joining again took %d operations", n)
		}
		list, err := w.Participants.Of(ctx, session.Ref())
		if err != nil || len(list) != 3 {
			t.Fatalf("Of = %v, %v", list, err)
		}
		if !slices.ContainsFunc(list, func(p *directory.Participant) bool { return p.Application.ID == "web" && p.Protocol == "saml" }) {
			t.Errorf("participants = %v", list)
		}
		b := w.db.Batch()
		w.Sessions.Extend(b, session, session.Expires.Add(time.Hour))
		w.apply(t, b)
		if n := join(session, "web", "oidc"); n != 1 {
			t.Error("the participant of a longer session does not live as long")
		}
	})
}

func TestDevices(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		u, ann := w.person(t, "ann")
		_, bob := w.person(t, "bob")
		b := w.db.Batch()
		cookie := w.Devices.Remember(b, ann).Reveal()
		w.apply(t, b)
		known := func(cookie string, s *directory.Subject) string {
			id, err := w.Devices.Known(ctx, cookie, s)
			is(t, "known", err, nil)
			return id
		}
		if known(cookie, ann) == "" {
			t.Error("the device is not known")
		}
		id, _, _ := strings.Cut(cookie, ".")
		for _, forged := range []string{"", id, id + ".", cookie + "x", "x." + cookie} {
			if known(forged, ann) != "" {
				t.Errorf("%q is known", forged)
			}
		}
		if known(cookie, bob) != "" {
			t.Error("the device of another is known")
		}
		if known(cookie, nil) != "" {
			t.Error("the device of nobody is known")
		}
		is(t, "set password", w.SetPassword(ctx, u, "another fine password"), nil)
		changed, err := w.Subjects.Get(ctx, ann.Ref())
		is(t, "subject", err, nil)
		if known(cookie, changed) != "" {
			t.Error("the device is known after the password was changed")
		}
		w.advance(180 * 24 * time.Hour)
		if known(cookie, ann) != "" {
			t.Error("the device is known after 180 days")
		}
	})
}

func FuzzSessionCookie(f *testing.F) {
	for _, s := range []string{"", ".", "a.b", "a.b.c", "\x00.\x00", "id.secret\n", strings.Repeat("a", 257) + ".x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, cookie string) {
		w := together(t)
		if _, err := w.Sessions.Open(t.Context(), cookie); !errors.Is(err, directory.ErrNoSession) {
			t.Errorf("Open(%q): %v", cookie, err)
		}
		if id, err := w.Devices.Known(t.Context(), cookie, &directory.Subject{Meta: store.Meta{ID: "x"}}); id != "" || err != nil {
			t.Errorf("Known(%q) = %q, %v", cookie, id, err)
		}
	})
}
