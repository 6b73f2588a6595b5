package store

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// ValidateOps says what in the operations of one Apply breaks the contract, with an error that wraps ErrInvalid. Drivers
// begin with it, so that all of them refuse the same.
func ValidateOps(ops []Op) error {
	if len(ops) == 0 {
		return fmt.Errorf("%w: no operation", ErrInvalid)
	}
	for i := range ops {
		if err := validateOp(&ops[i]); err != nil {
			return fmt.Errorf("%w: operation %d: %v", ErrInvalid, i, err)
		}
	}
	return distinct(ops)
}

// distinct refuses two operations on one record.
func distinct(ops []Op) error {
	same := func(a, b *Record) bool { return a.ID == b.ID && a.Org == b.Org && a.Kind.Name == b.Kind.Name }
	if len(ops) <= 8 {
		for i := range ops {
			for j := range i {
				if same(&ops[i].Record, &ops[j].Record) {
					return fmt.Errorf("%w: operations %d and %d concern one record", ErrInvalid, j, i)
				}
			}
		}
		return nil
	}
	type place struct{ kind, org, id string }
	seen := make(map[place]int, len(ops))
	for i := range ops {
		r := &ops[i].Record
		p := place{r.Kind.Name, r.Org, r.ID}
		if j, ok := seen[p]; ok {
			return fmt.Errorf("%w: operations %d and %d concern one record", ErrInvalid, j, i)
		}
		seen[p] = i
	}
	return nil
}

func validateOp(op *Op) error {
	r := &op.Record
	if op.Verb < VerbInsert || op.Verb > VerbAdd {
		return errors.New("no verb")
	}
	if !validKind(r.Kind.Name) {
		return fmt.Errorf("kind %q is not 1 to 64 lower-case letters, digits, dots and dashes", r.Kind.Name)
	}
	if !validID(r.ID) {
		return fmt.Errorf("id %q of %s is not 1 to 256 bytes of UTF-8 without control characters", r.ID, r.Kind)
	}
	if r.Org != "" {
		for id := range strings.SplitSeq(r.Org, "/") {
			if !validID(id) {
				return fmt.Errorf("organization %q of %s is not a path of ids", r.Org, r.Kind)
			}
		}
	}
	if !validExpiry(r.Expires) {
		return fmt.Errorf("%s expires after the year 9999 or before the year 0", r.Kind)
	}
	if r.Kind.Ephemeral && (len(r.Keys) != 0 || len(r.Index) != 0) {
		return fmt.Errorf("%s is ephemeral and has no unique keys and no index", r.Kind)
	}
	for _, k := range r.Keys {
		if !validKey(k) {
			return fmt.Errorf("a key of %s has no name or no scope", r.Kind)
		}
	}
	for _, e := range r.Index {
		if e.Field == "" || e.Value.Type > TimeValue {
			return fmt.Errorf("an index entry of %s has no field or no type", r.Kind)
		}
	}
	return nil
}

func validKind(name string) bool {
	const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789.-"
	return len(name) >= 1 && len(name) <= 64 && strings.Trim(name, alphabet) == ""
}

func validID(id string) bool {
	return len(id) >= 1 && len(id) <= 256 && utf8.ValidString(id) && !strings.ContainsFunc(id, unicode.IsControl)
}

// validExpiry refuses what microseconds in 64 bits cannot hold, and what RFC 3339 cannot write: beyond its range a time would wrap, and
// the record be gone at once.
func validExpiry(t time.Time) bool {
	year := t.UTC().Year()
	return 0 <= year && year <= 9999
}

func validKey(k Key) bool { return k.Name != "" && k.Scope <= GlobalScope }

// ValidateKind says what is wrong with a Kind, with an error that wraps ErrInvalid.
func ValidateKind(kind Kind) error {
	if !validKind(kind.Name) {
		return fmt.Errorf("%w: kind %q", ErrInvalid, kind.Name)
	}
	return nil
}

// ValidateLookup says what is wrong with a Lookup, with an error that wraps ErrInvalid.
func ValidateLookup(kind Kind, key Key) error {
	if kind.Ephemeral || !validKey(key) {
		return fmt.Errorf("%w: lookup of key %q of %s, which cannot be", ErrInvalid, key.Name, kind)
	}
	return ValidateKind(kind)
}

// ValidateQuery returns how many records a page of the query holds, or an error that wraps ErrInvalid. Cursors are the
// driver's own business.
func ValidateQuery(q Query) (limit int, err error) {
	switch {
	case !validKind(q.Kind.Name) || q.Kind.Ephemeral:
		return 0, fmt.Errorf("%w: query of kind %q, which is ephemeral or none", ErrInvalid, q.Kind.Name)
	case q.Within > Everywhere:
		return 0, fmt.Errorf("%w: Query.Within is %d", ErrInvalid, q.Within)
	case q.Limit < 0 || q.Limit > 1000:
		return 0, fmt.Errorf("%w: Query.Limit is %d, want 0 to 1000", ErrInvalid, q.Limit)
	case q.Count < 0:
		return 0, fmt.Errorf("%w: Query.Count is %d", ErrInvalid, q.Count)
	case q.Filter != nil:
		if err := validateFilter(q.Filter); err != nil {
			return 0, fmt.Errorf("%w: Query.Filter: %v", ErrInvalid, err)
		}
	}
	if q.Limit == 0 {
		return 100, nil
	}
	return q.Limit, nil
}

// validateFilter refuses what is not one of the expressions of this package, nil among them.
func validateFilter(f Filter) error {
	parts := []Filter(nil)
	switch f := f.(type) {
	case And:
		parts = f
	case Or:
		parts = f
	case Not:
		parts = []Filter{f.Filter}
	case Present:
		if f.Field == "" {
			return errors.New("a condition without a field")
		}
	case Compare:
		if f.Field == "" {
			return errors.New("a condition without a field")
		}
		if f.Operator < Eq || f.Operator > Le || f.Value.Type > TimeValue {
			return fmt.Errorf("operator %d with a value of type %d", f.Operator, f.Value.Type)
		}
	default:
		return fmt.Errorf("%T is no filter", f)
	}
	for _, part := range parts {
		if err := validateFilter(part); err != nil {
			return err
		}
	}
	return nil
}
