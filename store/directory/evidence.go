package directory

import (
	"slices"
	"time"
)

// Evidence is one thing that was proven. A list of Evidence only ever grows: what a person has proven is a fact about the
// past, and what it is worth now is Assess's business.
type Evidence struct {
	// Method names the executor: "password", "totp".
	Method string `json:"method"`
	// AMR are the authentication method references of RFC 8176 §2 that this adds.
	AMR []string `json:"amr"`
	// Credential and CredentialEpoch name the credential as it was, if one was used.
	Credential      string `json:"credential,omitempty"`
	CredentialEpoch int64  `json:"credentialEpoch,omitempty"`
	// Subject is whom it proves.
	Subject string `json:"subject"`
	// Time is when it was proven.
	Time time.Time `json:"time"`
	// UserVerified says that the authenticator checked the person itself (biometric or PIN).
	UserVerified bool `json:"userVerified,omitempty"`
	// PhishingResistant says that the proof cannot be relayed by another site.
	PhishingResistant bool `json:"phishingResistant,omitempty"`
	// Remembered says that all it tells by now is that this is the person's browser; see Session.Standing.
	Remembered bool `json:"remembered,omitempty"`
	// Issuer is the upstream provider whose word it is, and IssuerSession its session there; "" for a proof of our own.
	Issuer        string `json:"issuer,omitempty"`
	IssuerSession string `json:"issuerSession,omitempty"`
}

// Federated is the Method of a proof that an upstream provider vouches for. Whatever that may be, it counts as something that the
// person knows, which a password beside it does not add to.
const Federated = "federated"

// ByPasskey is the Method of a proof by a passkey. One for which the authenticator has checked the person is two factors by itself, and
// can begin a sign-in; but however it is kept, and one that is copied between devices all the more, it is never more than ACR2 (NIST
// SP 800-63B-4 §2.3 has no AAL3 for keys that can be exported).
const ByPasskey = "passkey"

// ByCertificate is the Method of a proof by an X.509 certificate of the person's own: that they hold its key. One whose issuer vouches for a
// PIN (Evidence.UserVerified) is two factors by itself; however the key is kept, it is never more than ACR2.
const ByCertificate = "x509"

// The Methods of sign-ins that begin with a message. A code or a link that was mailed says that somebody reads the mail of an address:
// as with Federated, what guards that is another's business, and it counts as one thing known. A code by SMS shows a telephone.
const (
	EmailSignIn = "email"
	SMSSignIn   = "sms"
)

// EmailCode is the Method of a mailed code as a second factor. It shows another factor only beside what is no mail.
const EmailCode = "email-code"

// Factor is the kind of thing that a proof shows: something known, had, or been.
type Factor uint8

// The factors.
const (
	Knowledge Factor = iota + 1
	Possession
	Inherence
)

// The authentication context classes that Signet reports and accepts in acr_values: the authentication assurance levels
// of NIST SP 800-63B-4 as far as software can tell them.
const (
	// ACR1 is a single factor.
	ACR1 = "aal1"
	// ACR2 is two different factors.
	ACR2 = "aal2"
)

// ACRs lists the classes, weakest first.
func ACRs() []string { return []string{ACR1, ACR2} }

// Assurance is what a list of evidence is worth.
type Assurance struct {
	// ACR is the authentication context class reached; "" when nothing was proven.
	ACR string
	// AMR is the union of the evidence's references, with "mfa" when two factors were shown (RFC 8176 §2).
	AMR []string
	// AuthTime is when the first factor of the current proof was last shown: the auth_time of OpenID Connect Core §2.
	AuthTime time.Time
	// PhishingResistant says that the proof as a whole cannot be relayed.
	PhishingResistant bool
}

// Satisfies reports whether the assurance reaches the class. An unknown class is never reached.
func (a Assurance) Satisfies(acr string) bool {
	want := slices.Index(ACRs(), acr)
	return want >= 0 && slices.Index(ACRs(), a.ACR) >= want
}

// MayReport reports whether an answer may name a class that the login has selected, in place of the one reached: one of those that were
// asked for, and no more than was reached. A class that is not among ACRs demands nothing here that could be reached.
func (a Assurance) MayReport(selected string, asked []string) bool {
	return slices.Contains(asked, selected) && a.Satisfies(selected)
}

// Assess weighs evidence. It is a pure function, shared by every protocol, so that acr, amr and SAML's AuthnContext never
// disagree.
func Assess(evidence []Evidence) Assurance {
	var a Assurance
	factors := map[Factor]bool{}
	byMail := slices.ContainsFunc(evidence, func(e Evidence) bool { return e.Method == EmailSignIn })
	for _, e := range evidence {
		if f := e.factor(); f != 0 && !(e.Method == EmailCode && byMail) {
			factors[f] = true
		}
		if e.Method == ByPasskey && e.UserVerified && !e.Remembered { // by a PIN or a finger, which of the two it does not say
			factors[Inherence] = true
		}
		if e.Method == ByCertificate && e.UserVerified && !e.Remembered {
			factors[Knowledge] = true
		}
		for _, ref := range e.AMR {
			if !slices.Contains(a.AMR, ref) {
				a.AMR = append(a.AMR, ref)
			}
		}
		a.PhishingResistant = a.PhishingResistant || e.PhishingResistant
		if e.Begins() && e.Time.After(a.AuthTime) {
			a.AuthTime = e.Time
		}
	}
	if a.AuthTime.IsZero() && len(evidence) > 0 {
		a.AuthTime = evidence[len(evidence)-1].Time
	}
	switch {
	case len(factors) >= 2:
		a.ACR, a.AMR = ACR2, append(a.AMR, "mfa")
	case len(factors) == 1:
		a.ACR = ACR1
	}
	return a
}

// ReachedSince is since when evidence is of a class by what was shown from then on: what is older adds nothing to it, and what is merely
// remembered never counts. A password that is typed once more leaves it at the second factor's time, as AuthTime does not. The zero
// time is a class that is not reached so.
func ReachedSince(evidence []Evidence, acr string) time.Time {
	if !Assess(evidence).Satisfies(acr) {
		return time.Time{}
	}
	shown := slices.DeleteFunc(slices.Clone(evidence), func(e Evidence) bool { return e.Remembered })
	slices.SortStableFunc(shown, func(a, b Evidence) int { return b.Time.Compare(a.Time) })
	for i, e := range shown {
		if Assess(shown[:i+1]).Satisfies(acr) {
			return e.Time
		}
	}
	return time.Time{}
}

// firstFactor is the factor of what began the sign-in.
func firstFactor(evidence []Evidence) Factor {
	for _, e := range evidence {
		if e.Begins() {
			return e.factor()
		}
	}
	if len(evidence) == 0 {
		return 0
	}
	return evidence[0].factor()
}

// Begins reports whether the proof is one with which a sign-in can begin.
func (e Evidence) Begins() bool {
	return slices.Contains([]string{"password", Federated, EmailSignIn, SMSSignIn, ByCertificate}, e.Method) || e.Method == ByPasskey && e.UserVerified
}

func (e Evidence) factor() Factor {
	switch {
	case e.Method == EmailSignIn:
		return Knowledge
	case e.Method == ByCertificate: // whose PIN is in AMR as well
		return Possession
	case slices.Contains(e.AMR, "pwd"), slices.Contains(e.AMR, "pin"), slices.Contains(e.AMR, "kba"):
		return Knowledge
	case slices.Contains(e.AMR, "otp"), slices.Contains(e.AMR, "hwk"), slices.Contains(e.AMR, "swk"), slices.Contains(e.AMR, "sms"):
		return Possession
	case slices.Contains(e.AMR, "fpt"), slices.Contains(e.AMR, "face"):
		return Inherence
	case e.Method == Federated:
		return Knowledge
	}
	return 0
}
