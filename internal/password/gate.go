package password

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"time"
)

// cost is what one computation takes from the gate while it runs.
type cost struct {
	bytes   int64
	threads int
}

// gate is a semaphore with two weights and one queue, served strictly in the order of
// arrival: a large computation at its head is not starved by small ones behind it.
type gate struct {
	limit   cost
	queue   int
	maxWait time.Duration

	mu      sync.Mutex
	used    cost
	waiters list.List // of *waiter
}

type waiter struct {
	cost
	admitted chan struct{} // closed, under gate.mu, when the permit is taken
}

func newGate(limit cost, queue int, maxWait time.Duration) *gate {
	return &gate{limit: limit, queue: queue, maxWait: maxWait}
}

// acquire waits for a permit. Who gets nil owes a release of the same cost. A cost of
// more bytes than the limit must not get here: it would never be admitted.
func (g *gate) acquire(ctx context.Context, c cost) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("password: %w", err)
	}
	g.mu.Lock()
	if g.waiters.Len() == 0 && g.take(c) {
		g.mu.Unlock()
		return nil
	}
	if g.waiters.Len() >= g.queue {
		g.mu.Unlock()
		return g.busy()
	}
	w := &waiter{c, make(chan struct{})}
	place := g.waiters.PushBack(w)
	g.mu.Unlock()

	timer := time.NewTimer(g.maxWait)
	defer timer.Stop()
	select {
	case <-w.admitted:
		return nil
	case <-ctx.Done():
		g.leave(place)
		return fmt.Errorf("password: %w", ctx.Err())
	case <-timer.C:
		g.leave(place)
		return g.busy()
	}
}

func (g *gate) release(c cost) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.put(c)
}

// leave gives up a place in the queue, or the permit if that has just been granted.
func (g *gate) leave(place *list.Element) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := place.Value.(*waiter)
	select {
	case <-w.admitted:
		g.put(w.cost)
	default:
		g.waiters.Remove(place)
		g.admit() // those behind may be small enough
	}
}

// take, put and admit need g.mu.

func (g *gate) take(c cost) bool {
	next := cost{g.used.bytes + c.bytes, g.used.threads + g.threads(c)}
	if next.bytes > g.limit.bytes || next.threads > g.limit.threads {
		return false
	}
	g.used = next
	return true
}

func (g *gate) put(c cost) {
	g.used.bytes -= c.bytes
	g.used.threads -= g.threads(c)
	g.admit()
}

func (g *gate) admit() {
	for place := g.waiters.Front(); place != nil; place = g.waiters.Front() {
		w := place.Value.(*waiter)
		if !g.take(w.cost) {
			return
		}
		g.waiters.Remove(place)
		close(w.admitted)
	}
}

// threads lets a foreign hash that wants more threads than there are have all of them.
func (g *gate) threads(c cost) int { return min(c.threads, g.limit.threads) }

// busy asks the client to come back when everybody who is queueing now has been served
// or sent away.
func (g *gate) busy() error { return &BusyError{RetryAfter: max(g.maxWait, time.Second)} }
