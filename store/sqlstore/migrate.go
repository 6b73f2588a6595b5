package sqlstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// migration is one numbered file.
type migration struct {
	number   int
	name     string
	checksum string
	text     string
}

// applied is what the database says about a migration.
type applied struct {
	number         int
	name, checksum string
	done           bool
}

// readMigrations reads all files in the order of their numbers.
func readMigrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("sqlstore: reading migrations: %w", err)
	}
	all := make([]migration, 0, len(names))
	for i, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("sqlstore: reading migrations: %w", err)
		}
		digits, _, _ := strings.Cut(name, "_")
		number, err := strconv.Atoi(digits)
		if err != nil || number != i+1 || len(digits) != 4 {
			return nil, fmt.Errorf("sqlstore: migration %q must be numbered %04d", name, i+1)
		}
		sum := sha256.Sum256(text)
		all = append(all, migration{number, strings.TrimSuffix(path.Base(name), ".sql"), hex.EncodeToString(sum[:]), string(text)})
	}
	if len(all) == 0 {
		return nil, errors.New("sqlstore: there are no migrations")
	}
	return all, nil
}

// migrate brings the schema up. It looks first, so that a database that is up to date is not written to, and looks again
// when it is alone, so that of several processes that start at once one does the work.
func (d *Driver) migrate(ctx context.Context, files fs.FS, forbidden bool) error {
	all, err := readMigrations(files)
	if err != nil {
		return err
	}
	behind := 0
	err = d.engine.look(ctx, func(q querier) (err error) {
		behind, err = d.behind(ctx, q, all)
		if errors.Is(err, errHalf) { // by another process, perhaps, that is at it: waiting for our turn tells
			behind, err = len(all), nil
		}
		return err
	})
	if err != nil || behind == 0 {
		return d.explained(err)
	}
	if forbidden {
		return fmt.Errorf("%s: the schema is %d migrations behind this program: run it once without NoMigrate", d.dialect.Name, behind)
	}
	return d.explained(d.engine.alone(ctx, func(c conn) error { return d.bringUp(ctx, c, all) }))
}

// errHalf is a migration that was begun and is not finished.
var errHalf = errors.New("was begun and never finished")

// told is an error that says what to do already.
type told struct{ error }

func (t told) Unwrap() error { return t.error }

func (d *Driver) explained(err error) error {
	if t, ok := errors.AsType[told](err); ok {
		return t.error
	}
	if err == nil {
		return nil
	}
	return d.explain(err)
}

// behind returns how many migrations are missing, or why the database is not for this program.
func (d *Driver) behind(ctx context.Context, q querier, all []migration) (int, error) {
	done, err := d.applied(ctx, q)
	if err != nil {
		return 0, err
	}
	for i, have := range done {
		switch {
		case i >= len(all):
			return 0, told{fmt.Errorf("%s: the schema has migration %04d (%s), this program knows %d: "+
				"a newer release has opened the database; run that release or restore a backup from before",
				d.dialect.Name, have.number, have.name, len(all))}
		case have.number != all[i].number || have.checksum != all[i].checksum:
			return 0, told{fmt.Errorf("%s: migration %04d (%s) is not the one this program contains: "+
				"the file was changed after it ran, or the database belongs to another program", d.dialect.Name, have.number, have.name)}
		case !have.done:
			return 0, told{fmt.Errorf("%s: migration %04d (%s) %w: "+
				"restore the backup from before it, or finish it by hand and set done = 1 in %s",
				d.dialect.Name, have.number, have.name, errHalf, d.dialect.named("signet_migrations"))}
		}
	}
	return len(all) - len(done), nil
}

func (d *Driver) applied(ctx context.Context, q querier) ([]applied, error) {
	there := 0
	count := func(func(...any) error) error { there++; return nil }
	if err := q.rows(ctx, d.dialect.Statements.HasMigrations, nil, count); err != nil || there == 0 {
		return nil, err
	}
	var done []applied
	err := q.rows(ctx, d.dialect.Statements.Migrations, nil, func(scan func(...any) error) error {
		var a applied
		var finished int64
		err := scan(&a.number, &a.name, &a.checksum, &finished)
		a.done = finished != 0
		done = append(done, a)
		return err
	})
	return done, err
}

// bringUp runs what is missing.
func (d *Driver) bringUp(ctx context.Context, c conn, all []migration) error {
	sql := &d.dialect.Statements
	if err := c.exec(ctx, sql.Migration); err != nil {
		return err
	}
	behind, err := d.behind(ctx, c, all)
	if err != nil {
		return err
	}
	for _, m := range all[len(all)-behind:] {
		if err := c.exec(ctx, sql.BeginMigration, int64(m.number), m.name, m.checksum); err != nil {
			return err
		}
		if err := c.exec(ctx, d.dialect.script(m.text)); err != nil {
			return told{fmt.Errorf("%s: migration %04d (%s) failed and was undone: %w", d.dialect.Name, m.number, m.name, d.dialect.Explain(err))}
		}
		if err := c.exec(ctx, sql.EndMigration, int64(m.number)); err != nil {
			return err
		}
	}
	return nil
}
