package ldap

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"golang.org/x/text/unicode/norm"
)

// maxName is how long a user name or an e-mail address may be, in characters, to be looked for.
const maxName = 320

// Find implements directory.Users. Organizations below the root have nobody. A user name that two entries have, and an e-mail
// address, is nobody's. Whom the server takes for the same name must have it in the sense of directory.Fold too: Active Directory,
// for one, finds "zoe" for "zoë".
func (u *Users) Find(ctx context.Context, org string, by directory.Identifier) (*directory.User, error) {
	filter, ok := u.identifies(by)
	if org != "" || !ok {
		return nil, store.ErrNotFound
	}
	var found []*directory.User
	err := u.with(ctx, func(ctx context.Context, c *conn) error {
		entries, err := u.lookup(ctx, c, filter, u.attributes())
		found = found[:0]
		for _, e := range entries {
			if user, ok := u.user(e); ok && u.bears(e, user, by) {
				found = append(found, user)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		if len(found) > 1 {
			u.config.Logger.WarnContext(ctx, "several entries of the directory have one name, so none of them is found by it",
				"store", u.config.Name, "by", string(by.Name))
		}
		return nil, store.ErrNotFound
	}
	return found[0], nil
}

// identifies returns the filter that finds whom an identifier may name; false when there can be nobody.
func (u *Users) identifies(by directory.Identifier) (filter string, ok bool) {
	a := &u.schema.Attributes
	switch by.Name {
	case directory.ByID:
		value, ok := u.schema.ID.filterValue(by.Value)
		return equals(a.ID, value), ok
	case directory.ByUsername:
		return equals(a.Username, goldap.EscapeFilter(norm.NFC.String(by.Value))), isName(by.Value)
	case directory.ByEmail:
		return equals(a.Email, goldap.EscapeFilter(norm.NFC.String(by.Value))), a.Email != "" && isName(by.Value)
	}
	return "", false
}

func isName(s string) bool {
	return strings.TrimSpace(s) != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= maxName && !strings.Contains(s, "\x00")
}

// equals is a filter; the value is escaped already.
func equals(attribute, value string) string { return "(" + attribute + "=" + value + ")" }

// bears reports whether it is by this very name that somebody was found.
func (u *Users) bears(e entry, user *directory.User, by directory.Identifier) bool {
	switch by.Name {
	case directory.ByID:
		return user.ID == by.Value
	case directory.ByUsername:
		for _, name := range e.texts(u.schema.Attributes.Username) {
			if directory.Fold(name) == directory.Fold(by.Value) {
				return true
			}
		}
	case directory.ByEmail:
		return directory.Fold(user.Email) == directory.Fold(by.Value)
	}
	return false
}

// maxTwins bounds how many entries with one name are looked at; with more, it is nobody's.
const maxTwins = 20

// lookup returns the people who fit a filter that few fit, with all values of their attributes. When too many fit there are none.
func (u *Users) lookup(ctx context.Context, c *conn, filter string, attributes []string) ([]entry, error) {
	result, more, err := c.search(ctx, u.people(filter, attributes, maxTwins))
	if err != nil {
		return nil, failed("search", err)
	}
	if more {
		u.config.Logger.WarnContext(ctx, "many entries of the directory have one name, so none of them is found by it", "store", u.config.Name)
		return nil, nil
	}
	entries := make([]entry, len(result.Entries))
	for i, found := range result.Entries {
		entries[i] = newEntry(found)
		if err := c.complete(ctx, entries[i], maxValues); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// people is a search for people. Aliases are followed nowhere, and neither are referrals: credentials go to the configured servers
// and to no others.
func (u *Users) people(filter string, attributes []string, limit int) *goldap.SearchRequest {
	return goldap.NewSearchRequest(u.config.Base, goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, limit, 0, false,
		"(&"+u.schema.Filter+filter+")", attributes, nil)
}

// entryOf returns the entry of a person, as it stands now, or store.ErrNotFound.
func (u *Users) entryOf(ctx context.Context, c *conn, id string) (entry, error) {
	filter, ok := u.identifies(directory.Identifier{Name: directory.ByID, Value: id})
	if !ok {
		return entry{}, store.ErrNotFound
	}
	entries, err := u.lookup(ctx, c, filter, append(u.attributes(), u.schema.Required...))
	if err != nil {
		return entry{}, err
	}
	if len(entries) != 1 {
		return entry{}, store.ErrNotFound
	}
	if is, ok := u.id(entries[0], u.schema.Attributes.ID); !ok || is != id {
		return entry{}, store.ErrNotFound
	}
	return entries[0], nil
}

// failed gives an error the name of the operation. What the server said stays for the log; its being down stays too.
func failed(operation string, err error) error { return fmt.Errorf("ldap: %s: %w", operation, err) }
