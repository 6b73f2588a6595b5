package mfa

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
)

// An Authentication is who is asked for a passkey.
type Authentication struct {
	// Allow are the passkeys that will do: those of a person who is known already. Empty is any discoverable one, which says by itself
	// who the person is.
	Allow []Passkey
	// UserVerification is what is asked for. "" is that of the RelyingParty for a discoverable passkey, which stands alone, and
	// [VerificationPreferred] for one of Allow.
	UserVerification UserVerification
	// Lifetime is how long the session is good, for a page that lies open before anybody answers. Zero is Passkeys.Timeout.
	Lifetime time.Duration
}

type requestOptions struct {
	Challenge        encoded          `json:"challenge"`
	Timeout          int64            `json:"timeout"`
	RPID             string           `json:"rpId"`
	Allow            []descriptor     `json:"allowCredentials"`
	UserVerification UserVerification `json:"userVerification"`
}

// BeginAuthentication makes what the browser needs to ask for a passkey (WebAuthn §5.5). The same options serve a request behind
// a button and one with conditional mediation, of which browsers have one at a time. The error is about the Authentication.
func (rp *RelyingParty) BeginAuthentication(a Authentication, now time.Time) (Ceremony, error) {
	switch {
	case a.UserVerification == "" && len(a.Allow) == 0:
		a.UserVerification = rp.config.UserVerification
	case a.UserVerification == "":
		a.UserVerification = VerificationPreferred
	case !slices.Contains(verifications, a.UserVerification):
		return Ceremony{}, errors.New("mfa: Authentication.UserVerification is unknown")
	}
	s := rp.session(getType, a.UserVerification, a.Lifetime, now)
	for _, key := range a.Allow[:min(len(a.Allow), maxPasskeys)] {
		s.Allowed = append(s.Allowed, key.ID)
	}
	return ceremony(requestOptions{
		Challenge: s.Challenge, Timeout: rp.config.Timeout.Milliseconds(), RPID: rp.config.RPID,
		Allow: descriptors(a.Allow), UserVerification: a.UserVerification,
	}, s)
}

// A PasskeyClaim is whose passkey an answer says it is from. It proves nothing: it is for finding the Passkey to judge the answer by.
type PasskeyClaim struct {
	// ID is the passkey's, and UserHandle what it calls the person; nil where it does not say.
	ID, UserHandle []byte
}

// Claim reads whose passkey the answer to an authentication says it is from. Errors: *PasskeyError.
func (rp *RelyingParty) Claim(browser []byte) (PasskeyClaim, error) {
	a, err := readCredential(browser)
	if err != nil {
		return PasskeyClaim{}, err
	}
	return PasskeyClaim{ID: a.ID, UserHandle: a.Response.UserHandle}, nil
}

// An Assertion is what a passkey has proven.
type Assertion struct {
	// Passkey is the one that was used, as it is to be kept from now on: with its new counter and flags.
	Passkey Passkey
	// UserVerified says that the authenticator has checked the person, which makes the passkey two factors.
	UserVerified bool
	// CounterRegressed says that the counter did not grow: there may be two of the passkey. A provider that keeps it wants to ask for
	// more, and tells the person. The Passkey has its old counter.
	CounterRegressed bool
	// BackupChanged says that a passkey is eligible for backup that was not, or the other way round.
	BackupChanged bool
}

// FinishAuthentication judges what came back (WebAuthn §7.2) by the passkey that the answer claims, as the caller keeps it; its
// RPID and UserHandle have to be those of the answer. The caller has to take the session from its store for good before it
// believes the outcome, and to write the Passkey over the version that it read. Errors: *PasskeyError.
func (rp *RelyingParty) FinishAuthentication(kept, browser []byte, key Passkey, now time.Time) (Assertion, error) {
	s, err := rp.open(kept, getType, now)
	if err != nil {
		return Assertion{}, err
	}
	a, err := readCredential(browser)
	if err != nil {
		return Assertion{}, err
	}
	if err := s.concerns(a, key); err != nil {
		return Assertion{}, err
	}
	parsed, err := protocol.CredentialAssertionResponse{
		PublicKeyCredential: a.credential(),
		AssertionResponse: protocol.AuthenticatorAssertionResponse{
			AuthenticatorResponse: protocol.AuthenticatorResponse{ClientDataJSON: protocol.URLEncodedBase64(a.Response.ClientDataJSON)},
			AuthenticatorData:     protocol.URLEncodedBase64(a.Response.AuthenticatorData),
			Signature:             protocol.URLEncodedBase64(a.Response.Signature),
		},
	}.Parse()
	if err != nil {
		return Assertion{}, refused(PasskeyMalformed, err)
	}
	flags := parsed.Response.AuthenticatorData.Flags
	if s.Verify == VerificationRequired && !flags.HasUserVerified() { // step 17
		return Assertion{}, refused(PasskeyUnverified, nil)
	}
	if err := parsed.Verify(
		base64.RawURLEncoding.EncodeToString(s.Challenge), s.RPID, "", rp.config.Origins, rp.config.AppOrigins, nil,
		protocol.TopOriginExplicitVerificationMode, false, s.Verify == VerificationRequired, true, key.PublicKey, protocol.SignaturePolicy{},
	); err != nil {
		return Assertion{}, refused(PasskeyRefused, err)
	}
	if err := rp.standing(key, now); err != nil {
		return Assertion{}, err
	}
	return rp.weigh(key, parsed.Response.AuthenticatorData)
}

// concerns holds that the answer is from the passkey, and the passkey one that the ceremony was for (§7.2 steps 5 and 6).
func (s *session) concerns(a *answer, key Passkey) error {
	among := func(id []byte) bool { return bytes.Equal(id, a.ID) }
	switch {
	case !bytes.Equal(a.ID, key.ID) || key.RPID != s.RPID:
	case len(s.Allowed) > 0 && !slices.ContainsFunc(s.Allowed, among):
	case len(s.Allowed) == 0 && len(a.Response.UserHandle) == 0: // it has to say who the person is
	case len(a.Response.UserHandle) > 0 && !bytes.Equal(a.Response.UserHandle, key.UserHandle):
	default:
		return nil
	}
	return refused(PasskeyForeign, nil)
}

// weigh compares what the authenticator says with what was known (§7.2 steps 19 to 25).
func (rp *RelyingParty) weigh(key Passkey, data protocol.AuthenticatorData) (Assertion, error) {
	eligible, backedUp, err := backupFlags(data.Flags)
	if err != nil {
		return Assertion{}, err
	}
	proven := Assertion{
		UserVerified:     data.Flags.HasUserVerified(),
		CounterRegressed: data.Counter <= key.Counter && (data.Counter != 0 || key.Counter != 0),
		BackupChanged:    key.BackupEligible != nil && *key.BackupEligible != eligible,
	}
	switch {
	case proven.BackupChanged && rp.config.StrictBackup:
		return Assertion{}, refused(PasskeyBackup, nil)
	case proven.CounterRegressed && rp.config.StrictCounter:
		return Assertion{}, refused(PasskeyCloned, nil)
	}
	if !proven.CounterRegressed {
		key.Counter = data.Counter
	}
	key.BackupEligible, key.BackedUp = &eligible, backedUp
	key.UserVerified = key.UserVerified || proven.UserVerified
	proven.Passkey = key
	return proven, nil
}
