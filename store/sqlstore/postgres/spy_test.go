package postgres_test

import (
	"context"
	"database/sql"
	"sync"

	"github.com/signet-idp/signet/store/sqlstore"
)

// spy sees every trip.
type spy struct {
	mu   sync.Mutex
	seen [][]sqlstore.Call
	// before a trip sets out; an error is what the caller gets.
	before func(calls []sqlstore.Call) error
}

func (s *spy) between(trip sqlstore.Trip) sqlstore.Trip {
	return func(ctx context.Context, conn *sql.Conn, calls []sqlstore.Call) error {
		s.mu.Lock()
		s.seen = append(s.seen, calls)
		before := s.before
		s.mu.Unlock()
		if before != nil {
			if err := before(calls); err != nil {
				return err
			}
		}
		return trip(ctx, conn, calls)
	}
}

// trips returns what was seen since the last call.
func (s *spy) trips() [][]sqlstore.Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}
