package mysql_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	engine "github.com/go-sql-driver/mysql"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore/mysql"
)

// through returns the DSN by way of a proxy.
func through(tb testing.TB, p *testenv.ProxyServer, dsn string) string {
	tb.Helper()
	config, err := engine.ParseDSN(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	config.Addr = p.Addr()
	return config.FormatDSN()
}

// ways are the two ways of talking to a server.
func ways() map[string]open { return map[string]open{"bundles": mysql.Open, "apart": mysql.OpenApart} }

func TestLostAnswerToCommit(t *testing.T) {
	t.Parallel()
	server := testenv.SharedMariaDB(t)
	for way, open := range ways() {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			p := testenv.Proxy(t, server.Addr())
			driver := openDriver(t, open, pool(t, through(t, p, server.NewDatabase(t))), mysql.Config{})
			for n, cut := range []func(string) <-chan struct{}{p.CutAfter, p.CutBefore} {
				arrived := n == 0
				r := record(fmt.Sprint("lost", n))
				exercise(t, driver) // which also has it know versions and shapes
				done := cut("COMMIT AND NO CHAIN")
				if _, err := driver.Apply(t.Context(), now, store.Insert(r)); !errors.Is(err, store.ErrUncertain) {
					t.Errorf("the answer to COMMIT was lost: %v", err)
				}
				<-done
				_, err := driver.Get(t.Context(), now, thing, "", r.ID)
				if arrived && err != nil || !arrived && !errors.Is(err, store.ErrNotFound) {
					t.Errorf("COMMIT arrived: %t, and the record: %v", arrived, err)
				}
			}
		})
	}
}

func TestLostConnection(t *testing.T) {
	t.Parallel()
	server := testenv.SharedMariaDB(t)
	for way, open := range ways() {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			p := testenv.Proxy(t, server.Addr())
			driver := openDriver(t, open, pool(t, through(t, p, server.NewDatabase(t))), mysql.Config{})
			exercise(t, driver)
			fails := func(why string, want error) {
				t.Helper()
				ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
				defer cancel()
				_, get := driver.Get(ctx, now, thing, "", "1")
				_, list := driver.List(ctx, now, store.Query{Kind: thing})
				_, apply := driver.Apply(ctx, now, store.Insert(record("never")))
				for _, err := range []error{get, list, apply} {
					if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrUncertain) {
						t.Errorf("%s: %v", why, err)
					}
					if want != nil && !errors.Is(err, want) {
						t.Errorf("%s: %v, want %v", why, err, want)
					}
				}
			}
			p.Drop()
			fails("dropped", nil)
			p.Heal()
			exercise(t, driver)
			p.Hang()
			fails("hanging", context.DeadlineExceeded)
			p.Heal()
			exercise(t, driver)
			p.Truncate(10)
			fails("truncated", nil)
			p.Heal()
			exercise(t, driver)
		})
	}
}

// TestDeadlock makes an Apply the victim of a deadlock with somebody who has written more.
func TestDeadlock(t *testing.T) {
	t.Parallel()
	for way, open := range ways() {
		t.Run(way, func(t *testing.T) { // one after another, see awaitLockWait
			dsn := testenv.SharedMariaDB(t).NewDatabase(t)
			spied, watcher := spyOn(t, dsn)
			driver, db := openDriver(t, open, spied, mysql.Config{}), pool(t, dsn)
			results, err := driver.Apply(t.Context(), now, store.Insert(record("a")), store.Insert(record("b")))
			if err != nil {
				t.Fatal(err)
			}
			a, b := record("a"), record("b")
			a.Version, b.Version = results[0].Version, results[1].Version

			tx, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback() }()
			heavy := func(statement string) {
				t.Helper()
				if _, err := tx.ExecContext(t.Context(), statement); err != nil {
					t.Fatalf("the other was the victim: %s: %v", statement, err)
				}
			}
			heavy("INSERT INTO signet_shapes (kind, hash, shape) SELECT seq, UNHEX(SHA2(seq, 256)), '' FROM seq_1_to_1000")
			heavy("SELECT 1 FROM signet_records WHERE kind = 'mysql.thing' AND org = '' AND id = 'b' FOR UPDATE")
			watcher.texts()
			done := make(chan error, 1)
			go func() {
				_, err := driver.Apply(t.Context(), now, store.Replace(a), store.Replace(b))
				done <- err
			}()
			awaitLockWait(t, db)
			heavy("SELECT 1 FROM signet_records WHERE kind = 'mysql.thing' AND org = '' AND id = 'a' FOR UPDATE")
			watcher.await(t, "ROLLBACK", 1) // the victim has been told, and goes to try again
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Errorf("the victim of a deadlock: %v", err)
			}
			for _, r := range []store.Record{a, b} {
				if got, err := driver.Get(t.Context(), now, thing, "", r.ID); err != nil || got.Version == r.Version {
					t.Errorf("%s stands at version %d, as before (%v)", r.ID, got.Version, err)
				}
			}
		})
	}
}

// TestLockWait has the server give up waiting, which undoes one statement and not the transaction.
func TestLockWait(t *testing.T) {
	t.Parallel()
	for way, open := range ways() {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			dsn := testenv.SharedMariaDB(t).NewDatabase(t)
			db, watcher := spyOn(t, dsn+"?innodb_lock_wait_timeout=1")
			driver := openDriver(t, open, db, mysql.Config{})
			results, err := driver.Apply(t.Context(), now, store.Insert(record("a")), store.Insert(record("b")))
			if err != nil {
				t.Fatal(err)
			}
			a, b := record("a"), record("b")
			a.Version, b.Version = results[0].Version, results[1].Version
			host := pool(t, dsn)
			tx, err := host.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback() }()
			if _, err := tx.ExecContext(t.Context(), "SELECT 1 FROM signet_records WHERE kind = 'mysql.thing' AND org = '' AND id = 'b' FOR UPDATE"); err != nil {
				t.Fatal(err)
			}
			watcher.texts()
			// The caller's patience ends first: nothing has happened, and nothing is held.
			short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if _, err := driver.Apply(short, now, store.Replace(a), store.Replace(b)); err == nil {
				t.Error("Apply has replaced what somebody else has locked")
			}
			watcher.texts()
			done := make(chan error, 1)
			go func() {
				_, err := driver.Apply(t.Context(), now, store.Replace(a), store.Replace(b))
				done <- err
			}()
			watcher.await(t, "ROLLBACK", 1) // the server has given up, and what it had not undone is undone
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Errorf("once the lock was free: %v", err)
			}
		})
	}
}

// awaitLockWait waits until a transaction of the pool's database waits for a lock. The server renews what it says about transactions
// only when nobody has asked for a tenth of a second.
func awaitLockWait(t *testing.T, db *sql.DB) {
	t.Helper()
	again := time.NewTicker(250 * time.Millisecond)
	defer again.Stop()
	for {
		var waiting int
		err := db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM information_schema.INNODB_TRX AS t
			JOIN information_schema.PROCESSLIST AS p ON p.ID = t.trx_mysql_thread_id
			WHERE t.trx_state = 'LOCK WAIT' AND p.DB = DATABASE()`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
		if waiting > 0 {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-again.C:
		}
	}
}

// await waits until the spy has seen so many messages that begin with the word.
func (s *spy) await(t *testing.T, word string, many int) {
	t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for seen := 0; ; {
		for _, text := range s.texts() {
			if strings.HasPrefix(text, word) {
				seen++
			}
		}
		if seen >= many {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-again.C:
		}
	}
}

// TestKilledServer kills the server under load, twice, and starts it again, with the same Driver all the time. Nothing that was
// acknowledged may be lost, and nothing of what failed for sure may be there.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	server := testenv.MariaDB(t)
	driver := openDriver(t, mysql.Open, pool(t, server.NewDatabase(t)), mysql.Config{})
	const writers, rounds = 8, 2
	var mu sync.Mutex
	outcome := map[string]error{}
	counts := map[string]int{}
	for round := range rounds {
		stop, enough := make(chan struct{}), make(chan struct{}, 1)
		acknowledged := 0
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					left, right := record(fmt.Sprintf("%d-%d-%d-left", round, w, n)), record(fmt.Sprintf("%d-%d-%d-right", round, w, n))
					left.Keys = []store.Key{{Name: "k", Value: left.ID}}
					_, err := driver.Apply(t.Context(), now, store.Insert(left), store.Insert(right))
					mu.Lock()
					outcome[left.ID], outcome[right.ID] = err, err
					if err == nil {
						if acknowledged++; acknowledged == 200 {
							enough <- struct{}{}
						}
					}
					failed := err != nil
					mu.Unlock()
					if failed {
						return
					}
				}
			})
		}
		<-enough
		server.Kill(t)
		close(stop)
		all.Wait()
		server.Restart(t)
		exercise(t, driver) // the same Driver goes on
	}
	for id, err := range outcome {
		_, missing := driver.Get(t.Context(), now, thing, "", id)
		if missing != nil && !errors.Is(missing, store.ErrNotFound) {
			t.Fatal(missing)
		}
		switch {
		case err == nil:
			counts["acknowledged"]++
			if missing != nil {
				t.Errorf("%s was acknowledged and is lost", id)
			}
		case errors.Is(err, store.ErrUncertain):
			counts["uncertain"]++
		default:
			counts["failed"]++
			if missing == nil {
				t.Errorf("%s failed (%v) and is there", id, err)
			}
		}
	}
	t.Logf("records by what their Apply said: %v", counts)
}

// TestHangingServer: whoever sets no deadline gets an answer too, and it does not say that anything is absent.
func TestHangingServer(t *testing.T) {
	t.Parallel()
	server := testenv.SharedMariaDB(t)
	proxy := testenv.Proxy(t, server.Addr())
	driver := openDriver(t, mysql.Open, pool(t, through(t, proxy, server.NewDatabase(t))), mysql.Config{Timeout: 300 * time.Millisecond})
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
