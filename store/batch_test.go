package store_test

import (
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

func TestBatch(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		b, ctx := newBench(t, p), t.Context()
		one, two, mark := note("1", "one"), note("2", "two"), &Mark{Meta: store.Meta{ID: "m"}, Word: "w"}
		batch := b.Batch()
		b.marks.Insert(batch, mark)
		b.notes.Insert(batch, one)
		b.notes.Insert(batch, two)
		tally := batch.Add(tallyKind, store.Ref{ID: "t"}, 5, time.Time{})
		if batch.Len() != 4 || *tally != 0 || one.Version != 0 {
			t.Error("something happened before Apply")
		}
		apply(t, batch)
		if *tally != 5 || one.Version == 0 || two.Version == 0 || mark.Version == 0 {
			t.Errorf("tally %d, versions %d, %d, %d", *tally, one.Version, two.Version, mark.Version)
		}
		if got, err := b.marks.Get(ctx, mark.Ref()); err != nil || got.Word != "w" {
			t.Errorf("the ephemeral one is %+v, %v", got, err)
		}

		// One condition that does not hold undoes all, moves no version and is found by its place in the batch.
		stale := *one
		one.Owner = "ann"
		batch = b.Batch()
		b.notes.Replace(batch, one)
		apply(t, batch)
		version := two.Version
		batch = b.Batch()
		b.marks.Replace(batch, mark)
		tally = batch.Add(tallyKind, store.Ref{ID: "t"}, 1, time.Time{})
		b.notes.Replace(batch, two)
		b.notes.Check(batch, &stale)
		wantConflict(t, batch.Apply(ctx), 3, store.Version)
		if two.Version != version || *tally != 0 {
			t.Error("a step that was not done moved a version or a count")
		}

		batch = b.Batch()
		b.notes.Delete(batch, one)
		b.notes.Check(batch, two)
		apply(t, batch)
		if one.Version != 0 {
			t.Errorf("a deleted value has version %d", one.Version)
		}
		_, err := b.notes.Get(ctx, one.Ref())
		is(t, "deleted", err, store.ErrNotFound)
		b.insert(t, one)
	})
}

func TestBatchConflicts(t *testing.T) {
	t.Parallel()
	b := together(t)
	b.insert(t, note("1", "one"))
	for name, c := range map[string]struct {
		fill   func(*store.Batch)
		op     int
		reason store.Reason
	}{
		"id exists":      {func(batch *store.Batch) { b.notes.Insert(batch, note("1", "other")) }, 0, store.Exists},
		"title exists":   {func(batch *store.Batch) { b.notes.Insert(batch, note("2", "one")) }, 0, store.Exists},
		"replace absent": {func(batch *store.Batch) { b.notes.Replace(batch, &Note{Meta: store.Meta{ID: "9", Version: 1}}) }, 0, store.Absent},
		"behind an ephemeral one": {func(batch *store.Batch) {
			b.marks.Insert(batch, &Mark{Meta: store.Meta{ID: "m"}})
			batch.Check(noteType.Kind, store.Ref{ID: "9"}, 1)
		}, 1, store.Absent},
		"before an ephemeral one": {func(batch *store.Batch) {
			b.notes.Insert(batch, note("8", "eight"))
			batch.Check(noteType.Kind, store.Ref{ID: "9"}, 1)
			b.marks.Insert(batch, &Mark{Meta: store.Meta{ID: "m"}})
		}, 1, store.Absent},
	} {
		batch := b.Batch()
		c.fill(batch)
		t.Run(name, func(t *testing.T) { wantConflict(t, batch.Apply(t.Context()), c.op, c.reason) })
	}
}

func TestBatchMisuse(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		b, ctx := newBench(t, p), t.Context()
		is(t, "an empty batch", b.Batch().Apply(ctx), nil)

		batch := b.Batch()
		b.marks.Insert(batch, &Mark{Meta: store.Meta{ID: "1"}})
		b.marks.Insert(batch, &Mark{Meta: store.Meta{ID: "2"}})
		b.notes.Insert(batch, note("1", "one"))
		is(t, "two ephemeral operations", batch.Apply(ctx), store.ErrInvalid)
		_, err := b.notes.Get(ctx, store.Ref{ID: "1"})
		is(t, "the durable one beside them", err, store.ErrNotFound)

		batch = b.Batch()
		b.notes.Insert(batch, note("1", "one"))
		apply(t, batch)
		is(t, "applied again", batch.Apply(ctx), store.ErrInvalid)

		batch = b.Batch()
		b.notes.Insert(batch, note("2", "two"))
		b.notes.Insert(batch, &Note{Meta: store.Meta{ID: "3"}, Extra: func() {}})
		if err := batch.Apply(ctx); err == nil {
			t.Error("a value that has no JSON was written")
		}
		_, err = b.notes.Get(ctx, store.Ref{ID: "2"})
		is(t, "the one beside it", err, store.ErrNotFound)
	})
}

// TestBatchApart holds what a crash between the two stores leaves: the durable step stands, and doing the request again
// completes it.
func TestBatchApart(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Placement{Driver: memory.New(), Ephemeral: memory.New()})
	ctx := t.Context()
	mark := &Mark{Meta: store.Meta{ID: "m"}}
	request := func(n *Note) error {
		batch := b.Batch()
		b.marks.Insert(batch, mark)
		if n.Version == 0 {
			b.notes.Insert(batch, n)
		}
		return batch.Apply(ctx)
	}
	one := note("1", "one")
	b.faults.FailCall(1, nil)
	is(t, "the durable store fails", request(one), storetest.ErrInjected)
	_, err := b.marks.Get(ctx, mark.Ref())
	is(t, "the ephemeral one was written first", err, store.ErrNotFound)

	b.faults.FailCall(2, nil)
	is(t, "the ephemeral store fails", request(one), storetest.ErrInjected)
	if one.Version == 0 {
		t.Error("the durable step was done and its version did not move")
	}
	is(t, "again", request(one), nil)
	_, err = b.marks.Get(ctx, mark.Ref())
	is(t, "the ephemeral one", err, nil)
	wantConflict(t, request(note("1", "one")), 1, store.Exists)
}

func TestBatchUncertain(t *testing.T) {
	t.Parallel()
	b := together(t)
	one := note("1", "one")
	batch := b.Batch()
	b.notes.Insert(batch, one)
	b.faults.Uncertain()
	is(t, "a lost answer", batch.Apply(t.Context()), store.ErrUncertain)
	if one.Version != 0 {
		t.Error("the version moved although nobody knows")
	}
}

func TestCounters(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		b := newBench(t, p)
		seen := make([]int64, 64)
		var wg sync.WaitGroup
		for i := range seen {
			wg.Go(func() {
				batch := b.Batch()
				count := batch.Add(tallyKind, store.Ref{ID: "t"}, 1, b.Now().Add(time.Hour))
				is(t, "add", batch.Apply(t.Context()), nil)
				seen[i] = *count
			})
		}
		wg.Wait()
		once := map[int64]bool{}
		for _, n := range seen {
			once[n] = n >= 1 && n <= 64
		}
		if len(once) != 64 {
			t.Errorf("64 additions saw %d values", len(once))
		}
		b.advance(time.Hour)
		batch := b.Batch()
		count := batch.Add(tallyKind, store.Ref{ID: "t"}, -2, time.Time{})
		if apply(t, batch); *count != -2 {
			t.Errorf("an expired counter went on at %d", *count)
		}
	})
}

// What is to happen once a batch stands happens then, and not when it does not.
func TestThen(t *testing.T) {
	t.Parallel()
	b := together(t)
	for _, c := range []struct {
		id   string
		fail func()
		want int
	}{
		{"1", func() {}, 1},
		{"2", func() { b.faults.FailNext(storetest.MethodApply, nil) }, 0},
		{"3", b.faults.Uncertain, 1},
	} {
		batch, ran := b.Batch(), 0
		b.notes.Insert(batch, note(c.id, c.id))
		batch.Then(func() { ran++ })
		c.fail()
		if err := batch.Apply(t.Context()); ran != c.want {
			t.Errorf("%s: ran %d times, want %d (%v)", c.id, ran, c.want, err)
		}
	}
}
