package oidc_test

import (
	"fmt"
	"testing"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/storetest"
)

// TestRegistrationFaults breaks the store at each call of each request to the registration endpoints, loses the answer to each write,
// and takes it down altogether: the answer is "not now", and nothing is used up.
func TestRegistrationFaults(t *testing.T) {
	t.Parallel()
	faults(t, registrationDoors(), registering(oidc.Registration{}))
}

// faults goes through doors as TestFailingStore, TestStoreDown and TestUncertainStore do, with a feature on.
func faults(t *testing.T, doors []door, edit ...func(*oidc.Config)) {
	t.Helper()
	for _, d := range doors {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			each := func(name string, test func(t *testing.T, h *harness) bool) (met bool) {
				t.Run(name, func(t *testing.T) {
					storetest.Placements(t, func(t *testing.T, p storetest.Placement) { met = test(t, newHarness(t, p, edit...)) || met })
				})
				return met
			}
			each("down", func(t *testing.T, h *harness) bool {
				return d.fail(t, h, func() { h.faults.FailAll(nil) }, func() bool { return true })
			})
			for n, met := 1, true; met; n++ {
				met = each(fmt.Sprintf("call %d", n), func(t *testing.T, h *harness) bool {
					return d.fail(t, h, func() { h.faults.FailCall(n, nil) }, func() bool { return h.calls() >= n })
				})
			}
			for n, met := 1, true; met; n++ {
				met = each(fmt.Sprintf("write %d", n), func(t *testing.T, h *harness) bool { return d.lose(t, h, n) })
			}
		})
	}
}
