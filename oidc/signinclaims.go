package oidc

import (
	"maps"
	"slices"

	"github.com/signet-idp/signet/store/directory"
)

// claimOfField are the claims (OpenID Connect Core §5.1) of those fields of a User that are called otherwise there.
var claimOfField = map[string]string{
	"givenName": "given_name", "familyName": "family_name", "middleName": "middle_name", "phone": "phone_number",
}

// verifiedBy are the claims that say of others that they were verified.
var verifiedBy = map[string]string{"email": "email_verified", "phone_number": "phone_number_verified"}

// say returns what is true of a person with what their login has said over it. That is never a claim of the protocol's, nor one that others
// decide; an address or a number that is not the known one was verified by nobody; and one claim is said in one language.
func say(all map[string]any, said directory.SignInClaims) map[string]any {
	if len(said) == 0 {
		return all
	}
	if all = maps.Clone(all); all == nil { // it may be the source's own
		all = map[string]any{}
	}
	for _, field := range slices.Sorted(maps.Keys(said)) {
		name, value := field, said[field]
		if own, ok := claimOfField[field]; ok {
			name = own
		}
		if isProtocolClaim(name) || !directory.MaySayOf(field) || all[name] == value {
			continue
		}
		maps.DeleteFunc(all, func(known string, _ any) bool { return claimBase(known) == name })
		verified, proves := verifiedBy[name]
		if value == "" {
			delete(all, verified)
			continue
		}
		if all[name] = value; proves {
			all[verified] = false
		}
	}
	return all
}
