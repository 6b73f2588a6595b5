// Package memory is a store.Driver that lives in the process and ends with it: for tests, for examples, and as the
// separate store.Ephemeral of a single node.
//
//	db, err := store.Open(store.Config{Driver: memory.New(), Keys: ring})
//
// It serves every filter, so it never answers store.ErrUnindexed. It holds everything until Purge is called, and
// nothing survives the process: whoever needs that takes store/sqlstore.
package memory

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/signet-idp/signet/store"
)

// Driver implements store.Driver. The zero value is an empty store; it must not be copied after first use and is safe
// for concurrent use. Its only errors are those of the contract and those of an ended context.
type Driver struct {
	mu      sync.RWMutex
	version int64 // of the last write, whatever it wrote, so that none is ever used twice
	tables  map[string]*table
	expiry  index
	since   time.Time // of the first step
}

var (
	_ store.Driver = (*Driver)(nil)
	_ store.Lossy  = (*Driver)(nil)
)

// New returns an empty store.
func New() *Driver { return new(Driver) }

// Get implements store.Ephemeral.
func (d *Driver) Get(ctx context.Context, now time.Time, kind store.Kind, org, id string) (store.Record, error) {
	if err := ctx.Err(); err != nil {
		return store.Record{}, err
	}
	if err := store.ValidateKind(kind); err != nil {
		return store.Record{}, err
	}
	return d.read(now, kind, func(t *table) *row { return t.rows[store.Ref{Org: org, ID: id}] })
}

// Lookup implements store.Driver.
func (d *Driver) Lookup(ctx context.Context, now time.Time, kind store.Kind, org string, key store.Key) (store.Record, error) {
	if err := ctx.Err(); err != nil {
		return store.Record{}, err
	}
	if err := store.ValidateLookup(kind, key); err != nil {
		return store.Record{}, err
	}
	return d.read(now, kind, func(t *table) *row { return t.keys[claimOf(org, key)] })
}

func (d *Driver) read(now time.Time, kind store.Kind, find func(*table) *row) (store.Record, error) {
	d.mu.RLock()
	var found *row
	if t := d.tables[kind.Name]; t != nil {
		found = find(t)
	}
	d.mu.RUnlock()
	if !found.alive(now) {
		return store.Record{}, store.ErrNotFound
	}
	return found.read(), nil
}

// Apply implements store.Ephemeral. Operations take effect in their order: a later one sees what an earlier one did.
func (d *Driver) Apply(ctx context.Context, now time.Time, ops ...store.Op) ([]store.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := store.ValidateOps(ops); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begin(now)
	s := step{driver: d, now: now}
	results := make([]store.Result, len(ops))
	for i, op := range ops {
		result, conflict := s.do(op)
		if conflict != nil {
			s.undo()
			conflict.Op, conflict.Kind, conflict.Ref = i, op.Record.Kind, op.Record.Ref()
			return nil, conflict
		}
		results[i] = result
	}
	return results, nil
}

// Since implements store.Lossy: the memory of a process goes back to the first step, as an earlier process may have had
// another.
func (d *Driver) Since(ctx context.Context, now time.Time, kind store.Kind, _, _ string) (time.Time, error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, err
	}
	if err := store.ValidateKind(kind); err != nil {
		return time.Time{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begin(now)
	return d.since, nil
}

func (d *Driver) begin(now time.Time) {
	if d.since.IsZero() {
		d.since = micro(now)
	}
}

// Purge implements store.Driver.
func (d *Driver) Purge(ctx context.Context, now time.Time, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var expired []*row
	for p := range d.expiry.walk(everything, false) {
		if len(expired) >= limit || p.row.alive(now) {
			break
		}
		expired = append(expired, p.row)
	}
	for _, r := range expired {
		d.swap(d.table(r.record.Kind), r, nil)
	}
	return len(expired), nil
}

// row is a stored record. It never changes: a write puts another row in its place, so that readers need no lock for it.
type row struct {
	record store.Record
}

// newRow copies what the caller passed, sorts the index and drops what stands twice in it.
func newRow(r store.Record) *row {
	r.Body = bytes.Clone(r.Body)
	r.Keys = append([]store.Key(nil), r.Keys...)
	r.Index = sortedEntries(r.Index)
	r.Expires = micro(r.Expires)
	return &row{record: r}
}

// alive reports whether there is a row and its record has not expired.
func (r *row) alive(now time.Time) bool {
	return r != nil && (r.record.Expires.IsZero() || r.record.Expires.After(now))
}

// read returns a copy for the caller to keep.
func (r *row) read() store.Record {
	out := r.record
	out.Body = bytes.Clone(out.Body)
	out.Keys, out.Index = nil, nil
	return out
}

// micro cuts t to the precision that the contract promises.
func micro(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMicro(t.UnixMicro()).UTC()
}
