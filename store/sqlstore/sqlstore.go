package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"sync"
	"time"

	"github.com/signet-idp/signet/store"
)

// Config is what the package of a database hands to New.
type Config struct {
	// Dialect is required.
	Dialect *Dialect
	// Writer opens the connection of writers. Required; the Driver closes it.
	Writer *sql.DB
	// Reader opens the connections of readers. Required; the Driver closes it.
	Reader *sql.DB
	// Readers is how many connections readers have; zero means 4.
	Readers int
	// BusyTimeout is how long a writer waits for somebody else's lock; zero means 5 seconds.
	BusyTimeout time.Duration
	// Migrations are the files NNNN_name.sql, in one folder, numbered from 0001 without gaps. Required.
	Migrations fs.FS
	// NoMigrate makes New fail when the schema is behind, instead of bringing it up.
	NoMigrate bool
	// Ready is asked before each transaction; its error refuses the write. Nil means always.
	Ready func() error
}

// Driver is a store.Driver over a SQL database. It is safe for concurrent use.
type Driver struct {
	dialect     *Dialect
	writer      *pool
	readers     *pool
	busyTimeout time.Duration
	ready       func() error
	queue       queue
	known       map[string]struct{} // belongs to the holder of the writing session
	closing     sync.Once
	closed      error
}

var _ store.Driver = (*Driver)(nil)

// New brings the schema up and returns a Driver. When it fails it has closed both pools.
func New(ctx context.Context, config Config) (*Driver, error) {
	if config.Dialect == nil || config.Writer == nil || config.Reader == nil || config.Migrations == nil {
		return nil, errors.New("sqlstore: Config.Dialect, Writer, Reader and Migrations are required")
	}
	if config.Readers == 0 {
		config.Readers = 4
	}
	if config.BusyTimeout == 0 {
		config.BusyTimeout = 5 * time.Second
	}
	if config.Ready == nil {
		config.Ready = func() error { return nil }
	}
	d := &Driver{
		dialect:     config.Dialect,
		writer:      newPool(config.Writer, 1),
		readers:     newPool(config.Reader, config.Readers),
		busyTimeout: config.BusyTimeout,
		ready:       config.Ready,
		known:       map[string]struct{}{},
	}
	if err := d.migrate(ctx, config.Migrations, config.NoMigrate); err != nil {
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

// Close waits for calls that are under way and closes all connections. Later calls of other methods fail.
func (d *Driver) Close() error {
	d.closing.Do(func() { d.closed = errors.Join(d.writer.close(), d.readers.close()) })
	return d.closed
}

// Get implements store.Driver.
func (d *Driver) Get(ctx context.Context, now time.Time, kind store.Kind, org, id string) (store.Record, error) {
	if err := store.ValidateKind(kind); err != nil {
		return store.Record{}, err
	}
	r := store.Record{Kind: kind, Org: org, ID: id}
	var expires int64
	err := d.read(ctx, func(s *session) error {
		return s.row(d.dialect.Statements.Get, []any{kind.Name, org, id, now.UnixMicro()},
			&r.Version, &expires, &r.Schema, &r.Count, &r.Body)
	})
	if err != nil {
		return store.Record{}, err
	}
	r.Expires = fromMicros(expires)
	return r, nil
}

// Lookup implements store.Driver.
func (d *Driver) Lookup(ctx context.Context, now time.Time, kind store.Kind, org string, key store.Key) (store.Record, error) {
	if err := store.ValidateLookup(kind, key); err != nil {
		return store.Record{}, err
	}
	r := store.Record{Kind: kind}
	var expires int64
	err := d.read(ctx, func(s *session) error {
		args := append(keyArgs(kind, org, key), now.UnixMicro())
		return s.row(d.dialect.Statements.Lookup, args,
			&r.Org, &r.ID, &r.Version, &expires, &r.Schema, &r.Count, &r.Body)
	})
	if err != nil {
		return store.Record{}, err
	}
	r.Expires = fromMicros(expires)
	return r, nil
}

// read lends a reading session to fn and translates its error.
func (d *Driver) read(ctx context.Context, fn func(*session) error) error {
	s, err := d.readers.take(ctx)
	if err != nil {
		return d.explain(err)
	}
	defer d.readers.give(s)
	err = fn(s)
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	if d.dialect.Fault(err) == Unknown {
		s.close() // the next reader gets a fresh connection
	}
	return d.explain(err)
}

// explain gives errors of the database their text, and leaves those of the contract and of the context alone.
func (d *Driver) explain(err error) error {
	for _, own := range []error{
		context.Canceled, context.DeadlineExceeded, errClosed,
		store.ErrNotFound, store.ErrUnindexed, store.ErrInvalid, store.ErrUncertain,
	} {
		if errors.Is(err, own) {
			return err
		}
	}
	if _, ok := errors.AsType[*store.Conflict](err); ok {
		return err
	}
	return fmt.Errorf("%s: %w", d.dialect.Name, d.dialect.Explain(err))
}

// never is how a record without an end is stored, so that one comparison decides about expiry.
const never = math.MaxInt64

func toMicros(t time.Time) int64 {
	if t.IsZero() {
		return never
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == never {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// keyArgs are the parameters that name a unique key.
func keyArgs(kind store.Kind, org string, key store.Key) []any {
	if key.Scope == store.GlobalScope {
		org = ""
	}
	return []any{kind.Name, int64(key.Scope), org, key.Name, []byte(key.Value)}
}
