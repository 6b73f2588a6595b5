package mfa

import (
	"encoding/base64"
	"errors"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// A Registration is whose passkey is to be made.
type Registration struct {
	// UserHandle is the person's, 1 to 64 bytes, from [NewUserHandle].
	UserHandle []byte
	// Username is what the person types, and DisplayName what they are called; "" is the Username. Both show in the account chooser.
	Username, DisplayName string
	// Exclude are the passkeys that the person has: an authenticator that holds one makes no other.
	Exclude []Passkey
	// UserVerification is what is asked for now. "" is [VerificationPreferred].
	UserVerification UserVerification
	// Conditional makes a passkey in passing, straight after a password was right, without asking: the browser decides
	// (mediation "conditional"). Nobody need be present, so UserVerification is at most preferred.
	Conditional bool
	// Lifetime is how long the session is good, for a page that lies open before anybody answers. Zero is Passkeys.Timeout.
	Lifetime time.Duration
}

// algorithms are what passkeys may sign with, best first (RFC 9053, RFC 8812).
var algorithms = []webauthncose.COSEAlgorithmIdentifier{webauthncose.AlgES256, webauthncose.AlgEdDSA, webauthncose.AlgRS256}

type creationOptions struct {
	RP struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"rp"`
	User struct {
		ID          encoded `json:"id"`
		Name        string  `json:"name"`
		DisplayName string  `json:"displayName"`
	} `json:"user"`
	Challenge  encoded      `json:"challenge"`
	Parameters []parameter  `json:"pubKeyCredParams"`
	Timeout    int64        `json:"timeout"`
	Exclude    []descriptor `json:"excludeCredentials"`
	Selection  struct {
		ResidentKey        ResidentKey      `json:"residentKey"`
		RequireResidentKey bool             `json:"requireResidentKey"`
		UserVerification   UserVerification `json:"userVerification"`
	} `json:"authenticatorSelection"`
	Attestation Attestation `json:"attestation"`
	Extensions  struct {
		CredProps bool `json:"credProps"`
	} `json:"extensions"`
}

type parameter struct {
	Type      string                               `json:"type"`
	Algorithm webauthncose.COSEAlgorithmIdentifier `json:"alg"`
}

// BeginRegistration makes what the browser needs to make a passkey (WebAuthn §5.4). The error is about the Registration.
func (rp *RelyingParty) BeginRegistration(r Registration, now time.Time) (Ceremony, error) {
	if r.UserVerification == "" || r.Conditional && r.UserVerification == VerificationRequired {
		r.UserVerification = VerificationPreferred
	}
	if len(r.UserHandle) == 0 || len(r.UserHandle) > handleSize || r.Username == "" || !slices.Contains(verifications, r.UserVerification) {
		return Ceremony{}, errors.New("mfa: a Registration needs a UserHandle of up to 64 bytes, a Username and a known UserVerification")
	}
	s := rp.session(createType, r.UserVerification, r.Lifetime, now)
	s.Handle, s.Conditional = r.UserHandle, r.Conditional
	var o creationOptions
	o.RP.ID, o.RP.Name = rp.config.RPID, rp.config.Name
	o.User.ID, o.User.Name, o.User.DisplayName = r.UserHandle, r.Username, r.DisplayName
	if o.User.DisplayName == "" {
		o.User.DisplayName = r.Username
	}
	for _, algorithm := range algorithms {
		o.Parameters = append(o.Parameters, parameter{Type: "public-key", Algorithm: algorithm})
	}
	o.Challenge, o.Timeout, o.Exclude = s.Challenge, rp.config.Timeout.Milliseconds(), descriptors(r.Exclude)
	o.Selection.ResidentKey, o.Selection.RequireResidentKey = rp.config.ResidentKey, rp.config.ResidentKey == ResidentKeyRequired
	o.Selection.UserVerification, o.Attestation = r.UserVerification, rp.config.Attestation
	o.Extensions.CredProps = true
	return ceremony(o, s)
}

// FinishRegistration judges what came back (WebAuthn §7.1) and returns the passkey to keep. The caller has to take the session
// from its store for good before it believes the outcome, and to keep ids unique (step 26). Errors: *PasskeyError.
func (rp *RelyingParty) FinishRegistration(kept, browser []byte, now time.Time) (Passkey, error) {
	s, err := rp.open(kept, createType, now)
	if err != nil {
		return Passkey{}, err
	}
	a, err := readCredential(browser)
	if err != nil {
		return Passkey{}, err
	}
	parsed, err := protocol.CredentialCreationResponse{
		PublicKeyCredential: a.credential(),
		AttestationResponse: protocol.AuthenticatorAttestationResponse{
			AuthenticatorResponse: protocol.AuthenticatorResponse{ClientDataJSON: protocol.URLEncodedBase64(a.Response.ClientDataJSON)},
			AttestationObject:     protocol.URLEncodedBase64(a.Response.AttestationObject),
		},
	}.Parse()
	if err != nil {
		return Passkey{}, refused(PasskeyMalformed, err)
	}
	data := parsed.Response.AttestationObject.AuthData
	if s.Verify == VerificationRequired && !data.Flags.HasUserVerified() {
		return Passkey{}, refused(PasskeyUnverified, nil)
	}
	if err := rp.verifyRegistration(s, parsed); err != nil {
		return Passkey{}, refused(PasskeyRefused, err)
	}
	key, err := rp.passkey(s, a, parsed)
	if err != nil {
		return Passkey{}, err
	}
	return key, rp.admit(&key, parsed.Response.AttestationObject, now)
}

// verifyRegistration is §7.1 without the trust in attestations, which is for admit.
func (rp *RelyingParty) verifyRegistration(s *session, parsed *protocol.ParsedCredentialCreationData) error {
	var params []protocol.CredentialParameter
	for _, algorithm := range algorithms {
		params = append(params, protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: algorithm})
	}
	_, err := parsed.Verify(
		base64.RawURLEncoding.EncodeToString(s.Challenge), s.RPID, rp.config.Origins, rp.config.AppOrigins, nil,
		protocol.TopOriginExplicitVerificationMode, false, s.Verify == VerificationRequired, !s.Conditional, nil, params,
		protocol.AttestationPolicy{}, protocol.SignaturePolicy{},
	)
	return err
}

// passkey is what is kept of a registration.
func (rp *RelyingParty) passkey(s *session, a *answer, parsed *protocol.ParsedCredentialCreationData) (Passkey, error) {
	object := parsed.Response.AttestationObject
	eligible, backedUp, err := backupFlags(object.AuthData.Flags)
	if err != nil {
		return Passkey{}, err
	}
	var model [16]byte
	copy(model[:], object.AuthData.AttData.AAGUID)
	var public webauthncose.PublicKeyData
	if err := webauthncbor.Unmarshal(object.AuthData.AttData.CredentialPublicKey, &public); err != nil {
		return Passkey{}, refused(PasskeyMalformed, err)
	}
	key := Passkey{
		ID: object.AuthData.AttData.CredentialID, RPID: s.RPID, UserHandle: s.Handle,
		PublicKey: object.AuthData.AttData.CredentialPublicKey, Algorithm: public.Algorithm,
		Counter: object.AuthData.Counter, BackupEligible: &eligible, BackedUp: backedUp,
		UserVerified: object.AuthData.Flags.HasUserVerified(), Discoverable: a.ClientExtensionResults.CredProps.ResidentKey,
		Transports: a.transports(), AAGUID: formatAAGUID(model),
	}
	if object.Format != string(protocol.AttestationFormatNone) {
		key.Attestation = &AttestationRecord{
			Format: object.Format, Type: object.Type,
			Object: a.Response.AttestationObject, ClientDataJSON: a.Response.ClientDataJSON,
		}
	}
	return key, nil
}
