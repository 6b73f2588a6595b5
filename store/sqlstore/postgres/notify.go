package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore"
)

var _ store.Notifier = (*Driver)(nil)

// silence is how long a connection that listens may hear nothing before the server is asked whether it is there.
const silence = 30 * time.Second

// soon is how long a notice may take: those who do not hear it find out by themselves.
const soon = 5 * time.Second

// Notify implements store.Notifier by NOTIFY.
func (d *Driver) Notify(ctx context.Context, topic string) error {
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	conn, err := d.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("postgres: notifying: %w", err)
	}
	defer func() { _ = conn.Close() }()
	err = trip(ctx, conn, []sqlstore.Call{{Text: `SELECT pg_notify($1, $2)`, Args: []any{d.channel, topic}, Row: func(scan func(...any) error) error {
		var nothing string
		return scan(&nothing)
	}}})
	if err != nil {
		return fmt.Errorf("postgres: notifying: %w", err)
	}
	return nil
}

// Listen implements store.Notifier by LISTEN. It holds a connection of the pool, which it closes in the end, so that nobody else's
// connection goes on listening; from a pool of one it takes none, and hears nothing. Nor does it behind a pooler that lends
// connections for a transaction.
func (d *Driver) Listen(ctx context.Context, heard func(topic string)) error {
	if d.db.Stats().MaxOpenConnections == 1 {
		<-ctx.Done()
		return ctx.Err()
	}
	conn, err := d.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("postgres: listening: %w", err)
	}
	defer func() { _ = conn.Close() }()
	var ended error
	_ = conn.Raw(func(raw any) error {
		ended = d.listen(ctx, raw, heard)
		return driver.ErrBadConn // not to be used again
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	return fmt.Errorf("postgres: listening: %w", ended)
}

func (d *Driver) listen(ctx context.Context, raw any, heard func(topic string)) error {
	c, err := pgxConn(raw)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	if err := c.PgConn().Exec(ctx, `LISTEN `+quoted(d.channel)).Close(); err != nil {
		return err
	}
	heard("")
	for {
		patience, cancel := context.WithTimeout(ctx, silence)
		n, err := c.WaitForNotification(patience)
		cancel()
		switch {
		case err == nil:
			heard(n.Payload)
		case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) && !c.IsClosed():
			if err := ping(ctx, c); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// ping asks a server that has been silent for long whether it is there, and does not wait for ever if it is not.
func ping(ctx context.Context, c *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	return c.Ping(ctx)
}
