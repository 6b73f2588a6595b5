package testenv_test

import (
	"slices"
	"testing"

	"github.com/signet-idp/signet/internal/testenv"
)

// A program skips and fails where a test would, and ends what it started in any case, the last first.
func TestProgram(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do            func(testenv.TB)
		skipped, fail string
	}{
		"nothing":  {do: func(testenv.TB) {}},
		"missing":  {do: func(tb testenv.TB) { tb.Skip("no ", "server") }, skipped: "no server"},
		"failing":  {do: func(tb testenv.TB) { tb.Fatalf("broken: %d", 7) }, fail: "broken: 7"},
		"erring":   {do: func(tb testenv.TB) { tb.Errorf("broken: %d", 8) }, fail: "broken: 8"},
		"required": {do: func(tb testenv.TB) { testenv.Require(tb, "no-such-server-anywhere", "a-package") }, skipped: "no-such-server-anywhere is not installed: apt-get install a-package (looked for no-such-server-anywhere)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var order []int
			skipped, err := testenv.Program(t.Context(), func(tb testenv.TB) {
				tb.Helper()
				if tb.Context() != t.Context() {
					t.Error("the context is another")
				}
				for i := range 3 {
					tb.Cleanup(func() { order = append(order, i) })
				}
				c.do(tb)
			})
			said := ""
			if err != nil {
				said = err.Error()
			}
			if skipped != c.skipped || said != c.fail {
				t.Errorf("skipped %q, failed %q; want %q and %q", skipped, said, c.skipped, c.fail)
			}
			if !slices.Equal(order, []int{2, 1, 0}) {
				t.Errorf("ended in the order %v", order)
			}
		})
	}
}
