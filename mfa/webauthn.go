package mfa

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/signet-idp/signet/internal/strictjson"
)

// Passkeys is the configuration of a [RelyingParty]. RPID and Origins are required; the zero value of all else is a good choice
// for the public, and the comments say what differs for a workforce.
type Passkeys struct {
	// RPID is the domain that passkeys belong to: the host of the pages, or a registrable parent of it. Passkeys of another RPID
	// are not found by browsers, so it never changes. It may not be an IP address.
	RPID string
	// Name is what browsers call the RPID. "" is the RPID.
	Name string
	// Origins are where ceremonies take place, as "https://id.example.com": https, or http on localhost. Those outside of the
	// RPID are related origins ([RelyingParty.RelatedOrigins]), which browsers admit for at most five names.
	Origins []string
	// AppOrigins are native applications, as "android:apk-key-hash:…". Empty is none.
	AppOrigins []string
	// UserVerification is what is asked of a passkey that stands alone. "" is [VerificationRequired].
	UserVerification UserVerification
	// ResidentKey says whether new passkeys are discoverable, which is what signing in without a name needs. "" is
	// [ResidentKeyRequired].
	ResidentKey ResidentKey
	// Timeout is how long a ceremony may take, between 30 s and ten minutes. Zero is 300 s.
	Timeout time.Duration

	// Attestation is what is asked of an authenticator about itself. "" is [AttestationNone]; a workforce wants
	// [AttestationDirect], with Metadata.
	Attestation Attestation
	// Metadata is asked in each ceremony for what is known about models of authenticators. With it, a passkey is registered only of a
	// model that is known, in good standing and attested, and used only while it stands so; while it returns nil, none is. Those
	// registered without attestation before stay in use. Nil believes no attestation and refuses none. It must be quick and safe
	// for concurrent use.
	Metadata func() *Metadata
	// AllowAAGUIDs are the only models that may register, and DenyAAGUIDs some that may not, as UUIDs. AllowAAGUIDs needs Metadata:
	// without it the AAGUID is what anybody claims. Empty is all, and none.
	AllowAAGUIDs, DenyAAGUIDs []string
	// RefuseSynced registers no passkey that may be copied to other devices.
	RefuseSynced bool
	// StrictBackup refuses a passkey whose backup eligibility is not what it was, as the specification has it. Real ones have
	// changed, so false adopts the new value and says so ([Assertion.BackupChanged]).
	StrictBackup bool
	// StrictCounter refuses a passkey whose counter did not grow. False says so ([Assertion.CounterRegressed]).
	StrictCounter bool
}

// UserVerification is whether the authenticator has to check the person itself, by PIN or biometrics (WebAuthn §5.8.6).
type UserVerification string

// The requirements.
const (
	VerificationRequired    UserVerification = "required"
	VerificationPreferred   UserVerification = "preferred"
	VerificationDiscouraged UserVerification = "discouraged"
)

// ResidentKey is whether a passkey is kept where it can be found without its id (WebAuthn §5.4.6).
type ResidentKey string

// The requirements.
const (
	ResidentKeyRequired    ResidentKey = "required"
	ResidentKeyPreferred   ResidentKey = "preferred"
	ResidentKeyDiscouraged ResidentKey = "discouraged"
)

// Attestation is what an authenticator is asked about itself (WebAuthn §5.4.7).
type Attestation string

// The preferences.
const (
	AttestationNone   Attestation = "none"
	AttestationDirect Attestation = "direct"
)

// Bounds on what the other side sends and on what is sent to it.
const (
	maxAnswer       = 64 << 10
	maxCredentialID = 1023 // WebAuthn §4: Credential ID
	maxPasskeys     = 64
	maxOrigins      = 32
	maxTransports   = 8
	handleSize      = 64 // WebAuthn §14.6.1 recommends 64 random bytes
	challengeSize   = 32 // WebAuthn §13.4.3 asks for 16 at least
	defaultTimeout  = 300 * time.Second
)

// RelyingParty performs WebAuthn ceremonies. It keeps nothing: what the server has to remember between the two halves of a
// ceremony is [Ceremony.Session], and it has to see to it that each is used once. It is immutable and safe for concurrent use.
type RelyingParty struct {
	config      Passkeys
	allow, deny map[[16]byte]bool
	related     []string
}

// NewRelyingParty checks the configuration, fills in defaults and returns a RelyingParty, or an error that names every
// problem.
func NewRelyingParty(config Passkeys) (*RelyingParty, error) {
	config.fill()
	rp := &RelyingParty{config: config}
	var errAllow, errDeny error
	rp.allow, errAllow = aaguids("AllowAAGUIDs", config.AllowAAGUIDs)
	rp.deny, errDeny = aaguids("DenyAAGUIDs", config.DenyAAGUIDs)
	if err := errors.Join(config.check(), rp.relate(), errAllow, errDeny); err != nil {
		return nil, err
	}
	return rp, nil
}

// RPID returns the domain that the passkeys belong to.
func (rp *RelyingParty) RPID() string { return rp.config.RPID }

// UserVerification returns what is asked of a passkey that stands alone.
func (rp *RelyingParty) UserVerification() UserVerification { return rp.config.UserVerification }

func (c *Passkeys) fill() {
	set := func(to *string, value string) {
		if *to == "" {
			*to = value
		}
	}
	set(&c.Name, c.RPID)
	set((*string)(&c.UserVerification), string(VerificationRequired))
	set((*string)(&c.ResidentKey), string(ResidentKeyRequired))
	set((*string)(&c.Attestation), string(AttestationNone))
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	c.Origins, c.AppOrigins = slices.Clone(c.Origins), slices.Clone(c.AppOrigins)
}

func (c *Passkeys) check() error {
	var problems []error
	report := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf("mfa: Passkeys."+format, args...))
		}
	}
	err := protocol.ValidateRPID(c.RPID)
	report(c.RPID == "" || err != nil, "RPID %q is not a domain", c.RPID)
	report(len(c.Name) > maxLabel, "Name is over %d bytes", maxLabel)
	report(len(c.Origins) == 0, "Origins is required")
	report(len(c.Origins)+len(c.AppOrigins) > maxOrigins, "Origins and AppOrigins are more than %d", maxOrigins)
	for _, origin := range c.Origins {
		report(!isWebOrigin(origin), "Origins: %q is not an https origin", origin)
	}
	for _, origin := range c.AppOrigins {
		report(!protocol.IsKnownOpaqueOrigin(origin), "AppOrigins: %q is not an origin of an application", origin)
	}
	report(!slices.Contains(verifications, c.UserVerification), "UserVerification %q is unknown", c.UserVerification)
	report(!slices.Contains([]ResidentKey{ResidentKeyRequired, ResidentKeyPreferred, ResidentKeyDiscouraged}, c.ResidentKey), "ResidentKey %q is unknown", c.ResidentKey)
	report(!slices.Contains([]Attestation{AttestationNone, AttestationDirect}, c.Attestation), "Attestation %q is unknown", c.Attestation)
	report(c.Timeout < 30*time.Second || c.Timeout > 10*time.Minute, "Timeout is not between 30 s and ten minutes")
	report(c.Metadata != nil && c.Attestation != AttestationDirect, "Metadata needs Attestation %q", AttestationDirect)
	report(len(c.AllowAAGUIDs) > 0 && c.Metadata == nil, "AllowAAGUIDs needs Metadata: an AAGUID that nothing attests is what anybody claims")
	return errors.Join(problems...)
}

var verifications = []UserVerification{VerificationRequired, VerificationPreferred, VerificationDiscouraged}

// isWebOrigin reports whether the text is an origin at which browsers perform ceremonies.
func isWebOrigin(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != origin || strings.ToLower(origin) != origin {
		return false
	}
	local := u.Hostname() == "localhost" || strings.HasSuffix(u.Hostname(), ".localhost")
	return u.Scheme == "https" || u.Scheme == "http" && local
}

// A Ceremony is the first half of a registration or an authentication.
type Ceremony struct {
	// Options are what the page hands to PublicKeyCredential.parseCreationOptionsFromJSON, or parseRequestOptionsFromJSON
	// (WebAuthn §5.1.9, §5.1.10).
	Options json.RawMessage
	// Session is what the server keeps until the answer comes, once; the browser must never see or choose it.
	Session []byte
}

// PasskeyReason says why an answer came to nothing.
type PasskeyReason string

// The reasons.
const (
	// PasskeyRestart: the session is not one of this version and configuration, or its time is over. The ceremony begins anew.
	PasskeyRestart PasskeyReason = "restart"
	// PasskeyMalformed: the answer is not one that a browser makes.
	PasskeyMalformed PasskeyReason = "malformed"
	// PasskeyRefused: the answer is for another origin, domain or challenge, or its signature is wrong.
	PasskeyRefused PasskeyReason = "refused"
	// PasskeyUnverified: the authenticator did not check the person, and had to.
	PasskeyUnverified PasskeyReason = "unverified"
	// PasskeyForeign: the passkey is not the one, or not of the person, that the ceremony was for.
	PasskeyForeign PasskeyReason = "foreign"
	// PasskeyCloned: the counter went back, and StrictCounter.
	PasskeyCloned PasskeyReason = "cloned"
	// PasskeyBackup: the flags about backup are not what they were, and StrictBackup; or they contradict each other.
	PasskeyBackup PasskeyReason = "backup"
	// PasskeyUntrusted: the model of the authenticator is not attested, not known, or not in good standing.
	PasskeyUntrusted PasskeyReason = "untrusted"
	// PasskeyDisallowed: the policy does not admit the authenticator.
	PasskeyDisallowed PasskeyReason = "disallowed"
)

// A PasskeyError says that an answer came to nothing. Its text is for a log; it holds nothing secret.
type PasskeyError struct {
	Reason PasskeyReason
	cause  error
}

func (e *PasskeyError) Error() string {
	if e.cause != nil {
		return "mfa: passkey " + string(e.Reason) + ": " + e.cause.Error()
	}
	return "mfa: passkey " + string(e.Reason)
}

// Unwrap returns the cause, if any.
func (e *PasskeyError) Unwrap() error { return e.cause }

// Is reports whether target is a PasskeyError of the same Reason.
func (e *PasskeyError) Is(target error) bool {
	other, ok := target.(*PasskeyError)
	return ok && other.Reason == e.Reason
}

func refused(reason PasskeyReason, cause error) error {
	return &PasskeyError{Reason: reason, cause: cause}
}

// sessionVersion is part of every session: one of another version is not read, whatever it looks like.
const sessionVersion = "signet-passkey-1"

// session is what a Ceremony remembers.
type session struct {
	Version   string           `json:"version"`
	Type      string           `json:"type"`
	RPID      string           `json:"rpId"`
	Challenge []byte           `json:"challenge"`
	Handle    []byte           `json:"handle,omitempty"`
	Allowed   [][]byte         `json:"allowed,omitempty"`
	Verify    UserVerification `json:"verify"`
	// Conditional registrations happen without anybody touching anything (WebAuthn §7.1 step 15).
	Conditional bool      `json:"conditional,omitempty"`
	Expires     time.Time `json:"expires"`
}

const (
	createType = "create"
	getType    = "get"
)

func (rp *RelyingParty) session(kind string, verify UserVerification, lifetime time.Duration, now time.Time) *session {
	challenge := make([]byte, challengeSize)
	_, _ = rand.Read(challenge) // never fails: crypto/rand ends the program instead
	return &session{
		Version: sessionVersion, Type: kind, RPID: rp.config.RPID, Challenge: challenge, Verify: verify,
		Expires: now.Add(cmp.Or(lifetime, rp.config.Timeout)),
	}
}

// open reads a session back. Whatever cannot be read, or not any more, begins the ceremony anew.
func (rp *RelyingParty) open(data []byte, kind string, now time.Time) (*session, error) {
	var s session
	if err := strictjson.Unmarshal(data, &s, strictjson.RefuseUnknown()); err != nil {
		return nil, refused(PasskeyRestart, err)
	}
	if s.Version != sessionVersion || s.Type != kind || s.RPID != rp.config.RPID || len(s.Challenge) != challengeSize || !now.Before(s.Expires) {
		return nil, refused(PasskeyRestart, nil)
	}
	return &s, nil
}

// ceremony puts the two halves of what begins a ceremony together.
func ceremony(options any, s *session) (Ceremony, error) {
	forBrowser, errOptions := json.Marshal(options)
	kept, errSession := json.Marshal(s)
	return Ceremony{Options: forBrowser, Session: kept}, errors.Join(errOptions, errSession)
}

// NewUserHandle returns a new user handle: random, so that it tells whoever reads an authenticator nothing. A person has one
// for each RPID.
func NewUserHandle() []byte {
	handle := make([]byte, handleSize)
	_, _ = rand.Read(handle)
	return handle
}

// aaguids reads a list of models.
func aaguids(field string, list []string) (map[[16]byte]bool, error) {
	var problems []error
	models := map[[16]byte]bool{}
	for _, text := range list {
		model, ok := parseAAGUID(text)
		if !ok {
			problems = append(problems, fmt.Errorf("mfa: Passkeys.%s: %q is not a UUID", field, text))
		}
		models[model] = true
	}
	return models, errors.Join(problems...)
}

func parseAAGUID(text string) (model [16]byte, ok bool) {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return model, false
	}
	n, err := hex.Decode(model[:], []byte(strings.ReplaceAll(text, "-", "")))
	return model, err == nil && n == len(model)
}

func formatAAGUID(model [16]byte) string {
	text := hex.EncodeToString(model[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}
