package sqlite

import (
	"context"
	"database/sql/driver"

	"github.com/signet-idp/signet/store/sqlstore"
)

// OpenBetween is Open with something between database/sql and SQLite.
func OpenBetween(ctx context.Context, path string, config Config, between func(driver.Conn) driver.Conn) (*sqlstore.Driver, error) {
	return open(ctx, path, config, between)
}

// SetPragma sets one setting of a connection as every new connection is set.
func SetPragma(ctx context.Context, conn driver.Conn, name, value, want string) error {
	return pragma{name, value, want}.set(ctx, conn)
}

// QueryPragma asks a connection for a setting.
func QueryPragma(ctx context.Context, conn driver.Conn, name string) (string, error) {
	return query(ctx, conn, "PRAGMA "+name)
}
