package directory

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// maxBuckets is how many addresses a node remembers. When there are more, it forgets them all: whoever has so many is not bounded by
// counting them.
const maxBuckets = 50_000

// bucket is what one address does under one limit.
type bucket struct {
	org     string
	what    Throttled
	network string
	limit   Limit
}

// buckets bound what costs too little to be worth a write. They are kept in memory, on each node by itself, and each says when it
// will be empty (the generic cell rate algorithm of ITU-T I.371).
type buckets struct {
	mu   sync.Mutex
	full map[bucket]time.Time
}

// Admit counts an attempt on this node alone, and writes nothing. It returns how long to wait before there is room for it, in whole
// seconds; zero admits it. Attempts that come from no address, or from this very machine, are not bounded: those are tests, or everybody, behind a
// proxy that is not named as trusted.
func (t *Throttle) Admit(ctx context.Context, org string, what Throttled, address string) (wait time.Duration, err error) {
	policy, err := Resolve(ctx, t.settings, t.settings.Throttle, org, "")
	if err != nil {
		return 0, err
	}
	network := network(address)
	if addr, err := netip.ParseAddr(address); err != nil || addr.Unmap().IsLoopback() {
		return 0, nil
	}
	now := t.db.Now()
	for _, limit := range policy.limits(what) {
		wait = max(wait, t.buckets.take(bucket{org, what, network, limit}, now))
	}
	return (wait + time.Second - 1).Truncate(time.Second), nil
}

// take puts one more into a bucket, or returns how long until it fits.
func (b *buckets) take(k bucket, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	empty, each := b.full[k], k.limit.Per/time.Duration(k.limit.Count)
	if empty.Before(now) || empty.Sub(now) > k.limit.Per { // or the clock was put back
		empty = now
	}
	empty = empty.Add(each)
	if wait := empty.Sub(now) - k.limit.Per; wait > 0 {
		return wait
	}
	if len(b.full) >= maxBuckets {
		b.sweep(now)
	}
	b.full[k] = empty
	return 0
}

// sweep forgets what is empty, or everything when nothing is.
func (b *buckets) sweep(now time.Time) {
	for k, empty := range b.full {
		if empty.Before(now) {
			delete(b.full, k)
		}
	}
	if len(b.full) >= maxBuckets {
		clear(b.full)
	}
}
