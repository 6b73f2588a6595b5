package testenv

import (
	"context"
	"crypto/rand"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// PostgresServer is a PostgreSQL server on loopback with real durability (fsync is on). Its superuser postgres needs no password.
type PostgresServer struct {
	*server
	programs string // the folder of psql
}

// Postgres starts a PostgreSQL server that belongs to this test alone, which may Kill it; it is stopped and its data deleted when the
// test ends. Starting takes seconds: tests that need no more than a database of their own call [SharedPostgres].
// A missing server skips the test, see [Require]; the name in SIGNET_REQUIRE is postgres.
func Postgres(tb testing.TB) *PostgresServer {
	tb.Helper()
	requirePostgres(tb)
	s, err := newPostgres(context.WithoutCancel(tb.Context()))
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	tb.Cleanup(func() {
		if err := s.close(); err != nil {
			tb.Errorf("testenv: stop postgres: %v", err)
		}
	})
	return s
}

// SharedPostgres returns the PostgreSQL server that all tests of this process share: the first call starts it, and it ends with the
// process, however that ends. No test may Kill it.
func SharedPostgres(tb testing.TB) *PostgresServer {
	tb.Helper()
	requirePostgres(tb)
	s, err := sharedPostgres()
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	return s
}

var sharedPostgres = sync.OnceValues(func() (*PostgresServer, error) { return newPostgres(context.Background()) })

var postgresLookups = []string{"postgres", "/usr/lib/postgresql/*/bin/postgres"}

func requirePostgres(tb testing.TB) {
	tb.Helper()
	Require(tb, "postgres", "postgresql", postgresLookups...)
}

// newPostgres makes a cluster and starts its server.
func newPostgres(ctx context.Context) (*PostgresServer, error) {
	path, err := first(postgresLookups)
	if err != nil {
		return nil, err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return nil, err // a link in PATH has no initdb and psql beside it
	}
	account, err := unprivileged("postgres")
	if err != nil {
		return nil, err
	}
	base, err := newServer("postgres", account)
	if err != nil {
		return nil, err
	}
	s := &PostgresServer{server: base, programs: filepath.Dir(path)}
	data := filepath.Join(s.folder, "data")
	s.command = func() *exec.Cmd {
		// SIGKILL must leave no shared memory of System V behind, and nothing may listen but TCP on loopback.
		command := exec.Command(path, "-D", data, "-p", s.port(),
			"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "dynamic_shared_memory_type=mmap",
			"-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "full_page_writes=on",
			"-c", "shared_buffers=64MB", "-c", "max_connections=200", "-c", "max_wal_size=256MB")
		command.Dir, command.SysProcAttr = s.folder, account
		return command
	}
	s.ready = func(ctx context.Context) error { return s.sql(ctx, "SELECT 1") }

	cluster := exec.CommandContext(ctx, filepath.Join(s.programs, "initdb"), "-D", data, "-U", "postgres", "-A", "trust",
		"-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	cluster.Dir, cluster.SysProcAttr = s.folder, account
	if err = run(cluster); err == nil {
		err = s.start(ctx)
	}
	if err != nil {
		_ = s.close()
		return nil, err
	}
	return s, nil
}

// Restart starts the server again after Kill, as the Restart of every server does. The children of a server that was killed are in groups of
// their own and end when they notice; the data is not free before the last of them has.
func (s *PostgresServer) Restart(tb testing.TB) {
	tb.Helper()
	var err error
	for range 100 {
		if err = s.start(context.WithoutCancel(tb.Context())); err == nil {
			return
		}
		if !strings.Contains(err.Error(), "pre-existing shared memory block") {
			break
		}
		if err := s.end(syscall.SIGKILL); err != nil {
			tb.Fatalf("testenv: %v", err)
		}
	}
	tb.Fatalf("testenv: restart: %v", err)
}

// DSN returns the URL of the database postgres.
func (s *PostgresServer) DSN() string { return s.dsn("postgres") }

func (s *PostgresServer) dsn(database string) string {
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", s.address, database)
}

// NewDatabase makes an empty database and returns its URL. It is deleted with the server.
func (s *PostgresServer) NewDatabase(tb testing.TB) string {
	tb.Helper()
	name := databaseName()
	if err := s.sql(tb.Context(), "CREATE DATABASE "+name); err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	return s.dsn(name)
}

// sql runs one statement.
func (s *PostgresServer) sql(ctx context.Context, statement string) error {
	psql := exec.CommandContext(ctx, filepath.Join(s.programs, "psql"), "-X", "-q", "-d", s.DSN(), "-c", statement)
	psql.Dir = "/"
	return run(psql)
}

// databaseName returns a name that no other test has.
func databaseName() string { return "test_" + strings.ToLower(rand.Text()) }
