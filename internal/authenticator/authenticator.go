// Package authenticator is a WebAuthn authenticator in software, with the browser around it, for tests: it makes passkeys, signs with
// them, and lies when it is told to.
//
//	key := authenticator.New("https://id.example.com")
//	ceremony, err := rp.BeginRegistration(mfa.Registration{UserHandle: handle, Username: "ann"}, now)
//	…
//	answer, err := key.Create(ceremony.Options)
//	…
//	passkey, err := rp.FinishRegistration(ceremony.Session, answer, now)
//
// Covered: WebAuthn §6.1 (authenticator data), §6.5 (attestation formats none and packed, the latter by the passkey itself and by a
// CA), ES256, EdDSA and RS256. Not implemented: extensions, other formats.
package authenticator

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// The COSE algorithms that it signs with (RFC 9053 §2, RFC 8812 §2).
const (
	ES256 = -7
	EdDSA = -8
	RS256 = -257
)

// Authenticator holds passkeys. Its fields may be changed between ceremonies. It is not safe for concurrent use.
type Authenticator struct {
	// Origin is where the browser is.
	Origin string
	// AAGUID is the model.
	AAGUID [16]byte
	// Algorithm is what new passkeys sign with, ES256 from New.
	Algorithm int
	// Verifies says that it checks the person, true from New.
	Verifies bool
	// Eligible and BackedUp are the flags about backup.
	Eligible, BackedUp bool
	// Counts is how much the counter grows with each signature; 0 keeps it at 0 for ever.
	Counts uint32
	// Attest makes packed attestations where the page asks for one: with the CA when it is not nil, else with the passkey itself.
	Attest bool
	CA     *CA
	// Lie changes what is about to be signed; nil is honest.
	Lie func(*Statement)

	passkeys []*passkey
}

// Statement is what an authenticator and its browser are about to say.
type Statement struct {
	// Type, Challenge (base64url), Origin and CrossOrigin are the client data.
	Type, Challenge, Origin string
	CrossOrigin             bool
	// RPID, Flags and Counter are the authenticator data.
	RPID    string
	Flags   byte
	Counter uint32
	// ID and UserHandle are whose passkey it is.
	ID, UserHandle []byte
	// Signature, when it is not nil, is put in the place of the true one.
	Signature []byte
}

// The flags of authenticator data (WebAuthn §6.1).
const (
	UserPresent      = 0x01
	UserVerified     = 0x04
	BackupEligible   = 0x08
	BackedUp         = 0x10
	attestedDataFlag = 0x40
)

// passkey is one that the authenticator holds.
type passkey struct {
	id, handle []byte
	rpID       string
	key        crypto.Signer
	public     []byte
	algorithm  int
	counter    uint32
}

// New returns an authenticator whose browser is at an origin.
func New(origin string) *Authenticator {
	return &Authenticator{Origin: origin, Algorithm: ES256, Verifies: true, Counts: 1, AAGUID: [16]byte{0xca, 0xfe}}
}

// Holds reports how many passkeys there are.
func (a *Authenticator) Holds() int { return len(a.passkeys) }

// Clone is an authenticator with the same passkeys, as a thief has who has copied it.
func (a *Authenticator) Clone() *Authenticator {
	twin := *a
	twin.passkeys = nil
	for _, key := range a.passkeys {
		copied := *key
		twin.passkeys = append(twin.passkeys, &copied)
	}
	return &twin
}

// ErrExcluded says that the authenticator holds a passkey that the page excludes.
var ErrExcluded = errors.New("authenticator: holds one that is excluded")

// ErrNone says that there is no passkey that the page would take.
var ErrNone = errors.New("authenticator: no passkey")

// Create makes a passkey by a page's PublicKeyCredentialCreationOptionsJSON and answers as toJSON does.
func (a *Authenticator) Create(options []byte) ([]byte, error) {
	var o struct {
		RP struct {
			ID string `json:"id"`
		} `json:"rp"`
		User struct {
			ID string `json:"id"`
		} `json:"user"`
		Challenge   string       `json:"challenge"`
		Exclude     []descriptor `json:"excludeCredentials"`
		Attestation string       `json:"attestation"`
	}
	if err := json.Unmarshal(options, &o); err != nil {
		return nil, err
	}
	for _, excluded := range o.Exclude {
		if a.find(o.RP.ID, []descriptor{excluded}) != nil {
			return nil, ErrExcluded
		}
	}
	handle, err := base64.RawURLEncoding.DecodeString(o.User.ID)
	if err != nil {
		return nil, err
	}
	key, err := newPasskey(o.RP.ID, handle, a.Algorithm)
	if err != nil {
		return nil, err
	}
	a.passkeys = append(a.passkeys, key)
	s := a.statement("webauthn.create", o.Challenge, key)
	s.Flags |= attestedDataFlag
	if a.Lie != nil {
		a.Lie(s)
	}
	client, data := s.clientData(), s.authenticatorData()
	data = append(data, a.AAGUID[:]...)
	data = binary.BigEndian.AppendUint16(data, uint16(len(s.ID)))
	data = append(append(data, s.ID...), key.public...)
	object, err := a.attest(o.Attestation, key, s, client, data)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{
		"id": encode(s.ID), "rawId": encode(s.ID), "type": "public-key", "authenticatorAttachment": "platform",
		"response": map[string]any{
			"clientDataJSON": encode(client), "attestationObject": encode(object), "transports": []string{"internal", "hybrid"},
		},
		"clientExtensionResults": map[string]any{"credProps": map[string]any{"rk": true}},
	})
}

// Get signs with a passkey by a page's PublicKeyCredentialRequestOptionsJSON and answers as toJSON does. Of several it takes the
// newest.
func (a *Authenticator) Get(options []byte) ([]byte, error) {
	var o struct {
		Challenge string       `json:"challenge"`
		RPID      string       `json:"rpId"`
		Allow     []descriptor `json:"allowCredentials"`
	}
	if err := json.Unmarshal(options, &o); err != nil {
		return nil, err
	}
	key := a.find(o.RPID, o.Allow)
	if key == nil {
		return nil, ErrNone
	}
	s := a.statement("webauthn.get", o.Challenge, key)
	if a.Lie != nil {
		a.Lie(s)
	}
	client, data := s.clientData(), s.authenticatorData()
	signature, err := key.sign(client, data)
	if err != nil {
		return nil, err
	}
	if s.Signature != nil {
		signature = s.Signature
	}
	response := map[string]any{"clientDataJSON": encode(client), "authenticatorData": encode(data), "signature": encode(signature)}
	if len(s.UserHandle) > 0 {
		response["userHandle"] = encode(s.UserHandle)
	}
	return json.Marshal(map[string]any{
		"id": encode(s.ID), "rawId": encode(s.ID), "type": "public-key", "authenticatorAttachment": "platform",
		"response": response, "clientExtensionResults": map[string]any{},
	})
}

type descriptor struct {
	ID string `json:"id"`
}

// find returns the newest passkey for a domain, among those that are allowed; an empty list allows all.
func (a *Authenticator) find(rpID string, allowed []descriptor) (found *passkey) {
	for _, key := range a.passkeys {
		fits := len(allowed) == 0
		for _, d := range allowed {
			fits = fits || d.ID == encode(key.id)
		}
		if fits && key.rpID == rpID {
			found = key
		}
	}
	return found
}

func (a *Authenticator) statement(kind, challenge string, key *passkey) *Statement {
	key.counter += a.Counts
	s := &Statement{
		Type: kind, Challenge: challenge, Origin: a.Origin, RPID: key.rpID, Flags: UserPresent, Counter: key.counter,
		ID: key.id, UserHandle: key.handle,
	}
	for flag, set := range map[byte]bool{UserVerified: a.Verifies, BackupEligible: a.Eligible, BackedUp: a.BackedUp} {
		if set {
			s.Flags |= flag
		}
	}
	return s
}

func (s *Statement) clientData() []byte {
	text, _ := json.Marshal(map[string]any{
		"type": s.Type, "challenge": s.Challenge, "origin": s.Origin, "crossOrigin": s.CrossOrigin,
	})
	return text
}

func (s *Statement) authenticatorData() []byte {
	hash := sha256.Sum256([]byte(s.RPID))
	return binary.BigEndian.AppendUint32(append(hash[:], s.Flags), s.Counter)
}

func newPasskey(rpID string, handle []byte, algorithm int) (*passkey, error) {
	key := &passkey{id: make([]byte, 32), handle: handle, rpID: rpID, algorithm: algorithm}
	if _, err := rand.Read(key.id); err != nil {
		return nil, err
	}
	var public map[int]any
	switch algorithm {
	case ES256:
		pair, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		point, err := pair.PublicKey.Bytes()
		if err != nil {
			return nil, err
		}
		key.key, public = pair, map[int]any{1: 2, 3: ES256, -1: 1, -2: point[1:33], -3: point[33:]}
	case EdDSA:
		half, pair, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		key.key, public = pair, map[int]any{1: 1, 3: EdDSA, -1: 6, -2: []byte(half)}
	case RS256:
		pair, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		key.key, public = pair, map[int]any{1: 3, 3: RS256, -1: pair.N.Bytes(), -2: []byte{1, 0, 1}}
	default:
		return nil, fmt.Errorf("authenticator: algorithm %d", algorithm)
	}
	var err error
	key.public, err = canonical(public)
	return key, err
}

// sign signs authenticator data and the hash of client data (WebAuthn §6.3.3).
func (k *passkey) sign(client, data []byte) ([]byte, error) { return sign(k.key, client, data) }

func sign(key crypto.Signer, client, data []byte) ([]byte, error) {
	hash := sha256.Sum256(client)
	message := append(append([]byte{}, data...), hash[:]...)
	if _, ok := key.(ed25519.PrivateKey); ok {
		return key.Sign(rand.Reader, message, crypto.Hash(0))
	}
	digest := sha256.Sum256(message)
	return key.Sign(rand.Reader, digest[:], crypto.SHA256)
}

// canonical encodes as CTAP2 wants it.
func canonical(v any) ([]byte, error) {
	mode, err := cbor.CTAP2EncOptions().EncMode()
	if err != nil {
		return nil, err
	}
	return mode.Marshal(v)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
