package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore"
	"github.com/signet-idp/signet/store/sqlstore/postgres"
	"github.com/signet-idp/signet/store/storetest"
)

// record returns a record without names.
func record(id string) store.Record { return store.Record{Kind: thing, ID: id, Body: []byte(`{}`)} }

func TestNodesOpenOneEmptyDatabase(t *testing.T) {
	t.Parallel()
	dsn := testenv.SharedPostgres(t).NewDatabase(t)
	var nodes sync.WaitGroup
	for n := range 6 {
		db := openDB(t, dsn+"&lock_timeout=1ms", 2)
		nodes.Go(func() {
			driver, err := postgres.Open(t.Context(), db, postgres.Config{Schema: "signet"})
			if err == nil {
				_, err = driver.Apply(t.Context(), now, store.Insert(record(fmt.Sprint(n))))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	nodes.Wait()
	page, err := connect(t, dsn, postgres.Config{Schema: "signet"}).List(t.Context(), now, store.Query{Kind: thing})
	if err != nil || len(page.Records) != 6 {
		t.Errorf("6 nodes that began at once left %d records (%v)", len(page.Records), err)
	}
}

// TestLossyServers: a server that loses acknowledged writes when it crashes is refused, unless the host accepts that.
func TestLossyServers(t *testing.T) {
	t.Parallel()
	dsn := testenv.SharedPostgres(t).NewDatabase(t)
	for _, setting := range []string{"synchronous_commit", "fsync", "full_page_writes"} {
		// The servers here are started with all of them on, so that their answer is changed on its way.
		off := func(trip sqlstore.Trip) sqlstore.Trip {
			return func(ctx context.Context, conn *sql.Conn, calls []sqlstore.Call) error {
				calls = slices.Clone(calls)
				for i := range calls {
					calls[i].Text = strings.ReplaceAll(calls[i].Text, "current_setting('"+setting+"')", "'off'")
				}
				return trip(ctx, conn, calls)
			}
		}
		_, err := postgres.OpenBetween(t.Context(), openDB(t, dsn, 2), postgres.Config{}, off)
		if err == nil || !strings.Contains(err.Error(), setting+" is off") || !strings.Contains(err.Error(), "Config.InsecureDurability") {
			t.Errorf("%s off: %v", setting, err)
		}
		if _, err := postgres.OpenBetween(t.Context(), openDB(t, dsn, 2), postgres.Config{InsecureDurability: true}, off); err != nil {
			t.Errorf("%s off and accepted: %v", setting, err)
		}
	}
}

func TestOpenRefusesSchemas(t *testing.T) {
	t.Parallel()
	server := testenv.SharedPostgres(t)
	for name, refused := range map[string]struct{ change, want string }{
		"changed": {`UPDATE signet_migrations SET checksum = 'x'`, "is not the one this program contains"},
		"half":    {`UPDATE signet_migrations SET done = 0`, `set done = 1 in "public".signet_migrations`},
		"newer":   {`INSERT INTO signet_migrations VALUES (2, '0002_more', 'x', 1)`, "a newer release has opened the database"},
		"gone":    {`DROP TABLE signet_records`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := server.NewDatabase(t)
			before := connect(t, dsn, postgres.Config{})
			db := openDB(t, dsn, 2)
			execute(t, db, refused.change)
			driver, err := postgres.Open(t.Context(), db, postgres.Config{})
			if refused.want != "" {
				if err == nil || !strings.Contains(err.Error(), refused.want) {
					t.Errorf("Open said %v, want %q", err, refused.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := driver.Get(t.Context(), now, thing, "", "1"); err == nil || errors.Is(err, store.ErrNotFound) ||
				!strings.Contains(err.Error(), "restore the backup") {
				t.Errorf("Get without a table said %v", err)
			}
			if err := before.Ready(t.Context(), now); err != nil {
				t.Errorf("Ready reads the shapes alone: %v", err)
			}
		})
	}
}

func TestNoMigrate(t *testing.T) {
	t.Parallel()
	dsn := testenv.SharedPostgres(t).NewDatabase(t)
	db := openDB(t, dsn, 2)
	if _, err := postgres.Open(t.Context(), db, postgres.Config{NoMigrate: true}); err == nil || !strings.Contains(err.Error(), "1 migrations behind") {
		t.Errorf("Open of an empty database with NoMigrate said %v", err)
	}
	var tables int
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&tables); err != nil || tables != 0 {
		t.Errorf("a refused Open left %d tables (%v)", tables, err)
	}
	connect(t, dsn, postgres.Config{})
	connect(t, dsn, postgres.Config{NoMigrate: true})
}

// TestMigrationFails: what a migration has begun is undone with it, and the next Open does all of it.
func TestMigrationFails(t *testing.T) {
	t.Parallel()
	dsn := testenv.SharedPostgres(t).NewDatabase(t)
	db := openDB(t, dsn, 2)
	execute(t, db, "CREATE TABLE signet_shapes (x int)") // in the way of the fourth table
	_, err := postgres.Open(t.Context(), db, postgres.Config{})
	if err == nil || !strings.Contains(err.Error(), "migration 0001 (0001_records) failed and was undone") {
		t.Errorf("Open said %v", err)
	}
	execute(t, db, "DROP TABLE signet_shapes")
	driver := connect(t, dsn, postgres.Config{})
	if _, err := driver.Apply(t.Context(), now, store.Insert(storetest.Person(thing, now, 1))); err != nil {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	server := testenv.SharedPostgres(t)
	dsn := server.NewDatabase(t)
	admin := openDB(t, dsn, 2)
	execute(t, admin, `CREATE ROLE nobody_much LOGIN`)
	connect(t, dsn, postgres.Config{Schema: "closed"})
	nobody := strings.Replace(dsn, "postgres@", "nobody_much@", 1)
	for name, refused := range map[string]struct {
		dsn    string
		config postgres.Config
		want   string
	}{
		"no DSN":             {"postgres://%zz", postgres.Config{}, "the DSN cannot be read"},
		"nobody listens":     {"postgres://postgres@127.0.0.1:1/x?sslmode=disable", postgres.Config{}, "cannot be reached"},
		"no database":        {strings.Replace(dsn, "/test_", "/no_test_", 1), postgres.Config{}, "CREATE DATABASE"},
		"no role":            {strings.Replace(dsn, "postgres@", "stranger@", 1), postgres.Config{}, "refuses the role"},
		"no permission":      {nobody, postgres.Config{Schema: "closed"}, "lacks a permission"},
		"may not create":     {nobody, postgres.Config{Schema: "mine"}, "lacks a permission"},
		"no schema":          {dsn + "&search_path=nowhere", postgres.Config{}, "set Config.Schema"},
		"commits are lost":   {dsn + "&synchronous_commit=off", postgres.Config{}, "synchronous_commit is off"},
		"prefix in capitals": {dsn, postgres.Config{Prefix: "Signet_"}, "Config.Prefix"},
		"prefix that quotes": {dsn, postgres.Config{Prefix: `a"; `}, "Config.Prefix"},
		"long schema":        {dsn, postgres.Config{Schema: strings.Repeat("x", 64)}, "Config.Schema"},
	} {
		_, err := postgres.Connect(t.Context(), refused.dsn, refused.config)
		if err == nil || !strings.HasPrefix(err.Error(), "postgres: ") || !strings.Contains(err.Error(), refused.want) {
			t.Errorf("%s: Connect said %v, want %q", name, err, refused.want)
		}
	}
	if _, err := postgres.Open(t.Context(), nil, postgres.Config{}); err == nil {
		t.Error("Open without a pool succeeded")
	}
	other := sql.OpenDB(foreign{})
	defer other.Close()
	if _, err := postgres.Open(t.Context(), other, postgres.Config{}); err == nil || !strings.Contains(err.Error(), "pgx") {
		t.Errorf("Open over another driver said %v", err)
	}
}

// TestLeastPermissions: what doc.go asks for is enough.
func TestLeastPermissions(t *testing.T) {
	t.Parallel()
	dsn := testenv.SharedPostgres(t).NewDatabase(t)
	connect(t, dsn, postgres.Config{Schema: "idp"})
	admin := openDB(t, dsn, 1)
	execute(t, admin, `CREATE ROLE idp_node LOGIN`)
	execute(t, admin, `GRANT USAGE ON SCHEMA idp TO idp_node`)
	execute(t, admin, `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA idp TO idp_node`)
	for _, config := range []postgres.Config{{Schema: "idp"}, {Schema: "idp", NoMigrate: true}} {
		driver := connect(t, strings.Replace(dsn, "postgres@", "idp_node@", 1), config)
		results, err := driver.Apply(t.Context(), now, store.Insert(storetest.Person(thing, now, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := driver.List(t.Context(), now, store.Query{Kind: thing, Within: store.Everywhere, Sort: "name"}); err != nil {
			t.Error(err)
		}
		p := storetest.Person(thing, now, 1)
		p.Version, p.Keys = results[0].Version, []store.Key{{Name: "name", Value: "renamed"}}
		results, err = driver.Apply(t.Context(), now, store.Replace(p))
		if err != nil {
			t.Fatal(err)
		}
		ref := store.Ref{Org: p.Org, ID: p.ID}
		if _, err := driver.Apply(t.Context(), now, store.Check(thing, ref, results[0].Version)); err != nil {
			t.Error(err)
		}
		if _, err := driver.Apply(t.Context(), now, store.Delete(thing, ref, results[0].Version)); err != nil {
			t.Error(err)
		}
		if _, err := driver.Purge(t.Context(), now, 10); err != nil {
			t.Error(err)
		}
	}
}

// TestNamesApart: prefixes and schemas with any name keep Drivers apart in one database, whatever the search_path.
func TestNamesApart(t *testing.T) {
	t.Parallel()
	dsn := testenv.SharedPostgres(t).NewDatabase(t)
	configs := []postgres.Config{{}, {Prefix: "other_"}, {Schema: `My "Schema"\ '1'`}, {Schema: `My "Schema"\ '1'`, Prefix: "x"}}
	for n, config := range configs {
		driver := connect(t, dsn, config)
		r := storetest.Person(thing, now, n)
		r.ID = fmt.Sprint(n)
		if _, err := driver.Apply(t.Context(), now, store.Insert(r)); err != nil {
			t.Fatal(err)
		}
	}
	for n, config := range configs {
		if config.Schema == "" {
			config.Schema = "public"
		}
		page, err := connect(t, dsn+"&search_path=nowhere", config).List(t.Context(), now, store.Query{Kind: thing, Within: store.Everywhere, Sort: "name"})
		if err != nil || len(page.Records) != 1 || page.Records[0].ID != fmt.Sprint(n) {
			t.Errorf("%+v finds %v (%v)", config, page.Records, err)
		}
	}
}

// TestSettingsDoNotMatter does a little of everything over connections that are set to what could disturb it.
func TestSettingsDoNotMatter(t *testing.T) {
	t.Parallel()
	server := testenv.SharedPostgres(t)
	settings := []string{
		"default_transaction_isolation=serializable", "default_transaction_isolation=repeatable read", "default_transaction_read_only=on",
		"standard_conforming_strings=off", "bytea_output=escape", "search_path=nowhere", "statement_cache_capacity=0", "extra_float_digits=0",
		"client_encoding=LATIN1", "DateStyle=German", "TimeZone=Asia/Tokyo",
	}
	for _, mode := range modes {
		settings = append(settings, "default_query_exec_mode="+mode)
	}
	for _, setting := range settings {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			name, value, _ := strings.Cut(setting, "=")
			driver := connect(t, server.NewDatabase(t)+"&"+name+"="+url.PathEscape(value), postgres.Config{Schema: "signet"})
			r := storetest.Person(thing, now, 7)
			r.Body = []byte(`{"name":"Zoë 日本 \u0000 \\ '"}`)
			results, err := driver.Apply(t.Context(), now, store.Insert(r), store.Insert(storetest.Person(thing, now, 8)))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := driver.Apply(t.Context(), now, store.Insert(r)); store.ConflictOn(err, thing) == nil {
				t.Errorf("a second insert: %v", err)
			}
			r.Version, r.Keys[0].Value = results[0].Version, "Zoë\x00\\"
			if _, err := driver.Apply(t.Context(), now, store.Replace(r)); err != nil {
				t.Fatal(err)
			}
			got, err := driver.Lookup(t.Context(), now, thing, r.Org, r.Keys[0])
			if err != nil || string(got.Body) != string(r.Body) || got.ID != r.ID || got.Org != r.Org {
				t.Errorf("found %+v (%v)", got, err)
			}
			page, err := driver.List(t.Context(), now, store.Query{Kind: thing, Within: store.Everywhere, Sort: "name", Filter: store.Present{Field: "nick"}})
			if err != nil || len(page.Records) != 1 {
				t.Errorf("lists %v (%v)", page.Records, err)
			}
			if n, err := driver.Purge(t.Context(), now, 10); err != nil || n != 0 {
				t.Errorf("purged %d (%v)", n, err)
			}
		})
	}
}

// TestLongValues: what no index takes as it is keeps its place, and equality stays exact.
func TestLongValues(t *testing.T) {
	t.Parallel()
	driver := connect(t, testenv.SharedPostgres(t).NewDatabase(t), postgres.Config{})
	long := "cn=" + strings.Repeat("x", 4000)
	values := []string{"a", long, long + "a", long + "b", "cn=y", strings.Repeat("z", 799), strings.Repeat("z", 800), strings.Repeat("z", 801), "cn\x00\xff"}
	for n, value := range values {
		r := record(fmt.Sprint(n))
		r.Org = strings.Repeat("0123456789abcdef0123456789abcdef/", 30) + "end"
		r.Keys = []store.Key{{Name: "dn", Value: value}}
		r.Index = []store.Entry{{Field: "dn", Value: store.Text(value)}}
		if _, err := driver.Apply(t.Context(), now, store.Insert(r)); err != nil {
			t.Fatal(err)
		}
		found, err := driver.Lookup(t.Context(), now, thing, r.Org, r.Keys[0])
		if err != nil || found.ID != r.ID {
			t.Errorf("value %d: Lookup found %q (%v)", n, found.ID, err)
		}
	}
	list := func(f store.Filter) []string {
		page, err := driver.List(t.Context(), now, store.Query{Kind: thing, Within: store.Everywhere, Filter: f, Sort: "dn"})
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, r := range page.Records {
			ids = append(ids, r.ID)
		}
		return ids
	}
	for n, value := range values {
		if got := list(store.Equals("dn", store.Text(value))); !slices.Equal(got, []string{fmt.Sprint(n)}) {
			t.Errorf("value %d: eq lists %v", n, got)
		}
	}
	if got := list(store.Compare{Field: "dn", Operator: store.StartsWith, Value: store.Text("cn=x")}); len(got) != 3 {
		t.Errorf("sw lists %v", got)
	}
	if got := list(nil); len(got) != 9 || got[0] != "0" || got[1] != "8" || got[5] != "4" {
		t.Errorf("sorted: %v", got)
	}
	q := store.Query{Kind: thing, Within: store.Everywhere, Filter: store.Compare{Field: "dn", Operator: store.StartsWith, Value: store.Text(long)}}
	if _, err := driver.List(t.Context(), now, q); !errors.Is(err, store.ErrUnindexed) {
		t.Errorf("sw of a long value: %v, want ErrUnindexed", err)
	}
	r := record("1")
	r.Org = strings.Repeat("x/", 600) + "x"
	if _, err := driver.Apply(t.Context(), now, store.Insert(r)); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("an organization that no index takes: %v, want ErrInvalid", err)
	}
}

func TestMigrationsAreFiles(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(postgres.Migrations(), "*.sql")
	if err != nil || len(names) == 0 || names[0] != "0001_records.sql" {
		t.Errorf("Migrations holds %v (%v)", names, err)
	}
}

// TestCloseLeavesPoolAlone: the pool is the host's.
func TestCloseLeavesPoolAlone(t *testing.T) {
	t.Parallel()
	db := openDB(t, testenv.SharedPostgres(t).NewDatabase(t), 2)
	driver, err := postgres.Open(t.Context(), db, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := driver.Ready(t.Context(), now); err != nil {
		t.Error(err)
	}
	if err := driver.Close(); err != nil {
		t.Error(err)
	}
	if err := driver.Ready(t.Context(), now); err == nil {
		t.Error("a closed Driver is ready")
	}
	if err := db.PingContext(t.Context()); err != nil {
		t.Errorf("Close has closed the host's pool: %v", err)
	}
}
