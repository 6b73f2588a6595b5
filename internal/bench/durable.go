package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"time"
)

// durable says what became durable while refresh tokens were rotated one after another, for each of them.
type durable struct {
	Store string
	// Commits were made, and Syncs are the flushes that the server counted; where nobody counts flushes, Syncs is -1.
	Commits, Syncs float64
}

// missesCommits is about one commit for each, and half of one for what the server does by itself meanwhile.
func (d durable) missesCommits() bool { return d.Commits < 1 || d.Commits > 1.5 }

// missesFlushes: a flush may carry the commit of another, but here there was only one at a time.
func (d durable) missesFlushes() bool { return d.Syncs >= 0 && d.Syncs < 0.95 }

// rotations is how many refresh tokens are rotated for that.
const rotations = 50

// durability rotates refresh tokens over one connection while nobody else does anything, and counts commits where they are made durable,
// not where they are asked for. A store of this process's memory has none.
func (s *server) durability(ctx context.Context) (*durable, error) {
	counter := s.opened.counter()
	if counter == nil {
		return nil, nil
	}
	all := rows()
	w, err := all[slices.IndexFunc(all, func(r row) bool { return r.name == "refresh" })].supply(ctx, s.world, 1, 1)
	if err != nil {
		return nil, err
	}
	host := s.endpoint.Addr().String()
	c, err := dial(host, host)
	if err != nil {
		return nil, err
	}
	defer c.close()
	j := w.journeys(1)[0]
	if err := j.once(c); err != nil {
		return nil, err
	}
	commits, syncs, err := counter(ctx, func() error {
		for range rotations {
			if err := j.once(c); err != nil {
				return err
			}
		}
		return nil
	})
	d := &durable{Commits: float64(commits) / rotations, Syncs: -1}
	if syncs >= 0 {
		d.Syncs = float64(syncs) / rotations
	}
	return d, err
}

// counter returns what counts the commits and flushes of a store while something is done.
func (o *opened) counter() func(ctx context.Context, do func() error) (commits, syncs int64, err error) {
	switch o.kind {
	case "postgres":
		return o.countPostgres
	case "mariadb":
		return o.countMariaDB
	case "sqlite":
		return o.countSQLite
	}
	return nil
}

// countPostgres counts transactions that wrote, of which each has a number of its own, and flushes of the write-ahead log. A backend
// tells of its flushes when it ends, so the pool gives its connections up before.
func (o *opened) countPostgres(ctx context.Context, do func() error) (commits, syncs int64, err error) {
	read := func() (transactions, flushes int64, err error) {
		o.pool.SetMaxIdleConns(0)
		defer o.pool.SetMaxIdleConns(poolSize)
		for last := int64(-1); ; last = flushes {
			// pg_stat_wal came with version 14.
			err = o.pool.QueryRowContext(ctx, `SELECT CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint),
				COALESCE((SELECT CAST(wal_sync AS bigint) FROM pg_stat_wal), -1)`).Scan(&transactions, &flushes)
			if err != nil || flushes == last {
				return transactions, flushes, err
			}
			select {
			case <-ctx.Done():
				return 0, 0, ctx.Err()
			case <-time.After(300 * time.Millisecond):
			}
		}
	}
	return difference(read, do)
}

// countMariaDB counts the server's COMMITs, and its flushes of log and data.
func (o *opened) countMariaDB(ctx context.Context, do func() error) (commits, syncs int64, err error) {
	return difference(func() (commits, syncs int64, err error) {
		for name, into := range map[string]*int64{"Com_commit": &commits, "Innodb_data_fsyncs": &syncs} {
			var same string
			if err := o.pool.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE '"+name+"'").Scan(&same, into); err != nil {
				return 0, 0, fmt.Errorf("%s: %w", name, err)
			}
		}
		return commits, syncs, nil
	}, do)
}

func difference(read func() (int64, int64, error), do func() error) (commits, syncs int64, err error) {
	before, flushed, err := read()
	if err != nil {
		return 0, 0, err
	}
	if err := do(); err != nil {
		return 0, 0, err
	}
	commits, syncs, err = read()
	if flushed < 0 {
		return commits - before, -1, err
	}
	return commits - before, syncs - flushed, err
}

// countSQLite counts the frames of the write-ahead log that end a transaction; with synchronous=FULL, which the driver insists on,
// SQLite flushes the log behind each. The log must not begin anew meanwhile, so that is made to happen before.
func (o *opened) countSQLite(ctx context.Context, do func() error) (commits, syncs int64, err error) {
	w, err := newRaw(ctx, o)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = w.Close() }()
	if err := w.trip(ctx, true, []statement{{text: "PRAGMA wal_checkpoint(TRUNCATE)", once: true, row: func(func(...any) error) error { return nil }}}); err != nil {
		return 0, 0, err
	}
	commits, _, err = difference(func() (int64, int64, error) {
		log, err := os.ReadFile(o.path + "-wal")
		return framesThatCommit(log), 0, err
	}, do)
	return commits, -1, err
}

// framesThatCommit reads a write-ahead log (https://sqlite.org/fileformat.html#the_write_ahead_log).
func framesThatCommit(log []byte) (n int64) {
	const header, frameHeader = 32, 24
	if len(log) < header {
		return 0
	}
	page, salts := int(binary.BigEndian.Uint32(log[8:])), log[16:24]
	for at := header; at+frameHeader+page <= len(log); at += frameHeader + page {
		frame := log[at:]
		if !slices.Equal(frame[8:16], salts) {
			break // of an earlier log
		}
		if pages := binary.BigEndian.Uint32(frame[4:]); pages != 0 {
			n++
		}
	}
	return n
}
