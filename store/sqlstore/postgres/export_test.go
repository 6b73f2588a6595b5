package postgres

import (
	"context"
	"database/sql"

	"github.com/signet-idp/signet/store/sqlstore"
)

// OpenBetween is Open with something between the Driver and what carries its statements out.
func OpenBetween(ctx context.Context, db *sql.DB, config Config, between func(sqlstore.Trip) sqlstore.Trip) (*Driver, error) {
	return open(ctx, db, config, between(trip), nil)
}
