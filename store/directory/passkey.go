package directory

import (
	"time"

	"github.com/signet-idp/signet/store"
)

// PasskeyCredential is a passkey. A person may have several, up to MaxPasskeys.
const PasskeyCredential CredentialType = "passkey"

// MaxPasskeys is how many passkeys a person may have.
const MaxPasskeys = 32

// Passkey is what is kept of a passkey: WebAuthn's credential record. Nothing of it is secret. The fields are those of mfa.Passkey.
type Passkey struct {
	// ID is what the authenticator calls it: up to 1023 bytes, unique in an organization for each RPID.
	ID         []byte `json:"id"`
	RPID       string `json:"rpId"`
	UserHandle []byte `json:"userHandle"`
	PublicKey  []byte `json:"publicKey"`
	Algorithm  int64  `json:"algorithm"`
	Counter    uint32 `json:"counter"`
	// BackupEligible says that it may be copied to other devices; nil is not known. BackedUp says that it has been.
	BackupEligible *bool `json:"backupEligible,omitempty"`
	BackedUp       bool  `json:"backedUp,omitempty"`
	UserVerified   bool  `json:"userVerified,omitempty"`
	// Discoverable says that it is found without its id; nil is not known.
	Discoverable *bool    `json:"discoverable,omitempty"`
	Transports   []string `json:"transports,omitempty"`
	AAGUID       string   `json:"aaguid"`
	// Attestation is what the authenticator said about itself; nil is nothing.
	Attestation *PasskeyAttestation `json:"attestation,omitempty"`
	// SecondFactor says that the person wants to be asked for it after their password, as for any second factor. False is one in the
	// place of the password, which does not keep them from using that where they have no authenticator at hand.
	SecondFactor bool `json:"secondFactor,omitempty"`
	// LastUsed is when it signed somebody in last; zero is never. Suspended is when it was taken out of use because there may be two of
	// it; zero is not.
	LastUsed  time.Time `json:"lastUsed,omitzero"`
	Suspended time.Time `json:"suspended,omitzero"`
}

// PasskeyAttestation is kept to be verified again.
type PasskeyAttestation struct {
	Format         string `json:"format"`
	Type           string `json:"type"`
	Object         []byte `json:"object"`
	ClientDataJSON []byte `json:"clientDataJSON"`
}

// PasskeyUser is what authenticators call a Subject at an RPID. It says nothing about the Subject, and stays when the passkeys go: an
// authenticator that still has one is told by it whose it was.
type PasskeyUser struct {
	store.Meta
	Subject store.Ref `json:"subject"`
	RPID    string    `json:"rpId"`
	Handle  []byte    `json:"handle"`
}
