package mysql_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	engine "github.com/go-sql-driver/mysql"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore/mysql"
)

func record(id string) store.Record {
	return store.Record{Kind: thing, ID: id, Body: []byte(`{"id":"` + id + `"}`)}
}

// newPool opens a pool on an empty database, with parameters of a DSN.
func newPool(tb testing.TB, parameters string) *sql.DB {
	tb.Helper()
	dsn := testenv.SharedMariaDB(tb).NewDatabase(tb)
	if parameters != "" {
		dsn += "?" + parameters
	}
	return pool(tb, dsn)
}

func exec(tb testing.TB, db *sql.DB, statements ...string) {
	tb.Helper()
	for _, statement := range statements {
		if _, err := db.ExecContext(context.WithoutCancel(tb.Context()), statement); err != nil {
			tb.Fatalf("%s: %v", statement, err)
		}
	}
}

func TestNodesOpenOneEmptyDatabase(t *testing.T) {
	t.Parallel()
	dsn := testenv.SharedMariaDB(t).NewDatabase(t)
	const nodes = 4
	var all sync.WaitGroup
	errs := make([]error, nodes)
	for n := range nodes {
		db := pool(t, dsn)
		all.Go(func() {
			driver, err := mysql.Open(t.Context(), db, mysql.Config{})
			if err == nil {
				_, err = driver.Apply(t.Context(), now, store.Insert(record(fmt.Sprint(n))))
			}
			errs[n] = err
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	page, err := openDriver(t, mysql.Open, pool(t, dsn), mysql.Config{NoMigrate: true}).List(t.Context(), now, store.Query{Kind: thing})
	if err != nil || len(page.Records) != nodes {
		t.Errorf("%d nodes that began at once left %d records (%v)", nodes, len(page.Records), err)
	}
}

// TestOneLockForOneSchema: nodes that reach the tables from different databases take the same lock before they change them.
func TestOneLockForOneSchema(t *testing.T) {
	t.Parallel()
	server := testenv.SharedMariaDB(t)
	here, other := server.NewDatabase(t), server.NewDatabase(t)
	name := func(dsn string) string {
		config, err := engine.ParseDSN(dsn)
		if err != nil {
			t.Fatal(err)
		}
		return config.DBName
	}
	locks := func(dsn string, config mysql.Config) (taken []string) {
		exec(t, pool(t, other), "DROP DATABASE "+name(here), "CREATE DATABASE "+name(here))
		db, spy := spyOn(t, dsn)
		openDriver(t, mysql.Open, db, config)
		for _, text := range spy.texts() {
			if strings.Contains(text, "GET_LOCK") {
				taken = append(taken, text)
			}
		}
		return taken
	}
	want := locks(here, mysql.Config{})
	if len(want) == 0 {
		t.Fatal("no lock was taken")
	}
	for _, dsn := range []string{here, other, strings.Replace(here, "/"+name(here), "/", 1)} {
		if got := locks(dsn, mysql.Config{Database: name(here)}); !slices.Equal(got, want) {
			t.Errorf("from %s: %q, want %q", dsn, got, want)
		}
	}
	if got := locks(here, mysql.Config{Prefix: "more_"}); slices.Equal(got, want) {
		t.Error("two schemas of one database have one lock")
	}
}

// TestOpenRefuses quotes what Open says when it cannot do its work.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	server := testenv.SharedMariaDB(t)
	up := func(t *testing.T, statements ...string) *sql.DB {
		db := newPool(t, "")
		openDriver(t, mysql.Open, db, mysql.Config{})
		exec(t, db, statements...)
		return db
	}
	// as is a user with those privileges alone, on a database that is up.
	as := func(t *testing.T, privileges string, empty bool) *sql.DB {
		dsn := server.NewDatabase(t)
		db := pool(t, dsn)
		if !empty {
			openDriver(t, mysql.Open, db, mysql.Config{})
		}
		config, err := engine.ParseDSN(dsn)
		if err != nil {
			t.Fatal(err)
		}
		config.User, config.Passwd = config.DBName[:20], "secret"
		exec(t, db, fmt.Sprintf("CREATE USER %s@'127.0.0.1' IDENTIFIED BY 'secret'", config.User))
		if privileges != "" {
			exec(t, db, fmt.Sprintf("GRANT %s ON %s.* TO %s@'127.0.0.1'", privileges, config.DBName, config.User))
		}
		return pool(t, config.FormatDSN())
	}
	tests := []struct {
		name   string
		db     func(*testing.T) *sql.DB
		config mysql.Config
		want   []string
	}{
		{"no pool", func(*testing.T) *sql.DB { return nil }, mysql.Config{}, []string{"pool of connections"}},
		{
			"nonsense", func(*testing.T) *sql.DB { return nil },
			mysql.Config{Prefix: "a`b", Database: "c;d"},
			[]string{"Config.Prefix", "Config.Database"},
		},
		{
			"nobody there", func(t *testing.T) *sql.DB { return pool(t, "root@tcp("+closedAddress(t)+")/x") },
			mysql.Config{},
			[]string{"does not answer", "DSN", "refused"},
		},
		{
			"wrong password", func(t *testing.T) *sql.DB { return pool(t, "root:wrong@tcp("+server.Addr()+")/mysql") },
			mysql.Config{},
			[]string{"user or password"},
		},
		{
			"no such database", func(t *testing.T) *sql.DB { return pool(t, "root@tcp("+server.Addr()+")/nowhere") },
			mysql.Config{},
			[]string{"database of the DSN", "create it", "nowhere"},
		},
		{
			"no database", func(t *testing.T) *sql.DB { return pool(t, "root@tcp("+server.Addr()+")/") },
			mysql.Config{},
			[]string{"in no database", "Config.Database"},
		},
		{
			"cut results", func(t *testing.T) *sql.DB { return newPool(t, "sql_select_limit=1") },
			mysql.Config{},
			[]string{"sql_select_limit"},
		},
		{"read only", func(t *testing.T) *sql.DB { return newPool(t, "tx_read_only=1") }, mysql.Config{}, []string{"takes no writes", "primary"}},
		{"not open to the user", func(t *testing.T) *sql.DB { return as(t, "", true) }, mysql.Config{}, []string{"grant", "privileges"}},
		{"may not create", func(t *testing.T) *sql.DB { return as(t, "SELECT, INSERT, UPDATE, DELETE", true) }, mysql.Config{}, []string{"lacks a privilege", "CREATE"}},
		{"empty, not to migrate", func(t *testing.T) *sql.DB { return newPool(t, "") }, mysql.Config{NoMigrate: true}, []string{"1 migrations behind", "NoMigrate"}},
		{"newer", func(t *testing.T) *sql.DB {
			return up(t, "INSERT INTO signet_migrations VALUES (2, '0002_future', 'x', 1)")
		}, mysql.Config{}, []string{"0002", "newer release"}},
		{"another", func(t *testing.T) *sql.DB {
			return up(t, "UPDATE signet_migrations SET checksum = 'other'")
		}, mysql.Config{}, []string{"0001", "not the one this program contains"}},
		{"half, not to migrate", func(t *testing.T) *sql.DB {
			return up(t, "UPDATE signet_migrations SET done = 0")
		}, mysql.Config{NoMigrate: true}, []string{"1 migrations behind", "NoMigrate"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := mysql.Open(t.Context(), test.db(t), test.config)
			if err == nil {
				t.Fatal("it opened")
			}
			for _, word := range test.want {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("says %q, and nothing of %q", err, word)
				}
			}
			if !strings.HasPrefix(err.Error(), "mysql: ") {
				t.Errorf("says %q, and not who says it", err)
			}
		})
	}
}

// closedAddress returns an address where nobody listens.
func closedAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func TestOpenContinuesHalfAMigration(t *testing.T) {
	t.Parallel()
	db := newPool(t, "")
	driver := openDriver(t, mysql.Open, db, mysql.Config{})
	if _, err := driver.Apply(t.Context(), now, store.Insert(record("kept"))); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "UPDATE signet_migrations SET done = 0", "DROP TABLE signet_shapes", "DROP TABLE signet_entries")
	again := openDriver(t, mysql.Open, db, mysql.Config{})
	if _, err := again.Get(t.Context(), now, thing, "", "kept"); err != nil {
		t.Errorf("what was there before: %v", err)
	}
	r := record("new")
	r.Index = []store.Entry{{Field: "f", Value: store.Text("v")}}
	if _, err := again.Apply(t.Context(), now, store.Insert(r)); err != nil {
		t.Errorf("the tables that were missing: %v", err)
	}
}

func TestOpenTakesOverFromATool(t *testing.T) {
	t.Parallel()
	files, err := mysql.Migrations().Open("0001_records.sql")
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	text := make([]byte, 1<<16)
	n, err := files.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	db := newPool(t, "multiStatements=true")
	exec(t, db, string(text[:n]))
	driver := openDriver(t, mysql.Open, db, mysql.Config{})
	if _, err := driver.Apply(t.Context(), now, store.Insert(record("1"))); err != nil {
		t.Error(err)
	}
}

func TestOpenWithoutPrivilegeToMigrate(t *testing.T) {
	t.Parallel()
	dsn := testenv.SharedMariaDB(t).NewDatabase(t)
	root := pool(t, dsn)
	openDriver(t, mysql.Open, root, mysql.Config{})
	config, err := engine.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	config.User = config.DBName[:20]
	exec(t, root, fmt.Sprintf("CREATE USER %s@'127.0.0.1'", config.User),
		fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE ON %s.* TO %s@'127.0.0.1'", config.DBName, config.User))
	driver := openDriver(t, mysql.Open, pool(t, config.FormatDSN()), mysql.Config{})
	exercise(t, driver)

	exec(t, root, fmt.Sprintf("REVOKE INSERT ON %s.* FROM %s@'127.0.0.1'", config.DBName, config.User))
	reader := openDriver(t, mysql.Open, pool(t, config.FormatDSN()), mysql.Config{})
	_, err = reader.Apply(t.Context(), now, store.Insert(record("refused")))
	if err == nil || errors.Is(err, store.ErrUncertain) || !strings.Contains(err.Error(), "lacks a privilege") {
		t.Errorf("an insert without the privilege: %v", err)
	}
}

func TestPrefixAndDatabase(t *testing.T) {
	t.Parallel()
	db := newPool(t, "")
	elsewhere := testenv.SharedMariaDB(t).NewDatabase(t)
	_, name, _ := strings.Cut(elsewhere, "/")
	stores := map[string]mysql.Config{
		"default": {}, "prefix": {Prefix: "idp_"}, "database": {Database: name}, "both": {Database: name, Prefix: "idp_"},
	}
	for label, config := range stores {
		driver := openDriver(t, mysql.Open, db, config)
		r := record("1")
		r.Body = []byte(`{"in":"` + label + `"}`)
		if _, err := driver.Apply(t.Context(), now, store.Insert(r)); err != nil {
			t.Errorf("%s: %v", label, err)
		}
		exercise(t, driver)
	}
	for label, config := range stores {
		config.NoMigrate = true
		got, err := openDriver(t, mysql.Open, db, config).Get(t.Context(), now, thing, "", "1")
		if err != nil || string(got.Body) != `{"in":"`+label+`"}` {
			t.Errorf("%s holds %s (%v)", label, got.Body, err)
		}
	}
}

func TestDurabilityIsDemanded(t *testing.T) {
	t.Parallel()
	server := testenv.MariaDB(t, "--innodb-flush-log-at-trx-commit=2", "--log-bin", "--sync-binlog=0")
	db := pool(t, server.NewDatabase(t))
	_, err := mysql.Open(t.Context(), db, mysql.Config{})
	for _, word := range []string{"innodb_flush_log_at_trx_commit is 2", "sync_binlog is 0", "InsecureDurability"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("says %v, and nothing of %s", err, word)
		}
	}
	exercise(t, openDriver(t, mysql.Open, db, mysql.Config{InsecureDurability: true}))
}

// TestParametersOfTheDSN opens and uses a database by connections that begin in every odd way.
func TestParametersOfTheDSN(t *testing.T) {
	t.Parallel()
	testenv.SharedMariaDB(t)
	for _, parameters := range []string{
		"parseTime=true&loc=Asia%2FTokyo",
		"multiStatements=true",
		"interpolateParams=true",
		"clientFoundRows=true",
		"columnsWithAlias=true",
		"charset=latin1",
		"charset=gbk",
		"charset=utf8mb4&collation=utf8mb4_unicode_ci",
		"autocommit=0",
		"autocommit=0&tx_isolation=%27REPEATABLE-READ%27&clientFoundRows=true",
		"tx_isolation=%27READ-UNCOMMITTED%27",
		"tx_isolation=%27SERIALIZABLE%27",
		"sql_mode=%27%27",
		"sql_mode=%27ANSI,NO_BACKSLASH_ESCAPES,HIGH_NOT_PRECEDENCE,PAD_CHAR_TO_FULL_LENGTH,SIMULTANEOUS_ASSIGNMENT%27",
		"sql_mode=%27ORACLE%27",
		"time_zone=%27%2B05:30%27",
		"completion_type=%27CHAIN%27",
		"completion_type=%27RELEASE%27",
		"sql_safe_updates=1",
	} {
		t.Run(parameters, func(t *testing.T) {
			t.Parallel()
			for name, open := range map[string]open{"bundles": mysql.Open, "apart": mysql.OpenApart} {
				t.Run(name, func(t *testing.T) {
					dsn := testenv.SharedMariaDB(t).NewDatabase(t)
					driver := openDriver(t, open, pool(t, dsn+"?"+parameters), mysql.Config{})
					exercise(t, driver)
					plain := openDriver(t, mysql.Open, pool(t, dsn), mysql.Config{})
					committed(t, driver, plain)
				})
			}
		})
	}
}

// committed demands that two see each other's writes, at once and not before they stand.
func committed(t *testing.T, one, other store.Driver) {
	t.Helper()
	for n, drivers := range [][2]store.Driver{{one, other}, {other, one}} {
		r := record(fmt.Sprint("committed", n))
		for range 3 {
			if _, err := drivers[1].Get(t.Context(), now, thing, "", r.ID); !errors.Is(err, store.ErrNotFound) && r.Version == 0 {
				t.Errorf("before it is written: %v", err)
			}
			op := store.Insert(r)
			if r.Version != 0 {
				op = store.Replace(r)
			}
			results, err := drivers[0].Apply(t.Context(), now, op)
			if err != nil {
				t.Fatal(err)
			}
			r.Version = results[0].Version
			got, err := drivers[1].Get(t.Context(), now, thing, "", r.ID)
			if err != nil || got.Version != r.Version {
				t.Errorf("wrote version %d, the other reads %d (%v)", r.Version, got.Version, err)
			}
		}
	}
}

// exercise does some of everything.
func exercise(t *testing.T, driver store.Driver) {
	t.Helper()
	ctx := t.Context()
	apply := func(ops ...store.Op) []store.Result {
		t.Helper()
		results, err := driver.Apply(ctx, now, ops...)
		if err != nil {
			t.Fatal(err)
		}
		return results
	}
	key := store.Key{Name: "k", Value: "Ä' \\ \x00 \""}
	r := record("exercise ' \\ é")
	r.Keys, r.Index = []store.Key{key}, []store.Entry{{Field: "f", Value: store.Text("v'\\%_")}, {Field: "n", Value: store.Number(-1)}}
	r.Body = []byte(`{"q":"'; DROP TABLE signet_records; -- \\ $1 ? é"}`)
	r.Version = apply(store.Insert(r))[0].Version
	if got, err := driver.Lookup(ctx, now, thing, "", key); err != nil || got.ID != r.ID || string(got.Body) != string(r.Body) {
		t.Fatalf("looked up %+v (%v)", got, err)
	}
	if _, err := driver.Apply(ctx, now, store.Insert(r)); store.ConflictOn(err, thing) == nil {
		t.Errorf("a second insert: %v", err)
	}
	other := record("other")
	other.Keys = r.Keys
	if conflict := store.ConflictOn(applyError(t, driver, store.Insert(other)), thing); conflict == nil || conflict.Key != key {
		t.Errorf("a second holder of a key: %+v", conflict)
	}
	stale := r.Version
	r.Index[0].Value = store.Text("w")
	r.Version = apply(store.Replace(r), store.Insert(record("second")), store.Add(thing, store.Ref{ID: "counter"}, 3, now.AddDate(0, 0, 1)))[0].Version
	if conflict := store.ConflictOn(applyError(t, driver, store.Delete(thing, r.Ref(), stale)), thing); conflict == nil || conflict.Reason != store.Version {
		t.Errorf("a stale delete: %+v", conflict)
	}
	if got := apply(store.Add(thing, store.Ref{ID: "counter"}, 4, now), store.Check(thing, r.Ref(), r.Version)); got[0].Count != 7 {
		t.Errorf("counted %d, want 7", got[0].Count)
	}
	for value, want := range map[string]int{"v'\\%_": 0, "w": 1} {
		page, err := driver.List(ctx, now, store.Query{Kind: thing, Filter: store.Equals("f", store.Text(value)), Sort: "n", Count: 10})
		if err != nil || len(page.Records) != want || page.Count != want {
			t.Errorf("listed %d (%d) by %q, want %d (%v)", len(page.Records), page.Count, value, want, err)
		}
	}
	all, err := driver.List(ctx, now, store.Query{Kind: thing})
	if err != nil || len(all.Records) < 3 {
		t.Errorf("listed %d, want 3 or more (%v)", len(all.Records), err)
	}
	apply(store.Delete(thing, r.Ref(), r.Version))
	if _, err := driver.Lookup(ctx, now, thing, "", key); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the key of a deleted record: %v", err)
	}
	if n, err := driver.Purge(ctx, now.AddDate(0, 0, 2), 10); err != nil || n != 1 {
		t.Errorf("purged %d, want the counter (%v)", n, err)
	}
	// A counter in the place of a record that has expired, with all its names.
	short := record("short")
	short.Keys, short.Index, short.Expires = r.Keys, r.Index, now.AddDate(0, 0, 1)
	apply(store.Insert(short))
	later := now.AddDate(0, 0, 2)
	results, err := driver.Apply(ctx, later, store.Add(thing, short.Ref(), 5, later.AddDate(0, 0, 1)))
	if err != nil || results[0].Count != 5 {
		t.Errorf("counted %+v in the place of an expired record (%v)", results, err)
	}
	if got, err := driver.Get(ctx, later, thing, "", "short"); err != nil || got.Count != 5 || len(got.Body) != 0 {
		t.Errorf("the counter is %+v (%v)", got, err)
	}
	if page, err := driver.List(ctx, now, store.Query{Kind: thing, Filter: store.Present{Field: "f"}}); err != nil || len(page.Records) != 0 {
		t.Errorf("the expired record left %d entries (%v)", len(page.Records), err)
	}
	if n, err := driver.Purge(ctx, later.AddDate(0, 0, 2), 10); err != nil || n != 1 {
		t.Errorf("purged %d, want the counter (%v)", n, err)
	}
	second, err := driver.Get(ctx, now, thing, "", "second")
	if err != nil {
		t.Fatal(err)
	}
	apply(store.Delete(thing, second.Ref(), second.Version))
}

func applyError(t *testing.T, driver store.Driver, ops ...store.Op) error {
	t.Helper()
	_, err := driver.Apply(t.Context(), now, ops...)
	return err
}
