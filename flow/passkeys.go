package flow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store/directory"
)

// Passkeys are the settings of passkeys: Config.Passkeys. With it there are the Executors "passkey", "passkey-enroll", "passkey-offer"
// and "passkey-upgrade".
type Passkeys struct {
	// RelyingParty is what browsers and authenticators are asked. Its RPID is the issuer's host when it is "", and its Origins are
	// the issuer's when they are empty. Its UserVerification has to be "required": a passkey that begins a sign-in stands alone.
	RelyingParty mfa.Passkeys
	// Offer asks people without a passkey, after they have signed in, whether they want one; they may say no.
	Offer bool
	// Upgrade makes a passkey in passing, straight after a password was right, for people who have none and whose browser offers to:
	// it is the browser's password manager that decides, and nobody is asked.
	Upgrade bool
}

// open makes the relying party of the settings for an issuer.
func (p *Passkeys) open(site *web.Site) (*mfa.RelyingParty, error) {
	config := p.RelyingParty
	if config.RPID == "" {
		config.RPID = hostname(site)
	}
	if len(config.Origins) == 0 {
		config.Origins = []string{site.Origin()}
	}
	rp, err := mfa.NewRelyingParty(config)
	if err != nil {
		return nil, fmt.Errorf("flow: Config.Passkeys.RelyingParty: %w", err)
	}
	if rp.UserVerification() != mfa.VerificationRequired {
		return nil, errors.New("flow: Config.Passkeys.RelyingParty.UserVerification has to be \"required\"")
	}
	return rp, nil
}

// Steps adds to the steps of a login that people may begin with a passkey, show one as a second factor, make one where a second
// factor is demanded, and are offered one as the settings say. It changes nothing for nil.
func (p *Passkeys) Steps(l LoginSteps) LoginSteps {
	if p == nil {
		return l
	}
	l.First = append(l.first(), passkeyOption)
	l.Second = append([]string{passkeyOption}, l.second()...)
	l.Enroll = append(l.enroll(), enrollOption)
	l.Offer = slices.Clone(l.Offer)
	if p.Upgrade {
		l.Offer = append(l.Offer, upgradeOption)
	}
	if p.Offer {
		l.Offer = append(l.Offer, offerOption)
	}
	return l
}

// passkeys is what all executors of passkeys share.
type passkeys struct {
	dir      *directory.Directory
	rp       *mfa.RelyingParty
	lifetime time.Duration // of a flow, as the page of a ceremony may lie open as long
}

// executors are those of passkeys, by name.
func (p passkeys) executors() map[string]Executor {
	return map[string]Executor{
		passkeyOption: passkeyExecutor{p},
		enrollOption:  passkeyEnroller{passkeys: p},
		offerOption:   passkeyEnroller{passkeys: p, skippable: true},
		upgradeOption: passkeyEnroller{passkeys: p, skippable: true, passing: true},
	}
}

const (
	passkeyOption = "passkey"
	enrollOption  = "passkey-enroll"
	offerOption   = "passkey-offer"
	upgradeOption = "passkey-upgrade"

	passkeyAction = "passkey"
	createAction  = "passkey_create"
	skipAction    = "skip"

	// credentialField takes what the browser's authenticator has answered, and capabilitiesField what it can do.
	credentialField   = "credential"
	capabilitiesField = "capabilities"
	// upgradeCapability is that a browser makes passkeys in passing.
	upgradeCapability = "conditionalCreate"

	// canUpgrade is a fact: the browser has said so beside a right password. offered is one: the person was offered a passkey in
	// this flow.
	canUpgrade = "passkey.upgrade"
	offered    = "passkey.offered"
)

// ceremony is what a step of passkeys keeps between its page and its answer. Its challenge is good for one answer: after one that
// came to nothing there is another.
type ceremony struct {
	Options json.RawMessage `json:"options"`
	Session []byte          `json:"session"`
	// Unknown is a signal that a passkey that was shown is none of ours.
	Unknown json.RawMessage `json:"unknown,omitempty"`
}

func (c ceremony) keep() ([]byte, error) { return json.Marshal(c) }

// kept reads back what the step keeps; the zero ceremony, which no answer fits, when it keeps nothing.
func kept(s *State) (c ceremony, err error) {
	if len(s.Data) == 0 {
		return c, nil
	}
	return c, json.Unmarshal(s.Data, &c)
}

// of returns the passkeys of the person whom the flow is about that are in use.
func (p passkeys) of(ctx context.Context, s *State) ([]*directory.Credential, error) {
	if s.Subject.IsZero() {
		return nil, nil
	}
	all, err := s.credentials(ctx)
	if err != nil {
		return nil, err
	}
	var list []*directory.Credential
	for _, c := range all {
		if c.Passkey != nil && c.Passkey.RPID == p.rp.RPID() && c.Passkey.Suspended.IsZero() {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *directory.Credential) int { return a.Created.Compare(b.Created) })
	return list, nil
}

// asksFor reports whether one of the factors is one to be asked for because the person has it: any but a passkey that is in the place of
// their password, what is only offered beside others, and a code to the address that has signed in already.
func (s *State) asksFor(factors []string) bool {
	return slices.ContainsFunc(factors, func(name string) bool {
		switch name {
		case backupFactor:
			return false
		case emailFactor:
			return !s.shown(directory.EmailSignIn)
		case smsFactor:
			return !s.shown(directory.SMSSignIn)
		case passkeyOption:
			for _, c := range s.creds {
				if c.Passkey != nil && c.Passkey.SecondFactor && c.Passkey.Suspended.IsZero() {
					return true
				}
			}
			return false
		}
		return true
	})
}

// shown reports whether there is evidence by a method.
func (s *State) shown(method string) bool {
	return slices.ContainsFunc(s.Evidence, func(e directory.Evidence) bool { return e.Method == method })
}

// records are credentials as mfa has them.
func records(list []*directory.Credential) []mfa.Passkey {
	var keys []mfa.Passkey
	for _, c := range list {
		keys = append(keys, fromDirectory(*c.Passkey))
	}
	return keys
}

func fromDirectory(p directory.Passkey) mfa.Passkey {
	return mfa.Passkey{
		ID: p.ID, RPID: p.RPID, UserHandle: p.UserHandle, PublicKey: p.PublicKey, Algorithm: p.Algorithm, Counter: p.Counter,
		BackupEligible: p.BackupEligible, BackedUp: p.BackedUp, UserVerified: p.UserVerified, Discoverable: p.Discoverable,
		Transports: p.Transports, AAGUID: p.AAGUID, Attestation: (*mfa.AttestationRecord)(p.Attestation),
	}
}

func toDirectory(p mfa.Passkey) directory.Passkey {
	return directory.Passkey{
		ID: p.ID, RPID: p.RPID, UserHandle: p.UserHandle, PublicKey: p.PublicKey, Algorithm: p.Algorithm, Counter: p.Counter,
		BackupEligible: p.BackupEligible, BackedUp: p.BackedUp, UserVerified: p.UserVerified, Discoverable: p.Discoverable,
		Transports: p.Transports, AAGUID: p.AAGUID, Attestation: (*directory.PasskeyAttestation)(p.Attestation),
	}
}

// passkeyEvidence is what a passkey has proven. That it may be copied to other devices shows as a key in software.
func passkeyEvidence(credential *directory.Credential, key mfa.Passkey, verified bool, s *State) directory.Evidence {
	amr := []string{"hwk", "user"} // RFC 8176 §2
	if key.BackupEligible == nil || *key.BackupEligible {
		amr[0] = "swk"
	}
	return directory.Evidence{
		Method: directory.ByPasskey, AMR: amr, Subject: credential.Subject.ID, Time: s.Now,
		Credential: credential.ID, CredentialEpoch: credential.Epoch, UserVerified: verified, PhishingResistant: true,
	}
}

// passkeyProblem is the message for an answer that came to nothing; the error when that is the machinery's doing.
func passkeyProblem(err error) (Message, error) {
	var failure *mfa.PasskeyError
	if !errors.As(err, &failure) {
		return Message{}, err
	}
	id := "passkey.refused"
	switch failure.Reason {
	case mfa.PasskeyRestart:
		id = "passkey.expired"
	case mfa.PasskeyUnverified:
		id = "passkey.unverified"
	case mfa.PasskeyUntrusted, mfa.PasskeyDisallowed:
		id = "passkey.untrusted"
	}
	return Message{ID: id, Level: Error}, nil
}
