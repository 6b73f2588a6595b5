package fetch

import (
	"sync"
	"time"
)

// How often one host, and one address, is called unless Config says otherwise: so many a second, and after a pause as many at once as in
// five.
const (
	defaultPerSecond = 10
	burst            = 5      // seconds
	maxPeers         = 10_000 // that are remembered
)

// limiter counts requests by whom they go to. A bucket that has filled up again is forgotten; while none has, strangers in
// excess of maxPeers wait.
type limiter struct {
	perSecond float64
	mu        sync.Mutex
	buckets   map[string]bucket
	swept     time.Time
}

type bucket struct {
	left float64
	seen time.Time
}

func newLimiter(perSecond int) *limiter {
	return &limiter{perSecond: float64(perSecond), buckets: make(map[string]bucket)}
}

// full is what a bucket holds.
func (l *limiter) full() float64 { return burst * l.perSecond }

// admit reports whether one more request may go to whom.
func (l *limiter) admit(whom string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[whom]
	if !known {
		if len(l.buckets) >= maxPeers && !l.sweep(now) {
			return false
		}
		b = bucket{l.full(), now}
	}
	b = l.at(b, now)
	if b.left < 1 {
		return false
	}
	b.left--
	l.buckets[whom] = b
	return true
}

// at is a bucket at a later time; a clock that went back fills nothing.
func (l *limiter) at(b bucket, now time.Time) bucket {
	if passed := now.Sub(b.seen); passed > 0 {
		b.left = min(l.full(), b.left+l.perSecond*passed.Seconds())
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
		if l.at(b, now).left >= l.full() {
			delete(l.buckets, whom)
		}
	}
	return len(l.buckets) < maxPeers
}
