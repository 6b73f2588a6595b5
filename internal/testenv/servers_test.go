package testenv_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/testenv"
)

func TestPostgresSurvivesKill(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t)
	dsn := server.NewDatabase(t)
	psql := func(statement string) string {
		t.Helper()
		out, err := exec.Command("psql", "-X", "-A", "-t", "-d", dsn, "-c", statement).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", statement, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	psql("CREATE TABLE t (n int); INSERT INTO t VALUES (7)")
	if got := psql("SHOW fsync"); got != "on" {
		t.Errorf("fsync is %s", got)
	}
	server.Kill(t)
	refused(t, server.Addr())
	server.Restart(t)
	if got := psql("SELECT n FROM t"); got != "7" {
		t.Errorf("read %q after the restart, want 7", got)
	}
}

func TestMariaDBSurvivesKill(t *testing.T) {
	t.Parallel()
	server := testenv.MariaDB(t)
	dsn := server.NewDatabase(t)
	_, database, _ := strings.Cut(dsn, "/")
	_, port, _ := net.SplitHostPort(server.Addr())
	mariadb := func(statement string) string {
		t.Helper()
		out, err := exec.Command("mariadb", "--no-defaults", "-h127.0.0.1", "-P"+port, "-uroot", "-N", "-B", database, "-e", statement).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", statement, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	mariadb("CREATE TABLE t (n int); INSERT INTO t VALUES (7)")
	server.Kill(t)
	refused(t, server.Addr())
	server.Restart(t)
	if got := mariadb("SELECT n FROM t"); got != "7" {
		t.Errorf("read %q after the restart, want 7", got)
	}
}

// refused demands that nobody listen.
func refused(t *testing.T, address string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err == nil {
		_ = conn.Close()
		t.Errorf("%s still answers", address)
	}
}

func TestSharedServersAreOne(t *testing.T) {
	t.Parallel()
	postgres, again := testenv.SharedPostgres(t), testenv.SharedPostgres(t)
	if postgres != again {
		t.Error("two shared PostgreSQL servers")
	}
	mariadb, once := testenv.SharedMariaDB(t), testenv.SharedMariaDB(t)
	if mariadb != once {
		t.Error("two shared MariaDB servers")
	}
	for _, newDatabase := range []func(testing.TB) string{postgres.NewDatabase, mariadb.NewDatabase} {
		if first, second := newDatabase(t), newDatabase(t); first == second {
			t.Errorf("two databases are one: %s", first)
		}
	}
}

// TestSharedServersEndWithTheProcess starts servers in a process of its own, whose temporary folder must be empty again once it has
// been killed.
func TestSharedServersEndWithTheProcess(t *testing.T) {
	t.Parallel()
	const variable = "SIGNET_TESTENV_KILLED"
	if os.Getenv(variable) != "" {
		fmt.Println(testenv.SharedPostgres(t).Addr(), testenv.SharedMariaDB(t).Addr())
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Kill()
		}
		t.Fatal(err)
	}
	testenv.SharedPostgres(t) // skips where they are missing
	testenv.SharedMariaDB(t)

	folder := t.TempDir()
	for _, passable := range []string{folder, filepath.Dir(folder)} {
		if err := os.Chmod(passable, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	child := exec.Command(os.Args[0], "-test.run=^TestSharedServersEndWithTheProcess$")
	child.Env = append(os.Environ(), variable+"=1", "TMPDIR="+folder)
	out, err := child.Output()
	if err == nil {
		t.Fatalf("the process was not killed: %s", out)
	}
	var addresses [2]string
	if _, err := fmt.Sscan(string(out), &addresses[0], &addresses[1]); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, address := range addresses {
		awaitRefusal(ctx, t, address)
	}
	awaitEmpty(ctx, t, folder)
}

func awaitRefusal(ctx context.Context, t *testing.T, address string) {
	t.Helper()
	await(ctx, t, address+" refuses", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
}

func awaitEmpty(ctx context.Context, t *testing.T, folder string) {
	t.Helper()
	await(ctx, t, folder+" is empty", func() bool {
		left, err := os.ReadDir(folder)
		return errors.Is(err, fs.ErrNotExist) || err == nil && len(left) == 0
	})
}

// await asks until the condition holds.
func await(ctx context.Context, t *testing.T, what string, holds func() bool) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("not in time: %s", what)
		case <-again.C:
		}
	}
}
