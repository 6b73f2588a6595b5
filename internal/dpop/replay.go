package dpop

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Replays remembers which proofs were used (RFC 9449 §11.1). It is safe for concurrent use.
type Replays interface {
	// Use reports whether a proof is used for the first time, and remembers it until it would not be accepted any more. A proof
	// that must still be remembered is never forgotten to make room. An error means that nobody knows.
	Use(ctx context.Context, id string, until time.Time) (first bool, err error)
}

// ErrFull says that no further proof can be remembered: those that came before must not be forgotten.
var ErrFull = errors.New("dpop: too many proofs to remember")

// Memory is Replays in this process, for a protected resource of a single node.
type Memory struct {
	now   func() time.Time
	limit int

	mu    sync.Mutex
	used  map[string]time.Time
	sweep time.Time // when to look for what can be forgotten
}

// NewMemory returns a Memory of at most limit proofs at once, by the clock now.
func NewMemory(limit int, now func() time.Time) *Memory {
	return &Memory{now: now, limit: limit, used: map[string]time.Time{}}
}

// Use implements Replays. The error is ErrFull.
func (m *Memory) Use(_ context.Context, id string, until time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if !now.Before(m.sweep) {
		m.forget(now)
	}
	if known, ok := m.used[id]; ok && now.Before(known) {
		return false, nil
	}
	if len(m.used) >= m.limit {
		return false, ErrFull
	}
	m.used[id] = until
	return true, nil
}

// forget drops what is accepted no more. It runs the more seldom the more there is to look at, so that a full Memory costs little.
func (m *Memory) forget(now time.Time) {
	for id, until := range m.used {
		if !now.Before(until) {
			delete(m.used, id)
		}
	}
	m.sweep = now.Add(max(time.Second, time.Duration(len(m.used))*time.Microsecond))
}
