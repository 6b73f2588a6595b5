package directory

import (
	"time"

	"github.com/signet-idp/signet/store"
)

// AuthorizedAPI says what an application may be allowed at an API. For an application acting for itself that is all that
// counts; for one that acts for a person see Policy.
type AuthorizedAPI struct {
	store.Meta
	Application store.Ref `json:"application"`
	API         store.Ref `json:"api"`
	// Policy says what decides for people; the zero value is their roles.
	Policy AuthorizationPolicy `json:"policy,omitempty"`
	// Scopes are those of the API's that the application may have; empty is none. Which of them the API does not have, or no
	// more, is without effect.
	Scopes []string `json:"scopes,omitempty"`
	// AuthorizationDetailsTypes are those of the API's that the application may use; empty is none.
	AuthorizationDetailsTypes []string  `json:"authorizationDetailsTypes,omitempty"`
	Since                     time.Time `json:"since"`
}

// AuthorizationPolicy says what decides which scopes an application gets for a person.
type AuthorizationPolicy string

// The policies. The zero value gives a person's scopes to those who have them by a role.
const (
	AuthorizeByRole    AuthorizationPolicy = ""     // scopes are cut to what the person's roles permit
	AuthorizeByConsent AuthorizationPolicy = "none" // signing in and consenting is enough
)
