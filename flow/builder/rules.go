package builder

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/signet-idp/signet/flow"
)

// RuleError says what is wrong with a flow, in words for administrators.
type RuleError struct {
	// Where is the id of the step or component; "" is the flow.
	Where   string
	Problem string

	// cause is flow.ErrPlanUnavailable where the flow needs what may have been there when it was drawn.
	cause error
}

// Error implements error.
func (e *RuleError) Error() string {
	if e.Where == "" {
		return "builder: " + e.Problem
	}
	return fmt.Sprintf("builder: %q: %s", e.Where, e.Problem)
}

// Unwrap returns flow.ErrPlanUnavailable for a connection that is not there, and nil for all else.
func (e *RuleError) Unwrap() error { return e.cause }

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
	passkey           = "FIDO2Executor"
)

// executorsOf are the executors of each type.
var executorsOf = map[Type][]string{
	Registration: {passwordOnboard, passwordProvision, userProvision, emailOTP, smsOTP, passkey},
	Recovery:     {userResolve, emailOTP, smsOTP, magicLink, passwordProvision, passwordOnboard},
	InvitedUser:  {confirmationCode, emailOTP, smsOTP, passwordProvision, passwordOnboard, userProvision},
}

// providers are the executors of the product for sign-ups at providers upstream, with the connection of which each is unless it names another
// ("meta":{"idpName":…}).
var providers = map[string]string{
	"GoogleExecutor": "google", "AppleExecutor": "apple", "FacebookExecutor": "facebook", "Office365Executor": "microsoft",
	"GithubExecutor": "github", "OIDCExecutor": "", "OpenIDConnectExecutor": "",
}

// codes are the executors that send a code, and take it in the input "otp".
var codes = []string{emailOTP, smsOTP}

// leadsOf are the executors of buttons that do not send a form.
var leadsOf = map[Type][]string{Registration: {userProvision}}

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
		emailInput: "email", givenNameInput: "given_name", lastNameInput: "family_name", mobileInput: "phone", usernameInput: "username",
		passwordInput: "new_password", otpInput: "otp",
	},
	Recovery:    {usernameInput: "username", emailInput: "username", passwordInput: "new_password", otpInput: "otp"},
	InvitedUser: {passwordInput: "new_password", otpInput: "otp"},
}

// settings are what of a component's config matters to the rules.
type settings struct {
	Identifier string `json:"identifier"`
	Required   bool   `json:"required"`
}

// text is what a button says, as far as people can read it: what stands in braces is the name of a text of the product's.
func (c Component) text() string {
	var s struct {
		Text  string `json:"text"`
		Label string `json:"label"`
	}
	if json.Unmarshal(c.Config, &s) != nil {
		return ""
	}
	text := cmp.Or(s.Text, s.Label)
	if strings.Contains(text, "{{") || len(text) > maxID {
		return ""
	}
	return text
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

// exit is a way on from a place.
type exit struct {
	// on is the component whose action it is; "" for a step without a form.
	on   string
	does string // the executor; "" is none
	next string // COMPLETE is the end
	text string // of the button
	// connection is by which somebody signs up; nil is by none.
	connection *Connection
}

// place is a step of a flow, as the rules have found it.
type place struct {
	step   Step
	inputs []asking
	// exit sends the form. A view without inputs that leaves only a choice has none: its next is "".
	exit
	// leads are further buttons, which leave the form unanswered.
	leads  []exit
	resend bool
}

func (p place) asks(identifier string) bool {
	return slices.ContainsFunc(p.inputs, func(a asking) bool { return a.identifier == identifier })
}

// ways are all exits of a place.
func (p place) ways() []exit {
	if p.next == "" {
		return p.leads
	}
	return append([]exit{p.exit}, p.leads...)
}

// walk is a flow, each place behind those that lead to it.
type walk []place

// does is the first place with one of the executors at its form, -1 for none.
func (w walk) does(executors ...string) int {
	return slices.IndexFunc(w, func(p place) bool { return slices.Contains(executors, p.does) })
}

// upstream reports whether somebody may sign up at a provider.
func (w walk) upstream() bool {
	return slices.ContainsFunc(w, func(p place) bool {
		return slices.ContainsFunc(p.ways(), func(e exit) bool { return e.connection != nil })
	})
}

// require has an input filled wherever it is asked for.
func (w walk) require(identifier string) {
	for _, p := range w {
		for i := range p.inputs {
			p.inputs[i].required = p.inputs[i].required || p.inputs[i].identifier == identifier
		}
	}
}

// branches reports whether there is more than one way through the flow.
func (w walk) branches() bool {
	return slices.ContainsFunc(w, func(p place) bool { return len(p.leads) > 0 })
}

// find is the place of an id; COMPLETE is none.
func (w walk) find(id string) *place {
	for i := range w {
		if w[i].step.ID == id {
			return &w[i]
		}
	}
	return nil
}

// facts are what was asked, by identifier, and done, by executor; and what that comes to.
type facts map[string]bool

const (
	// verified is that it is known whose address it is.
	verified = "verified"
	// upstream is that somebody has signed up at a provider.
	upstream = "upstream"
	// entrance is that somebody has what they can sign in with.
	entrance = "entrance"
)

// gains adds what somebody has who leaves a place by an exit.
func (f facts) gains(p place, e exit) facts {
	all := maps.Clone(f)
	if e.on == p.on && p.next != "" { // the form is sent
		for _, a := range p.inputs {
			all[a.identifier] = true
		}
	}
	if e.does != "" {
		all[e.does] = true
	}
	if e.connection != nil {
		all[upstream] = true
	}
	all[verified] = all[verified] || all[emailOTP] || all[upstream]
	all[entrance] = all[entrance] || all[passwordInput] || all[passkey] || all[upstream]
	maps.DeleteFunc(all, func(_ string, is bool) bool { return !is })
	return all
}

// known are the facts at each place: those of every way to it, and those of any.
func (w walk) known() (surely, perhaps map[string]facts) {
	surely, perhaps = map[string]facts{}, map[string]facts{}
	for _, p := range w {
		if perhaps[p.step.ID] == nil { // the first
			surely[p.step.ID], perhaps[p.step.ID] = facts{}, facts{}
		}
		for _, e := range p.ways() {
			sure, maybe := surely[p.step.ID].gains(p, e), perhaps[p.step.ID].gains(p, e)
			if before, ok := surely[e.next]; ok {
				maps.DeleteFunc(sure, func(fact string, _ bool) bool { return !before[fact] })
				maps.Copy(maybe, perhaps[e.next])
			}
			surely[e.next], perhaps[e.next] = sure, maybe
		}
	}
	return surely, perhaps
}

// rules collects what is wrong.
type rules struct {
	of       Type
	terms    Terms
	problems []error
}

func (r *rules) bad(where, problem string, args ...any) {
	r.problems = append(r.problems, &RuleError{Where: where, Problem: fmt.Sprintf(problem, args...)})
}

// check holds a flow against every rule, and returns the way through it. The error joins a *RuleError for each problem.
func check(f *Flow, terms Terms) (walk, error) {
	r := &rules{of: f.FlowType.canonical(), terms: terms}
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

// way reads the steps that can be come to, each behind those that lead to it.
func (r *rules) way(f *Flow) (way walk) {
	steps := map[string]Step{}
	for _, s := range f.Steps {
		steps[s.ID] = s
	}
	const under, done = 1, 2
	reached := map[string]int{}
	var visit func(id string)
	visit = func(id string) {
		step, ok := steps[id]
		switch {
		case id == complete || reached[id] == done:
			return
		case !ok:
			r.bad(id, "an action leads there, and there is no such step")
			return
		case reached[id] == under:
			r.bad(id, "the flow goes round in a circle and never ends in COMPLETE")
			return
		case step.Type == endStep:
			reached[id] = done
			return
		}
		reached[id] = under
		p := r.place(step)
		ways := p.ways()
		for i := len(ways) - 1; i >= 0; i-- { // so that what the form leads to comes first
			visit(ways[i].next)
		}
		reached[id] = done
		way = append(way, p)
	}
	visit(f.Steps[0].ID)
	slices.Reverse(way)
	for i := range way {
		way[i].end(steps)
	}
	for _, s := range f.Steps {
		if reached[s.ID] == 0 && len(r.problems) == 0 {
			r.bad(s.ID, "nothing leads to the step")
		}
	}
	return way
}

// end calls the steps of the type END by what they are.
func (p *place) end(steps map[string]Step) {
	exits := []*exit{&p.exit}
	for i := range p.leads {
		exits = append(exits, &p.leads[i])
	}
	for _, e := range exits {
		if steps[e.next].Type == endStep {
			e.next = complete
		}
	}
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
		p.exit = r.exit(s.ID, *s.Data.Action)
	}
	for _, e := range append(p.leads, p.exit) {
		if e.next == "" && (e.on != "" || len(p.leads) == 0) && len(r.problems) == 0 {
			r.bad(s.ID, "leads nowhere: next is a step or COMPLETE")
		}
	}
	return p
}

// exit reads where an action leads.
func (r *rules) exit(id string, a Action) exit {
	e := exit{next: a.Next}
	switch {
	case a.Type == nextAction && a.Executor == nil:
	case a.Type == executorAction && a.Executor != nil && a.Executor.Name != "":
		e.does = a.Executor.Name
	default:
		r.bad(id, "an action is NEXT, or EXECUTOR with the name of an executor, or RESEND")
	}
	if standard, is := providers[e.does]; is && r.of == Registration {
		e.connection = r.connection(id, *a.Executor, standard)
	}
	return e
}

// connection is that of a provider, nil when there is none.
func (r *rules) connection(id string, by Executor, name string) *Connection {
	var meta struct {
		Name string `json:"idpName"`
	}
	if len(by.Meta) > 0 && json.Unmarshal(by.Meta, &meta) != nil {
		meta.Name = ""
	}
	name = cmp.Or(meta.Name, name)
	for i, c := range r.terms.Connections {
		if name != "" && (c.Name == name || c.Title == name) {
			return &r.terms.Connections[i]
		}
	}
	r.problems = append(r.problems, &RuleError{
		Where: id, Problem: fmt.Sprintf("%s needs a connection that there is: idpName %q is none at which people may register", by.Name, name),
		cause: flow.ErrPlanUnavailable,
	})
	return nil
}

// view reads the form of a step: what it asks, the button that sends it, and those that lead elsewhere.
func (r *rules) view(p *place) {
	if len(p.step.Data.Components) == 0 {
		r.bad(p.step.ID, "a view needs components")
	}
	var inside, beside []exit
	var within func(components []Component, inForm bool)
	within = func(components []Component, inForm bool) {
		for _, c := range components {
			switch {
			case c.Type == input:
				r.input(p, c, inForm)
			case c.Type == button && c.Action != nil && c.Action.Type == resendAction:
				p.resend = true
			case c.Type == button && c.Action == nil:
				r.bad(c.ID, "a button needs an action")
			case c.Type == button:
				e := r.exit(c.ID, *c.Action)
				e.on, e.text = c.ID, c.text()
				if inForm {
					inside = append(inside, e)
				} else {
					beside = append(beside, e)
				}
			case c.Action != nil:
				r.bad(c.ID, "only a button has an action")
			}
			within(c.Components, inForm || c.Type == form)
		}
	}
	within(p.step.Data.Components, false)
	p.sort(append(inside, beside...))
	if p.on == "" && (len(p.leads) == 0 || len(p.inputs) > 0) {
		r.bad(p.step.ID, "a view needs a button that leads on")
	}
}

// sort finds the button that sends the form: the first that can, those in it before others. Where nothing is asked only an executor that a view
// waits for makes a button more than one of the choice.
func (p *place) sort(buttons []exit) {
	for _, e := range buttons {
		waits := slices.Contains([]string{emailOTP, smsOTP, magicLink, passkey}, e.does)
		if p.on == "" && e.connection == nil && (len(p.inputs) > 0 || waits) {
			p.exit = e
		} else {
			p.leads = append(p.leads, e)
		}
	}
}

func (r *rules) input(p *place, c Component, inForm bool) {
	s := c.settings()
	field, known := inputsOf[r.of][s.Identifier]
	if !known && r.of == Registration {
		field, known = r.attribute(s.Identifier)
	}
	switch {
	case !inForm:
		r.bad(c.ID, "an input must be in a form")
	case s.Identifier == "":
		r.bad(c.ID, "an input needs an identifier")
	case !known:
		r.bad(c.ID, "an input must map to an attribute of the profile: %s is none of this flow", s.Identifier)
	case p.asks(s.Identifier):
		r.bad(c.ID, "the view asks twice for %s", s.Identifier)
	default:
		p.inputs = append(p.inputs, asking{c.ID, s.Identifier, field, s.Required})
	}
}

// attribute is the field of an attribute of the host's own. Its identifier is a URI that is its name, or ends in it after the product's claims.
func (r *rules) attribute(identifier string) (field string, known bool) {
	name, claim := strings.CutPrefix(identifier, claims)
	if r.terms.Attributes == nil || len(name) > maxAttribute || strings.ContainsAny(name, " +\t\n") || claim == strings.Contains(name, ":") {
		return "", false
	}
	return "attributes." + name, r.terms.Attributes(name)
}

// maxAttribute bounds the name of an attribute.
const maxAttribute = 256

// executors holds that each place does what there is, where it makes sense.
func (r *rules) executors(way walk) {
	surely, perhaps := way.known()
	for _, p := range way {
		sure, maybe := surely[p.step.ID], perhaps[p.step.ID]
		switch {
		case p.does == smsOTP && r.of == Registration && !sure[mobileInput]:
			r.bad(p.step.ID, "%s needs a phone input before it", smsOTP)
		case p.does == smsOTP && r.of == Registration && !sure[verified]:
			r.bad(p.step.ID, "%s needs an address that was verified before it: text messages are for nobody in particular", smsOTP)
		case p.does == smsOTP && !r.terms.SMS:
			r.bad(p.step.ID, "%s needs text messages, and none can be sent here", smsOTP)
		case p.does != "" && p.connection == nil && !slices.Contains(executorsOf[r.of], p.does):
			r.bad(p.step.ID, "the executor %q is not supported in this flow", p.does)
		case slices.Contains(codes, p.does) && !p.asks(otpInput):
			r.bad(p.step.ID, "%s needs an input %q in its form", p.does, otpInput)
		case !slices.Contains(codes, p.does) && p.asks(otpInput):
			r.bad(p.step.ID, "an input %q needs %s at the button of its form", otpInput, strings.Join(codes, " or "))
		case p.does == emailOTP && r.of == Registration && !sure[emailInput]:
			r.bad(p.step.ID, "%s needs an e-mail input before it", emailOTP)
		case slices.Contains(codes, p.does) && len(p.inputs) > 1, p.does == magicLink && len(p.inputs) > 0:
			r.bad(p.step.ID, "a view that verifies asks for nothing else")
		case p.does == passkey && (!sure[emailOTP] || len(p.inputs) > 0):
			r.bad(p.step.ID, "%s needs an address that was verified before it, and no inputs", passkey)
		case p.does == passkey && maybe[passwordInput]:
			r.bad(p.step.ID, "%s takes the place of a password", passkey)
		case p.resend && !slices.Contains(codes, p.does) && p.does != magicLink:
			r.bad(p.step.ID, "there is nothing to send again")
		case slices.ContainsFunc(p.inputs, func(a asking) bool { return maybe[a.identifier] && a.identifier != otpInput }) && r.of == Registration:
			r.bad(p.step.ID, "asks for what a view before it has asked for")
		}
		for _, e := range p.leads {
			if e.does != "" && e.connection == nil && !slices.Contains(leadsOf[r.of], e.does) {
				r.bad(e.on, "a button that does not send the form cannot do %q", e.does)
			}
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
	if !asked && way.does(passkey) < 0 && !way.upstream() {
		r.bad("", "somebody needs a password: a form with the input %q is missing", passwordInput)
	}
}

// registration: on every way, the address is known and verified, and there is a password, when the account is made.
func (r *rules) registration(way walk) {
	surely, perhaps := way.known()
	asksMail := slices.ContainsFunc(way, func(p place) bool { return p.asks(emailInput) })
	switch {
	case !asksMail && way.upstream():
	case !asksMail:
		r.bad("", "a registration needs an e-mail input: its address is verified, and the username where none is asked for")
	case way.does(emailOTP) < 0:
		r.bad("", "a registration needs a view with %s: an address that nobody has verified makes no account", emailOTP)
	}
	for _, p := range way {
		sure := surely[p.step.ID]
		if p.asks(passwordInput) && !p.asks(emailInput) && !sure[emailInput] {
			r.bad(p.step.ID, "a password is asked for with the e-mail address or after it")
		}
		if perhaps[p.step.ID][upstream] && (p.asks(emailInput) || p.asks(usernameInput) || p.asks(passwordInput) || p.does == emailOTP || p.does == passkey) {
			r.bad(p.step.ID, "there is a way here on which somebody comes from a provider, who is asked for no address and no password, and no username")
		}
		if p.step.Type == executionStep && p.does != userProvision && p.does != passkey && p.connection == nil {
			r.bad(p.step.ID, "%s needs a form", p.does)
		}
		for _, e := range p.ways() {
			has := sure.gains(p, e)
			to := way.find(e.next)
			switch {
			case e.connection != nil && (perhaps[p.step.ID][upstream] || perhaps[p.step.ID][emailInput] || perhaps[p.step.ID][usernameInput]):
				r.bad(p.step.ID, "somebody goes to a provider once, before an address was asked for, or a username")
			case e.does == passkey && (to == nil || to.step.Type != executionStep || to.does != userProvision):
				r.bad(p.step.ID, "%s is followed by %s without a form", passkey, userProvision)
			case e.does == userProvision && e.next != complete:
				r.bad(p.step.ID, "%s is the last that a registration does", userProvision)
			case e.does != userProvision && e.next == complete:
				r.bad(p.step.ID, "a registration needs %s at its end", userProvision)
			case e.next == complete && (asksMail && way.does(emailOTP) >= 0 || way.upstream()) && !has[verified]:
				r.bad(p.step.ID, "there is a way here on which no address was verified: it needs %s", emailOTP)
			case e.next == complete && !has[entrance]:
				r.bad(p.step.ID, "there is a way here on which somebody needs a password: a form with the input %q is missing", passwordInput)
			}
		}
	}
}

// part is what a place does in a recovery.
type part string

const (
	choice  part = "a choice"
	who     part = "who it is"
	proof   part = "a verification"
	renewal part = "a new password"
	nothing part = ""
)

func (p place) part() part {
	switch {
	case slices.Contains([]string{emailOTP, smsOTP, magicLink}, p.does):
		return proof
	case p.asks(passwordInput):
		return renewal
	case len(p.inputs) == 1 && p.inputs[0].field == "username" && (p.does == "" || p.does == userResolve):
		return who
	case len(p.inputs) == 0 && p.next == "":
		return choice
	}
	return nothing
}

// recovery: somebody says who they are, proves it, and chooses a password, in three steps. A choice may come before them, and a button beside them
// leads to another way.
func (r *rules) recovery(way walk) {
	if way.does(emailOTP, smsOTP, magicLink) < 0 {
		r.bad("", "a recovery needs a verification: %s, %s or %s", emailOTP, smsOTP, magicLink)
		return
	}
	parts := map[string]part{complete: "the end"}
	for _, p := range way {
		parts[p.step.ID] = p.part()
		if p.part() == renewal {
			r.chooses(p)
		}
	}
	first := way[0]
	switch {
	case first.does != "" && first.does != userResolve && first.part() != proof:
		r.bad(first.step.ID, "a recovery begins with %s, or nothing", userResolve)
		return
	case first.part() != who && first.part() != choice:
		r.bad(first.step.ID, "a recovery begins with a view that asks for the username or e-mail address, and nothing else")
		return
	}
	next := map[part]part{who: proof, proof: renewal, renewal: "the end"}
	for _, p := range way {
		is := p.part()
		if is != choice && (is == nothing || next[is] != parts[p.next]) {
			r.bad(p.step.ID, "a recovery has three steps: who it is, a verification, and a new password")
		}
		for _, e := range p.leads {
			if to := parts[e.next]; is == renewal || to != who && to != choice {
				r.bad(e.on, "leads to where somebody says who they are, or nowhere")
			}
		}
	}
}

// invitation: a password is chosen, after what the link holds was checked, and a code by each of the ways that were drawn.
func (r *rules) invitation(way walk) {
	last := len(way) - 1
	for i, p := range way {
		switch {
		case len(p.leads) > 0:
			r.bad(p.step.ID, "an invitation has one way")
		case p.does == confirmationCode && i > 0:
			r.bad(p.step.ID, "%s comes first", confirmationCode)
		case p.does == confirmationCode && p.step.Type != executionStep:
			r.bad(p.step.ID, "%s needs no form", confirmationCode)
		case slices.Contains(codes, p.does) && p.step.Type != viewStep:
			r.bad(p.step.ID, "%s needs a form", p.does)
		case slices.Contains(codes, p.does) && way[:i].does(p.does) >= 0:
			r.bad(p.step.ID, "%s comes once, behind the link", p.does)
		case p.does != confirmationCode && !slices.Contains(codes, p.does) && i != last:
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
