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
	dialect *Dialect
	engine  engine
	ready   func() error
	timeout time.Duration // of a call; zero is none
	closing sync.Once
	closed  error
}

var (
	_ store.Driver  = (*Driver)(nil)
	_ store.Readier = (*Driver)(nil)
)

// engine is how a kind of database is worked with.
type engine interface {
	// apply does the operations or none of them.
	apply(ctx context.Context, now int64, plans []plan, results []store.Result) error
	// purge removes up to limit records that have expired.
	purge(ctx context.Context, now int64, limit int) (int, error)
	// read lends fn a way to ask.
	read(ctx context.Context, fn func(querier) error) error
	// look is read before the schema is known to be there.
	look(ctx context.Context, fn func(querier) error) error
	// alone has fn change the schema, in a transaction where the database has that, while nobody else does.
	alone(ctx context.Context, fn func(conn) error) error
	close() error
}

// querier asks, one statement after another.
type querier interface {
	// row runs a statement that returns at most one row; without one the error is sql.ErrNoRows.
	row(ctx context.Context, text string, args []any, into ...any) error
	// rows runs a statement and calls each for every row. Each may not use the querier.
	rows(ctx context.Context, text string, args []any, each func(scan func(...any) error) error) error
}

// conn is a querier that changes the schema.
type conn interface {
	querier
	exec(ctx context.Context, text string, args ...any) error
}

// New brings the schema of a database up that lies in a file of this machine, and returns a Driver: one connection
// writes, and those who write at the same time share its commits. When it fails it has closed both pools.
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
	return newDriver(ctx, config.Dialect, &fileEngine{
		dialect:     config.Dialect,
		writer:      newPool(config.Writer, 1),
		readers:     newPool(config.Reader, config.Readers),
		busyTimeout: config.BusyTimeout,
		ready:       config.Ready,
		known:       map[string]struct{}{},
	}, config.Ready, config.Migrations, config.NoMigrate)
}

func newDriver(ctx context.Context, dialect *Dialect, engine engine, ready func() error, files fs.FS, noMigrate bool) (*Driver, error) {
	d := &Driver{dialect: dialect, engine: engine, ready: ready}
	if err := d.migrate(ctx, files, noMigrate); err != nil {
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

// Close waits for calls that are under way and closes what New was given. Later calls of other methods fail.
func (d *Driver) Close() error {
	d.closing.Do(func() { d.closed = d.engine.close() })
	return d.closed
}

// Ready implements store.Readier: it reports whether the store can be worked with now. It writes nothing; a health check may
// call it every second.
func (d *Driver) Ready(ctx context.Context, _ time.Time) error {
	if err := d.ready(); err != nil {
		return d.explain(err)
	}
	return d.read(ctx, func(ctx context.Context, q querier) error {
		return q.rows(ctx, d.dialect.Statements.Shapes, []any{""}, func(func(...any) error) error { return nil })
	})
}

// Get implements store.Driver.
func (d *Driver) Get(ctx context.Context, now time.Time, kind store.Kind, org, id string) (store.Record, error) {
	if err := store.ValidateKind(kind); err != nil {
		return store.Record{}, err
	}
	r := store.Record{Kind: kind, Org: org, ID: id}
	var expires int64
	err := d.read(ctx, func(ctx context.Context, s querier) error {
		return s.row(ctx, d.dialect.Statements.Get, []any{kind.Name, d.dialect.text(org), d.dialect.text(id), now.UnixMicro()},
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
	err := d.read(ctx, func(ctx context.Context, s querier) error {
		args := append(d.dialect.keyArgs(kind, org, key), now.UnixMicro())
		return s.row(ctx, d.dialect.Statements.Lookup, args,
			&r.Org, &r.ID, &r.Version, &expires, &r.Schema, &r.Count, &r.Body)
	})
	if err != nil {
		return store.Record{}, err
	}
	r.Expires = fromMicros(expires)
	return r, nil
}

// read lends fn a way to ask and translates its error.
func (d *Driver) read(ctx context.Context, fn func(context.Context, querier) error) error {
	err := d.within(ctx, func(ctx context.Context) error {
		return d.engine.read(ctx, func(q querier) error { return fn(ctx, q) })
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return store.ErrNotFound
	}
	return d.explain(err)
}

// within bounds a call, whatever its caller would wait: a server that hangs keeps who waits for it, and their connection. That it took
// too long is not the caller's deadline, whose errors say that nobody wants the answer any more.
func (d *Driver) within(ctx context.Context, call func(context.Context) error) error {
	if d.timeout == 0 {
		return call(ctx)
	}
	limited, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	err := call(limited)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil && !errors.Is(err, store.ErrUncertain) {
		return fmt.Errorf("the server has not answered within %v, or no connection to it was free", d.timeout)
	}
	return err
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
