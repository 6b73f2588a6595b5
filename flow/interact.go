package flow

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Interact answers an Interaction, or takes the response over and returns nil: then the browser is on its way to a page of
// the flow and comes back to in.Resume, where the protocol calls Interact again with the same ID and Purpose. The protocol
// has checked that the request belongs to this browser. The error is a failure of the machinery, which the protocol answers
// with 503; nothing has been written then.
//
// The session cookie is read only here, and only as long as nobody has answered anything. From then on the answer comes from
// the flow, whatever another tab does.
func (e *Engine) Interact(w http.ResponseWriter, r *http.Request, in directory.Interaction) (*directory.Result, error) {
	if _, known := pages[in.Purpose]; !known && !accountOnly(in) || in.ID == "" {
		return nil, fmt.Errorf("flow: interaction %q has no known purpose or no id", in.Purpose)
	}
	if unreachable(in) {
		return &directory.Result{Refusal: directory.Unmet}, nil
	}
	v := e.visit(w, r)
	if in.Native != nil {
		return e.converse(v, in)
	}
	x, err := e.find(v, executionID(in))
	switch {
	case err == nil:
		return e.resume(v, x)
	case errors.Is(err, errForeign):
		e.fail(v, err, "")
		return nil, nil
	case errors.Is(err, errUnknownFlow):
		return e.begin(v, in)
	}
	return nil, err
}

// begin answers at once when nothing has to be asked, and otherwise opens a flow.
func (e *Engine) begin(r *visit, in directory.Interaction) (*directory.Result, error) {
	x, move, err := e.plot(r, in)
	switch {
	case err != nil:
		return nil, err
	case x.Done && x.Asserted:
		return e.goThrough(r, x)
	case x.Done:
		if err := e.leaveDeeds(r, x); err != nil {
			return nil, err
		}
		return e.atOnce(r.Context(), x)
	case in.Passive:
		return &directory.Result{Refusal: passive(x, move)}, nil
	}
	x.arriving = r.program == nil && web.Unbidden(r.Request)
	if err := e.introduce(r.Context(), x, move); err != nil {
		return nil, err
	}
	x.arriving = false
	if x.Done { // nothing but steps that ask nothing were missing
		return e.goThrough(r, x)
	}
	if r.program == nil && web.Embedded(r.Request) {
		e.fail(r, errEmbedded, "")
		return nil, nil
	}
	x.Browser, x.Unbidden = secret.Hash(e.bind(r)), web.Unbidden(r.Request)
	if x.draft = e.draftOf(x); x.draft != "" {
		r.goTo(e.page(x))
		return nil, nil
	}
	if wait, err := e.dir.Throttle.Admit(r.Context(), in.Organization, directory.ThrottleFlow, e.site.Address(r.Request).String()); err != nil {
		return nil, err
	} else if wait > 0 {
		e.fail(r, throttled(wait), in.Resume)
		return nil, nil
	}
	if err := e.makeRoom(r, x); err != nil {
		return nil, err
	}
	b := e.db.Batch()
	if err := e.write(b, x); err != nil {
		return nil, err
	}
	if err := b.Apply(r.Context()); store.ConflictOn(err, assertionKind) != nil { // traded a moment ago, elsewhere
		return e.begin(r, in)
	} else if err != nil && store.ConflictOn(err, executionKind) == nil {
		return nil, err
	}
	r.setCookies()
	// On a conflict the same request was begun a moment ago: its page decides whether it was this browser.
	return nil, e.meet(r, x)
}

// goThrough completes a flow that has asked nothing and may have proven something all the same, as a certificate does.
func (e *Engine) goThrough(r *visit, x *execution) (*directory.Result, error) {
	if x.Refusal != "" {
		if err := e.leaveDeeds(r, x); err != nil {
			return nil, err
		}
		return e.answer(r.Context(), x)
	}
	x.Browser = secret.Hash(e.bind(r))
	b := e.db.Batch()
	in, err := e.complete(r, b, x)
	if err == nil {
		err = e.write(b, x)
	}
	if err == nil {
		err = b.Apply(r.Context())
	}
	if _, elsewhere := errors.AsType[*store.Conflict](err); elsewhere && r.begun < maxTries { // traded, or the person signed in, a moment ago
		r.begun++
		return e.begin(r, x.Request)
	}
	if err != nil {
		return nil, err
	}
	r.setCookies()
	if in != nil {
		e.admit(r, x, in)
	}
	return e.atOnce(r.Context(), x)
}

// leaveDeeds writes what the plans of a flow have done in which nothing had to be asked, and which is not written itself.
func (e *Engine) leaveDeeds(r *visit, x *execution) error {
	if len(x.deeds) > 0 {
		b := e.db.Batch()
		for _, add := range x.deeds {
			if err := add(b); err != nil {
				return err
			}
		}
		if err := b.Apply(r.Context()); err != nil {
			return err
		}
	}
	r.setCookies()
	return nil
}

// name tells a person who is known from the start as whom they are about to go on.
func (e *Engine) name(ctx context.Context, x *execution) error {
	if x.Subject.IsZero() {
		return nil
	}
	s, err := e.state(x)
	if err != nil {
		return err
	}
	user, err := s.User(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	x.Person = user.Username
	return nil
}

// plot lays out the flow for a request as if it began now: with what the browser's session brings along, done when
// nothing is missing, else with the first move.
func (e *Engine) plot(r *visit, in directory.Interaction) (*execution, Move, error) {
	x := e.blank(r, in)
	if in.Link != "" {
		if err := e.learn(x, brought(linkFact, in.Link, x.Began)); err != nil {
			return nil, Move{}, err
		}
	}
	if err := e.vouch(r.Context(), x); err != nil {
		return nil, Move{}, err
	}
	move, err := e.lay(r, x)
	return x, move, err
}

// blank is a flow of which nothing is known but the request.
func (e *Engine) blank(r *visit, in directory.Interaction) *execution {
	now := e.db.Now()
	return &execution{
		Meta: store.Meta{ID: executionID(in), Expires: now.Add(e.lifetime)},
		from: r, Request: in, Began: now, Sequence: 1, NewSession: store.NewID(),
	}
}

// lay finds the first move of a blank flow: none when it is done.
func (e *Engine) lay(r *visit, x *execution) (Move, error) {
	if err := e.base(r, x); err != nil || x.Done {
		return Move{}, err
	}
	if err := e.setOut(r.Context(), x); err != nil || x.Done {
		return Move{}, err
	}
	if err := e.supported(x); err != nil {
		return Move{}, err
	}
	s, err := e.state(x)
	if err != nil {
		return Move{}, err
	}
	move, err := e.next(r.Context(), x, s)
	if err == nil && move.Step == "" {
		err = e.follow(r.Context(), x, move)
	}
	return move, err
}

// setOut chooses the plans with which a flow begins. Whoever is to make an account does that first.
func (e *Engine) setOut(ctx context.Context, x *execution) error {
	if accountOnly(x.Request) {
		return e.setOutForAccount(ctx, x)
	}
	found, err := e.choose(ctx, x, string(x.Request.Purpose))
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("flow: there is no plan for the purpose %q", x.Request.Purpose)
	}
	first := x.Request.Plan
	if x.Request.CreateAccount {
		first = registerPlan
	}
	if first == "" {
		return e.letSelect(ctx, x)
	}
	if open, err := e.has(ctx, x, first); err != nil || !open {
		x.refuse(directory.RegistrationUnavailable)
		return err
	}
	return e.enterPlan(ctx, x, first)
}

// base gives x what is known before anything is asked.
func (e *Engine) base(r *visit, x *execution) error {
	ctx, in := r.Context(), x.Request
	if x.Asserted {
		return nil
	}
	if in.Purpose == directory.ApproveConsent {
		x.Subject, x.Session = in.Subject, in.Session
		return e.inherit(ctx, x)
	}
	session, err := e.session(r)
	if errors.Is(err, directory.ErrNoSession) {
		x.Done = in.Purpose == directory.SignOut // nobody to sign out
		return nil
	}
	if err != nil {
		return err
	}
	if in.Purpose == directory.SignOut {
		x.Session = session.Ref()
		x.Done = x.Session == in.Session // the client has proven that it means this very session
		return nil
	}
	x.carry(session)
	if x.Session == session.Ref() {
		x.current = session
	}
	return nil
}

// inherit gives a flow about a known person the evidence of the session that it follows on.
func (e *Engine) inherit(ctx context.Context, x *execution) error {
	if x.Session.IsZero() {
		return nil
	}
	session, err := e.dir.Sessions.Get(ctx, x.Session)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && session.Status != directory.Active:
		x.refuse(directory.LoginRequired)
	case err != nil:
		return err
	default:
		x.BaseSubject, x.Carried = session.Subject, session.Evidence
	}
	return nil
}

// carry takes over from a session what the request accepts of it. When that is everything, the flow is about that person
// from the start, and only what is missing is asked.
func (x *execution) carry(session *directory.Session) {
	if who := wanted(x.Request); who != "" && who != session.Subject.ID {
		return
	}
	x.Base, x.BaseSubject = session.Ref(), session.Subject
	standing := session.Standing()
	in := x.Request
	in.SelectAccount = in.SelectAccount && !x.Chosen
	x.Carried = accepted(in, standing, x.Began)
	x.Revived = len(standing) < len(session.Evidence)
	if len(x.Carried) > 0 && len(x.Carried) == len(standing) {
		x.Subject, x.SubjectEpoch, x.Session = session.Subject, session.SubjectEpoch, session.Ref()
	}
}

// accepted is the part of a session's evidence that will do. A request for a fresh proof accepts none; one with a greatest
// age accepts a second factor shown earlier, as auth_time is about the first (OpenID Connect Core §2, §3.1.2.1); one that wants two
// factors besides accepts none but two of that age, as whoever asks so does before something that a password alone must not do (RFC 9470).
func accepted(in directory.Interaction, evidence []directory.Evidence, now time.Time) []directory.Evidence {
	if in.Reauthenticate || in.SelectAccount || in.MaxAge != nil && *in.MaxAge <= 0 {
		return nil
	}
	if in.MaxAge != nil && slices.Contains(in.ACR, directory.ACR2) && directory.Assess(evidence).Satisfies(directory.ACR2) {
		if since := directory.ReachedSince(evidence, directory.ACR2); since.IsZero() || tooOld(in, since, now) {
			return nil
		}
	}
	if !tooOld(in, directory.Assess(evidence).AuthTime, now) {
		return evidence
	}
	return withoutPrimary(evidence, func(directory.Evidence) bool { return true })
}

// tooOld reports whether what was proven at a time has passed the greatest age that the request accepts. A request for a fresh proof
// is content with any of its own flow: it asks once.
func tooOld(in directory.Interaction, proven, now time.Time) bool {
	return in.MaxAge != nil && *in.MaxAge > 0 && !proven.IsZero() && now.Sub(proven) > *in.MaxAge
}

// withoutPrimary leaves out what began a sign-in and is lapsed. Where the host has factors of its own, only its plan knows which of
// them is the first: then each that is lapsed is left out.
func withoutPrimary(evidence []directory.Evidence, lapsed func(directory.Evidence) bool) []directory.Evidence {
	hosts := !slices.ContainsFunc(evidence, isPrimary)
	return slices.DeleteFunc(slices.Clone(evidence), func(e directory.Evidence) bool { return (hosts || isPrimary(e)) && lapsed(e) })
}

// passive is the answer to a request that forbids asking for what the step asks.
func passive(x *execution, move Move) directory.Refusal {
	if x.Request.SelectAccount && !x.Base.IsZero() {
		return directory.AccountSelectionRequired
	}
	if step := stepOf(x.plan, move.Step); step != nil && step.Passive != "" {
		return step.Passive
	}
	return directory.InteractionRequired
}

// resume answers for a flow that was begun before.
func (e *Engine) resume(r *visit, x *execution) (*directory.Result, error) {
	if x.Done {
		if x.Request.Purpose == directory.SignIn && tooOld(x.Request, directory.Assess(x.Proof).AuthTime, e.db.Now()) {
			return e.reopen(r, x)
		}
		return e.answer(r.Context(), x)
	}
	if x.untouched() { // another tab may have signed in meanwhile
		fresh, _, err := e.plot(r, x.Request)
		if err != nil {
			return nil, err
		}
		if fresh.Done {
			return e.atOnce(r.Context(), fresh)
		}
	}
	r.goTo(e.page(x))
	return nil, nil
}

// reopen asks the person of a flow that is done once more, because the answer has become too old for the request since, as when the
// question of consent lay open. What it has asked besides is not asked again.
func (e *Engine) reopen(r *visit, x *execution) (*directory.Result, error) {
	in := x.Request
	in.Subject = x.Subject // write-once, also over two rounds
	in.Plan, in.CreateAccount = "", false
	again := e.blank(r, in)
	again.Version, again.Browser, again.Sequence = x.Version, x.Browser, x.Sequence+1
	again.Person, again.Asked, again.Approved, again.Remember = x.Person, x.Asked, x.Approved, x.Remember
	move, err := e.lay(r, again)
	if err != nil {
		return nil, err
	}
	if again.Done { // another tab has signed in meanwhile
		return e.atOnce(r.Context(), again)
	}
	if err := e.introduce(r.Context(), again, move); err != nil {
		return nil, err
	}
	b := e.db.Batch()
	if err := e.write(b, again); err != nil {
		return nil, err
	}
	if err := b.Apply(r.Context()); err != nil && store.ConflictOn(err, executionKind) == nil {
		return nil, err
	}
	return nil, e.meet(r, again)
}

// atOnce answers from the session that the browser has, which is thereby in use.
func (e *Engine) atOnce(ctx context.Context, x *execution) (*directory.Result, error) {
	result, err := e.answer(ctx, x)
	if err == nil && result.Refusal == "" && x.current != nil {
		e.dir.Sessions.Touch(ctx, x.current)
	}
	return result, err
}

// answer is the Result of a flow that is done. What the protocol will put its Check on is read now, and a chain that was
// broken since is nobody's sign-in.
func (e *Engine) answer(ctx context.Context, x *execution) (*directory.Result, error) {
	if x.Refusal != "" {
		return &directory.Result{Refusal: x.Refusal, Failure: x.Failure}, nil
	}
	result := &directory.Result{Subject: x.Subject, Evidence: x.Proof, ACR: x.ACR, Claims: x.Claims, Approved: x.Approved, UserAssertion: x.assertion}
	if x.Request.Purpose == directory.ManageAccount && x.Subject.IsZero() {
		return result, nil
	}
	session := x.current
	if !x.Session.IsZero() {
		var err error
		if session == nil {
			session, err = e.dir.Sessions.Get(ctx, x.Session)
		}
		switch {
		case errors.Is(err, store.ErrNotFound), err == nil && session.Status != directory.Active:
			return gone(x), nil
		case err != nil:
			return nil, err
		case !x.Subject.IsZero() && session.Subject != x.Subject:
			return nil, fmt.Errorf("flow: session %s is not of the subject of the flow", session.ID)
		}
		result.Session, result.SessionVersion, result.SessionEpoch = session.Ref(), session.Version, session.Epoch
		result.Detached = x.Asserted || x.Request.Native != nil
		result.Subject = session.Subject
	}
	if x.Request.Purpose == directory.SignOut {
		result.Approved = nil
		return result, nil
	}
	subject, err := e.dir.Subjects.Get(ctx, result.Subject)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && subject.Status != directory.Active:
		return gone(x), nil
	case err != nil:
		return nil, err
	case session != nil && session.SubjectEpoch != subject.Epoch:
		return gone(x), nil
	}
	result.SubjectVersion, result.SubjectEpoch = subject.Version, subject.Epoch
	return result, nil
}

// gone is the answer when what the flow rests on has ended: for a logout, that there is nothing left to end.
func gone(x *execution) *directory.Result {
	if x.Request.Purpose == directory.SignOut {
		return &directory.Result{}
	}
	return &directory.Result{Refusal: directory.LoginRequired}
}
