package flow

import (
	"context"
	"errors"
	"net/http"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// maxAnswers bounds what a program may send to one flow about an account: nobody needs as many.
const maxAnswers = 100

// The problems of programs that make and recover accounts.
var (
	errAnswers            = &Failure{Status: http.StatusBadRequest, Code: "too_many_answers", Message: Message{ID: "flow.expired", Level: Error}, Detail: "the flow has had too many answers"}
	errUnknownApplication = &Failure{Status: http.StatusBadRequest, Code: errMalformed.Code, Message: errMalformed.Message, Detail: "the application is not known"}
)

// accountOnly reports whether a request is for nothing but a plan about an account, which only programs ask for.
func accountOnly(in directory.Interaction) bool {
	return in.Purpose == directory.ManageAccount && in.Native != nil && in.Plan != ""
}

// admitAccount bounds what an address may send, and finds the application for which a flow about an account begins. Anybody may begin
// one: there is no protocol that has proven who asks.
func (e *Engine) admitAccount(r *visit, in *directory.Interaction) error {
	ctx := r.Context()
	if r.program.Answer != nil { // a beginning has a bound of its own
		wait, err := e.dir.Throttle.Admit(ctx, in.Organization, directory.ThrottleRequest, e.site.Address(r.Request).String())
		if err == nil && wait > 0 {
			err = throttled(wait)
		}
		return err
	}
	if in.Application.IsZero() {
		return nil
	}
	app, err := e.dir.Applications.Get(ctx, in.Application)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && app.Status != directory.Active:
		return errUnknownApplication
	case err != nil:
		return err
	}
	in.ApplicationName = app.Name
	return nil
}

// setOutForAccount chooses the plan of a flow about an account. One that is closed in the organization is not there.
func (e *Engine) setOutForAccount(ctx context.Context, x *execution) error {
	found, err := e.choose(ctx, x, x.Request.Plan)
	if err == nil && !found {
		x.refuse(directory.RegistrationUnavailable)
	}
	return err
}

// spent refuses what is sent to a flow about an account that is over, or has had its share. That of a sign-in has an answer that its
// protocol hands out once.
func spent(x *execution) error {
	switch {
	case x.Request.Purpose != directory.ManageAccount:
		return nil
	case x.Done:
		return errUnknownFlow
	case x.Sequence > maxAnswers:
		return errAnswers
	}
	return nil
}
