package federated_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/store/directory"
)

// course is a plan that asks for its steps one after the other, whatever comes of each.
type course []string

func (course) Steps() []flow.Step {
	return []flow.Step{
		{Name: "up", Options: []string{"up"}, Fails: true, Passive: directory.LoginRequired},
		{Name: "password", Options: []string{"password"}, Passive: directory.LoginRequired},
		{Name: "do", Options: []string{"do"}},
	}
}

func (c course) Next(_ context.Context, s *flow.State) (flow.Move, error) {
	if len(s.Memory) == len(c) {
		return flow.Move{}, nil
	}
	next := c[len(s.Memory)]
	s.Memory = append(s.Memory, 'x')
	return flow.Move{Step: next}, nil
}

// goes has everybody sign in by a course, in which "do" is what the test says.
func (w *world) goes(do func(ctx context.Context, s *flow.State) error, steps ...string) {
	w.rebuild(func(c *flow.Config) {
		c.Plans = map[string]flow.Plan{"login": course(steps)}
		c.Executors["do"] = flow.Act(func(ctx context.Context, s *flow.State) (flow.Verdict, error) {
			return flow.Verdict{Outcome: flow.Proceed}, do(ctx, s)
		})
	})
}

// away goes to the provider from a page that offers nothing else, and comes back.
func (b *browser) away(p page) page {
	b.Helper()
	out := b.press(p, "federated")
	to, ok := strings.CutPrefix(out.header.Get("Refresh"), "0;url=")
	if !ok {
		b.Fatalf("no way out: %d at %s\n%s", out.status, out.at, out.body)
	}
	return b.open(to)
}

// Whom somebody is here that comes from a provider for the first time is proven in the same flow, and both sides have verified one address:
// then they are linked, and come by the provider alone from then on, until that is undone.
func TestLinkProven(t *testing.T) {
	everywhere(t, func(w *world) {
		ann := w.user("ann", "ann@example.com", true)
		var linked []bool
		link := func(ctx context.Context, s *flow.State) error {
			ok, err := w.connections.LinkProven(ctx, s)
			linked = append(linked, ok)
			return err
		}
		w.goes(link, "up", "password", "do", "do")
		b := w.browser()
		b.isIn(b.press(b.away(b.begin()), "login", "username", "ann", "password", goodPassword))
		if len(linked) != 2 || !linked[0] || !linked[1] {
			t.Fatalf("linked: %v", linked)
		}
		unlink := func(ctx context.Context, s *flow.State) error {
			ok, err := w.connections.UnlinkProven(ctx, s)
			linked = append(linked, ok)
			return err
		}
		w.goes(unlink, "up", "do", "do")
		b = w.browser()
		if u := b.isIn(b.away(b.begin())); u.ID != ann.ID || len(linked) != 4 || !linked[2] || !linked[3] {
			t.Errorf("%v, %v", u.Username, linked)
		}
		if links, err := w.connections.Links(t.Context(), w.SubjectRef(ann)); err != nil || len(links) != 0 {
			t.Errorf("left: %v, %v", links, err)
		}
	}, func(c *federated.Connection) { c.Create = false })
}

// A flow links nobody by less: not whoever was told an address by a provider that has not verified it, nor has another one here; not by the
// word of the provider alone, by what a session has brought, or by a password of somebody with a second factor; and nobody takes over what
// is somebody else's.
func TestAttackLinkUnproven(t *testing.T) {
	everywhere(t, func(w *world) {
		w.user("ann", "ann@example.com", true)
		w.user("bob", "bob@example.com", true)
		w.user("carl", "carl@example.com", false)
		careful := w.user("dora", "dora@example.com", true)
		w.must(w.enrollTOTP(careful))
		var linked []bool
		try := func(do func(context.Context, *flow.State) (bool, error)) func(ctx context.Context, s *flow.State) error {
			return func(ctx context.Context, s *flow.State) error {
				ok, err := do(ctx, s)
				linked = append(linked, ok)
				return err
			}
		}
		w.goes(try(w.connections.LinkProven), "up", "password", "do")
		for _, test := range []struct {
			name, email string
			verified    any
			as          string
		}{
			{"not verified there", "ann@example.com", false, "ann"},
			{"said to be verified", "ann@example.com", "true", "ann"},
			{"not verified here", "carl@example.com", true, "carl"},
			{"another address", "ann@example.com", true, "bob"},
			{"no address", "", true, "ann"},
			{"a letter that looks like it", "\u212Aann@example.com", true, "ann"},
			{"one factor of two", "dora@example.com", true, "dora"},
		} {
			w.up.says("email", test.email)
			w.up.says("email_verified", test.verified)
			b := w.browser()
			if p := b.press(b.away(b.begin()), "login", "username", test.as, "password", goodPassword); p.status >= 500 {
				t.Errorf("%s: %d %s", test.name, p.status, p.body)
			}
			if n := len(linked); n == 0 || linked[n-1] {
				t.Errorf("%s: %v", test.name, linked)
			}
		}
		if found, err := w.connections.Linked(t.Context(), w.up.URL, "upstream-1"); err == nil {
			t.Fatalf("linked with %v", found)
		}
		w.up.says("email", "ann@example.com")
		w.up.says("email_verified", true)

		// From a session, without a proof of its own in the flow.
		w.goes(func(context.Context, *flow.State) error { return nil }, "password")
		b := w.browser()
		b.isIn(b.press(b.begin(), "login", "username", "ann", "password", goodPassword))
		w.goes(try(w.connections.LinkProven), "up", "do")
		b.away(b.begin())
		w.goes(try(w.connections.LinkProven), "do") // and without anybody who has come back
		b.open(b.URL + "/private?request=of-its-own")
		for _, ok := range linked {
			if ok {
				t.Fatalf("from a session: %v", linked)
			}
		}

		// What is Ann's stays hers, whatever Bob proves; and is not Bob's to undo.
		w.goes(try(w.connections.LinkProven), "up", "password", "do")
		b = w.browser()
		b.isIn(b.press(b.away(b.begin()), "login", "username", "ann", "password", goodPassword))
		if !linked[len(linked)-1] {
			t.Fatal("Ann was not linked")
		}
		for name, do := range map[string]func(context.Context, *flow.State) (bool, error){"link": w.connections.LinkProven, "unlink": w.connections.UnlinkProven} {
			w.up.says("email", "bob@example.com")
			w.goes(try(do), "password", "up", "do")
			b = w.browser()
			p := b.press(b.begin(), "login", "username", "bob", "password", goodPassword)
			before := len(linked)
			b.away(p) // which ends there: it is somebody else who comes back
			if len(linked) > before {
				t.Errorf("%s: the flow goes on, %v", name, linked[before:])
			}
			ref, err := w.connections.Linked(t.Context(), w.up.URL, "upstream-1")
			if owner, _ := w.FindUser(t.Context(), "", "ann"); err != nil || ref != w.SubjectRef(owner) {
				t.Errorf("%s: it is %v's now, %v", name, ref, err)
			}
		}
	}, func(c *federated.Connection) { c.Create = false })
}

// A store that fails has linked nobody, and is no "no".
func TestLinkProvenFaults(t *testing.T) {
	everywhere(t, func(w *world) {
		w.user("ann", "ann@example.com", true)
		fails := true
		w.goes(func(ctx context.Context, s *flow.State) error {
			if fails {
				w.faults.FailAll(errors.New("no store"))
				defer w.faults.Heal()
			}
			_, err := w.connections.LinkProven(ctx, s)
			return err
		}, "up", "password", "do")
		b := w.browser()
		p := b.away(b.begin())
		if failed := b.press(p, "login", "username", "ann", "password", goodPassword); failed.status != http.StatusServiceUnavailable {
			t.Errorf("a failing store: %d at %s", failed.status, failed.at)
		}
		if _, err := w.connections.Linked(t.Context(), w.up.URL, "upstream-1"); err == nil {
			t.Error("linked all the same")
		}
		fails = false
		b = w.browser()
		b.isIn(b.press(b.away(b.begin()), "login", "username", "ann", "password", goodPassword))
		if _, err := w.connections.Linked(t.Context(), w.up.URL, "upstream-1"); err != nil {
			t.Error(err)
		}
	}, func(c *federated.Connection) { c.Create = false })
}

// enrollTOTP gives somebody a second factor.
func (w *world) enrollTOTP(u *directory.User) error {
	b := w.db.Batch()
	if err := w.Credentials.EnrollTOTP(w.Context(), b, w.SubjectRef(u), "app", make([]byte, 20), 0); err != nil {
		return err
	}
	return b.Apply(w.Context())
}
