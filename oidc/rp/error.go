package rp

import (
	"errors"
	"fmt"
)

var (
	// ErrInvalid says that what came from the browser or the provider does not hold: nobody is signed in. Trying again begins a new
	// login.
	ErrInvalid = errors.New("rp: not valid")
	// ErrUnavailable says that the provider could not be reached, or answered with something that is no answer. It may later.
	ErrUnavailable = errors.New("rp: the provider is not available")
)

// ResponseError is an error that the provider answered with (RFC 6749 §4.1.2.1, §5.2). Its texts are foreign: show them to nobody.
type ResponseError struct {
	// Code is the error code: "access_denied" when the person said no.
	Code string
	// Description is for developers; "" when there is none.
	Description string
}

// Error implements error.
func (e *ResponseError) Error() string {
	return fmt.Sprintf("rp: the provider answers %q: %q", shortened(e.Code), shortened(e.Description))
}

// Denied reports whether the person, or the provider on their behalf, said no.
func (e *ResponseError) Denied() bool { return e.Code == "access_denied" }

// shortened bounds foreign text in our own.
func shortened(s string) string {
	const limit = 256
	if len(s) > limit {
		return s[:limit]
	}
	return s
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrInvalid, fmt.Errorf(format, args...))
}

func unavailable(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrUnavailable, fmt.Errorf(format, args...))
}
