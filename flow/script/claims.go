package script

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/signet-idp/signet/store/directory"
)

// failuresClaim counts wrong guesses; see people.failures.
const failuresClaim = "failedLoginAttemptsBeforeSuccess"

// claimNames are names in the local dialect of claims that a User has under another.
var claimNames = map[string]string{
	"emailaddress": "email", "givenname": "givenName", "lastname": "familyName", "fullname": "name", "displayName": "name",
	"mobile": "phone", "dob": "birthdate", "nickname": "nickname", "url": "website", "photourl": "picture", "timeZone": "zoneinfo",
	"local": "locale", "middleName": "middleName", "userid": "userid", "emailVerified": "emailVerified", "phoneVerified": "phoneVerified",
	"country": "country",
}

// claimName is the name of what a claim's URI means: the last part of it, or what a User calls that.
func claimName(uri string) string {
	name := uri[strings.LastIndexByte(uri, '/')+1:]
	if own, ok := claimNames[name]; ok {
		return own
	}
	return name
}

// field is where a User keeps a claim; nil when it is an attribute.
func field(u *directory.User, name string) *string {
	switch name {
	case "username":
		return &u.Username
	case "name":
		return &u.Name
	case "givenName":
		return &u.GivenName
	case "familyName":
		return &u.FamilyName
	case "middleName":
		return &u.MiddleName
	case "nickname":
		return &u.Nickname
	case "profile":
		return &u.Profile
	case "picture":
		return &u.Picture
	case "website":
		return &u.Website
	case "gender":
		return &u.Gender
	case "birthdate":
		return &u.Birthdate
	case "zoneinfo":
		return &u.Zoneinfo
	case "locale":
		return &u.Locale
	case "email":
		return &u.Email
	case "phone":
		return &u.Phone
	}
	return nil
}

// claimOf is the value of a claim as a text; nil when there is none.
func claimOf(u *directory.User, uri string) any {
	name := claimName(uri)
	if f := field(u, name); f != nil {
		if *f == "" {
			return nil
		}
		return *f
	}
	switch name {
	case "userid":
		return u.ID
	case "emailVerified":
		return fmt.Sprint(u.EmailVerified)
	case "phoneVerified":
		return fmt.Sprint(u.PhoneVerified)
	case "country":
		if u.Address != nil && u.Address.Country != "" {
			return u.Address.Country
		}
		return nil
	}
	switch value := u.Attributes[name].(type) {
	case nil:
		return nil
	case string:
		return value
	default:
		text, _ := json.Marshal(value)
		return string(text)
	}
}

// setClaim sets a claim of a User; "" removes it. What proves something, and the user name, are not a script's to set.
func setClaim(u *directory.User, uri, value string) error {
	name := claimName(uri)
	switch name {
	case "username", "userid", "emailVerified", "phoneVerified", "country":
		return &RefusalError{fmt.Sprintf("the claim %q is not to be set", clip(uri, 200))}
	case "email":
		u.EmailVerified = u.EmailVerified && value == u.Email
	case "phone":
		u.PhoneVerified = u.PhoneVerified && value == u.Phone
	}
	if f := field(u, name); f != nil {
		*f = value
		return nil
	}
	if value == "" {
		delete(u.Attributes, name)
		return nil
	}
	if u.Attributes == nil {
		u.Attributes = map[string]any{}
	}
	u.Attributes[name] = value
	return nil
}
