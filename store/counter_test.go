package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

func TestCount(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		now := time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC)
		faults := storetest.Faults(memory.New())
		ring, err := store.NewKeyRing(store.GenerateRingKey())
		if err != nil {
			t.Fatal(err)
		}
		db, err := store.Open(store.Config{Driver: faults, Ephemeral: p.Ephemeral, Keys: ring, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		kind, ref := store.Kind{Name: "test.counter"}, store.Ref{ID: "c"}
		want := func(count int64) {
			t.Helper()
			if got, err := db.Count(context.Background(), kind, ref); got != count || err != nil {
				t.Errorf("got %d, %v, want %d", got, err, count)
			}
		}
		want(0)
		for range 3 {
			b := db.Batch()
			b.Add(kind, ref, 2, now.Add(time.Minute))
			if err := b.Apply(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		want(6)
		now = now.Add(time.Minute)
		want(0)
		faults.FailAll(nil)
		if _, err := db.Count(context.Background(), kind, ref); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("a store that is down: %v", err)
		}
	})
}
