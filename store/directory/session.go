package directory

import (
	"time"

	"github.com/signet-idp/signet/store"
)

// Session is one browser's, or device's, signed-in person. Its ID is the source of sid and never authenticates; the
// cookie carries "id.secret" and only the secret's hash is kept. A Session that went idle signs nobody in, and still
// carries the grants below it until it is ended.
type Session struct {
	store.Meta
	SecretHash string    `json:"secretHash"`
	Subject    store.Ref `json:"subject"`
	// SubjectEpoch is the Subject's epoch when the session began.
	SubjectEpoch int64  `json:"subjectEpoch"`
	Status       Status `json:"status"`
	Epoch        int64  `json:"epoch"`
	// Evidence is everything proven in this session; it only grows, except that a fresh sign-in replaces an older one
	// of the same method.
	Evidence []Evidence `json:"evidence"`
	Created  time.Time  `json:"created"`
	// Ends is the absolute limit: after it nobody is signed in, however active.
	Ends time.Time `json:"ends"`
	// Remembered sessions survive the browser and idleness up to the remember-me limit.
	Remembered bool `json:"remembered,omitempty"`
	// UserAgent and Address describe the device to its owner.
	UserAgent string `json:"userAgent,omitempty"`
	Address   string `json:"address,omitempty"`

	use sessionUse
}

// Participant is an application that took part in a session: whom a logout must tell.
type Participant struct {
	store.Meta
	Session     store.Ref `json:"session"`
	Application store.Ref `json:"application"`
	// Protocol is "oidc", "saml" or "wsfed".
	Protocol string    `json:"protocol"`
	Since    time.Time `json:"since"`
}
