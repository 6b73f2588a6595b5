package directory

import (
	"time"

	"github.com/signet-idp/signet/store"
)

// Credential is something a Subject proves themselves with. Its secret is sealed: a dump of the store lets nobody guess
// at it.
type Credential struct {
	store.Meta
	Subject store.Ref      `json:"subject"`
	Type    CredentialType `json:"type"`
	// Label is how its owner calls it.
	Label string `json:"label,omitempty"`
	// Epoch moves when the secret is replaced; it begins anywhere.
	Epoch   int64     `json:"epoch"`
	Created time.Time `json:"created"`
	// Secret is the hash of a password, or the seed of a TOTP authenticator.
	Secret store.Sealed `json:"secret"`
	// Step is the last time step whose code a TOTP authenticator has spent (RFC 6238 §5.2).
	Step int64 `json:"step,omitempty"`
}

// CredentialType is what kind of proof a Credential gives.
type CredentialType string

// The types of credential.
const (
	PasswordCredential CredentialType = "password"
	TOTPCredential     CredentialType = "totp"
)
