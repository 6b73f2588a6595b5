package rp

import (
	"context"
	"sync/atomic"
	"time"
)

// cache holds one foreign document. Of callers at once one fetches it, and the others wait, each as long as it likes.
type cache[T any] struct {
	held *atomic.Pointer[held[T]]
	turn chan struct{}
}

// held is what was fetched last, and when the last attempt was made.
type held[T any] struct {
	value   T
	fetched time.Time // zero when nothing was ever fetched
	tried   time.Time
	err     error // of the last attempt
}

func newCache[T any]() cache[T] {
	return cache[T]{held: new(atomic.Pointer[held[T]]), turn: make(chan struct{}, 1)}
}

const (
	// lifetime is how long a document is taken for current, and staleness how long the last one serves while no other can be had.
	lifetime  = time.Hour
	staleness = 24 * time.Hour
	// pause is the shortest time between two attempts: nobody can have us ask more often, whatever they send.
	pause = time.Minute
	// pauseAfterFailure is how soon a document that was never had is asked for again.
	pauseAfterFailure = 5 * time.Second
)

// value returns the document, as it is remembered if that will do.
func (c cache[T]) value(ctx context.Context, now time.Time, will func(T) bool, fetch func(context.Context) (T, error)) (T, error) {
	if h := c.held.Load(); h.serves(now, will) {
		return h.value, nil
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return *new(T), unavailable("%w", ctx.Err())
	}
	last := c.held.Load()
	if last.serves(now, will) { // fetched meanwhile
		return last.value, nil
	}
	if !last.due(now) {
		return last.rest(now)
	}
	next := &held[T]{tried: now}
	value, err := fetch(ctx)
	switch {
	case err == nil:
		next.value, next.fetched = value, now
	case ctx.Err() != nil: // whoever asked has gone: that says nothing about the document
		return *new(T), err
	default:
		next.err = err
		if last != nil {
			next.value, next.fetched = last.value, last.fetched
		}
	}
	c.held.Store(next)
	return next.rest(now)
}

// serves reports whether no attempt is needed.
func (h *held[T]) serves(now time.Time, will func(T) bool) bool {
	return h != nil && !h.fetched.IsZero() && now.Sub(h.fetched) < lifetime && will(h.value)
}

// due reports whether another attempt may be made.
func (h *held[T]) due(now time.Time) bool {
	switch {
	case h == nil:
		return true
	case h.fetched.IsZero():
		return now.Sub(h.tried) >= pauseAfterFailure
	}
	return now.Sub(h.tried) >= pause
}

// rest is what can be said without another attempt.
func (h *held[T]) rest(now time.Time) (T, error) {
	if h.fetched.IsZero() || now.Sub(h.fetched) >= staleness {
		return *new(T), h.err
	}
	return h.value, nil
}
