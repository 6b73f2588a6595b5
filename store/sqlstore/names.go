package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/signet-idp/signet/store"
)

// names are the index entries of a record in stored form, and the digest of them and of its unique keys.
type names struct {
	entries []entry
	// digest is nil when the record has neither keys nor entries.
	digest []byte
	// shape is "" for a record of an ephemeral kind, which is never listed.
	shape string
}

// bare is the shape of a record without entries.
const bare = "[]"

// entry is an index entry in stored form.
type entry struct {
	field string
	value []byte
}

func newNames(r *store.Record) names {
	if r.Kind.Ephemeral {
		return names{}
	}
	if len(r.Keys) == 0 && len(r.Index) == 0 {
		return names{shape: bare}
	}
	n := names{entries: make([]entry, 0, len(r.Index))}
	for _, e := range r.Index {
		n.entries = append(n.entries, entry{e.Field, encode(e.Value)})
	}
	slices.SortFunc(n.entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.field, b.field), bytes.Compare(a.value, b.value))
	})
	n.entries = slices.CompactFunc(n.entries, entry.equal)
	n.digest = digest(r.Keys, n.entries)
	n.shape = shapeOf(n.entries)
	return n
}

func (e entry) equal(other entry) bool {
	return e.field == other.field && bytes.Equal(e.value, other.value)
}

// digest is the same for the same names in whatever order they were given.
func digest(keys []store.Key, entries []entry) []byte {
	keys = slices.Clone(keys)
	slices.SortFunc(keys, func(a, b store.Key) int {
		return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value))
	})
	var text []byte
	add := func(word string) {
		text = binary.AppendUvarint(text, uint64(len(word)))
		text = append(text, word...)
	}
	for _, k := range keys {
		text = append(text, 'k', byte(k.Scope))
		add(k.Name)
		add(k.Value)
	}
	for _, e := range entries {
		text = append(text, 'e')
		add(e.field)
		add(string(e.value))
	}
	sum := sha256.Sum256(text)
	return sum[:]
}

// encode writes a value so that bytes compare as values do: the type, then text as it is, or a number with its sign
// turned, most significant byte first.
func encode(v store.Value) []byte {
	if v.Type == store.TextValue {
		return append([]byte{byte(v.Type)}, v.Text...)
	}
	return binary.BigEndian.AppendUint64([]byte{byte(v.Type)}, uint64(v.Number)^1<<63)
}

// rename removes the names that a replaced record no longer has, and leaves in p those that are new.
func (t *transaction) rename(p *plan, have state) error {
	if err := t.shape(p); err != nil {
		return err
	}
	p.keys, p.entries = p.op.Record.Keys, p.names.entries
	if len(have.digest) == 0 {
		return nil
	}
	r := &p.op.Record
	oldKeys, err := t.keysOf(r)
	if err != nil {
		return err
	}
	oldEntries, err := t.entriesOf(r)
	if err != nil {
		return err
	}
	for _, k := range without(oldKeys, p.keys, sameKey) {
		if err := t.exec(t.sql.DeleteKey, keyArgs(r.Kind, r.Org, k)...); err != nil {
			return err
		}
	}
	for _, e := range without(oldEntries, p.entries, entry.equal) {
		if err := t.exec(t.sql.DeleteEntry, r.Kind.Name, r.Org, r.ID, e.field, e.value); err != nil {
			return err
		}
	}
	p.keys = without(p.keys, oldKeys, sameKey)
	p.entries = without(p.entries, oldEntries, entry.equal)
	return nil
}

// without returns the members of a that are not in b.
func without[T any](a, b []T, equal func(T, T) bool) []T {
	var left []T
	for _, x := range a {
		if !slices.ContainsFunc(b, func(y T) bool { return equal(x, y) }) {
			left = append(left, x)
		}
	}
	return left
}

func (t *transaction) keysOf(r *store.Record) ([]store.Key, error) {
	var keys []store.Key
	err := t.session.rows(context.Background(), t.sql.Keys, []any{r.Kind.Name, r.Org, r.ID}, func(scan func(...any) error) error {
		var k store.Key
		err := scan(&k.Scope, &k.Name, &k.Value)
		keys = append(keys, k)
		return err
	})
	return keys, err
}

func (t *transaction) entriesOf(r *store.Record) ([]entry, error) {
	var entries []entry
	err := t.session.rows(context.Background(), t.sql.Entries, []any{r.Kind.Name, r.Org, r.ID}, func(scan func(...any) error) error {
		var e entry
		err := scan(&e.field, &e.value)
		entries = append(entries, e)
		return err
	})
	return entries, err
}

// name writes the new names of the i-th operation.
func (t *transaction) name(now int64, i int, p *plan) error {
	r := &p.op.Record
	for _, k := range p.keys {
		held, err := t.claim(now, r, k)
		if err != nil {
			return err
		}
		if held {
			return p.conflict(i, store.Exists, k)
		}
	}
	for _, e := range p.entries {
		if err := t.exec(t.sql.InsertEntry, r.Kind.Name, r.Org, r.ID, e.field, e.value); err != nil {
			return err
		}
	}
	return nil
}

// claim takes a unique key for r. It reports whether another record holds it; one that has expired gives way.
func (t *transaction) claim(now int64, r *store.Record, k store.Key) (held bool, err error) {
	t.dirty = true
	place := keyArgs(r.Kind, r.Org, k)
	claim := append(slices.Clone(place), r.Org, r.ID)
	n, err := t.session.exec(t.sql.InsertKey, claim...)
	if err != nil || n == 1 {
		return false, err
	}
	var org, id string
	var have state
	err = t.session.row(t.sql.KeyHolder, place, &org, &id, &have.expires, &have.digest)
	switch {
	case errors.Is(err, sql.ErrNoRows): // a key without its record: nothing that we write, but nobody holds it
		err = t.exec(t.sql.DeleteKey, place...)
	case err != nil:
		return false, err
	case org == r.Org && id == r.ID: // the record names the same key twice
		return false, nil
	case have.expires > now:
		return true, nil
	default:
		err = t.remove(r.Kind.Name, org, id, have.digest)
	}
	if err != nil {
		return false, err
	}
	return false, t.exec(t.sql.InsertKey, claim...)
}

func sameKey(a, b store.Key) bool { return a == b }
