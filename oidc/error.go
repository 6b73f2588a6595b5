package oidc

import (
	"errors"
	"time"
)

// Error is the error of every endpoint, in the words of the specifications. Its text is safe to send; the cause is for the
// log and never crosses the wire.
type Error struct {
	// Code is the "error" member: "invalid_request", "invalid_grant", …
	Code string
	// Description is the "error_description": printable ASCII without quotes and backslashes (RFC 6749 §5.2).
	Description string
	// Status is the HTTP status where the error is not sent by redirect.
	Status int
	// RetryAfter is when to try again; zero says nothing.
	RetryAfter time.Duration

	challenge   string
	scope       string            // that a token lacks
	again       *Reauthentication // that a person is asked for
	outcome     bool              // a sign-in has come to it
	cause       error
	application string // the URL for a person to go on from
}

// Error implements error.
func (e *Error) Error() string {
	text := "oidc: " + e.Code
	if e.Description != "" {
		text += ": " + e.Description
	}
	if e.cause != nil {
		text += " (" + e.cause.Error() + ")"
	}
	return text
}

// Unwrap returns the hidden cause.
func (e *Error) Unwrap() error { return e.cause }

// Is matches errors of the same code, so that errors.Is(err, &oidc.Error{Code: "invalid_grant"}) asks for a code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// because returns the error with a cause for the log.
func (e *Error) because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

func invalidRequest(description string) *Error {
	return &Error{Code: "invalid_request", Description: description, Status: 400}
}

func invalidGrant(description string) *Error {
	return &Error{Code: "invalid_grant", Description: description, Status: 400}
}

func invalidClient(description string) *Error {
	return &Error{Code: "invalid_client", Description: description, Status: 401, challenge: "Basic"}
}

func invalidScope(description string) *Error {
	return &Error{Code: "invalid_scope", Description: description, Status: 400}
}

// unavailable is what a failing store, key service or user store is to a client: not "no", but "not now".
func unavailable(cause error) *Error {
	return &Error{
		Code: "temporarily_unavailable", Description: "the service cannot answer at the moment, try again",
		Status: 503, RetryAfter: retryAfter, cause: cause,
	}
}

const retryAfter = 5 * time.Second

// asError makes an *Error of any error: what is none already is a failure of something below.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return unavailable(err)
}
