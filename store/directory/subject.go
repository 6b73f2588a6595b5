package directory

import "github.com/signet-idp/signet/store"

// Subject is who somebody is to everything else, whatever holds the person. Its ID is the one public id: the OpenID sub,
// the SCIM id, the API id. It is a UUID and never used again. Org is the home organization.
type Subject struct {
	store.Meta
	Kind SubjectKind `json:"kind"`
	// Store names the user store that holds the person; "" is the default store. Of an Outsider it is the issuer.
	Store string `json:"store,omitempty"`
	// ExternalID is the person's id in that store; in the default store it is the Subject's own.
	ExternalID string `json:"externalId"`
	Status     Status `json:"status"`
	// Epoch moves when everything that was issued to the subject is revoked.
	Epoch int64 `json:"epoch"`
	// Hold is why, besides being disabled, the account lets nobody in; nil is nothing. While it stands the Status is not Active.
	Hold *Hold `json:"hold,omitempty"`
}

// SubjectKind tells people from software agents.
type SubjectKind string

// The kinds of subject.
const (
	Person SubjectKind = "user"
	// AgentKind is the kind of an Agent.
	AgentKind SubjectKind = "agent"
	// Outsider is somebody whom no user store holds: all that is known is what a trusted issuer calls them (Subjects.Outsider).
	Outsider SubjectKind = "outsider"
)

// Status is whether a parent in the chain of authority still carries its children.
type Status string

// The statuses. An ended Session and a deleted Subject never come back.
const (
	Active   Status = "active"
	Disabled Status = "disabled"
	// Held is an account that waits for something; see Subject.Hold. Disabling goes over it, and enabling comes back to it.
	Held  Status = "held"
	Ended Status = "ended"
)
