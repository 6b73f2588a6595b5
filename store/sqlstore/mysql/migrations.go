package mysql

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations returns the files that make the schema, NNNN_name.sql, for those who let a tool of their own run them (with another
// Config.Prefix it must replace "signet_" in them). Files that were released never change. Every statement in them can be run again,
// so that Open, unless Config.NoMigrate is set, takes over from such a tool by itself.
func Migrations() fs.FS {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		return files // cannot happen: the name is valid
	}
	return sub
}

// lockName names the lock under which one process of all changes this schema. Its length is bounded by the server.
func (d *dialect) lockName() string {
	return fmt.Sprintf("signet.%x", sum(d.server.database + "." + d.tables)[:16])
}

// alone has fn run while no other process changes the schema.
func (d *dialect) alone(ctx context.Context, conn *sql.Conn, fn func() error) error {
	if err := d.lock(ctx, conn); err != nil {
		return err
	}
	err := fn()
	release := newText(`SELECT RELEASE_LOCK($1)`, d.lockName())
	if _, left := conn.ExecContext(context.WithoutCancel(ctx), release); left != nil {
		err = errors.Join(err, left)
	}
	return err
}

// lock waits for the lock as long as the context lasts, a few seconds at a time.
func (d *dialect) lock(ctx context.Context, conn *sql.Conn) error {
	for {
		var got sql.NullInt64
		if err := conn.QueryRowContext(ctx, newText(`SELECT GET_LOCK($1, 5)`, d.lockName())).Scan(&got); err != nil {
			return err
		}
		if got.Int64 == 1 {
			return nil
		}
		if !got.Valid {
			return errors.New("the server does not give out the lock of the schema")
		}
	}
}

// resume lets a migration run again that was begun and not finished, because its process or the server died in the middle.
func (d *dialect) resume(ctx context.Context, db *sql.DB) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	halves := 0
	there := func(scan func(...any) error) error { return scan(&halves) }
	calls := []call{{Text: d.words.Statements.HasMigrations, Row: there}}
	if err := d.trip(ctx, conn, calls); err != nil || halves == 0 {
		return err
	}
	halves = 0
	calls = []call{{Text: d.named(`SELECT COUNT(*) FROM signet_migrations WHERE done = 0`), Row: there}}
	if err := d.trip(ctx, conn, calls); err != nil || halves == 0 {
		return err
	}
	// Whoever is at it holds the lock. What is half done once we have it, nobody is at any more.
	return d.alone(ctx, conn, func() error {
		return d.trip(ctx, conn, []call{{Text: d.named(`DELETE FROM signet_migrations WHERE done = 0`)}})
	})
}
