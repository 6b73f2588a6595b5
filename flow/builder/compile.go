package builder

import (
	"strings"

	"github.com/signet-idp/signet/flow"
)

// The nodes that no step was drawn for. No id has a colon.
const (
	arrived = "flow:arrived"
	checked = "flow:checked"
	succeed = "flow:success"
	fail    = "flow:failed"
)

// plan is a flow that the engine can go by.
type plan struct {
	flow.Plan
	drawings map[string]*flow.Drawing
}

var _ flow.DrawnPlan = plan{}

// Drawing implements [flow.DrawnPlan].
func (p plan) Drawing(step string) *flow.Drawing { return p.drawings[step] }

// Compile checks a flow and makes a Plan of it, with what is to be told afterwards as its completion says. The error joins a *RuleError
// for each problem.
func Compile(f *Flow, completion map[string]string) (flow.DrawnPlan, error) {
	way, err := check(f)
	if err != nil {
		return nil, err
	}
	g := graphOf(f.FlowType.canonical(), way, completion)
	compiled, err := g.Compile()
	if err != nil {
		return nil, err
	}
	p := plan{compiled, map[string]*flow.Drawing{}}
	for _, at := range way {
		if at.step.Type == viewStep {
			p.drawings[at.step.ID] = drawingOf(at)
		}
	}
	return p, nil
}

// graphOf is the graph of a flow. It ends in success only when what the flow is for was done; a proof that is good no more leads back to
// where another can be had.
func graphOf(of Type, way walk, completion map[string]string) flow.Graph {
	g := flow.Graph{Start: arrived}
	first := way[0].step.ID
	switch of {
	case Registration:
		g.Start = first
	case Recovery:
		g.Nodes = append(g.Nodes, came(way[len(way)-1].step.ID, first))
	case InvitedUser:
		first = way[len(way)-1].step.ID
		g.Nodes = append(g.Nodes, came(first, "flow:ticket"), step("flow:ticket", "invite-ticket", nil, first))
		way = way[len(way)-1:]
	}
	for i, p := range way {
		to := checked
		if i < len(way)-1 {
			to = way[i+1].step.ID
		}
		option, params := optionOf(of, p)
		if option == "recover" { // which sends what the next one waits for
			_, params = optionOf(of, way[i+1])
		}
		if option == "" { // what the button before it has done
			g.Nodes = append(g.Nodes, step(p.step.ID, "register-account", told(completion), checked))
			continue
		}
		n := step(p.step.ID, option, params, to)
		if option == "recover-password" || option == "invite" {
			n.Params = told(completion)
		}
		if of == Registration && p.does == userProvision { // with a form of its own
			account := p.step.ID + ":account"
			n.On["ok"] = account
			g.Nodes = append(g.Nodes, step(account, "register-account", told(completion), checked))
		}
		g.Nodes = append(g.Nodes, n)
	}
	again := fail
	switch of {
	case Registration:
		again = mailed(way)
		for i, n := range g.Nodes {
			if n.Options != nil && n.Options[0] == "register-account" {
				g.Nodes[i].On["failed"] = again
			}
		}
		again = fail
	case Recovery:
		again = first
	}
	g.Nodes = append(g.Nodes,
		flow.Node{Name: checked, If: &flow.Condition{Fact: flow.FactDone}, On: map[string]string{"yes": succeed, "no": again}},
		flow.Node{Name: succeed, End: flow.Succeeded},
	)
	if again == fail {
		g.Nodes = append(g.Nodes, flow.Node{Name: fail, End: flow.Failed})
	}
	return g
}

// came asks whether somebody has come by a link.
func came(yes, no string) flow.Node {
	return flow.Node{Name: arrived, If: &flow.Condition{Fact: flow.FactLink}, On: map[string]string{"yes": yes, "no": no}}
}

func step(name, option string, params map[string]string, ok string) flow.Node {
	return flow.Node{Name: name, Options: []string{option}, Params: params, On: map[string]string{"ok": ok}}
}

// mailed is the step that asks for the address.
func mailed(way walk) string {
	for _, p := range way {
		if p.asks(emailInput) {
			return p.step.ID
		}
	}
	return ""
}

// optionOf is the engine's Executor for a place, and what it is told; "" for a provisioning without a form.
func optionOf(of Type, p place) (option string, params map[string]string) {
	switch {
	case of == InvitedUser:
		return "invite", nil
	case of == Recovery && p.asks(passwordInput):
		return "recover-password", nil
	case of == Recovery && p.does == emailOTP:
		return "recover-code", map[string]string{flow.ParamLink: "no"}
	case of == Recovery && p.does == magicLink:
		return "recover-link", map[string]string{flow.ParamLink: "yes"}
	case of == Recovery:
		return "recover", nil
	case p.does == emailOTP:
		return "register-code", map[string]string{flow.ParamLink: "no"}
	case p.step.Type == executionStep:
		return "", nil
	}
	var fields []string
	for _, a := range p.inputs {
		name := a.field
		if a.required || a.identifier == emailInput || a.identifier == passwordInput {
			name += "+"
		}
		fields = append(fields, name)
	}
	option = "register-profile"
	if p.asks(emailInput) {
		option = "register"
	}
	return option, map[string]string{flow.ParamFields: strings.Join(fields, " "), flow.ParamLink: "no"}
}

// drawingOf is the form of a place.
func drawingOf(p place) *flow.Drawing {
	var drawn func(components []Component) []flow.Drawn
	drawn = func(components []Component) (all []flow.Drawn) {
		for _, c := range components {
			d := flow.Drawn{ID: c.ID, Type: c.Type, Variant: c.Variant, Config: c.Config, Components: drawn(c.Components)}
			for _, a := range p.inputs {
				if a.id == c.ID {
					d.Field, d.Identifier = a.field, a.identifier
				}
			}
			switch {
			case c.ID == p.on:
				d.Action = flow.MainAction
			case c.Type == button:
				d.Action = "resend"
			}
			all = append(all, d)
		}
		return all
	}
	return &flow.Drawing{Components: drawn(p.step.Data.Components)}
}
