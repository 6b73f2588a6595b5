package idptest

import (
	"sync"
	"time"
)

// clock stands still until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

// startClock sets a clock by another; nil is the machine's.
func startClock(now func() time.Time) *clock {
	if now == nil {
		now = time.Now
	}
	return &clock{at: now().UTC().Truncate(time.Second)} // a token's times are in whole seconds
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
