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

// allow reports whether a request may go to the server.
func (b *breaker) allow(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < b.limit {
		return true
	}
	if now.Before(b.until) {
		return false
	}
	b.until = now.Add(b.cooldown) // this request is the one that tries
	return true
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

// abandon says that the caller gave up, which tells nothing about the server: the next request may try.
func (b *breaker) abandon(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures >= b.limit && b.until.After(now) {
		b.until = now
	}
}
