package ldap

import (
	"maps"
	"slices"

	"github.com/signet-idp/signet/store/directory"
)

// field is one thing that is known of a person and the attribute that holds it.
type field struct {
	name      string // as directory.InvalidError calls it
	attribute string // "" when it is not kept
	list      bool   // all values count, not the first alone
	get       func(*directory.User) []string
	set       func(*directory.User, []string)
}

// fields lists everything but the user name, the times and the state of the account.
func (a *Attributes) fields() []field {
	list := []field{
		text("name", a.Name, func(u *directory.User) *string { return &u.Name }),
		text("givenName", a.GivenName, func(u *directory.User) *string { return &u.GivenName }),
		text("familyName", a.FamilyName, func(u *directory.User) *string { return &u.FamilyName }),
		text("middleName", a.MiddleName, func(u *directory.User) *string { return &u.MiddleName }),
		text("nickname", a.Nickname, func(u *directory.User) *string { return &u.Nickname }),
		text("profile", a.Profile, func(u *directory.User) *string { return &u.Profile }),
		text("picture", "", func(u *directory.User) *string { return &u.Picture }),
		text("website", a.Website, func(u *directory.User) *string { return &u.Website }),
		text("gender", "", func(u *directory.User) *string { return &u.Gender }),
		text("birthdate", "", func(u *directory.User) *string { return &u.Birthdate }),
		text("zoneinfo", a.Zoneinfo, func(u *directory.User) *string { return &u.Zoneinfo }),
		text("locale", a.Locale, func(u *directory.User) *string { return &u.Locale }),
		text("email", a.Email, func(u *directory.User) *string { return &u.Email }),
		text("phone", a.Phone, func(u *directory.User) *string { return &u.Phone }),
		address("address.formatted", "", func(a *directory.Address) *string { return &a.Formatted }),
		address("address.streetAddress", a.StreetAddress, func(a *directory.Address) *string { return &a.StreetAddress }),
		address("address.locality", a.Locality, func(a *directory.Address) *string { return &a.Locality }),
		address("address.region", a.Region, func(a *directory.Address) *string { return &a.Region }),
		address("address.postalCode", a.PostalCode, func(a *directory.Address) *string { return &a.PostalCode }),
		address("address.country", a.Country, func(a *directory.Address) *string { return &a.Country }),
	}
	for _, claim := range slices.Sorted(maps.Keys(a.Claims)) {
		list = append(list, claimField(claim, a.Claims[claim], false))
	}
	for _, claim := range slices.Sorted(maps.Keys(a.Lists)) {
		list = append(list, claimField(claim, a.Lists[claim], true))
	}
	return list
}

func text(name, attribute string, at func(*directory.User) *string) field {
	return field{
		name: name, attribute: attribute,
		get: func(u *directory.User) []string { return some(*at(u)) },
		set: func(u *directory.User, values []string) { *at(u) = values[0] },
	}
}

func address(name, attribute string, at func(*directory.Address) *string) field {
	return field{
		name: name, attribute: attribute,
		get: func(u *directory.User) []string {
			if u.Address == nil {
				return nil
			}
			return some(*at(u.Address))
		},
		set: func(u *directory.User, values []string) {
			if u.Address == nil {
				u.Address = &directory.Address{}
			}
			*at(u.Address) = values[0]
		},
	}
}

// claimField is one of directory.User.Attributes.
func claimField(claim, attribute string, list bool) field {
	return field{
		name: "attributes." + claim, attribute: attribute, list: list,
		get: func(u *directory.User) []string {
			switch v := u.Attributes[claim].(type) {
			case string:
				return some(v)
			case []string:
				return v
			case []any:
				return texts(v)
			}
			return nil
		},
		set: func(u *directory.User, values []string) {
			if u.Attributes == nil {
				u.Attributes = map[string]any{}
			}
			if !list {
				u.Attributes[claim] = values[0]
				return
			}
			all := make([]any, len(values))
			for i, v := range values {
				all[i] = v
			}
			u.Attributes[claim] = all
		},
	}
}

// some is the list of one text, or of none.
func some(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

// texts returns the texts among values.
func texts(values []any) (list []string) {
	for _, v := range values {
		if s, ok := v.(string); ok && s != "" {
			list = append(list, s)
		}
	}
	return list
}
