package flow

import (
	"context"
	"slices"
)

// consentExecutor asks a person what an application may have. What is kept of the answer is the protocol's business.
type consentExecutor struct{}

var _ Executor = consentExecutor{}

const (
	allowAction = "consent_allow"
	denyAction  = "consent_deny"
)

func (consentExecutor) Prepare(context.Context, *State) error { return nil }

func (consentExecutor) Prompt(_ context.Context, s *State) (Prompt, error) {
	return Prompt{
		Step:    "consent",
		Title:   Message{ID: "consent.title"},
		Intro:   Message{ID: "consent.intro"},
		Consent: slices.Clone(s.Request.Consent),
		Actions: []Action{
			{Name: allowAction, Label: "consent.allow"},
			{Name: denyAction, Label: "consent.deny", Kind: Secondary},
		},
	}, nil
}

// Judge approves what was ticked, and what is mandatory.
func (consentExecutor) Judge(_ context.Context, s *State, in Input) (Verdict, error) {
	if in.Action != allowAction {
		return Verdict{Outcome: Refuse}, nil
	}
	approved := []string{}
	for _, item := range s.Request.Consent {
		if item.Mandatory || in.Chosen(item.ID) {
			approved = append(approved, item.ID)
		}
	}
	return Verdict{Outcome: Proceed, Approved: approved}, nil
}
