package flow

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

const (
	// maxMoves bounds how many steps that ask nothing a flow does for one answer, and maxCalls how deep plans call one another.
	maxMoves = 64
	maxCalls = 4
	// maxMemory and maxFacts bound what is kept in a flow besides.
	maxMemory = 64 << 10
	maxFacts  = 32 << 10
)

// Act is an Executor that asks nothing: the engine does it when the flow comes to the step, and goes on. With Again the step has
// failed, which its Plan must expect (Step.Fails). It may run again, as Judge may.
type Act func(ctx context.Context, s *State) (Verdict, error)

var _ Executor = Act(nil)

// Prepare implements Executor.
func (Act) Prepare(context.Context, *State) error { return nil }

// Prompt implements Executor: there is nothing to show.
func (Act) Prompt(context.Context, *State) (Prompt, error) { return Prompt{}, nil }

// Judge implements Executor.
func (a Act) Judge(ctx context.Context, s *State, _ Input) (Verdict, error) { return a(ctx, s) }

// call is a plan from which another was called, with what it needs to go on.
type call struct {
	Plan    string            `json:"plan"`
	Version string            `json:"version,omitempty"`
	Step    string            `json:"step,omitempty"`
	Option  string            `json:"option,omitempty"`
	Options []string          `json:"options,omitempty"`
	Params  map[string]string `json:"params,omitempty"`
	Memory  store.Sealed      `json:"memory,omitempty"`
	// Due says that the plan itself has called the other, which is done before it goes on. Proven is how much was proven until then.
	Due    bool `json:"due,omitempty"`
	Proven int  `json:"proven,omitempty"`
}

// mayGoBack reports whether the present plan may be left undone: one into which an action has led, or with which the flow has begun.
func (x *execution) mayGoBack() bool { return len(x.Calls) > 0 && !x.Calls[len(x.Calls)-1].Due }

// planName is the name of the plan that the flow is in: that of its purpose, unless an action has led elsewhere.
func (x *execution) planName() string {
	if x.Plan == "" {
		return string(x.Request.Purpose)
	}
	return x.Plan
}

// step is the flow's present step, nil when it is another plan's by now.
func (x *execution) step() *Step { return stepOf(x.plan, x.Step) }

// planNamed returns the plan of a name as it is now, with its version if it is a Source's; nil when there is none, or when it is closed
// in the organization, whoever leads into it.
func (e *Engine) planNamed(ctx context.Context, in directory.Interaction, name string) (Plan, string, error) {
	if e.source != nil {
		plan, version, err := e.source.Find(ctx, in, name)
		if err == nil && plan != nil {
			err = e.fits(plan)
		}
		if errors.Is(err, ErrPlanUnavailable) {
			e.planGone(ctx, name, err)
			return nil, "", nil
		}
		if err != nil || plan != nil {
			return plan, version, err
		}
	}
	plan := e.plans[name]
	if g, ok := plan.(gated); ok {
		if open, err := g.open(ctx, e.dir, in.Organization); err != nil || !open {
			return nil, "", err
		}
	}
	return plan, "", nil
}

// fits is ErrPlanUnavailable, with what is missing, for a plan of a Source that was made for an engine with more Executors.
func (e *Engine) fits(plan Plan) error {
	if err := errors.Join(missing(plan.Steps(), e.executors)...); err != nil {
		return fmt.Errorf("%w: %w", ErrPlanUnavailable, err)
	}
	return nil
}

// choose has the flow go by the plan of a name as it is now. It reports false when there is none.
func (e *Engine) choose(ctx context.Context, x *execution, name string) (bool, error) {
	plan, version, err := e.planNamed(ctx, x.Request, name)
	if err == nil && version != "" {
		err = checkPlan(plan, e.executors)
	}
	x.Plan, x.PlanVersion, x.plan = name, version, plan
	return plan != nil, err
}

// rejoin finds the plan with which a flow goes. It reports false when there is none any more.
func (e *Engine) rejoin(ctx context.Context, x *execution) (bool, error) {
	if x.PlanVersion == "" {
		x.plan = e.plans[x.planName()]
		return x.plan != nil, nil
	}
	if e.source == nil {
		return false, nil
	}
	plan, err := e.source.Version(ctx, x.PlanVersion)
	if err == nil {
		err = e.fits(plan)
	}
	if errors.Is(err, ErrPlanUnavailable) {
		e.planGone(ctx, x.planName(), err)
		return false, nil
	}
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	x.plan = plan
	return err == nil, err
}

// has reports whether there is a plan of a name for the flow.
func (e *Engine) has(ctx context.Context, x *execution, name string) (bool, error) {
	plan, _, err := e.planNamed(ctx, x.Request, name)
	return plan != nil, err
}

// callPlan has the flow do another plan from its first step on.
func (e *Engine) callPlan(ctx context.Context, x *execution, name string) error {
	if err := e.enterPlan(ctx, x, name); err != nil {
		return err
	}
	return e.goOn(ctx, x)
}

// goOn does whatever the plan finds missing now.
func (e *Engine) goOn(ctx context.Context, x *execution) error {
	s, err := e.state(x)
	if err != nil {
		return err
	}
	move, err := e.next(ctx, x, s)
	if err != nil {
		return err
	}
	return e.follow(ctx, x, move)
}

// goBack leaves the present plan undone, and does the step anew from which it was called.
func (e *Engine) goBack(ctx context.Context, x *execution) error {
	if err := e.leavePlan(ctx, x); err != nil {
		return err
	}
	if x.Option != "" {
		return e.undertake(ctx, x, x.Option)
	}
	return e.goOn(ctx, x) // the flow began with the plan that it has left
}

// enterPlan has the flow go by another plan, and by its own again when that finds nothing missing.
func (e *Engine) enterPlan(ctx context.Context, x *execution, name string) error {
	if len(x.Calls) == maxCalls {
		return fmt.Errorf("flow: plans call one another more than %d deep", maxCalls)
	}
	x.Calls = append(x.Calls, call{
		Plan: x.planName(), Version: x.PlanVersion, Step: x.Step, Option: x.Option, Options: x.Options, Params: x.Params,
		Memory: x.Memory, Proven: len(x.Proven),
	})
	x.Last, x.Step, x.Option, x.Options, x.Params, x.Memory = Last{}, "", "", nil, nil, ""
	found, err := e.choose(ctx, x, name)
	if err == nil && !found {
		err = fmt.Errorf("flow: there is no plan %q", name)
	}
	return err
}

// leavePlan has the flow go by the plan again that has called the present one.
func (e *Engine) leavePlan(ctx context.Context, x *execution) error {
	c := x.Calls[len(x.Calls)-1]
	x.Calls = x.Calls[:len(x.Calls)-1]
	x.Last = Last{Step: c.Step, Option: c.Option, Action: x.planName(), Undone: c.Step != "" && len(x.Proven) == c.Proven}
	x.Plan, x.PlanVersion, x.Step, x.Option = c.Plan, c.Version, c.Step, c.Option
	x.Options, x.Params, x.Memory = c.Options, c.Params, c.Memory
	found, err := e.rejoin(ctx, x)
	if err == nil && !found {
		err = errUnknownFlow
	}
	if err != nil || x.Facts == "" {
		return err
	}
	return e.learn(x, forgotten()) // a ticket is good in the plan for which it was sent
}

// next asks the plan, and those that have called it, what is missing.
func (e *Engine) next(ctx context.Context, x *execution, s *State) (Move, error) {
	for range maxMoves {
		move, err := x.plan.Next(ctx, s)
		if err != nil {
			return Move{}, err
		}
		x.deeds, s.writes = append(x.deeds, s.writes...), nil
		if x.Memory, err = e.seal(x, "memory", s.Memory, maxMemory); err != nil {
			return Move{}, err
		}
		switch {
		case move.Call != "":
			x.Step, x.Option = "", ""
			if err = e.enterPlan(ctx, x, move.Call); err == nil {
				x.Calls[len(x.Calls)-1].Due = true
			}
		case move.Refusal != "" || move.Step != "":
			return move, nil
		case len(x.Calls) == 0:
			var more bool
			x.ACR = cmp.Or(move.ACR, x.ACR) // closings have none of their own
			if move.Claims != nil {
				x.Claims = move.Claims
			}
			if more, err = e.closing(ctx, x, s); err == nil && !more {
				return move, nil
			}
		default:
			err = e.leavePlan(ctx, x)
		}
		if err != nil {
			return Move{}, err
		}
		fresh, err := e.state(x)
		if err != nil {
			return Move{}, err
		}
		s.Plan, s.Last, s.Memory, s.Params = fresh.Plan, fresh.Last, fresh.Memory, fresh.Params
	}
	return Move{}, fmt.Errorf("flow: plan %q calls others without end", x.planName())
}

// follow does a move: to the step that asks something, past those that ask nothing, or to the end.
func (e *Engine) follow(ctx context.Context, x *execution, move Move) error {
	for range maxMoves {
		switch {
		case move.Refusal != "":
			x.refuse(move.Refusal)
			x.Failure = move.Failure
			return nil
		case move.Step == "":
			s, err := e.state(x)
			if err != nil {
				return err
			}
			return e.conclude(ctx, x, s)
		}
		if err := e.enter(ctx, x, move); err != nil {
			return err
		}
		act, ok := e.executor(x).(Act)
		if !ok {
			return nil
		}
		var err error
		if move, err = e.do(ctx, x, act); err != nil || x.Done {
			return err
		}
	}
	return fmt.Errorf("flow: plan %q does %d steps without asking anything", x.planName(), maxMoves)
}

// do does a step that asks nothing, and returns the move after it.
func (e *Engine) do(ctx context.Context, x *execution, act Act) (Move, error) {
	s, err := e.state(x)
	if err != nil {
		return Move{}, err
	}
	v, err := act(ctx, s)
	if err != nil {
		return Move{}, err
	}
	if failed := v.Outcome == Again; failed && !x.step().Fails || v.Outcome == Leave {
		return Move{}, fmt.Errorf("flow: executor %q has failed, which its step %q does not expect", x.Option, x.Step)
	}
	x.Messages = append(x.Messages, v.Messages...)
	return e.moveBy(ctx, x, v, "")
}

// moveBy takes over what a verdict has come to, and returns the move after it.
func (e *Engine) moveBy(ctx context.Context, x *execution, v Verdict, action string) (Move, error) {
	if v.Outcome == Refuse {
		return Move{Refusal: directory.Denied}, nil
	}
	x.Last = Last{Step: x.Step, Option: x.Option, Action: action, Failed: v.Outcome == Again}
	lost, ok := x.outlive(v.revoked)
	if !ok || !x.prove(v) {
		return Move{Refusal: directory.LoginRequired}, nil
	}
	if v.takesUp {
		if err := e.takeUp(ctx, x); err != nil {
			return Move{}, err
		}
	}
	if v.end != nil {
		x.End = v.end
	}
	if lost { // what the plan has counted on
		if err := e.beginAnew(ctx, x); err != nil {
			return Move{}, err
		}
	}
	if err := e.learn(x, v.Facts); err != nil {
		return Move{}, err
	}
	x.writeLater(v)
	s, err := e.state(x)
	if err != nil {
		return Move{}, err
	}
	return e.next(ctx, x, s)
}

// enter brings x to the step of a move.
func (e *Engine) enter(ctx context.Context, x *execution, move Move) error {
	step := stepOf(x.plan, move.Step)
	if step == nil {
		return fmt.Errorf("flow: plan %q has no step %q", x.planName(), move.Step)
	}
	options := step.Options
	if move.Options != nil {
		options = move.Options
	}
	for _, name := range options {
		if e.executors[name] == nil {
			return fmt.Errorf("flow: step %q: no executor %q", move.Step, name)
		}
	}
	possible, err := e.within(x, step.Name, options)
	if err != nil {
		return err
	}
	x.Step, x.Options, x.Params = step.Name, move.Options, move.Params
	if len(possible) < len(options) {
		x.Options = possible
	}
	return e.undertake(ctx, x, e.first(x, possible))
}

// undertake has an executor do the flow's present step.
func (e *Engine) undertake(ctx context.Context, x *execution, option string) error {
	x.Option, x.Data = option, ""
	s, err := e.state(x)
	if err != nil {
		return err
	}
	if err := e.executor(x).Prepare(ctx, s); err != nil {
		return err
	}
	x.writes = append(x.writes, s.writes...)
	return e.keep(x, s.Data)
}

// options are the executors that may do the flow's present step.
func (x *execution) options() []string {
	if step := x.step(); x.Options == nil && step != nil {
		return step.Options
	}
	return x.Options
}

// learn adds to what the flow knows; "" forgets.
func (e *Engine) learn(x *execution, more map[string]string) error {
	if len(more) == 0 {
		return nil
	}
	facts, err := e.facts(x)
	if err != nil {
		return err
	}
	if facts == nil {
		facts = map[string]string{}
	}
	maps.Copy(facts, more)
	maps.DeleteFunc(facts, func(_, value string) bool { return value == "" })
	text, err := json.Marshal(facts)
	if err != nil {
		return err
	}
	x.Facts, err = e.seal(x, "facts", text, maxFacts)
	return err
}

func (e *Engine) facts(x *execution) (facts map[string]string, err error) {
	text, err := e.unseal(x, "facts", x.Facts)
	if err != nil || text == nil {
		return nil, err
	}
	return facts, json.Unmarshal(text, &facts)
}

// keep seals what a step keeps between its page and its answer.
func (e *Engine) keep(x *execution, data []byte) (err error) {
	x.Data, err = e.seal(x, "data", data, maxMemory)
	return err
}

// seal seals something that is kept in a flow; nothing stays nothing.
func (e *Engine) seal(x *execution, field string, text []byte, limit int) (store.Sealed, error) {
	switch {
	case len(text) == 0:
		return "", nil
	case len(text) > limit:
		return "", fmt.Errorf("flow: %d bytes of %s at step %q of plan %q; at most %d are kept", len(text), field, x.Step, x.planName(), limit)
	}
	return e.db.Seal(executionKind, x.Ref(), field, text), nil
}

func (e *Engine) unseal(x *execution, field string, sealed store.Sealed) ([]byte, error) {
	if sealed == "" {
		return nil, nil
	}
	return e.db.Unseal(executionKind, x.Ref(), field, sealed)
}
