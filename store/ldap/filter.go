package ldap

import (
	"fmt"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"golang.org/x/text/unicode/norm"
)

// listFields are the fields that List knows.
var listFields = []string{"id", "username", "email", "name", "disabled", "created", "updated"}

// index is what List compares of a person: what the default store would index.
func index(user *directory.User) []store.Entry {
	entries := []store.Entry{
		{Field: "id", Value: store.Text(user.ID)},
		{Field: "username", Value: store.Text(directory.Fold(user.Username))},
		{Field: "disabled", Value: store.Bool(user.Disabled)},
		{Field: "created", Value: store.Time(user.Created)},
		{Field: "updated", Value: store.Time(user.Updated)},
	}
	if user.Email != "" {
		entries = append(entries, store.Entry{Field: "email", Value: store.Text(directory.Fold(user.Email))})
	}
	if user.Name != "" {
		entries = append(entries, store.Entry{Field: "name", Value: store.Text(directory.Fold(user.Name))})
	}
	return entries
}

// fold brings the names in a filter into the form in which index has them. An unknown field is store.ErrUnindexed.
func fold(f store.Filter) (store.Filter, error) {
	switch f := f.(type) {
	case nil:
		return store.And{}, nil
	case store.And:
		parts, err := foldAll(f)
		return store.And(parts), err
	case store.Or:
		parts, err := foldAll(f)
		return store.Or(parts), err
	case store.Not:
		part, err := fold(f.Filter)
		return store.Not{Filter: part}, err
	case store.Compare:
		if f.Field == "username" || f.Field == "email" || f.Field == "name" {
			f.Value.Text = directory.Fold(f.Value.Text)
		}
		return f, known(f.Field)
	case store.Present:
		return f, known(f.Field)
	}
	return nil, store.ErrUnindexed
}

func foldAll(parts []store.Filter) ([]store.Filter, error) {
	folded := make([]store.Filter, len(parts))
	for i, part := range parts {
		var err error
		if folded[i], err = fold(part); err != nil {
			return nil, err
		}
	}
	return folded, nil
}

func known(field string) error {
	for _, name := range listFields {
		if name == field {
			return nil
		}
	}
	return fmt.Errorf("ldap: field %q: %w", field, store.ErrUnindexed)
}

// everybody is the filter that anybody fits.
const everybody = ""

// pushed returns an LDAP filter that everybody fits who fits f, and perhaps others, whom List sorts out itself: what a server takes for
// equal differs from server to server. It is everybody where LDAP cannot say it.
func (u *Users) pushed(f store.Filter) string {
	switch f := f.(type) {
	case store.And:
		var b strings.Builder
		for _, part := range f {
			b.WriteString(u.pushed(part))
		}
		if b.Len() == 0 {
			return everybody
		}
		return "(&" + b.String() + ")"
	case store.Or:
		return u.pushedOr(f)
	case store.Compare:
		return u.pushedCompare(f)
	case store.Present:
		if attribute := u.attributeOf(f.Field); attribute != "" {
			return "(" + attribute + "=*)"
		}
	}
	return everybody // Not turns "and perhaps others" into its opposite
}

func (u *Users) pushedOr(parts store.Or) string {
	var b strings.Builder
	for _, part := range parts {
		filter := u.pushed(part)
		if filter == everybody {
			return everybody
		}
		b.WriteString(filter)
	}
	return "(|" + b.String() + ")" // of nothing it is false (RFC 4526)
}

// attributeOf returns the attribute behind a field, or "".
func (u *Users) attributeOf(field string) string {
	a := &u.schema.Attributes
	return map[string]string{
		"id": a.ID, "username": a.Username, "email": a.Email, "name": a.Name, "created": a.Created, "updated": a.Updated,
	}[field]
}

func (u *Users) pushedCompare(f store.Compare) string {
	attribute := u.attributeOf(f.Field)
	switch f.Field {
	case "id":
		if f.Operator != store.Eq {
			return everybody
		}
		value, ok := u.schema.ID.filterValue(f.Value.Text)
		if !ok {
			return "(!(objectClass=*))" // nobody has it
		}
		return equals(attribute, value)
	case "disabled":
		return u.pushedDisabled(f)
	case "created", "updated":
		return pushedTime(attribute, f)
	}
	value := goldap.EscapeFilter(norm.NFC.String(f.Value.Text))
	if attribute == "" || value == "" || strings.TrimSpace(f.Value.Text) != f.Value.Text {
		return everybody // servers have ideas of their own about blanks
	}
	switch f.Operator {
	case store.Eq:
		return equals(attribute, value)
	case store.StartsWith:
		return equals(attribute, value+"*")
	case store.EndsWith:
		return equals(attribute, "*"+value)
	case store.Contains:
		return equals(attribute, "*"+value+"*")
	case store.Gt, store.Ge, store.Lt, store.Le:
	}
	return everybody
}

func (u *Users) pushedDisabled(f store.Compare) string {
	if f.Operator != store.Eq || f.Value != store.Bool(true) {
		return everybody
	}
	switch u.schema.Disabled {
	case LockedTime:
		return equals(lockedTime, lockedForEver)
	case AccountControl:
		return "(" + accountControl + ":1.2.840.113556.1.4.803:=2)" // LDAP_MATCHING_RULE_BIT_AND ([MS-ADTS] §3.1.1.3.4.4)
	case NotDisabled:
	}
	return everybody
}

// pushedTime compares to the second, as some servers keep it, and never excludes what a finer look would include.
func pushedTime(attribute string, f store.Compare) string {
	if attribute == "" || f.Value.Type != store.TimeValue {
		return everybody
	}
	t := time.UnixMicro(f.Value.Number).UTC()
	if t.Year() < 1 || t.Year() > 9998 {
		return everybody
	}
	at := func(relation string, t time.Time) string {
		return "(" + attribute + relation + t.Format("20060102150405") + "Z)"
	}
	from, until := at(">=", t.Truncate(time.Second)), at("<=", t.Truncate(time.Second).Add(time.Second))
	if strings.EqualFold(attribute, "whenCreated") || strings.EqualFold(attribute, "whenChanged") {
		from, until = strings.Replace(from, "Z)", ".0Z)", 1), strings.Replace(until, "Z)", ".0Z)", 1) // as Active Directory wants it
	}
	switch f.Operator {
	case store.Eq:
		return "(&" + from + until + ")"
	case store.Gt, store.Ge:
		return from
	case store.Lt, store.Le:
		return until
	case store.StartsWith, store.EndsWith, store.Contains:
	}
	return everybody
}
