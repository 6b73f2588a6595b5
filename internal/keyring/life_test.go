package keyring_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/keyring"
	"github.com/signet-idp/signet/store/storetest"
)

const (
	tokenLifetime = 2 * time.Hour
	retain        = 14*day + tokenLifetime
)

// witness watches what nodes sign with and publish, and holds the promises of the life of a key.
type witness struct {
	nodes   []*keyring.Ring
	seen    map[string]time.Time   // when a key was first published anywhere
	lacking []map[string]time.Time // by node: when it last did not publish a key that was seen
	used    map[string]time.Time   // when a key last signed
	first   map[string]time.Time   // when it first signed
	most    int                    // keys published at once
	urgent  bool                   // RotateNow: other nodes lag behind, and nothing is published ahead
}

func newWitness(nodes ...*keyring.Ring) *witness {
	w := &witness{nodes: nodes, seen: map[string]time.Time{}, used: map[string]time.Time{}, first: map[string]time.Time{}}
	for range nodes {
		w.lacking = append(w.lacking, map[string]time.Time{})
	}
	return w
}

// look asks every node once.
func (w *witness) look(t *testing.T, now time.Time) {
	t.Helper()
	for i, ring := range w.nodes {
		keys := public(t, ring, "ES256")
		w.most = max(w.most, len(keys))
		for _, id := range keys {
			if w.seen[id].IsZero() {
				w.seen[id] = now
			}
		}
		for id, last := range w.used {
			lags := w.urgent && now.Sub(w.first[id]) < staleness
			if !slices.Contains(keys, id) && !lags && !now.After(last.Add(retain)) {
				t.Fatalf("%v: node %d no longer publishes a key that signed at %v", now, i, last)
			}
		}
		for id := range w.seen {
			if !slices.Contains(keys, id) {
				w.lacking[i][id] = now
			}
		}
	}
	for i, ring := range w.nodes {
		w.sign(t, i, signer(t, ring, "ES256"), now)
	}
}

func (w *witness) sign(t *testing.T, node int, id string, now time.Time) {
	t.Helper()
	if w.seen[id].IsZero() {
		t.Fatalf("%v: node %d signs with a key that nobody publishes", now, node)
	}
	ahead := now.Add(-min(prepublish, now.Sub(w.seen[id])))
	for i, lacking := range w.lacking {
		if last, ok := lacking[id]; ok && !w.urgent && !last.Before(ahead) && w.used[id].IsZero() {
			t.Fatalf("%v: node %d signs with a key that node %d did not publish at %v", now, node, i, last)
		}
	}
	w.used[id] = now
	if w.first[id].IsZero() {
		w.first[id] = now
	}
}

func TestYear(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		t.Parallel()
		h := newHouse(t, p)
		var nodes []*keyring.Ring
		for range 2 {
			nodes = append(nodes, h.node(t, keyring.Config{Algorithms: []string{"ES256"}, TokenLifetime: tokenLifetime}))
		}
		w := newWitness(nodes...)
		begin := h.clock.Now()
		for at := begin; at.Before(begin.Add(380 * day)); at = at.Add(12 * time.Hour) {
			// The second node has just read when the first one makes a key, and lags behind for all of five seconds.
			for s := -6; s <= 12; s++ {
				h.clock.Set(at.Add(time.Duration(s) * time.Second))
				if s == 0 {
					if err := nodes[0].Maintain(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				w.look(t, h.clock.Now())
			}
		}
		// Generations begin at 0, 90, 180, 270 and 360 days; the fourth is gone after 374.
		if len(w.first) != 5 || len(w.seen) != 5 {
			t.Errorf("%d keys published and %d used in a year of 90-day rotations, want 5", len(w.seen), len(w.first))
		}
		if w.most != 2 {
			t.Errorf("up to %d keys were published at once, want the active one and another", w.most)
		}
		w.checkSpans(t)
		if got := h.ids(t); !slices.Equal(got, []string{"ES256-5"}) {
			t.Errorf("records %q, want only the active key to be left", got)
		}
		if n, err := h.db(t, h.secret).Purge(t.Context(), 100); err != nil || n != 4 {
			t.Errorf("purged %d, %v, want the other 4", n, err)
		}
	})
}

// checkSpans: no key signed for longer than RotateAfter and the interval of Maintain.
func (w *witness) checkSpans(t *testing.T) {
	t.Helper()
	for id, first := range w.first {
		if span := w.used[id].Sub(first); span > 91*day {
			t.Errorf("a key signed for %v", span)
		}
	}
}

// Promotion needs nobody: it happens by the clock, on a node that reads nothing in that moment.
func TestKeysChangeByTheClock(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		ring := h.es256(t)
		first := signer(t, ring, "ES256")
		if err := ring.Rotate(t.Context(), "ES256"); err != nil {
			t.Fatal(err)
		}
		h.clock.Advance(prepublish + staleness - time.Second)
		if got := signer(t, ring, "ES256"); got != first {
			t.Error("the next key signs too early")
		}
		h.faults.FailAll(nil)
		h.clock.Advance(time.Second)
		if got := signer(t, ring, "ES256"); got == first {
			t.Error("the next key does not sign")
		}
	})
}

func TestRotateIsUnderWay(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		ring := h.es256(t)
		first := signer(t, ring, "ES256")
		for range 3 {
			if err := ring.Rotate(t.Context(), "ES256"); err != nil {
				t.Fatal(err)
			}
			h.clock.Advance(day)
		}
		if err := ring.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := h.ids(t); !slices.Equal(got, []string{"ES256-1", "ES256-2"}) {
			t.Errorf("records %q after three calls, want one new key", got)
		}
		h.clock.Advance(prepublish + staleness - 3*day)
		if got := signer(t, ring, "ES256"); got == first {
			t.Error("further calls have put off the rotation")
		}
		if err := ring.Rotate(t.Context(), "ES256"); err != nil {
			t.Fatal(err)
		}
		if got := h.ids(t); len(got) != 3 {
			t.Errorf("records %q, want a third key once the second is active", got)
		}
	})
}

func TestRotateNow(t *testing.T) {
	t.Parallel()
	for _, published := range []bool{false, true} {
		t.Run(fmt.Sprintf("published=%v", published), func(t *testing.T) {
			t.Parallel()
			h := newMemoryHouse(t)
			config := keyring.Config{Algorithms: []string{"ES256"}, TokenLifetime: tokenLifetime}
			ring, other := h.node(t, config), h.node(t, config)
			w := newWitness(ring, other)
			w.look(t, h.clock.Now())
			first := signer(t, ring, "ES256")
			if published {
				if err := ring.Rotate(t.Context(), "ES256"); err != nil {
					t.Fatal(err)
				}
				h.clock.Advance(day)
				w.look(t, h.clock.Now())
			}
			w.urgent = true
			rotated := h.clock.Now()
			if err := ring.RotateNow(t.Context(), "ES256"); err != nil {
				t.Fatal(err)
			}
			second := signer(t, ring, "ES256")
			if second == first || !slices.Contains(public(t, ring, "ES256"), second) {
				t.Error("the new key does not sign or is not public")
			}
			if got := h.ids(t); len(got) != 2 {
				t.Errorf("records %q, want two", got)
			}
			for range 6 {
				w.look(t, h.clock.Now())
				h.clock.Advance(time.Second)
			}
			if got := signer(t, other, "ES256"); got != second {
				t.Error("the other node has not learned of the key")
			}
			end := w.used[first].Add(retain)
			for ; h.clock.Now().Before(end); h.clock.Advance(time.Hour) {
				w.look(t, h.clock.Now())
			}
			h.clock.Set(end)
			w.look(t, h.clock.Now())
			h.faults.Forget()
			h.clock.Set(rotated.Add(retain + staleness)) // the nodes remember what they read a moment ago
			for _, node := range w.nodes {
				if got := public(t, node, "ES256"); !slices.Equal(got, []string{second}) {
					t.Errorf("%d keys are public after the first has been retained", len(got))
				}
			}
			if lags := w.used[first].Sub(rotated); lags > 0 && len(h.faults.Calls()) > 0 {
				t.Error("the nodes have read again: nothing shows that they look at the clock")
			}
		})
	}
}

func TestManyGenerations(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		ring := h.es256(t)
		seen := map[string]bool{signer(t, ring, "ES256"): true}
		for range 110 { // more than one page of a list, and 10 after 9
			if err := ring.RotateNow(t.Context(), "ES256"); err != nil {
				t.Fatal(err)
			}
			id := signer(t, ring, "ES256")
			if seen[id] {
				t.Fatal("a key came back")
			}
			seen[id] = true
		}
		if got := public(t, h.es256(t), "ES256"); len(got) != 111 {
			t.Errorf("%d keys are public, want 111", len(got))
		}
	})
}

// Where nobody called Maintain for long, signing went on, and the next key is still published ahead.
func TestMaintainComesLate(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		ring := h.es256(t)
		first := signer(t, ring, "ES256")
		h.clock.Advance(1000 * day)
		if err := ring.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := signer(t, ring, "ES256"); got != first {
			t.Error("the new key signs before anyone can know it")
		}
		h.clock.Advance(prepublish + staleness)
		if got := signer(t, ring, "ES256"); got == first {
			t.Error("the new key does not sign")
		}
	})
}

func TestMaintainWritesNothingInBetween(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		ring := h.es256(t)
		signer(t, ring, "ES256")
		h.faults.Forget()
		h.clock.Advance(90*day - prepublish - staleness - time.Microsecond)
		if err := ring.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if calls := h.faults.Calls(); len(calls) != 1 || calls[0].Method != storetest.MethodList {
			t.Errorf("calls %v, want one list", calls)
		}
		h.clock.Advance(time.Microsecond)
		if err := ring.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := h.ids(t); len(got) != 2 {
			t.Errorf("records %q, want the next key on time", got)
		}
	})
}

// A node whose clock is behind that of the node that made the first key signs with it all the same.
func TestClockStandsBeforeTheFirstKey(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		ring := h.es256(t)
		first := signer(t, ring, "ES256")
		h.clock.Advance(-time.Hour)
		for _, node := range []*keyring.Ring{ring, h.es256(t)} {
			if got := signer(t, node, "ES256"); got != first {
				t.Error("another key signs")
			}
			if err := node.Maintain(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := ring.Rotate(t.Context(), "ES256"); err != nil {
			t.Fatal(err)
		}
		if got := h.ids(t); !slices.Equal(got, []string{"ES256-1", "ES256-2"}) {
			t.Errorf("records %q", got)
		}
		if got := signer(t, ring, "ES256"); got != first {
			t.Error("the second key signs before the first")
		}
	})
}

// An operator deletes the record of a key: the one before it goes on, and a successor is published ahead.
func TestDeletedKey(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		ring := h.es256(t)
		first := signer(t, ring, "ES256")
		if err := ring.Rotate(t.Context(), "ES256"); err != nil {
			t.Fatal(err)
		}
		h.clock.Advance(prepublish + staleness)
		stolen := signer(t, ring, "ES256")
		h.remove(t, "ES256-2")
		h.clock.Advance(staleness)
		if got := signer(t, ring, "ES256"); got != first {
			t.Error("the key before does not sign")
		}
		if got := public(t, ring, "ES256"); slices.Contains(got, stolen) {
			t.Error("the deleted key is public")
		}
		for range 60 {
			if err := ring.Maintain(t.Context()); err != nil {
				t.Fatal(err)
			}
			signer(t, ring, "ES256")
			h.clock.Advance(day)
		}
		if got := signer(t, ring, "ES256"); got == first || got == stolen {
			t.Error("no successor signs")
		}
		if got := h.ids(t); !slices.Equal(got, []string{"ES256-2"}) {
			t.Errorf("records %q", got)
		}
	})
}

// The same without Maintain: when the last key has expired, a new life begins, whatever the node remembers.
func TestNoKeyIsLeft(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		ring := h.es256(t)
		first := signer(t, ring, "ES256")
		if err := ring.RotateNow(t.Context(), "ES256"); err != nil {
			t.Fatal(err)
		}
		h.remove(t, "ES256-2")
		h.clock.Advance(staleness + 14*day - time.Second)
		if got := signer(t, ring, "ES256"); got != first {
			t.Error("the key before does not sign")
		}
		h.clock.Advance(time.Second)
		if got := signer(t, ring, "ES256"); got == first {
			t.Error("a removed key signs")
		}
		if got := public(t, ring, "ES256"); len(got) != 1 || got[0] == first {
			t.Errorf("%q are public", got)
		}
	})
}
