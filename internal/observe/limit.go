// Package observe bounds how much a flood of bad requests has others told.
package observe

import (
	"sync"
	"time"
)

// PerSecond is how many go out.
const PerSecond = 100

// Limit lets through PerSecond a second. The zero value is ready; it is safe for concurrent use.
type Limit struct {
	mu           sync.Mutex
	second       time.Time
	sent, missed int
}

// Admit reports whether one more may go out, and how many did not before it.
func (l *Limit) Admit(now time.Time) (missed int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if second := now.Truncate(time.Second); !second.Equal(l.second) {
		l.second, l.sent = second, 0
	}
	if l.sent >= PerSecond {
		l.missed++
		return 0, false
	}
	l.sent++
	missed, l.missed = l.missed, 0
	return missed, true
}
