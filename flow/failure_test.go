package flow_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// unavailable reports whether an answer is an honest failure.
func (p page) unavailable() bool {
	return p.Status == 503 && (p.Error != "" ||
		p.Failure != nil && p.Failure.Code == "temporarily_unavailable" && p.Failure.RetryAfter > 0 && p.Failure.Correlation != "")
}

// Whichever call of the store fails, the answer is 503: never a success, never "no such page". Afterwards the person goes on
// and gets in.
func TestEveryCallMayFail(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		seed := w.totp(w.user("ann"))
		b := w.browser()
		in := directory.Interaction{
			ACR: []string{directory.ACR2}, Consent: []directory.ConsentItem{{ID: "email"}}, Cancelable: true, Application: w.app("").Ref(),
		}
		for n := 1; ; n++ {
			b.cookies = map[string]string{}
			w.advance(time.Minute)
			path, failures := w.request(in), 0
			w.faults.FailCall(n, nil)
			p := b.get(path)
			for range 30 {
				switch {
				case p.unavailable():
					failures++
					w.advance(lease)
					p = b.get(path)
				case p.step() == "password" && p.View.Sequence == 1:
					p = b.login(p, "ann", "wrong")
				case p.step() == "password":
					p = b.login(p, "ann", goodPassword)
				case p.step() == "totp":
					w.advance(30 * time.Second)
					p = b.submit(p, "otp", w.code(seed))
				case p.step() == "consent":
					p = b.submit(p, "action", "consent_allow", "consent", "email")
				}
				if p.Result != nil {
					break
				}
			}
			if p.answer(t); failures > 1 {
				t.Fatalf("call %d: %d failures", n, failures)
			}
			if w.faults.Waits() {
				w.faults.Heal()
				if n < 30 {
					t.Errorf("only %d calls could fail", n-1)
				}
				return
			}
			if failures == 0 {
				t.Fatalf("call %d: its failure was not reported", n)
			}
		}
	})
}

const lease = 10 * time.Second

// The answer to a commit is lost: 503, and the person goes on from whatever has become of it.
func TestUncertainCommit(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		for _, kind := range []string{"flow.claim", "flow.execution", "directory.session"} {
			b := w.browser()
			path := w.request(directory.Interaction{})
			p := b.get(path)
			w.faults.Hook(func(c storetest.Call) error {
				if c.Method != storetest.MethodApply || !writes(c, kind) {
					return nil
				}
				w.faults.Heal()
				return store.ErrUncertain
			})
			if p = b.login(p, "ann", goodPassword); !p.unavailable() || b.cookie("session") != "" {
				t.Fatalf("%s: got %v", kind, p)
			}
			w.advance(lease)
			if p = b.get(path); p.step() == "password" {
				p = b.login(p, "ann", goodPassword)
			}
			p.answer(t)
		}
	})
}

// The commit that completes a login has happened and its answer is lost: the flow is done, and the browser gets its cookie when it
// sends the form once more.
func TestUncertainCompletion(t *testing.T) {
	t.Parallel()
	w := together(t) // apart there is no such commit, see TestCrashBetweenTheStores
	w.user("ann")
	b := w.browser()
	path := w.request(directory.Interaction{})
	p := b.get(path)
	w.faults.Hook(func(c storetest.Call) error {
		if c.Method == storetest.MethodApply && writes(c, "flow.claim") {
			w.faults.Heal()
			w.faults.Uncertain() // the next
		}
		return nil
	})
	if got := b.login(p, "ann", goodPassword); !got.unavailable() || b.cookie("session") != "" {
		t.Fatalf("got %v", got)
	}
	first := b.login(p, "ann", goodPassword).answer(t)
	if again := b.get(path).answer(t); again.Session != first.Session {
		t.Errorf("sessions %v and %v", first.Session, again.Session)
	}
	if next := b.get(w.request(directory.Interaction{})).answer(t); next.Session != first.Session {
		t.Errorf("sessions %v and %v", first.Session, next.Session)
	}
}

func writes(c storetest.Call, kind string) bool {
	for _, op := range c.Ops {
		if op.Record.Kind.Name == kind {
			return true
		}
	}
	return false
}

// crash makes the next step that writes the flow fail.
func (w *world) crash() {
	w.faults.Hook(func(c storetest.Call) error {
		if c.Method == storetest.MethodApply && writes(c, "flow.execution") {
			w.faults.Heal()
			return errors.New("crash")
		}
		return nil
	})
}

// Between counting an attempt and its consequences the process dies: the guess stays counted, the person waits out the lease.
func TestCrashBetweenClaimAndFinish(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		w.crash()
		if got := b.login(p, "ann", goodPassword); !got.unavailable() || b.cookie("session") != "" {
			t.Fatalf("got %v, session cookie %q", got, b.cookie("session"))
		}
		if got := b.login(p, "ann", goodPassword); got.step() != "password" || got.message() != "" {
			t.Fatalf("within the lease: got %v", got)
		}
		w.advance(lease)
		b.login(p, "ann", goodPassword).answer(t)

		b = w.browser()
		p = b.get(w.request(directory.Interaction{}))
		for range 5 {
			w.crash()
			b.login(p, "ann", "wrong")
			w.advance(lease)
		}
		if got := b.login(p, "ann", goodPassword); got.message() != "password.wrong" {
			t.Errorf("five guesses that crashed left room for a sixth: %v", got)
		}
	})
}

// With flows in a store of their own, the session may be written and the flow not: repeating the request completes the login, in
// that one session.
func TestCrashBetweenTheStores(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann := w.user("ann")
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		w.crash()
		b.login(p, "ann", goodPassword)
		w.advance(lease)
		result := b.login(p, "ann", goodPassword).answer(t)
		subject, err := w.Subjects.Get(t.Context(), ann.Ref())
		w.must(err)
		sessions, err := w.Sessions.ListBySubject(t.Context(), subject)
		w.must(err)
		if len(sessions) != 1 || sessions[0].Ref() != result.Session {
			t.Errorf("%d sessions, want the one of the result", len(sessions))
		}
		if again := b.get(w.request(directory.Interaction{})).answer(t); again.Session != result.Session {
			t.Errorf("the cookie opens %v, want %v", again.Session, result.Session)
		}
	})
}

// busyUsers cannot hash as long as it is told to be busy.
type busyUsers struct {
	directory.Users
	busy bool
}

func (u *busyUsers) VerifyPassword(ctx context.Context, user *directory.User, pass string) (bool, error) {
	if u.busy {
		return false, &password.BusyError{RetryAfter: 7 * time.Second}
	}
	return u.Users.VerifyPassword(ctx, user, pass)
}

func TestBusyHasherCountsNothing(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		users := &busyUsers{busy: true}
		w := newWorld(t, place, func(_ *flow.Config, d *directory.Config) {
			plain, err := directory.New(*d)
			if err != nil {
				t.Fatal(err)
			}
			users.Users = plain.Users
			d.Users = users
		})
		w.user("ann")
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		for range 8 {
			if got := b.login(p, "ann", goodPassword); !got.unavailable() || got.Header.Get("Retry-After") != "7" {
				t.Fatalf("got %v, Retry-After %q", got, got.Header.Get("Retry-After"))
			}
		}
		users.busy = false
		b.login(p, "ann", goodPassword).answer(t)
	})
}

func TestExpiredPage(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		var w *world
		broken := false
		w = newWorld(t, place, func(c *flow.Config, _ *directory.Config) {
			c.Restart = func(_ context.Context, _ *http.Request, sealed string) (string, error) {
				if broken {
					return "", errors.New("no store")
				}
				if sealed != "sealed" {
					return "", nil
				}
				return w.request(directory.Interaction{Restart: sealed}), nil
			}
		})
		w.user("ann")
		b := w.browser()
		p := b.get(w.request(directory.Interaction{Restart: "sealed"}))
		w.advance(31 * time.Minute)
		if got := b.get(p.View.Submit); got.Status != 404 || got.Failure.Code != "flow_expired" {
			t.Errorf("refreshed: got %v", got)
		}
		fresh := b.login(p, "ann", goodPassword)
		if fresh.step() != "password" || fresh.View.Flow == p.View.Flow || fresh.View.Sequence != 1 || b.cookie("session") != "" {
			t.Errorf("posted: got %v", fresh)
		}
		b.login(fresh, "ann", goodPassword).answer(t)

		forged := *p.View
		forged.Restart = "forged"
		if got := b.submit(page{View: &forged}, "username", "ann"); got.Status != 404 || got.Failure.Code != "flow_expired" {
			t.Errorf("forged: got %v", got)
		}
		forged.Restart = ""
		if got := b.submit(page{View: &forged}, "username", "ann"); got.Status != 404 || got.Failure.Code != "flow_expired" {
			t.Errorf("without: got %v", got)
		}
		broken = true
		if got := b.login(p, "ann", goodPassword); !got.unavailable() {
			t.Errorf("failing: got %v", got)
		}
	})
}

// The id on the failure page is in the log with the cause, and the cause is not on the page.
func TestCauseIsInTheLog(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		w.faults.FailAll(errors.New("disk on fire"))
		got := b.get(p.View.Submit)
		w.faults.Heal()
		if !got.unavailable() || strings.Contains(got.Failure.Detail, "fire") {
			t.Fatalf("got %v %+v", got, got.Failure)
		}
		if log := w.logged(); !strings.Contains(log, got.Failure.Correlation) || !strings.Contains(log, "disk on fire") {
			t.Errorf("log: %s", log)
		}
	})
}
