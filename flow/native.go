package flow

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store/directory"
)

// Program is a Transport for programs that speak for a person, without a browser: flow/native, flow/execute, flow/recovery. Every rule of the flow holds as it does
// behind a page; what differs is how a flow is bound. A browser has a cookie, a program the secret that came with the first prompt
// (directory.Native), and neither reads nor gets a cookie: a sign-in by a program begins a session of its own, which signs in no
// browser.
type Program interface {
	Transport
	// Supports reports whether a program can do the steps of an Executor. A flow that might come to one that it cannot do is refused
	// when it begins.
	Supports(option string, executor Executor) bool
	// Read reads the answer to a view. Its error is an *AnswerError.
	Read(v View, answer []byte) (Reply, error)
}

// Reply is what a program has answered.
type Reply struct {
	// Option is that of the Choices which it is about.
	Option string
	// Bare says that it brings nothing: the program chooses the option.
	Bare bool
	// Back says that Fields are the parameters with which a person has come back who was away (Prompt.Away).
	Back bool
	// Action is the name of one of the Prompt's; "" is the first. Fields are the values by the names of its Fields.
	Action string
	Fields url.Values
}

// AnswerError says what is wrong with an answer, whoever the person is.
type AnswerError struct {
	// Code is for the Program's Fail to know it by: a Failure of it has this Code and status 400.
	Code string
	// Problem is safe text for developers.
	Problem string
}

// Error implements error.
func (e *AnswerError) Error() string { return "flow: " + e.Code + ": " + e.Problem }

// The problems that only programs have.
var (
	errUnsupported = &Failure{Status: http.StatusNotImplemented, Code: "unsupported", Message: Message{ID: "error.unavailable", Level: Error}}
	errNobodyAway  = &AnswerError{Code: errMalformed.Code, Problem: "nobody is away of whom something could be brought"}
	errNotBegun    = &AnswerError{Code: errMalformed.Code, Problem: "the authenticator begins when it is sent without parameters"}
)

// converse is Interact for a program.
func (e *Engine) converse(r *visit, in directory.Interaction) (*directory.Result, error) {
	program := e.programOf(in)
	if program == nil {
		return nil, errors.New("flow: Config.Native, Config.Execution or Config.Recovery is required for programs")
	}
	r.program, r.transport = in.Native, program
	result, err := e.hear(r, in)
	if isProblem(err) || err != nil && in.Purpose == directory.ManageAccount { // for which no protocol answers
		e.fail(r, err, "")
		return nil, nil
	}
	return result, err
}

// RecoveryProgram is the directory.Native.Program of Config.Recovery.
const RecoveryProgram = "recovery"

// programOf is what speaks with the programs of a request.
func (e *Engine) programOf(in directory.Interaction) Program {
	switch {
	case in.Purpose != directory.ManageAccount:
		return e.native
	case in.Native != nil && in.Native.Program == RecoveryProgram:
		return e.recovery
	}
	return e.execution
}

// isProblem reports whether an error is the program's doing, and not ours.
func isProblem(err error) bool {
	if _, ok := errors.AsType[*AnswerError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*web.FormError](err); ok {
		return true
	}
	_, ok := errors.AsType[*Failure](err)
	return ok
}

// hear begins a flow, or takes the answer to what it asks.
func (e *Engine) hear(r *visit, in directory.Interaction) (*directory.Result, error) {
	if in.Purpose == directory.ManageAccount {
		if err := e.admitAccount(r, &in); err != nil {
			return nil, err
		}
	}
	if r.program.Answer == nil {
		return e.begin(r, in)
	}
	x, err := e.find(r, executionID(in))
	if err != nil {
		return nil, err
	}
	if x.Request.Organization != in.Organization || x.Request.Native == nil || x.Request.Native.Program != in.Native.Program {
		return nil, errForeign
	}
	if err := spent(x); err != nil {
		return nil, err
	}
	if x.Done { // the answer was lost, or could not be written
		return e.resume(r, x)
	}
	if err := e.listen(r, x); err != nil || r.done == nil {
		return nil, err
	}
	return e.resume(r, r.done)
}

// listen takes an answer.
func (e *Engine) listen(r *visit, x *execution) error {
	prompt, err := e.prompt(r.Context(), x)
	if err != nil {
		return err
	}
	view, err := e.view(r.Context(), x, prompt)
	if err != nil {
		return err
	}
	reply, err := e.programOf(x.Request).Read(view, r.program.Answer)
	if err != nil {
		return err
	}
	_, immediate := e.executors[reply.Option].(Immediate)
	_, open := e.executor(x).(Immediate)
	_, leaves := e.executors[reply.Option].(Leaving)
	switch {
	case !slices.Contains(x.options(), reply.Option):
		if reply.Option == x.Last.Option && !reply.Bare { // sent once more, because what came back was lost
			return e.show(r, x)
		}
		return &AnswerError{Code: "unknown_option", Problem: "the authenticator is none of this step"}
	case reply.Bare && !leaves && (reply.Option == x.Option || immediate && open): // it is before the program already
		return e.show(r, x)
	case reply.Bare:
		return e.turnTo(r, x, func(x *execution) error { return e.undertake(r.Context(), x, reply.Option) })
	case reply.Option != x.Option && !immediate:
		return errNotBegun
	case reply.Back:
		return e.relay(r, x, reply)
	case reply.Option != x.Option:
		x.Option, x.Data = reply.Option, "" // as if its page had been opened, for which there is nothing to do
	}
	form, err := reply.form(x)
	if err != nil {
		return err
	}
	return e.take(r, x, form)
}

// form is the answer as a page would have sent it.
func (reply Reply) form(x *execution) (web.Form, error) {
	values := url.Values{seqField: {strconv.FormatInt(x.Sequence, 10)}}
	for name, all := range reply.Fields {
		values[name] = all
	}
	if reply.Action != "" {
		values.Set(actionField, reply.Action)
	}
	return web.ParseForm(values.Encode(), consentField)
}

// supported refuses a flow for a program that might come to a step of which it can do nothing.
func (e *Engine) supported(x *execution) error {
	if x.Request.Native == nil {
		return nil
	}
	for _, step := range x.plan.Steps() {
		if _, err := e.within(x, step.Name, step.Options); err != nil {
			return err
		}
	}
	return nil
}

// within are those of a step's options that whoever does the flow can do at all: a browser all, a program what its transport supports.
func (e *Engine) within(x *execution, step string, options []string) ([]string, error) {
	if x.Request.Native == nil {
		return options, nil
	}
	var possible []string
	for _, option := range options {
		if e.programOf(x.Request).Supports(option, e.executors[option]) {
			possible = append(possible, option)
		}
	}
	if len(possible) == 0 {
		unsupported := *errUnsupported
		unsupported.Detail = "the flow has a step that no program can do: " + step
		return nil, &unsupported
	}
	return possible, nil
}

// chooseOption is the Executor of a step for which a program has not chosen an option yet.
const chooseOption = "choose"

// chooser waits for the choice among ways that begin when they are chosen.
type chooser struct{}

// Prepare implements Executor.
func (chooser) Prepare(context.Context, *State) error { return nil }

// Prompt implements Executor.
func (chooser) Prompt(context.Context, *State) (Prompt, error) {
	return Prompt{Step: chooseOption}, nil
}

// Judge implements Executor.
func (chooser) Judge(context.Context, *State, Input) (Verdict, error) { return Verdict{}, nil }

// first is the option with which a step begins. A program that has a choice is asked before anything is sent anywhere.
func (e *Engine) first(x *execution, options []string) string {
	if _, immediate := e.executors[options[0]].(Immediate); x.Request.Native != nil && len(options) > 1 && !immediate {
		return chooseOption
	}
	return options[0]
}

// choices are the ways to do the flow's present step, for a program.
func (e *Engine) choices(ctx context.Context, x *execution, prompt Prompt) ([]Choice, error) {
	var all []Choice
	for _, option := range x.options() {
		choice := Choice{Option: option}
		_, immediate := e.executors[option].(Immediate)
		_, leaves := e.executors[option].(Leaving)
		switch {
		case option == x.Option:
			choice.Prompt, choice.Begun = &prompt, !immediate && (!leaves || x.Data != "")
		case immediate:
			other := *x
			other.Option, other.Data = option, ""
			shown, err := e.prompt(ctx, &other)
			if err != nil {
				return nil, err
			}
			choice.Prompt = &shown
		}
		all = append(all, choice)
	}
	return all, nil
}

// RemainingAttempts is the parameter of a Message that says how many wrong answers a program's flow may still have.
const RemainingAttempts = "remainingAttempts"

// tire counts the wrong answers of a program. It may have as many in one flow as lead to a lock, whoever they are about and whatever
// others have tried at the account: so the number tells nothing about that.
func (e *Engine) tire(r *visit, x *execution, v Verdict, g *guess) error {
	if r.program == nil || g == nil || v.Blameless || v.Outcome != Again {
		return nil
	}
	policy, err := directory.Resolve(r.Context(), e.dir.Settings, e.dir.Settings.Lock, x.Request.Organization, "")
	if err != nil {
		return err
	}
	x.Wrong++
	if x.Wrong >= policy.Failures {
		x.refuse(directory.TooManyAttempts)
		return nil
	}
	x.Messages = slices.Clone(x.Messages)
	if i := slices.IndexFunc(x.Messages, func(m Message) bool { return m.Level == Error }); i >= 0 {
		params := map[string]string{RemainingAttempts: strconv.FormatInt(policy.Failures-x.Wrong, 10)}
		maps.Copy(params, x.Messages[i].Params)
		x.Messages[i].Params = params
	}
	return nil
}
