package sqlite_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore"
	"github.com/signet-idp/signet/store/sqlstore/sqlite"
)

func TestEveryConnectionIsDurable(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var conns []driver.Conn
	db, err := sqlite.OpenBetween(t.Context(), filepath.Join(t.TempDir(), "test.db"), sqlite.Config{Readers: 3}, func(c driver.Conn) driver.Conn {
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, c)
		return c
	})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for range 3 { // sessions are handed out in turn
		if _, err := db.Get(t.Context(), now, thing, "", "1"); !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
	}
	if len(conns) != 4 {
		t.Fatalf("there are %d connections, want one writer and three readers", len(conns))
	}
	writers := 0
	for i, c := range conns {
		for name, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "fullfsync": "1"} {
			if got, err := sqlite.QueryPragma(t.Context(), c, name); err != nil || got != want {
				t.Errorf("connection %d: %s is %q, want %q (%v)", i, name, got, want, err)
			}
		}
		readOnly, err := sqlite.QueryPragma(t.Context(), c, "query_only")
		if err != nil {
			t.Errorf("connection %d: query_only: %v", i, err)
		}
		if readOnly == "0" {
			writers++
		}
	}
	if writers != 1 {
		t.Errorf("%d connections may write, want one", writers)
	}
	// A setting that does not take is an error, not a surprise after the next loss of power.
	if err := sqlite.SetPragma(t.Context(), conns[0], "synchronous", "NORMAL", "2"); err == nil {
		t.Error("a connection that reports synchronous=NORMAL was accepted")
	}
}

func TestFileIsPrivate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	db := openFile(t, path)
	if _, err := db.Apply(t.Context(), now, store.Insert(record("1"))); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", info.Name(), info.Mode().Perm())
		}
	}
}

func TestUnusualPaths(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a b.db", "100%.db", "what?.db", "#1.db", "ä&x=1.db"} {
		path := filepath.Join(t.TempDir(), name)
		db := openFile(t, path)
		if _, err := db.Apply(t.Context(), now, store.Insert(record("1"))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("%s: the data is somewhere else (%v)", name, err)
		}
	}
}

// refused demands an error that has all of the words.
func refused(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("there is no error, want one with %q", words)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error lacks %q: %v", word, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		path  string
		words []string
	}{
		"no path":      {"", []string{"path is required", "store/memory"}},
		"memory":       {":memory:", []string{"store/memory"}},
		"no folder":    {filepath.Join(dir, "nowhere", "test.db"), []string{"no folder", "nowhere", "create it"}},
		"folder":       {dir, []string{"is a folder"}},
		"no database":  {garbage, []string{"garbage.db is not a SQLite database", "restore"}},
		"file as path": {filepath.Join(garbage, "test.db"), []string{"no folder"}},
	} {
		db, err := sqlite.Open(t.Context(), tc.path, sqlite.Config{})
		if err == nil {
			_ = db.Close()
		}
		if err == nil || !strings.HasPrefix(err.Error(), "sqlite: ") {
			t.Errorf("%s: %v", name, err)
		}
		refused(t, err, tc.words...)
	}
	_, err := sqlite.Open(t.Context(), filepath.Join(dir, "test.db"), sqlite.Config{NoMigrate: true})
	refused(t, err, "1 migrations behind", "NoMigrate")
	_, err = sqlite.Open(t.Context(), filepath.Join(dir, "test.db"), sqlite.Config{BusyTimeout: -1})
	refused(t, err, "must not be negative")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sqlite.Open(ended, filepath.Join(dir, "other.db"), sqlite.Config{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Open with an ended context: %v", err)
	}
}

func TestSchemaThatIsNotOurs(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change string
		words  []string
	}{
		"newer": {
			"INSERT INTO signet_migrations VALUES (2, '0002_later', 'x', 1)",
			[]string{"0002_later", "newer release", "restore"},
		},
		"changed":  {"UPDATE signet_migrations SET checksum = 'x'", []string{"0001", "changed after it ran"}},
		"half run": {"UPDATE signet_migrations SET done = 0", []string{"0001", "begun and never finished", "backup"}},
		"unrecorded": {
			"DELETE FROM signet_migrations",
			[]string{"0001", "failed and was undone", "already exists"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "test.db")
			db := openFile(t, path)
			if _, err := db.Apply(t.Context(), now, store.Insert(record("1"))); err != nil {
				t.Fatal(err)
			}
			change(t, path, tc.change)
			_, err := sqlite.Open(t.Context(), path, sqlite.Config{})
			refused(t, err, tc.words...)
			if _, err := db.Get(t.Context(), now, thing, "", "1"); err != nil {
				t.Errorf("the refusal has harmed the data: %v", err)
			}
		})
	}
}

// raw opens a file as a foreign program would.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func change(t *testing.T, path, text string) {
	t.Helper()
	if _, err := raw(t, path).ExecContext(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

func TestMigrationsAreExported(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(sqlite.Migrations(), "*.sql")
	if err != nil || len(names) == 0 || names[0] != "0001_records.sql" {
		t.Fatalf("the files are %q (%v)", names, err)
	}
	text, err := fs.ReadFile(sqlite.Migrations(), names[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := raw(t, filepath.Join(t.TempDir(), "other.db")).ExecContext(t.Context(), string(text)); err != nil {
		t.Errorf("another tool cannot run %s: %v", names[0], err)
	}
}

func TestManyOpenOneEmptyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			db, err := sqlite.Open(t.Context(), path, sqlite.Config{})
			if err != nil {
				t.Error(err)
				return
			}
			defer db.Close()
			if _, err := db.Apply(t.Context(), now, store.Insert(record(fmt.Sprint(n)))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	page, err := openFile(t, path).List(t.Context(), now, store.Query{Kind: thing})
	if err != nil || len(page.Records) != 8 {
		t.Errorf("8 programs that began at once left %d records (%v)", len(page.Records), err)
	}
}

// A new file gets its WAL while another process still looks at it: SQLite refuses that at once, Open waits.
func TestOpenWaitsForAnotherWhoOpens(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	change(t, path, "CREATE TABLE theirs (x)")
	synctest.Test(t, func(t *testing.T) { // five seconds pass at once
		other := raw(t, path)
		defer other.Close()
		look := func() *sql.Tx {
			tx, err := other.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.ExecContext(t.Context(), "SELECT * FROM theirs"); err != nil {
				t.Fatal(err)
			}
			return tx
		}
		looking := look()
		_, err := sqlite.Open(t.Context(), path, sqlite.Config{})
		refused(t, err, path+" is locked", "BusyTimeout")

		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := sqlite.Open(ctx, path, sqlite.Config{}); !errors.Is(err, context.Canceled) {
				t.Errorf("a cancelled wait for the lock: %v", err)
			}
		})
		synctest.Wait()
		cancel()
		all.Wait()

		all.Go(func() {
			db, err := sqlite.Open(t.Context(), path, sqlite.Config{})
			if err != nil {
				t.Errorf("the lock was released in time: %v", err)
				return
			}
			_ = db.Close()
		})
		synctest.Wait()
		if err := looking.Rollback(); err != nil {
			t.Fatal(err)
		}
		all.Wait()
	})
}

func TestLockedByAnother(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	synctest.Test(t, func(t *testing.T) { // five seconds pass at once
		db, err := sqlite.Open(t.Context(), path, sqlite.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		other := raw(t, path)
		defer other.Close()
		other.SetMaxOpenConns(1)
		if _, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for n := range 10 {
			all.Go(func() {
				_, err := db.Apply(t.Context(), now, store.Insert(record(fmt.Sprint(n))))
				refused(t, err, path+" is locked", "BusyTimeout")
				if errors.Is(err, store.ErrUncertain) {
					t.Errorf("a lock leaves nothing uncertain: %v", err)
				}
			})
		}
		all.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		all.Go(func() {
			if _, err := db.Apply(ctx, now, store.Insert(record("cancelled"))); !errors.Is(err, context.Canceled) {
				t.Errorf("a cancelled wait for the lock: %v", err)
			}
		})
		synctest.Wait()
		cancel()
		all.Wait()
		all.Go(func() {
			if _, err := db.Apply(t.Context(), now, store.Insert(record("patient"))); err != nil {
				t.Errorf("the lock was released in time: %v", err)
			}
		})
		synctest.Wait()
		if _, err := other.ExecContext(t.Context(), "ROLLBACK"); err != nil {
			t.Fatal(err)
		}
		all.Wait()
		page, err := db.List(t.Context(), now, store.Query{Kind: thing})
		if err != nil || len(page.Records) != 1 || page.Records[0].ID != "patient" {
			t.Errorf("left are %v (%v)", page.Records, err)
		}
	})
}

// writer keeps hold of the connection that writes, and of a setting that every such connection gets.
type writer struct {
	mu          sync.Mutex
	conn        driver.Conn
	name, value string
}

func (w *writer) between(c driver.Conn) driver.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	ctx := context.Background()
	if readOnly, err := sqlite.QueryPragma(ctx, c, "query_only"); err != nil || readOnly == "1" {
		return c
	}
	w.conn = c
	if w.name != "" {
		_ = sqlite.SetPragma(ctx, c, w.name, w.value, w.value) // what then fails is the test
	}
	return c
}

func openWriter(t *testing.T) (*sqlstore.Driver, *writer) {
	t.Helper()
	w := new(writer)
	db, err := sqlite.OpenBetween(t.Context(), filepath.Join(t.TempDir(), "test.db"), sqlite.Config{}, w.between)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db, w
}

func (w *writer) set(t *testing.T, db *sqlstore.Driver, name, value string) {
	t.Helper()
	// A write that cannot fail brings the connection back that an error may have closed.
	if _, err := db.Purge(t.Context(), now, 1); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.name, w.value = name, value
	if err := sqlite.SetPragma(t.Context(), w.conn, name, value, value); err != nil {
		t.Fatal(err)
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	db, w := openWriter(t)
	large := func(id string) store.Record {
		r := record(id)
		r.Body = []byte(`{"x":"` + strings.Repeat("x", 20_000) + `"}`)
		r.Index = []store.Entry{{Field: "f", Value: store.Text(id)}}
		return r
	}
	pages, err := sqlite.QueryPragma(t.Context(), w.conn, "page_count")
	if err != nil {
		t.Fatal(err)
	}
	var room int
	if _, err := fmt.Sscan(pages, &room); err != nil {
		t.Fatal(err)
	}
	w.set(t, db, "max_page_count", fmt.Sprint(room+100))
	var mu sync.Mutex
	var written, failed []string
	var all sync.WaitGroup
	for n := range 40 { // room for about half of them
		all.Go(func() {
			id := fmt.Sprintf("%02d", n)
			_, err := db.Apply(t.Context(), now, store.Insert(large(id)))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				written = append(written, id)
				return
			}
			failed = append(failed, id)
			refused(t, err, "no room", "free space")
			if errors.Is(err, store.ErrUncertain) {
				t.Errorf("a full disk leaves nothing uncertain: %v", err)
			}
		})
	}
	all.Wait()
	if len(written) == 0 || len(failed) == 0 {
		t.Fatalf("%d were written and %d failed: the test has lost its point", len(written), len(failed))
	}
	for _, id := range written {
		if _, err := db.Get(t.Context(), now, thing, "", id); err != nil {
			t.Errorf("record %s was written and is lost: %v", id, err)
		}
	}
	w.set(t, db, "max_page_count", fmt.Sprint(room+10_000))
	for _, id := range failed {
		if _, err := db.Apply(t.Context(), now, store.Insert(large(id))); err != nil {
			t.Errorf("record %s, once there was room: %v", id, err)
		}
	}
}

func TestReadOnlyFile(t *testing.T) {
	t.Parallel()
	db, w := openWriter(t)
	if _, err := db.Apply(t.Context(), now, store.Insert(record("1"))); err != nil {
		t.Fatal(err)
	}
	w.set(t, db, "query_only", "1")
	_, err := db.Apply(t.Context(), now, store.Insert(record("2")))
	refused(t, err, "cannot be written", "permission")
	if errors.Is(err, store.ErrUncertain) {
		t.Errorf("a read-only file leaves nothing uncertain: %v", err)
	}
	if _, err := db.Get(t.Context(), now, thing, "", "1"); err != nil {
		t.Errorf("reading goes on: %v", err)
	}
}

func TestFolderGone(t *testing.T) {
	t.Parallel()
	home := filepath.Join(t.TempDir(), "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(home, "test.db")
	db := openFile(t, path)
	insert := func(id string) error {
		_, err := db.Apply(t.Context(), now, store.Insert(record(id)))
		return err
	}
	if err := insert("1"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(home, home+"-away"); err != nil {
		t.Fatal(err)
	}
	refused(t, insert("2"), "moved or deleted", "put it back")
	refused(t, db.Ready(t.Context(), now), "moved or deleted", "put it back")
	if err := os.Rename(home+"-away", home); err != nil {
		t.Fatal(err)
	}
	if err := db.Ready(t.Context(), now); err != nil {
		t.Error(err)
	}
	if err := insert("2"); err != nil {
		t.Errorf("the folder is back: %v", err)
	}
	if err := errors.Join(os.Rename(home, home+"-away"), os.Mkdir(home, 0o700)); err != nil {
		t.Fatal(err)
	}
	other, err := sqlite.Open(t.Context(), path, sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	refused(t, insert("3"), "another file", "restart")
	if err := errors.Join(other.Close(), os.RemoveAll(home), os.Rename(home+"-away", home)); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"1", "2"} {
		if _, err := db.Get(t.Context(), now, thing, "", id); err != nil {
			t.Errorf("record %s: %v", id, err)
		}
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = db.Apply(t.Context(), now, store.Insert(record("1")))
	refused(t, err, "closed")
	_, err = db.Get(t.Context(), now, thing, "", "1")
	refused(t, err, "closed")
	if errors.Is(err, store.ErrNotFound) {
		t.Error("a closed store says that a record is absent")
	}
}

// TestNothingIsLeftBehind goes through every way in which names come and go, and looks for names without a record.
func TestNothingIsLeftBehind(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	db := openFile(t, path)
	ctx, at := t.Context(), now
	named := func(id string, names ...string) store.Record {
		r := record(id)
		r.Expires = at.AddDate(0, 0, 1)
		for _, name := range names {
			r.Keys = append(r.Keys, store.Key{Name: "name", Value: name})
			r.Index = append(r.Index, store.Entry{Field: "name", Value: store.Text(name)}, store.Entry{Field: "n", Value: store.Number(int64(len(name)))})
		}
		return r
	}
	apply := func(ops ...store.Op) []store.Result {
		t.Helper()
		results, err := db.Apply(ctx, at, ops...)
		if err != nil {
			t.Fatal(err)
		}
		return results
	}
	version := apply(store.Insert(named("1", "a", "b")))[0].Version
	for _, names := range [][]string{{"b", "c"}, {"c", "b"}, nil, {"d"}, {"d", "e", "f"}, {"f"}} {
		r := named("1", names...)
		r.Version = version
		version = apply(store.Replace(r))[0].Version
		consistent(t, path, len(names))
	}
	apply(store.Delete(thing, store.Ref{ID: "1"}, version))
	consistent(t, path, 0)
	apply(store.Insert(named("2", "x", "y")), store.Insert(named("3", "z")))
	at = at.AddDate(0, 0, 2)
	apply(store.Insert(named("3", "zz"))) // over its expired self
	apply(store.Insert(named("4", "y")))  // the name of an expired other
	consistent(t, path, 2)
	at = at.AddDate(0, 0, 2)
	apply(store.Add(thing, store.Ref{ID: "4"}, 1, at.AddDate(0, 0, 1))) // over an expired record with names
	consistent(t, path, 1)
	at = at.AddDate(0, 0, 2)
	if n, err := db.Purge(ctx, at, 100); err != nil || n != 2 {
		t.Errorf("purged %d (%v), want 2", n, err)
	}
	consistent(t, path, 0)
}

// consistent demands that many keys, and no key or entry without its record.
func consistent(t *testing.T, path string, keys int) {
	t.Helper()
	count := func(text string) (n int) {
		t.Helper()
		if err := raw(t, path).QueryRowContext(t.Context(), text).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if got := count("SELECT COUNT(*) FROM signet_keys"); got != keys {
		t.Errorf("there are %d keys, want %d", got, keys)
	}
	for _, table := range []string{"signet_keys", "signet_entries"} {
		if n := count("SELECT COUNT(*) FROM " + table + " WHERE (kind, org, id) NOT IN (SELECT kind, org, id FROM signet_records)"); n != 0 {
			t.Errorf("%s has %d rows without a record", table, n)
		}
	}
	if n := count("SELECT COUNT(*) FROM signet_records WHERE digest IS NULL AND (kind, org, id) IN (SELECT kind, org, id FROM signet_entries)"); n != 0 {
		t.Errorf("%d records have entries and no digest", n)
	}
}
