package directory

import (
	"reflect"
	"slices"
	"strings"
)

// blockedClaims are what a person may never write about themselves, in small letters.
var blockedClaims = []string{
	// what accounts are
	"id", "sub", "username", "preferred_username", "store", "userstore", "disabled", "active", "accountlocked", "accountdisabled", "accountstate",
	"lockedreason", "unlocktime", "isreadonlyuser", "isliteuser", "managedorg", "sharedtype", "userid", "created", "updated", "modified",
	"accountconfirmedtime", "meta", "groups", "roles", "permissions", "entitlements", "unique", "updated_at",
	// what was verified, or waits for it
	"emailverified", "email_verified", "phoneverified", "phone_number_verified", "verifiedemailaddresses", "verifiedmobilenumbers", "pendingemail",
	"pendingphone", "pendingemails", "pendingmobilenumber", "verifyemail", "verifymobile",
	// how they sign in
	"totpenabled", "backupcodeenabled", "enabledauthenticators", "secretkey", "verifysecretkey", "backupcodes", "usedtotptimewindows", "onetimepassword",
	"lastlogintime", "lastlogontime", "lastpasswordupdatetime", "passwordexpirytime", "askpassword", "adminforcedpasswordreset", "forcepasswordreset",
}

// BlockedClaim reports whether a person may never write a claim about themselves, whichever door they come through: what is verified,
// counted, or decided by others. The claim is the name of a User's field, of an attribute, of SCIM's, or a URI of a dialect whose last
// part is one; case does not matter.
func BlockedClaim(claim string) bool {
	name := strings.ToLower(claim)
	if i := strings.LastIndexAny(name, "/:."); i >= 0 {
		name = name[i+1:]
	}
	return slices.Contains(blockedClaims, name) || strings.HasPrefix(name, "failed")
}

// blockedChanges reports, as *InvalidErrors with the ID "claim.blocked", what in u differs from before and is not the person's to write.
func (u *User) blockedChanges(before *User) error {
	var v validation
	blocked := func(field string) {
		v.problems = append(v.problems, &InvalidError{Field: field, Problem: "is not yours to change", ID: "claim.blocked"})
	}
	for field, same := range map[string]bool{
		"username": u.Username == before.Username, "disabled": u.Disabled == before.Disabled, "store": u.Store == before.Store,
		"emailVerified": u.EmailVerified == before.EmailVerified, "phoneVerified": u.PhoneVerified == before.PhoneVerified,
		"pendingEmail": u.PendingEmail == before.PendingEmail, "pendingPhone": u.PendingPhone == before.PendingPhone,
		"emails": !newlyVerified(u.Emails, before.Emails), "phones": !newlyVerified(u.Phones, before.Phones),
		"created": u.Created.Equal(before.Created), "unique": slices.Equal(u.Unique, before.Unique),
	} {
		if !same {
			blocked(field)
		}
	}
	for _, attributes := range []map[string]any{u.Attributes, before.Attributes} {
		for name := range attributes {
			if BlockedClaim(name) && !reflect.DeepEqual(u.Attributes[name], before.Attributes[name]) {
				blocked("attributes." + name)
			}
		}
	}
	return v.err()
}

// newlyVerified reports whether one of a list is verified that was not before.
func newlyVerified(list, before []Contact) bool {
	return slices.ContainsFunc(list, func(c Contact) bool { return c.Verified && !slices.Contains(before, c) })
}
