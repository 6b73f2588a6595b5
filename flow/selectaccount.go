package flow

import (
	"context"
	"errors"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// selection is the plan by which a request begins that wants the person to choose an account (prompt=select_account of OpenID Connect
// Core §3.1.2.1), where there is a choice.
func selection() Plan {
	return sequence{{Name: selectPlan, Options: []string{selectPlan}, When: mustSelect, Passive: directory.AccountSelectionRequired}}
}

// selectedFact says that the account was chosen.
const selectedFact = "account.selected"

// mustSelect: the browser has a session that may answer the request, and its person has not said whether it is to.
func mustSelect(_ context.Context, s *State) (bool, error) {
	return s.Request.SelectAccount && s.Request.Subject.IsZero() && !s.baseSubject.IsZero() && s.Facts[selectedFact] == "", nil
}

// letSelect has a flow begin with the choice of an account. Where there is none to choose from, its plan is done at once.
func (e *Engine) letSelect(ctx context.Context, x *execution) error {
	if x.Request.Purpose != directory.SignIn || !x.Request.SelectAccount || x.Base.IsZero() {
		return nil
	}
	err := e.enterPlan(ctx, x, selectPlan)
	if err == nil {
		x.Calls[len(x.Calls)-1].Due = true
	}
	return err
}

// selectExecutor asks as whom the person wants to go on. It shows the account that the browser had when the flow began, and goes on with
// that one or none, whatever another tab has done since.
type selectExecutor struct{ dir *directory.Directory }

var _ Executor = selectExecutor{}

// The actions of the page.
const (
	currentAction = "current_account"
	otherAction   = "other_account"
)

func (selectExecutor) Prepare(context.Context, *State) error { return nil }

func (e selectExecutor) Prompt(ctx context.Context, s *State) (Prompt, error) {
	p := Prompt{
		Step: selectPlan, Title: Message{ID: "select-account.title"}, Intro: Message{ID: "select-account.intro"},
		Actions: []Action{{Name: otherAction, Label: "select-account.other", Kind: Secondary}},
	}
	user, err := e.user(ctx, s)
	if errors.Is(err, store.ErrNotFound) { // by now
		return p, nil
	}
	current := Action{Name: currentAction, Label: "select-account.current"}
	if err == nil {
		current.Params = map[string]string{"person": user.Username}
	}
	p.Actions = append([]Action{current}, p.Actions...)
	return p, err
}

// user is the person of the session.
func (e selectExecutor) user(ctx context.Context, s *State) (*directory.User, error) {
	subject, err := e.dir.Subjects.Get(ctx, s.baseSubject)
	if err != nil {
		return nil, err
	}
	return e.dir.UserOf(ctx, subject)
}

func (e selectExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	v := Verdict{Outcome: Proceed, Facts: map[string]string{selectedFact: "true"}}
	if in.Action != currentAction {
		return v, nil
	}
	user, err := e.user(ctx, s)
	if errors.Is(err, store.ErrNotFound) {
		return v, nil
	}
	if err != nil {
		return Verdict{}, err
	}
	v.takesUp, v.Person = true, user.Username
	return v, nil
}

// takeUp takes over what the session proves that the browser had when the flow began, as from the first, now that its person has chosen
// it. One that signs nobody in any more proves nothing.
func (e *Engine) takeUp(ctx context.Context, x *execution) error {
	session, err := e.dir.Sessions.Get(ctx, x.Base)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	in, err := e.dir.Sessions.SignsIn(ctx, session)
	if err != nil || !in {
		return err
	}
	x.Chosen = true
	x.carry(session)
	return nil
}
