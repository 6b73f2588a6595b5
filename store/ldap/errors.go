package ldap

import (
	"errors"
	"fmt"

	goldap "github.com/go-ldap/ldap/v3"
)

// ErrUnavailable says that no server answered: none could be reached in time, all connections to it were in use for too long, or all
// are being left alone for a while after they failed. It is not about anybody in the directory; the caller answers 503.
var ErrUnavailable = errors.New("ldap: no directory server is available")

// downError says that a server failed: the next may be asked.
type downError struct {
	cause error
	cut   bool // the connection ended, or what came over it made no sense, before the answer was whole
}

func (e *downError) Error() string { return e.cause.Error() }

func down(format string, args ...any) error { return &downError{cause: fmt.Errorf(format, args...)} }

// queuedError says that a caller waited for one of our own connections to a server until their time was up. It tells that we ask much,
// and nothing about the server; the next may be asked.
type queuedError struct{ server string }

func (e *queuedError) Error() string { return e.server + ": all connections are in use" }

// isQueued reports whether the server was never asked, for want of a connection.
func isQueued(err error) bool {
	_, ok := errors.AsType[*queuedError](err)
	return ok
}

// isDown reports whether the server rather than the request is the matter.
func isDown(err error) bool {
	_, ok := errors.AsType[*downError](err)
	return ok || is(err, goldap.LDAPResultBusy, goldap.LDAPResultUnavailable)
}

// isCut reports whether the connection is the matter.
func isCut(err error) bool {
	e, ok := errors.AsType[*downError](err)
	return ok && e.cut
}

// is reports whether the server answered with one of the result codes (RFC 4511 §4.1.9).
func is(err error, codes ...uint16) bool { return goldap.IsErrorAnyOf(err, codes...) }

// fromServer reports whether an error of the library's is what a server has answered, or a request that was never sent. All other
// errors, of whatever type, are of the connection.
func fromServer(err error) bool {
	e, ok := errors.AsType[*goldap.Error](err)
	return ok && (e.ResultCode < goldap.ErrorNetwork || e.ResultCode == goldap.ErrorFilterCompile)
}
