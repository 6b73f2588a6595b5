package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/signet-idp/signet/internal/secret"
)

// Config is the wiring of a DB.
type Config struct {
	// Driver keeps durable kinds, and ephemeral ones too unless Ephemeral is set. Required.
	Driver Driver
	// Ephemeral keeps ephemeral kinds apart. Nil means the Driver.
	Ephemeral Ephemeral
	// Keys seals and keys secrets. Required.
	Keys *KeyRing
	// Now is the clock by which everything expires. Nil means time.Now.
	Now func() time.Time
	// Consumers take Deliveries of events. Names must differ.
	Consumers []Consumer
	// EventRetention is how long an Event is kept; zero means 90 days.
	EventRetention time.Duration
	// ScanLimit bounds how many records a filter without an index may visit; zero means 10,000.
	ScanLimit int
}

// DB is a Driver with everything that all of its users share: the clock, the key ring, a separate Ephemeral if there is
// one, the consumers of events, and what this node knows of the generations of cached kinds. It is safe for concurrent use.
type DB struct {
	config Config
	events *Collection[Event]
	outbox *Collection[Delivery]
	leases *Collection[lease]
	node   string

	generations generations

	registering sync.Mutex
	registered  []sealing // of the collections with sealed values
}

// Open checks the configuration and returns a DB. It does no I/O; the DB does not own the Driver and never closes it.
func Open(config Config) (*DB, error) {
	var problems []error
	if config.Driver == nil {
		problems = append(problems, errors.New("store: Config.Driver is required"))
	}
	if config.Keys == nil {
		problems = append(problems, errors.New("store: Config.Keys is required; OpenKeyFile makes one"))
	}
	problems = append(problems, checkConsumers(config.Consumers))
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.EventRetention == 0 {
		config.EventRetention = 90 * 24 * time.Hour
	}
	if config.ScanLimit == 0 {
		config.ScanLimit = 10_000
	}
	db := &DB{config: config, node: NewID(), generations: generations{known: map[place]generation{}}}
	db.events = NewCollection(db, eventType)
	db.outbox = NewCollection(db, deliveryType)
	db.leases = NewCollection(db, leaseType)
	return db, nil
}

// Now is the time by which the DB judges, in UTC, to the microsecond that a record can hold.
func (db *DB) Now() time.Time { return db.config.Now().UTC().Truncate(time.Microsecond) }

// Keys is the key ring.
func (db *DB) Keys() *KeyRing { return db.config.Keys }

// Purge removes up to limit expired records of durable kinds, and of ephemeral ones where they share the Driver.
func (db *DB) Purge(ctx context.Context, limit int) (int, error) {
	return db.config.Driver.Purge(ctx, db.Now(), limit)
}

// Seal encrypts plaintext for one field of one record; see KeyRing.Seal.
func (db *DB) Seal(kind Kind, ref Ref, field string, plaintext []byte) Sealed {
	return db.config.Keys.Seal(plaintext, kind.Name, ref.Org, ref.ID, field)
}

// Unseal decrypts what Seal made for the same field of the same record. Errors wrap ErrSealed.
func (db *DB) Unseal(kind Kind, ref Ref, field string, s Sealed) ([]byte, error) {
	return db.config.Keys.Open(s, kind.Name, ref.Org, ref.ID, field)
}

// place returns the store that keeps the kind.
func (db *DB) place(kind Kind) Ephemeral {
	if kind.Ephemeral && db.config.Ephemeral != nil {
		return db.config.Ephemeral
	}
	return db.config.Driver
}

// NewID returns a random UUID: the id of a new record. It identifies and never authenticates.
func NewID() string { return secret.UUID() }
