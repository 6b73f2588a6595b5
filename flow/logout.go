package flow

import "context"

// logoutExecutor asks a person to confirm that they want to be signed out. Ending the session is the protocol's business.
type logoutExecutor struct{}

var _ Executor = logoutExecutor{}

const (
	confirmAction = "logout_confirm"
	stayAction    = "logout_cancel"
)

func (logoutExecutor) Prepare(context.Context, *State) error { return nil }

func (logoutExecutor) Prompt(context.Context, *State) (Prompt, error) {
	return Prompt{
		Step:  "logout",
		Title: Message{ID: "logout.title"},
		Intro: Message{ID: "logout.intro"},
		Actions: []Action{
			{Name: confirmAction, Label: "logout.confirm"},
			{Name: stayAction, Label: "logout.cancel", Kind: Secondary},
		},
	}, nil
}

func (logoutExecutor) Judge(_ context.Context, _ *State, in Input) (Verdict, error) {
	if in.Action != confirmAction {
		return Verdict{Outcome: Refuse}, nil
	}
	return Verdict{Outcome: Proceed, Approved: []string{}}, nil
}
