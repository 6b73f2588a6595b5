package postgres_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"net/url"
	"os"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/jackc/pgx/v5"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore/postgres"
	"github.com/signet-idp/signet/store/storetest"
)

// dsnVariable tells the processes that a test starts which server its data is on.
const dsnVariable = "SIGNET_POSTGRES_DSN"

func TestMain(m *testing.M) {
	storetest.Main(m, func(dir string) (store.Driver, error) {
		return postgres.Connect(context.Background(), os.Getenv(dsnVariable), postgres.Config{Schema: schemaOf(dir)})
	})
}

// schemaOf names the schema that stands for a folder.
func schemaOf(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return "of_" + hex.EncodeToString(sum[:8])
}

func TestContract(t *testing.T) {
	dsn := testenv.SharedPostgres(t).DSN()
	t.Setenv(dsnVariable, dsn)
	storetest.Run(t, storetest.Target{
		Process: true,
		Brief:   raceEnabled,
		Open: func(tb testing.TB, dir string) store.Driver {
			return connect(tb, dsn, postgres.Config{Schema: schemaOf(dir)})
		},
	})
}

// connect opens a database with few connections, as tests run beside each other.
func connect(tb testing.TB, dsn string, config postgres.Config) *postgres.Driver {
	tb.Helper()
	driver, err := postgres.Open(tb.Context(), openDB(tb, dsn, 8), config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := driver.Close(); err != nil {
			tb.Error(err)
		}
	})
	return driver
}

// openDB returns a pool that is closed with the test.
func openDB(tb testing.TB, dsn string, connections int) *sql.DB {
	tb.Helper()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

// through is a DSN that takes the way through a proxy.
func through(proxy *testenv.ProxyServer, dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return dsn // fails where it is used
	}
	u.Host = proxy.Addr()
	return u.String()
}
