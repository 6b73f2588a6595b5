package directory

import (
	"time"

	"github.com/signet-idp/signet/store"
)

// Role is a named set of permissions.
type Role struct {
	store.Meta
	// Name is unique among the roles of the same Application in the organization, without regard to case. Required, at
	// most 256 characters.
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Application is whose role it is, and alone counts it; zero is the whole organization's. Fixed at creation. Which roles an
	// application counts is its RoleAudience.
	Application store.Ref `json:"application,omitzero"`
	// Permissions are what the role allows: names of APIScopes. Those that no API has are without effect.
	Permissions []string  `json:"permissions,omitempty"`
	Created     time.Time `json:"created"`
	Updated     time.Time `json:"updated"`
}

// RoleAssignment gives a role to a subject or to all members of a group: exactly one of the two is set.
type RoleAssignment struct {
	store.Meta
	Role    store.Ref `json:"role"`
	Subject store.Ref `json:"subject,omitzero"`
	Group   store.Ref `json:"group,omitzero"`
	Since   time.Time `json:"since"`
}
