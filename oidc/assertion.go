package oidc

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/strictjson"
)

// assertion is what a JWT of somebody else says, given as a grant or as the subject of an exchange (RFC 7523 §3, RFC 8693 §2.1).
type assertion struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	jose.Times
	JTI string `json:"jti"`
	// MayAct and Confirmation restrict who may use it (RFC 8693 §4.4, RFC 7800 §3.1).
	MayAct       json.RawMessage `json:"may_act"`
	Confirmation json.RawMessage `json:"cnf"`
	// ClientID, Resource and Scope are of an identity assertion authorization grant (ID-JAG §3).
	ClientID string   `json:"client_id"`
	Resource audience `json:"resource"`
	Scope    string   `json:"scope"`
	// What accounts are found by, where the issuer is trusted with that (TrustedIssuer.Match).
	Username      string `json:"preferred_username"`
	Email         string `json:"email"`
	EmailVerified bool   `json:"email_verified"`
}

func parseAssertion(payload []byte) (*assertion, error) {
	var a assertion
	if err := strictjson.Unmarshal(payload, &a); err != nil {
		return nil, fmt.Errorf("the claims are not well-formed: %w", err)
	}
	return &a, nil
}

// demands are what an assertion must say to be taken.
type demands struct {
	// issuer is who must have made it.
	issuer string
	// audiences are the names that we go by.
	audiences []string
	// exclusive refuses what is for others too: they could present it here.
	exclusive bool
	// window bounds how long it is taken after it was made, whatever it says itself; zero leaves it to exp.
	window time.Duration
	// named demands a jti.
	named bool
}

const (
	// assertionSkew is how far the clock of another may differ from ours: more than 10 seconds and less than 60 (FAPI 2.0
	// Security Profile §5.3.2.1).
	assertionSkew = 30 * time.Second
	// assertionWindow is how long an assertion is taken as a grant after it was made (RFC 7523 §3: neither an expiration nor an
	// issuance unreasonably far away).
	assertionWindow = 30 * time.Minute
	// maxForeignSubject is how long a subject of another issuer may be (OpenID Connect Core §2).
	maxForeignSubject = 255
)

// judge returns nil when the assertion says all that is demanded, and what it lacks otherwise. What is absent never holds
// (RFC 7523 §3).
func (a *assertion) judge(want demands, now time.Time) error {
	switch {
	case want.issuer == "" || a.Issuer != want.issuer: // rule 1
		return errors.New("iss is another")
	case !validForeignSubject(a.Subject): // rule 2
		return errors.New("sub is missing or not fit for a name")
	case a.Exp.IsZero(): // rule 4
		return errors.New("exp is missing")
	case !now.Before(a.Exp.Add(assertionSkew)):
		return errors.New("it has expired")
	case !a.Nbf.IsZero() && now.Add(assertionSkew).Before(a.Nbf.Time): // rule 5
		return errors.New("it does not hold yet")
	case !a.Iat.IsZero() && now.Add(assertionSkew).Before(a.Iat.Time): // rule 6
		return errors.New("it was made in the future")
	case want.named && a.JTI == "":
		return errors.New("jti is missing")
	}
	if err := a.judgeAudience(want); err != nil {
		return err
	}
	return a.judgeWindow(want, now)
}

// judgeAudience compares byte by byte (RFC 7523 §3, rule 3).
func (a *assertion) judgeAudience(want demands) error {
	ours := func(name string) bool { return name != "" && slices.Contains(want.audiences, name) }
	switch {
	case !slices.ContainsFunc(a.Audience, ours):
		return errors.New("it is not for us")
	case want.exclusive && slices.ContainsFunc(a.Audience, func(name string) bool { return !ours(name) }):
		return errors.New("it is for others too")
	}
	return nil
}

func (a *assertion) judgeWindow(want demands, now time.Time) error {
	switch {
	case want.window == 0:
	case a.Iat.IsZero() && a.Exp.After(now.Add(want.window+assertionSkew)):
		return errors.New("it does not say when it was made, and expires too late")
	case !a.Iat.IsZero() && !now.Before(a.Iat.Add(want.window+assertionSkew)):
		return errors.New("it was made too long ago")
	}
	return nil
}

// until is when a demand for a window no longer holds, whatever the clocks: what is remembered of the assertion, so that it is
// used once, must stand so long.
func (a *assertion) until(want demands) time.Time {
	until := a.Exp.Time
	if !a.Iat.IsZero() && a.Iat.Add(want.window).Before(until) {
		until = a.Iat.Add(want.window)
	}
	return until.Add(assertionSkew)
}

// provenBy reports whether the sender has proven what the assertion is bound to. A way of binding that is not understood is never
// proven.
func (a *assertion) provenBy(sender confirmation) bool {
	if a.Confirmation == nil {
		return true
	}
	var bound confirmation
	err := strictjson.Unmarshal(a.Confirmation, &bound, strictjson.RefuseUnknown())
	return err == nil && bound != (confirmation{}) && bound.provenBy(sender)
}

// validForeignSubject reports whether a name that another issuer gave is one at all.
func validForeignSubject(s string) bool {
	if s == "" || len(s) > maxForeignSubject {
		return false
	}
	for _, r := range s {
		if r == unicode.ReplacementChar || unicode.IsControl(r) {
			return false
		}
	}
	return true
}
