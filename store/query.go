package store

import (
	"cmp"
	"strings"
	"time"
)

// Query asks List for a page of records of one kind.
//
// An index always serves: Compare with Eq, StartsWith, Gt, Ge, Lt or Le; Present; And of these; sorting by one field.
// A driver may refuse any other filter with ErrUnindexed.
type Query struct {
	Kind Kind
	// Org and Within say where to look: in Org itself, in Org and everything below it, or everywhere.
	Org    string
	Within Within
	// Filter selects records; nil is all.
	Filter Filter
	// Sort is the field to sort by; "" is by (org, id). A record's least entry counts; records without an entry come
	// after all others, also when Descending is false; with Descending they come first (RFC 7644 §3.4.2.3).
	// Ties are broken by (org, id).
	Sort       string
	Descending bool
	// After is the Next of the page before; "" begins. A cursor serves the query that made it and no other.
	After string
	// Limit is how many records a page may hold, 1 to 1000; zero is 100.
	Limit int
	// Count asks for the number of matches, counted no further than this bound; zero does not count.
	Count int
}

// Within is how far below an organization a Query looks.
type Within uint8

// The reaches of a Query.
const (
	// Here looks in the organization itself.
	Here Within = iota
	// Subtree looks in the organization and all below it.
	Subtree
	// Everywhere ignores Org: maintenance only.
	Everywhere
)

// InSubtree reports whether org is root or lies below it.
func InSubtree(root, org string) bool {
	return root == "" || org == root || (len(org) > len(root) && org[len(root)] == '/' && org[:len(root)] == root)
}

// Page is one page of a List.
type Page struct {
	Records []Record
	// Next is the cursor of the following page; "" when this is the last.
	Next string
	// Count is the number of matches, at most Query.Count.
	Count int
}

// Filter is an expression over the index entries of a record: And, Or, Not, Compare or Present.
type Filter interface {
	// Match evaluates the expression over entries. It is the definition that every driver must agree with.
	Match(entries []Entry) bool
}

// And matches when all of its parts do; an empty And matches everything.
type And []Filter

// Or matches when one of its parts does; an empty Or matches nothing.
type Or []Filter

// Not matches when its part does not.
type Not struct{ Filter Filter }

// Present matches when the record has an entry of the field, which is not "".
type Present struct{ Field string }

// Compare matches when one entry of the field, which is not "", stands in the relation to Value. Entries of another type
// never do.
type Compare struct {
	Field    string
	Operator Operator
	Value    Value
}

// Operator is the relation of a Compare.
type Operator uint8

// The operators, named as in RFC 7644 §3.4.2.2. StartsWith, EndsWith and Contains apply to text alone.
const (
	Eq Operator = iota + 1
	StartsWith
	EndsWith
	Contains
	Gt
	Ge
	Lt
	Le
)

// Equals is the commonest filter.
func Equals(field string, v Value) Compare { return Compare{Field: field, Operator: Eq, Value: v} }

// Match implements Filter.
func (f And) Match(entries []Entry) bool {
	for _, part := range f {
		if !part.Match(entries) {
			return false
		}
	}
	return true
}

// Match implements Filter.
func (f Or) Match(entries []Entry) bool {
	for _, part := range f {
		if part.Match(entries) {
			return true
		}
	}
	return false
}

// Match implements Filter.
func (f Not) Match(entries []Entry) bool { return !f.Filter.Match(entries) }

// Match implements Filter.
func (f Present) Match(entries []Entry) bool {
	for _, e := range entries {
		if e.Field == f.Field {
			return true
		}
	}
	return false
}

// Match implements Filter.
func (f Compare) Match(entries []Entry) bool {
	for _, e := range entries {
		if e.Field == f.Field && f.Operator.holds(e.Value, f.Value) {
			return true
		}
	}
	return false
}

func (o Operator) holds(have, want Value) bool {
	if have.Type != want.Type {
		return false
	}
	switch o {
	case Eq:
		return have == want
	case StartsWith:
		return have.Type == TextValue && strings.HasPrefix(have.Text, want.Text)
	case EndsWith:
		return have.Type == TextValue && strings.HasSuffix(have.Text, want.Text)
	case Contains:
		return have.Type == TextValue && strings.Contains(have.Text, want.Text)
	case Gt:
		return have.Compare(want) > 0
	case Ge:
		return have.Compare(want) >= 0
	case Lt:
		return have.Compare(want) < 0
	case Le:
		return have.Compare(want) <= 0
	}
	return false
}

// ValueType is the type of a Value.
type ValueType uint8

// The types of a Value.
const (
	TextValue ValueType = iota
	NumberValue
	BoolValue
	TimeValue
)

// Value is a typed, normalized value of an Entry. Make it with Text, Number, Bool or Time; values are comparable with ==.
type Value struct {
	Type ValueType
	// Text is the value of a TextValue; it is compared byte by byte.
	Text string
	// Number is the value of all other types: 0 or 1 for a BoolValue, microseconds since 1970 for a TimeValue.
	Number int64
}

// Text returns a text value. Case folding and other normalization are the owner's business.
func Text(s string) Value { return Value{Type: TextValue, Text: s} }

// Number returns an integer value.
func Number(n int64) Value { return Value{Type: NumberValue, Number: n} }

// Bool returns a boolean value; false is less than true.
func Bool(b bool) Value {
	if b {
		return Value{Type: BoolValue, Number: 1}
	}
	return Value{Type: BoolValue}
}

// Time returns a point in time with a precision of one microsecond.
func Time(t time.Time) Value { return Value{Type: TimeValue, Number: t.UnixMicro()} }

// Compare orders two values of the same type; of different types, by type.
func (v Value) Compare(w Value) int {
	return cmp.Or(cmp.Compare(v.Type, w.Type), cmp.Compare(v.Text, w.Text), cmp.Compare(v.Number, w.Number))
}
