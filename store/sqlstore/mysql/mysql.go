package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/signet-idp/signet/store/sqlstore"
)

// Config is how Open opens a database. The zero value is right for almost everyone.
type Config struct {
	// Prefix begins the name of every table: 1 to 32 lower-case letters, digits and underscores; "" means "signet_".
	Prefix string
	// Database is where the tables are: letters, digits and underscores; "" means the database that the connections are in.
	Database string
	// NoMigrate makes Open fail when the schema is behind, instead of bringing it up.
	NoMigrate bool
	// Timeout bounds a call to the Driver whose caller would wait longer, from when it asks for a connection; zero is 10 s. Of a step
	// that is cut off while it commits the error is store.ErrUncertain. A long Purge has as much for every 200 records.
	Timeout time.Duration
	// InsecureDurability accepts a server whose settings lose acknowledged writes in a crash: a code that was used may then be
	// used again, and a session that was ended comes back.
	InsecureDurability bool
}

// Open asks the server whether it can be relied on, brings the schema up, and returns a Driver. The pool stays the caller's: its size,
// and closing it after the Driver. Several processes may open one database at the same time.
//
// The context bounds opening alone. The parameters of the DSN do not matter, except those for how to reach the server and for how long
// to wait for it.
func Open(ctx context.Context, db *sql.DB, config Config) (*sqlstore.Driver, error) {
	return open(ctx, db, config, nil)
}

// open is Open with something that may change what is known about the server, for tests.
func open(ctx context.Context, db *sql.DB, config Config, change func(*server)) (*sqlstore.Driver, error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	if db == nil {
		return nil, errors.New("mysql: a pool of connections is required")
	}
	server, err := probe(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("mysql: %w", explain(err))
	}
	if change != nil {
		change(&server)
	}
	if err := server.check(config); err != nil {
		return nil, err
	}
	d := newDialect(server, config)
	return sqlstore.NewServer(ctx, sqlstore.ServerConfig{
		Dialect:    d.words,
		DB:         db,
		Trip:       d.trip,
		Alone:      d.alone,
		Migrations: Migrations(),
		NoMigrate:  config.NoMigrate,
		Timeout:    config.Timeout,
	})
}

// complete fills in the defaults and reports all that is wrong.
func (c *Config) complete() error {
	const lower = "abcdefghijklmnopqrstuvwxyz0123456789_"
	var problems []error
	if c.Prefix == "" {
		c.Prefix = "signet_"
	}
	if len(c.Prefix) > 32 || strings.Trim(c.Prefix, lower) != "" {
		problems = append(problems, fmt.Errorf("mysql: Config.Prefix %q is not 1 to 32 lower-case letters, digits and underscores", c.Prefix))
	}
	if len(c.Database) > 64 || strings.Trim(strings.ToLower(c.Database), lower) != "" {
		problems = append(problems, fmt.Errorf("mysql: Config.Database %q is not letters, digits and underscores, 64 at most", c.Database))
	}
	return errors.Join(problems...)
}

// tables is what stands in front of the name of each table.
func (c *Config) tables() string {
	if c.Database == "" {
		return c.Prefix
	}
	return "`" + c.Database + "`." + c.Prefix
}
