package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/signet-idp/signet/store"
)

// transaction is an open transaction with the versions that were reserved for it.
type transaction struct {
	session *session
	sql     *Statements
	// version is the last that was given to a step. Steps of one transaction have versions of their own, because two
	// of them may write the same counter.
	version int64
	// known are the shapes that are surely in the database, learned those that this transaction has put there.
	known   map[string]struct{}
	learned []string
	// wrote is set when a step that stands has written something.
	wrote bool
	dirty bool
}

func (t *transaction) exec(text string, args ...any) error {
	t.dirty = true
	_, err := t.session.exec(text, args...)
	return err
}

// reserve takes n versions out of the counter.
func (t *transaction) reserve(n int64) error {
	var last int64
	if err := t.session.row(context.Background(), t.sql.Versions, []any{n}, &last); err != nil {
		return err
	}
	t.version = last - n
	return nil
}

// attempt does one step. The error is not the step's, but that of a transaction which cannot go on.
func (t *transaction) attempt(s *step, shared bool) error {
	t.version++
	t.dirty = false
	learned := len(t.learned)
	if shared {
		if _, err := t.session.exec(t.sql.Savepoint); err != nil {
			return err
		}
	}
	s.err = s.run(t)
	if s.err == nil {
		t.wrote = t.wrote || t.dirty
	} else {
		t.learned = t.learned[:learned]
	}
	if !shared {
		return nil
	}
	if s.err != nil {
		if _, err := t.session.exec(t.sql.Undo); err != nil {
			return s.err // the database has given the whole transaction up
		}
	}
	_, err := t.session.exec(t.sql.Release)
	return err
}

// apply does the operations in their order: a later one sees what an earlier one did.
func (t *transaction) apply(now int64, plans []plan, results []store.Result) error {
	for i := range plans {
		if err := t.record(now, i, &plans[i], &results[i]); err != nil {
			return err
		}
		if err := t.name(now, i, &plans[i]); err != nil {
			return err
		}
	}
	return nil
}

// record judges and does the i-th operation as far as the record itself goes.
func (t *transaction) record(now int64, i int, p *plan, result *store.Result) error {
	if p.op.Verb == store.VerbInsert {
		return t.insert(now, i, p, result)
	}
	r := &p.op.Record
	have, err := t.state(r)
	if err != nil {
		return err
	}
	if p.op.Verb == store.VerbAdd {
		return t.add(now, p, have, result)
	}
	switch {
	case !have.standsAt(now):
		return p.conflict(i, store.Absent, store.Key{})
	case have.version != r.Version:
		return p.conflict(i, store.Version, store.Key{})
	}
	switch p.op.Verb {
	case store.VerbReplace:
		return t.replace(p, have, result)
	case store.VerbDelete:
		return t.remove(r.Kind.Name, r.Org, r.ID, have.digest)
	default: // VerbCheck
		result.Version = have.version
		return nil
	}
}

func (t *transaction) state(r *store.Record) (state, error) {
	var have state
	err := t.session.row(context.Background(), t.sql.State, []any{r.Kind.Name, r.Org, r.ID},
		&have.version, &have.expires, &have.count, &have.digest)
	if errors.Is(err, sql.ErrNoRows) {
		return state{}, nil
	}
	return have, err
}

func (t *transaction) insert(now int64, i int, p *plan, result *store.Result) error {
	inserted, err := t.insertRow(p, 0)
	if err != nil {
		return err
	}
	if !inserted {
		have, err := t.state(&p.op.Record)
		if err != nil {
			return err
		}
		if have.standsAt(now) {
			return p.conflict(i, store.Exists, store.Key{})
		}
		if err := t.insertOver(p, have, 0); err != nil {
			return err
		}
	}
	p.keys, p.entries = p.op.Record.Keys, p.names.entries
	result.Version = t.version
	return t.shape(p)
}

// insertRow writes the row unless there is one.
func (t *transaction) insertRow(p *plan, count int64) (bool, error) {
	t.dirty = true
	r := &p.op.Record
	n, err := t.session.exec(t.sql.InsertRecord, r.Kind.Name, r.Org, r.ID,
		t.version, p.expires, int64(r.Schema), count, orNull(p.names.digest), orNull(r.Body))
	return n == 1, err
}

// insertOver writes the row where an expired one may stand.
func (t *transaction) insertOver(p *plan, have state, count int64) error {
	r := &p.op.Record
	if have.version != 0 {
		if err := t.remove(r.Kind.Name, r.Org, r.ID, have.digest); err != nil {
			return err
		}
	}
	_, err := t.insertRow(p, count)
	return err
}

func (t *transaction) replace(p *plan, have state, result *store.Result) error {
	r := &p.op.Record
	err := t.exec(t.sql.UpdateRecord, t.version, p.expires, int64(r.Schema), orNull(p.names.digest), orNull(r.Body),
		r.Kind.Name, r.Org, r.ID)
	if err != nil {
		return err
	}
	result.Version = t.version
	if bytes.Equal(have.digest, p.names.digest) {
		return nil
	}
	return t.rename(p, have)
}

func (t *transaction) add(now int64, p *plan, have state, result *store.Result) error {
	r := &p.op.Record
	result.Version = t.version
	if !have.standsAt(now) {
		result.Count = p.op.Delta
		if err := t.shape(p); err != nil {
			return err
		}
		return t.insertOver(p, have, result.Count)
	}
	result.Count = have.count + p.op.Delta
	return t.exec(t.sql.UpdateCount, t.version, result.Count, r.Kind.Name, r.Org, r.ID)
}

// remove deletes a record with its names.
func (t *transaction) remove(kind, org, id string, digest []byte) error {
	if err := t.exec(t.sql.DeleteRecord, kind, org, id); err != nil || len(digest) == 0 {
		return err
	}
	if err := t.exec(t.sql.DeleteKeys, kind, org, id); err != nil {
		return err
	}
	return t.exec(t.sql.DeleteEntries, kind, org, id)
}

// purge removes up to limit records that have expired.
func (t *transaction) purge(now int64, limit int) (int, error) {
	type expired struct {
		kind, org, id string
		digest        []byte
	}
	var all []expired
	err := t.session.rows(context.Background(), t.sql.Expired, []any{now, int64(limit)}, func(scan func(...any) error) error {
		var e expired
		err := scan(&e.kind, &e.org, &e.id, &e.digest)
		all = append(all, e)
		return err
	})
	for _, e := range all {
		if err == nil {
			err = t.remove(e.kind, e.org, e.id, e.digest)
		}
	}
	return len(all), err
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
	err = t.session.row(context.Background(), t.sql.KeyHolder, place, &org, &id, &have.expires, &have.digest)
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
