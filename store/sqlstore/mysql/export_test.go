package mysql

import (
	"context"
	"database/sql"

	"github.com/signet-idp/signet/store/sqlstore"
)

// NewText puts arguments into a statement.
var NewText = newText

// OpenApart is Open for a server that takes one statement at a time, as MySQL does.
func OpenApart(ctx context.Context, db *sql.DB, config Config) (*sqlstore.Driver, error) {
	return open(ctx, db, config, func(s *server) { s.bundles = false })
}
