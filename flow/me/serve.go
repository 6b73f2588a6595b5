package me

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

const (
	// maxBody is what may be sent, and maxPasskeyBody where an authenticator has its say (it may attest itself with certificates).
	maxBody        = 16 << 10
	maxPasskeyBody = 96 << 10
	// maxTries bounds how often a change is judged anew because something that it rests on has changed.
	maxTries = 4
)

// call is one request of somebody who is known.
type call struct {
	*Caller
	r       *http.Request
	ref     store.Ref // of the person
	address string
}

func (c *call) ctx() context.Context { return c.r.Context() }

// answer is what is said to a call: the zero Status is 200, and a nil Body is none.
type answer struct {
	Status int
	Body   any
}

var noContent = answer{Status: http.StatusNoContent}

// handler serves an endpoint.
func (a *API) handler(e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		web.NoStore(w.Header())
		caller := a.Guard.Caller(w, r, Scope)
		if caller == nil {
			return
		}
		if e.sensitive {
			acr, err := a.proof(r.Context(), caller)
			if err != nil {
				a.fail(w, r, err)
				return
			}
			if !a.shown(caller, acr) {
				a.Guard.AskAgain(w, r, a.MaxAge, acr)
				return
			}
		}
		said, err := e.serve(&call{
			Caller: caller, r: r, ref: caller.Subject.Ref(), address: a.site.Address(r).String(),
		})
		if err != nil {
			a.fail(w, r, err)
			return
		}
		a.write(w, r, said)
	})
}

func (a *API) write(w http.ResponseWriter, r *http.Request, said answer) {
	if said.Status == 0 {
		said.Status = http.StatusOK
	}
	if said.Body == nil {
		w.WriteHeader(said.Status)
		return
	}
	body, err := json.Marshal(said.Body)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	web.WriteJSON(w, said.Status, body)
}

// decode reads the body: JSON, which nothing else reads differently, of bounded size.
func (c *call) decode(v any, limit int64) error {
	if media := c.r.Header.Get("Content-Type"); media != "" {
		if name, _, err := mime.ParseMediaType(media); err != nil || name != "application/json" {
			return errMediaType
		}
	}
	if strictjson.Decode(c.r.Body, limit, v) != nil {
		return errMalformed
	}
	return nil
}

// user is the person as their store describes them.
func (a *API) user(c *call) (*directory.User, error) { return a.Directory.UserOf(c.ctx(), c.Subject) }

// again does a change, once more as long as something that it rests on has changed meanwhile.
func again(step func() error) (err error) {
	for range maxTries {
		if err = step(); !isConflict(err) {
			return err
		}
	}
	return err
}

func isConflict(err error) bool {
	_, ok := errors.AsType[*store.Conflict](err)
	return ok
}

// fail answers with an error. The cause is in the line of the log with the same traceId, and never in the answer.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	trace := web.NewCorrelationID()
	p := problemOf(err)
	level := slog.LevelInfo
	if p.Status >= http.StatusInternalServerError && p.Status != http.StatusNotImplemented {
		level = slog.LevelError
	}
	a.log.LogAttrs(r.Context(), level, "me: request refused",
		slog.String("code", p.Code), slog.String("correlation", trace), slog.String("method", r.Method),
		slog.String("path", r.Pattern), slog.String("cause", err.Error())) // the pattern: a path may name a credential
	p.Write(w, trace)
}

var (
	errMalformed  = &web.ProblemError{Status: 400, Code: "ME-60001", Message: "Invalid request", Description: "The body is not the JSON that is expected here."}
	errMediaType  = &web.ProblemError{Status: 415, Code: "ME-60001", Message: "Invalid request", Description: "The body has to be application/json."}
	errAbsent     = &web.ProblemError{Status: 404, Code: "ME-60002", Message: "Not found", Description: "There is no such thing that is yours."}
	errChanged    = &web.ProblemError{Status: 409, Code: "ME-60003", Message: "Conflict", Description: "It was changed by another request meanwhile."}
	errLastWayIn  = &web.ProblemError{Status: 409, Code: "ME-60004", Message: "Last way to sign in", Description: "There is no other way left by which you could sign in."}
	errReadOnly   = &web.ProblemError{Status: 409, Code: "ME-60005", Message: "Read-only", Description: "The store in which the account lives does not allow it."}
	errTooMany    = &web.ProblemError{Status: 409, Code: "ME-60006", Message: "Too many", Description: "There are as many as there may be."}
	errEnded      = &web.ProblemError{Status: 401, Code: "ME-60010", Message: "Not signed in", Description: "What the token rests on has ended."}
	errOff        = &web.ProblemError{Status: 501, Code: "ME-60007", Message: "Not implemented", Description: "This is not offered here."}
	errNotNow     = &web.ProblemError{Status: 503, Code: "ME-65001", Message: "Unavailable", Description: "The service cannot answer at the moment.", RetryAfter: 5 * time.Second}
	errWrongPass  = &web.ProblemError{Status: 400, Code: "PWD-10001", Message: "Invalid current password", Description: "The current password provided is incorrect."}
	errPassPolicy = &web.ProblemError{Status: 400, Code: "PWD-10003", Message: "Password policy violation"}
)

// throttled tells an address to wait.
func throttled(wait time.Duration) *web.ProblemError {
	return &web.ProblemError{Status: 429, Code: "ME-60008", Message: "Too many attempts", Description: "Too many attempts come from this address.", RetryAfter: wait}
}

func notImplemented(*call) (answer, error) { return answer{}, errOff }

// problemOf is how an error is told. What is no answer of ours is a failure: 503, and never "no".
func problemOf(err error) *web.ProblemError {
	if p, ok := errors.AsType[*web.ProblemError](err); ok {
		return p
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return errAbsent
	case errors.Is(err, directory.ErrLastWayIn):
		return errLastWayIn
	case errors.Is(err, directory.ErrReadOnly):
		return errReadOnly
	case errors.Is(err, directory.ErrTooManyPasskeys), errors.Is(err, directory.ErrTooManyDevices):
		return errTooMany
	case errors.Is(err, directory.ErrChainBroken):
		return errEnded
	case isConflict(err):
		return errChanged
	}
	return errNotNow
}
