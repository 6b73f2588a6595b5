package sqlstore

import (
	"bytes"

	"github.com/signet-idp/signet/store"
)

// isEmpty reports whether f is an And of nothing.
func isEmpty(f store.Filter) bool {
	and, ok := f.(store.And)
	if !ok {
		return false
	}
	for _, part := range and {
		if !isEmpty(part) {
			return false
		}
	}
	return true
}

// term is a condition that an index leads to.
type term struct {
	filter store.Filter
	field  string
	bounds bounds
	rank   int
}

// The ranks of terms: how few records are behind one, as far as its form tells.
const (
	byPresence = iota
	byRange
	byPrefix
	byValue
)

// maxTerms bounds a filter: beyond it a statement would be refused by the database.
const maxTerms = 50

// promised lists the terms of f that an index serves, itself or the parts of an And. A filter that cannot be probed for
// is store.ErrUnindexed.
func promised(dialect *Dialect, f store.Filter, terms []term, size *int) ([]term, error) {
	if *size++; *size > maxTerms {
		return nil, store.ErrUnindexed
	}
	switch f := f.(type) {
	case store.And:
		for _, part := range f {
			var err error
			if terms, err = promised(dialect, part, terms, size); err != nil {
				return nil, err
			}
		}
		return terms, nil
	case store.Present:
		return append(terms, term{filter: f, field: f.Field, rank: byPresence}), nil
	case store.Compare:
		b, ok := boundsOf(dialect, f)
		if !ok {
			return nil, store.ErrUnindexed
		}
		rank := byRange
		switch f.Operator {
		case store.Eq:
			rank = byValue
		case store.StartsWith:
			rank = byPrefix
		}
		return append(terms, term{filter: f, field: f.Field, bounds: b, rank: rank}), nil
	case store.Or:
		for _, part := range f {
			if _, err := promised(dialect, part, nil, size); err != nil {
				return nil, err
			}
		}
		return terms, nil
	case store.Not:
		_, err := promised(dialect, f.Filter, nil, size)
		return terms, err
	default:
		return nil, store.ErrUnindexed
	}
}

// bounds are the stored values between which a condition holds. Without low, all do.
type bounds struct {
	low, high []byte
	// exact means low alone.
	exact bool
	// open excludes low, and closed includes high.
	open, closed bool
}

// boundsOf returns the bounds of a comparison that an index serves.
func boundsOf(dialect *Dialect, c store.Compare) (bounds, bool) {
	if c.Value.Type > store.TimeValue {
		return bounds{}, false
	}
	value := encode(c.Value)
	if c.Operator == store.Eq {
		return bounds{low: dialect.cut(value), exact: true}, true
	}
	if dialect.LongValue > 0 && len(value) > dialect.kept() {
		return bounds{}, false // values that begin like this one may have been cut
	}
	first, last := []byte{byte(c.Value.Type)}, []byte{byte(c.Value.Type) + 1}
	switch c.Operator {
	case store.StartsWith:
		if c.Value.Type != store.TextValue {
			return bounds{low: value, high: value}, true // never holds
		}
		return bounds{low: value, high: successor(value)}, true
	case store.Gt:
		return bounds{low: value, open: true, high: last}, true
	case store.Ge:
		return bounds{low: value, high: last}, true
	case store.Lt:
		return bounds{low: first, high: value}, true
	case store.Le:
		return bounds{low: first, high: value, closed: true}, true
	}
	return bounds{}, false
}

// and returns the bounds within which both conditions hold.
func (b bounds) and(c bounds) bounds {
	if c.exact || b.low == nil && b.high == nil {
		return c
	}
	if c.low != nil {
		if order := bytes.Compare(c.low, b.low); b.low == nil || order > 0 || order == 0 && c.open {
			b.low, b.open = c.low, c.open
		}
	}
	if c.high != nil {
		if order := bytes.Compare(c.high, b.high); b.high == nil || order < 0 || order == 0 && !c.closed {
			b.high, b.closed = c.high, c.closed
		}
	}
	return b
}

// successor returns the least value that is greater than all that begin with prefix. Its first byte is a type, which is
// never 0xff.
func successor(prefix []byte) []byte {
	next := append([]byte(nil), prefix...)
	for next[len(next)-1] == 0xff {
		next = next[:len(next)-1]
	}
	next[len(next)-1]++
	return next
}
