package directory

import (
	"errors"
	"fmt"
)

var (
	// ErrReadOnly says that the user store does not write; see Capabilities.
	ErrReadOnly = errors.New("directory: the user store is read-only")
	// ErrEnded says that a Subject or Session has ended: it never comes back.
	ErrEnded = errors.New("directory: has ended for good")
	// ErrNoSession says that a cookie signs nobody in, for whatever reason of the cookie's own. A failing store is
	// another error.
	ErrNoSession = errors.New("directory: nobody is signed in")
	// ErrChainBroken says that a parent in the chain of authority is absent, not active, or has moved its epoch since:
	// what hangs on it is void. A failing store is another error.
	ErrChainBroken = errors.New("directory: the chain of authority is broken")
	// ErrReplayed says that a one-time value was used before.
	ErrReplayed = errors.New("directory: used before")
	// ErrOrganization says that an organization other than the root was asked for.
	ErrOrganization = errors.New("directory: organizations below the root are not implemented")
)

// TakenError says that a name that must be unique belongs to somebody else.
type TakenError struct {
	// Name is which name: "username", "name".
	Name string
}

// Error implements error.
func (e *TakenError) Error() string { return fmt.Sprintf("directory: the %s is taken", e.Name) }

// InvalidError says what is wrong with one field of a value. Several are joined; errors.As finds the first, and Problems all.
// Problem may be shown to people.
type InvalidError struct {
	Field   string
	Problem string
	// ID and Params say the same for a page to put into words: ID is stable, as "password.policy.min_length". "" has none.
	ID     string
	Params map[string]string
}

// Error implements error.
func (e *InvalidError) Error() string { return fmt.Sprintf("directory: %s %s", e.Field, e.Problem) }

// Problems lists every InvalidError that is joined in err, in order; nil when err is something else, or nothing.
func Problems(err error) []*InvalidError {
	if invalid, ok := err.(*InvalidError); ok {
		return []*InvalidError{invalid}
	}
	var all []*InvalidError
	switch err := err.(type) {
	case interface{ Unwrap() []error }:
		for _, one := range err.Unwrap() {
			all = append(all, Problems(one)...)
		}
	case interface{ Unwrap() error }:
		all = Problems(err.Unwrap())
	}
	return all
}

// AccountError is what Users.VerifyPassword returns, beside false, when a store that judges accounts itself refuses a
// person for the state of their account. To whoever is trying, the caller answers as to a wrong password, and counts the
// attempt as one; State is for the log, and for a way to a new password once the old one was proven elsewhere.
type AccountError struct {
	State AccountState
}

// Error implements error.
func (e *AccountError) Error() string {
	return fmt.Sprintf("directory: the user store refuses the account: %s", e.State)
}
