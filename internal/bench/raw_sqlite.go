package main

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"runtime"
	"strings"
	"time"

	_ "modernc.org/sqlite" // database/sql opens it by its name

	"github.com/signet-idp/signet/store"
)

// sqliteWords are the statements of store/sqlstore/sqlite: whoever changes a record reads first what stands there.
func sqliteWords() *words {
	const at = ` WHERE kind = $1 AND org = $2 AND id = $3`
	const state = `SELECT version, expires, count, digest FROM signet_records` + at
	w := &words{
		name: "sqlite",
		get:  `SELECT version, expires, schema, count, body FROM signet_records` + at + ` AND expires > $4`,
		lookup: `SELECT r.org, r.id, r.version, r.expires, r.schema, r.count, r.body
			FROM signet_keys AS k JOIN signet_records AS r ON r.kind = k.kind AND r.org = k.org AND r.id = k.id
			WHERE k.kind = $1 AND k.scope = $2 AND k.within = $3 AND k.name = $4 AND k.value = $5 AND r.expires > $6`,
		begin:  []string{`BEGIN IMMEDIATE`, `UPDATE signet_versions SET last = last + 1 WHERE one = 1 RETURNING last`},
		commit: []string{`COMMIT`},
		text:   func(s string) any { return s }, copying: sqliteCopying(),
	}
	w.step = func(r *raw, op *store.Op, version int64, now time.Time) []statement {
		place, row := r.place(&op.Record), r.row(op, version)
		named := new(bool)
		read := statement{text: state, args: place, row: func(scan func(...any) error) error {
			var version, expires, count int64
			var digest []byte
			err := scan(&version, &expires, &count, &digest)
			*named = digest != nil
			return err
		}}
		insert := statement{text: `INSERT INTO signet_records (kind, org, id, version, expires, schema, count, digest, body)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (kind, org, id) DO NOTHING`}
		var all []statement
		switch op.Verb {
		case store.VerbInsert:
			insert.args = with(place, row[0], row[1], row[2], int64(0), row[3], row[4])
			all = append(all, insert)
			rows := r.entries(&op.Record)
			for i := 0; i < len(rows); i += 5 {
				all = append(all, statement{text: `INSERT INTO signet_entries (kind, org, id, field, value) VALUES ($1, $2, $3, $4, $5)`, args: rows[i : i+5]})
			}
		case store.VerbReplace:
			all = append(all, read, statement{text: `UPDATE signet_records SET version = $1, expires = $2, schema = $3, count = 0, digest = $4, body = $5
				WHERE kind = $6 AND org = $7 AND id = $8`, args: with(row, place...), one: true})
		case store.VerbDelete:
			all = append(all, read, statement{text: `DELETE FROM signet_records` + at, args: place, one: true},
				statement{text: `DELETE FROM signet_keys` + at, args: place, when: named},
				statement{text: `DELETE FROM signet_entries` + at, args: place, when: named})
		case store.VerbCheck:
			read.one = true
			all = append(all, read)
		case store.VerbAdd:
			// The driver inserts or updates, as it has read; here one statement does either.
			insert.args = with(place, version, row[1], int64(0), op.Delta, nil, nil)
			insert.text = strings.Replace(insert.text, "DO NOTHING", "DO UPDATE SET version = excluded.version, count = count + excluded.count", 1)
			all = append(all, read, insert)
		}
		return all
	}
	w.lists(func(of string) string {
		return ` CROSS JOIN signet_records AS r WHERE r.kind = $1 AND r.org = ` + of + `.org AND r.id = ` + of + `.id`
	}, " INDEXED BY signet_entries_here", "")
	return w
}

// overSQLite opens a file a second time: one connection writes, as many as the driver has read, each with its prepared statements.
func (w *raw) overSQLite(ctx context.Context, path string) error {
	settings := url.Values{"_dqs": {"0"}, "_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "temp_store(MEMORY)", "cache_size(-8000)"}}
	db, err := sql.Open("sqlite", "file:"+path+"?"+settings.Encode())
	if err != nil {
		return err
	}
	w.words, w.close = sqliteWords(), db.Close
	const writers = 1
	sessions := [2]chan *session{make(chan *session, max(4, runtime.GOMAXPROCS(0))), make(chan *session, writers)}
	for _, pool := range sessions {
		for range cap(pool) {
			conn, err := db.Conn(ctx)
			if err != nil {
				return errors.Join(err, db.Close())
			}
			pool <- &session{conn: conn, prepared: map[string]*sql.Stmt{}}
		}
	}
	w.trip = func(ctx context.Context, writes bool, statements []statement) error {
		pool := sessions[0]
		if writes {
			pool = sessions[1]
		}
		s := <-pool
		defer func() { pool <- s }()
		for i := range statements {
			if when := statements[i].when; when != nil && !*when {
				continue
			}
			if err := s.do(ctx, &statements[i]); err != nil {
				if writes {
					_, _ = s.conn.ExecContext(ctx, "ROLLBACK")
				}
				return err
			}
		}
		return nil
	}
	return nil
}

// session is one connection to SQLite.
type session struct {
	conn     *sql.Conn
	prepared map[string]*sql.Stmt
}

func (s *session) do(ctx context.Context, what *statement) error {
	stmt, ok := s.prepared[what.text]
	if !ok {
		var err error
		if stmt, err = s.conn.PrepareContext(ctx, strings.ReplaceAll(what.text, "$", "?")); err != nil {
			return err
		}
		s.prepared[what.text] = stmt
	}
	if what.row == nil {
		result, err := stmt.ExecContext(context.Background(), what.args...)
		if err != nil || !what.one {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(errNoRow, err)
		}
		return nil
	}
	rows, err := stmt.QueryContext(context.Background(), what.args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	n := 0
	for ; rows.Next(); n++ {
		if err := what.row(rows.Scan); err != nil {
			return err
		}
	}
	if n == 0 && what.one {
		return errors.Join(errNoRow, rows.Err())
	}
	return rows.Err()
}
