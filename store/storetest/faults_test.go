package storetest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

var (
	note = store.Kind{Name: "storetest.note"}
	code = store.Kind{Name: "storetest.code", Ephemeral: true}
	noon = time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC)
)

func TestFaults(t *testing.T) {
	t.Parallel()
	ctx, own := context.Background(), errors.New("own")
	get := func(s store.Ephemeral) error {
		_, err := s.Get(ctx, noon, note, "", "1")
		return err
	}
	insert := func(s store.Ephemeral) error {
		_, err := s.Apply(ctx, noon, store.Insert(store.Record{Kind: note, ID: "1", Body: []byte("{}")}))
		return err
	}

	t.Run("next of a method", func(t *testing.T) {
		t.Parallel()
		f := storetest.Faults(memory.New())
		f.FailNext(storetest.MethodApply, own)
		for i, want := range []error{store.ErrNotFound, own, nil, nil} {
			err := get(f)
			if i == 1 || i == 2 {
				err = insert(f)
			}
			if !errors.Is(err, want) || (want == nil && err != nil) {
				t.Errorf("call %d: got %v, want %v", i, err, want)
			}
		}
	})
	t.Run("nth call", func(t *testing.T) {
		t.Parallel()
		f := storetest.Faults(memory.New())
		f.FailCall(3, nil)
		for n := 1; n <= 4; n++ {
			if err := get(f); errors.Is(err, storetest.ErrInjected) != (n == 3) {
				t.Errorf("call %d: got %v", n, err)
			}
		}
	})
	t.Run("all until healed", func(t *testing.T) {
		t.Parallel()
		f := storetest.Faults(memory.New())
		f.FailAll(own)
		if err := errors.Join(insert(f)); !errors.Is(err, own) {
			t.Errorf("insert: got %v, want the injected error", err)
		}
		_, listErr := f.List(ctx, noon, store.Query{Kind: note})
		_, lookupErr := f.Lookup(ctx, noon, note, "", store.Key{Name: "n"})
		_, purgeErr := f.Purge(ctx, noon, 1)
		for _, err := range []error{get(f), listErr, lookupErr, purgeErr} {
			if !errors.Is(err, own) {
				t.Errorf("got %v, want the injected error", err)
			}
		}
		f.Heal()
		if err := get(f); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after Heal: got %v; the failed insert must not have happened", err)
		}
	})
	t.Run("one call after the other", func(t *testing.T) {
		t.Parallel()
		f := storetest.Faults(memory.New())
		f.FailCall(2, nil)
		_ = get(f)
		if !f.Waits() {
			t.Error("after the first call the second does not wait")
		}
		if err := get(f); !errors.Is(err, storetest.ErrInjected) || f.Waits() {
			t.Errorf("the second call: got %v, one waits: %t", err, f.Waits())
		}
		if f.FailAll(nil); f.Waits() {
			t.Error("a failure of all calls waits for none")
		}
	})
	t.Run("uncertain", func(t *testing.T) {
		t.Parallel()
		f := storetest.Faults(memory.New())
		f.Uncertain()
		if err := insert(f); !errors.Is(err, store.ErrUncertain) {
			t.Errorf("insert: got %v, want ErrUncertain", err)
		}
		if err := get(f); err != nil {
			t.Errorf("an uncertain step must have happened, but Get says %v", err)
		}
		f.Uncertain()
		if err := insert(f); store.ConflictOn(err, note) == nil {
			t.Errorf("second insert: got %v, want its conflict", err)
		}
	})
	t.Run("calls and hook", func(t *testing.T) {
		t.Parallel()
		f := storetest.Faults(memory.New())
		apart := f.Ephemeral(memory.New())
		f.Hook(func(c storetest.Call) error {
			if c.Kind == code && c.Method == storetest.MethodGet {
				return own
			}
			return nil
		})
		if err := insert(f); err != nil {
			t.Fatal(err)
		}
		if _, err := apart.Apply(ctx, noon, store.Add(code, store.Ref{ID: "1"}, 1, time.Time{})); err != nil {
			t.Fatal(err)
		}
		if _, err := apart.Get(ctx, noon, code, "", "1"); !errors.Is(err, own) {
			t.Errorf("got %v, want the hook's error", err)
		}
		calls := f.Calls()
		if len(calls) != 3 || calls[2].Kind != code || !slices.Equal(calls[1].Verbs(), []store.Verb{store.VerbAdd}) {
			t.Errorf("calls of both stores in order: got %+v", calls)
		}
		if f.Forget(); len(f.Calls()) != 0 {
			t.Error("Forget left calls behind")
		}
		if f.Ephemeral(nil) != nil {
			t.Error("no separate store must stay no separate store")
		}
	})
}

func TestPlacements(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var names []string
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		names = append(names, p.Name)
		onNote, onCode := store.Add(note, store.Ref{ID: "1"}, 1, time.Time{}), store.Add(code, store.Ref{ID: "1"}, 1, time.Time{})
		if p.Ephemeral == nil {
			if _, err := p.Driver.Apply(ctx, noon, onNote, onCode); err != nil {
				t.Errorf("one store takes both kinds: %v", err)
			}
			return
		}
		_, first := p.Driver.Apply(ctx, noon, onCode)
		_, second := p.Ephemeral.Apply(ctx, noon, onNote)
		_, third := p.Ephemeral.Apply(ctx, noon, onCode, store.Add(code, store.Ref{ID: "2"}, 1, time.Time{}))
		_, fourth := p.Driver.Get(ctx, noon, code, "", "1")
		_, fifth := p.Ephemeral.Get(ctx, noon, note, "", "1")
		for i, err := range []error{first, second, third, fourth, fifth} {
			if !errors.Is(err, store.ErrInvalid) {
				t.Errorf("mix-up %d: got %v, want ErrInvalid", i, err)
			}
		}
	})
	if !slices.Equal(names, []string{"together", "apart"}) {
		t.Errorf("ran %v", names)
	}
}
