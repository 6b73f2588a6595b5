package nodes_test

import (
	"net/http"
	"testing"
	"time"
)

// A clock that steps in the middle of 200 redemptions and refreshes, as by a machine that is moved or a time server that lies, and is put
// right afterwards: nothing is used twice, whatever the step (RFC 9700 §4.14.2).
func TestClockSteps(t *testing.T) { everyPlace(t, clockSteps) }

func clockSteps(t *testing.T, p place) {
	for _, step := range []time.Duration{time.Hour, -time.Hour, 48 * time.Hour} {
		t.Run(step.String(), func(t *testing.T) {
			here := p.furnish(t).serveHere(t)
			app := here.App("http://127.0.0.1/callback")
			codes, refreshes := gamble(t, here, app, 100)
			storm(t, here.URL, app, append(append([]*stake(nil), codes...), refreshes...), func() { here.Advance(step) })
			here.Advance(-step)
			settle(t, here.URL, app, codes)
			settle(t, here.URL, app, refreshes)
			redeemed, lost, late := judgeCodes(t, here.URL, app, codes)
			rotated, again, ended := judgeRefreshesByClock(t, refreshes)
			t.Logf("clock by %s: codes %d answered, %d when the clock was right again, %d lost; refresh tokens %d answered, %d of them again with the same successor, %d ended; used twice 0",
				step, redeemed, late, lost, rotated, again, ended)
			if lost > 0 {
				t.Errorf("%d codes were spent without an answer", lost)
			}
			if step > 0 && step < 2*time.Hour && ended > 0 {
				t.Errorf("%d refresh tokens were lost by a clock that went ahead and was put right", ended)
			}
		})
	}
}

// judgeRefreshesByClock: whoever asks again gets the same successor, or nothing where the grace is over by the clock; never another.
func judgeRefreshesByClock(t *testing.T, stakes []*stake) (answered, again, ended int) {
	t.Helper()
	for i, s := range stakes {
		first := s.first != nil && s.first.status == http.StatusOK
		if first {
			answered++
		}
		switch {
		case s.second.status == http.StatusBadRequest:
			ended++
		case s.second.status != http.StatusOK:
			t.Errorf("refresh token %d, asked again: %+v", i, s.second)
		case first && s.first.RefreshToken != s.second.RefreshToken:
			t.Errorf("refresh token %d has two successors", i)
		case first:
			again++
		}
	}
	return answered, again, ended
}
