package keyring

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/signet-idp/signet/store"
)

// snapshot is what a node has read. It is never changed.
type snapshot struct {
	read time.Time
	keys map[string][]*key // by algorithm, in the order of generations
}

// fresh reports whether the snapshot can still be used. When the clock went back it cannot: its age is unknown.
func (s *snapshot) fresh(now time.Time) bool {
	return s != nil && !now.Before(s.read) && now.Sub(s.read) < staleness
}

// snapshot returns the records as of at most staleness ago.
func (r *Ring) snapshot(ctx context.Context) (*snapshot, error) {
	if s := r.last.Load(); s.fresh(r.db.Now()) {
		return s, nil
	}
	if err := r.reading.enter(ctx); err != nil {
		return nil, err
	}
	defer r.reading.leave()
	if s := r.last.Load(); s.fresh(r.db.Now()) {
		return s, nil
	}
	return r.read(ctx)
}

// reread returns the records as they are now.
func (r *Ring) reread(ctx context.Context) (*snapshot, error) {
	if err := r.reading.enter(ctx); err != nil {
		return nil, err
	}
	defer r.reading.leave()
	return r.read(ctx)
}

// read lists the records and remembers them. Keys that were opened stay open while their sealed value is the same.
func (r *Ring) read(ctx context.Context) (*snapshot, error) {
	s := &snapshot{read: r.db.Now(), keys: map[string][]*key{}}
	known := r.last.Load()
	for rec, err := range r.records.All(ctx, store.Query{}) {
		if err != nil {
			return nil, fmt.Errorf("keyring: reading the keys: %w", err)
		}
		k, err := newKey(*rec)
		if err != nil {
			return nil, err
		}
		if same := known.find(k); same != nil {
			k.pair = same.pair
		}
		s.keys[k.algorithm] = append(s.keys[k.algorithm], k)
	}
	for _, keys := range s.keys {
		slices.SortFunc(keys, (*key).compare) // the store sorts 10 before 9
	}
	r.last.Store(s)
	return s, nil
}

// forget makes the next caller read, after any reading that is under way. What was opened stays open.
func (r *Ring) forget(ctx context.Context) {
	if r.reading.enter(ctx) != nil {
		return // the snapshot ages by itself
	}
	defer r.reading.leave()
	if s := r.last.Load(); s != nil {
		r.last.Store(&snapshot{keys: s.keys})
	}
}

// find returns the key with the same id and the same sealed value; nil when there is none.
func (s *snapshot) find(k *key) *key {
	if s == nil {
		return nil
	}
	for _, same := range s.keys[k.algorithm] {
		if same.ID == k.ID && same.Key == k.Key {
			return same
		}
	}
	return nil
}

// gate lets one caller through at a time.
type gate chan struct{}

// enter waits for its turn, at most until the context ends.
func (g gate) enter(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("keyring: waiting for the keys: %w", ctx.Err())
	}
}

func (g gate) leave() { <-g }
