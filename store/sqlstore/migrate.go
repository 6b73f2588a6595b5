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
// inside the transaction, so that of several processes that start at once one does the work.
func (d *Driver) migrate(ctx context.Context, files fs.FS, forbidden bool) error {
	all, err := readMigrations(files)
	if err != nil {
		return err
	}
	s, err := d.writer.take(ctx)
	if err != nil {
		return d.explain(err)
	}
	defer d.writer.give(s)
	behind, err := d.behind(s, all)
	if err != nil || behind == 0 {
		return err
	}
	if forbidden {
		return fmt.Errorf("%s: the schema is %d migrations behind this program: run it once without NoMigrate", d.dialect.Name, behind)
	}
	if err := d.begin(ctx, s); err != nil {
		return d.explain(err)
	}
	if err := d.bringUp(s, all); err != nil {
		d.rollback(s)
		return err
	}
	if _, err := s.exec(d.dialect.Statements.Commit); err != nil {
		d.rollback(s)
		return d.explain(err)
	}
	return nil
}

// behind returns how many migrations are missing, or why the database is not for this program.
func (d *Driver) behind(s *session, all []migration) (int, error) {
	done, err := d.applied(s)
	if err != nil {
		return 0, err
	}
	for i, have := range done {
		switch {
		case i >= len(all):
			return 0, fmt.Errorf("%s: the schema has migration %04d (%s), this program knows %d: "+
				"a newer release has opened the database; run that release or restore a backup from before",
				d.dialect.Name, have.number, have.name, len(all))
		case have.number != all[i].number || have.checksum != all[i].checksum:
			return 0, fmt.Errorf("%s: migration %04d (%s) is not the one this program contains: "+
				"the file was changed after it ran, or the database belongs to another program", d.dialect.Name, have.number, have.name)
		case !have.done:
			return 0, fmt.Errorf("%s: migration %04d (%s) was begun and never finished: "+
				"restore the backup from before it, or finish it by hand and set done = 1 in signet_migrations",
				d.dialect.Name, have.number, have.name)
		}
	}
	return len(all) - len(done), nil
}

func (d *Driver) applied(s *session) ([]applied, error) {
	there := 0
	count := func(func(...any) error) error { there++; return nil }
	if err := s.rows(context.Background(), d.dialect.Statements.HasMigrations, nil, count); err != nil {
		return nil, d.explain(err)
	}
	if there == 0 {
		return nil, nil
	}
	var done []applied
	err := s.rows(context.Background(), d.dialect.Statements.Migrations, nil, func(scan func(...any) error) error {
		var a applied
		err := scan(&a.number, &a.name, &a.checksum, &a.done)
		done = append(done, a)
		return err
	})
	if err != nil {
		return nil, d.explain(err)
	}
	return done, nil
}

// bringUp runs what is missing, in the open transaction.
func (d *Driver) bringUp(s *session, all []migration) error {
	sql := &d.dialect.Statements
	if _, err := s.exec(sql.Migration); err != nil {
		return d.explain(err)
	}
	behind, err := d.behind(s, all)
	if err != nil {
		return err
	}
	for _, m := range all[len(all)-behind:] {
		if _, err := s.exec(sql.BeginMigration, m.number, m.name, m.checksum); err != nil {
			return d.explain(err)
		}
		if _, err := s.conn.ExecContext(context.Background(), m.text); err != nil {
			return fmt.Errorf("%s: migration %04d (%s) failed and was undone: %w", d.dialect.Name, m.number, m.name, d.dialect.Explain(err))
		}
		if _, err := s.exec(sql.EndMigration, m.number); err != nil {
			return d.explain(err)
		}
	}
	return nil
}
