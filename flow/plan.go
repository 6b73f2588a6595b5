package flow

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/signet-idp/signet/store/directory"
)

// Plan says what a flow needs next. There are three kinds: a list of steps, each with a condition under which it is missing
// (Compile); a graph (Graph); and a program (flow/script). A host may write its own. Methods are safe for concurrent use.
type Plan interface {
	// Steps are all that Next may name.
	Steps() []Step
	// Next is asked when a flow begins and whenever an answer has moved it. It is a function of the state alone, and may run
	// again for the same state; what it has to remember until it is asked again it writes to State.Memory.
	Next(ctx context.Context, s *State) (Move, error)
}

// Step is one thing that a Plan may ask for.
type Step struct {
	// Name is unique in the plan.
	Name string
	// Options are the names of Executors, any one of which does; the first is offered first.
	Options []string
	// Trust offers not to ask for the step again on this device (State.Trusted).
	Trust bool
	// Offer narrows down and orders the Options for a person; nil offers all. It is Compile's; other plans say it in their Moves.
	Offer func(ctx context.Context, s *State, options []string) ([]string, error)
	// When says whether the step is still missing. Required by Compile; other plans have no use for it.
	When func(ctx context.Context, s *State) (bool, error)
	// Passive is what a request that forbids asking is told when this step is missing; "" is InteractionRequired.
	Passive directory.Refusal
	// Fails says that a wrong answer is the end of the step, and the plan's to deal with (Last.Failed). Otherwise the
	// person is asked again, as after one that is Blameless: a code is on its way, or a Captcha has to be solved.
	Fails bool
}

// Move is what comes next. The zero Move says that nothing is missing.
type Move struct {
	// Step is the name of the step to do now.
	Step string
	// Options are those of the step's that are to be offered, in their order; nil is all of them.
	Options []string
	// Params are for the Executors of the step (State.Params).
	Params map[string]string
	// Call is the name of a plan to do now, from which the flow comes back to this one; "" is none. It goes before Step.
	Call string
	// ACR is the class that the answer of a sign-in is to name, of a plan of that purpose that finds nothing missing; "" is the one reached. One
	// that was not asked for, or not reached (directory.Assurance.MayReport), is left out.
	ACR string
	// Claims are what such a plan says of the person, for the answer of this sign-in alone; nil is nothing. See directory.SignInClaims.
	Claims directory.SignInClaims
	// Refusal ends the flow without success; "" does not. Failure is what the application is told of it.
	Refusal directory.Refusal
	Failure directory.Failure
}

// Last is how the step ended that was done last.
type Last struct {
	Step   string `json:"step"`
	Option string `json:"option"`
	// Action is what the person chose.
	Action string `json:"action,omitempty"`
	// Failed says that nothing was proven; see Step.Fails.
	Failed bool `json:"failed,omitempty"`
	// Undone says that it has not ended at all: it was left for the plan that Action names, which has proven nothing.
	Undone bool `json:"undone,omitempty"`
}

// Source has plans that change while the Engine runs, as those that administrators write. A flow keeps the version with
// which it has begun. Methods are safe for concurrent use.
type Source interface {
	// Find returns the plan of a name for a request, and its version, which is not "". Nil is none: then the one of the
	// Config holds. ErrPlanUnavailable closes the plan of that name: nobody is led into it, nor into the one of the Config in its place.
	// So does a plan with steps for which the Engine has no Executor.
	Find(ctx context.Context, in directory.Interaction, name string) (Plan, string, error)
	// Version returns the plan of a version, store.ErrNotFound, or ErrPlanUnavailable: who is in a flow that goes by it has to begin anew.
	Version(ctx context.Context, version string) (Plan, error)
}

// ErrPlanUnavailable is the error of a Source that has a plan which needs what is there no more, as a connection that was removed. It is no failure:
// people are told that the plan is not offered, and the Observer of a "plan.unavailable".
var ErrPlanUnavailable = errors.New("flow: the plan needs what is there no more")

// The names of the plans that the Engine begins by itself.
const (
	loginPlan    = "login"
	registerPlan = "register"
	recoverPlan  = "recover"
	invitePlan   = "invite"
	verifyPlan   = "verify"
	consentPlan  = "consent"
	logoutPlan   = "logout"
	selectPlan   = "select-account"
	renewPlan    = "renew-password"
	limitPlan    = "session-limit"
)

// sequence is the Plan that Compile makes.
type sequence []Step

// Compile makes a Plan of steps: what comes next is the first of them that is still missing. When none is, the flow is
// complete. So a person who is signed in already is asked for nothing but what is missing, and a plan is at once the login,
// the step-up and the test whether a session will do.
func Compile(steps ...Step) (Plan, error) {
	problems := checkSteps(steps)
	for _, step := range steps {
		if step.When == nil {
			problems = append(problems, fmt.Errorf("flow: step %q has no When", step.Name))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	plan := make(sequence, len(steps))
	for i, step := range steps {
		step.Options = slices.Clone(step.Options)
		plan[i] = step
	}
	return plan, nil
}

func (p sequence) Steps() []Step { return p }

func (p sequence) Next(ctx context.Context, s *State) (Move, error) {
	for _, step := range p {
		if missing, err := step.When(ctx, s); err != nil {
			return Move{}, err
		} else if !missing {
			continue
		}
		move := Move{Step: step.Name}
		if step.Offer != nil {
			var err error
			if move.Options, err = step.Offer(ctx, s, step.Options); err != nil {
				return Move{}, err
			}
			if len(move.Options) == 0 {
				return Move{}, fmt.Errorf("flow: step %q offers nothing to this person", step.Name)
			}
		}
		return move, nil
	}
	return Move{}, nil
}

// gated is a Plan that is open in some organizations and closed in others.
type gated struct {
	sequence
	open func(ctx context.Context, dir *directory.Directory, org string) (bool, error)
}

// checkSteps finds what is wrong with the steps of any plan.
func checkSteps(steps []Step) (problems []error) {
	seen := map[string]bool{}
	for i, step := range steps {
		if step.Name == "" || seen[step.Name] {
			problems = append(problems, fmt.Errorf("flow: step %d: name %q is empty or stands twice", i, step.Name))
		}
		if len(step.Options) == 0 {
			problems = append(problems, fmt.Errorf("flow: step %q has no options", step.Name))
		}
		seen[step.Name] = true
	}
	if len(steps) == 0 {
		problems = append(problems, errors.New("flow: a plan needs a step"))
	}
	return problems
}

// CheckPlan reports everything that is wrong with a plan for this Engine: steps without names or options, and Executors that
// nobody registered.
func (e *Engine) CheckPlan(plan Plan) error { return checkPlan(plan, e.executors) }

func checkPlan(plan Plan, executors map[string]Executor) error {
	steps := plan.Steps()
	problems := append(checkSteps(steps), missing(steps, executors)...)
	for _, step := range steps {
		for _, name := range step.Options {
			if _, ok := executors[name].(Verifying); ok && step.Passive == directory.LoginRequired {
				problems = append(problems, fmt.Errorf("flow: step %q: a sign-in cannot begin with %q, which is a second factor", step.Name, name))
			}
		}
	}
	if g, ok := plan.(graph); ok {
		problems = append(problems, g.reaches(executors)...)
	}
	return errors.Join(problems...)
}

// missing names the Executors of steps that there are not.
func missing(steps []Step, executors map[string]Executor) (problems []error) {
	for _, step := range steps {
		for _, name := range step.Options {
			if executors[name] == nil {
				problems = append(problems, fmt.Errorf("flow: step %q: no executor %q", step.Name, name))
			}
		}
	}
	return problems
}

// stepOf returns the step of a name, nil when the plan has none: it was another plan when the flow began.
func stepOf(plan Plan, name string) *Step {
	steps := plan.Steps()
	i := slices.IndexFunc(steps, func(s Step) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &steps[i]
}
