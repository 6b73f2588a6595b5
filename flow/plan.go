package flow

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/signet-idp/signet/store/directory"
)

// Step is one thing that a Plan may ask for.
type Step struct {
	// Name is unique in the plan.
	Name string
	// Options are the names of Executors, any one of which does; the first is offered first.
	Options []string
	// When says whether the step is still missing, judged anew each time the flow moves. Required.
	When func(ctx context.Context, s *State) (bool, error)
	// Passive is what a request that forbids asking is told when this step is missing; "" is InteractionRequired.
	Passive directory.Refusal
}

// Plan says what comes next: the first of its steps that is still missing. When none is, the flow is complete. So a person
// who is signed in already is asked for nothing but what is missing, and a plan is at once the login, the step-up and the
// test whether a session will do. It is immutable and safe for concurrent use.
type Plan struct {
	steps []Step
}

// Compile checks the steps, in order, and makes a Plan of them.
func Compile(steps ...Step) (*Plan, error) {
	var problems []error
	seen := map[string]bool{}
	for i, step := range steps {
		if step.Name == "" || seen[step.Name] {
			problems = append(problems, fmt.Errorf("flow: step %d: name %q is empty or stands twice", i, step.Name))
		}
		if len(step.Options) == 0 {
			problems = append(problems, fmt.Errorf("flow: step %q has no options", step.Name))
		}
		if step.When == nil {
			problems = append(problems, fmt.Errorf("flow: step %q has no When", step.Name))
		}
		seen[step.Name] = true
	}
	if len(steps) == 0 {
		problems = append(problems, errors.New("flow: a plan needs a step"))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	plan := &Plan{steps: slices.Clone(steps)}
	for i := range plan.steps {
		plan.steps[i].Options = slices.Clone(plan.steps[i].Options)
	}
	return plan, nil
}

// next returns the first step that is missing, nil when none is.
func (p *Plan) next(ctx context.Context, s *State) (*Step, error) {
	for i := range p.steps {
		missing, err := p.steps[i].When(ctx, s)
		if err != nil {
			return nil, err
		}
		if missing {
			return &p.steps[i], nil
		}
	}
	return nil, nil
}

// step returns the step of a name, nil when the plan has none: it was another plan when the flow began.
func (p *Plan) step(name string) *Step {
	i := slices.IndexFunc(p.steps, func(s Step) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &p.steps[i]
}

// check reports executors that the plan names and nobody registered.
func (p *Plan) check(executors map[string]Executor) error {
	var problems []error
	for _, step := range p.steps {
		for _, name := range step.Options {
			if executors[name] == nil {
				problems = append(problems, fmt.Errorf("flow: step %q: no executor %q", step.Name, name))
			}
		}
	}
	return errors.Join(problems...)
}
