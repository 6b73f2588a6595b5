package builder

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// RuleError says what is wrong with a flow, in words for administrators.
type RuleError struct {
	// Where is the id of the step or component; "" is the flow.
	Where   string
	Problem string
}

// Error implements error.
func (e *RuleError) Error() string {
	if e.Where == "" {
		return "builder: " + e.Problem
	}
	return fmt.Sprintf("builder: %q: %s", e.Where, e.Problem)
}

func broken(problem string) *RuleError { return &RuleError{Problem: problem} }

// The words of the model.
const (
	viewStep      = "VIEW"
	executionStep = "EXECUTION"
	endStep       = "END"

	form   = "FORM"
	input  = "INPUT"
	button = "BUTTON"

	executorAction = "EXECUTOR"
	nextAction     = "NEXT"
	resendAction   = "RESEND"

	complete = "COMPLETE"
)

// The executors that there are here, and those of the product that are known and not here.
const (
	passwordOnboard   = "PasswordOnboardExecutor"
	passwordProvision = "PasswordProvisioningExecutor"
	userProvision     = "UserProvisioningExecutor"
	userResolve       = "UserResolveExecutor"
	emailOTP          = "EmailOTPExecutor"
	smsOTP            = "SMSOTPExecutor"
	magicLink         = "MagicLinkExecutor"
	confirmationCode  = "ConfirmationCodeValidationExecutor"
)

// executorsOf are the executors of each type.
var executorsOf = map[Type][]string{
	Registration: {passwordOnboard, passwordProvision, userProvision, emailOTP},
	Recovery:     {userResolve, emailOTP, magicLink, passwordProvision, passwordOnboard},
	InvitedUser:  {confirmationCode, passwordProvision, passwordOnboard, userProvision},
}

// The identifiers of inputs.
const (
	claims         = "http://wso2.org/claims/"
	usernameInput  = claims + "username"
	emailInput     = claims + "emailaddress"
	givenNameInput = claims + "givenname"
	lastNameInput  = claims + "lastname"
	mobileInput    = claims + "mobile"
	passwordInput  = "password"
	otpInput       = "otp"
)

// inputsOf are the identifiers of each type, with the fields that the engine has for them.
var inputsOf = map[Type]map[string]string{
	Registration: {
		emailInput: "email", givenNameInput: "given_name", lastNameInput: "family_name", passwordInput: "new_password", otpInput: "otp",
	},
	Recovery:    {usernameInput: "username", emailInput: "username", passwordInput: "new_password", otpInput: "otp"},
	InvitedUser: {passwordInput: "new_password"},
}

// settings are what of a component's config matters to the rules.
type settings struct {
	Identifier string `json:"identifier"`
	Required   bool   `json:"required"`
}

func (c Component) settings() settings {
	var s settings
	if json.Unmarshal(c.Config, &s) != nil {
		return settings{}
	}
	return s
}

// asking is an input in a form.
type asking struct {
	id, identifier, field string
	required              bool
}

// place is a step on the way through a flow, as the rules have found it.
type place struct {
	step   Step
	inputs []asking
	// on is the component whose action leads on; "" for a step without a form.
	on     string
	does   string // the executor; "" is none
	next   string
	resend bool
}

func (p place) asks(identifier string) bool {
	return slices.ContainsFunc(p.inputs, func(a asking) bool { return a.identifier == identifier })
}

// walk is a flow from its first step to its end.
type walk []place

// before reports whether a place that comes before another asks for something.
func (w walk) before(i int, identifier string) bool {
	return slices.ContainsFunc(w[:i], func(p place) bool { return p.asks(identifier) })
}

// does is the first place with one of the executors, -1 for none.
func (w walk) does(executors ...string) int {
	return slices.IndexFunc(w, func(p place) bool { return slices.Contains(executors, p.does) })
}

// rules collects what is wrong.
type rules struct {
	of       Type
	problems []error
}

func (r *rules) bad(where, problem string, args ...any) {
	r.problems = append(r.problems, &RuleError{Where: where, Problem: fmt.Sprintf(problem, args...)})
}

// check holds a flow against every rule, and returns the way through it. The error joins a *RuleError for each problem.
func check(f *Flow) (walk, error) {
	r := &rules{of: f.FlowType.canonical()}
	if r.of == "" {
		return nil, broken("flowType must be REGISTRATION, PASSWORD_RECOVERY or INVITED_USER_REGISTRATION")
	}
	r.sizes(f)
	if len(r.problems) > 0 {
		return nil, errors.Join(r.problems...)
	}
	way := r.way(f)
	if len(way) == 0 && len(r.problems) == 0 {
		r.bad("", "a flow needs a view")
	}
	if len(r.problems) == 0 {
		r.executors(way)
		r.passwords(way)
		switch r.of {
		case Registration:
			r.registration(way)
		case Recovery:
			r.recovery(way)
		case InvitedUser:
			r.invitation(way)
		}
	}
	return way, errors.Join(r.problems...)
}

// sizes bounds the flow, and holds that every id is there once.
func (r *rules) sizes(f *Flow) {
	if len(f.Steps) == 0 || len(f.Steps) > maxSteps {
		r.bad("", "a flow has 1 to %d steps", maxSteps)
	}
	seen, count := map[string]bool{}, 0
	id := func(id string) {
		if id == "" || len(id) > maxID || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			r.bad(id, "an id is 1 to %d letters, digits, dashes and underscores", maxID)
		} else if seen[id] {
			r.bad(id, "the id stands twice")
		}
		seen[id] = true
	}
	for _, s := range f.Steps {
		id(s.ID)
		for c := range s.Data.all() {
			count++
			id(c.ID)
		}
	}
	if seen[complete] {
		r.bad(complete, "is the end and no id")
	}
	if count > maxComponents {
		r.bad("", "a flow has at most %d components", maxComponents)
	}
}

// all are the components of a form, those within others after them.
func (d Data) all() func(yield func(Component) bool) {
	return func(yield func(Component) bool) {
		rest := slices.Clone(d.Components)
		for len(rest) > 0 {
			c := rest[0]
			rest = append(rest[1:], c.Components...)
			if !yield(c) {
				return
			}
		}
	}
}

// way follows the steps to the end.
func (r *rules) way(f *Flow) (way walk) {
	steps := map[string]Step{}
	for _, s := range f.Steps {
		steps[s.ID] = s
	}
	reached := map[string]bool{}
	for at := f.Steps[0].ID; ; {
		step, ok := steps[at]
		switch {
		case at == complete:
		case !ok:
			r.bad(at, "an action leads there, and there is no such step")
		case reached[at]:
			r.bad(at, "the flow goes round in a circle and never ends in COMPLETE")
		case step.Type == endStep:
			reached[at] = true
		default:
			reached[at] = true
			p := r.place(step)
			way = append(way, p)
			if at = p.next; at != "" {
				continue
			}
		}
		break
	}
	for _, s := range f.Steps {
		if !reached[s.ID] && len(r.problems) == 0 {
			r.bad(s.ID, "nothing leads to the step")
		}
	}
	return way
}

// place reads a step.
func (r *rules) place(s Step) place {
	p := place{step: s}
	switch {
	case s.Type == viewStep:
		r.view(&p)
	case s.Type != executionStep:
		r.bad(s.ID, "a step of the type %q is not supported: VIEW, EXECUTION and END are", s.Type)
	case s.Data.Action == nil || s.Data.Action.Type != executorAction:
		r.bad(s.ID, "a step without a form needs an action of the type EXECUTOR")
	default:
		r.follow(&p, s.ID, *s.Data.Action)
	}
	if p.next == "" && len(r.problems) == 0 {
		r.bad(s.ID, "leads nowhere: next is a step or COMPLETE")
	}
	return p
}

// follow takes over where an action leads.
func (r *rules) follow(p *place, id string, a Action) {
	switch {
	case a.Type == nextAction && a.Executor == nil:
	case a.Type == executorAction && a.Executor != nil && a.Executor.Name != "":
		p.does = a.Executor.Name
	default:
		r.bad(id, "an action is NEXT, or EXECUTOR with the name of an executor, or RESEND")
	}
	p.next = a.Next
}

// view reads the form of a step: what it asks, and the one button that leads on.
func (r *rules) view(p *place) {
	if len(p.step.Data.Components) == 0 {
		r.bad(p.step.ID, "a view needs components")
	}
	var within func(components []Component, inForm bool)
	within = func(components []Component, inForm bool) {
		for _, c := range components {
			switch c.Type {
			case input:
				r.input(p, c, inForm)
			case button:
				r.button(p, c)
			default:
				if c.Action != nil {
					r.bad(c.ID, "only a button has an action")
				}
			}
			within(c.Components, inForm || c.Type == form)
		}
	}
	within(p.step.Data.Components, false)
	if p.on == "" {
		r.bad(p.step.ID, "a view needs a button that leads on")
	}
}

func (r *rules) input(p *place, c Component, inForm bool) {
	s := c.settings()
	field, known := inputsOf[r.of][s.Identifier]
	switch {
	case !inForm:
		r.bad(c.ID, "an input must be in a form")
	case s.Identifier == "":
		r.bad(c.ID, "an input needs an identifier")
	case s.Identifier == mobileInput:
		r.bad(c.ID, "the attribute is not supported here: %s", s.Identifier)
	case !known:
		r.bad(c.ID, "an input must map to an attribute of the profile: %s is none of this flow", s.Identifier)
	case p.asks(s.Identifier):
		r.bad(c.ID, "the view asks twice for %s", s.Identifier)
	default:
		p.inputs = append(p.inputs, asking{c.ID, s.Identifier, field, s.Required})
	}
}

func (r *rules) button(p *place, c Component) {
	switch {
	case c.Action == nil:
		r.bad(c.ID, "a button needs an action")
	case c.Action.Type == resendAction:
		p.resend = true
	case p.on != "":
		r.bad(c.ID, "a view has one button that leads on, beside one of the type RESEND")
	default:
		p.on = c.ID
		r.follow(p, c.ID, *c.Action)
	}
}

// executors holds that each place does what there is, where it makes sense.
func (r *rules) executors(way walk) {
	for i, p := range way {
		switch {
		case p.does == smsOTP && r.of == Registration && !way.before(i, mobileInput):
			r.bad(p.step.ID, "%s needs a phone input before it", smsOTP)
		case p.does != "" && !slices.Contains(executorsOf[r.of], p.does):
			r.bad(p.step.ID, "the executor %q is not supported in this flow", p.does)
		case p.does == emailOTP && !p.asks(otpInput):
			r.bad(p.step.ID, "%s needs an input %q in its form", emailOTP, otpInput)
		case p.does != emailOTP && p.asks(otpInput):
			r.bad(p.step.ID, "an input %q needs %s at the button of its form", otpInput, emailOTP)
		case p.does == emailOTP && r.of == Registration && !way.before(i, emailInput):
			r.bad(p.step.ID, "%s needs an e-mail input before it", emailOTP)
		case p.does == emailOTP && len(p.inputs) > 1, p.does == magicLink && len(p.inputs) > 0:
			r.bad(p.step.ID, "a view that verifies asks for nothing else")
		case p.resend && p.does != emailOTP && p.does != magicLink:
			r.bad(p.step.ID, "there is nothing to send again")
		case i > 0 && slices.ContainsFunc(p.inputs, func(a asking) bool { return way.before(i, a.identifier) }):
			r.bad(p.step.ID, "asks for what a view before it has asked for")
		}
	}
}

// passwords holds that a password is set where it is asked for.
func (r *rules) passwords(way walk) {
	asked := false
	for _, p := range way {
		if !p.asks(passwordInput) {
			continue
		}
		asked = true
		if !slices.Contains([]string{passwordOnboard, passwordProvision, userProvision}, p.does) {
			r.bad(p.step.ID, "a form with a password needs a provisioning action on its button: %s", passwordProvision)
		}
	}
	if !asked {
		r.bad("", "somebody needs a password: a form with the input %q is missing", passwordInput)
	}
}

// registration: the address is known and verified, and there is a password, when the account is made.
func (r *rules) registration(way walk) {
	mail := slices.IndexFunc(way, func(p place) bool { return p.asks(emailInput) })
	for i, p := range way {
		if p.asks(passwordInput) && i < mail {
			r.bad(p.step.ID, "a password is asked for with the e-mail address or after it")
		}
		if len(p.inputs) == 0 && p.step.Type == viewStep {
			r.bad(p.step.ID, "a view of a registration asks for something")
		}
		if p.step.Type == executionStep && p.does != userProvision {
			r.bad(p.step.ID, "%s needs a form", p.does)
		}
		if p.does == userProvision && i < len(way)-1 {
			r.bad(p.step.ID, "%s is the last that a registration does", userProvision)
		}
	}
	switch {
	case mail < 0:
		r.bad("", "a registration needs an e-mail input, whose address is the username")
	case way.does(emailOTP) < 0:
		r.bad("", "a registration needs a view with %s: an address that nobody has verified makes no account", emailOTP)
	case way.does(userProvision) < 0:
		r.bad("", "a registration needs %s at its end", userProvision)
	}
}

// recovery: somebody says who they are, proves it, and chooses a password, in three steps.
func (r *rules) recovery(way walk) {
	verify := way.does(emailOTP, magicLink)
	switch {
	case verify < 0:
		r.bad("", "a recovery needs a verification: %s or %s", emailOTP, magicLink)
		return
	case len(way) != 3:
		r.bad("", "a recovery has three steps: who it is, a verification, and a new password")
		return
	case len(way[0].inputs) != 1 || way[0].inputs[0].field != "username":
		r.bad(way[0].step.ID, "a recovery begins with a view that asks for the username or e-mail address, and nothing else")
	case way[0].does != "" && way[0].does != userResolve:
		r.bad(way[0].step.ID, "a recovery begins with %s, or nothing", userResolve)
	case verify != 1:
		r.bad(way[verify].step.ID, "the verification comes after who it is, and before the password")
	}
	r.chooses(way[2])
}

// invitation: a password is chosen, after what the link holds was checked.
func (r *rules) invitation(way walk) {
	last := len(way) - 1
	for i, p := range way {
		switch {
		case p.does == confirmationCode && i > 0:
			r.bad(p.step.ID, "%s comes first", confirmationCode)
		case p.does == confirmationCode && p.step.Type != executionStep:
			r.bad(p.step.ID, "%s needs no form", confirmationCode)
		case p.does != confirmationCode && i != last:
			r.bad(p.step.ID, "an invitation has one view, in which a password is chosen")
		}
	}
	r.chooses(way[last])
}

// chooses holds that a place asks for a password and nothing else.
func (r *rules) chooses(p place) {
	if len(p.inputs) != 1 || !p.asks(passwordInput) {
		r.bad(p.step.ID, "the last view asks for a password, and nothing else")
	}
}
