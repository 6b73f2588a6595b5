package directory

import (
	"time"

	"github.com/signet-idp/signet/store"
)

// Group is a named set of subjects.
type Group struct {
	store.Meta
	// Name is unique in the organization, without regard to case. Required, at most 256 characters.
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// ExternalID is the id that a provisioning client knows the group by.
	ExternalID string    `json:"externalId,omitempty"`
	Created    time.Time `json:"created"`
	Updated    time.Time `json:"updated"`
}

// Membership says that a subject belongs to a group. It is a record of its own: joining a group of 100,000 costs what
// joining a group of one does.
type Membership struct {
	store.Meta
	Group   store.Ref `json:"group"`
	Subject store.Ref `json:"subject"`
	Since   time.Time `json:"since"`
}
