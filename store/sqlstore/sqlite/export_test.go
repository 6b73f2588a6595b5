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
