package store

import (
	"context"
	"time"
)

// Lossy is what an Ephemeral implements that can lose its memory while those who use it go on: Redis is flushed, restarts
// or fails over, a process that keeps records in itself ends. Losing a record that says "this was used already" must not
// let it be used again.
type Lossy interface {
	Ephemeral

	// Since returns since when the store has kept everything that was written about the record, by the clock of the
	// caller who was the first to ask after a loss; the zero time is always. It never moves back.
	Since(ctx context.Context, now time.Time, kind Kind, org, id string) (time.Time, error)
}

// Since returns since when the store of the kind has forgotten nothing about a record; the zero time is always, as for
// durable kinds.
//
// A replay mark is kept right in this order: insert the mark, and when that succeeded ask Since and refuse a proof that
// could have been accepted before. A proof whose time of issue may lie in the future by a leeway could have been accepted
// that much before it:
//
//	if !proof.IssuedAt.Add(-leeway).After(since) { refuse }
//
// Asked first, it would say nothing about a loss between the two.
func (db *DB) Since(ctx context.Context, kind Kind, ref Ref) (time.Time, error) {
	lossy, ok := db.config.Ephemeral.(Lossy)
	if !ok || !kind.Ephemeral {
		return time.Time{}, nil
	}
	return lossy.Since(ctx, db.Now(), kind, ref.Org, ref.ID)
}
