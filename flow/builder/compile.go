package builder

import (
	"cmp"
	"maps"
	"slices"
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

// choiceOption is the Executor of a view that asks for nothing.
const choiceOption = "choice"

// passkeyOption is that which makes an account with a passkey.
const passkeyOption = "register-passkey"

// The values of flow.ParamChannel.
const (
	byMail = "email"
	bySMS  = "sms"
)

// plan is a flow that the engine can go by.
type plan struct {
	flow.Plan
	drawings map[string]*flow.Drawing
	leads    map[string][]flow.Action
	// mail and sms are the ways by which the flow sends something.
	mail, sms bool
}

var _ flow.DrawnPlan = plan{}

// Drawing implements [flow.DrawnPlan].
func (p plan) Drawing(step string) *flow.Drawing { return p.drawings[step] }

// Leads implements [flow.DrawnPlan].
func (p plan) Leads(step string) []flow.Action { return p.leads[step] }

// Terms are what a flow may use besides what is always there, and what happens at its end.
type Terms struct {
	// Completion are the settings about the end; see Completions.
	Completion map[string]string
	// Attributes reports whether people who register may be asked for an attribute of the host's own (directory.AttributePolicy). Nil has none.
	Attributes func(name string) bool
	// Connections are the providers at which people may register.
	Connections []Connection
	// SMS says that text messages can be sent.
	SMS bool
}

// Connection is a provider upstream at which people may register: a federated.Connection with Create.
type Connection struct {
	Name, Title string
}

// Compile checks a flow and makes a Plan of it. The error joins a *RuleError for each problem.
func Compile(f *Flow, terms Terms) (flow.DrawnPlan, error) {
	p, err := compile(f, terms)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func compile(f *Flow, terms Terms) (plan, error) {
	way, err := check(f, terms)
	if err != nil {
		return plan{}, err
	}
	if way.does(smsOTP) >= 0 { // which has nowhere to send to without a number
		way.require(mobileInput)
	}
	g, leads := graphOf(f.FlowType.canonical(), way, terms.Completion)
	compiled, err := g.Compile()
	if err != nil {
		return plan{}, err
	}
	p := plan{
		Plan: compiled, drawings: map[string]*flow.Drawing{}, leads: leads,
		mail: way.does(emailOTP, magicLink) >= 0, sms: way.does(smsOTP) >= 0,
	}
	for _, at := range way {
		p.leads[at.step.ID] = leadsFrom(at)
		if at.step.Type == viewStep {
			p.drawings[at.step.ID] = drawingOf(at)
		}
	}
	return p, nil
}

// graphOf is the graph of a flow. It ends in success only when what the flow is for was done; a proof that is good no more leads back to
// where another can be had.
// The second result are the further actions of nodes that no step was drawn for.
func graphOf(of Type, way walk, completion map[string]string) (flow.Graph, map[string][]flow.Action) {
	d := draft{of: of, way: way, told: told(completion), leads: map[string][]flow.Action{}}
	first := way[0].step.ID
	again := fail
	switch of {
	case Registration:
		d.start, d.failed = first, mailed(way)
		if way.branches() {
			d.failed = first
		}
	case Recovery:
		again = first
		d.nodes = append(d.nodes, came(way.renews(), first))
	case InvitedUser:
		if way[0].does == confirmationCode {
			d.way = way[1:]
		}
		first = d.way[0].step.ID
		d.nodes = append(d.nodes, came(first, "flow:ticket"), step("flow:ticket", "invite-ticket", nil, first))
	}
	for _, p := range d.way {
		d.add(p)
	}
	d.nodes = append(d.nodes,
		flow.Node{Name: checked, If: &flow.Condition{Fact: flow.FactDone}, On: map[string]string{"yes": succeed, "no": again}},
		flow.Node{Name: succeed, End: flow.Succeeded},
	)
	if again == fail {
		d.nodes = append(d.nodes, flow.Node{Name: fail, End: flow.Failed})
	}
	g := flow.Graph{Start: cmp.Or(d.start, arrived)}
	used := d.reached(g.Start)
	for _, n := range d.nodes { // what a passkey has made is made by no step after it
		if used[n.Name] {
			g.Nodes = append(g.Nodes, n)
		}
	}
	return g, d.leads
}

// reached are the nodes that can be come to.
func (d *draft) reached(start string) map[string]bool {
	used := map[string]bool{}
	for rest := []string{start}; len(rest) > 0; rest = rest[1:] {
		if used[rest[0]] {
			continue
		}
		used[rest[0]] = true
		for _, n := range d.nodes {
			if n.Name == rest[0] {
				rest = slices.AppendSeq(rest, maps.Values(n.On))
			}
		}
	}
	return used
}

// draft is a graph that is being made.
type draft struct {
	of    Type
	way   walk
	told  map[string]string
	start string
	// failed is where a registration goes on whose account could not be made.
	failed string
	nodes  []flow.Node
	leads  map[string][]flow.Action
}

// add adds what a place does, and where its buttons lead.
func (d *draft) add(p place) {
	option, params := optionOf(d.of, p)
	switch {
	case option == "recover": // which sends what the next one waits for
		_, params = optionOf(d.of, *d.way.find(p.next))
	case option == "recover-password", option == "invite", option == passkeyOption:
		params = d.told
	}
	if p.connection != nil {
		d.nodes = append(d.nodes, step(p.step.ID, registerOption(p.connection), nil, d.after(p.next)))
		return
	}
	n := step(p.step.ID, option, params, "")
	for _, e := range p.leads {
		n.On[leadOf(e)] = d.target(p, e)
	}
	switch {
	case option == "": // what the button before it has done
		d.account(p.step.ID)
		return
	case option == choiceOption:
		n.On["ok"] = n.On[leadOf(p.leads[0])]
	case option == passkeyOption: // which makes the account
		n.On["ok"] = p.step.ID + ":made"
		d.nodes = append(d.nodes, flow.Node{
			Name: n.On["ok"], If: &flow.Condition{Fact: flow.FactDone}, On: map[string]string{"yes": succeed, "no": d.failed},
		})
	default:
		n.On["ok"] = d.target(p, p.exit)
	}
	d.nodes = append(d.nodes, n)
}

// target is the node to which an exit leads.
func (d *draft) target(p place, e exit) string {
	if d.of == Registration && e.does == userProvision {
		name := p.step.ID + ":" + cmp.Or(e.on, "account")
		d.account(name)
		return name
	}
	if e.connection != nil { // from which somebody may come back for another way
		n := step(p.step.ID+":"+e.on, registerOption(e.connection), nil, d.after(e.next))
		n.On[backLead] = p.step.ID
		d.nodes = append(d.nodes, n)
		d.leads[n.Name] = []flow.Action{{Name: backLead, Label: "action.back", Kind: flow.Quiet}}
		return n.Name
	}
	return d.after(e.next)
}

// backLead is the action that leads back from a provider.
const backLead = "to_back:"

// registerOption is the Executor of a connection, as federated.RegisterExecutor has it.
func registerOption(c *Connection) string { return c.Name + "-register" }

// after is the node of what an action leads to.
func (d *draft) after(next string) string {
	if next == complete {
		return checked
	}
	return next
}

// account adds the node that makes an account.
func (d *draft) account(name string) {
	n := step(name, "register-account", d.told, checked)
	n.On["failed"] = d.failed
	d.nodes = append(d.nodes, n)
}

// renews is the place where somebody chooses a password who has come by a link.
func (w walk) renews() string {
	i := slices.IndexFunc(w, func(p place) bool { return p.part() == renewal })
	return w[i].step.ID
}

// leadOf is the outcome of a button that does not send the form.
func leadOf(e exit) string { return "to_" + e.on }

// leadsFrom are the actions of such buttons. Where there is nothing but a choice, the first is the main one.
func leadsFrom(p place) (all []flow.Action) {
	for _, e := range p.leads {
		a := flow.Action{Name: leadOf(e), Label: "choice.other", Kind: flow.Secondary}
		if e.connection != nil {
			a.Label, a.Params = "federated.continue", map[string]string{"provider": cmp.Or(e.connection.Title, e.connection.Name)}
		}
		if e.text != "" {
			a.Label = "drawn|" + e.text
		}
		if p.next == "" && len(all) == 0 {
			a.Kind = ""
		}
		all = append(all, a)
	}
	return all
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
	case p.next == "":
		return choiceOption, nil
	case of == InvitedUser && p.does == emailOTP:
		return "invite-mail", nil
	case of == InvitedUser && p.does == smsOTP:
		return "invite-sms", nil
	case of == InvitedUser:
		return "invite", nil
	case of == Recovery && p.asks(passwordInput):
		return "recover-password", nil
	case of == Recovery && p.does == emailOTP:
		return "recover-code", map[string]string{flow.ParamLink: "no", flow.ParamChannel: byMail}
	case of == Recovery && p.does == smsOTP:
		return "recover-code", map[string]string{flow.ParamLink: "no", flow.ParamChannel: bySMS}
	case of == Recovery && p.does == magicLink:
		return "recover-link", map[string]string{flow.ParamLink: "yes", flow.ParamChannel: byMail}
	case of == Recovery:
		return "recover", nil
	case p.does == emailOTP:
		return "register-code", map[string]string{flow.ParamLink: "no"}
	case p.does == smsOTP:
		return "register-phone", nil
	case p.does == passkey:
		return passkeyOption, nil
	case p.step.Type == executionStep:
		return "", nil
	}
	var fields []string
	for _, a := range p.inputs {
		name := a.field
		if a.required || slices.Contains([]string{emailInput, usernameInput, passwordInput}, a.identifier) {
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
			case c.Type != button:
			case c.ID == p.on:
				d.Action = flow.MainAction
			case c.Action.Type == resendAction:
				d.Action = "resend"
			default:
				d.Action = leadOf(exit{on: c.ID})
			}
			all = append(all, d)
		}
		return all
	}
	return &flow.Drawing{Components: drawn(p.step.Data.Components)}
}
