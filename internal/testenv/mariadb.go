package testenv

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// MariaDBServer is a MariaDB server on loopback with real durability. Its user root needs no password.
type MariaDBServer struct {
	*server
}

// MariaDB starts a MariaDB server that belongs to this test alone, which may Kill it; it is stopped and its data deleted when the test
// ends. The options are appended to its command line. Starting takes seconds: tests that need no more than a database of their own
// call [SharedMariaDB]. A missing server skips the test, see [Require]; the name in SIGNET_REQUIRE is mariadb.
func MariaDB(tb testing.TB, options ...string) *MariaDBServer {
	tb.Helper()
	requireMariaDB(tb)
	s, err := newMariaDB(context.WithoutCancel(tb.Context()), options...)
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	tb.Cleanup(func() {
		if err := s.close(); err != nil {
			tb.Errorf("testenv: stop mariadb: %v", err)
		}
	})
	return s
}

// SharedMariaDB returns the MariaDB server that all tests of this process share: the first call starts it, and it ends with the
// process, however that ends. No test may Kill it or change its global variables.
func SharedMariaDB(tb testing.TB) *MariaDBServer {
	tb.Helper()
	requireMariaDB(tb)
	s, err := sharedMariaDB()
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	return s
}

var sharedMariaDB = sync.OnceValues(func() (*MariaDBServer, error) { return newMariaDB(context.Background()) })

var mariaDBLookups = []string{"mariadbd", "/usr/sbin/mariadbd"}

func requireMariaDB(tb testing.TB) {
	tb.Helper()
	Require(tb, "mariadb", "mariadb-client", "mariadb")
	Require(tb, "mariadb", "mariadb-server", "mariadb-install-db")
	Require(tb, "mariadb", "mariadb-server", mariaDBLookups...)
}

// newMariaDB makes a data folder and starts its server.
func newMariaDB(ctx context.Context, options ...string) (*MariaDBServer, error) {
	path, err := first(mariaDBLookups)
	if err != nil {
		return nil, err
	}
	account, err := unprivileged("mysql")
	if err != nil {
		return nil, err
	}
	base, err := newServer("mariadb", account)
	if err != nil {
		return nil, err
	}
	s := &MariaDBServer{base}
	data := filepath.Join(s.folder, "data")
	s.command = func() *exec.Cmd {
		command := exec.Command(path, append([]string{
			"--no-defaults", "--datadir=" + data, "--bind-address=127.0.0.1", "--port=" + s.port(),
			"--tmpdir=" + s.folder, // a server that starts deletes the temporary tables of all that share it
			"--socket=socket",      // relative to the data, because the path of a socket must be short
			"--pid-file=" + filepath.Join(s.folder, "pid"), "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=1",
			"--innodb-buffer-pool-size=96M", "--innodb-log-file-size=64M", "--max-connections=300", "--skip-log-bin",
		}, options...)...)
		command.Dir, command.SysProcAttr = s.folder, account
		return command
	}
	s.ready = func(ctx context.Context) error { return s.sql(ctx, "SELECT 1") }

	install := exec.CommandContext(ctx, "mariadb-install-db", "--no-defaults", "--datadir="+data,
		"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
	install.Dir, install.SysProcAttr = s.folder, account
	if err = run(install); err == nil {
		err = s.start(ctx)
	}
	if err != nil {
		_ = s.close()
		return nil, err
	}
	return s, nil
}

// DSN returns the name of the database mysql in the words of go-sql-driver, without parameters.
func (s *MariaDBServer) DSN() string { return s.dsn("mysql") }

func (s *MariaDBServer) dsn(database string) string {
	return fmt.Sprintf("root@tcp(%s)/%s", s.address, database)
}

// NewDatabase makes an empty database and returns its name in the words of go-sql-driver. It is deleted with the server.
func (s *MariaDBServer) NewDatabase(tb testing.TB) string {
	tb.Helper()
	name := databaseName()
	if err := s.sql(tb.Context(), "CREATE DATABASE "+name); err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	return s.dsn(name)
}

// sql runs one statement.
func (s *MariaDBServer) sql(ctx context.Context, statement string) error {
	client := exec.CommandContext(ctx, "mariadb", "--no-defaults", "--protocol=tcp", "--host=127.0.0.1", "--port="+s.port(),
		"--user=root", "--execute="+statement)
	client.Dir = "/"
	return run(client)
}
