package directory

import (
	"fmt"
	"slices"
)

// SignInClaims are what a login says of its person for its own answer alone, by the names of a User's fields and attributes: over what is
// known of them, which stays as it is. A value of "" leaves the claim out. The zero value says nothing.
type SignInClaims map[string]string

// The bounds of SignInClaims: they are kept with what is issued.
const (
	maxSignInClaims     = 32
	maxSignInClaimName  = 100
	maxSignInClaimValue = 1000
)

// derivedFields are fields of a User that a SignInClaim cannot stand for: they say nothing by themselves.
var derivedFields = []string{"address", "country"}

// MaySayOf reports whether a login may say something of its person under a name, whoever wrote it: not who they are, what was verified of
// them, or what others decide (BlockedClaim), as their groups and roles; and not in the language of a claim, as "name#ja".
func MaySayOf(name string) bool {
	inside := func(c byte) bool { return c > ' ' && c < 0x7f && c != '#' && c != '"' && c != '\\' }
	for i := range len(name) {
		if !inside(name[i]) {
			return false
		}
	}
	return name != "" && len(name) <= maxSignInClaimName && !BlockedClaim(name) && !slices.Contains(derivedFields, name)
}

// Check returns an *InvalidError for what the claims must not say, or for more than there may be.
func (c SignInClaims) Check() error {
	if len(c) > maxSignInClaims {
		return &InvalidError{Field: "claims", Problem: fmt.Sprintf("are more than %d", maxSignInClaims)}
	}
	for name, value := range c {
		if !MaySayOf(name) {
			return &InvalidError{Field: "claims", Problem: fmt.Sprintf("has %.100q, which is not a login's to say", name)}
		}
		if len(value) > maxSignInClaimValue {
			return &InvalidError{Field: "claims." + name, Problem: fmt.Sprintf("is longer than %d bytes", maxSignInClaimValue)}
		}
	}
	return nil
}
