package store

import (
	"context"
	"time"
)

// Readier is what a Driver or an Ephemeral may offer beside its contract: it knows what keeps it from being relied on that
// the next call would not meet, such as a setting of its server.
type Readier interface {
	// Ready returns nil, or an error that says what to do. A readiness probe calls it now and then.
	Ready(ctx context.Context, now time.Time) error
}

// Ready asks the Driver and the separate Ephemeral, as far as they are Readiers.
func (db *DB) Ready(ctx context.Context) error {
	for _, s := range []Ephemeral{db.config.Driver, db.config.Ephemeral} {
		if r, ok := s.(Readier); ok {
			if err := r.Ready(ctx, db.Now()); err != nil {
				return err
			}
		}
	}
	return nil
}
