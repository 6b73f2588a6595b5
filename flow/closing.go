package flow

import (
	"context"

	"github.com/signet-idp/signet/store/directory"
)

// closings are the plans, of one step each, that a sign-in goes by when its own plan finds nothing missing, whatever plan that is.
func closings() map[string]Plan {
	return map[string]Plan{
		renewPlan: sequence{{Name: renewPlan, Options: []string{renewPlan}, When: mustRenew}},
		limitPlan: sequence{{Name: limitPlan, Options: []string{limitPlan}, When: mustMakeRoom}},
	}
}

// closing has a flow that lacks nothing else go by the first closing that does. It reports false when there is none: the flow is done.
func (e *Engine) closing(ctx context.Context, x *execution, s *State) (bool, error) {
	if x.Request.Purpose != directory.SignIn || x.Subject.IsZero() {
		return false, nil
	}
	for _, name := range []string{renewPlan, limitPlan} {
		missing, err := e.plans[name].Steps()[0].When(ctx, s)
		if err != nil {
			return false, err
		}
		if missing {
			x.Plan, x.PlanVersion, x.plan = name, "", e.plans[name]
			return true, nil
		}
	}
	return false, nil
}

// beginAnew has the flow go by the plan of its purpose again, from what it has proven itself.
func (e *Engine) beginAnew(ctx context.Context, x *execution) error {
	x.Last, x.Step, x.Option, x.Options, x.Params, x.Memory, x.ACR, x.Claims = Last{}, "", "", nil, nil, "", "", nil
	_, err := e.choose(ctx, x, string(x.Request.Purpose))
	return err
}
