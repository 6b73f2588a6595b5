package mfa

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/signet-idp/signet/internal/strictjson"
)

// A Passkey is what a server keeps of one: WebAuthn's credential record (§4). Nothing of it is secret; but the id and the user handle tell
// who somebody is.
type Passkey struct {
	// ID names the passkey, up to 1023 bytes. No two people of one RPID have the same.
	ID []byte `json:"id"`
	// RPID is the domain that it belongs to.
	RPID string `json:"rpId"`
	// UserHandle is what it calls the person.
	UserHandle []byte `json:"userHandle"`
	// PublicKey is a COSE_Key (RFC 9052 §7) and Algorithm its COSE algorithm.
	PublicKey []byte `json:"publicKey"`
	Algorithm int64  `json:"algorithm"`
	// Counter is how often it has signed, as far as it tells; 0 is for ever with those that do not count.
	Counter uint32 `json:"counter"`
	// BackupEligible says that it may be copied to other devices; nil is not known, as for one that was imported. BackedUp says that
	// it has been.
	BackupEligible *bool `json:"backupEligible,omitempty"`
	BackedUp       bool  `json:"backedUp,omitempty"`
	// UserVerified says that it has checked the person at least once.
	UserVerified bool `json:"userVerified,omitempty"`
	// Discoverable says that it is found without its id; nil is not known.
	Discoverable *bool `json:"discoverable,omitempty"`
	// Transports are the ways to reach it (WebAuthn §5.8.4).
	Transports []string `json:"transports,omitempty"`
	// AAGUID is the model of the authenticator, as a UUID; believe it as far as Attestation was.
	AAGUID string `json:"aaguid"`
	// Attestation is what the authenticator said about itself; nil is nothing.
	Attestation *AttestationRecord `json:"attestation,omitempty"`
}

// An AttestationRecord is kept to be verified again; see [RelyingParty.Reverify].
type AttestationRecord struct {
	// Format is how it is written (WebAuthn §8), and Type what kind of trust it needs, as "basic_full" or "basic_surrogate".
	Format string `json:"format"`
	Type   string `json:"type"`
	// Object and ClientDataJSON are what was verified, byte for byte.
	Object         []byte `json:"object"`
	ClientDataJSON []byte `json:"clientDataJSON"`
}

// descriptor is how options name a passkey (WebAuthn §5.8.3).
type descriptor struct {
	Type       string   `json:"type"`
	ID         encoded  `json:"id"`
	Transports []string `json:"transports,omitempty"`
}

func descriptors(keys []Passkey) []descriptor {
	list := []descriptor{}
	for _, key := range keys[:min(len(keys), maxPasskeys)] {
		list = append(list, descriptor{Type: "public-key", ID: key.ID, Transports: key.Transports})
	}
	return list
}

// encoded is bytes as WebAuthn's JSON has them: base64url without padding (§5.1).
type encoded []byte

func (e encoded) MarshalJSON() ([]byte, error) {
	return json.Marshal(base64.RawURLEncoding.EncodeToString(e))
}

func (e *encoded) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(text)
	*e = decoded
	return err
}

// answer is what a browser makes of a PublicKeyCredential by toJSON (WebAuthn §5.1). Of the outputs of extensions nothing but
// credProps is read.
type answer struct {
	ID       encoded `json:"id"`
	RawID    encoded `json:"rawId"`
	Type     string  `json:"type"`
	Response struct {
		ClientDataJSON encoded `json:"clientDataJSON"`
		// Of a registration.
		AttestationObject encoded  `json:"attestationObject"`
		Transports        []string `json:"transports"`
		// Of an authentication.
		AuthenticatorData encoded `json:"authenticatorData"`
		Signature         encoded `json:"signature"`
		UserHandle        encoded `json:"userHandle"`
	} `json:"response"`
	ClientExtensionResults struct {
		CredProps struct {
			ResidentKey *bool `json:"rk"`
		} `json:"credProps"`
	} `json:"clientExtensionResults"`
}

// clientData is what the browser signed (WebAuthn §5.8.1): read here to be held to one reading, and judged by the library.
type clientData struct {
	Type        string `json:"type"`
	Challenge   string `json:"challenge"`
	Origin      string `json:"origin"`
	CrossOrigin bool   `json:"crossOrigin"`
	TopOrigin   string `json:"topOrigin"`
}

// readCredential reads what came back from a browser.
func readCredential(data []byte) (*answer, error) {
	if len(data) > maxAnswer {
		return nil, refused(PasskeyMalformed, nil)
	}
	var a answer
	if err := strictjson.Unmarshal(data, &a); err != nil {
		return nil, refused(PasskeyMalformed, err)
	}
	var c clientData
	if err := strictjson.Unmarshal(a.Response.ClientDataJSON, &c); err != nil {
		return nil, refused(PasskeyMalformed, err)
	}
	if a.Type != "public-key" || len(a.ID) == 0 || len(a.ID) > maxCredentialID || !bytes.Equal(a.ID, a.RawID) || len(a.Response.UserHandle) > handleSize {
		return nil, refused(PasskeyMalformed, nil)
	}
	return &a, nil
}

// credential is the part of an answer that the library has for both ceremonies.
func (a *answer) credential() protocol.PublicKeyCredential {
	return protocol.PublicKeyCredential{
		Credential: protocol.Credential{ID: base64.RawURLEncoding.EncodeToString(a.ID), Type: a.Type},
		RawID:      protocol.URLEncodedBase64(a.RawID),
	}
}

// transports are those that the browser told of, as far as they are tokens.
func (a *answer) transports() []string {
	list := slices.DeleteFunc(slices.Clone(a.Response.Transports), func(t string) bool {
		return t == "" || len(t) > 32 || !utf8.ValidString(t)
	})
	slices.Sort(list)
	list = slices.Compact(list)
	return list[:min(len(list), maxTransports)]
}

// backupFlags refuses flags that contradict each other (WebAuthn §6.1.3), and yields what they say.
func backupFlags(flags protocol.AuthenticatorFlags) (eligible, backedUp bool, err error) {
	eligible, backedUp = flags.HasBackupEligible(), flags.HasBackupState()
	if backedUp && !eligible {
		return false, false, refused(PasskeyBackup, nil)
	}
	return eligible, backedUp, nil
}
