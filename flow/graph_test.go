package flow_test

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// twoFactors is a graph that asks for a password, and for a code from outside the company.
func twoFactors() flow.Graph {
	return flow.Graph{
		Start: "known",
		Nodes: []flow.Node{
			{Name: "known", If: &flow.Condition{Evidence: []string{"password"}}, On: map[string]string{"yes": "inside", "no": "password"}},
			{Name: "password", Options: []string{"password"}, Passive: directory.LoginRequired, On: map[string]string{"ok": "inside"}},
			{
				Name: "inside", If: &flow.Condition{Any: []flow.Condition{
					{Address: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, {Assurance: directory.ACR2},
				}},
				On: map[string]string{"yes": "done", "no": "code"},
			},
			{Name: "code", Options: []string{"totp"}, Params: map[string]string{"a": "b"}, On: map[string]string{"ok": "done", "failed": "out"}},
			{Name: "done", End: flow.Succeeded},
			{Name: "out", End: flow.Failed, Failure: directory.Failure{Code: "access_denied", Description: "no code"}},
		},
	}
}

func compiledGraph(t *testing.T, g flow.Graph) flow.Plan {
	t.Helper()
	plan, err := g.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestGraphRuns(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		w := newWorld(t, place, func(c *flow.Config, _ *directory.Config) {
			c.Plans = map[string]flow.Plan{"login": compiledGraph(t, twoFactors())}
		})
		seed := w.totp(w.user("ann"))
		inside := w.browser()
		inside.address = "10.1.2.3"
		p := inside.login(inside.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if result := p.answer(t); directory.Assess(result.Evidence).ACR != directory.ACR1 {
			t.Errorf("inside: %+v", result.Evidence)
		}
		outside := w.browser()
		p = outside.login(outside.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if p.step() != "totp" {
			t.Fatalf("outside: got %v", p)
		}
		outside.submit(p, "otp", w.code(seed)).answer(t)
		if p = outside.get(w.request(directory.Interaction{})); p.Result == nil || p.Result.Refusal != "" {
			t.Errorf("with a session: got %v", p)
		}
		if p = w.browser().get(w.request(directory.Interaction{Passive: true})); p.Result == nil || p.Result.Refusal != directory.LoginRequired {
			t.Errorf("without asking: got %v", p)
		}
	})
}

// A wrong answer leads where the graph says, is counted all the same, and the application hears what the graph tells it.
func TestGraphStepThatFails(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		w := newWorld(t, place, func(c *flow.Config, _ *directory.Config) {
			c.Plans = map[string]flow.Plan{"login": compiledGraph(t, twoFactors())}
		})
		seed := w.totp(w.user("ann"))
		for i := range 6 {
			b := w.browser()
			p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
			code := "000000"
			if i == 5 { // locked by now: the right one is refused as well
				code = w.code(seed)
			}
			p = b.submit(p, "otp", code)
			if p.Result == nil || p.Result.Refusal != directory.Denied || p.Result.Failure.Description != "no code" || b.cookie("session") != "" {
				t.Fatalf("attempt %d: got %v", i, p)
			}
		}
	})
}

func TestGraphRoundTrips(t *testing.T) {
	t.Parallel()
	before := twoFactors()
	text, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	var after flow.Graph
	if err := json.Unmarshal(text, &after); err != nil || !reflect.DeepEqual(before, after) {
		t.Errorf("%v\n%+v\n%+v", err, before, after)
	}
	one, err := before.Hash()
	if err != nil {
		t.Fatal(err)
	}
	if two, _ := after.Hash(); one != two {
		t.Error("the hash of the same graph differs")
	}
	after.Nodes[3].Params["a"] = "c"
	if other, _ := after.Hash(); one == other {
		t.Error("the hash of another graph does not differ")
	}
}

func TestGraphIsChecked(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(g *flow.Graph){
		`outcome "ok" leads nowhere`:                      func(g *flow.Graph) { g.Nodes[1].On = nil },
		`leads to "nowhere", which is no node`:            func(g *flow.Graph) { g.Nodes[1].On["ok"] = "nowhere" },
		`the start "" is no node`:                         func(g *flow.Graph) { g.Start = "" },
		`nothing leads to node "out"`:                     func(g *flow.Graph) { delete(g.Nodes[3].On, "failed") },
		`node "code" is not exactly one of`:               func(g *flow.Graph) { g.Nodes[3].Call = "x" },
		`no end "perhaps"`:                                func(g *flow.Graph) { g.Nodes[4].End = "perhaps" },
		`there is no class of authentication "aal9"`:      func(g *flow.Graph) { g.Target = "aal9" },
		`no class of authentication "strong"`:             func(g *flow.Graph) { g.Nodes[2].If.Any[1].Assurance = "strong" },
		`name "code" is empty or stands twice`:            func(g *flow.Graph) { g.Nodes[1].Name = "code" },
		`no way leads from node "code" to an end`:         func(g *flow.Graph) { g.Nodes[3].On = map[string]string{"ok": "code"} },
		`node "known" is in a circle in which nothing`:    func(g *flow.Graph) { g.Nodes[2].On["no"], g.Nodes[0].On["no"] = "known", "inside" },
		`node "known" has no outcome "maybe"`:             func(g *flow.Graph) { g.Nodes[0].On["maybe"] = "done" },
		`a graph needs a step`:                            func(g *flow.Graph) { g.Nodes = []flow.Node{{Name: "known", End: flow.Succeeded}} },
		`node "inside": flow: condition: In needs a Fact`: func(g *flow.Graph) { g.Nodes[2].If.In = []string{"x"} },
	} {
		g := twoFactors()
		spoil(&g)
		if _, err := g.Compile(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s, got %v", want, err)
		}
	}
}

// A graph with a target is refused when there is any way to success that proves less.
func TestAttackGraphBelowItsTarget(t *testing.T) {
	t.Parallel()
	w := together(t)
	g := twoFactors()
	g.Target = directory.ACR2
	err := w.engine.CheckPlan(compiledGraph(t, g))
	if err == nil || !strings.Contains(err.Error(), `a way to node "done" that proves less than "aal2"`) {
		t.Errorf("who is inside needs no second factor, which is less than the target: %v", err)
	}
	g.Nodes[2].If = &flow.Condition{Assurance: directory.ACR2}
	if err := w.engine.CheckPlan(compiledGraph(t, g)); err != nil {
		t.Errorf("every way proves two factors: %v", err)
	}
	g.Nodes[3].On["to_skip"] = "done"
	if err := w.engine.CheckPlan(compiledGraph(t, g)); err == nil {
		t.Error("a button that leaves the code unanswered counts as the code")
	}
	delete(g.Nodes[3].On, "to_skip")
	g.Nodes[3].Options = []string{"password"}
	if err := w.engine.CheckPlan(compiledGraph(t, g)); err == nil {
		t.Error("a password twice counts as two factors")
	}
}
