package ldap

import (
	"sync"
	"time"
)

// breaker leaves a server alone after some failures in a row. When the cooldown is over, one request tries it while the others
// still go elsewhere; if it fails too, the next cooldown begins.
type breaker struct {
	limit    int
	cooldown time.Duration

	mu       sync.Mutex
	failures int
	until    time.Time // meaningful when failures have reached the limit
}

// allow reports whether a request may go to the server, and whether it is the one that tries it after a cooldown.
func (b *breaker) allow(now time.Time) (ok, trial bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < b.limit {
		return true, false
	}
	if now.Before(b.until) {
		return false, false
	}
	b.until = now.Add(b.cooldown)
	return true, true
}

func (b *breaker) success() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures = 0
}

func (b *breaker) failure(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures++
	if b.failures >= b.limit {
		b.until = now.Add(b.cooldown)
	}
}

// abandon says that a request ended without telling anything about the server. If it was the one that tries, the next may; one that
// was let through before the server failed leaves the cooldown as it is.
func (b *breaker) abandon(now time.Time, trial bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if trial && b.failures >= b.limit && b.until.After(now) {
		b.until = now
	}
}
