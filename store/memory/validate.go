package memory

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/signet-idp/signet/store"
)

func checkKind(k store.Kind) error {
	const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789.-"
	if len(k.Name) < 1 || len(k.Name) > 64 || strings.Trim(k.Name, alphabet) != "" {
		return fmt.Errorf("%w: kind %q must be 1 to 64 lower-case letters, digits, dots or dashes", store.ErrInvalid, k.Name)
	}
	return nil
}

func checkOps(ops []store.Op) error {
	if len(ops) == 0 {
		return fmt.Errorf("%w: a step without operations", store.ErrInvalid)
	}
	type target struct {
		kind string
		ref  store.Ref
	}
	seen := make(map[target]bool, len(ops))
	for i, op := range ops {
		if err := checkOp(op); err != nil {
			return fmt.Errorf("operation %d: %w", i, err)
		}
		t := target{kind: op.Record.Kind.Name, ref: op.Record.Ref()}
		if seen[t] {
			return fmt.Errorf("%w: operation %d is the second on one %s", store.ErrInvalid, i, t.kind)
		}
		seen[t] = true
	}
	return nil
}

func checkOp(op store.Op) error {
	if op.Verb < store.VerbInsert || op.Verb > store.VerbAdd {
		return fmt.Errorf("%w: verb %d", store.ErrInvalid, op.Verb)
	}
	r := op.Record
	if err := checkKind(r.Kind); err != nil {
		return err
	}
	if r.Org != "" {
		for id := range strings.SplitSeq(r.Org, "/") {
			if !validID(id) {
				return fmt.Errorf("%w: organization %q is not a path of ids", store.ErrInvalid, r.Org)
			}
		}
	}
	if !validID(r.ID) {
		return fmt.Errorf("%w: id of a %s must be 1 to 256 bytes of UTF-8 without control characters", store.ErrInvalid, r.Kind)
	}
	if r.Kind.Ephemeral && len(r.Keys)+len(r.Index) > 0 {
		return fmt.Errorf("%w: %s is ephemeral and has neither unique keys nor an index", store.ErrInvalid, r.Kind)
	}
	return checkNames(r)
}

func checkNames(r store.Record) error {
	for _, key := range r.Keys {
		if err := checkKey(key); err != nil {
			return fmt.Errorf("%s: %w", r.Kind, err)
		}
	}
	for _, e := range r.Index {
		if e.Field == "" || e.Value.Type > store.TimeValue {
			return fmt.Errorf("%w: %s has an index entry without field or type", store.ErrInvalid, r.Kind)
		}
	}
	return nil
}

func checkKey(key store.Key) error {
	if key.Name == "" || key.Scope > store.GlobalScope {
		return fmt.Errorf("%w: unique key without name or scope", store.ErrInvalid)
	}
	return nil
}

func validID(id string) bool {
	return len(id) >= 1 && len(id) <= 256 && utf8.ValidString(id) && !strings.ContainsFunc(id, unicode.IsControl)
}

func checkLookup(kind store.Kind, key store.Key) error {
	if err := checkKind(kind); err != nil {
		return err
	}
	if kind.Ephemeral {
		return fmt.Errorf("%w: %s is ephemeral and has no unique keys", store.ErrInvalid, kind)
	}
	return checkKey(key)
}

// checkQuery fills the defaults of a query and reads its cursor.
func checkQuery(q *store.Query) (*position, error) {
	if err := checkKind(q.Kind); err != nil {
		return nil, err
	}
	if q.Kind.Ephemeral {
		return nil, fmt.Errorf("%w: query: %s is ephemeral and has no index", store.ErrInvalid, q.Kind)
	}
	if q.Limit == 0 {
		q.Limit = 100
	}
	if q.Limit < 1 || q.Limit > 1000 || q.Count < 0 || q.Within > store.Everywhere {
		return nil, fmt.Errorf("%w: query: limit %d, count %d or reach %d", store.ErrInvalid, q.Limit, q.Count, q.Within)
	}
	if q.Filter != nil {
		if err := checkFilter(q.Filter); err != nil {
			return nil, err
		}
	}
	return parseCursor(q.After)
}

// checkFilter refuses what is not one of the five expressions of the contract, nil among them.
func checkFilter(f store.Filter) error {
	switch f := f.(type) {
	case store.And:
		return checkFilters(f)
	case store.Or:
		return checkFilters(f)
	case store.Not:
		return checkFilter(f.Filter)
	case store.Present:
		return nil
	case store.Compare:
		if f.Operator < store.Eq || f.Operator > store.Le {
			return fmt.Errorf("%w: query: operator %d", store.ErrInvalid, f.Operator)
		}
		return nil
	}
	return fmt.Errorf("%w: query: %T is no filter", store.ErrInvalid, f)
}

func checkFilters(parts []store.Filter) error {
	for _, part := range parts {
		if err := checkFilter(part); err != nil {
			return err
		}
	}
	return nil
}
