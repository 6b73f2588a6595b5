package flow

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/signet-idp/signet/store/directory"
)

// Graph describes a Plan as nodes and what leads from one to the next. It is data: it reads and round-trips as JSON, so that
// it can be drawn, kept and sent.
//
// LoginSteps let nobody enrol a factor by a session that was begun long ago; a graph, or a script, with a step that enrols has to ask for a
// factor before it by itself.
type Graph struct {
	// Start is the name of the first node. Required.
	Start string `json:"start"`
	// Nodes are the nodes, each with a name of its own. Required.
	Nodes []Node `json:"nodes"`
	// Target is a class of authentication (directory.ACRs) that every way to success has to reach, by what Executors say that they
	// prove (Prover); who has the graph run refuses it otherwise. A flow that comes to success with less all the same is refused
	// (directory.Unmet). At a step only "ok" counts as its proof. "" is none.
	Target string `json:"target,omitempty"`
}

// Node is one place in a Graph. It is exactly one of: a step (Options), a question (If), another plan (Call), an end (End).
type Node struct {
	// Name is unique in the graph. Required.
	Name string `json:"name"`
	// Options are Executors, any one of which does the step, and Params what they are told (State.Params).
	Options []string          `json:"options,omitempty"`
	Params  map[string]string `json:"params,omitempty"`
	// Passive is what a request that forbids asking is told at this step; "" is directory.InteractionRequired.
	Passive directory.Refusal `json:"passive,omitempty"`
	// If leads to "yes" or "no".
	If *Condition `json:"if,omitempty"`
	// Call is the name of a plan that is done here, from which it goes on to "ok".
	Call string `json:"call,omitempty"`
	// End ends the plan.
	End End `json:"end,omitempty"`
	// Failure is what the application is told at an End of Failed.
	Failure directory.Failure `json:"failure,omitzero"`
	// On says by outcome which node comes next. A step has "ok", for every action that has no outcome of its own by its name, and
	// "failed" if a wrong answer is not to be asked for again. A step that was left for another plan, which has proven nothing, is asked
	// again unless it has an outcome by that plan's name.
	On map[string]string `json:"on,omitempty"`
}

// End is how a plan ends.
type End string

// The ends. Succeeded completes the plan; whether the flow succeeds is up to the evidence as ever.
const (
	Succeeded End = "success"
	Failed    End = "failed"
)

// The outcomes that nodes have by nature.
const (
	okOutcome     = "ok"
	failedOutcome = "failed"
	yesOutcome    = "yes"
	noOutcome     = "no"
)

// graph is the Plan that Graph.Compile makes.
type graph struct {
	nodes  map[string]Node
	start  string
	target string
	steps  []Step
}

// Prover is an Executor that says beforehand what its success proves at least. Of others nothing is assumed.
type Prover interface {
	Executor
	// Proves are the Evidence's Method and what else counts for the assurance.
	Proves() []directory.Evidence
}

// position is what a graph remembers.
type position struct {
	At    string `json:"at"`
	Moves int    `json:"moves"`
}

// Hash identifies the graph by its content.
func (g Graph) Hash() (string, error) {
	text, err := json.Marshal(g)
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:]), err
}

// Compile checks the graph and makes a Plan of it. Every outcome must lead to a node, every node must be reached, every node must
// have a way to an end. The error names every problem.
func (g Graph) Compile() (Plan, error) {
	p := graph{nodes: map[string]Node{}, start: g.Start, target: g.Target}
	var problems []error
	for i, n := range g.Nodes {
		if _, twice := p.nodes[n.Name]; n.Name == "" || twice {
			problems = append(problems, fmt.Errorf("flow: node %d: name %q is empty or stands twice", i, n.Name))
		}
		n.Options, n.Params, n.On = slices.Clone(n.Options), maps.Clone(n.Params), maps.Clone(n.On)
		p.nodes[n.Name] = n
		problems = append(problems, n.check()...)
		if len(n.Options) > 0 {
			p.steps = append(p.steps, Step{Name: n.Name, Options: n.Options, Passive: n.Passive, Fails: n.On[failedOutcome] != ""})
		}
	}
	if len(p.steps) == 0 {
		problems = append(problems, errors.New("flow: a graph needs a step"))
	}
	problems = append(problems, p.wired()...)
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	if g.Target != "" && !slices.Contains(directory.ACRs(), g.Target) {
		problems = append(problems, fmt.Errorf("flow: there is no class of authentication %q", g.Target))
	}
	if err := errors.Join(append(problems, p.connected()...)...); err != nil {
		return nil, err
	}
	return p, nil
}

// check finds what is wrong with a node by itself.
func (n Node) check() (problems []error) {
	kinds := 0
	var outcomes []string
	for _, is := range []struct {
		kind     bool
		outcomes []string
	}{
		{len(n.Options) > 0, []string{okOutcome}},
		{n.If != nil, []string{yesOutcome, noOutcome}},
		{n.Call != "", []string{okOutcome}},
		{n.End != "", nil},
	} {
		if is.kind {
			kinds++
			outcomes = is.outcomes
		}
	}
	if kinds != 1 {
		problems = append(problems, fmt.Errorf("flow: node %q is not exactly one of a step, a question, a call and an end", n.Name))
	}
	for _, outcome := range outcomes {
		if n.On[outcome] == "" {
			problems = append(problems, fmt.Errorf("flow: node %q: outcome %q leads nowhere", n.Name, outcome))
		}
	}
	for outcome := range n.On {
		if len(n.Options) == 0 && !slices.Contains(outcomes, outcome) {
			problems = append(problems, fmt.Errorf("flow: node %q has no outcome %q", n.Name, outcome))
		}
	}
	if n.End != "" && n.End != Succeeded && n.End != Failed {
		problems = append(problems, fmt.Errorf("flow: node %q: no end %q", n.Name, n.End))
	}
	if n.If != nil {
		if err := n.If.Validate(); err != nil {
			problems = append(problems, fmt.Errorf("flow: node %q: %w", n.Name, err))
		}
	}
	return problems
}

// wired finds outcomes that lead to no node.
func (p graph) wired() (problems []error) {
	if _, ok := p.nodes[p.start]; !ok {
		problems = append(problems, fmt.Errorf("flow: the start %q is no node", p.start))
	}
	for _, name := range slices.Sorted(maps.Keys(p.nodes)) {
		for _, outcome := range slices.Sorted(maps.Keys(p.nodes[name].On)) {
			if to := p.nodes[name].On[outcome]; !p.has(to) {
				problems = append(problems, fmt.Errorf("flow: node %q: outcome %q leads to %q, which is no node", name, outcome, to))
			}
		}
	}
	return problems
}

func (p graph) has(name string) bool {
	_, ok := p.nodes[name]
	return ok
}

// connected finds nodes that nothing leads to, nodes from which nothing leads to an end, and questions that go round in a circle.
func (p graph) connected() (problems []error) {
	reached := p.closure([]string{p.start}, func(n Node, to string) bool { return slices.Contains(slices.Collect(maps.Values(n.On)), to) })
	var ends []string
	for name, n := range p.nodes {
		if n.End != "" {
			ends = append(ends, name)
		}
	}
	ending := map[string]bool{}
	for _, name := range ends {
		ending[name] = true
	}
	for grown := true; grown; {
		grown = false
		for name, n := range p.nodes {
			for _, to := range n.On {
				if ending[to] && !ending[name] {
					ending[name], grown = true, true
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.nodes)) {
		if !reached[name] {
			problems = append(problems, fmt.Errorf("flow: nothing leads to node %q", name))
		}
		if !ending[name] {
			problems = append(problems, fmt.Errorf("flow: no way leads from node %q to an end", name))
		}
		if p.circles(name) {
			problems = append(problems, fmt.Errorf("flow: node %q is in a circle in which nothing is asked", name))
		}
	}
	return problems
}

// closure is what can be reached from some nodes.
func (p graph) closure(from []string, leads func(n Node, to string) bool) map[string]bool {
	reached := map[string]bool{}
	for len(from) > 0 {
		name := from[0]
		from = from[1:]
		if reached[name] {
			continue
		}
		reached[name] = true
		for to := range p.nodes {
			if leads(p.nodes[name], to) {
				from = append(from, to)
			}
		}
	}
	return reached
}

// circles reports whether a question leads to itself through nothing but questions.
func (p graph) circles(name string) bool {
	if p.nodes[name].If == nil {
		return false
	}
	silent := func(n Node, to string) bool {
		return n.If != nil && slices.Contains(slices.Collect(maps.Values(n.On)), to)
	}
	for _, next := range p.nodes[name].On {
		if p.closure([]string{next}, silent)[name] && p.nodes[next].If != nil {
			return true
		}
	}
	return false
}

// way is how a node can be come to: with what was proven on the way there.
type way struct {
	node   string
	proven string // the methods, sorted and joined
}

// reaches finds ends of success that can be come to with less than the target. It walks over every set of proofs that a node
// can be come to with; an option proves what it says, and no more, and that only at "ok": an outcome by the name of an action may be one that leaves the
// step unanswered (DrawnPlan.Leads), or that of a plan that has proven nothing. A question about what was proven is believed.
func (p graph) reaches(executors map[string]Executor) (problems []error) {
	if p.target == "" {
		return nil
	}
	type place struct {
		node   string
		proofs []directory.Evidence
		enough bool
	}
	seen := map[way]bool{}
	short := map[string]bool{}
	for queue := []place{{node: p.start}}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		key := way{at.node, fmt.Sprint(at.enough, methods(at.proofs))}
		if seen[key] {
			continue
		}
		seen[key] = true
		n := p.nodes[at.node]
		if n.End == Succeeded && !at.enough && !directory.Assess(at.proofs).Satisfies(p.target) {
			short[at.node] = true
		}
		for outcome, to := range n.On {
			next := place{to, at.proofs, at.enough}
			if n.If != nil && outcome == yesOutcome {
				next.enough = next.enough || demands(*n.If, p.target)
				next.proofs = merge(next.proofs, provenBy(*n.If, executors))
			}
			if len(n.Options) == 0 || outcome != okOutcome {
				queue = append(queue, next)
				continue
			}
			for _, option := range n.Options {
				var proofs []directory.Evidence
				if prover, ok := executors[option].(Prover); ok {
					proofs = prover.Proves()
				}
				queue = append(queue, place{to, merge(at.proofs, proofs), at.enough})
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(short)) {
		problems = append(problems, fmt.Errorf("flow: there is a way to node %q that proves less than %q", name, p.target))
	}
	return problems
}

// demands reports whether a condition that holds means that the class is reached.
func demands(c Condition, target string) bool {
	return c.Assurance != "" && (directory.Assurance{ACR: c.Assurance}).Satisfies(target) ||
		slices.ContainsFunc(c.All, func(part Condition) bool { return demands(part, target) })
}

// provenBy is what a condition that holds says to be proven: by the one method that it names.
func provenBy(c Condition, executors map[string]Executor) []directory.Evidence {
	if len(c.Evidence) != 1 {
		return nil
	}
	for _, executor := range executors {
		prover, ok := executor.(Prover)
		if !ok {
			continue
		}
		for _, e := range prover.Proves() {
			if e.Method == c.Evidence[0] {
				return []directory.Evidence{e}
			}
		}
	}
	return nil
}

func methods(evidence []directory.Evidence) []string {
	var names []string
	for _, e := range evidence {
		names = append(names, e.Method)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (p graph) Steps() []Step { return p.steps }

// Next goes on from where the graph was left, by the outcome of what was done there.
func (p graph) Next(ctx context.Context, s *State) (Move, error) {
	pos := position{}
	at := p.start
	if len(s.Memory) > 0 {
		if err := json.Unmarshal(s.Memory, &pos); err != nil {
			return Move{}, fmt.Errorf("flow: the memory of a graph: %w", err)
		}
		at = p.nodes[pos.At].after(s.Last)
	}
	for {
		n, ok := p.nodes[at]
		if !ok {
			return Move{}, fmt.Errorf("flow: the graph has no node after %q by %+v", pos.At, s.Last)
		}
		if pos.Moves++; pos.Moves > maxMoves {
			return Move{Refusal: directory.Denied, Failure: n.Failure}, nil
		}
		if n.If == nil {
			return p.stop(ctx, s, position{at, pos.Moves}, n)
		}
		holds, err := n.If.Holds(ctx, s)
		if err != nil {
			return Move{}, err
		}
		at = n.On[noOutcome]
		if holds {
			at = n.On[yesOutcome]
		}
	}
}

// after is the node that an outcome of this one leads to.
func (n Node) after(last Last) string {
	if last.Failed {
		return n.On[failedOutcome]
	}
	if to, ok := n.On[last.Action]; ok && last.Action != failedOutcome {
		return to
	}
	if last.Undone {
		return n.Name
	}
	return n.On[okOutcome]
}

// stop is the move at a node that is no question.
func (p graph) stop(ctx context.Context, s *State, pos position, n Node) (move Move, err error) {
	switch {
	case n.End == Succeeded:
		s.Memory = nil
		return p.succeed(ctx, s)
	case n.End == Failed:
		return Move{Refusal: directory.Denied, Failure: n.Failure}, nil
	}
	s.Memory, err = json.Marshal(pos)
	return Move{Step: n.stepName(), Params: n.Params, Call: n.Call}, err
}

// succeed is the move at an end of success. What was proven on the way may be less than what its steps promise, as when another plan
// has stood in for one of them, or a factor was removed meanwhile.
func (p graph) succeed(ctx context.Context, s *State) (Move, error) {
	if p.target == "" {
		return Move{}, nil
	}
	reached, err := s.Assurance(ctx)
	if err == nil && !reached.Satisfies(p.target) {
		return Move{Refusal: directory.Unmet}, nil
	}
	return Move{}, err
}

func (n Node) stepName() string {
	if n.Call != "" {
		return ""
	}
	return n.Name
}
