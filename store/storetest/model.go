package storetest

import (
	"cmp"
	"slices"

	"github.com/signet-idp/signet/store"
)

// model is what every driver must agree with: all live records of a kind, whole, and the definition of a Query as
// plain as it can be written.
type model []store.Record

// answer returns all records that match q, in its order.
func (m model) answer(q store.Query) []store.Record {
	var found model
	for _, r := range m {
		if matches(q, r) {
			found = append(found, r)
		}
	}
	found.sort(q)
	return found
}

// sort puts the records into the order of a query.
func (m model) sort(q store.Query) {
	slices.SortFunc(m, func(a, b store.Record) int {
		c := order(q.Sort, a, b)
		if q.Descending {
			return -c
		}
		return c
	})
}

func matches(q store.Query, r store.Record) bool {
	return reaches(q, r.Org) && (q.Filter == nil || q.Filter.Match(r.Index))
}

func reaches(q store.Query, org string) bool {
	switch q.Within {
	case store.Here:
		return org == q.Org
	case store.Subtree:
		return store.InSubtree(q.Org, org)
	}
	return true
}

// order compares by least value, records without one last, then by organization and id.
func order(field string, a, b store.Record) int {
	var c int
	if field != "" {
		x, inA := least(a, field)
		y, inB := least(b, field)
		switch {
		case inA && inB:
			c = x.Compare(y)
		case inA:
			return -1
		case inB:
			return 1
		}
	}
	return cmp.Or(c, cmp.Compare(a.Org, b.Org), cmp.Compare(a.ID, b.ID))
}

func least(r store.Record, field string) (value store.Value, found bool) {
	for _, e := range r.Index {
		if e.Field == field && (!found || e.Value.Compare(value) < 0) {
			value, found = e.Value, true
		}
	}
	return value, found
}

// promised reports whether the contract promises an index for the filter.
func promised(f store.Filter) bool {
	switch f := f.(type) {
	case nil, store.Present:
		return true
	case store.And:
		for _, part := range f {
			if !promised(part) {
				return false
			}
		}
		return true
	case store.Compare:
		return f.Operator != store.EndsWith && f.Operator != store.Contains
	}
	return false
}
