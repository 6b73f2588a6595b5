package keyring_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/signet-idp/signet/internal/keyring"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/storetest"
)

// steps are the calls that reach the store, each with what stands before it and what must stand after it.
var steps = map[string]struct {
	prepare func(t *testing.T, h *house)
	call    func(ctx context.Context, r *keyring.Ring) error
	want    []string
}{
	"Signer on an empty store": {
		nil,
		func(ctx context.Context, r *keyring.Ring) error { _, _, err := r.Signer(ctx, "ES256"); return err },
		[]string{"ES256-1"},
	},
	"Public on an empty store": {
		nil,
		func(ctx context.Context, r *keyring.Ring) error { _, err := r.Public(ctx, "ES256"); return err },
		[]string{"ES256-1"},
	},
	"Encryption on an empty store": {
		nil,
		func(ctx context.Context, r *keyring.Ring) error {
			_, _, err := r.Encryption(ctx, "ECDH-ES")
			return err
		},
		[]string{"ECDH-ES-1"},
	},
	"Ready on an empty store": {
		nil,
		func(ctx context.Context, r *keyring.Ring) error { return r.Ready(ctx) },
		[]string{"ES256-1", "EdDSA-1"},
	},
	"Maintain on an empty store": {
		nil,
		func(ctx context.Context, r *keyring.Ring) error { return r.Maintain(ctx) },
		[]string{"ES256-1", "EdDSA-1"},
	},
	"Maintain when a key is due": {
		func(t *testing.T, h *house) { t.Helper(); signer(t, h.es256(t), "ES256"); h.clock.Advance(80 * day) },
		func(ctx context.Context, r *keyring.Ring) error { return r.Maintain(ctx) },
		[]string{"ES256-1", "ES256-2", "EdDSA-1"},
	},
	"Rotate": {
		func(t *testing.T, h *house) { t.Helper(); signer(t, h.es256(t), "ES256") },
		func(ctx context.Context, r *keyring.Ring) error { return r.Rotate(ctx, "ES256") },
		[]string{"ES256-1", "ES256-2"},
	},
	"RotateNow to a published key": {
		func(t *testing.T, h *house) {
			t.Helper()
			if err := h.es256(t).Rotate(t.Context(), "ES256"); err != nil { // makes the first
				t.Fatal(err)
			}
			if err := h.es256(t).Rotate(t.Context(), "ES256"); err != nil {
				t.Fatal(err)
			}
		},
		func(ctx context.Context, r *keyring.Ring) error { return r.RotateNow(ctx, "ES256") },
		[]string{"ES256-1", "ES256-2"},
	},
}

func TestFailingStore(t *testing.T) {
	t.Parallel()
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
				t.Parallel()
				h := newHouse(t, p)
				if step.prepare != nil {
					step.prepare(t, h)
				}
				ring := h.node(t, keyring.Config{Algorithms: []string{"ES256", "EdDSA"}, Encryption: []string{"ECDH-ES"}})
				fails := 0
				for { // one call after the other fails, until none is left
					h.faults.FailCall(fails+1, nil)
					err := step.call(t.Context(), ring)
					h.faults.Heal()
					if err == nil {
						break
					}
					if !errors.Is(err, storetest.ErrInjected) {
						t.Fatalf("failing call %d: %v", fails+1, err)
					}
					ring = h.node(t, keyring.Config{Algorithms: []string{"ES256", "EdDSA"}, Encryption: []string{"ECDH-ES"}})
					if fails++; fails > 20 {
						t.Fatal("it never succeeds")
					}
				}
				if fails == 0 {
					t.Error("no call failed")
				}
				if got := h.ids(t); !slices.Equal(got, step.want) {
					t.Errorf("records %q, want %q", got, step.want)
				}
			})
		})
	}
}

// The answer to the commit is lost: the caller hears of it, and the next call finds what is there.
func TestUncertainCommit(t *testing.T) {
	t.Parallel()
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newMemoryHouse(t)
			if step.prepare != nil {
				step.prepare(t, h)
			}
			ring := h.node(t, keyring.Config{Algorithms: []string{"ES256", "EdDSA"}, Encryption: []string{"ECDH-ES"}})
			h.faults.Uncertain()
			if err := step.call(t.Context(), ring); !errors.Is(err, store.ErrUncertain) {
				t.Fatalf("lost answer: %v", err)
			}
			if err := step.call(t.Context(), ring); err != nil {
				t.Fatal(err)
			}
			if name == "Rotate" || name == "RotateNow to a published key" {
				return // asked for twice
			}
			if got := h.ids(t); !slices.Equal(got, step.want) {
				t.Errorf("records %q, want %q", got, step.want)
			}
		})
	}
}

// What was read before is not taken for the present when the store fails, and an error is not remembered.
func TestFailureIsNoAbsence(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		ring := h.es256(t)
		first := signer(t, ring, "ES256")
		for _, failure := range []error{storetest.ErrInjected, store.ErrUncertain, context.DeadlineExceeded} {
			h.clock.Advance(staleness)
			h.faults.FailAll(failure)
			for call, err := range everyCall(t.Context(), ring, "ES256") {
				if !errors.Is(err, failure) {
					t.Errorf("%s: %v, want %v", call, err, failure)
				}
			}
			h.faults.Heal()
			if got := signer(t, ring, "ES256"); got != first {
				t.Error("another key signs")
			}
		}
		if got := h.ids(t); !slices.Equal(got, []string{"ES256-1"}) {
			t.Errorf("records %q", got)
		}
	})
}
