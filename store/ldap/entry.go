package ldap

import (
	"hash/fnv"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Bounds on what is taken over from one entry. What lies beyond is left out: a photograph is not a name.
const (
	maxValue  = 4 << 10 // bytes of one value
	maxValues = 1000    // values of one attribute of a person
)

// entry is an entry of the directory; attribute names are in lower case.
type entry struct {
	dn     string
	values map[string][][]byte
}

func newEntry(e *goldap.Entry) entry {
	values := make(map[string][][]byte, len(e.Attributes))
	for _, a := range e.Attributes {
		values[strings.ToLower(a.Name)] = a.ByteValues
	}
	return entry{dn: e.DN, values: values}
}

// texts returns the values of an attribute that are text of bounded length.
func (e entry) texts(attribute string) (list []string) {
	if attribute == "" {
		return nil
	}
	for _, v := range e.values[strings.ToLower(attribute)] {
		if len(v) > 0 && len(v) <= maxValue && utf8.Valid(v) && !strings.Contains(string(v), "\x00") {
			list = append(list, string(v))
		}
		if len(list) == maxValues {
			break
		}
	}
	return list
}

// first returns the first of texts, or "".
func (e entry) first(attribute string) string {
	if list := e.texts(attribute); len(list) > 0 {
		return list[0]
	}
	return ""
}

// id returns the entry's id; false when it has none, or several.
func (u *Users) id(e entry, attribute string) (id string, ok bool) {
	values := e.values[strings.ToLower(attribute)]
	if len(values) != 1 {
		return "", false
	}
	return u.schema.ID.decode(values[0])
}

// user returns the person whom an entry describes; false when it has no id or no user name.
func (u *Users) user(e entry) (user *directory.User, ok bool) {
	a := &u.schema.Attributes
	id, ok := u.id(e, a.ID)
	username := e.first(a.Username)
	if !ok || username == "" {
		return nil, false
	}
	user = &directory.User{
		Meta: store.Meta{ID: id, Version: version(e.first(a.Version))}, Username: username, Disabled: u.disabled(e),
		Created: timestamp(e.first(a.Created)), Updated: timestamp(e.first(a.Updated)),
	}
	for _, f := range u.fields {
		if values := u.shown(e, f); len(values) > 0 {
			f.set(user, values)
		}
	}
	user.EmailVerified = u.config.EmailVerified && user.Email != ""
	user.PhoneVerified = u.config.PhoneVerified && user.Phone != ""
	return user, true
}

// standIn takes the place of a value that the schema of the server demands and nobody knows.
const standIn = "-"

// shown returns what is shown of an attribute.
func (u *Users) shown(e entry, f field) []string {
	values := e.texts(f.attribute)
	if !f.list && len(values) > 0 {
		values = values[:1]
	}
	if len(values) == 1 && values[0] == standIn && u.required(f.attribute) {
		return nil
	}
	return values
}

// Marks of a disabled account.
const (
	lockedTime     = "pwdAccountLockedTime"
	lockedForEver  = "000001010000Z"
	accountControl = "userAccountControl"
	normalAccount  = 0x200
	accountDisable = 0x2
)

func (u *Users) disabled(e entry) bool {
	switch u.schema.Disabled {
	case LockedTime:
		return e.first(lockedTime) == lockedForEver
	case AccountControl:
		flags, _ := strconv.ParseInt(e.first(accountControl), 10, 64)
		return flags&accountDisable != 0
	default:
		return false
	}
}

// attributes are those that user reads.
func (u *Users) attributes() []string {
	a := &u.schema.Attributes
	seen := map[string]bool{"": true}
	var list []string
	add := func(name string) {
		if key := strings.ToLower(name); !seen[key] {
			seen[key] = true
			list = append(list, name)
		}
	}
	for _, name := range []string{a.ID, a.Username, a.Created, a.Updated, a.Version} {
		add(name)
	}
	for _, f := range u.fields {
		add(f.attribute)
	}
	switch u.schema.Disabled {
	case LockedTime:
		add(lockedTime)
	case AccountControl:
		add(accountControl)
	case NotDisabled:
	}
	return list
}

// version makes a number of what changes with an entry: of a number that number, of anything else a hash. It is never zero for an
// entry that has a version.
func version(text string) int64 {
	if text == "" {
		return 0
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
		return n
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // never fails
	return max(int64(h.Sum64()>>1), 1)
}

// timestamp reads a generalized time in UTC (RFC 4517 §3.3.13); anything else is the zero time.
func timestamp(text string) time.Time {
	t, err := time.Parse("20060102150405Z", text) // a fraction of seconds is understood too
	if err != nil {
		return time.Time{}
	}
	return t
}
