package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore"
	"github.com/signet-idp/signet/store/sqlstore/postgres"
)

// has reports whether a record is there.
func has(t *testing.T, driver *postgres.Driver, id string) bool {
	t.Helper()
	_, err := driver.Get(t.Context(), now, thing, "", id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

// TestTerminatedBackends ends the server's side of connections, again and again, below writers: what was acknowledged is there, whole,
// and what was refused is not.
func TestTerminatedBackends(t *testing.T) {
	t.Parallel()
	dsn := testenv.SharedPostgres(t).NewDatabase(t)
	admin, driver := openDB(t, dsn, 1), connect(t, dsn+"&application_name=victim", postgres.Config{})
	const writers, steps = 4, 100
	var all, killer sync.WaitGroup
	var done, refused, uncertain, kills atomic.Int64
	kill := make(chan struct{})
	killer.Go(func() {
		for range kill {
			var n int64
			err := admin.QueryRowContext(context.Background(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
				WHERE application_name = 'victim' AND datname = current_database()`).Scan(&n)
			if err != nil {
				t.Error(err)
			}
			kills.Add(n)
		}
	})
	check := connect(t, dsn, postgres.Config{})
	for writer := range writers {
		all.Go(func() {
			for n := range steps {
				if n%5 == writer {
					kill <- struct{}{}
				}
				left, right := fmt.Sprintf("left-%d-%d", writer, n), fmt.Sprintf("right-%d-%d", writer, n)
				_, err := driver.Apply(context.Background(), now, store.Insert(record(left)), store.Insert(record(right)))
				there := [2]bool{has(t, check, left), has(t, check, right)}
				switch {
				case errors.Is(err, store.ErrUncertain):
					uncertain.Add(1)
				case err == nil:
					done.Add(1)
					if there != [2]bool{true, true} {
						t.Errorf("an acknowledged step left %v", there)
					}
				default:
					refused.Add(1)
					if there != [2]bool{false, false} {
						t.Errorf("a step that failed with %v left %v", err, there)
					}
				}
			}
		})
	}
	all.Wait()
	close(kill)
	killer.Wait()
	t.Logf("%d backends ended under %d steps: %d acknowledged, %d refused, %d uncertain", kills.Load(), writers*steps, done.Load(), refused.Load(), uncertain.Load())
	if kills.Load() == 0 || done.Load() == 0 {
		t.Error("the test has lost its point")
	}
}

func TestLostAnswerToCommit(t *testing.T) {
	t.Parallel()
	server := testenv.SharedPostgres(t)
	for _, stands := range []bool{true, false} {
		t.Run(fmt.Sprint("carried out ", stands), func(t *testing.T) {
			t.Parallel()
			dsn, proxy := server.NewDatabase(t), testenv.Proxy(t, server.Addr())
			// Prepared, COMMIT would not be seen on the wire.
			driver := connect(t, through(proxy, dsn)+"&default_query_exec_mode=exec", postgres.Config{})
			direct := connect(t, dsn, postgres.Config{})
			if _, err := driver.Apply(t.Context(), now, store.Insert(record("before"))); err != nil {
				t.Fatal(err)
			}
			cut := proxy.CutBefore
			if stands {
				cut = proxy.CutAfter
			}
			happened := cut("COMMIT")
			_, err := driver.Apply(t.Context(), now, store.Insert(record("doubtful")))
			<-happened
			if !errors.Is(err, store.ErrUncertain) {
				t.Errorf("the caller got %v, want ErrUncertain", err)
			}
			if got := has(t, direct, "doubtful"); got != stands {
				t.Errorf("the record is there: %t", got)
			}
			if _, err := driver.Apply(t.Context(), now, store.Insert(record("after"))); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// TestCancelledWhileTheServerHangs: nobody waits for ever, and the error leaves open what is open.
func TestCancelledWhileTheServerHangs(t *testing.T) {
	t.Parallel()
	server := testenv.SharedPostgres(t)
	proxy := testenv.Proxy(t, server.Addr())
	driver := connect(t, through(proxy, server.NewDatabase(t)), postgres.Config{})
	if _, err := driver.Apply(t.Context(), now, store.Insert(record("before"))); err != nil {
		t.Fatal(err)
	}
	proxy.Hang()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := driver.Get(ctx, now, thing, "", "before"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Get: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := driver.Apply(ctx, now, store.Insert(record("doubtful"))); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("Apply: %v", err)
	}
	proxy.Heal()
	if _, err := driver.Apply(t.Context(), now, store.Insert(record("after"))); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestHangingServer: whoever sets no deadline gets an answer too, and it does not say that anything is absent.
func TestHangingServer(t *testing.T) {
	t.Parallel()
	server := testenv.SharedPostgres(t)
	proxy := testenv.Proxy(t, server.Addr())
	driver := connect(t, through(proxy, server.NewDatabase(t)), postgres.Config{Timeout: 300 * time.Millisecond})
	calls := map[string]func() error{
		"Get":  func() error { _, err := driver.Get(context.Background(), now, thing, "", "before"); return err },
		"List": func() error { _, err := driver.List(context.Background(), now, store.Query{Kind: thing}); return err },
		"Apply": func() error {
			_, err := driver.Apply(context.Background(), now, store.Insert(record("doubtful")))
			return err
		},
		"Purge": func() error { _, err := driver.Purge(context.Background(), now, 1); return err },
		"Ready": func() error { return driver.Ready(context.Background(), now) },
	}
	if _, err := driver.Apply(t.Context(), now, store.Insert(record("before"))); err != nil {
		t.Fatal(err)
	}
	proxy.Hang()
	for name, call := range calls {
		answer := make(chan error, 1)
		go func() { answer <- call() }()
		select {
		case err := <-answer:
			if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, store.ErrUncertain) ||
				!errors.Is(err, store.ErrUncertain) && !strings.Contains(err.Error(), "has not answered within 300ms") {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(30 * time.Second):
			t.Errorf("%s is still waiting", name)
		}
	}
	proxy.Heal()
	if _, err := driver.Apply(t.Context(), now, store.Insert(record("after"))); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestServerIsKilled(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t)
	driver := connect(t, server.NewDatabase(t), postgres.Config{})
	if _, err := driver.Apply(t.Context(), now, store.Insert(record("before"))); err != nil {
		t.Fatal(err)
	}
	server.Kill(t)
	for err := error(nil); err == nil; { // what it had started still answers for a moment
		_, err = driver.Get(t.Context(), now, thing, "", "before")
	}
	for range 12 { // more than there are connections
		_, err := driver.Get(t.Context(), now, thing, "", "before")
		if err == nil || errors.Is(err, store.ErrNotFound) {
			t.Fatalf("Get from a server that is gone: %v", err)
		}
	}
	if _, err := driver.Apply(t.Context(), now, store.Insert(record("never"))); err == nil || errors.Is(err, store.ErrUncertain) ||
		!strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("Apply to a server that is gone: %v", err)
	}
	if err := driver.Ready(t.Context(), now); err == nil {
		t.Error("Ready, and the server is gone")
	}
	server.Restart(t)
	if !has(t, driver, "before") || has(t, driver, "never") {
		t.Error("the wrong records are there after the restart")
	}
	if _, err := driver.Apply(t.Context(), now, store.Insert(record("after"))); err != nil {
		t.Errorf("after the restart: %v", err)
	}
}

// TestRepeatsWhatWasRolledBack: a step that others were in the way of is done again, while its context lasts.
func TestRepeatsWhatWasRolledBack(t *testing.T) {
	t.Parallel()
	dsn := testenv.SharedPostgres(t).NewDatabase(t)
	for _, code := range []string{"40001", "40P01", "55P03", "57P01", "26000"} {
		watcher := new(spy)
		driver, err := postgres.OpenBetween(t.Context(), openDB(t, dsn, 2), postgres.Config{}, watcher.between)
		if err != nil {
			t.Fatal(err)
		}
		failures := 3
		watcher.before = func(calls []sqlstore.Call) error {
			if failures--; failures >= 0 {
				return &pgconn.PgError{Severity: "ERROR", Code: code}
			}
			return nil
		}
		if _, err := driver.Apply(t.Context(), now, store.Insert(record(code))); err != nil {
			t.Errorf("%s: %v", code, err)
		}
		watcher.before = func([]sqlstore.Call) error { return &pgconn.PgError{Severity: "ERROR", Code: code} }
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := driver.Get(ctx, now, thing, "", code); err == nil {
			t.Errorf("%s: a Get that always fails succeeded", code)
		}
		cancel()
	}
}

// TestStatementsAreDropped: what was prepared is gone, as behind a pool that shares its connections.
func TestStatementsAreDropped(t *testing.T) {
	t.Parallel()
	db := openDB(t, testenv.SharedPostgres(t).NewDatabase(t), 1)
	driver, err := postgres.Open(t.Context(), db, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		if n%2 == 1 {
			execute(t, db, "DEALLOCATE ALL")
		}
		if _, err := driver.Apply(t.Context(), now, store.Insert(record(fmt.Sprint(n)))); err != nil {
			t.Errorf("insert %d: %v", n, err)
		}
		if !has(t, driver, fmt.Sprint(n)) {
			t.Errorf("record %d is missing", n)
		}
	}
}

// TestWaitsForLocks: lock_timeout, which the host may have set, is no failure while the caller waits.
func TestWaitsForLocks(t *testing.T) {
	t.Parallel()
	dsn := testenv.SharedPostgres(t).NewDatabase(t)
	driver, other := connect(t, dsn+"&lock_timeout=20ms", postgres.Config{}), openDB(t, dsn, 1)
	results, err := driver.Apply(t.Context(), now, store.Insert(record("1")))
	if err != nil {
		t.Fatal(err)
	}
	tx, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "SELECT 1 FROM signet_records FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	release := time.AfterFunc(100*time.Millisecond, func() { _ = tx.Rollback() })
	defer release.Stop()
	r := record("1")
	r.Version = results[0].Version
	if _, err := driver.Apply(t.Context(), now, store.Replace(r)); err != nil {
		t.Errorf("a replace of what somebody else has locked for a while: %v", err)
	}
}

// TestDeadlock: of two who wait for each other the server ends one; when that is us, the step is done again.
func TestDeadlock(t *testing.T) {
	t.Parallel()
	dsn := testenv.SharedPostgres(t).NewDatabase(t)
	driver, other := connect(t, dsn+"&deadlock_timeout=1s", postgres.Config{}), openDB(t, dsn+"&deadlock_timeout=10s", 1)
	results, err := driver.Apply(t.Context(), now, store.Insert(record("a")), store.Insert(record("b")))
	if err != nil {
		t.Fatal(err)
	}
	tx, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(t.Context(), `SELECT 1 FROM signet_records WHERE id = 'b' FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	a, b := record("a"), record("b")
	a.Version, b.Version = results[0].Version, results[1].Version
	var applied error
	var step sync.WaitGroup
	step.Go(func() { _, applied = driver.Apply(t.Context(), now, store.Replace(b), store.Replace(a)) })
	watch := openDB(t, dsn, 1)
	for waits := 0; waits == 0; { // until the step waits for b, and so has a
		row := watch.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`)
		if err := row.Scan(&waits); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tx.ExecContext(t.Context(), `SELECT 1 FROM signet_records WHERE id = 'a' FOR UPDATE`); err != nil {
		t.Logf("this machine is too slow, the server has ended the other one: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if step.Wait(); applied != nil {
		t.Errorf("the step that was ended for a deadlock: %v", applied)
	}
}

// TestEveryCommitIsSynced counts how often the server syncs its log.
func TestEveryCommitIsSynced(t *testing.T) {
	t.Parallel()
	db := openDB(t, testenv.Postgres(t).NewDatabase(t), 1)
	driver, err := postgres.Open(t.Context(), db, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	syncs := func() (n int64) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), "SELECT pg_stat_force_next_flush()"); err != nil {
			t.Skip("this server does not count: ", err)
		}
		if err := db.QueryRowContext(t.Context(), "SELECT wal_sync FROM pg_stat_wal").Scan(&n); err != nil {
			t.Skip("this server does not count: ", err)
		}
		return n
	}
	const steps = 50
	before := syncs()
	for n := range steps {
		if _, err := driver.Apply(t.Context(), now, store.Insert(record(fmt.Sprint(n))), store.Insert(record(fmt.Sprint("too-", n)))); err != nil {
			t.Fatal(err)
		}
	}
	if got := syncs() - before; got < steps || got > 2*steps {
		t.Errorf("%d steps of one caller were synced %d times", steps, got)
	}
}
