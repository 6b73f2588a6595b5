package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/signet-idp/signet/store/sqlstore"
)

// Config is how Open opens a file. The zero value is right for almost everyone.
type Config struct {
	// BusyTimeout is how long a writer waits for another process that writes; zero means 5 seconds.
	BusyTimeout time.Duration
	// Readers is how many calls may read at once; zero means one for each CPU, and at least 4.
	Readers int
	// NoMigrate makes Open fail when the schema of the file is behind, instead of bringing it up.
	NoMigrate bool
}

// Open opens the file, makes it when it is missing (readable by its owner alone), and brings its schema up. The folder
// must exist. Several processes may open one file at the same time.
func Open(ctx context.Context, path string, config Config) (*sqlstore.Driver, error) {
	return open(ctx, path, config, nil)
}

// open is Open with something between database/sql and SQLite, for tests.
func open(ctx context.Context, path string, config Config, between between) (*sqlstore.Driver, error) {
	if config.BusyTimeout < 0 || config.Readers < 0 {
		return nil, errors.New("sqlite: Config.BusyTimeout and Config.Readers must not be negative")
	}
	if config.BusyTimeout == 0 {
		config.BusyTimeout = 5 * time.Second
	}
	if config.Readers == 0 {
		config.Readers = max(4, runtime.GOMAXPROCS(0))
	}
	file, err := create(path)
	if err != nil {
		return nil, err
	}
	words := dialect(path)
	return sqlstore.New(ctx, sqlstore.Config{
		Dialect:     words,
		Writer:      sql.OpenDB(newConnector(file.path, config, writing, between)),
		Reader:      sql.OpenDB(newConnector(file.path, config, reading, between)),
		Readers:     config.Readers,
		BusyTimeout: config.BusyTimeout,
		Migrations:  Migrations(),
		NoMigrate:   config.NoMigrate,
		Ready:       file.unmoved,
	})
}

// file is the database file as it was when it was opened.
type file struct {
	path string
	info fs.FileInfo
}

// create makes the file when it is missing. SQLite would do it too, but readable by everyone.
func create(path string) (file, error) {
	if path == "" || strings.Contains(path, ":memory:") {
		return file{}, errors.New("sqlite: a path is required; what need not outlive the process belongs into store/memory")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return file{}, fmt.Errorf("sqlite: %w", err)
	}
	if folder, err := os.Stat(filepath.Dir(path)); err != nil || !folder.IsDir() {
		return file{}, fmt.Errorf("sqlite: there is no folder %s: create it, writable for this process", filepath.Dir(path))
	}
	created, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err == nil {
		err = created.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return file{}, fmt.Errorf("sqlite: cannot create the database: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return file{}, fmt.Errorf("sqlite: cannot open the database: %w", err)
	}
	if info.IsDir() {
		return file{}, fmt.Errorf("sqlite: %s is a folder, want a file", path)
	}
	return file{path, info}, nil
}

// unmoved refuses to write to a file that has been deleted or replaced: what is still open would take every write and
// lose it.
func (f file) unmoved() error {
	info, err := os.Stat(f.path)
	if err != nil {
		return fmt.Errorf("%w: %v", errGone, err)
	}
	if !os.SameFile(info, f.info) {
		return fmt.Errorf("%w: another file has taken the place of %s", errGone, f.path)
	}
	return nil
}

var errGone = errors.New("the database file was moved or deleted while it was open: put it back, or restart to use what is there now")
