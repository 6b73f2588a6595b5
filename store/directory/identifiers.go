package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/signet-idp/signet/store"
)

// plainPhone is a telephone number as it is compared: without what people write between the digits.
func plainPhone(number string) string {
	number, extension, found := strings.Cut(number, ";")
	plain := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '+' {
			return r
		}
		return -1
	}, number)
	if found {
		plain += ";" + extension
	}
	return plain
}

// identifier returns the value of a person that two people may not share, in the form in which it is compared; "" is none.
func (u *User) identifier(name IdentifierName) string {
	switch name {
	case ByEmail:
		return Fold(u.Email)
	case ByPhone:
		return plainPhone(u.Phone)
	}
	attribute, ok := strings.CutPrefix(string(name), "attributes.")
	if !ok {
		return ""
	}
	switch value := u.Attributes[attribute].(type) {
	case string:
		return Fold(value)
	case float64, bool, int, int64:
		return fmt.Sprint(value)
	}
	return "" // lists and objects are nobody's name
}

// uniqueKeys are what the store keeps apart.
func (u *User) uniqueKeys() []store.Key {
	var keys []store.Key
	for _, name := range u.Unique {
		if value := u.identifier(name); value != "" {
			keys = append(keys, store.Key{Name: string(name), Value: value})
		}
	}
	return keys
}

// claimKeys makes what the policy wants unique keys of the record, which decide between two who come at once, and says whose is taken.
func (d *defaultUsers) claimKeys(ctx context.Context, u *User) error {
	policy, err := Resolve(ctx, d.settings, d.settings.Identifiers, u.Org, "")
	if err != nil {
		return err
	}
	u.Unique = slices.Clone(policy.Unique)
	for _, key := range u.uniqueKeys() {
		other, err := d.all.Lookup(ctx, u.Org, key)
		if err == nil && other.ID != u.ID {
			return &TakenError{Name: key.Name}
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

// freeNumber reports that a user name is somebody else's telephone number, where those are logins.
func (d *defaultUsers) freeNumber(ctx context.Context, u *User) error {
	policy, err := Resolve(ctx, d.settings, d.settings.Identifiers, u.Org, "")
	byPhone := slices.Contains(policy.LoginBy, ByPhone) || len(policy.LoginBy) == 0 && d.byPhone
	if err != nil || !byPhone {
		return err
	}
	if phonePattern.MatchString(u.Username) {
		other, err := d.Find(ctx, u.Org, Identifier{Name: ByPhone, Value: u.Username})
		if err == nil && other.ID != u.ID {
			return &TakenError{Name: "username"}
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}
