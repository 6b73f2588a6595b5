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
	// Secret is the hash of a password, the seed of a TOTP authenticator or HOTP token, or where messages to a device are sent;
	// "" for a passkey.
	Secret store.Sealed `json:"secret,omitempty"`
	// Step is the last time step whose code a TOTP authenticator has spent (RFC 6238 §5.2), or the counter that is expected next of
	// a HOTP token (RFC 4226 §7.2).
	Step int64 `json:"step,omitempty"`
	// Set names a set of backup codes, and Codes are the keyed hashes of those that are left.
	Set   string   `json:"set,omitempty"`
	Codes []string `json:"codes,omitempty"`
	// Push is a device that confirms sign-ins.
	Push *PushDevice `json:"push,omitempty"`
	// Passkey is set for a PasskeyCredential, and Certificate for a CertificateCredential.
	Passkey     *Passkey     `json:"passkey,omitempty"`
	Certificate *Certificate `json:"certificate,omitempty"`
}

// CredentialType is what kind of proof a Credential gives.
type CredentialType string

// The types of credential.
const (
	PasswordCredential CredentialType = "password"
	TOTPCredential     CredentialType = "totp"
	HOTPCredential     CredentialType = "hotp"
	// BackupCodesCredential is a whole set of codes; PushCredential is one device of several.
	BackupCodesCredential CredentialType = "backup-codes"
	PushCredential        CredentialType = "push"
)
