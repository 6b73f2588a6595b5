package memory_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/signet-idp/signet/store/memory"
)

// TestIndexAgainstSlice grows and shrinks an index through many cuts of its chunks and compares every stretch with a
// sorted slice.
func TestIndexAgainstSlice(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var x memory.Index
	var model []int64
	for step := range 6000 {
		n := random.Int64N(5000)
		at, found := slices.BinarySearch(model, n)
		switch {
		case found && step%3 != 0:
			x.Remove(n)
			model = slices.Delete(model, at, at+1)
		case !found && (step < 4000 || step%3 == 0):
			x.Insert(n)
			model = slices.Insert(model, at, n)
		}
		if step%50 == 0 {
			low := random.Int64N(5000)
			compareStretch(t, &x, model, low, low+random.Int64N(2000))
		}
	}
	compareStretch(t, &x, model, -1, 5000)
	for _, n := range model {
		x.Remove(n)
	}
	compareStretch(t, &x, nil, -1, 5000)
}

func compareStretch(t *testing.T, x *memory.Index, model []int64, low, high int64) {
	t.Helper()
	from, _ := slices.BinarySearch(model, low)
	to, _ := slices.BinarySearch(model, high+1)
	want := slices.Clone(model[from:to])
	if got := x.Between(low, high, false); !slices.Equal(got, want) {
		t.Fatalf("ascending from %d to %d: got %v, want %v", low, high, got, want)
	}
	slices.Reverse(want)
	if got := x.Between(low, high, true); !slices.Equal(got, want) {
		t.Fatalf("descending from %d to %d: got %v, want %v", low, high, got, want)
	}
	if size := x.Size(low, high); (size == 0) != (len(want) == 0) {
		t.Fatalf("size from %d to %d: estimated %d, holds %d", low, high, size, len(want))
	}
}
