package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/storetest"
)

// Safe has two sealed values.
type Safe struct {
	store.Meta
	Seed  store.Sealed `json:"seed"`
	Other store.Sealed `json:"other,omitempty"`
	Turns int          `json:"turns"`
}

// safes is a DB over a ring.
type safes struct {
	*store.DB
	all    *store.Collection[Safe]
	faults *storetest.Faulty
}

func newSafes(t *testing.T, p storetest.Placement, keys ...store.RingKey) *safes {
	t.Helper()
	faults := storetest.Faults(p.Driver)
	db, err := store.Open(store.Config{Driver: faults, Ephemeral: p.Ephemeral, Keys: ringOf(t, keys...)})
	if err != nil {
		t.Fatal(err)
	}
	_ = store.NewCollection(db, store.Type[Safe]{Kind: store.Kind{Name: "store.test.tray", Ephemeral: true}})
	return &safes{db, store.NewCollection(db, store.Type[Safe]{Kind: store.Kind{Name: "store.test.safe"}}), faults}
}

func (s *safes) put(t *testing.T, org, id string) {
	t.Helper()
	v := &Safe{Meta: store.Meta{Org: org, ID: id}}
	v.Seed = s.Seal(s.all.Kind(), v.Ref(), "seed", []byte("seed of "+id))
	if strings.HasSuffix(id, "0") {
		v.Other = s.Seal(s.all.Kind(), v.Ref(), "other", []byte("other of "+id))
	}
	b := s.Batch()
	s.all.Insert(b, v)
	apply(t, b)
}

func (s *safes) open(t *testing.T, org, id string) *Safe {
	t.Helper()
	v, err := s.all.Get(t.Context(), store.Ref{Org: org, ID: id})
	if err != nil {
		t.Fatal(err)
	}
	seed, err := s.Unseal(s.all.Kind(), v.Ref(), "seed", v.Seed)
	if err != nil || string(seed) != "seed of "+id {
		t.Errorf("%s: %q, %v", id, seed, err)
	}
	return v
}

func (s *safes) wantUnder(t *testing.T, want string) {
	t.Helper()
	got, err := s.SealedUnder(t.Context())
	if err != nil || fmt.Sprint(got) != want {
		t.Errorf("sealed under %v, %v; want %s", got, err, want)
	}
}

// After Reseal everything is under the working key, opens without the old one, and a second run writes nothing.
func TestReseal(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		before := newSafes(t, p, ringKey("k1", 1))
		for i := range 230 { // three pages
			before.put(t, []string{"", "acme"}[i%2], fmt.Sprint(i))
		}
		before.wantUnder(t, "map[k1:map[store.test.safe:253]]")

		during := newSafes(t, p, ringKey("k2", 2), ringKey("k1", 1))
		during.put(t, "", "new")
		during.wantUnder(t, "map[k1:map[store.test.safe:253] k2:map[store.test.safe:1]]")
		if n, err := during.Reseal(t.Context()); n != 230 || err != nil {
			t.Errorf("Reseal = %d, %v", n, err)
		}
		if n, err := during.Reseal(t.Context()); n != 0 || err != nil {
			t.Errorf("a second Reseal = %d, %v", n, err)
		}
		after := newSafes(t, p, ringKey("k2", 2))
		after.wantUnder(t, "map[k2:map[store.test.safe:254]]")
		for i := range 230 {
			after.open(t, []string{"", "acme"}[i%2], fmt.Sprint(i))
		}
	})
}

// A record that somebody writes meanwhile keeps what was written, and is sealed anew all the same; one that is deleted
// stays deleted.
func TestResealBesideWriters(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		newSafes(t, p, ringKey("k1", 1)).put(t, "", "turned")
		newSafes(t, p, ringKey("k1", 1)).put(t, "", "lost")
		s := newSafes(t, p, ringKey("k2", 2), ringKey("k1", 1))
		writer := newSafes(t, p, ringKey("k2", 2), ringKey("k1", 1))
		done := map[string]bool{}
		s.faults.Hook(func(c storetest.Call) error {
			if c.Method != storetest.MethodApply || done[c.Ops[0].Record.ID] {
				return nil
			}
			id := c.Ops[0].Record.ID
			done[id] = true
			v := writer.open(t, "", id)
			b := writer.Batch()
			if id == "lost" {
				writer.all.Delete(b, v)
			} else {
				v.Turns++
				writer.all.Replace(b, v)
			}
			return b.Apply(context.Background())
		})
		if n, err := s.Reseal(t.Context()); n != 1 || err != nil {
			t.Errorf("Reseal = %d, %v", n, err)
		}
		s.faults.Hook(nil)
		s.wantUnder(t, "map[k2:map[store.test.safe:1]]")
		if v := s.open(t, "", "turned"); v.Turns != 1 {
			t.Errorf("what was written meanwhile is lost: %d turns", v.Turns)
		}
	})
}

// What was tampered with, or whose key is not there, is named, left as it is, and keeps nothing else from being done.
func TestResealLeavesWhatDoesNotOpen(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		newSafes(t, p, ringKey("gone", 9)).put(t, "", "a")
		old := newSafes(t, p, ringKey("k1", 1))
		for _, id := range []string{"b", "c"} {
			old.put(t, "", id)
		}
		b, moved := old.Batch(), old.open(t, "", "b")
		moved.Seed = old.open(t, "", "c").Seed
		old.all.Replace(b, moved)
		apply(t, b)

		s := newSafes(t, p, ringKey("k2", 2), ringKey("k1", 1))
		n, err := s.Reseal(t.Context())
		if n != 1 || !errors.Is(err, store.ErrSealed) {
			t.Fatalf("Reseal = %d, %v", n, err)
		}
		for _, want := range []string{`store.test.safe a, seed: store: sealed value does not open: the ring has no key "gone"`, "safe b, seed", "altered or moved"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the error lacks %q:\n%v", want, err)
			}
		}
		s.wantUnder(t, "map[gone:map[store.test.safe:1] k1:map[store.test.safe:1] k2:map[store.test.safe:1]]")
		s.open(t, "", "c")
	})
}

// A store that fails ends the run with its error; what was done stands.
func TestResealFails(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		old := newSafes(t, p, ringKey("k1", 1))
		for _, id := range []string{"a", "b"} {
			old.put(t, "", id)
		}
		s := newSafes(t, p, ringKey("k2", 2), ringKey("k1", 1))
		for call := 1; call <= 2; call++ {
			s.faults.FailCall(call, nil)
			if n, err := s.Reseal(t.Context()); n != 0 || !errors.Is(err, storetest.ErrInjected) {
				t.Errorf("call %d fails: %d, %v", call, n, err)
			}
			s.faults.Heal()
		}
		s.faults.FailAll(nil)
		if _, err := s.SealedUnder(t.Context()); !errors.Is(err, storetest.ErrInjected) {
			t.Errorf("SealedUnder = %v", err)
		}
		s.faults.Heal()
		if n, err := s.Reseal(t.Context()); n != 2 || err != nil {
			t.Errorf("then Reseal = %d, %v", n, err)
		}
	})
}
