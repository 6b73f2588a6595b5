package flow

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

const (
	// maxTries bounds how often an answer is judged anew because something that it wanted to write had changed.
	maxTries = 4
	// maxClashes bounds how often a step begins again because another attempt at the same account was faster. Each time one of them
	// gets on, and when as many have as directory.LockPolicy ever allows, the account is locked and takes no more.
	maxClashes = 200
	// patience bounds how often an attempt that is not admitted does so.
	patience = 3
	// maxRounds bounds how often an attempt waits, by doing the work in vain, for others that are being judged.
	maxRounds = 4
)

// submit takes the answer to a page.
func (e *Engine) submit(r *visit) {
	if err := e.origins.Check(r.Request); err != nil {
		e.fail(r, errCrossOrigin, "")
		return
	}
	form, err := web.ReadBody(r.w, r.Request, consentField)
	if err != nil {
		e.fail(r, err, "")
		return
	}
	x, err := e.opened(r, form.Value(flowField))
	switch {
	case errors.Is(err, errUnknownFlow) && form.Has(restartField) && e.restart != nil:
		e.startOver(r, form.Value(restartField))
	case err != nil:
		e.fail(r, err, "")
	default:
		if err := e.take(r, x, form); err != nil {
			e.fail(r, err, e.page(x))
		}
	}
}

// startOver begins the request of an expired page anew.
func (e *Engine) startOver(r *visit, sealed string) {
	to, err := e.restart(r.Context(), r.Request, sealed)
	switch {
	case err != nil:
		e.fail(r, err, "")
	case to == "":
		e.fail(r, errUnknownFlow, "")
	default:
		r.goTo(to)
	}
}

// take judges an answer to x. Whatever is not an answer to x as it stands now, as a duplicate or a page that the person went
// back to, gets the page as it stands.
func (e *Engine) take(r *visit, x *execution, form web.Form) error {
	sequence, err := strconv.ParseInt(form.Value(seqField), 10, 64)
	if err != nil {
		return &web.FormError{Status: http.StatusBadRequest, Problem: "the parameter \"seq\" is not a number"}
	}
	if x.Done || sequence != x.Sequence {
		if err := e.repeat(r, x, form); err != nil {
			return err
		}
		return e.show(r, x)
	}
	in, prompt, err := e.input(r.Context(), x, form)
	if err != nil {
		return err
	}
	switch {
	case in.Action == cancelAction:
		return e.cancel(r, x)
	case in.Action == backAction && x.mayGoBack():
		return e.turnTo(r, x, func(x *execution) error { return e.goBack(r.Context(), x) })
	case in.plan != "":
		return e.turnTo(r, x, func(x *execution) error { return e.callPlan(r.Context(), x, in.plan) })
	case in.lead:
		return e.judge(r, x, in, nil)
	case strings.HasPrefix(in.Action, methodAction):
		option := strings.TrimPrefix(in.Action, methodAction)
		return e.turnTo(r, x, func(x *execution) error { return e.undertake(r.Context(), x, option) })
	}
	refused, err := e.challenge(r, x, in, prompt)
	switch {
	case errors.Is(err, errClaimed):
		return e.showCurrent(r, x)
	case err != nil:
		return err
	case refused != nil:
		return e.askAgain(r, x, *refused)
	}
	var g *guess
	if guarded, ok := e.executor(x).(Guarded); ok && !in.free {
		if g, err = e.guess(r, x, guarded, in); errors.Is(err, errClaimed) {
			return e.showCurrent(r, x)
		} else if err != nil {
			return err
		}
		in.Account = g.account
	}
	return e.judge(r, x, in, g)
}

// askAgain shows the step once more without looking at the answer.
func (e *Engine) askAgain(r *visit, x *execution, v Verdict) error {
	err := e.finish(r, x, v, nil, web.Form{})
	if store.ConflictOn(err, executionKind) != nil {
		return e.showCurrent(r, x)
	}
	return err
}

// input reads what fits the page that the flow shows: one of its actions, and no fields but its own.
func (e *Engine) input(ctx context.Context, x *execution, form web.Form) (Input, Prompt, error) {
	prompt, err := e.prompt(ctx, x)
	if err != nil {
		return Input{}, Prompt{}, err
	}
	in := Input{Action: form.Value(actionField), form: form}
	if in.Action == "" && len(prompt.Actions) > 0 {
		in.Action = prompt.Actions[0].Name
	}
	i := slices.IndexFunc(prompt.Actions, func(a Action) bool { return a.Name == in.Action })
	in.free = prompt.WebAuthn != nil && in.Action == prompt.WebAuthn.Action
	if i < 0 && !in.free {
		return Input{}, Prompt{}, &web.FormError{Status: http.StatusBadRequest, Problem: "the page has no such action"}
	}
	if i >= 0 {
		in.plan, in.lead = prompt.Actions[i].Plan, prompt.Actions[i].lead
	}
	for _, name := range form.Names() {
		own := slices.ContainsFunc(prompt.Fields, func(f Field) bool { return f.Name == name })
		engine := slices.Contains([]string{flowField, seqField, actionField, restartField}, name)
		consent := name == consentField && len(prompt.Consent) > 0
		webAuthn := prompt.WebAuthn != nil && (name == credentialField || name == capabilitiesField)
		if !own && !engine && !consent && !webAuthn {
			return Input{}, Prompt{}, &web.FormError{Status: http.StatusBadRequest, Problem: "the page has no such field"}
		}
	}
	return in, prompt, nil
}

// judge has the executor judge the answer and writes what came of it. When something that the verdict rests on was changed
// by another, it is judged anew from what stands now.
func (e *Engine) judge(r *visit, x *execution, in Input, g *guess) error {
	var v Verdict
	var err error
	judged := false
	for tries := 0; tries < maxTries && (g == nil || g.clashes < 2*maxClashes); {
		if !judged {
			if v, err = e.verdict(r, x, &in, g); err != nil {
				return e.unjudged(r, g, err)
			}
		}
		sequence := x.Sequence
		err = e.finish(r, x, v, g, in.form)
		conflict, ok := errors.AsType[*store.Conflict](err)
		if !ok {
			return err
		}
		switch conflict.Kind {
		case executionKind, claimKind: // a duplicate was faster, which includes that of an answer that took longer than its lease
			return errors.Join(e.showCurrent(r, x), e.forgo(r, g, v))
		case e.dir.Locks.Kind(): // another attempt at the account: one that was admitted stays so
			judged = !g.account.Quick
			g.clashes++
		default:
			judged = false
			tries++
		}
		if x, err = e.current(r, x); err != nil {
			return err
		}
		if x.Done || x.Sequence != sequence {
			return errors.Join(e.show(r, x), e.forgo(r, g, v))
		}
		x.again = true
		err = conflict
	}
	return err
}

// verdict is what the executor makes of the answer. One to an account that takes none is judged all the same, and must come to
// nothing. One that leads elsewhere is not judged. One that found no room beside others, which may yet turn out to be right, waits for them by working as they do.
func (e *Engine) verdict(r *visit, x *execution, in *Input, g *guess) (Verdict, error) {
	if in.lead {
		return Verdict{Outcome: Proceed, lead: true}, nil
	}
	for round := 1; ; round++ {
		if g != nil && g.account.Quick {
			if err := e.weigh(r.Context(), g); err != nil {
				return Verdict{}, err
			}
		}
		in.Locked = g != nil && !g.attempt.Admitted()
		s, err := e.state(x)
		if err != nil {
			return Verdict{}, err
		}
		v, err := e.executor(x).Judge(r.Context(), s, *in)
		switch {
		case err != nil:
			return Verdict{}, err
		case in.Locked && v.Outcome == Proceed:
			return Verdict{}, fmt.Errorf("flow: executor %q lets a locked account pass", x.Option)
		case !in.Locked || !g.attempt.Crowded() || g.account.Quick || round == maxRounds:
			return v, nil
		}
		if err := e.again(r.Context(), g); err != nil {
			return Verdict{}, err
		}
	}
}

// unjudged takes the attempt back when the machinery could not judge it: it was no wrong guess.
func (e *Engine) unjudged(r *visit, g *guess, cause error) error {
	if g == nil || g.account.Quick {
		return cause
	}
	if err := e.release(r.Context(), g); err != nil {
		e.log.WarnContext(r.Context(), "an attempt was counted that was not judged", "error", err)
	}
	return cause
}

// forgo settles an attempt that was counted before, and whose verdict nobody will see because the flow has moved on without it.
func (e *Engine) forgo(r *visit, g *guess, v Verdict) error {
	if g == nil || g.account.Quick {
		return nil
	}
	ctx, unseen := r.Context(), v
	unseen.Blameless = v.Blameless || v.right()
	unseen.Outcome = Again
	err := e.insist(g, func(b *store.Batch) error {
		if err := e.settleGuess(ctx, b, g, unseen); err != nil {
			return err
		}
		return b.Apply(ctx)
	})
	if err == nil {
		e.blame(r, g, v)
	}
	return err
}

// showCurrent shows the flow as it stands in the store by now.
func (e *Engine) showCurrent(r *visit, x *execution) error {
	current, err := e.current(r, x)
	if err != nil {
		return err
	}
	return e.show(r, current)
}

// cancel ends the flow because the person does not want to go on.
func (e *Engine) cancel(r *visit, x *execution) error {
	return e.askAgain(r, x, Verdict{Outcome: Refuse})
}

// turnTo leaves the page for another one of the flow without an answer: another way to do the step, another plan, or back from one.
func (e *Engine) turnTo(r *visit, x *execution, turn func(*execution) error) error {
	var err error
	for range maxTries { // what the next step wants to write may stand no longer as it was read
		sequence := x.Sequence
		r.cookies = nil
		x.turn(Verdict{})
		if err = turn(x); err != nil {
			return err
		}
		if _, ok := e.executor(x).(Leaving); ok {
			return e.depart(r, x)
		}
		b := e.db.Batch()
		if err = errors.Join(e.rest(r.Context(), b, x), e.write(b, x)); err != nil {
			return err
		}
		err = b.Apply(r.Context())
		conflict, ok := errors.AsType[*store.Conflict](err)
		switch {
		case !ok && err != nil:
			return err
		case err == nil:
			r.setCookies()
			return e.onward(r, x)
		case conflict.Kind == executionKind:
			return e.showCurrent(r, x)
		}
		current, failed := e.current(r, x)
		if failed != nil {
			return failed
		}
		if x = current; x.Done || x.Sequence != sequence {
			return e.show(r, x)
		}
	}
	return err
}

// finish writes a verdict and everything that follows from it in one step, and answers.
func (e *Engine) finish(r *visit, x *execution, v Verdict, g *guess, form web.Form) error {
	b := e.db.Batch()
	r.form, r.cookies = form, nil
	if g != nil {
		if err := e.settleGuess(r.Context(), b, g, v); err != nil {
			return err
		}
	}
	if step := x.step(); v.right() && step != nil && step.Trust && form.Value(trustField) != "" {
		x.Trust = true
	}
	in, err := e.settle(r, b, x, v, g, form.Value(actionField))
	if err != nil {
		return err
	}
	if err := e.rest(r.Context(), b, x); err != nil {
		return err
	}
	due := x.Rehash
	if x.Done {
		x.Rehash = nil
	}
	if in != nil && x.keepsCookies(r) {
		if err := e.keepEcho(r, x, in, form); err != nil {
			return err
		}
	}
	if err := e.write(b, x); err != nil {
		return err
	}
	if err := b.Apply(r.Context()); err != nil {
		return err
	}
	r.setCookies()
	e.blame(r, g, v)
	if g != nil && !v.right() && !g.pass.Admitted() { // posts at once have passed the limit together: nobody learns what they were
		return throttled(g.pass.RetryAfter())
	}
	if in != nil {
		e.admit(r, x, in)
		e.rehash(r.Context(), x, due)
	}
	switch {
	case x.Done:
	case v.Outcome == Again:
		return e.show(r, x)
	case v.Outcome == Leave:
		return e.away(r, x, v.To)
	case v.lead:
		if _, leaves := e.executor(x).(Leaving); leaves { // which was chosen by that
			return e.setOff(r, x)
		}
	}
	return e.onward(r, x)
}

// settle moves x by a verdict, and on to the next step or to its end.
func (e *Engine) settle(r *visit, b *store.Batch, x *execution, v Verdict, g *guess, action string) (*signIn, error) {
	x.turn(v)
	if g != nil && v.Outcome == Proceed {
		x.Person = g.account.Person
	}
	if v.Outcome == Proceed && v.Person != "" {
		x.Person = v.Person
	}
	switch {
	case v.Outcome == Again && (v.Blameless || !x.step().Fails):
		x.writeLater(v)
		if v.Data != nil {
			if err := e.keep(x, v.Data); err != nil {
				return nil, err
			}
		}
		return nil, e.tire(r, x, v, g)
	case v.Outcome == Leave:
		x.writeLater(v)
		return nil, e.keep(x, v.Data)
	}
	x.age(e.db.Now())
	move, err := e.moveBy(r.Context(), x, v, action)
	if err != nil {
		return nil, err
	}
	if err := e.follow(r.Context(), x, move); err != nil || !x.Done || x.Refusal != "" {
		return nil, err
	}
	return e.complete(r, b, x)
}

// complete adds to the batch what a flow that is done leads to; nil when nobody is signed in by it who was not before.
func (e *Engine) complete(r *visit, b *store.Batch, x *execution) (in *signIn, err error) {
	switch {
	case x.Request.Purpose == directory.ManageAccount: // signs nobody in by itself
		err = e.assert(b, x)
	case x.Request.Purpose == directory.SignOut:
		err = e.leaving(r, x)
	case len(x.Proven) > 0:
		in, err = e.signIn(r, b, x)
	case x.Request.Purpose == directory.SignIn: // all that counts was carried over
		_, err = e.baseSession(r.Context(), x)
	}
	return in, err
}

// conclude ends a flow in which the plan finds nothing missing. It does not take the plan's word for it: without the
// assurance that the request and the application insist on there is no success.
func (e *Engine) conclude(ctx context.Context, x *execution, s *State) error {
	x.Done = true
	x.forget()
	if x.Request.Purpose != directory.SignIn {
		x.Proof, x.ACR, x.Claims = x.evidence(), "", nil
		return nil
	}
	if err := x.Claims.Check(); err != nil {
		return fmt.Errorf("flow: plan %q: %w", x.planName(), err)
	}
	live, err := s.live(ctx)
	if err != nil {
		return err
	}
	need, err := s.secondFactor(ctx)
	if err != nil {
		return err
	}
	x.Proof = live
	reached := directory.Assess(live)
	if x.Subject.IsZero() || !enough(x.Request, need, reached) {
		x.refuse(directory.Unmet)
	}
	if x.ACR != "" && !reached.MayReport(x.ACR, x.Request.ACR) {
		e.log.InfoContext(ctx, "a class that the login has selected is left out, as it was not asked for or not reached",
			"selected", x.ACR, "asked", x.Request.ACR, "reached", reached.ACR, "flow", x.ID)
		x.ACR = ""
	}
	return nil
}

// enough reports whether an assurance will do.
func enough(in directory.Interaction, need need, reached directory.Assurance) bool {
	if reached.ACR == "" || need == required && !reached.Satisfies(directory.ACR2) {
		return false
	}
	return !in.EssentialACR || len(in.ACR) == 0 || slices.ContainsFunc(in.ACR, reached.Satisfies)
}
