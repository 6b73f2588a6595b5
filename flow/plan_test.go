package flow_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	plan, err := flow.Compile(flow.Step{Name: "a", Options: []string{"nobody"}, When: always})
	if err != nil {
		t.Fatal(err)
	}
	_, err = flow.New(flow.Config{
		Issuer: "http://id.example.com", Plans: map[string]flow.Plan{"login": plan}, Lifetime: -1, TOTP: mfa.TOTP{Digits: 3},
	})
	for _, want := range []string{"Config.DB", "Config.Directory", "Config.Issuer", "Config.Transport", "Config.Lifetime", "Config.TOTP", `"nobody"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
}

func TestPlanIsChecked(t *testing.T) {
	t.Parallel()
	_, err := flow.Compile(flow.Step{Name: "a", When: always}, flow.Step{Name: "a", Options: []string{"password"}}, flow.Step{})
	for _, want := range []string{`step "a" has no options`, `step "a" has no When`, `step 1: name "a"`, `step 2: name ""`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %s: %v", want, err)
		}
	}
	if _, err := flow.Compile(); err == nil {
		t.Error("an empty plan")
	}
}

func always(context.Context, *flow.State) (bool, error) { return true, nil }

// badge is a host's factor: whoever types a name holds the badge of that name.
type badge struct{ world **world }

func (badge) Prepare(_ context.Context, s *flow.State) error {
	s.Data = []byte("prepared")
	return nil
}

func (badge) Prompt(_ context.Context, s *flow.State) (flow.Prompt, error) {
	return flow.Prompt{
		Step: "badge", Title: flow.Message{ID: "badge|" + string(s.Data)},
		Fields:  []flow.Field{{Name: "name", Type: flow.TextField}},
		Actions: []flow.Action{{Name: "show", Label: "badge.show"}},
	}, nil
}

func (b badge) Judge(ctx context.Context, s *flow.State, in flow.Input) (flow.Verdict, error) {
	w := *b.world
	u, err := w.FindUser(ctx, "", in.Value("name"))
	if errors.Is(err, store.ErrNotFound) {
		return flow.Verdict{Problems: map[string]flow.Message{"name": {ID: "badge.unknown"}}, Keep: map[string]string{"name": "?"}}, nil
	}
	if err != nil {
		return flow.Verdict{}, err
	}
	subject, err := w.SubjectOf(ctx, u)
	return flow.Verdict{
		Outcome: flow.Proceed, Subject: subject,
		Evidence: []directory.Evidence{{Method: "badge", AMR: []string{"hwk"}, Subject: subject.ID, Time: s.Now}},
	}, err
}

// badges is a world whose people show a badge after their password.
func badges(t *testing.T, p storetest.Placement, more ...string) *world {
	t.Helper()
	var w *world
	missing := func(method string) func(context.Context, *flow.State) (bool, error) {
		return func(_ context.Context, s *flow.State) (bool, error) {
			return !slices.ContainsFunc(s.Evidence, func(e directory.Evidence) bool { return e.Method == method }), nil
		}
	}
	plan, err := flow.Compile(
		flow.Step{Name: "password", Options: []string{"password"}, When: missing("password")},
		flow.Step{Name: "second", Options: append([]string{"badge"}, more...), When: func(ctx context.Context, s *flow.State) (bool, error) {
			reached, err := s.Assurance(ctx)
			return !reached.Satisfies(directory.ACR2), err
		}},
	)
	if err != nil {
		t.Fatal(err)
	}
	w = newWorld(t, p, func(c *flow.Config, _ *directory.Config) {
		c.Plans, c.Executors = map[string]flow.Plan{"login": plan}, map[string]flow.Executor{"badge": badge{&w}}
	})
	return w
}

func TestHostsExecutor(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		w := badges(t, place)
		w.user("ann")
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if p.step() != "badge" || p.View.Prompt.Title.ID != "badge|prepared" {
			t.Fatalf("got %v %+v", p, p.View)
		}
		p = b.submit(p, "name", "nobody")
		if f := p.View.Prompt.Fields[0]; f.Problem.ID != "badge.unknown" || f.Value != "?" {
			t.Errorf("field %+v", f)
		}
		result := b.submit(p, "name", "ann").answer(t)
		if a := directory.Assess(result.Evidence); a.ACR != directory.ACR2 {
			t.Errorf("assurance %+v", a)
		}
	})
}

// The factors of two people never make one login.
func TestFactorsOfTwoPeople(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		w := badges(t, place)
		w.user("ann")
		w.user("bob")
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if p = b.submit(p, "name", "bob"); p.Result == nil || p.Result.Refusal != directory.LoginRequired || b.cookie("session") != "" {
			t.Errorf("within a flow: got %v", p)
		}
		p = b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		b.submit(p, "name", "ann").answer(t)
		w.advance(5 * time.Minute)
		p = b.get(w.request(directory.Interaction{MaxAge: age(time.Minute)}))
		if p = b.login(p, "bob", goodPassword); p.step() != "badge" {
			t.Errorf("out of ann's session: got %v", p)
		}
	})
}

// A step with several options lets the person choose; what was begun by one way is gone.
func TestOtherMethod(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		w := badges(t, place, "totp")
		seed := w.totp(w.user("ann"))
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if p.step() != "badge" || !slices.ContainsFunc(p.View.Prompt.Actions, func(a flow.Action) bool { return a.Name == "method_totp" }) {
			t.Fatalf("got %v %+v", p, p.View.Prompt.Actions)
		}
		old := p
		if p = b.submit(p, "action", "method_totp"); p.step() != "totp" {
			t.Fatalf("got %v", p)
		}
		if got := b.submit(old, "name", "ann"); got.step() != "totp" {
			t.Errorf("the page before was judged: %v", got)
		}
		if p = b.submit(p, "action", "method_badge"); p.step() != "badge" {
			t.Fatalf("got %v", p)
		}
		b.submit(b.submit(p, "action", "method_totp"), "otp", w.code(seed)).answer(t)
	})
}

// A plan that is content with less than the request insists on is not believed.
func TestNoSuccessWithoutAssurance(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		lax, err := flow.Compile(flow.Step{Name: "password", Options: []string{"password"}, When: func(_ context.Context, s *flow.State) (bool, error) {
			return len(s.Evidence) == 0, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, place, func(c *flow.Config, _ *directory.Config) { c.Plans = map[string]flow.Plan{"login": lax} })
		w.user("ann")
		for name, in := range map[string]directory.Interaction{
			"class":  {ACR: []string{directory.ACR2}, EssentialACR: true},
			"policy": {Application: w.app(directory.SecondFactorRequired).Ref()},
		} {
			b := w.browser()
			p := b.login(b.get(w.request(in)), "ann", goodPassword)
			if p.Result == nil || p.Result.Refusal != directory.Unmet || b.cookie("session") != "" {
				t.Errorf("%s: got %v", name, p)
			}
		}
	})
}
