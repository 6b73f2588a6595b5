package directory

import (
	"errors"
	"time"

	"github.com/signet-idp/signet/store"
)

// BearerAssertion is what one protocol has found out of an assertion that was given to another as a grant: a SAML assertion at an
// OAuth token endpoint (RFC 7522).
type BearerAssertion struct {
	// Issuer is who made it, and ID what they call it: together they are used once.
	Issuer, ID string
	// Subject is whom it is about here.
	Subject store.Ref
	// Expires is when it is taken no longer, leeway included.
	Expires time.Time
}

// ErrAssertion says that an assertion is none that is taken: not by whom it says, not for us, not of now, or about nobody here.
var ErrAssertion = errors.New("directory: the assertion is not taken")
