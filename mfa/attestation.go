package mfa

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/go-webauthn/webauthn/metadata"
	"github.com/go-webauthn/webauthn/protocol"
)

// trust is Metadata at a time.
type trust struct {
	metadata.Provider
	now time.Time
}

// ValidateStatusReports judges by the time of the ceremony.
func (t trust) ValidateStatusReports(_ context.Context, reports []metadata.StatusReport) error {
	return metadata.ValidateStatusReportsAt(reports, nil, metadata.DefaultUndesiredAuthenticatorStatuses(), t.now)
}

// admit decides whether a passkey that was verified may be registered (WebAuthn §7.1 steps 21 to 25).
func (rp *RelyingParty) admit(key *Passkey, object protocol.AttestationObject, now time.Time) error {
	model, _ := parseAAGUID(key.AAGUID)
	switch {
	case rp.config.RefuseSynced && *key.BackupEligible:
		return refused(PasskeyDisallowed, errors.New("it may be copied to other devices"))
	case len(rp.allow) > 0 && !rp.allow[model], rp.deny[model]:
		return refused(PasskeyDisallowed, errors.New("model "+key.AAGUID))
	case rp.config.Metadata == nil:
		return nil
	case key.Attestation == nil:
		return refused(PasskeyUntrusted, errors.New("no attestation"))
	}
	return rp.attested(key, object, model, now)
}

// Reverify judges the attestation of a passkey anew, by what is known of its model now. A passkey without one, or a RelyingParty
// without Metadata, is an error of reason [PasskeyUntrusted].
func (rp *RelyingParty) Reverify(key Passkey, now time.Time) error {
	model, ok := parseAAGUID(key.AAGUID)
	if key.Attestation == nil || rp.config.Metadata == nil || !ok {
		return refused(PasskeyUntrusted, nil)
	}
	kept := protocol.AuthenticatorAttestationResponse{
		AuthenticatorResponse: protocol.AuthenticatorResponse{ClientDataJSON: key.Attestation.ClientDataJSON},
		AttestationObject:     key.Attestation.Object,
	}
	parsed, err := kept.Parse()
	if err != nil {
		return refused(PasskeyMalformed, err)
	}
	if string(parsed.AttestationObject.AuthData.AttData.CredentialPublicKey) != string(key.PublicKey) {
		return refused(PasskeyForeign, nil)
	}
	return rp.attested(&key, parsed.AttestationObject, model, now)
}

// attested holds that an attestation leads to a model that is known and in good standing.
func (rp *RelyingParty) attested(key *Passkey, object protocol.AttestationObject, model [16]byte, now time.Time) error {
	known := rp.config.Metadata()
	if known == nil {
		return refused(PasskeyUntrusted, errors.New("there is no metadata"))
	}
	hash := sha256.Sum256(key.Attestation.ClientDataJSON)
	if err := object.VerifyAttestation(hash[:], trust{known.provider, now}, protocol.AttestationPolicy{}, protocol.SignaturePolicy{}); err != nil {
		return refused(PasskeyUntrusted, err)
	}
	if object.Type == string(metadata.BasicSurrogate) && known.models[model].MetadataStatement.AttestationTypes.HasCertificateTrustPath() {
		// Whoever signs with the passkey itself proves nothing about the model, and this one has something better to show.
		return refused(PasskeyUntrusted, errors.New("it attests itself"))
	}
	return nil
}

// standing holds that the model of a passkey in use is still in good standing, if it was ever attested.
func (rp *RelyingParty) standing(key Passkey, now time.Time) error {
	if rp.config.Metadata == nil || key.Attestation == nil {
		return nil
	}
	known := rp.config.Metadata()
	model, ok := parseAAGUID(key.AAGUID)
	if known == nil || !ok {
		return refused(PasskeyUntrusted, nil)
	}
	if err := protocol.ValidateMetadata(context.Background(), trust{known.provider, now}, model, key.Attestation.Type, key.Attestation.Format, nil); err != nil {
		return refused(PasskeyUntrusted, err)
	}
	return nil
}
