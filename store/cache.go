package store

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"
)

// Staleness is how long a node may not know of what another has written to a cached kind (Type.Cached).
const Staleness = time.Second

// cacheSize bounds a Cache: a full one begins anew.
const cacheSize = 10_000

// generationKind counts the writes of a cached kind in one organization: the id is the name of the kind. The record moves
// in the very step that writes, so what is read at a generation is at least as new as it.
var generationKind = Kind{Name: "store.generation"}

// Cache remembers values of a cached kind, which change rarely and are asked for with every request. Once a second it
// compares the generation of the kind in the organization, one small record, and forgets what is older. Status and epoch
// of anything never go through one. It is safe for concurrent use; the values are shared and must not be changed.
type Cache[K comparable, V any] struct {
	db   *DB
	kind Kind

	mu      sync.RWMutex
	entries map[K]cached[V]
}

type cached[V any] struct {
	value      V
	org        string
	generation int64
}

// NewCache returns an empty Cache of what a collection keeps; its Type must be Cached.
func NewCache[K comparable, V, T any](db *DB, of *Collection[T]) *Cache[K, V] {
	return &Cache[K, V]{db: db, kind: of.Kind(), entries: map[K]cached[V]{}}
}

// Get returns the remembered value, or what read returns: a value, and the organization whose writes end it. Errors are
// not remembered, and one of the store is returned even where a value is remembered.
func (c *Cache[K, V]) Get(ctx context.Context, key K, read func() (V, string, error)) (V, error) {
	c.mu.RLock()
	e, ok := c.entries[key]
	c.mu.RUnlock()
	if !ok {
		return c.miss(ctx, key, read)
	}
	generation, err := c.db.generation(ctx, c.kind, e.org)
	switch {
	case err != nil:
		var none V
		return none, err
	case generation != e.generation:
		return c.miss(ctx, key, read)
	}
	return e.value, nil
}

// miss reads a value, and remembers it under the generation that was known before it was read.
func (c *Cache[K, V]) miss(ctx context.Context, key K, read func() (V, string, error)) (V, error) {
	for try := 0; ; try++ {
		began := c.db.generations.moment()
		value, org, err := read()
		if err != nil {
			return value, err
		}
		if generation, ok := c.db.generations.before(began, place{c.kind.Name, org}); ok {
			c.put(key, cached[V]{value, org, generation})
			return value, nil
		}
		if try == 1 {
			return value, nil // somebody writes all the time; the next caller may be luckier
		}
		if _, err := c.db.generation(ctx, c.kind, org); err != nil {
			var none V
			return none, err
		}
	}
}

func (c *Cache[K, V]) put(key K, e cached[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) >= cacheSize {
		clear(c.entries)
	}
	c.entries[key] = e
}

// place is a kind in an organization.
type place struct{ kind, org string }

func (p place) topic() string { return p.kind + " " + p.org }

func placeOf(topic string) place {
	kind, org, _ := strings.Cut(topic, " ")
	return place{kind, org}
}

// generations are what a node knows of the generations of all nodes.
type generations struct {
	mu    sync.RWMutex
	known map[place]generation
	// moved counts the changes of known, so that one can tell what was known before something else.
	moved int64
}

type generation struct {
	// number is the version of the record; zero is none, and -1 that it was never read.
	number int64
	// learned is the moment when the number became known, doubted the last at which it may have moved.
	learned, doubted int64
	// checked is when the number was compared last; the zero time is that it must be.
	checked time.Time
}

// moment is now, for before.
func (g *generations) moment() int64 {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.moved
}

// before returns the number that was known at a moment and is known still.
func (g *generations) before(moment int64, p place) (number int64, ok bool) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	known, ok := g.known[p]
	return known.number, ok && known.learned <= moment
}

// fresh returns the number if it was compared within Staleness. When the clock went back its age is unknown.
func (g *generations) fresh(p place, now time.Time) (number int64, ok bool) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	known, ok := g.known[p]
	age := now.Sub(known.checked)
	return known.number, ok && age >= 0 && age < Staleness
}

// learn remembers what was read, beginning at a moment and a time. What was doubted meanwhile stays in doubt.
func (g *generations) learn(p place, number int64, began int64, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	known := g.of(p)
	if known.number != number {
		g.moved++
		known.number, known.learned = number, g.moved
	}
	if known.doubted > began {
		now = time.Time{}
	}
	known.checked = now
	g.known[p] = known
}

// doubt makes the next caller compare.
func (g *generations) doubt(p place) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.moved++
	known := g.of(p)
	known.doubted, known.checked = g.moved, time.Time{}
	g.known[p] = known
}

// doubtAll makes the next callers compare everything.
func (g *generations) doubtAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.moved++
	for p, known := range g.known {
		known.doubted, known.checked = g.moved, time.Time{}
		g.known[p] = known
	}
}

// of returns what is known of a place. The caller holds the lock.
func (g *generations) of(p place) generation {
	known, ok := g.known[p]
	if ok {
		return known
	}
	if len(g.known) >= cacheSize {
		clear(g.known)
	}
	return generation{number: -1, learned: g.moved}
}

// generation returns the generation of a kind in an organization, as of at most Staleness ago.
func (db *DB) generation(ctx context.Context, kind Kind, org string) (int64, error) {
	now, p := db.Now(), place{kind.Name, org}
	if number, ok := db.generations.fresh(p, now); ok {
		return number, nil
	}
	began := db.generations.moment()
	r, err := db.config.Driver.Get(ctx, now, generationKind, org, kind.Name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, err
	}
	db.generations.learn(p, r.Version, began, now)
	return r.Version, nil
}

// Notifier is what a Driver or an Ephemeral may offer beside its contract: it carries short messages between nodes. They
// may be lost, and nothing but speed depends on them: with one, a write of a cached kind is known to other nodes at once.
type Notifier interface {
	// Notify sends a topic, printable text of at most 1,024 bytes, to all who listen.
	Notify(ctx context.Context, topic string) error
	// Listen calls heard for each topic, one at a time, until ctx ends or the connection does, and returns why. Once it
	// listens, also when it does so anew, it calls heard with "" first: what was sent before is unknown.
	Listen(ctx context.Context, heard func(topic string)) error
}

// notifier is the separate Ephemeral if it is one, otherwise the Driver if that is one, otherwise nil.
func (db *DB) notifier() Notifier {
	if n, ok := db.config.Ephemeral.(Notifier); ok {
		return n
	}
	n, _ := db.config.Driver.(Notifier)
	return n
}

// Listen lets the writes of other nodes be known here at once instead of within Staleness, until ctx ends or the
// connection does; it returns why. Without a Notifier it waits for ctx to end. It is for a goroutine of its own.
func (db *DB) Listen(ctx context.Context) error {
	n := db.notifier()
	if n == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	return n.Listen(ctx, db.heard)
}

func (db *DB) heard(topic string) {
	if topic == "" {
		db.generations.doubtAll()
		return
	}
	db.generations.doubt(placeOf(topic))
}
