package store_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet/store/storetest"
)

// One node holds a lease, prolongs it, and loses it when it does not.
func TestLease(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		clock := time.Date(2040, 1, 2, 3, 4, 5, 0, time.UTC)
		nodes := newNodes(t, p, &clock, 2, plain)
		hold := func(node int, name string, want bool) {
			t.Helper()
			if got, err := nodes[node].Lease(t.Context(), name, time.Minute); got != want || err != nil {
				t.Errorf("node %d has %q: %t, %v; want %t", node, name, got, err, want)
			}
		}
		hold(0, "sweep", true)
		hold(1, "sweep", false)
		hold(1, "rotate", true)
		clock = clock.Add(59 * time.Second)
		hold(0, "sweep", true)
		clock = clock.Add(59 * time.Second)
		hold(1, "sweep", false)
		clock = clock.Add(time.Second)
		hold(1, "sweep", true)
		hold(0, "sweep", false)
	})
}

func TestLeaseRace(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		clock := time.Date(2040, 1, 2, 3, 4, 5, 0, time.UTC)
		var held atomic.Int32
		var callers sync.WaitGroup
		for _, node := range newNodes(t, p, &clock, 16, plain) {
			callers.Go(func() {
				ours, err := node.Lease(t.Context(), "sweep", time.Minute)
				if err != nil {
					t.Error(err)
				}
				if ours {
					held.Add(1)
				}
			})
		}
		callers.Wait()
		if held.Load() != 1 {
			t.Errorf("%d nodes hold one lease", held.Load())
		}
	})
}

func TestLeaseFails(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		clock := time.Date(2040, 1, 2, 3, 4, 5, 0, time.UTC)
		node := newNodes(t, p, &clock, 1, plain)[0]
		for call := 1; call <= 2; call++ {
			node.faults.FailCall(call, nil)
			if ours, err := node.Lease(t.Context(), "sweep", time.Minute); ours || !errors.Is(err, storetest.ErrInjected) {
				t.Errorf("call %d fails: %t, %v", call, ours, err)
			}
			node.faults.Heal()
		}
	})
}
