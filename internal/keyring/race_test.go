package keyring_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/signet-idp/signet/internal/keyring"
	"github.com/signet-idp/signet/store/storetest"
)

// together runs n calls at once and returns what each answered.
func together[T any](t *testing.T, n int, call func(i int) (T, error)) []T {
	t.Helper()
	answers, errs := make([]T, n), make([]error, n)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			answers[i], errs[i] = call(i)
		})
	}
	close(start)
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			t.Errorf("call %d: %v", i, err)
		}
	}
	return answers
}

func TestFirstKeyIsMadeOnce(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		t.Parallel()
		h := newHouse(t, p)
		nodes := []*keyring.Ring{h.node(t, keyring.Config{}), h.node(t, keyring.Config{})}
		algorithms := []string{"RS256", "PS256", "ES256"}
		answers := together(t, 64, func(i int) (string, error) {
			ring, algorithm := nodes[i%2], algorithms[i%3]
			switch i % 4 {
			case 0:
				if err := ring.Maintain(t.Context()); err != nil {
					return "", err
				}
			case 1:
				if err := ring.Ready(t.Context()); err != nil {
					return "", err
				}
			}
			id, key, err := ring.Signer(t.Context(), algorithm)
			if err != nil {
				return "", err
			}
			keys, err := ring.Public(t.Context(), algorithm)
			if err != nil {
				return "", err
			}
			if len(keys) != 1 || keys[id] == nil || key == nil {
				return "", fmt.Errorf("%s signs, public is %v", id, keys)
			}
			return algorithm + " " + id, nil
		})
		slices.Sort(answers)
		if answers = slices.Compact(answers); len(answers) != 3 {
			t.Errorf("keys that were handed out: %q", answers)
		}
		if got := h.ids(t); !slices.Equal(got, []string{"ES256-1", "PS256-1", "RS256-1"}) {
			t.Errorf("records %q", got)
		}
	})
}

func TestNextKeyIsMadeOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		nodes := []*keyring.Ring{h.es256(t), h.es256(t), h.es256(t), h.es256(t)}
		first := signer(t, nodes[0], "ES256")
		h.clock.Advance(90*day - prepublish)
		together(t, 64, func(i int) (struct{}, error) {
			if i%8 == 7 {
				return struct{}{}, nodes[i%4].Rotate(t.Context(), "ES256")
			}
			return struct{}{}, nodes[i%4].Maintain(t.Context())
		})
		if got := h.ids(t); !slices.Equal(got, []string{"ES256-1", "ES256-2"}) {
			t.Errorf("records %q", got)
		}
		for i, ring := range nodes {
			if got := signer(t, ring, "ES256"); got != first {
				t.Errorf("node %d signs with a key that was published this moment", i)
			}
			if got := public(t, ring, "ES256"); len(got) != 2 {
				t.Errorf("node %d publishes %d keys", i, len(got))
			}
		}
	})
}

// A Rotate that is overtaken between reading and writing finds the other's key and is content with it.
func TestRotateIsOvertaken(t *testing.T) {
	everywhere(t, func(t *testing.T, h *house) {
		slow, fast := h.es256(t), h.es256(t)
		signer(t, slow, "ES256")
		overtaken := false
		h.faults.Hook(func(c storetest.Call) error {
			if c.Method != storetest.MethodApply || overtaken {
				return nil
			}
			overtaken = true
			return fast.Rotate(t.Context(), "ES256")
		})
		if err := slow.RotateNow(t.Context(), "ES256"); err != nil {
			t.Fatal(err)
		}
		if got := h.ids(t); !overtaken || !slices.Equal(got, []string{"ES256-1", "ES256-2"}) {
			t.Errorf("records %q", got)
		}
		if a, b := signer(t, slow, "ES256"), signer(t, h.es256(t), "ES256"); a != b {
			t.Error("nodes disagree")
		}
	})
}
