package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore"
	"github.com/signet-idp/signet/store/sqlstore/sqlite"
	"github.com/signet-idp/signet/store/storetest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Target{
		Open: func(tb testing.TB, dir string) store.Driver { return openFile(tb, filepath.Join(dir, "test.db")) },
	})
}

func openFile(tb testing.TB, path string) *sqlstore.Driver {
	tb.Helper()
	driver, err := sqlite.Open(tb.Context(), path, sqlite.Config{})
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
