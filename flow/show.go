package flow

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// pages are the paths, below the issuer's, of the flow's pages.
var pages = map[directory.Purpose]string{
	directory.SignIn:         "/login",
	directory.ApproveConsent: "/flow/consent",
	directory.SignOut:        "/flow/logout",
}

// doors are the paths at which a person begins a flow that no application has asked for, and the plans that come first.
var doors = map[string]string{"/login": "", "/register": registerPlan, "/recover": recoverPlan, "/invite": invitePlan, "/verify": verifyPlan}

// page is the path and query of the flow's page on the host.
func (e *Engine) page(x *execution) string {
	query := url.Values{flowField: {x.ID}}
	if x.draft != "" {
		query.Set(draftField, x.draft)
	}
	return e.site.Path(pages[x.Request.Purpose]) + "?" + query.Encode()
}

// onward is where a browser goes that has nothing to do here: to the protocol when the flow is done, else to its page. A program
// is shown what comes next, or has its answer.
func (e *Engine) onward(r *visit, x *execution) error {
	switch {
	case !x.Done:
		return e.meet(r, x)
	case r.program != nil:
		r.done = x
	case r.PathValue("name") != "" && web.FromElsewhere(r.Request):
		return e.leadOn(r, x)
	default:
		e.finished(r, x)
		r.goTo(x.Request.Resume)
	}
	return nil
}

// leadOn shows somebody who comes back from elsewhere, and is done, a page that goes on to the protocol: the application beyond that may be nothing
// that the form-action of a form elsewhere lets them through to.
func (e *Engine) leadOn(r *visit, x *execution) error {
	view, err := e.view(r.Context(), x, Prompt{Title: Message{ID: "onward.title"}, Link: x.Request.Resume})
	if err != nil {
		return err
	}
	e.finished(r, x)
	r.show(view)
	return nil
}

// meet sends a browser to the flow's page, and shows a program what stands there: for a step that is done elsewhere, the way out at once.
func (e *Engine) meet(r *visit, x *execution) error {
	if r.program == nil {
		r.goTo(e.page(x))
		return nil
	}
	if _, leaves := e.executor(x).(Leaving); leaves && x.Data == "" {
		return e.setOff(r, x)
	}
	return e.show(r, x)
}

// redirect answers 303: whatever the request's method was, the browser goes on with a GET.
func redirect(w http.ResponseWriter, to string) {
	web.NoStore(w.Header())
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// show writes the page of the flow as it stands.
func (e *Engine) show(r *visit, x *execution) error {
	if x.Done { // by another answer
		if err := spent(x); err != nil {
			return err
		}
		return e.onward(r, x)
	}
	prompt, err := e.prompt(r.Context(), x)
	if err != nil {
		return err
	}
	view, err := e.view(r.Context(), x, prompt)
	if err != nil {
		return err
	}
	r.show(view)
	return nil
}

// prompt is what the present step asks, with what the engine itself offers: refusing, and other ways to do the step.
func (e *Engine) prompt(ctx context.Context, x *execution) (Prompt, error) {
	s, err := e.state(x)
	if err != nil {
		return Prompt{}, err
	}
	prompt, err := e.executor(x).Prompt(ctx, s)
	if err != nil {
		return Prompt{}, err
	}
	if drawn, ok := x.plan.(DrawnPlan); ok {
		prompt.Drawing = drawn.Drawing(x.Step)
		prompt.Actions = slices.Clone(prompt.Actions)
		for _, lead := range drawn.Leads(x.Step) {
			lead.lead = true
			prompt.Actions = append(prompt.Actions, lead)
		}
	}
	prompt.Messages = append(slices.Clone(x.Messages), prompt.Messages...)
	prompt.Fields = slices.Clone(prompt.Fields)
	if step := x.step(); step != nil && step.Trust && x.from != nil && x.from.program == nil {
		prompt.Fields = append(prompt.Fields, Field{Name: trustField, Type: CheckboxField, Label: "device.trust"})
	}
	for i, f := range prompt.Fields {
		if value, ok := x.Keep[f.Name]; ok {
			prompt.Fields[i].Value = value
		}
		if problem, ok := x.Problems[f.Name]; ok {
			prompt.Fields[i].Problem = problem
		}
	}
	if err := e.withCaptcha(ctx, x, s, &prompt); err != nil {
		return Prompt{}, err
	}
	more, err := e.moreActions(ctx, x)
	prompt.Actions = append(slices.Clone(prompt.Actions), more...)
	return prompt, err
}

const (
	cancelAction = "cancel"
	// backAction leads back from a plan that an action has led into.
	backAction = "back"
	// methodAction stands before the name of an executor that is to do the step instead.
	methodAction = "method_"
)

func (e *Engine) moreActions(ctx context.Context, x *execution) (actions []Action, err error) {
	for _, option := range x.options() {
		if option != x.Option {
			actions = append(actions, e.wayTo(option))
		}
	}
	if actions, err = e.appendWaysIn(ctx, x, actions); err != nil {
		return nil, err
	}
	if x.mayGoBack() {
		actions = append(actions, Action{Name: backAction, Label: "action.back", Kind: Quiet})
	}
	if x.Request.Purpose == directory.SignIn && x.Request.Cancelable && x.Step != "consent" {
		actions = append(actions, Action{Name: cancelAction, Label: "action.cancel", Kind: Secondary})
	}
	return actions, nil
}

// appendWaysIn adds what somebody may do who cannot sign in: make an account, or recover one.
func (e *Engine) appendWaysIn(ctx context.Context, x *execution, actions []Action) ([]Action, error) {
	if x.planName() != loginPlan || !x.Subject.IsZero() || x.Request.Native != nil {
		return actions, nil
	}
	for _, plan := range []string{recoverPlan, registerPlan} {
		if has, err := e.has(ctx, x, plan); err != nil {
			return nil, err
		} else if has {
			actions = append(actions, Action{Name: plan, Label: "action." + plan, Kind: Quiet, Plan: plan})
		}
	}
	return actions, nil
}

// wayTo is the action that has a step done by the option.
func (e *Engine) wayTo(option string) Action {
	a := Action{Name: methodAction + option, Label: "method." + option, Kind: Quiet}
	if leaving, ok := e.executors[option].(Leaving); ok {
		label := leaving.Label()
		a.Label, a.Params, a.Kind = label.ID, label.Params, Secondary
	}
	return a
}

func (e *Engine) view(ctx context.Context, x *execution, prompt Prompt) (View, error) {
	view := View{
		Flow: x.ID, Sequence: x.Sequence, Purpose: x.Request.Purpose, Prompt: prompt, Submit: e.page(x),
		ApplicationName: x.Request.ApplicationName, Person: x.Person, Restart: x.Request.Restart, Expires: x.Expires,
		Locales: x.Request.Locales, RedirectOrigins: x.Request.RedirectOrigins,
	}
	if len(view.Restart) > web.MaxFormBytes/2 { // the answer to the page must fit into a form
		view.Restart = ""
	}
	var err error
	if view.Branding, err = e.branding(ctx, x.Request.Organization, x.Request.Application); err != nil {
		return View{}, err
	}
	if !x.Request.Application.IsZero() {
		switch app, err := e.dir.Applications.Get(ctx, x.Request.Application); {
		case err == nil:
			view.ApplicationLinks = app.Links()
		case !errors.Is(err, store.ErrNotFound):
			return View{}, err
		}
	}
	if x.Request.ApplicationLinks != (directory.ApplicationLinks{}) { // the protocol knows better, as of a client that is new
		view.ApplicationLinks = x.Request.ApplicationLinks
	}
	view.ApplicationLogo = view.ApplicationLinks.Logo
	if x.Request.Native != nil {
		view.Submit, view.Last, view.Stage = x.Request.Resume, x.Last.Option, x.Stage
		if x.Request.Purpose == directory.ManageAccount {
			view.Plan = x.Request.Plan
		}
		view.Choices, err = e.choices(ctx, x, prompt)
	}
	return view, err
}

// The failures that have no particulars.
var (
	errUnknownFlow = &Failure{Status: http.StatusNotFound, Code: "flow_expired", Message: Message{ID: "flow.expired", Level: Error}}
	errForeign     = &Failure{Status: http.StatusForbidden, Code: "flow_foreign", Message: Message{ID: "flow.foreign", Level: Error}}
	errCrossOrigin = &Failure{Status: http.StatusForbidden, Code: "cross_origin", Message: Message{ID: "flow.cross_origin", Level: Error}}
	errClosed      = &Failure{Status: http.StatusForbidden, Code: "not_offered", Message: Message{ID: "flow.closed", Level: Error}}
	errMalformed   = &Failure{Status: http.StatusBadRequest, Code: "invalid_request", Message: Message{ID: "flow.malformed", Level: Error}}
	// errEmbedded is for what would be inside a page, where none of ours is shown: nobody could answer it.
	errEmbedded = &Failure{Status: errMalformed.Status, Code: errMalformed.Code, Message: errMalformed.Message, Detail: "a sign-in begins in a window of its own"}
)

// FailureOf is how an error is told: a *Failure as it is, what is wrong with a body or an answer as that, and everything that is not known to
// be the doing of the person or the browser as ours, with the status 503.
func FailureOf(err error) Failure {
	if f, ok := errors.AsType[*Failure](err); ok {
		return *f
	}
	f := *errMalformed
	if form, ok := errors.AsType[*web.FormError](err); ok {
		f.Status, f.Detail = form.Status, form.Problem
		return f
	}
	if answer, ok := errors.AsType[*AnswerError](err); ok {
		f.Code, f.Detail = answer.Code, answer.Problem
		return f
	}
	f = Failure{
		Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Message: Message{ID: "error.unavailable", Level: Error},
		RetryAfter: 5 * time.Second,
	}
	if busy, ok := errors.AsType[*password.BusyError](err); ok {
		f.RetryAfter = busy.RetryAfter
	}
	return f
}

// Level is that of the line in the log which has the cause.
func (f *Failure) Level() slog.Level {
	if f.Status >= http.StatusInternalServerError {
		return slog.LevelError
	}
	return slog.LevelInfo
}

// fail writes the failure page for err, with the way on from there if there is one. Its cause is in the log under the id that is on the page.
func (e *Engine) fail(r *visit, err error, startOver string) {
	web.NoStore(r.w.Header())
	f := FailureOf(err)
	f.Correlation, f.StartOver = web.NewCorrelationID(), startOver
	e.log.Log(r.Context(), f.Level(), "flow failed", "correlation", f.Correlation, "code", f.Code, "path", r.URL.Path, "error", err)
	e.observe(r.Context(), directory.Observation{
		Type: "request.refused", Code: f.Code, Address: e.site.AddressGroup(r.Request), Correlation: f.Correlation,
	})
	if branding, err := e.branding(r.Context(), "", store.Ref{}); err == nil { // a page without branding beats none
		f.Branding = branding
	}
	r.transport.Fail(r.w, r.Request, f)
}
