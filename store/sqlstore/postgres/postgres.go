package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/signet-idp/signet/store/sqlstore"
)

// Config is how Open uses a database. The zero value is right for almost everyone.
type Config struct {
	// Schema is the schema of the tables. "" is the first of the connection's search_path that exists, public mostly; it is
	// asked for once, and later search_paths change nothing. A schema that is missing is made.
	Schema string
	// Prefix stands in front of the names of tables and indexes: up to 20 lower-case letters, digits and underscores, beginning with a
	// letter. "" is signet_. Several Drivers may share a schema with a prefix each.
	Prefix string
	// NoMigrate makes Open fail when the schema is behind, instead of bringing it up.
	NoMigrate bool
	// InsecureDurability accepts a server whose settings lose acknowledged writes in a crash, or may: a code that was used can then be
	// used again, and a session that was ended comes back. On a file system that never tears a page, as ZFS, full_page_writes = off is
	// safe, and this says so.
	InsecureDurability bool
	// Timeout bounds a call to the Driver whose caller would wait longer, from when it asks for a connection; zero is 10 s. Of a step
	// that is cut off while it commits the error is store.ErrUncertain. A long Purge has as much for every 200 records.
	Timeout time.Duration
}

var validPrefix = regexp.MustCompile(`^[a-z][a-z0-9_]{0,19}$`)

// Driver is a store.Driver over PostgreSQL, and a store.Notifier. It is safe for concurrent use.
type Driver struct {
	*sqlstore.Driver
	db      *sql.DB
	channel string // of NOTIFY; those who share a database and a prefix hear each other, also from different schemas
}

// Connect opens the database of a DSN, a URL or key=value pairs as in libpq, with a pool of its own that the Driver's Close closes.
func Connect(ctx context.Context, dsn string, config Config) (*Driver, error) {
	parsed, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("postgres: the DSN cannot be read, want postgres://user:password@host:5432/database: %w", err)
	}
	db := stdlib.OpenDB(*parsed)
	connections := max(16, 4*runtime.GOMAXPROCS(0))
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	driver, err := open(ctx, db, config, trip, db.Close)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return driver, nil
}

// Open uses the database behind db, which must be one of github.com/jackc/pgx/v5/stdlib, and brings its schema up. Db stays the
// host's, who limits it and closes it after the Driver; let it keep as many idle connections as it may open
// (SetMaxIdleConns), else it opens one for almost every call. Several nodes may open one database at the same time.
func Open(ctx context.Context, db *sql.DB, config Config) (*Driver, error) {
	if db == nil {
		return nil, errors.New("postgres: Open needs a *sql.DB")
	}
	return open(ctx, db, config, trip, nil)
}

func open(ctx context.Context, db *sql.DB, config Config, trip sqlstore.Trip, closing func() error) (*Driver, error) {
	t := tables{config.Schema, config.Prefix}
	if t.prefix == "" {
		t.prefix = "signet_"
	}
	if !validPrefix.MatchString(t.prefix) {
		return nil, fmt.Errorf("postgres: Config.Prefix %q is not 1 to 20 lower-case letters, digits and underscores, beginning with a letter", t.prefix)
	}
	if strings.Contains(t.schema, "\x00") || len(t.schema) > 63 {
		return nil, fmt.Errorf("postgres: Config.Schema %q is not a name of up to 63 bytes", t.schema)
	}
	if err := t.inspect(ctx, db, trip, config.InsecureDurability); err != nil {
		return nil, fmt.Errorf("postgres: %w", t.explain(err))
	}
	driver, err := sqlstore.NewServer(ctx, sqlstore.ServerConfig{
		Dialect:    t.dialect(),
		DB:         db,
		Trip:       trip,
		Alone:      t.alone,
		Migrations: Migrations(),
		NoMigrate:  config.NoMigrate,
		Timeout:    config.Timeout,
		Close:      closing,
	})
	if err != nil {
		return nil, err
	}
	return &Driver{Driver: driver, db: db, channel: t.prefix + "notify"}, nil
}

func (t tables) dialect() *sqlstore.Dialect {
	return &sqlstore.Dialect{
		Name:        "postgres",
		Statements:  statements(t),
		Server:      serverStatements(t),
		Tables:      t.before(),
		Script:      func(text string) string { return strings.ReplaceAll(text, "signet_", t.prefix) },
		Placeholder: func(n int) string { return fmt.Sprintf("$%d", n) },
		Fence:       ` OFFSET 0`,
		Unsought:    func(column string) string { return `(` + column + ` || ''::bytea)` },
		Lacks:       `CAST(E'\\xff' AS bytea)`,
		Text:        func(s string) any { return []byte(s) },
		LongValue:   800, // an index takes 2,704 bytes of all its columns together
		LongOrg:     1024,
		Hashed:      true,
		Fault:       fault,
		Explain:     t.explain,
	}
}

// inspect looks at what the server and the connection are set to, and finds the schema.
func (t *tables) inspect(ctx context.Context, db *sql.DB, trip sqlstore.Trip, lossy bool) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	var schema, commits, syncs, pages string
	err = trip(ctx, conn, []sqlstore.Call{{
		Text: `SELECT COALESCE(current_schema(), ''), current_setting('synchronous_commit'), current_setting('fsync'), current_setting('full_page_writes')`,
		Once: true, Row: func(scan func(...any) error) error { return scan(&schema, &commits, &syncs, &pages) },
	}})
	if err != nil {
		return err
	}
	if problem := loss(commits, syncs, pages); problem != "" && !lossy {
		return errors.New(problem + ", or accept that with Config.InsecureDurability")
	}
	if t.schema == "" {
		t.schema = schema
	}
	if t.schema == "" {
		return errors.New("no schema of the search_path exists: set Config.Schema, or CREATE SCHEMA")
	}
	return nil
}

// loss says by which of its settings a server that crashes loses what it has acknowledged.
func loss(commits, syncs, pages string) string {
	const cost = "what is acknowledged could be lost, and versions could come back; "
	switch "off" {
	case commits:
		return "synchronous_commit is off for this connection: " + cost + "take it out of the DSN, or ALTER ROLE … SET synchronous_commit = on"
	case syncs:
		return "fsync is off on the server: " + cost + "set it on in postgresql.conf"
	case pages:
		return "full_page_writes is off on the server: after a crash the tables could be damaged; set it on in postgresql.conf"
	}
	return ""
}

// migrationLock is the key of the advisory lock under which schemas are changed: "signet" in bytes.
const migrationLock = 0x7369676e6574

// alone has fn change the schema in one transaction. The lock belongs to the transaction, so that nobody needs to release it.
func (t tables) alone(ctx context.Context, conn *sql.Conn, fn func() error) error {
	begin := []sqlstore.Call{
		{Text: `BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE`, Once: true},
		{Text: `SET LOCAL lock_timeout TO 0`, Once: true}, // the context says how long to wait for another node that migrates
		{Text: `SET LOCAL statement_timeout TO 0`, Once: true},
		{Text: fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)`, migrationLock), Once: true},
	}
	found := false
	begin = append(begin, sqlstore.Call{
		Text: `SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = ` + literal(t.schema), Once: true,
		Row: func(func(...any) error) error { found = true; return nil },
	})
	err := trip(ctx, conn, begin)
	if err == nil && !found {
		err = trip(ctx, conn, []sqlstore.Call{{Text: `CREATE SCHEMA ` + quoted(t.schema), Once: true}})
	}
	if err == nil { // the text of migrations names no schema
		err = trip(ctx, conn, []sqlstore.Call{{Text: `SET LOCAL search_path TO ` + quoted(t.schema), Once: true}})
	}
	if err == nil {
		err = fn()
	}
	last := sqlstore.Call{Text: `COMMIT`, Commit: true, Once: true}
	if err != nil {
		last = sqlstore.Call{Text: `ROLLBACK`, Once: true}
	}
	ending := trip(context.WithoutCancel(ctx), conn, []sqlstore.Call{last})
	if err == nil {
		err = ending
	}
	return err
}
