package memory

import (
	"cmp"
	"slices"

	"github.com/signet-idp/signet/store"
)

// table holds the records of one kind.
type table struct {
	rows   map[store.Ref]*row
	keys   map[claim]*row
	order  index             // by (org, id)
	fields map[string]*index // by (value, org, id)
}

// claim is a unique key with the organization in which it is unique.
type claim struct {
	org string
	key store.Key
}

func claimOf(org string, key store.Key) claim {
	if key.Scope == store.GlobalScope {
		org = ""
	}
	return claim{org: org, key: key}
}

// table returns the table of a kind and makes it when it is new.
func (d *Driver) table(kind store.Kind) *table {
	if t := d.tables[kind.Name]; t != nil {
		return t
	}
	if d.tables == nil {
		d.tables = make(map[string]*table)
	}
	t := &table{rows: make(map[store.Ref]*row), keys: make(map[claim]*row), fields: make(map[string]*index)}
	d.tables[kind.Name] = t
	return t
}

// swap puts one row in the place of another, in every index; nil stands for no row.
func (d *Driver) swap(t *table, old, next *row) {
	if old != nil {
		t.remove(old)
		if !old.record.Expires.IsZero() {
			d.expiry.remove(deadline(old))
		}
	}
	if next != nil {
		t.add(next)
		if !next.record.Expires.IsZero() {
			d.expiry.insert(deadline(next))
		}
	}
}

// deadline is a row's place in the index by expiry.
func deadline(r *row) posting { return posting{value: store.Time(r.record.Expires), row: r} }

func (t *table) add(r *row) {
	t.rows[r.record.Ref()] = r
	t.order.insert(posting{row: r})
	for _, key := range r.record.Keys {
		t.keys[claimOf(r.record.Org, key)] = r
	}
	for _, e := range r.record.Index {
		field := t.fields[e.Field]
		if field == nil {
			field = new(index)
			t.fields[e.Field] = field
		}
		field.insert(posting{value: e.Value, row: r})
	}
}

func (t *table) remove(r *row) {
	delete(t.rows, r.record.Ref())
	t.order.remove(posting{row: r})
	for _, key := range r.record.Keys {
		delete(t.keys, claimOf(r.record.Org, key))
	}
	for _, e := range r.record.Index {
		t.fields[e.Field].remove(posting{value: e.Value, row: r})
	}
}

// sortedEntries returns a copy in which the least entry of a field is its first and none stands twice.
func sortedEntries(entries []store.Entry) []store.Entry {
	sorted := append([]store.Entry(nil), entries...)
	slices.SortFunc(sorted, func(a, b store.Entry) int {
		return cmp.Or(cmp.Compare(a.Field, b.Field), a.Value.Compare(b.Value))
	})
	return slices.Compact(sorted)
}

// least returns the least value of the field, by which List sorts.
func (r *row) least(field string) (store.Value, bool) {
	for _, e := range r.record.Index {
		if e.Field == field {
			return e.Value, true
		}
	}
	return store.Value{}, false
}
