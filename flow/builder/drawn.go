package builder

import (
	"encoding/json"

	"github.com/signet-idp/signet/internal/strictjson"
)

// Flow is a flow as it is drawn. What it says beyond this is kept with it, and given back.
type Flow struct {
	FlowType Type   `json:"flowType"`
	Steps    []Step `json:"steps"`
}

// Type is what a flow is for.
type Type string

// The types. AskPassword is another name of InvitedUser.
const (
	Registration Type = "REGISTRATION"
	Recovery     Type = "PASSWORD_RECOVERY"
	InvitedUser  Type = "INVITED_USER_REGISTRATION"
	AskPassword  Type = "ASK_PASSWORD"
)

// canonical is the one name of a type; "" for what is none.
func (t Type) canonical() Type {
	switch t {
	case Registration, Recovery, InvitedUser:
		return t
	case AskPassword:
		return InvitedUser
	}
	return ""
}

// types are all types, by their one name, with the plan of the engine that each takes the place of.
var types = []struct {
	of   Type
	plan string
}{{Registration, "register"}, {Recovery, "recover"}, {InvitedUser, "invite"}}

// Step is one place of a flow: a form, or something that is done without one.
type Step struct {
	ID string `json:"id"`
	// Type is VIEW, EXECUTION or END.
	Type string `json:"type"`
	Data Data   `json:"data"`
}

// Data is what a Step shows (VIEW), or does (EXECUTION).
type Data struct {
	Components []Component `json:"components,omitempty"`
	Action     *Action     `json:"action,omitempty"`
}

// Component is a part of a form.
type Component struct {
	ID         string          `json:"id"`
	Category   string          `json:"category,omitempty"`
	Type       string          `json:"type"`
	Variant    string          `json:"variant,omitempty"`
	Version    string          `json:"version,omitempty"`
	Config     json.RawMessage `json:"config,omitempty"`
	Action     *Action         `json:"action,omitempty"`
	Components []Component     `json:"components,omitempty"`
}

// Action is what a button does, or a Step without a form.
type Action struct {
	// Type is EXECUTOR, NEXT or RESEND.
	Type     string    `json:"type"`
	Executor *Executor `json:"executor,omitempty"`
	// Next is the id of the step that follows, or COMPLETE.
	Next string `json:"next,omitempty"`
}

// Executor is what an Action does.
type Executor struct {
	Name string          `json:"name"`
	Meta json.RawMessage `json:"meta,omitempty"`
}

// The bounds of a flow.
const (
	maxFlow       = 64 << 10 // bytes of JSON
	maxDepth      = 24
	maxSteps      = 32
	maxComponents = 200
	maxID         = 64
)

// Parse reads a flow. Its error is of *RuleError when it is not well-formed or too large.
func Parse(text []byte) (*Flow, error) {
	if len(text) > maxFlow {
		return nil, broken("the flow is larger than 64 KiB")
	}
	var f Flow
	if err := strictjson.Unmarshal(text, &f, strictjson.Depth(maxDepth)); err != nil {
		return nil, broken("the flow is not well-formed")
	}
	return &f, nil
}
