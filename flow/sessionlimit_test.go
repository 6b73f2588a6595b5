package flow_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// limitSessions lets people have so many sessions, and asks them for more.
func (w *world) limitSessions(limit int) {
	w.Helper()
	policy := directory.SessionLimitPolicy{Max: limit, Over: directory.AskSession}
	w.must(directory.Set(w.Context(), w.Settings, w.Settings.SessionLimit, "", "", policy))
}

// choices are the names of the fields of a page.
func (p page) choices() (names []string) {
	for _, f := range p.View.Prompt.Fields {
		names = append(names, f.Name)
	}
	return names
}

// alive reports whether a browser is still signed in.
func (b *browser) alive() bool {
	b.Helper()
	return b.get(b.request(directory.Interaction{})).Result != nil
}

func TestSessionLimitAsks(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		w.limitSessions(2)
		phone, laptop, third := w.browser(), w.browser(), w.browser()
		agent := func(r *http.Request) { r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux) Firefox/140.0") }
		p := phone.get(w.request(directory.Interaction{}))
		phone.follow(phone.do("POST", p.View.Submit, fill(p.View, "username", "ann", "password", goodPassword), agent)).answer(t)
		w.advance(time.Second)
		laptop.signIn("ann")
		p = third.login(third.get(w.request(directory.Interaction{})), "ann", goodPassword)
		fields := p.View.Prompt.Fields
		if p.step() != "session-limit" || len(fields) != 2 || third.cookie("session") != "" {
			t.Fatalf("got %v with %+v", p, fields)
		}
		if fields[0].Params["device"] != "Firefox on Linux" || fields[1].Label != "session-limit.unknown" || fields[0].Hint.Params["address"] != "192.0.2.1" {
			t.Errorf("got %+v", fields)
		}
		if p = third.submit(p); p.step() != "session-limit" || p.message() != "session-limit.few" {
			t.Fatalf("none chosen: got %v", p)
		}
		third.submit(p, fields[0].Name, "true").answer(t)
		if phone.alive() || !laptop.alive() || !third.alive() {
			t.Errorf("phone %v, laptop %v, third %v", phone.alive(), laptop.alive(), third.alive())
		}
		third.get(w.request(directory.Interaction{ACR: []string{directory.ACR1}})).answer(t) // nothing new begins
		if p = third.login(third.get(w.request(directory.Interaction{Reauthenticate: true})), "ann", goodPassword); p.Result == nil {
			t.Errorf("a sign-in in a session of one's own: got %v", p)
		}
	})
}

// Who does not want any of them to end is not signed in, and nothing ends.
func TestSessionLimitLeft(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		w.limitSessions(1)
		first, second := w.browser(), w.browser()
		first.signIn("ann")
		p := second.login(second.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if p.step() != "session-limit" {
			t.Fatalf("got %v", p)
		}
		if p = second.submit(p, "action", "leave", p.choices()[0], "true"); p.Result == nil || p.Result.Refusal != directory.Denied {
			t.Errorf("got %v", p)
		}
		if !first.alive() || second.cookie("session") != "" {
			t.Error("something ended, or began")
		}
		p = second.login(second.get(w.request(directory.Interaction{})), "ann", goodPassword)
		first.endSession(first.get(w.request(directory.Interaction{})).answer(t).Session)
		if p = second.get(p.from); p.View.Prompt.Intro.ID != "session-limit.room" {
			t.Errorf("once there is room: got %v", p)
		}
		second.submit(p).answer(t)
	})
}

// The page is for whoever has shown everything; it names no session by its id, and ends none but of the person and of those it names.
func TestAttackSessionLimit(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		seed := w.totp(w.user("ann"))
		w.user("bob")
		w.limitSessions(1)
		anns, bobs := w.browser(), w.browser()
		session := anns.submit(anns.login(anns.get(w.request(directory.Interaction{})), "ann", goodPassword), "otp", w.code(seed)).answer(t)
		other := bobs.signIn("bob")
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if p.step() != "totp" {
			t.Fatalf("before the second factor: got %v", p)
		}
		if p = b.submit(p, "otp", w.nextCode(seed)); p.View == nil || p.step() != "session-limit" || len(p.choices()) != 1 || strings.Contains(p.choices()[0], session.Session.ID) {
			t.Fatalf("got %v", p)
		}
		bs := w.browser()
		theirs := bs.login(bs.get(w.request(directory.Interaction{})), "bob", goodPassword).choices()[0]
		for _, name := range []string{session.Session.ID, other.Session.ID, theirs, "session_x"} {
			if got := b.submit(p, name, "true"); got.Status != http.StatusBadRequest {
				t.Errorf("%s: got %v", name, got)
			}
		}
		if !anns.alive() || !bobs.alive() {
			t.Error("a session has ended")
		}
	})
}

// Of several who sign in at once no more get in than may.
func TestAttackSessionLimitInParallel(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		w.limitSessions(2)
		browsers := make([]*browser, 6)
		pages := make([]page, len(browsers))
		for i := range browsers {
			browsers[i] = w.browser()
			pages[i] = browsers[i].get(w.request(directory.Interaction{}))
		}
		var wg sync.WaitGroup
		for i, b := range browsers {
			wg.Go(func() { b.login(pages[i], "ann", goodPassword) })
		}
		wg.Wait()
		in := 0
		for _, b := range browsers {
			if b.cookie("session") != "" && b.alive() {
				in++
			}
		}
		if in > 2 {
			t.Errorf("%d sessions", in)
		}
	})
}

// A plan may have a limit of its own.
func TestSessionLimitOfAPlan(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		login := &strict{Plan: flow.Login()}
		w := newWorld(t, place, func(c *flow.Config, _ *directory.Config) { c.Plans = map[string]flow.Plan{"login": login} })
		w.user("ann")
		first, second := w.browser(), w.browser()
		first.signIn("ann")
		login.limit = "1"
		p := second.login(second.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if p.step() != "session-limit" {
			t.Fatalf("got %v", p)
		}
		second.submit(p, p.choices()[0], "true").answer(t)
		if first.alive() || !second.alive() {
			t.Errorf("first %v, second %v", first.alive(), second.alive())
		}
	})
}

// strict is a login that leaves people so many sessions.
type strict struct {
	flow.Plan
	limit string
}

func (l *strict) Steps() []flow.Step {
	return append(slices.Clone(l.Plan.Steps()), flow.Step{Name: "room", Options: []string{"session-limit"}})
}

func (l *strict) Next(ctx context.Context, s *flow.State) (flow.Move, error) {
	move, err := l.Plan.Next(ctx, s)
	if err != nil || move.Step != "" || l.limit == "" || s.Last.Step != "password" {
		return move, err
	}
	return flow.Move{Step: "room", Params: map[string]string{flow.MaxSessions: l.limit}}, nil
}
