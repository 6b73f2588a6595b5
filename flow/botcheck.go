package flow

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// BotCheck keeps programs from doing in masses what pages let anybody do: guessing at passwords, making accounts, having messages sent. It
// is asked after a page was answered and before anything is done with the answer: before the account is looked for, a password is
// hashed or a message is sent. So what it says tells nothing about who exists.
//
// When is what the policies say (directory.BotCheckPolicy for signing in, directory.RegistrationPolicy, directory.RecoveryPolicy), and
// Assess has the last word. What is counted for that is counted by the name that was typed and by the address, and stays for an hour whatever
// succeeds: neither another tab or transport nor going back begins anew. Passkeys and sign-ins upstream are not asked.
type BotCheck struct {
	// Captcha is what a person solves who is challenged: flow/captcha makes one. Required.
	Captcha Captcha
	// Assess judges an answer. It is called on the request's path and must be quick; an error is a failure (503). Nil is the
	// Assessment that the Signal has, which is what the policies say.
	Assess func(context.Context, Signal) (Assessment, error)
}

// Captcha is a puzzle for people whose solution a service checks. Methods are safe for concurrent use.
type Captcha interface {
	// Widget is how pages show it. It does not change.
	Widget() Widget
	// Verify reports whether a solution, as the widget has put it into the form, is right and was not used before. The address is whose the
	// answer is. An error means that this could not be found out.
	Verify(ctx context.Context, solution string, address netip.Addr) (bool, error)
}

// Widget is how a page shows a Captcha: a script of the service finds an element by its class, and puts the solution into the form.
type Widget struct {
	// Kind is how programs know the service: "TURNSTILE".
	Kind string `json:"kind"`
	// SiteKey is what the service knows the site by; it is public.
	SiteKey string `json:"siteKey"`
	// Field is the name of the form's parameter with the solution, Class the element's, and Script the URL of the script.
	Field  string `json:"field"`
	Class  string `json:"class"`
	Script string `json:"script"`
	// Sources are what the page admits for it beside the script: origins, or origins with a path, for scripts, styles, frames and requests (CSP3 §2.3.1).
	Sources []string `json:"sources,omitempty"`
}

// Checked is what an answer does that programs must not do in masses.
type Checked string

// What is checked.
const (
	CheckedSignIn       Checked = "sign-in"
	CheckedRegistration Checked = "registration"
	CheckedRecovery     Checked = "recovery"
)

// Signal is what is known of an answer before anything is done with it.
type Signal struct {
	// Checked is what the answer does.
	Checked      Checked
	Organization string
	Application  store.Ref
	Client       Client
	// Program says that the answer comes from a program that speaks for a person, and not from a page.
	Program bool
	// Identifier is the name or address that was typed. It may be anything, a password too.
	Identifier string
	// Failures are the wrong answers of the hour before for the Identifier, and AddressFailures those from the address, for a sign-in that is
	// checked after failures; zero otherwise.
	Failures, AddressFailures int64
	// Assessment is what the policies say: Admit or Challenge.
	Assessment Assessment
}

// Assessment is what is to be done with an answer.
type Assessment uint8

// The assessments, the mildest first.
const (
	// Admit takes the answer.
	Admit Assessment = iota
	// Challenge takes it with the solution of a Captcha, which is good for this answer alone.
	Challenge
	// TurnAway does not take it.
	TurnAway
)

// checked is an Executor that does something of the kind; what, and whether, depends on the action, "" is the main one. Any other Guarded one signs
// somebody in as long as it is not known who that is.
type checked interface {
	checks(s *State, action string) Checked
}

func (passwordExecutor) checks(*State, string) Checked { return CheckedSignIn }
func (registerExecutor) checks(*State, string) Checked { return CheckedRegistration }
func (recoverExecutor) checks(*State, string) Checked  { return CheckedRecovery }

// checks implements checked: a password is hashed for nobody but who has shown at the step "register" that they are a person, or shows it here.
func (profileExecutor) checks(s *State, _ string) Checked {
	if s.Facts[holderFact] == "" && slices.Contains(strings.Fields(s.Params[ParamFields]), newPasswordField+"+") {
		return CheckedRegistration
	}
	return ""
}

func (c codeExecutor) checks(s *State, action string) Checked {
	if s.Subject.IsZero() && (len(s.Data) == 0 || action == resendAction) {
		return CheckedSignIn
	}
	return ""
}

func (t ticketExecutor) checks(_ *State, action string) Checked {
	switch {
	case action != resendAction:
		return ""
	case t.purpose == directory.ConfirmRegistration:
		return CheckedRegistration
	}
	return CheckedRecovery
}

func (l linkExecutor) checks(_ *State, action string) Checked {
	if action == resendAction {
		return CheckedRecovery
	}
	return ""
}

const (
	// captchaLife is how long a solution is remembered that was used: services take none that is as old.
	captchaLife = 10 * time.Minute
	// maxSolution bounds a solution, in bytes.
	maxSolution = 8 << 10
	// failureWindow is how long wrong answers are counted from the first one on.
	failureWindow = time.Hour
)

var (
	// failureKind counts wrong answers by name and by address. It holds neither, only keyed hashes.
	failureKind = store.Kind{Name: "flow.failure"}
	// solutionKind remembers solutions that were used. Its loss lets one through once more that the service would take again.
	solutionKind = store.Kind{Name: "flow.solution", Ephemeral: true}
)

// solution is one that was used, for an answer to a flow.
type solution struct {
	store.Meta
	For string `json:"for"`
}

// errCaptcha is for programs, which have no page to be shown again.
var errCaptcha = &Failure{Status: http.StatusBadRequest, Code: "captcha_failed", Message: Message{ID: "captcha.wrong", Level: Error}, Detail: "the captcha was not solved"}

var errTurnedAway = &Failure{Status: http.StatusForbidden, Code: "turned_away", Message: Message{ID: "captcha.refused", Level: Error}}

func (b *BotCheck) validate() error {
	if b == nil {
		return nil
	}
	if b.Captcha == nil {
		return errors.New("flow: Config.BotCheck.Captcha is required; flow/captcha makes one")
	}
	if w := b.Captcha.Widget(); w.Field == "" || w.SiteKey == "" || w.Script == "" {
		return errors.New("flow: Config.BotCheck.Captcha: its Widget needs a Field, a SiteKey and a Script")
	}
	return nil
}

// deed is what an answer with the action does that is checked; "" is nothing.
func (e *Engine) deed(s *State, executor Executor, action string) Checked {
	if e.bots == nil {
		return ""
	}
	if c, ok := executor.(checked); ok {
		return c.checks(s, action)
	}
	if _, ok := executor.(Guarded); ok && s.Subject.IsZero() {
		return CheckedSignIn
	}
	return ""
}

// always reports whether the policies want a solution of everybody.
func (e *Engine) always(ctx context.Context, org string, what Checked) (bool, error) {
	switch what {
	case CheckedRegistration:
		policy, err := directory.Resolve(ctx, e.dir.Settings, e.dir.Settings.Registration, org, "")
		return !policy.NoCaptcha, err
	case CheckedRecovery:
		policy, err := directory.Resolve(ctx, e.dir.Settings, e.dir.Settings.Recovery, org, "")
		return policy.Captcha, err
	}
	policy, err := directory.Resolve(ctx, e.dir.Settings, e.dir.Settings.BotCheck, org, "")
	return policy.SignIn == directory.CheckAlways, err
}

// withCaptcha adds to a prompt the puzzle that its answer needs, or that somebody was challenged to solve.
func (e *Engine) withCaptcha(ctx context.Context, x *execution, s *State, prompt *Prompt) error {
	main := e.deed(s, e.executor(x), "")
	due := x.Challenged && slices.ContainsFunc(append(slices.Clone(prompt.Actions), Action{}), func(a Action) bool {
		return e.deed(s, e.executor(x), a.Name) != ""
	})
	if !due && main != "" {
		var err error
		if due, err = e.always(ctx, x.Request.Organization, main); err != nil {
			return err
		}
	}
	if !due {
		return nil
	}
	widget := e.bots.Captcha.Widget()
	prompt.Captcha = &widget
	prompt.Fields = append(prompt.Fields, Field{Name: widget.Field, Type: CaptchaField, Label: "captcha.label", Required: main != ""})
	return nil
}

// signal is what is known of an answer; nil when it does nothing that is checked.
func (e *Engine) signal(r *visit, x *execution, in Input) (*Signal, error) {
	s, err := e.state(x)
	if err != nil || in.free {
		return nil, err
	}
	what := e.deed(s, e.executor(x), in.Action)
	if what == "" {
		return nil, nil
	}
	ctx, org := r.Context(), x.Request.Organization
	signal := &Signal{
		Checked: what, Organization: org, Application: x.Request.Application, Client: e.client(r), Program: r.program != nil,
		Identifier: in.Value(usernameField) + in.Value(emailField), // of which a page has one
	}
	always, err := e.always(ctx, org, what)
	if err != nil {
		return nil, err
	}
	if always {
		signal.Assessment = Challenge
		return signal, nil
	}
	if what != CheckedSignIn {
		return signal, nil
	}
	policy, err := directory.Resolve(ctx, e.dir.Settings, e.dir.Settings.BotCheck, org, "")
	if err != nil || policy.SignIn == directory.CheckNever {
		return signal, err
	}
	refs := e.failureRefs(org, signal.Identifier, e.site.AddressGroup(r.Request))
	for i, count := range []*int64{&signal.Failures, &signal.AddressFailures} {
		if *count, err = e.db.Count(ctx, failureKind, refs[i]); err != nil {
			return nil, err
		}
	}
	if signal.Failures >= policy.Failures || signal.AddressFailures >= policy.AddressFailures {
		signal.Assessment = Challenge
	}
	return signal, nil
}

// failureRefs are where the wrong answers for a name, and from an address, are counted.
func (e *Engine) failureRefs(org, name, address string) [2]store.Ref {
	keys := e.db.Keys()
	return [2]store.Ref{
		{Org: org, ID: keys.MAC(failureKind.Name, "name", directory.Fold(sayable(name)))},
		{Org: org, ID: keys.MAC(failureKind.Name, "address", address)},
	}
}

// tally adds to the batch that an attempt at signing in was wrong.
func (e *Engine) tally(b *store.Batch, g *guess, v Verdict) {
	if e.bots == nil || !g.signsIn || v.right() || v.Blameless || v.Outcome != Again {
		return
	}
	for _, ref := range e.failureRefs(g.org, g.account.Person, g.addressGroup) {
		b.Add(failureKind, ref, 1, e.db.Now().Add(failureWindow))
	}
}

// challenge decides whether an answer may be looked at. A verdict is what becomes of it otherwise; nil lets it pass.
func (e *Engine) challenge(r *visit, x *execution, in Input, prompt Prompt) (*Verdict, error) {
	if e.bots == nil {
		return nil, nil
	}
	signal, err := e.signal(r, x, in)
	if err != nil || signal == nil {
		return nil, err
	}
	due := signal.Assessment
	if e.bots.Assess != nil {
		if due, err = e.bots.Assess(r.Context(), *signal); err != nil {
			return nil, fmt.Errorf("flow: Config.BotCheck.Assess: %w", err)
		}
	}
	if x.Challenged && due == Admit { // nothing takes back what was asked
		due = Challenge
	}
	switch due {
	case Admit:
		return nil, nil
	case Challenge:
		return e.solved(r, x, in, prompt, signal.Checked)
	}
	e.observe(r.Context(), directory.Observation{Type: "bot.refused", Code: string(signal.Checked), Address: e.site.AddressGroup(r.Request)})
	return nil, errTurnedAway
}

// solved judges the solution that came with an answer. Without one, the page comes again and asks for it.
func (e *Engine) solved(r *visit, x *execution, in Input, prompt Prompt, what Checked) (*Verdict, error) {
	ctx, text := r.Context(), ""
	if prompt.Captcha != nil {
		text = in.Value(prompt.Captcha.Field)
	}
	ask := &Verdict{Outcome: Again, Blameless: true, Keep: readable(prompt, in), challenge: true}
	if text == "" && !x.Challenged && r.program == nil || prompt.Captcha == nil {
		e.observe(ctx, directory.Observation{Type: "bot.challenged", Code: string(what), Address: e.site.AddressGroup(r.Request)})
		ask.Messages = []Message{{ID: "captcha.needed", Level: Warning}}
		return ask, nil
	}
	right := text != "" && len(text) <= maxSolution
	if right {
		wait, err := e.dir.Throttle.Admit(ctx, x.Request.Organization, directory.ThrottlePassword, e.site.Address(r.Request).String())
		if err != nil {
			return nil, err
		}
		if wait > 0 { // whoever sends rubbish must not use up what the service answers
			return nil, throttled(wait)
		}
		if right, err = e.unused(ctx, x, text); err != nil {
			return nil, err
		}
	}
	if right {
		var err error
		if right, err = e.bots.Captcha.Verify(ctx, text, e.site.Address(r.Request)); err != nil {
			return nil, fmt.Errorf("flow: Config.BotCheck.Captcha: %w", err)
		}
	}
	switch {
	case right:
		return nil, nil
	case r.program != nil:
		return nil, errCaptcha
	}
	ask.Messages = []Message{{ID: "captcha.wrong", Level: Error}}
	return ask, nil
}

// unused uses a solution up. It reports false for one that was used for another answer; for this very one, the error is errClaimed.
func (e *Engine) unused(ctx context.Context, x *execution, text string) (bool, error) {
	used := &solution{
		Meta: store.Meta{ID: secret.Hash("captcha\x00" + text), Expires: e.db.Now().Add(captchaLife)},
		For:  x.ID + "." + strconv.FormatInt(x.Sequence, 10),
	}
	b := e.db.Batch()
	e.solutions.Insert(b, used)
	err := b.Apply(ctx)
	if store.ConflictOn(err, solutionKind) == nil {
		return err == nil, err
	}
	before, err := e.solutions.Get(ctx, used.Ref())
	if err == nil && before.For == used.For {
		return false, errClaimed
	}
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return false, err
}

// readable are the values of an answer that stand in the fields again: none of a secret.
func readable(prompt Prompt, in Input) map[string]string {
	values := map[string]string{}
	for _, f := range prompt.Fields {
		if slices.Contains([]FieldType{TextField, EmailField, CheckboxField, NumberField, DateField, ChoiceField}, f.Type) {
			values[f.Name] = sayable(in.Value(f.Name))
		}
	}
	return values
}
