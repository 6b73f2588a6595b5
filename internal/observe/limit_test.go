package observe_test

import (
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/observe"
)

func TestLimit(t *testing.T) {
	t.Parallel()
	var l observe.Limit
	now := time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC)
	sent := 0
	for i := range 3 * observe.PerSecond {
		if missed, ok := l.Admit(now.Add(time.Duration(i) * time.Millisecond)); ok {
			sent++
		} else if missed != 0 {
			t.Fatalf("number %d was not let through and tells of %d", i, missed)
		}
	}
	if sent != observe.PerSecond {
		t.Errorf("%d went out in a second", sent)
	}
	if missed, ok := l.Admit(now.Add(time.Second)); !ok || missed != 2*observe.PerSecond {
		t.Errorf("the next one: %v, tells of %d", ok, missed)
	}
	if missed, ok := l.Admit(now.Add(-time.Hour)); !ok || missed != 0 {
		t.Errorf("after the clock was set back: %v, tells of %d", ok, missed)
	}
}
