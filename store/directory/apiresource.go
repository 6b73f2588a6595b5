package directory

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/signet-idp/signet/store"
)

// APIResource is an API that tokens are made for: what it is called in them, and what one may be allowed there.
type APIResource struct {
	store.Meta
	// Name is shown to people. Required, at most 256 characters.
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Identifier is what tokens for the API have as their audience (aud), and clients name it by (resource, RFC 8707): a URL,
	// best of all the API's own. Required, unique in the organization, compared byte by byte, at most 256 characters.
	Identifier string `json:"identifier"`
	// Kind is whose API it is; zero is BusinessAPI.
	Kind APIKind `json:"kind,omitempty"`
	// RequiresAuthorization says that people need a role for every scope, whatever an AuthorizedAPI's Policy. It always
	// holds for a SystemAPI.
	RequiresAuthorization bool `json:"requiresAuthorization,omitempty"`
	// AllApplications lets every application ask for every scope, without an AuthorizedAPI of its own: for an API that is
	// open to clients which nobody registers by hand, as MCP servers are. People still consent, and with
	// RequiresAuthorization still need their roles. It is not for a SystemAPI.
	AllApplications bool `json:"allApplications,omitempty"`
	// Scopes are what one may be allowed to do. A scope belongs to one API of the organization.
	Scopes []APIScope `json:"scopes,omitempty"`
	// AuthorizationDetailsTypes are the types of RFC 9396 that the API understands. A type belongs to one API of the
	// organization.
	AuthorizationDetailsTypes []AuthorizationDetailsType `json:"authorizationDetailsTypes,omitempty"`
	// AccessTokenFormat is "jwt" or "opaque"; zero is as the client has it.
	AccessTokenFormat string `json:"accessTokenFormat,omitempty"`
	// AccessTokenLifetime is in seconds, at most 30 days; zero is as the client has it.
	AccessTokenLifetime int64     `json:"accessTokenLifetime,omitempty"`
	Created             time.Time `json:"created"`
	Updated             time.Time `json:"updated"`
}

// APIKind is whose API it is.
type APIKind string

// The kinds. The zero value is an API of the host's.
const (
	BusinessAPI APIKind = ""
	MCPServer   APIKind = "mcp"    // a server of the Model Context Protocol: best with a scope for each tool
	SystemAPI   APIKind = "system" // Signet's own
)

// APIScope is one thing that an API lets one do.
type APIScope struct {
	// Name is a scope-token (RFC 6749 §3.3) of at most 128 characters. Required.
	Name string `json:"name"`
	// DisplayName and Description are put to the person who consents; without a name they see Name.
	DisplayName string `json:"displayName,omitempty"`
	Description string `json:"description,omitempty"`
}

// AuthorizationDetailsType is one type of authorization_details (RFC 9396 §2).
type AuthorizationDetailsType struct {
	// Type is its identifier, at most 256 characters. Required.
	Type        string `json:"type"`
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
	// Schema is a JSON Schema (2020-12) for details of the type; empty accepts every object.
	Schema json.RawMessage `json:"schema,omitempty"`
}

// Scope returns the API's scope of that name.
func (a *APIResource) Scope(name string) (APIScope, bool) {
	i := slices.IndexFunc(a.Scopes, func(s APIScope) bool { return s.Name == name })
	if i < 0 {
		return APIScope{}, false
	}
	return a.Scopes[i], true
}

// judgesPeople reports whether people need roles for the scopes, under the policy that an application has.
func (a *APIResource) judgesPeople(policy AuthorizationPolicy) bool {
	return a.RequiresAuthorization || a.Kind == SystemAPI || policy != AuthorizeByConsent
}

// clone copies the API so that nothing of it is shared.
func (a *APIResource) clone() *APIResource {
	own := *a
	own.Scopes = slices.Clone(a.Scopes)
	own.AuthorizationDetailsTypes = slices.Clone(a.AuthorizationDetailsTypes)
	for i := range own.AuthorizationDetailsTypes {
		own.AuthorizationDetailsTypes[i].Schema = slices.Clone(own.AuthorizationDetailsTypes[i].Schema)
	}
	return &own
}
