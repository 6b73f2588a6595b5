package directory

import (
	"slices"
	"time"

	"github.com/signet-idp/signet/store"
)

// Scope is a scope about people: whoever is granted it learns some of their claims (OpenID Connect Core §5.4). One that is
// named as a scope of the standard ("profile", "email", "address", "phone") releases these claims in the place of the
// standard's. What one may do at an API is an APIScope.
type Scope struct {
	store.Meta
	// Name is a scope-token (RFC 6749 §3.3) of at most 128 characters; "openid" and "offline_access" have a meaning of their
	// own. Required, unique in the organization.
	Name string `json:"name"`
	// DisplayName and Description are put to the person who consents; without a name they see Name.
	DisplayName string `json:"displayName,omitempty"`
	Description string `json:"description,omitempty"`
	// Claims are the names of the claims that it releases.
	Claims  []string  `json:"claims,omitempty"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// The scopes with a meaning in OpenID Connect Core §5.4 and §11.
var personScopes = []string{"openid", "offline_access", "profile", "email", "address", "phone"}

func isPersonScope(name string) bool { return slices.Contains(personScopes, name) }
