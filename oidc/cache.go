package oidc

import (
	"sync"
	"time"
)

// The bounds of a cache: what it answers may be a second old, which is the staleness every node promises for metadata, and
// it never holds more than a host would notice.
const (
	cacheAge  = time.Second
	cacheSize = 4096
)

// cache remembers what changes rarely and is asked for with every request. Status and epoch of anything never go through
// one.
type cache[K comparable, V any] struct {
	now     func() time.Time
	mu      sync.Mutex
	entries map[K]cacheEntry[V]
}

type cacheEntry[V any] struct {
	value V
	read  time.Time
}

func newCache[K comparable, V any](now func() time.Time) *cache[K, V] {
	return &cache[K, V]{now: now, entries: map[K]cacheEntry[V]{}}
}

// get returns the remembered value, or what read returns. Errors are not remembered. Values are shared: callers do not
// change them.
func (c *cache[K, V]) get(key K, read func() (V, error)) (V, error) {
	now := c.now()
	c.mu.Lock()
	e, ok := c.entries[key]
	c.mu.Unlock()
	if age := now.Sub(e.read); ok && age >= 0 && age < cacheAge {
		return e.value, nil
	}
	value, err := read()
	if err != nil {
		return value, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) >= cacheSize {
		clear(c.entries)
	}
	c.entries[key] = cacheEntry[V]{value, now}
	return value, nil
}

func (c *cache[K, V]) drop(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, key)
}
