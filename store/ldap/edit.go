package ldap

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// edit is what has to be done to an entry so that it says what a user says.
type edit struct {
	users   *Users
	entry   entry
	ref     store.Ref
	changes []change
	rdn     string // the new relative name, or ""
	byName  bool   // the user name is part of the entry's name, which the server keeps unique
}

// change is what one attribute has and is to have.
type change struct {
	attribute  string
	have, want []string
}

// edit compares an entry with a user of the name.
func (u *Users) edit(e entry, user *directory.User, name string) *edit {
	ed := &edit{users: u, entry: e, ref: user.Ref()}
	ed.add(u.schema.Attributes.Username, []string{name}, false)
	for _, f := range u.fields {
		want := f.get(user)
		if len(want) == 0 && u.required(f.attribute) {
			want = []string{u.standIn(f.attribute, name)}
		}
		if f.attribute != "" {
			ed.add(f.attribute, want, f.list)
		}
	}
	if user.Disabled != u.disabled(e) {
		ed.disable(user.Disabled)
	}
	ed.name()
	return ed
}

// add notes a change unless there is none. Of an attribute with several values where one counts, the others stay, behind the new one.
func (ed *edit) add(attribute string, want []string, list bool) {
	if slices.ContainsFunc(ed.changes, func(c change) bool { return strings.EqualFold(c.attribute, attribute) }) {
		return // two fields share it; the first counts
	}
	have := ed.entry.texts(attribute)
	if !list && len(want) == 1 && len(have) > 0 {
		if have[0] == want[0] {
			return
		}
		for _, other := range have[1:] {
			if other != want[0] {
				want = append(want, other)
			}
		}
	}
	if !slices.Equal(have, want) {
		ed.changes = append(ed.changes, change{attribute, have, want})
	}
}

func (ed *edit) disable(disabled bool) {
	switch ed.users.schema.Disabled {
	case LockedTime:
		ed.changes = append(ed.changes, change{lockedTime, ed.entry.texts(lockedTime), some(map[bool]string{true: lockedForEver}[disabled])})
	case AccountControl:
		have := ed.entry.texts(accountControl)
		flags, _ := strconv.ParseInt(ed.entry.first(accountControl), 10, 64)
		ed.changes = append(ed.changes, change{accountControl, have, []string{control(flags, disabled)}})
	case NotDisabled:
	}
}

// name finds out whether the entry must be renamed: when an attribute of its relative name changes, or when it was named after the
// user name although that is another attribute.
func (ed *edit) name() {
	dn, err := goldap.ParseDN(ed.entry.dn)
	if err != nil || len(dn.RDNs) == 0 {
		return
	}
	var parts []string
	renamed := false
	for _, a := range dn.RDNs[0].Attributes {
		value, own := a.Value, false
		for i, c := range ed.changes {
			if strings.EqualFold(c.attribute, a.Type) && len(c.want) > 0 && holds(c.have, a.Value) {
				value, own = c.want[0], true
				ed.byName = ed.byName || strings.EqualFold(c.attribute, ed.users.schema.Attributes.Username)
				ed.changes = slices.Delete(ed.changes, i, i+1)
				break
			}
		}
		if name := ed.username(); !own && name != nil && strings.EqualFold(a.Type, ed.users.schema.RDN) &&
			directory.Fold(a.Value) == directory.Fold(name.have[0]) {
			value = name.want[0]
		}
		renamed = renamed || value != a.Value
		parts = append(parts, rdn(a.Type, value))
	}
	if renamed {
		ed.rdn = strings.Join(parts, "+")
	}
}

// holds reports whether a value is in the list, as names are compared.
func holds(list []string, value string) bool {
	return slices.ContainsFunc(list, func(v string) bool { return directory.Fold(v) == directory.Fold(value) })
}

// username returns the change of the user name that is still to be made as that of an attribute, or nil.
func (ed *edit) username() *change {
	for i, c := range ed.changes {
		if strings.EqualFold(c.attribute, ed.users.schema.Attributes.Username) && len(c.have) > 0 && len(c.want) > 0 {
			return &ed.changes[i]
		}
	}
	return nil
}

// apply makes the changes and returns the name that the entry has afterwards. The step that the server checks for uniqueness is the
// first.
func (ed *edit) apply(ctx context.Context, c *conn) (dn string, err error) {
	dn = ed.entry.dn
	controls := ed.users.asserts(ed.entry)
	if ed.byName {
		if dn, err = ed.rename(ctx, c, dn, controls); err != nil {
			return "", err
		}
		return dn, ed.modify(ctx, c, dn, nil)
	}
	if err := ed.modify(ctx, c, dn, controls); err != nil {
		return "", err
	}
	if len(ed.changes) > 0 {
		controls = nil // the assertion held for the step before
	}
	renamed, err := ed.rename(ctx, c, dn, controls)
	if _, taken := errors.AsType[*directory.TakenError](err); taken {
		return dn, nil // another entry has the relative name, which is no more than a label here
	}
	return renamed, err
}

func (ed *edit) rename(ctx context.Context, c *conn, dn string, controls []goldap.Control) (string, error) {
	if ed.rdn == "" {
		return dn, nil
	}
	r := goldap.NewModifyDNWithControlsRequest(dn, ed.rdn, true, "", controls)
	if err := conflict(c.change(ctx, func() error { return c.ldap.ModifyDN(r) }), ed.ref); err != nil {
		return "", err
	}
	_, parent, _ := cutRDN(dn)
	return ed.rdn + parent, nil
}

// modify replaces values by naming the old ones, so that the server refuses when they are no longer there.
func (ed *edit) modify(ctx context.Context, c *conn, dn string, controls []goldap.Control) error {
	if len(ed.changes) == 0 {
		return nil
	}
	r := goldap.NewModifyRequest(dn, controls)
	for _, change := range ed.changes {
		if len(change.have) > 0 {
			r.Delete(change.attribute, change.have)
		}
		if len(change.want) > 0 {
			r.Add(change.attribute, change.want)
		}
	}
	return conflict(c.change(ctx, func() error { return c.ldap.Modify(r) }), ed.ref)
}

// cutRDN splits a name before the first comma that is not escaped; parent begins with it.
func cutRDN(dn string) (first, parent string, ok bool) {
	for i := 0; i < len(dn); i++ {
		switch dn[i] {
		case '\\':
			i++
		case ',', ';':
			return dn[:i], dn[i:], true
		}
	}
	return dn, "", false
}
