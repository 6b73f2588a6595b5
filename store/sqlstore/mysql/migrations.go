package mysql

import (
	"context"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
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

// lockName is the literal of the lock under which one process of all changes this schema, whichever way each of them has named the
// database. Its length is bounded by the server.
func (d *dialect) lockName() string {
	return fmt.Sprintf("'signet.%x'", sum(strings.ToLower(d.place))[:16]) // some servers do not tell names apart by case
}

// alone has fn run while no other process changes the schema. What another has left half done, nobody is at any more then.
func (d *dialect) alone(ctx context.Context, conn *sql.Conn, fn func() error) error {
	if err := d.lock(ctx, conn); err != nil {
		return err
	}
	err := d.resume(ctx, conn)
	if err == nil {
		err = fn()
	}
	if _, left := conn.ExecContext(context.WithoutCancel(ctx), `DO RELEASE_LOCK(`+d.lockName()+`)`); left != nil {
		err = errors.Join(err, left)
	}
	return err
}

// lock waits for the lock as long as the context lasts, a few seconds at a time.
func (d *dialect) lock(ctx context.Context, conn *sql.Conn) error {
	for {
		var got sql.NullInt64
		if err := conn.QueryRowContext(ctx, `SELECT GET_LOCK(`+d.lockName()+`, 5)`).Scan(&got); err != nil {
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

// resume has those migrations of ours run again that were begun and not finished, because a process or the server died in the
// middle: every statement in them can be repeated.
func (d *dialect) resume(ctx context.Context, conn *sql.Conn) error {
	there := false
	look := call{Text: d.words.Statements.HasMigrations, Row: func(func(...any) error) error { there = true; return nil }}
	if err := d.trip(ctx, conn, []call{look}); err != nil || !there {
		return err
	}
	names, err := fs.Glob(Migrations(), "*.sql")
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := fs.ReadFile(Migrations(), name)
		if err != nil {
			return err
		}
		again := call{
			Text: d.named(`DELETE FROM signet_migrations WHERE done = 0 AND checksum = $1`),
			Args: []any{hex.EncodeToString(sum(string(text)))},
		}
		if err := d.trip(ctx, conn, []call{again}); err != nil {
			return err
		}
	}
	return nil
}
