package memory

import (
	"slices"
	"time"

	"github.com/signet-idp/signet/store"
)

// step is one Apply at work: it writes as it goes and remembers how to go back.
type step struct {
	driver *Driver
	now    time.Time
	done   []change
}

// change is one row that took the place of another; nil stands for no row.
type change struct {
	table    *table
	old, new *row
}

// do performs one operation. The conflict it may return wants its Op, Kind and Ref.
func (s *step) do(op store.Op) (store.Result, *store.Conflict) {
	t := s.driver.table(op.Record.Kind)
	old := t.rows[op.Record.Ref()]
	if reason := refusal(op, old, s.now); reason != 0 {
		return store.Result{}, &store.Conflict{Reason: reason}
	}
	switch op.Verb {
	case store.VerbCheck:
		return store.Result{Version: old.record.Version}, nil
	case store.VerbDelete:
		s.write(t, old, nil)
		return store.Result{}, nil
	}
	next := s.next(op, old)
	if key, held := s.claim(t, old, next); held {
		return store.Result{}, &store.Conflict{Reason: store.Exists, Key: key}
	}
	s.driver.version++
	next.record.Version = s.driver.version
	s.write(t, old, next)
	return store.Result{Version: next.record.Version, Count: next.record.Count}, nil
}

// refusal says which condition of op does not hold for the row that stands, or zero.
func refusal(op store.Op, old *row, now time.Time) store.Reason {
	switch alive := old.alive(now); {
	case op.Verb == store.VerbAdd:
		return 0
	case op.Verb == store.VerbInsert && alive:
		return store.Exists
	case op.Verb == store.VerbInsert:
		return 0
	case !alive:
		return store.Absent
	case old.record.Version != op.Record.Version:
		return store.Version
	}
	return 0
}

// next is the row that op leaves, but for its version.
func (s *step) next(op store.Op, old *row) *row {
	if op.Verb != store.VerbAdd {
		next := newRow(op.Record)
		next.record.Count = 0
		return next
	}
	if old.alive(s.now) {
		next := *old
		next.record.Count += op.Delta
		return &next
	}
	r := op.Record
	return newRow(store.Record{Kind: r.Kind, Org: r.Org, ID: r.ID, Expires: r.Expires, Count: op.Delta})
}

// claim looks for a live holder of one of next's unique keys other than the row that next replaces. Expired holders
// are removed on the way: to this caller they are absent, and their keys must be free.
func (s *step) claim(t *table, old, next *row) (store.Key, bool) {
	for _, key := range next.record.Keys {
		holder := t.keys[claimOf(next.record.Org, key)]
		if holder == nil || holder == old {
			continue
		}
		if holder.alive(s.now) {
			return key, true
		}
		s.write(t, holder, nil)
	}
	return store.Key{}, false
}

func (s *step) write(t *table, old, next *row) {
	s.driver.swap(t, old, next)
	s.done = append(s.done, change{table: t, old: old, new: next})
}

// undo takes back every write, the last one first.
func (s *step) undo() {
	for _, c := range slices.Backward(s.done) {
		s.driver.swap(c.table, c.new, c.old)
	}
}
