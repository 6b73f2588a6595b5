package fetch

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	unwell  = 30 * time.Second // how long a failure is remembered
	renewal = 30 * time.Second // how often at most a document is asked for again before it expires

	maxCached      = 10_000
	maxCachedBytes = 32 << 20
	maxFailures    = 10_000
)

// entry is a document in the cache.
type entry struct {
	value            any
	size             int
	fetched, expires time.Time
	given            time.Time // when it is given up, although it cannot be fetched again
}

// failure is a fetch that went wrong.
type failure struct {
	err error
	at  time.Time
}

// flight is a fetch under way; entry and err are read after landed is closed.
type flight struct {
	landed chan struct{}
	entry  *entry
	err    error
}

// entry returns what is in the cache when it will do, and otherwise the outcome of one fetch, however many callers wait for it. A
// seen that is not zero asks for something newer.
func (c *Client) entry(ctx context.Context, key string, seen time.Time, fetch func(context.Context) (*entry, error)) (*entry, error) {
	e, f, board, err := c.join(key, seen)
	if f == nil {
		return e, err
	}
	if !board {
		select {
		case <-f.landed:
			return f.entry, f.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	// Whoever else waits must not suffer when this caller leaves; the exchange has a bound of its own.
	f.err = fmt.Errorf("%w: interrupted", ErrFailed)
	defer c.land(key, f)
	f.entry, f.err = fetch(context.WithoutCancel(ctx))
	f.entry, f.err = c.remember(key, f.entry, f.err)
	return f.entry, f.err
}

// join returns what the cache knows; or a flight, and whether it is for the caller to fly it.
func (c *Client) join(key string, seen time.Time) (e *entry, f *flight, board bool, err error) {
	now := c.config.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	e = c.cached(key, now)
	if e != nil && e.satisfies(seen, now) {
		return e, nil, false, nil
	}
	if failed, ok := c.failed.find(key); ok && now.Sub(failed.at).Abs() < unwell {
		if e != nil {
			return e, nil, false, nil
		}
		return nil, nil, false, failed.err
	}
	if f, ok := c.flights[key]; ok {
		return nil, f, false, nil
	}
	f = &flight{landed: make(chan struct{})}
	c.flights[key] = f
	return nil, f, true, nil
}

// satisfies reports whether an entry will do for whoever has seen one of that time.
func (e *entry) satisfies(seen, now time.Time) bool {
	fresh := now.Before(e.expires)
	return fresh && (seen.IsZero() || e.fetched.After(seen) || now.Sub(e.fetched) < renewal)
}

// cached returns an entry that is not given up; nil is none.
func (c *Client) cached(key string, now time.Time) *entry {
	e, ok := c.cache.find(key)
	if ok && !now.Before(e.given) {
		c.cache.remove(key)
		return nil
	}
	return e
}

// remember keeps the outcome of a fetch. What there was stands in for a failure.
func (c *Client) remember(key string, e *entry, err error) (*entry, error) {
	now := c.config.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.failed.remove(key)
		c.cache.put(key, e, len(key)+e.size+512)
		return e, nil
	}
	if !errors.Is(err, ErrBusy) { // which is about us, and may be over at once
		c.failed.put(key, failure{err, now}, 1)
	}
	if old := c.cached(key, now); old != nil {
		return old, nil
	}
	return nil, err
}

func (c *Client) land(key string, f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.flights, key)
	close(f.landed)
}
