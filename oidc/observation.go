package oidc

import (
	"context"
	"sync"
	"time"
)

// Observation is something that a security team counts and nobody may rely on being told.
type Observation struct {
	// Type is "request.refused", "code.reused", "refresh_token.reused".
	Type     string
	ClientID string
	Subject  string
	Grant    string
	// Code is the error code of a refusal.
	Code string
	// Address is the client's, grouped for counting.
	Address string
	// Missed is how many were left out before this one because there were too many.
	Missed int
}

// observations bounds how many a flood of bad requests can cause.
type observations struct {
	mu           sync.Mutex
	second       time.Time
	sent, missed int
}

const observationsPerSecond = 100

// admit reports whether one more may go out, and how many did not before it.
func (s *observations) admit(now time.Time) (missed int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if second := now.Truncate(time.Second); !second.Equal(s.second) {
		s.second, s.sent = second, 0
	}
	if s.sent >= observationsPerSecond {
		s.missed++
		return 0, false
	}
	s.sent++
	missed, s.missed = s.missed, 0
	return missed, true
}

func (p *Provider) observe(ctx context.Context, o Observation) {
	missed, ok := p.seen.admit(p.db.Now())
	if !ok {
		return
	}
	o.Missed = missed
	p.config.Observer(ctx, o)
}
