package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore"
	"github.com/signet-idp/signet/store/sqlstore/sqlite"
	"github.com/signet-idp/signet/store/storetest"
)

// openVariable names the file that a process of TestProcessesOpenOneEmptyFile opens.
const openVariable = "SIGNET_SQLITE_OPEN"

func TestMain(m *testing.M) {
	if path := os.Getenv(openVariable); path != "" {
		if err := openAndInsert(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	storetest.Main(m, func(dir string) (store.Driver, error) {
		return sqlite.Open(context.Background(), filepath.Join(dir, "test.db"), sqlite.Config{})
	})
}

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Target{
		Process: true,
		Brief:   raceEnabled,
		Open:    func(tb testing.TB, dir string) store.Driver { return openFile(tb, filepath.Join(dir, "test.db")) },
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

func TestProcessesOpenOneEmptyFile(t *testing.T) {
	t.Parallel()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "test.db")
	var children []*exec.Cmd
	for range 4 {
		child := exec.CommandContext(t.Context(), binary)
		child.Env = append(os.Environ(), openVariable+"="+path)
		child.Stderr = os.Stderr
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		children = append(children, child)
	}
	for _, child := range children {
		if err := child.Wait(); err != nil {
			t.Error(err)
		}
	}
	page, err := openFile(t, path).List(t.Context(), now, store.Query{Kind: thing})
	if err != nil || len(page.Records) != len(children) {
		t.Errorf("%d processes that began at once left %d records (%v)", len(children), len(page.Records), err)
	}
}

func openAndInsert(path string) error {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, path, sqlite.Config{})
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Apply(ctx, now, store.Insert(record(fmt.Sprint(os.Getpid()))))
	return err
}
