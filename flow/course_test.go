package flow_test

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// question asks for a text and keeps it as a fact of its name.
type question struct {
	name string
	send func(b *store.Batch) error
}

func (q question) Prepare(_ context.Context, s *flow.State) error {
	if q.send != nil {
		s.Write(q.send)
	}
	return nil
}

func (q question) Prompt(_ context.Context, s *flow.State) (flow.Prompt, error) {
	return flow.Prompt{
		Step: q.name, Title: flow.Message{ID: q.name + s.Params["title"]},
		Fields:  []flow.Field{{Name: "answer", Type: flow.TextField}},
		Actions: []flow.Action{{Name: "send"}, {Name: "later"}, {Name: "aside", Plan: "aside"}},
	}, nil
}

func (q question) Judge(_ context.Context, _ *flow.State, in flow.Input) (flow.Verdict, error) {
	switch in.Value("answer") {
	case "wrong":
		return flow.Verdict{Messages: []flow.Message{{ID: "question.wrong"}}}, nil
	case "long":
		return flow.Verdict{Outcome: flow.Proceed, Facts: map[string]string{q.name: strings.Repeat("x", 17<<10)}}, nil
	}
	return flow.Verdict{Outcome: flow.Proceed, Facts: map[string]string{q.name: in.Value("answer")}}, nil
}

// without is a condition for a step that is missing as long as a fact is.
func without(fact string) func(context.Context, *flow.State) (bool, error) {
	return func(_ context.Context, s *flow.State) (bool, error) { return s.Facts[fact] == "", nil }
}

func compiled(t *testing.T, steps ...flow.Step) flow.Plan {
	t.Helper()
	plan, err := flow.Compile(steps...)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// vouch is an Act that proves that the person is the one whose name is the fact "who".
func vouch(w **world) flow.Act {
	return func(ctx context.Context, s *flow.State) (flow.Verdict, error) {
		user, err := (*w).FindUser(ctx, "", s.Facts["who"])
		if errors.Is(err, store.ErrNotFound) {
			return flow.Verdict{Outcome: flow.Again}, nil
		}
		if err != nil {
			return flow.Verdict{}, err
		}
		subject, err := (*w).SubjectOf(ctx, user)
		return flow.Verdict{
			Outcome: flow.Proceed, Subject: subject,
			Evidence: []directory.Evidence{{Method: "badge", AMR: []string{"hwk"}, Subject: subject.ID, Time: s.Now}},
		}, err
	}
}

// winding is a world in which a person says who they are, is believed, and answers a question.
func winding(t *testing.T, p storetest.Placement, more map[string]flow.Plan) *world {
	t.Helper()
	var w *world
	plans := map[string]flow.Plan{
		"login": compiled(t,
			flow.Step{Name: "who", Options: []string{"who"}, When: without("who")},
			flow.Step{Name: "vouch", Options: []string{"vouch"}, When: func(_ context.Context, s *flow.State) (bool, error) {
				return s.Subject.IsZero(), nil
			}},
			flow.Step{Name: "why", Options: []string{"why"}, When: without("why")},
		),
		"aside": compiled(t, flow.Step{Name: "remark", Options: []string{"remark"}, When: without("remark")}),
	}
	maps.Copy(plans, more)
	w = newWorld(t, p, func(c *flow.Config, _ *directory.Config) {
		c.Plans = plans
		c.Executors = map[string]flow.Executor{
			"who": question{name: "who"}, "why": question{name: "why"}, "remark": question{name: "remark"}, "vouch": vouch(&w),
		}
	})
	w.user("ann")
	return w
}

func TestStepThatAsksNothing(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		b := winding(t, place, nil).browser()
		p := b.submit(b.get(b.request(directory.Interaction{})), "answer", "ann")
		if p.step() != "why" {
			t.Fatalf("got %v: the step that asks nothing was not passed", p)
		}
		if b.cookie("session") != "" {
			t.Error("a session before the flow was complete")
		}
		result := b.submit(p, "answer", "because").answer(t)
		if len(result.Evidence) != 1 || result.Evidence[0].Method != "badge" {
			t.Errorf("evidence %+v", result.Evidence)
		}
	})
}

// A step that asks nothing and fails where its plan does not expect it is a failure of the machinery: nobody passes.
func TestActThatFails(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		b := winding(t, place, nil).browser()
		p := b.submit(b.get(b.request(directory.Interaction{})), "answer", "nobody")
		if p.Failure == nil || p.Status != 503 || b.cookie("session") != "" {
			t.Errorf("got %v", p)
		}
	})
}

func TestFactsAreBounded(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		b := winding(t, place, nil).browser()
		p := b.submit(b.get(b.request(directory.Interaction{})), "answer", "long")
		if p.Failure == nil || p.Status != 503 {
			t.Errorf("got %v", p)
		}
	})
}

func TestPlanWithinAPlan(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		b := winding(t, place, nil).browser()
		p := b.get(b.request(directory.Interaction{}))
		if slices.ContainsFunc(p.View.Prompt.Actions, func(a flow.Action) bool { return a.Name == "back" }) {
			t.Error("there is a way back where nothing was left")
		}
		p = b.submit(p, "action", "aside")
		if p.step() != "remark" {
			t.Fatalf("got %v", p)
		}
		if p = b.submit(p, "action", "back"); p.step() != "who" {
			t.Fatalf("back: got %v", p)
		}
		p = b.submit(b.submit(p, "action", "aside"), "answer", "hm")
		if p.step() != "who" {
			t.Fatalf("after the other plan: got %v", p)
		}
		b.submit(b.submit(p, "answer", "ann"), "answer", "because").answer(t)
	})
}

func TestPlansCalledTooDeep(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		b := winding(t, place, nil).browser()
		p := b.get(b.request(directory.Interaction{}))
		for range 4 {
			p = b.submit(p, "action", "aside")
		}
		if p = b.submit(p, "action", "aside"); p.Status != 503 {
			t.Errorf("got %v", p)
		}
	})
}

// What Prepare wants to write is written with the step, once, and not at all when the step is not come to.
func TestPrepareWrites(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		w := newWorld(t, place, func(c *flow.Config, _ *directory.Config) {
			c.Plans = map[string]flow.Plan{"login": compiled(t,
				flow.Step{Name: "who", Options: []string{"who"}, When: without("who")},
				flow.Step{Name: "why", Options: []string{"why"}, When: without("why")},
			)}
			c.Executors = map[string]flow.Executor{"who": question{name: "who"}, "why": question{name: "why", send: func(b *store.Batch) error {
				b.Event(store.Event{Type: "asked.why"})
				return nil
			}}}
		})
		sent := func() int { return w.events("asked.why") }
		b := w.browser()
		p := b.get(b.request(directory.Interaction{}))
		if n := sent(); n != 0 {
			t.Errorf("%d before the step", n)
		}
		p = b.submit(p, "answer", "ann")
		b.get(p.View.Submit) // a page that is refreshed
		if n := sent(); n != 1 {
			t.Errorf("%d after the step was come to; want 1", n)
		}
	})
}

// shelf is a Source with one plan, which can be changed.
type shelf struct {
	of      string               // its name; "" is login
	plans   map[string]flow.Plan // by version
	current string
}

func (s *shelf) Find(_ context.Context, _ directory.Interaction, name string) (flow.Plan, string, error) {
	if name != cmp.Or(s.of, "login") || s.current == "" {
		return nil, "", nil
	}
	return s.plans[s.current], s.current, nil
}

func (s *shelf) Version(_ context.Context, version string) (flow.Plan, error) {
	if plan := s.plans[version]; plan != nil {
		return plan, nil
	}
	return nil, store.ErrNotFound
}

// A flow goes on by the plan with which it began, whatever becomes of that.
func TestSourceThatChanges(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		w := winding(t, place, nil)
		source := &shelf{current: "v1", plans: map[string]flow.Plan{
			"v1": compiled(t, flow.Step{Name: "who", Options: []string{"who"}, When: without("who")}, flow.Step{Name: "why", Options: []string{"why"}, When: without("why")}),
			"v2": compiled(t, flow.Step{Name: "remark", Options: []string{"remark"}, When: without("remark")}),
			"v3": compiled(t, flow.Step{Name: "x", Options: []string{"gone"}, When: without("x")}),
		}}
		w.engine = w.rebuild(func(c *flow.Config) { c.Source = source })
		w.serve()
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		source.current = "v2"
		if p = b.submit(p, "answer", "ann"); p.step() != "why" {
			t.Errorf("a flow under way: got %v", p)
		}
		if fresh := b.get(w.request(directory.Interaction{})); fresh.step() != "remark" {
			t.Errorf("a flow that begins: got %v", fresh)
		}
		delete(source.plans, "v1")
		if p = b.submit(p, "answer", "because"); p.Failure == nil || p.Failure.Code != "flow_expired" {
			t.Errorf("a version that is gone: got %v", p)
		}
		source.current = "v3"
		if p = b.get(w.request(directory.Interaction{})); p.Status != 503 {
			t.Errorf("a plan that names an executor that is not there: got %v", p)
		}
	})
}

// A plan that was made for an engine with more Executors, as before passkeys were turned off, is closed: it is no failure, and nobody is led
// into the plan of the Config in its place.
func TestSourceOfAnotherEngine(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		remark := flow.Step{Name: "remark", Options: []string{"remark"}, When: without("remark")}
		w := winding(t, place, map[string]flow.Plan{"register": compiled(t, remark)})
		source := &shelf{of: "register", current: "v1", plans: map[string]flow.Plan{"v1": compiled(t, remark)}}
		w.engine = w.rebuild(func(c *flow.Config) { c.Source = source })
		w.serve()
		b := w.browser()
		request := directory.Interaction{CreateAccount: true}
		p := b.get(w.request(request))
		if p.step() != "remark" {
			t.Fatalf("got %v", p)
		}
		source.plans["v1"] = compiled(t, remark, flow.Step{Name: "x", Options: []string{"gone"}, When: without("x")})
		if p = b.submit(p, "answer", "hm"); p.Failure == nil || p.Failure.Code != "flow_expired" {
			t.Errorf("a flow under way: got %v", p)
		}
		if p = b.get(w.request(request)); p.Result == nil || p.Result.Refusal != directory.RegistrationUnavailable {
			t.Errorf("a flow that begins: got %v", p)
		}
		p = b.get(w.request(directory.Interaction{}))
		if p.step() != "who" || slices.ContainsFunc(p.View.Prompt.Actions, func(a flow.Action) bool { return a.Name == "register" }) {
			t.Errorf("it is offered: %v", p)
		}
	})
}

// People find a way in that no application has asked for, where the host has a place for them.
func TestDoors(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		w := winding(t, place, map[string]flow.Plan{
			"register": compiled(t, flow.Step{Name: "remark", Options: []string{"remark"}, When: without("remark")}),
		})
		b := w.browser()
		if p := b.get("/t/login"); p.Failure == nil || p.Failure.Code != "flow_expired" {
			t.Errorf("without a home: got %v", p)
		}
		w.engine = w.rebuild(func(c *flow.Config) { c.Home = "/home" })
		w.serve()
		p := b.get("/t/login")
		if p.step() != "who" {
			t.Fatalf("got %v", p)
		}
		if !slices.ContainsFunc(p.View.Prompt.Actions, func(a flow.Action) bool { return a.Name == "register" }) {
			t.Error("no way to make an account")
		}
		if p = b.get("/t/register"); p.step() != "remark" {
			t.Fatalf("register: got %v", p)
		}
		if p = b.submit(p, "answer", "hm"); p.step() != "who" {
			t.Fatalf("after registering: got %v", p)
		}
		p = b.submit(p, "answer", "ann")
		if p = b.do("POST", p.View.Submit, fill(p.View, "answer", "because")); p.Location != "/home" || b.cookie("session") == "" {
			t.Errorf("got %v with session %q", p, b.cookie("session"))
		}
		if p = b.get("/t/recover"); p.Failure == nil || p.Failure.Code != "not_offered" {
			t.Errorf("recover: got %v", p)
		}
	})
}

// prompt=create begins with the account, and is refused where nobody can make one.
func TestCreateAccount(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		w := winding(t, place, nil)
		b := w.browser()
		if p := b.get(w.request(directory.Interaction{CreateAccount: true})); p.Result == nil || p.Result.Refusal != directory.RegistrationUnavailable {
			t.Errorf("got %v", p)
		}
	})
}
