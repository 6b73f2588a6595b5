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

// openApart returns a DB whose ephemeral kinds are where the test wants them.
func openApart(t *testing.T, ephemeral store.Ephemeral, now *time.Time) *store.DB {
	t.Helper()
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(store.Config{Driver: memory.New(), Ephemeral: ephemeral, Keys: ring, Now: func() time.Time { return *now }})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// accept is how a proof is judged once: by a mark, and by whether earlier marks may be gone.
func accept(t *testing.T, db *store.DB, id string, issued time.Time, leeway time.Duration) bool {
	t.Helper()
	b := db.Batch()
	store.NewCollection(db, markType).Insert(b, &Mark{Meta: store.Meta{ID: id, Expires: db.Now().Add(time.Hour)}})
	if err := b.Apply(t.Context()); err != nil {
		if store.ConflictOn(err, markType.Kind) == nil {
			t.Fatal(err)
		}
		return false
	}
	since, err := db.Since(t.Context(), markType.Kind, store.Ref{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	return issued.Add(-leeway).After(since)
}

func TestSince(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	started := now
	ephemeral := memory.New()
	db := openApart(t, ephemeral, &now)
	accept(t, db, "first", now, 0)

	now = now.Add(time.Minute)
	const leeway = 10 * time.Second
	ahead := now.Add(leeway) // as far in the future as is taken
	if !accept(t, db, "a", ahead, leeway) || accept(t, db, "a", ahead, leeway) {
		t.Fatal("a proof counts once")
	}

	now = now.Add(time.Second)
	db = openApart(t, memory.New(), &now) // a process that ended took the marks with it
	if accept(t, db, "a", ahead, leeway) {
		t.Error("a proof counts again after the loss of its mark")
	}
	now = now.Add(2 * leeway)
	if !accept(t, db, "b", now, leeway) {
		t.Error("a proof from after the loss is refused")
	}

	since, err := openApart(t, ephemeral, &now).Since(t.Context(), markType.Kind, store.Ref{ID: "a"})
	if err != nil || !since.Equal(started) {
		t.Errorf("since %v, %v; want %v", since, err, started)
	}
	faulty := storetest.Faults(memory.New()).Ephemeral(ephemeral)
	if since, err := openApart(t, faulty, &now).Since(t.Context(), markType.Kind, store.Ref{ID: "a"}); err != nil || !since.Equal(started) {
		t.Errorf("behind Faults: since %v, %v; want %v", since, err, started)
	}
}

func TestSinceAlways(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	for name, since := range map[string]func() (time.Time, error){
		"a durable kind": func() (time.Time, error) {
			return openApart(t, memory.New(), &now).Since(t.Context(), store.Kind{Name: "test.durable"}, store.Ref{ID: "1"})
		},
		"in the Driver": func() (time.Time, error) {
			return openApart(t, nil, &now).Since(t.Context(), markType.Kind, store.Ref{ID: "1"})
		},
		"a store that forgets nothing": func() (time.Time, error) {
			return openApart(t, bare{memory.New()}, &now).Since(t.Context(), markType.Kind, store.Ref{ID: "1"})
		},
	} {
		if got, err := since(); err != nil || !got.IsZero() {
			t.Errorf("%s: since %v, %v", name, got, err)
		}
	}
}

// bare offers the contract and nothing beside it.
type bare struct{ store.Ephemeral }

// moody is a Readier.
type moody struct {
	store.Ephemeral
	err error
}

func (m moody) Ready(context.Context, time.Time) error { return m.err }

func TestReady(t *testing.T) {
	t.Parallel()
	now, trouble := time.Now(), errors.New("trouble")
	for _, want := range []error{nil, trouble} {
		if got := openApart(t, moody{memory.New(), want}, &now).Ready(t.Context()); !errors.Is(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		faulty := storetest.Faults(memory.New()).Ephemeral(moody{memory.New(), want})
		if got := openApart(t, faulty, &now).Ready(t.Context()); !errors.Is(got, want) {
			t.Errorf("behind Faults: got %v, want %v", got, want)
		}
	}
	if err := openApart(t, bare{memory.New()}, &now).Ready(t.Context()); err != nil {
		t.Error(err)
	}
}
