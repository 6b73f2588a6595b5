package flow

import (
	"context"
	"encoding/json"
)

// Drawing is the form that an administrator has drawn for a step. It says what a form looks like, and nothing about what an answer is
// worth: the Fields and Actions are those of the Prompt, and what the Drawing leaves out is not shown.
type Drawing struct {
	Components []Drawn `json:"components"`
}

// Drawn is a part of a Drawing.
type Drawn struct {
	// ID is what the administrator calls it.
	ID string `json:"id"`
	// Type and Variant say what it is, in the words of the product: "FORM", "INPUT", "BUTTON".
	Type    string `json:"type"`
	Variant string `json:"variant,omitempty"`
	// Config is how it looks, as the administrator wrote it.
	Config json.RawMessage `json:"config,omitempty"`
	// Field is the Field of the Prompt that it asks for, and Identifier how programs call that; "" for what asks nothing.
	Field      string `json:"field,omitempty"`
	Identifier string `json:"identifier,omitempty"`
	// Action is the Action of the Prompt that it is; "" for what is none.
	Action string `json:"action,omitempty"`
	// Components are its parts.
	Components []Drawn `json:"components,omitempty"`
}

// MainAction is the Action of a Drawn that stands for the first one of the Prompt.
const MainAction = "main"

// DrawnPlan is a Plan whose steps have Drawings.
type DrawnPlan interface {
	Plan
	// Drawing is that of a step; nil has none. It is shared and must not be changed.
	Drawing(step string) *Drawing
	// Leads are further Actions of a step, each of which has an outcome of the plan by its name (Last.Action). What the step asks is left
	// unanswered then, and nothing is judged. They are shared and must not be changed.
	Leads(step string) []Action
}

// choiceExecutor asks which way somebody wants to go: by the Leads of its plan.
type choiceExecutor struct{}

var _ Executor = choiceExecutor{}

func (choiceExecutor) Prepare(context.Context, *State) error { return nil }

func (choiceExecutor) Prompt(context.Context, *State) (Prompt, error) {
	return Prompt{Step: choiceStep, Title: Message{ID: "choice.title"}}, nil
}

func (choiceExecutor) Judge(context.Context, *State, Input) (Verdict, error) {
	return Verdict{Outcome: Proceed}, nil
}

const choiceStep = "choice"

// What a plan may say to the steps of Registration, Recovery and Invitation (State.Params).
const (
	// ParamFields are the names of what a registration asks for at a step, with blanks between them and a "+" behind what must be filled:
	// "email+ username+ given_name family_name phone new_password+ attributes.department". The address is asked for by "register", all else there or by
	// "register-profile". What is behind "attributes." is an attribute's name; one of which directory.AttributePolicy asks nobody who registers
	// is left out, and one that it requires is required whatever was drawn.
	ParamFields = "fields"
	// ParamChannel is "email" or "sms": the one way by which the message of a recovery goes, where RecoveryPolicy has it open. Without it
	// whoever recovers chooses among those that are.
	ParamChannel = "channel"
	// ParamLink is "yes" or "no": whether the message has a link beside the code.
	ParamLink = "link"
	// ParamNotify is "yes" or "no": whether the person is told of it afterwards. Of a new password they are told as well where RecoveryPolicy says so.
	ParamNotify = "notify"
	// ParamSignIn is "no" when nobody is signed in at the end, whatever the policy says; "yes" leaves it to that.
	ParamSignIn = "sign-in"
)

// What is known of a flow about an account, for the Conditions of plans.
const (
	// FactLink is there when the person has come by the link of a message.
	FactLink = linkFact
	// FactDone is there when the plan has done what it is for.
	FactDone = endFact
)

// said is what a plan says to a step by "yes" and "no".
func (s *State) said(param string, otherwise bool) bool {
	switch s.Params[param] {
	case "yes":
		return true
	case "no":
		return false
	}
	return otherwise
}
