package fetch

import (
	"sync"
	"time"
)

// How often one host, and one address, is called: a burst, and then so many a second.
const (
	burst     = 50
	perSecond = 10
	maxPeers  = 10_000 // that are remembered
)

// limiter counts requests by whom they go to. A bucket that has filled up again is forgotten; while none has, strangers in
// excess of maxPeers wait.
type limiter struct {
	mu      sync.Mutex
	buckets map[string]bucket
	swept   time.Time
}

type bucket struct {
	left float64
	seen time.Time
}

func newLimiter() *limiter { return &limiter{buckets: make(map[string]bucket)} }

// admit reports whether one more request may go to whom.
func (l *limiter) admit(whom string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[whom]
	if !known {
		if len(l.buckets) >= maxPeers && !l.sweep(now) {
			return false
		}
		b = bucket{burst, now}
	}
	b = b.at(now)
	if b.left < 1 {
		return false
	}
	b.left--
	l.buckets[whom] = b
	return true
}

// at is the bucket at a later time; a clock that went back fills nothing.
func (b bucket) at(now time.Time) bucket {
	if passed := now.Sub(b.seen); passed > 0 {
		b.left = min(burst, b.left+perSecond*passed.Seconds())
	}
	b.seen = now
	return b
}

// sweep forgets full buckets, at most once a second, and reports whether there is room.
func (l *limiter) sweep(now time.Time) bool {
	if now.Sub(l.swept).Abs() < time.Second {
		return false
	}
	l.swept = now
	for whom, b := range l.buckets {
		if b.at(now).left >= burst {
			delete(l.buckets, whom)
		}
	}
	return len(l.buckets) < maxPeers
}
