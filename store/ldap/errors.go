package ldap

import (
	"errors"
	"fmt"

	goldap "github.com/go-ldap/ldap/v3"
)

// ErrUnavailable says that no server answered: none could be reached in time, or all are being left alone for a while after they
// failed. It is not about anybody in the directory; the caller answers 503.
var ErrUnavailable = errors.New("ldap: no directory server is available")

// downError says that a server failed: the next may be asked.
type downError struct{ cause error }

func (e *downError) Error() string { return e.cause.Error() }

func down(format string, args ...any) error { return &downError{fmt.Errorf(format, args...)} }

// isDown reports whether the server rather than the request is the matter.
func isDown(err error) bool {
	if _, ok := errors.AsType[*downError](err); ok {
		return true
	}
	return isCut(err) || goldap.IsErrorAnyOf(err, goldap.LDAPResultBusy, goldap.LDAPResultUnavailable)
}

// isCut reports whether the connection ended, or what came over it made no sense, before the answer was whole. Codes from
// ErrorNetwork on are the library's own.
func isCut(err error) bool {
	e, ok := errors.AsType[*goldap.Error](err)
	return ok && e.ResultCode >= goldap.ErrorNetwork && e.ResultCode != goldap.ErrorFilterCompile
}

// is reports whether the server answered with one of the result codes (RFC 4511 §4.1.9).
func is(err error, codes ...uint16) bool { return goldap.IsErrorAnyOf(err, codes...) }
