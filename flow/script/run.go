package script

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/dop251/goja"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Login is what a run is told about the login, besides its Memory.
type Login struct {
	// Now is the time of this request.
	Now time.Time
	// Application and ApplicationID are whom the person signs in to, and Organization where.
	Application   string
	ApplicationID string
	Organization  string
	// ACR are the authentication contexts that the request accepts, best first.
	ACR []string
	// Steps are the configured steps, the first being number 1, with their options.
	Steps [][]Option
	// Browser is what the browser sent.
	Browser Browser
	// Session is the session of the person that the browser had when the login began; zero is none.
	Session store.Ref
	// Flow is the flow that is asking; nil outside one.
	Flow *flow.State
	// Satisfied says whether a step is done already, by what the session has proven, and returns what came of it then: Person and
	// Option. It is asked when the step's turn comes, unless the script forces it. Nil is never.
	Satisfied func(ctx context.Context, n Node) (*Outcome, error)
}

// Browser is the request of a browser as far as scripts see it.
type Browser struct {
	Address string
	Header  http.Header
	// Cookies are by name, without our own. Sent returns what the answer has in a field that the step was done with; nil has none.
	Cookies map[string]string
	Sent    func(field string) []string
}

// Output is what a run came to.
type Output struct {
	// Next is what to do now.
	Next Node
	// Memory is what to keep, in the same step that writes what Next leads to.
	Memory Memory
	// Writes add to the batch of that step what the script has done; see Call.Write.
	Writes []func(b *store.Batch) error
	// Cookies are to be set with the answer.
	Cookies []*http.Cookie
	// SelectedACR is context.selectedAcr as the script has left it, whatever was reached; "" is none.
	SelectedACR string
	// LoginParams are context.endpointParams, for the page.
	LoginParams map[string]string
	// Claims are what the script has set in user.claims of the person who signs in, for this sign-in alone.
	Claims directory.SignInClaims
}

// Error is a script that failed by itself: it threw, or asked for something that does not exist.
type Error struct {
	// Problem is for the log. It may hold what the script was told.
	Problem string
}

func (e *Error) Error() string { return "script: " + e.Problem }

// Run runs the script from its beginning: onLoginRequest, then for each recorded outcome its callback. What the script asks of Go is
// answered from the journal as far as that goes. Errors are *Error, ErrOverrun, ErrDiverged and ErrDisabled, all of which must end the
// login; and any other, a failure of a Function or of the context, which must not: nothing has happened then, and Run may be repeated.
func (e *Engine) Run(ctx context.Context, p *Program, m Memory, login Login) (Output, error) {
	if err := m.begin(p, login); err != nil {
		return Output{}, err
	}
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	case <-ctx.Done():
		return Output{}, ctx.Err()
	}
	first, err := e.try(ctx, p, m, &login, Output{}, e.config.Soft)
	if errors.Is(err, errSlow) {
		// A busy machine is no fault of the script: what was merely slow gets another chance, and time, from where it was.
		done := Output{Writes: first.out.Writes, Cookies: first.out.Cookies}
		first, err = e.try(ctx, p, first.memory, &login, done, patience*e.config.Soft)
	}
	if err == nil {
		err = first.fits()
	}
	if err != nil {
		e.config.Log.WarnContext(ctx, "a login script failed", "script", p.Hash, "error", err)
		return Output{}, err
	}
	return first.out, nil
}

// errSlow is an overrun of time alone.
var errSlow = fmt.Errorf("%w: time", ErrOverrun)

// begin fills a Memory that is new, and refuses one of another script.
func (m *Memory) begin(p *Program, login Login) error {
	if m.Program == "" {
		m.Program, m.Began, m.Seed = p.Hash, login.Now, make([]byte, 16)
		_, _ = rand.Read(m.Seed)
	}
	if m.Program != p.Hash || len(m.Seed) == 0 {
		return ErrDiverged
	}
	if len(m.Outcomes) > maxOutcomes || len(m.Journal) > maxJournal {
		return ErrOverrun
	}
	return nil
}

// fits reports a result that is larger than it may be.
func (r *run) fits() error {
	next, err := json.Marshal(r.out.Next)
	if err != nil {
		return &Error{Problem: err.Error()}
	}
	memory, err := json.Marshal(r.out.Memory)
	if err != nil {
		return &Error{Problem: err.Error()}
	}
	if len(next) > maxOutput || len(memory) > MaxMemory {
		return ErrOverrun
	}
	return nil
}

// maxOutput bounds a decision, in bytes of JSON.
const maxOutput = 16 << 10

// run is one run of a script. What is below the line belongs to its goroutine until that is done.
type run struct {
	calls chan *crossing
	done  chan error
	dead  chan struct{} // closed when nobody waits any more

	*realm
	engine  *Engine
	program *Program
	memory  Memory
	login   *Login
	out     Output
	cursor  int
	fresh   int
	nodes   int
	err     error // why the run was stopped
	now     time.Time
	queue   []*Node
	adding  []*Node
	steps   map[int]*Outcome
	current int
	params  map[string][]string
	context *goja.Object
	users   map[string]*goja.Object
	people  map[*goja.Object]*Person
	said    map[string]directory.SignInClaims // what was set in user.claims, by whom it is about
	// told is how many outcomes the script has been told of, and subjectStep the one that it has marked.
	told        int
	subjectStep int
	hidden      []string // what must not be logged
	brief       []string // and is too short to be taken out
	modules     map[string]goja.Value

	// givenUp says that nobody waits for the run any more, and finished that it has ended all the same. They are the Engine's, under its lock.
	givenUp, finished bool
}

// crossing is a call that the caller of Run makes for the script.
type crossing struct {
	f     Function
	call  *Call
	value any
	err   error
	back  chan struct{}
}

// try runs the script once, and makes its calls. It is stopped after a time, and given up when it has not ended long after that; which is
// measured from when it was stopped, as a machine may stand still in between.
func (e *Engine) try(ctx context.Context, p *Program, m Memory, login *Login, done Output, soft time.Duration) (*run, error) {
	if e.disabled(p.Hash) {
		return nil, ErrDisabled
	}
	r := &run{
		calls: make(chan *crossing), done: make(chan error, 1), dead: make(chan struct{}),
		engine: e, program: p, memory: m, login: login, out: done, now: m.Began,
		steps: map[int]*Outcome{}, people: map[*goja.Object]*Person{}, said: map[string]directory.SignInClaims{}, users: map[string]*goja.Object{}, modules: map[string]goja.Value{},
	}
	r.realm = newRealm(e.natives, p.names, p.globals, m.Seed, func() time.Time { return r.now })
	defer close(r.dead)
	limit, stopped := time.NewTimer(soft), false
	defer limit.Stop()
	go func() {
		defer e.ended(r)
		r.done <- r.whole()
	}()
	canceled := ctx.Done()
	for {
		select {
		case err := <-r.done:
			return r, err
		case c := <-r.calls:
			limit.Stop()
			if c.err = ctx.Err(); c.err == nil {
				c.value, c.err = c.f(ctx, c.call)
			}
			limit.Reset(soft)
			stopped = false
			close(c.back)
		case <-canceled:
			r.interrupt(ctx.Err())
			limit.Reset(e.config.Hard)
			canceled, stopped = nil, true
		case <-limit.C:
			if !stopped {
				r.interrupt(errSlow)
				limit.Reset(e.config.Hard)
				stopped = true
				continue
			}
			n, ended := e.abandon(r)
			if ended {
				return r, <-r.done
			}
			e.config.Log.ErrorContext(ctx, "a login script could not be stopped", "script", p.Hash, "times", n)
			return &run{}, fmt.Errorf("%w: it could not be stopped", ErrOverrun)
		}
	}
}

// whole runs everything there is to run. It ends the way that the script did.
func (r *run) whole() (err error) {
	defer func() {
		if p := recover(); p != nil { // a fault of the interpreter: the script has failed, not the process
			err = r.ended(fmt.Errorf("%w: %s", errPanic, faultText(p)))
		}
	}()
	r.globals()
	f, err := r.entry()
	if err != nil {
		return r.ended(err)
	}
	if _, err := f(goja.Undefined(), r.context); err != nil {
		return r.ended(err)
	}
	r.insert()
	if err := r.replay(); err != nil {
		return r.ended(err)
	}
	r.out.Memory = r.memory
	if p := r.subject(); p != nil {
		r.out.Claims = r.said[p.key()]
	}
	return r.ended(nil)
}

var errPanic = errors.New("the interpreter failed")

// ended says why the run ended: what stopped it comes before what the script made of that.
func (r *run) ended(err error) error {
	var stopped *goja.InterruptedError
	var deep *goja.StackOverflowError
	var thrown *goja.Exception
	switch {
	case r.err != nil:
		return r.err
	case r.over:
		return ErrOverrun
	case err != nil && r.halted.Load() != nil: // which nobody may have looked for since
		return *r.halted.Load()
	case errors.As(err, &stopped):
		if cause, ok := stopped.Value().(error); ok {
			return cause
		}
		return ErrOverrun
	case errors.As(err, &deep):
		return fmt.Errorf("%w: functions that call one another", ErrOverrun)
	case errors.As(err, &thrown):
		return &Error{Problem: clip(r.redacted(complaint(thrown)), 1000)}
	case err == nil || errors.Is(err, ErrDiverged) || errors.Is(err, ErrOverrun):
		return err
	}
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	return &Error{Problem: clip(r.redacted(err.Error()), 1000)}
}

// complaint is what was thrown, and where in the script.
func complaint(thrown *goja.Exception) string {
	text := thrownText(thrown.Value())
	for _, frame := range thrown.Stack() {
		if p := frame.Position(); p.Line > 0 {
			return fmt.Sprintf("%s at %s:%d:%d", text, frame.SrcName(), p.Line, p.Column)
		}
	}
	return text
}

// thrownText is what was thrown as a text, for which nothing of the script runs: that is over, and what it would do now, nobody would catch. To spell
// an error or an object calls what the script may have put there, and counts.
func thrownText(v goja.Value) string {
	o, ok := v.(*goja.Object)
	switch {
	case v == nil:
		return "undefined"
	case !ok:
		return v.String()
	case o.ClassName() != "Error":
		return "an object of class " + o.ClassName()
	}
	text := "Error"
	if name := o.Get("name"); goja.IsString(name) {
		text = name.String()
	}
	if message := o.Get("message"); goja.IsString(message) && message.String() != "" {
		text += ": " + message.String()
	}
	return text
}

// faultText is what a fault of the interpreter was, likewise.
func faultText(p any) string {
	switch p := p.(type) {
	case goja.Value:
		return thrownText(p)
	case *goja.Exception:
		return thrownText(p.Value())
	}
	return fmt.Sprint(p)
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}

// entry runs the script's own statements, and returns its onLoginRequest.
func (r *run) entry() (goja.Callable, error) {
	if _, err := r.vm.RunProgram(r.program.main); err != nil {
		return nil, err
	}
	f, ok := goja.AssertFunction(r.vm.Get("onLoginRequest"))
	if !ok {
		return nil, &Error{Problem: "there is no function onLoginRequest"}
	}
	if len(r.adding) > 0 {
		return nil, &Error{Problem: "steps are asked for in onLoginRequest and in callbacks"}
	}
	return f, nil
}

// insert puts what was asked for since in front of what remains.
func (r *run) insert() {
	if len(r.queue)+len(r.adding) > maxOutcomes {
		r.stop(ErrOverrun)
		return
	}
	r.queue = append(r.adding[:len(r.adding):len(r.adding)], r.queue...)
	r.adding = nil
}

// replay goes through the outcomes until there is a node without one.
func (r *run) replay() error {
	for seen := 0; ; {
		if r.err != nil {
			return r.err
		}
		if len(r.queue) == 0 {
			r.out.Next = Node{ID: "end", Kind: Complete}
		} else {
			r.out.Next = *r.queue[0]
		}
		if r.out.Next.Kind == deferred {
			if err := r.answer(r.queue[0], r.call(r.queue[0])); err != nil {
				return err
			}
			continue
		}
		outcome, err := r.outcome(seen)
		if err != nil || outcome == nil {
			return err
		}
		if outcome.Node != r.out.Next.ID || outcome.At != r.cursor || len(r.queue) == 0 {
			return ErrDiverged
		}
		seen++
		r.told = seen
		if err := r.answer(r.queue[0], outcome); err != nil {
			return err
		}
	}
}

// outcome is what came of the node that is next; nil when that is not known yet.
func (r *run) outcome(seen int) (*Outcome, error) {
	if seen < len(r.memory.Outcomes) {
		return &r.memory.Outcomes[seen], nil
	}
	if r.cursor != len(r.memory.Journal) {
		return nil, ErrDiverged
	}
	n := &r.out.Next
	switch {
	case len(r.memory.Outcomes) >= maxOutcomes:
		return nil, ErrOverrun
	case n.Kind == Step && !n.ForceAuth && r.login.Satisfied != nil:
		done, err := r.satisfied(*n)
		if err != nil || done == nil {
			return nil, err
		}
		done.Node, done.Result, done.Time = n.ID, Succeeded, r.login.Now
		r.memory.Add(*done)
	default:
		return nil, nil
	}
	return &r.memory.Outcomes[seen], r.err
}

// answer calls the callback of a node.
func (r *run) answer(n *Node, o *Outcome) error {
	if r.err != nil {
		return r.err
	}
	r.queue = r.queue[1:]
	r.now, r.params = o.Time, o.Params
	if n.Kind == Step {
		r.current = n.Step
		r.steps[n.Step] = o
		if n.SubjectStep {
			r.subjectStep = n.Step
		}
	}
	f := n.handlers[o.Result]
	if f == nil && o.Result == TimedOut {
		f = n.handlers[Failed]
	}
	if f == nil {
		if o.Result != Succeeded && n.Kind == deferred {
			return &Error{Problem: n.call + " failed, and there is no onFail"}
		}
		return nil
	}
	data, err := r.given(o.Data, o.people)
	if err != nil {
		return err
	}
	if _, err := f(goja.Undefined(), r.context, data); err != nil {
		return err
	}
	r.insert()
	return nil
}

// satisfied asks the caller whether a step is done already.
func (r *run) satisfied(n Node) (*Outcome, error) {
	var done *Outcome
	n.handlers = nil
	_, err := r.ask(&Call{Name: "satisfied", Login: r.login, run: r}, func(ctx context.Context, _ *Call) (any, error) {
		var err error
		done, err = r.login.Satisfied(ctx, n)
		return nil, err
	})
	if done != nil {
		done = &Outcome{Person: done.Person, Option: done.Option, Data: done.Data, Params: done.Params}
	}
	return done, err
}

// sessionHas is checkSessionExistence.
func (r *run) sessionHas(step int) Function {
	return func(ctx context.Context, _ *Call) (any, error) {
		if r.login.Satisfied == nil || step < 1 || step > len(r.login.Steps) {
			return false, nil
		}
		done, err := r.login.Satisfied(ctx, Node{Kind: Step, Step: step})
		return done != nil, err
	}
}

// call makes a deferred call. What came of it stands in the journal alone.
func (r *run) call(n *Node) *Outcome {
	o := &Outcome{Result: Succeeded, Time: r.now, Params: r.params}
	e := r.journal(n.call, n.args, r.engine.config.Functions[n.call])
	o.people = e.People
	if e.Refused != "" {
		o.Result, o.Data = Failed, map[string]any{"error": e.Refused}
	} else if len(e.Value) > 0 && json.Unmarshal(e.Value, &o.Data) != nil {
		r.stop(ErrDiverged)
	}
	return o
}

// ask has the caller of Run call f.
func (r *run) ask(c *Call, f Function) (any, error) {
	x := &crossing{f: f, call: c, back: make(chan struct{})}
	select {
	case r.calls <- x:
		<-x.back
		return x.value, x.err
	case <-r.dead:
		return nil, ErrOverrun
	}
}

// stop ends the run. The script cannot catch it.
func (r *run) stop(err error) {
	if r.err == nil {
		r.err = err
	}
	r.interrupt(err)
}

// journal makes a call, or repeats what it has returned before.
func (r *run) journal(name string, args []any, f Function) Entry {
	d := digest(args)
	if r.cursor < len(r.memory.Journal) {
		e := r.memory.Journal[r.cursor]
		if e.Name != name || e.Digest != d {
			r.stop(ErrDiverged)
			return Entry{Refused: "diverged"}
		}
		r.cursor++
		return e
	}
	if r.told < len(r.memory.Outcomes) { // what came later was answered already
		r.stop(ErrDiverged)
		return Entry{Refused: "diverged"}
	}
	if r.fresh++; r.fresh > maxFresh || len(r.memory.Journal) >= maxJournal {
		r.stop(ErrOverrun)
		return Entry{Refused: "too many calls"}
	}
	e := Entry{Name: name, Digest: d}
	result, err := r.ask(&Call{Name: name, Args: args, Login: r.login, run: r}, f)
	no := (*RefusalError)(nil)
	switch {
	case errors.As(err, &no):
		e.Refused = cmp.Or(clip(no.Problem, 500), "refused")
	case err != nil:
		r.stop(err)
		return Entry{Refused: "failed"}
	default:
		e.People = arePeople(result)
		if e.Value, err = json.Marshal(result); err != nil || len(e.Value) > maxValue {
			r.stop(fmt.Errorf("%w: the value of %s", ErrOverrun, name))
			return Entry{Refused: "too large"}
		}
		if string(e.Value) == "null" {
			e.Value = nil
		}
	}
	r.cursor++
	r.memory.Journal = append(r.memory.Journal[:len(r.memory.Journal):len(r.memory.Journal)], e)
	return e
}

// arePeople reports whether what a Function has returned becomes a user of the script, or a list of them.
func arePeople(result any) bool {
	switch result.(type) {
	case *Person, []*Person:
		return true
	}
	return false
}

// maxValue bounds what one call returns, in bytes of JSON.
const maxValue = 16 << 10

// set notes something that the script has set; the last one counts.
func set(m *map[string]string, name, value string) {
	if *m == nil {
		*m = map[string]string{}
	}
	(*m)[name] = value
}
