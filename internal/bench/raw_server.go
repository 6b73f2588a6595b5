package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/signet-idp/signet/store"
)

// serverTexts are the statements of an operation on a database server.
type serverTexts struct{ insert, stale, replace, remove, removeKeys, removeEntries, check, add, count, entries string }

// steps are the statements of an operation.
func (t serverTexts) steps(w *raw, op *store.Op, version int64, now time.Time) []statement {
	r, at := &op.Record, now.UnixMicro()
	place, row := w.place(r), w.row(op, version)
	any1 := func(func(...any) error) error { return nil }
	var all []statement
	switch op.Verb {
	case store.VerbInsert:
		all = append(all, statement{text: t.insert, args: with(place, append(row, at)...), one: true})
	case store.VerbReplace:
		if !r.Kind.Ephemeral {
			all = append(all, statement{text: t.stale, args: with(place, r.Version, at, row[3])})
		}
		all = append(all, statement{text: t.replace, args: with(with(row, place...), r.Version, at), one: true})
	case store.VerbDelete:
		all = append(all, statement{text: t.remove, args: with(place, r.Version, at), one: true})
		if !r.Kind.Ephemeral {
			all = append(all, statement{text: t.removeKeys, args: place}, statement{text: t.removeEntries, args: place})
		}
	case store.VerbCheck:
		all = append(all, statement{text: t.check, args: with(place, r.Version, at), row: any1, one: true})
	case store.VerbAdd:
		var count int64
		read := func(scan func(...any) error) error { return scan(&count) }
		add := statement{text: t.add, args: with(place, version, row[1], op.Delta, at), one: true}
		if t.count == "" {
			add.row = read
		}
		if all = append(all, add); t.count != "" {
			all = append(all, statement{text: t.count, args: place, row: read})
		}
	}
	if len(r.Index) > 0 && (op.Verb == store.VerbInsert || op.Verb == store.VerbReplace) {
		all = append(all, statement{text: strings.Replace(t.entries, "(…)", numbered(len(r.Index), 5), 1), args: w.entries(r)})
	}
	return all
}

// postgresWords are the statements of store/sqlstore/postgres.
func postgresWords() *words {
	const unmet = "nothing of it is written"
	demand := func(text string) string {
		return "WITH one AS (" + text + ") SELECT CAST(CASE COUNT(*) WHEN 1 THEN '1' ELSE '" + unmet + "' END AS bigint) FROM one"
	}
	t := serverTexts{
		insert: demand(`INSERT INTO signet_records AS r (kind, org, id, version, expires, schema, count, digest, body)
			VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8)
			ON CONFLICT (kind, org, id) DO UPDATE SET version = excluded.version, expires = excluded.expires,
				schema = excluded.schema, count = 0, digest = excluded.digest, body = excluded.body
			WHERE r.expires <= $9 AND r.digest IS NULL RETURNING 1`),
		stale: `WITH r AS (SELECT digest FROM signet_records
				WHERE kind = $1 AND org = $2 AND id = $3 AND version = $4 AND expires > $5 FOR UPDATE)
			DELETE FROM signet_entries AS e USING r WHERE e.kind = $1 AND e.org = $2 AND e.id = $3
				AND substring(r.digest FROM 17) IS DISTINCT FROM substring(CAST($6 AS bytea) FROM 17)`,
		replace: demand(`UPDATE signet_records SET version = $1, expires = $2, schema = $3, count = 0, digest = $4, body = $5
			WHERE kind = $6 AND org = $7 AND id = $8 AND version = $9 AND expires > $10
				AND substring(digest FROM 1 FOR 16) IS NOT DISTINCT FROM substring(CAST($4 AS bytea) FROM 1 FOR 16) RETURNING 1`),
		remove: demand(`DELETE FROM signet_records
			WHERE kind = $1 AND org = $2 AND id = $3 AND version = $4 AND expires > $5 RETURNING 1`),
		removeKeys:    `DELETE FROM signet_keys WHERE kind = $1 AND org = $2 AND id = $3`,
		removeEntries: `DELETE FROM signet_entries WHERE kind = $1 AND org = $2 AND id = $3`,
		check: demand(`SELECT 1 FROM signet_records
			WHERE kind = $1 AND org = $2 AND id = $3 AND version = $4 AND expires > $5 FOR SHARE`),
		add: `WITH one AS (INSERT INTO signet_records AS r (kind, org, id, version, expires, schema, count)
			VALUES ($1, $2, $3, $4, $5, 0, $6)
			ON CONFLICT (kind, org, id) DO UPDATE SET version = excluded.version,
				count = excluded.count + CASE WHEN r.expires > $7 THEN r.count ELSE 0 END,
				schema = CASE WHEN r.expires > $7 THEN r.schema ELSE 0 END,
				body = CASE WHEN r.expires > $7 THEN r.body END,
				expires = CASE WHEN r.expires > $7 THEN r.expires ELSE excluded.expires END
			WHERE r.expires > $7 OR r.digest IS NULL RETURNING count)
			SELECT CAST(COALESCE(CAST(MAX(count) AS text), '` + unmet + `') AS bigint) FROM one`,
		entries: `INSERT INTO signet_entries (kind, org, id, field, value) VALUES (…) ON CONFLICT DO NOTHING`,
	}
	w := &words{
		name: "postgres",
		get: `SELECT version, expires, schema, count, body FROM signet_records
			WHERE kind = $1 AND org = $2 AND id = $3 AND expires > $4`,
		lookup: `SELECT r.org, r.id, r.version, r.expires, r.schema, r.count, r.body
			FROM signet_keys AS k CROSS JOIN LATERAL (SELECT * FROM signet_records AS r
				WHERE r.kind = $1 AND r.org = k.org AND r.id = k.id AND r.expires > $3 OFFSET 0) AS r
			WHERE k.kind = $1 AND k.hash = $2`,
		before: []string{`BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY`, `SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
			set_config('enable_sort', 'off', true), set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
			set_config('jit', 'off', true), set_config('max_parallel_workers_per_gather', '0', true)`},
		after:  []string{`ROLLBACK`},
		begin:  []string{`BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE`},
		commit: []string{`COMMIT`},
		step:   t.steps, text: func(s string) any { return []byte(s) }, hashed: true, copying: postgresCopying(),
	}
	w.lists(func(of string) string {
		return ` CROSS JOIN LATERAL (SELECT * FROM signet_records AS r WHERE r.kind = $1 AND r.org = ` + of + `.org AND r.id = ` + of + `.id OFFSET 0) AS r WHERE 1 = 1`
	}, "", " OFFSET 0")
	return w
}

// lists writes the statements of List: how a record is joined, a hint for the index, and what ends an inner SELECT.
func (w *words) lists(join func(of string) string, hint, fence string) {
	const columns = `SELECT r.org, r.id, r.version, r.expires, r.schema, r.count, r.body FROM (`
	from := ` FROM signet_entries AS f` + hint
	w.size = `SELECT COUNT(*) FROM (SELECT 1` + from + ` WHERE f.kind = $1 AND f.field = $2 AND f.value = $3 AND f.org = $4 LIMIT $5) AS b`
	w.shapes = `SELECT shape FROM signet_shapes WHERE kind = $1`
	w.page = columns + `SELECT f.org AS org, f.id AS id` + from + join("f") +
		` AND f.kind = $1 AND f.field = $2 AND f.value = $3 AND f.org = $4 AND r.expires > $5 ORDER BY org, id LIMIT $6) AS p` +
		join("p") + ` ORDER BY p.org, p.id`
	w.sorted = columns + `SELECT f.org AS org, f.id AS id, f.value AS k` + from + join("f") +
		` AND f.kind = $1 AND f.field = $7 AND f.org = $4 AND r.expires > $5 AND EXISTS (SELECT 1 FROM signet_entries AS e
		WHERE e.kind = $1 AND e.org = r.org AND e.id = r.id AND e.field = $2 AND e.value = $3` + fence + `) ORDER BY k, org, id LIMIT $6) AS p` +
		join("p") + ` ORDER BY p.k, p.org, p.id`
}

// mariaDBWords are the statements of store/sqlstore/mysql.
func mariaDBWords() *words {
	const at = ` WHERE kind = $1 AND org = $2 AND id = $3`
	const noKeys, never = `x'00000000000000000000000000000000'`, `9223372036854775807`
	t := serverTexts{
		insert: "INSERT INTO signet_records (kind, org, id, version, expires, `schema`, count, digest, `body`) VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8)",
		stale: `IF EXISTS (SELECT 1 FROM signet_records` + at + ` AND version = $4 AND expires > $5
			AND NOT (SUBSTRING(digest, 17) <=> SUBSTRING($6, 17)) FOR UPDATE) THEN DELETE FROM signet_entries` + at + `; END IF`,
		replace: "UPDATE signet_records SET version = $1, expires = $2, `schema` = $3, count = 0, digest = $4, `body` = $5" + `
			WHERE kind = $6 AND org = $7 AND id = $8 AND version = $9 AND expires > $10
			AND COALESCE(LEFT(digest, 16), ` + noKeys + `) = COALESCE(LEFT($4, 16), ` + noKeys + `)`,
		remove:        `DELETE FROM signet_records` + at + ` AND version = $4 AND expires > $5`,
		removeKeys:    `DELETE FROM signet_keys` + at,
		removeEntries: `DELETE FROM signet_entries` + at,
		check:         `SELECT 1 FROM signet_records` + at + ` AND version = $4 AND expires > $5 LOCK IN SHARE MODE`,
		add: "INSERT INTO signet_records (kind, org, id, version, expires, `schema`, count) VALUES ($1, $2, $3, $4, $5, 0, $6)" + `
			ON DUPLICATE KEY UPDATE version = IF(expires > $7 OR digest IS NULL, $4, version + ` + never + `),
			count = IF(expires > $7, count + $6, $6),` + " `schema` = IF(expires > $7, `schema`, 0), `body` = IF(expires > $7, `body`, NULL)" + `,
			expires = IF(expires > $7, expires, $5)`,
		count:   `SELECT count FROM signet_records` + at,
		entries: `INSERT INTO signet_entries (kind, org, id, field, value) VALUES (…) ON DUPLICATE KEY UPDATE kind = VALUES(kind)`,
	}
	w := &words{
		name: "mariadb",
		get:  "SELECT version, expires, `schema`, count, `body` FROM signet_records" + at + ` AND expires > $4`,
		lookup: "SELECT r.org, r.id, r.version, r.expires, r.`schema`, r.count, r.body" + `
			FROM signet_keys AS k STRAIGHT_JOIN signet_records AS r ON r.kind = k.kind AND r.org = k.org AND r.id = k.id
			WHERE k.kind = $1 AND k.hash = $2 AND r.expires > $3`,
		begin:  []string{`SET TRANSACTION ISOLATION LEVEL READ COMMITTED`, `START TRANSACTION READ WRITE`},
		commit: []string{`COMMIT AND NO CHAIN NO RELEASE`},
		step:   t.steps, text: func(s string) any { return []byte(s) }, hashed: true, copying: mariaDBCopying(),
	}
	w.lists(func(of string) string {
		return ` STRAIGHT_JOIN signet_records AS r WHERE r.kind = $1 AND r.org = ` + of + `.org AND r.id = ` + of + `.id`
	}, " FORCE INDEX (entries_here)", "")
	return w
}

// pipelined sends all statements to PostgreSQL before it reads the first answer.
func pipelined(pool *sql.DB) func(context.Context, bool, []statement) error {
	return func(ctx context.Context, _ bool, statements []statement) error {
		conn, err := pool.Conn(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		return conn.Raw(func(raw any) error {
			c, ok := raw.(*stdlib.Conn)
			if !ok {
				return fmt.Errorf("%T is no connection of pgx", raw)
			}
			return pipe(ctx, c.Conn().PgConn(), statements)
		})
	}
}

// preparedNames is where a connection keeps the names of what is prepared on it.
const preparedNames = "bench.prepared"

func pipe(ctx context.Context, c *pgconn.PgConn, statements []statement) error {
	names, ok := c.CustomData()[preparedNames].(map[string]string)
	if !ok {
		names = map[string]string{}
		c.CustomData()[preparedNames] = names
	}
	line := c.StartPipeline(ctx)
	fresh := map[int]bool{}
	binary := []int16{1}
	for i := range statements {
		s := &statements[i]
		values, forms := make([][]byte, len(s.args)), make([]int16, len(s.args))
		for j, arg := range s.args {
			switch arg := arg.(type) {
			case int64:
				values[j] = strconv.AppendInt(nil, arg, 10)
			case string:
				values[j] = []byte(arg)
			case []byte:
				values[j], forms[j] = arg, 1
			}
		}
		if s.once {
			line.SendQueryParams(s.text, values, nil, forms, binary)
			continue
		}
		name, known := names[s.text]
		if !known {
			name = fmt.Sprint("bench_", len(names))
			names[s.text], fresh[i] = name, true
			line.SendPrepare(name, s.text, nil)
		}
		line.SendQueryPrepared(name, values, forms, binary)
	}
	err := line.Sync()
	for i := 0; err == nil && i < len(statements); i++ {
		if fresh[i] {
			if _, err = line.GetResults(); err != nil {
				break
			}
		}
		err = answered(line, &statements[i])
	}
	if closing := line.Close(); err == nil {
		err = closing
	}
	return err
}

func answered(line *pgconn.Pipeline, s *statement) error {
	result, err := line.GetResults()
	if err != nil {
		return err
	}
	rows, ok := result.(*pgconn.ResultReader)
	if !ok {
		return fmt.Errorf("the server answered %T", result)
	}
	for rows.NextRow() {
		if s.row == nil {
			continue
		}
		values := rows.Values()
		if err := s.row(func(into ...any) error { return fromBinary(values, into) }); err != nil {
			return err
		}
	}
	_, err = rows.Close()
	return err
}

// fromBinary reads a row of PostgreSQL.
func fromBinary(values [][]byte, into []any) error {
	for i, value := range values {
		number := int64(0)
		switch len(value) {
		case 8:
			number = int64(binary.BigEndian.Uint64(value))
		case 4:
			number = int64(int32(binary.BigEndian.Uint32(value)))
		}
		switch to := into[i].(type) {
		case *[]byte:
			*to = bytes.Clone(value)
		case *string:
			*to = string(value)
		case *int64:
			*to = number
		case *int:
			*to = int(number)
		default:
			return fmt.Errorf("nobody wrote how to scan into %T", to)
		}
	}
	return nil
}

// bundled sends all statements to MariaDB as one compound statement.
func bundled(pool *sql.DB) func(context.Context, bool, []statement) error {
	return func(ctx context.Context, _ bool, statements []statement) error {
		text := literally(statements[0])
		if len(statements) > 1 {
			var b strings.Builder
			b.WriteString("BEGIN NOT ATOMIC\n")
			for i := range statements {
				b.WriteString(literally(statements[i]) + ";\n")
				if statements[i].one {
					count := "ROW_COUNT()"
					if statements[i].row != nil {
						count = "FOUND_ROWS()"
					}
					b.WriteString("IF " + count + " < 1 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'unmet'; END IF;\n")
				}
			}
			b.WriteString("END")
			text = b.String()
		}
		rows, err := pool.QueryContext(ctx, text)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		first := true
		for i := range statements {
			if statements[i].row == nil {
				continue
			}
			if !first && !rows.NextResultSet() {
				return fmt.Errorf("fewer results than statements: %w", rows.Err())
			}
			for first = false; rows.Next(); {
				if err := statements[i].row(rows.Scan); err != nil {
					return err
				}
			}
		}
		for rows.NextResultSet() {
			continue
		}
		return rows.Err()
	}
}

// literally writes a statement with its parameters in it.
func literally(s statement) string {
	var text []byte
	words := s.text
	for {
		before, after, more := strings.Cut(words, "$")
		text = append(text, before...)
		if !more {
			return string(text)
		}
		digits := len(after) - len(strings.TrimLeft(after, "0123456789"))
		n, _ := strconv.Atoi(after[:digits])
		switch v := s.args[n-1].(type) {
		case int64:
			text = strconv.AppendInt(text, v, 10)
		case string:
			text = append(hex.AppendEncode(append(text, "x'"...), []byte(v)), '\'')
		case []byte:
			text = append(hex.AppendEncode(append(text, "x'"...), v), '\'')
		default:
			text = append(text, "NULL"...)
		}
		words = after[digits:]
	}
}
