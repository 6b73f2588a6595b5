package ldap

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strconv"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"golang.org/x/text/unicode/norm"
)

// Create implements directory.Users. A field that has no attribute is a *directory.InvalidError; EmailVerified and PhoneVerified are
// not kept. The directory chooses the id. In Active Directory the new account has a password that nobody knows.
func (u *Users) Create(ctx context.Context, _ *store.Batch, user *directory.User) error {
	if !u.config.Write {
		return directory.ErrReadOnly
	}
	if err := u.keeps(user); err != nil {
		return err
	}
	name := norm.NFC.String(user.Username)
	r := goldap.NewAddRequest(rdn(u.schema.RDN, name)+","+u.config.CreateBase, nil)
	for _, a := range u.initial(user, name) {
		r.Attribute(a.Type, a.Vals)
	}
	var made *directory.User
	err := u.with(ctx, func(ctx context.Context, c *conn) error {
		if err := u.free(ctx, c, name, ""); err != nil {
			return err
		}
		if err := c.change(ctx, func() error { return c.ldap.Add(r) }); err != nil {
			return writeError("add", err)
		}
		e, err := u.reread(ctx, c, r.DN)
		if err != nil {
			return err
		}
		var ok bool
		if made, ok = u.user(e); !ok {
			return errors.New("ldap: an entry that was added has no id: Config.Schema does not fit the server")
		}
		return nil
	})
	if err != nil {
		return err
	}
	user.Meta, user.Created, user.Updated = made.Meta, made.Created, made.Updated
	return nil
}

// initial lists the attributes of a new entry.
func (u *Users) initial(user *directory.User, name string) []goldap.Attribute {
	list := []goldap.Attribute{{Type: "objectClass", Vals: u.schema.ObjectClasses}, {Type: u.schema.Attributes.Username, Vals: []string{name}}}
	has := func(attribute string) bool {
		return slices.ContainsFunc(list, func(a goldap.Attribute) bool { return strings.EqualFold(a.Type, attribute) })
	}
	for _, f := range u.fields {
		if values := f.get(user); f.attribute != "" && len(values) > 0 && !has(f.attribute) {
			list = append(list, goldap.Attribute{Type: f.attribute, Vals: values})
		}
	}
	for _, attribute := range u.schema.Required {
		if !has(attribute) {
			list = append(list, goldap.Attribute{Type: attribute, Vals: []string{u.standIn(attribute, name)}})
		}
	}
	switch u.schema.Disabled {
	case LockedTime:
		if user.Disabled {
			list = append(list, goldap.Attribute{Type: lockedTime, Vals: []string{lockedForEver}})
		}
	case AccountControl:
		list = append(list, goldap.Attribute{Type: accountControl, Vals: []string{control(normalAccount, user.Disabled)}})
	case NotDisabled:
	}
	if u.schema.Password == UnicodePwd {
		// Without one, the account could only exist as one that needs none.
		list = append(list, goldap.Attribute{Type: "unicodePwd", Vals: []string{unicodePassword("aA1!" + rand.Text() + rand.Text())}})
	}
	return list
}

// standIn is what an attribute holds that the server demands and of which nothing is known.
func (u *Users) standIn(attribute, name string) string {
	if strings.EqualFold(attribute, "cn") {
		return name
	}
	return standIn
}

func (u *Users) required(attribute string) bool {
	return slices.ContainsFunc(u.schema.Required, func(r string) bool { return strings.EqualFold(r, attribute) })
}

// control is userAccountControl with the bit for disabled accounts as it should be.
func control(flags int64, disabled bool) string {
	flags &^= accountDisable
	if disabled {
		flags |= accountDisable
	}
	return strconv.FormatInt(flags, 10)
}

// keeps reports what the directory has no place for, rather than lose it.
func (u *Users) keeps(user *directory.User) error {
	var problems []error
	no := func(field string) {
		problems = append(problems, &directory.InvalidError{Field: field, Problem: "is not kept by this user store"})
	}
	if user.Org != "" {
		no("org")
	}
	known := map[string]bool{}
	for _, f := range u.fields {
		values := f.get(user)
		if f.attribute == "" && len(values) > 0 {
			no(f.name)
		}
		if claim, ok := strings.CutPrefix(f.name, "attributes."); ok {
			known[claim] = len(values) > 0
		}
	}
	for claim, value := range user.Attributes {
		// A list may be empty; a claim of another type than its attribute's is not turned into text.
		if list, isList := value.([]any); !known[claim] && (!isList || len(list) > 0) {
			no("attributes." + claim)
		}
	}
	if user.Disabled && u.schema.Disabled == NotDisabled {
		no("disabled")
	}
	return errors.Join(problems...)
}

// free reports a *directory.TakenError when somebody other than the person with the id has the user name. Between two who come at
// once the name of the entry decides, which the server keeps unique.
func (u *Users) free(ctx context.Context, c *conn, name, id string) error {
	filter := equals(u.schema.Attributes.Username, goldap.EscapeFilter(name))
	result, more, err := c.search(ctx, u.people(filter, []string{u.schema.Attributes.ID}, maxTwins))
	if err != nil {
		return failed("search", err)
	}
	for _, e := range result.Entries {
		if other, ok := u.id(newEntry(e), u.schema.Attributes.ID); !ok || other != id {
			return &directory.TakenError{Name: "username"}
		}
	}
	if more {
		return &directory.TakenError{Name: "username"}
	}
	return nil
}

// reread reads an entry that was just written, on the connection that wrote it: another server may not know it yet.
func (u *Users) reread(ctx context.Context, c *conn, dn string) (entry, error) {
	r := goldap.NewSearchRequest(dn, goldap.ScopeBaseObject, goldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", u.attributes(), nil)
	result, _, err := c.search(ctx, r)
	if err == nil && len(result.Entries) == 1 {
		return newEntry(result.Entries[0]), nil
	}
	return entry{}, errors.Join(store.ErrUncertain, err)
}

// Replace implements directory.Users. Only the attributes that differ are written, those of the service's knowledge; what else the
// entry holds stays. When somebody else has changed the entry since it was read, that is a *store.Conflict; see Schema.Assertion.
// A new user name renames the entry where it is named by it; that is a step of its own, so that an error after it leaves the new name
// with the old values.
func (u *Users) Replace(ctx context.Context, _ *store.Batch, user *directory.User) error {
	if !u.config.Write {
		return directory.ErrReadOnly
	}
	if err := u.keeps(user); err != nil {
		return err
	}
	var after *directory.User
	err := u.with(ctx, func(ctx context.Context, c *conn) error {
		e, before, err := u.current(ctx, c, user)
		if err != nil {
			return err
		}
		name := norm.NFC.String(user.Username)
		if directory.Fold(name) != directory.Fold(before.Username) {
			if err := u.free(ctx, c, name, before.ID); err != nil {
				return err
			}
		}
		edit := u.edit(e, user, name)
		dn, err := edit.apply(ctx, c)
		if err != nil {
			return err
		}
		if e, err = u.reread(ctx, c, dn); err != nil {
			return nil // it is written; the caller does not have the new version and will read again
		}
		after, _ = u.user(e)
		return nil
	})
	if err == nil && after != nil {
		user.Version, user.Updated = after.Version, after.Updated
	}
	return err
}

// current reads the entry of a person who was read before, or returns a *store.Conflict when it has gone or changed.
func (u *Users) current(ctx context.Context, c *conn, user *directory.User) (entry, *directory.User, error) {
	e, err := u.entryOf(ctx, c, user.ID)
	if errors.Is(err, store.ErrNotFound) {
		return entry{}, nil, &store.Conflict{Reason: store.Absent, Ref: user.Ref()}
	}
	if err != nil {
		return entry{}, nil, err
	}
	now, ok := u.user(e)
	if !ok || now.Version != user.Version {
		return entry{}, nil, &store.Conflict{Reason: store.Version, Ref: user.Ref()}
	}
	return e, now, nil
}

// Delete implements directory.Users. An entry that has changed since it was read is a *store.Conflict.
func (u *Users) Delete(ctx context.Context, _ *store.Batch, user *directory.User) error {
	if !u.config.Write {
		return directory.ErrReadOnly
	}
	return u.with(ctx, func(ctx context.Context, c *conn) error {
		e, _, err := u.current(ctx, c, user)
		if err != nil {
			return err
		}
		err = c.change(ctx, func() error { return c.ldap.Del(goldap.NewDelRequest(e.dn, u.asserts(e))) })
		if is(err, goldap.LDAPResultNoSuchObject) {
			return &store.Conflict{Reason: store.Absent, Ref: user.Ref()}
		}
		return conflict(err, user.Ref())
	})
}

// asserts returns the control that makes a change fail unless the entry is what it was when it was read (RFC 4528).
func (u *Users) asserts(e entry) []goldap.Control {
	version := e.first(u.schema.Attributes.Version)
	if !u.schema.Assertion || version == "" {
		return nil
	}
	filter, err := goldap.CompileFilter(equals(u.schema.Attributes.Version, goldap.EscapeFilter(version)))
	if err != nil {
		return nil // an attribute's name and an escaped value always compile
	}
	return []goldap.Control{goldap.NewControlString("1.3.6.1.1.12", true, string(filter.Bytes()))}
}

// conflict turns the refusals that mean "it has changed since" into a *store.Conflict.
func conflict(err error, ref store.Ref) error {
	if is(err, goldap.LDAPResultAssertionFailed, goldap.LDAPResultNoSuchAttribute, goldap.LDAPResultAttributeOrValueExists) {
		return &store.Conflict{Reason: store.Version, Ref: ref}
	}
	if err != nil {
		return writeError("write", err)
	}
	return nil
}

// writeError tells a name that is taken and a value that the server refuses from other errors.
func writeError(operation string, err error) error {
	switch {
	case is(err, goldap.LDAPResultEntryAlreadyExists):
		return &directory.TakenError{Name: "username"}
	case is(err, goldap.LDAPResultConstraintViolation, goldap.LDAPResultInvalidAttributeSyntax, goldap.LDAPResultInvalidDNSyntax,
		goldap.LDAPResultUndefinedAttributeType, goldap.LDAPResultObjectClassViolation, goldap.LDAPResultNamingViolation):
		return errors.Join(&directory.InvalidError{Field: "user", Problem: "has a value that the directory does not take"}, failed(operation, err))
	}
	return failed(operation, err)
}
