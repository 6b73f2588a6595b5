package script

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// The Executors that a Plan has besides those of its steps. Config.Executors of the flow needs them: see Executors.
const (
	promptExecutor   = "script-prompt"
	redirectExecutor = "script-redirect"
	exchangeExecutor = "script-http"
	errorExecutor    = "script-error"
)

// Way is an Option as a flow does it.
type Way struct {
	Option
	// Executor is the name of the flow's Executor. "" is the one that stands for the authenticator in Authenticators, or the name of
	// the provider.
	Executor string `json:"executor,omitempty"`
	// Methods are those of the evidence by which a session has done it before. Empty is the name of the Executor, or
	// directory.Federated for a provider.
	Methods []string `json:"methods,omitempty"`
	// Enroll is the Executor of the step for people who have not what this one asks for; "" is none, but for "totp", for which it is
	// "totp-enroll". A script says no to it with the parameter enrolUserInAuthenticationFlow.
	Enroll string `json:"enroll,omitempty"`
}

// Authenticators are the Executors that stand for the authenticators whose names scripts use. A copy of its own each time.
func Authenticators() map[string]string {
	return map[string]string{
		"BasicAuthenticator":              "password",
		"IdentifierExecutor":              "identifier",
		"FIDOAuthenticator":               "passkey",
		"MagicLinkAuthenticator":          "magic-link",
		"email-otp-authenticator":         "email-code",
		"sms-otp-authenticator":           "sms-code",
		"totp":                            "totp",
		"push-notification-authenticator": "push",
		"backup-code-authenticator":       "backup-code",
		"x509CertificateAuthenticator":    "certificate",
		"SessionExecutor":                 "session-limit",
	}
}

// plan is a script as a flow.Plan.
type plan struct {
	engine  *Engine
	program *Program
	ways    [][]Way
	options [][]Option
	steps   []flow.Step
	after   flow.Plan
}

var _ flow.Plan = (*plan)(nil)

// held is what a plan keeps in State.Memory.
type held struct {
	Memory Memory `json:"memory"`
	// Node is what the flow is at.
	Node Node `json:"node,omitzero"`
	// ACR is what the script had selected when it was complete, and Claims what it had said of the person.
	ACR    string                 `json:"acr,omitempty"`
	Claims directory.SignInClaims `json:"claims,omitempty"`
}

// Plan makes a Plan of a script and the steps that it can execute, the first being number 1. What the script leaves to the flow is
// consent. Its Executors are those of the ways, and those of Executors.
func (e *Engine) Plan(p *Program, steps ...[]Way) (flow.Plan, error) {
	pl := &plan{engine: e, program: p}
	known := Authenticators()
	var problems []error
	for i, step := range steps {
		var names []string
		var ways []Way
		var options []Option
		for _, w := range step {
			if w.Executor == "" {
				w.Executor = known[w.Authenticator]
			}
			if w.Executor == "" {
				w.Executor = w.IDP
			}
			if len(w.Methods) == 0 {
				w.Methods = []string{w.Executor}
				if w.IDP != "" {
					w.Methods = []string{directory.Federated}
				}
			}
			if w.Executor == "" {
				problems = append(problems, fmt.Errorf("script: step %d: no executor stands for %q", i+1, w.Authenticator))
			}
			if w.Executor == "totp" && w.Enroll == "" {
				w.Enroll = "totp-enroll"
			}
			names, ways, options = append(names, w.Executor), append(ways, w), append(options, w.Option)
		}
		if len(names) == 0 {
			problems = append(problems, fmt.Errorf("script: step %d has no options", i+1))
		}
		pl.ways, pl.options = append(pl.ways, ways), append(pl.options, options)
		for _, fails := range []bool{false, true} {
			pl.steps = append(pl.steps, flow.Step{
				Name: stepName(i+1, fails), Options: append(names, enrolments(ways)...), Fails: fails, Passive: passive(i),
			})
		}
	}
	for _, name := range []string{promptExecutor, redirectExecutor, exchangeExecutor, errorExecutor} {
		pl.steps = append(pl.steps, flow.Step{Name: name, Options: []string{name}})
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	var err error
	if pl.after, err = consent(); err != nil {
		return nil, err
	}
	pl.steps = append(pl.steps, pl.after.Steps()...)
	return pl, nil
}

// consent is what a flow asks for after the script.
func consent() (flow.Plan, error) {
	steps := flow.Login().Steps()
	i := slices.IndexFunc(steps, func(s flow.Step) bool { return s.Name == "consent" })
	if i < 0 {
		return nil, errors.New("script: the login of the flow has no consent")
	}
	return flow.Compile(steps[i])
}

// enrolments are the Executors of ways for people who have nothing to show.
func enrolments(ways []Way) (names []string) {
	for _, w := range ways {
		if w.Enroll != "" && !slices.Contains(names, w.Enroll) {
			names = append(names, w.Enroll)
		}
	}
	return names
}

// passive is what a request that forbids asking is told at a step.
func passive(i int) directory.Refusal {
	if i == 0 {
		return directory.LoginRequired
	}
	return directory.InteractionRequired
}

// stepName is the name of a step in the flow: one that is asked again until it is right, or that ends when it is not.
func stepName(n int, fails bool) string {
	if fails {
		return "step" + strconv.Itoa(n) + "-once"
	}
	return "step" + strconv.Itoa(n)
}

// Steps implements flow.Plan.
func (p *plan) Steps() []flow.Step { return p.steps }

// Next implements flow.Plan.
func (p *plan) Next(ctx context.Context, s *flow.State) (flow.Move, error) {
	var k held
	if len(s.Memory) > 0 {
		if err := json.Unmarshal(s.Memory, &k); err != nil {
			return p.failed(ctx, s, ErrDiverged), nil
		}
	}
	switch {
	case k.Node.Kind == Complete:
		return p.rest(ctx, s, k)
	case k.Node.ID == "":
	case s.Last.Step != nodeStep(k.Node) || s.Last.Undone:
		return p.move(ctx, s, k.Node) // another plan was done meanwhile
	default:
		o, err := p.outcome(ctx, s, k)
		if err != nil {
			return flow.Move{}, err
		}
		k.Memory.Add(o)
	}
	out, err := p.engine.Run(ctx, p.program, k.Memory, p.login(s, k))
	if ends(err) {
		return p.failed(ctx, s, err), nil
	}
	if err != nil {
		return flow.Move{}, err
	}
	k = held{Memory: out.Memory, Node: out.Next, ACR: out.SelectedACR, Claims: out.Claims}
	if s.Memory, err = json.Marshal(k); err != nil {
		return flow.Move{}, err
	}
	for _, add := range out.Writes {
		s.Write(add)
	}
	for _, cookie := range out.Cookies {
		s.SetCookie(cookie)
	}
	if out.Next.Kind == Complete {
		return p.rest(ctx, s, k)
	}
	return p.move(ctx, s, out.Next)
}

// rest is what the flow asks for after a script that is complete.
func (p *plan) rest(ctx context.Context, s *flow.State, k held) (flow.Move, error) {
	move, err := p.after.Next(ctx, s)
	move.ACR, move.Claims = k.ACR, k.Claims
	return move, err
}

// ends reports whether the error of a run ends the login.
func ends(err error) bool {
	var own *Error
	return errors.As(err, &own) || errors.Is(err, ErrOverrun) || errors.Is(err, ErrDiverged) || errors.Is(err, ErrDisabled)
}

// failed ends the flow because the script did not do its work.
func (p *plan) failed(ctx context.Context, s *flow.State, err error) flow.Move {
	s.Memory = nil
	p.engine.config.Log.WarnContext(ctx, "a login ends because its script failed", "script", p.program.Hash, "flow", s.Flow, "error", err)
	return flow.Move{Refusal: directory.Denied, Failure: directory.Failure{Code: "server_error", Description: "The login policy failed."}}
}

// nodeStep is the name of the flow's step for a node.
func nodeStep(n Node) string {
	switch n.Kind {
	case Step:
		return stepName(n.Step, n.Retries)
	case Prompt:
		if n.Template == "externalRedirect" {
			return redirectExecutor
		}
		return promptExecutor
	case Exchange:
		return exchangeExecutor
	case ErrorPage:
		return errorExecutor
	}
	return ""
}

// move is where the flow goes for a node.
func (p *plan) move(ctx context.Context, s *flow.State, n Node) (flow.Move, error) {
	switch n.Kind {
	case Fail:
		return flow.Move{Refusal: directory.Denied, Failure: directory.Failure{
			Code: n.Failure.Code, Description: n.Failure.Message, URI: n.Failure.URI,
		}}, nil
	case Step:
		return p.stepMove(ctx, s, n)
	}
	return flow.Move{Step: nodeStep(n)}, nil
}

// stepMove is the move to a configured step.
func (p *plan) stepMove(ctx context.Context, s *flow.State, n Node) (flow.Move, error) {
	move := flow.Move{Step: nodeStep(n), Params: map[string]string{}}
	maps.Copy(move.Params, n.Params.Common)
	var names []string
	for _, w := range p.chosen(n) {
		maps.Copy(move.Params, n.Params.For(w.Option))
		names = append(names, w.Executor)
	}
	// Params stand in the flow as they are: what a script knows of a password does not go there.
	maps.DeleteFunc(move.Params, func(name, _ string) bool { return confidential(name) })
	if len(names) == 0 {
		return p.failed(ctx, s, fmt.Errorf("script: step %d has none of the options that the script asks for", n.Step)), nil
	}
	usable, err := s.Usable(ctx, names)
	if err != nil {
		return flow.Move{}, err
	}
	if move.Options = usable; len(usable) == 0 {
		move.Options = names // nobody known yet, or somebody who has none of it: the step says so
		if enroll := enrolments(p.chosen(n)); len(enroll) > 0 && !s.Subject.IsZero() && move.Params["enrolUserInAuthenticationFlow"] != "false" {
			move.Options = enroll
		}
	}
	return move, nil
}

// chosen are the ways of a step that the script admits.
func (p *plan) chosen(n Node) []Way {
	all := p.ways[n.Step-1]
	if len(n.Options) == 0 {
		return all
	}
	var ways []Way
	for _, o := range n.Options {
		for _, w := range all {
			authenticator := o.Authenticator == "" || o.Authenticator == w.Authenticator
			provider := o.IDP == "" || o.IDP == localIDP && w.IDP == "" || o.IDP == w.IDP
			if authenticator && provider && !slices.ContainsFunc(ways, func(c Way) bool { return c.Executor == w.Executor }) {
				ways = append(ways, w)
			}
		}
	}
	return ways
}

// login is what a run is told.
func (p *plan) login(s *flow.State, k held) Login {
	client := s.Client()
	began := k.Memory.Began
	if began.IsZero() {
		began = s.Now
	}
	return Login{
		Now: s.Now, Application: s.Request.ApplicationName, ApplicationID: s.Request.Application.ID, Organization: s.Request.Organization,
		ACR: s.Request.ACR, Steps: p.options, Session: s.Session(), Flow: s,
		Browser: Browser{Address: client.Address.String(), Header: client.Header, Cookies: client.Cookies, Sent: s.Sent},
		Satisfied: func(ctx context.Context, n Node) (*Outcome, error) {
			for _, w := range p.chosen(n) {
				for _, e := range s.Evidence {
					if s.Subject.IsZero() || e.Time.After(began) || !slices.Contains(w.Methods, e.Method) {
						continue
					}
					who, err := person(ctx, s)
					return &Outcome{Person: who, Option: w.Option}, err
				}
			}
			return nil, nil
		},
	}
}

// outcome is what came of the node that the flow is at.
func (p *plan) outcome(ctx context.Context, s *flow.State, k held) (Outcome, error) {
	o := Outcome{Node: k.Node.ID, Result: Succeeded, Time: s.Now}
	if s.Last.Failed {
		o.Result = Failed
	}
	switch k.Node.Kind {
	case Step:
		for _, w := range p.ways[k.Node.Step-1] {
			if w.Executor == s.Last.Option || w.Enroll == s.Last.Option {
				o.Option = w.Option
			}
		}
		if scenario := scenarios[s.Last.Action]; scenario != "" {
			o.Params = map[string][]string{"scenario": {scenario}}
		}
		var err error
		if o.Person, err = person(ctx, s); err == nil && o.Option.IDP != "" {
			o.Person, err = fromUpstream(s, o.Person)
		}
		return o, err
	case Prompt:
		if names := inputs(k.Node); len(names) > 0 {
			o.Params = map[string][]string{}
			for _, name := range names {
				o.Params[name] = s.Sent(name)
			}
		}
	case Exchange:
		var e exchanged
		if err := json.Unmarshal([]byte(s.Facts[exchangeFact]), &e); err != nil || e.Node != k.Node.ID {
			o.Result = TimedOut
			return o, nil
		}
		o.Result, o.Data = e.Result, e.Data
	}
	return o, nil
}

// fromUpstream adds to somebody who has come from a provider what that says of them. Whoever is nobody here is known by that alone, and has
// failed at the step.
func fromUpstream(s *flow.State, who *Person) (*Person, error) {
	from, err := s.Upstream()
	if err != nil || from == nil || from.Connection == "" {
		return who, err
	}
	switch {
	case s.Subject.IsZero():
		who = &Person{Username: from.ExternalID, Identifier: from.ExternalID, Organization: s.Request.Organization, IDP: from.Issuer}
	case who.IDP != from.Issuer:
		return who, nil
	}
	who.Remote = from.Claims
	return who, nil
}

// scenarios are what scripts are told of an action that is no answer.
var scenarios = map[string]string{"passkey-enroll": "INIT_FIDO_ENROLL", "push-enroll": "INIT_PUSH_ENROLL"}

// person is whom the flow is about, or who has tried to be somebody; nil is nobody.
func person(ctx context.Context, s *flow.State) (*Person, error) {
	if s.Subject.IsZero() {
		typed := s.Person
		if sent := s.Sent("username"); len(sent) > 0 {
			typed = clip(sent[0], 256)
		}
		if typed == "" {
			return nil, nil
		}
		return &Person{Username: typed, Identifier: typed, Organization: s.Request.Organization}, nil
	}
	who := &Person{Subject: s.Subject, Identifier: s.Person, Organization: s.Subject.Org}
	for _, e := range s.Evidence {
		if e.Issuer != "" {
			who.IDP = e.Issuer
		}
	}
	user, err := s.User(ctx)
	if errors.Is(err, store.ErrNotFound) {
		who.Username = s.Person
		return who, nil
	}
	if err != nil {
		return nil, err
	}
	who.Username = user.Username
	if user.Store != directory.DefaultStore {
		who.Store = user.Store
	}
	return who, nil
}
