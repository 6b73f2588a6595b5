package flow

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Leaving is an Executor whose step is done elsewhere, at an upstream provider: its Judge answers Leave, and what the browser comes
// back with goes to Return. Somebody who chooses such a step among others leaves at once.
type Leaving interface {
	Executor
	// Label is the text of the action that leads to the step; its ID may have a readable fallback behind a "|".
	Label() Message
	// Callback is the name below CallbackPath at which the browser comes back; at another it is not believed.
	Callback() string
	// Return decides what the answer from elsewhere is worth, once for each time that somebody has left: State.Data is what the
	// Verdict kept that left. The Verdict may be written in several tries.
	Return(ctx context.Context, s *State, answer url.Values) (Verdict, error)
}

// Relayed is a Leaving that programs can have done as well, where Relayed reports true for what they ask for: directory.SignIn or
// directory.ManageAccount. The person comes back to the program and not to CallbackPath, and the program brings what they come back with
// into the flow that it knows the secret of. State.Request.Native tells which of the two it is; then the Prompt, as long as there is
// State.Data, says in Away what is to be brought.
type Relayed interface {
	Leaving
	Relayed(purpose directory.Purpose) bool
}

// Locating is a Leaving that can tell what the parameter "state" of an answer would be which comes without, as in a JWT.
type Locating interface {
	Leaving
	// Locate returns that, "" where it cannot tell. Nobody has proven it by then: it only chooses the flow whose Return judges the answer.
	Locate(answer url.Values) string
}

// rejudging is a Leaving whose answers use nothing up: Return is asked again about one when what its Verdict rests on was changed by another meanwhile.
type rejudging interface {
	Leaving
	rejudges()
}

// errOvertaken says that what a Verdict would write stands no longer as its Executor has read it, where the store does not say so itself.
var errOvertaken = errors.New("flow: overtaken")

// CallbackPath is where, below the issuer's path and before a name of the Executor's, a browser comes back. It brings the parameter
// "state", "RelayState" or "flowId", or what the Executor finds it in (Locating), which begins with State.Flow and a dot.
const CallbackPath = "/flow/callback/"

// callback takes a browser back. The request comes from another site by design: the state that it brings names a flow, and the
// binding cookie says whether that is this browser's. A form from elsewhere comes without the cookie (SameSite=Lax), so it is
// brought again by a request of the browser's own.
func (e *Engine) callback(w http.ResponseWriter, r *http.Request) {
	read := web.ReadQuery
	if r.Method == http.MethodPost {
		read = func(r *http.Request, _ ...string) (web.Form, error) { return web.ReadBody(w, r) }
	}
	v := e.visit(w, r)
	form, err := read(r)
	switch {
	case err != nil:
		e.fail(v, err, "")
	case r.Method == http.MethodPost && e.browser(v) == "":
		v.goTo(r.URL.EscapedPath() + "?" + form.Encode())
	default:
		x, err := e.find(v, e.located(r.PathValue("name"), form))
		if err == nil && x.Request.Native != nil { // whose program has sent nobody here
			err = errForeign
		}
		if err != nil {
			e.fail(v, err, "")
			return
		}
		if err := e.comeBack(v, x, form); err != nil {
			e.fail(v, err, e.page(x))
		}
	}
}

// located is the flow that an answer says it is to, where browsers come back with a name.
func (e *Engine) located(name string, form web.Form) string {
	state := cmp.Or(form.Value("state"), form.Value("RelayState"), form.Value("flowId"))
	for _, executor := range e.executors {
		if locating, ok := executor.(Locating); ok && state == "" && locating.Callback() == name {
			state = locating.Locate(values(form))
		}
	}
	id, _, _ := strings.Cut(state, ".")
	return id
}

// comeBack judges what a browser has brought from elsewhere. A flow that waits for no such thing, or not any more, is shown as it
// stands.
func (e *Engine) comeBack(r *visit, x *execution, form web.Form) error {
	leaving, ok := e.executor(x).(Leaving)
	if x.Done || !ok || x.Data == "" || leaving.Callback() != r.PathValue("name") {
		if err := e.repeat(r, x, form); err != nil {
			return err
		}
		return e.show(r, x)
	}
	return e.redeem(r, x, leaving, form, values(form))
}

// relay judges what a program has brought from elsewhere.
func (e *Engine) relay(r *visit, x *execution, reply Reply) error {
	leaving, ok := e.executor(x).(Relayed)
	if !ok || !leaving.Relayed(x.Request.Purpose) || x.Data == "" {
		return errNobodyAway
	}
	form, err := reply.form(x)
	if err != nil {
		return err
	}
	return e.redeem(r, x, leaving, form, reply.Fields)
}

// redeem judges an answer from elsewhere. One can be redeemed once: the claim keeps its duplicates out while that is done.
func (e *Engine) redeem(r *visit, x *execution, leaving Leaving, form web.Form, answer url.Values) error {
	held := &claim{store.Meta{ID: x.ID + "." + strconv.FormatInt(x.Sequence, 10), Expires: e.db.Now().Add(lease)}}
	b := e.db.Batch()
	e.claims.Insert(b, held)
	if err := b.Apply(r.Context()); store.ConflictOn(err, claimKind) != nil {
		return e.showCurrent(r, x)
	} else if err != nil {
		return err
	}
	s, err := e.state(x)
	if err != nil {
		return errors.Join(err, e.unclaim(r.Context(), held))
	}
	v, err := leaving.Return(r.Context(), s, answer)
	if err != nil {
		return errors.Join(err, e.unclaim(r.Context(), held))
	}
	return e.settleReturn(r, x, v, form, func(x *execution) (Verdict, error) {
		if _, ok := leaving.(rejudging); !ok {
			return v, nil
		}
		s, err := e.state(x)
		if err != nil {
			return Verdict{}, err
		}
		return leaving.Return(r.Context(), s, answer)
	})
}

// unclaim lets a person try again at once whose answer the machinery could not judge.
func (e *Engine) unclaim(ctx context.Context, held *claim) error {
	b := e.db.Batch()
	e.claims.Delete(b, held)
	return b.Apply(ctx)
}

// settleReturn writes the verdict, after which the answer is used up, and again when something that it rests on was changed by another.
func (e *Engine) settleReturn(r *visit, x *execution, v Verdict, form web.Form, again func(*execution) (Verdict, error)) (err error) {
	sequence := x.Sequence
	for range maxTries {
		x.Data = ""
		err = e.finish(r, x, v, nil, form)
		conflict, ok := errors.AsType[*store.Conflict](err)
		if !ok && !errors.Is(err, errOvertaken) {
			return err
		}
		if ok && conflict.Kind == executionKind {
			return e.showCurrent(r, x)
		}
		cause := err
		if x, err = e.current(r, x); err != nil {
			return err
		}
		if x.Done || x.Sequence != sequence {
			return e.show(r, x)
		}
		x.again = true
		if v, err = again(x); err != nil {
			return err
		}
		err = cause
	}
	return err
}

// values are all parameters of a form, each of which stands there once.
func values(form web.Form) url.Values {
	all := url.Values{}
	for _, name := range form.Names() {
		all.Set(name, form.Value(name))
	}
	return all
}

// depart does the step of a Leaving executor that somebody has just chosen.
func (e *Engine) depart(r *visit, x *execution) error {
	prompt, err := e.prompt(r.Context(), x)
	if err != nil {
		return err
	}
	s, err := e.state(x)
	if err != nil {
		return err
	}
	v, err := e.executor(x).Judge(r.Context(), s, Input{Action: prompt.Actions[0].Name})
	if err == nil {
		err = e.finish(r, x, v, nil, web.Form{})
	}
	if store.ConflictOn(err, executionKind) != nil {
		return e.showCurrent(r, x)
	}
	return err
}

// setOff does the step of a Leaving executor to which a program has come. The flow is read anew: what brought it here is written.
func (e *Engine) setOff(r *visit, x *execution) error {
	current, err := e.current(r, x)
	if err != nil {
		return err
	}
	if _, leaves := e.executor(current).(Leaving); current.Done || !leaves || current.Data != "" { // a duplicate was faster
		return e.show(r, current)
	}
	return e.depart(r, current)
}

// away shows the way out. It is a page, as a redirect that answers a form is held to the form-action of the page before, all the way
// along.
func (e *Engine) away(r *visit, x *execution, to string) error {
	prompt, err := e.prompt(r.Context(), x)
	if err != nil {
		return err
	}
	prompt.Link = to
	prompt.Actions = slices.DeleteFunc(prompt.Actions, func(a Action) bool { return a.Name != cancelAction })
	view, err := e.view(r.Context(), x, prompt)
	if err != nil {
		return err
	}
	r.show(view)
	return nil
}
