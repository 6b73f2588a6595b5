package mysql_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"os"
	"testing"

	engine "github.com/go-sql-driver/mysql"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore"
	"github.com/signet-idp/signet/store/sqlstore/mysql"
	"github.com/signet-idp/signet/store/storetest"
)

// serverVariable tells the processes that storetest starts where the server is.
const serverVariable = "SIGNET_MYSQL_SERVER"

func TestMain(m *testing.M) {
	storetest.Main(m, func(dir string) (store.Driver, error) {
		db, err := openFolder(context.Background(), os.Getenv(serverVariable), dir)
		if err != nil {
			return nil, err
		}
		return mysql.Open(context.Background(), db, mysql.Config{})
	})
}

// openFolder opens the database that stands for a folder, and makes it when it is not there.
func openFolder(ctx context.Context, server, dir string) (*sql.DB, error) {
	config, err := engine.ParseDSN(server)
	if err != nil {
		return nil, err
	}
	root, err := sql.Open("mysql", server)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	sum := sha256.Sum256([]byte(dir))
	config.DBName = fmt.Sprintf("folder_%x", sum[:16])
	if _, err := root.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS "+config.DBName); err != nil {
		return nil, err
	}
	return sql.Open("mysql", config.FormatDSN())
}

func TestContract(t *testing.T) {
	t.Parallel()
	server := testenv.SharedMariaDB(t).DSN()
	if err := os.Setenv(serverVariable, server); err != nil { // the same for all tests, and read by other processes alone
		t.Fatal(err)
	}
	t.Run("MariaDB", func(t *testing.T) { t.Parallel(); contract(t, server, mysql.Open) })
	t.Run("one statement at a time", func(t *testing.T) { t.Parallel(); contract(t, server, mysql.OpenApart) })
}

// open is Open, or Open for another server.
type open = func(context.Context, *sql.DB, mysql.Config) (*sqlstore.Driver, error)

func contract(t *testing.T, server string, open open) {
	storetest.Run(t, storetest.Target{
		Process: true,
		Brief:   raceEnabled,
		Open: func(tb testing.TB, dir string) store.Driver {
			tb.Helper()
			db, err := openFolder(tb.Context(), server, dir)
			if err != nil {
				tb.Fatal(err)
			}
			return openDriver(tb, open, lend(tb, db), mysql.Config{})
		},
	})
}

// pool opens a pool that is closed when the test ends.
func pool(tb testing.TB, dsn string) *sql.DB {
	tb.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		tb.Fatal(err)
	}
	return lend(tb, db)
}

// lend bounds a pool and closes it when the test ends.
func lend(tb testing.TB, db *sql.DB) *sql.DB {
	tb.Helper()
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	return db
}

func openDriver(tb testing.TB, open open, db *sql.DB, config mysql.Config) *sqlstore.Driver {
	tb.Helper()
	driver, err := open(tb.Context(), db, config)
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
