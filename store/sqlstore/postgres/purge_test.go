package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore/postgres"
)

// TestPurgeMeetsReplace has a node whose clock is behind give an expired record other names while Purge is at it: whatever becomes of
// the record, its names go with it, since a name without a record could never be taken again.
func TestPurgeMeetsReplace(t *testing.T) {
	t.Parallel()
	dsn := testenv.SharedPostgres(t).NewDatabase(t)
	// The purger looks at one record after another, and rests at the first that it deletes.
	purger, db := connect(t, dsn+"&enable_hashjoin=off&enable_mergejoin=off&enable_seqscan=off&enable_bitmapscan=off", postgres.Config{}), openDB(t, dsn, 2)
	behind := connect(t, dsn+"&lock_timeout=50ms", postgres.Config{})
	name := func(what string, n int) []store.Key {
		return []store.Key{{Scope: store.GlobalScope, Name: "name", Value: fmt.Sprint(what, n)}}
	}
	const records = 5
	var versions [records]int64
	for n := range records {
		r := record(fmt.Sprint(n))
		r.Keys, r.Index, r.Expires = name("old", n), []store.Entry{{Field: "old", Value: store.Text("x")}}, now.Add(time.Duration(n+1)*time.Second)
		results, err := behind.Apply(t.Context(), now, store.Insert(r))
		if err != nil {
			t.Fatal(err)
		}
		versions[n] = results[0].Version
	}
	execute(t, db, `CREATE FUNCTION rest() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN OLD; END'`)
	execute(t, db, `CREATE TRIGGER rest BEFORE DELETE ON signet_records FOR EACH ROW EXECUTE FUNCTION rest()`)
	hold, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hold.Rollback() }()
	if _, err := hold.ExecContext(t.Context(), `SELECT pg_advisory_xact_lock(1)`); err != nil {
		t.Fatal(err)
	}
	type purged struct {
		n   int
		err error
	}
	done := make(chan purged, 1)
	go func() {
		n, err := purger.Purge(context.Background(), now.Add(time.Minute), 100)
		done <- purged{n, err}
	}()
	for waiting := 0; waiting == 0; {
		err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
	for n := range records {
		r := record(fmt.Sprint(n))
		r.Version, r.Keys, r.Index, r.Expires = versions[n], name("new", n), []store.Entry{{Field: "new", Value: store.Text("x")}}, now.Add(30*time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		_, err := behind.Apply(ctx, now, store.Replace(r)) // or it is refused, as somebody is at the record
		t.Logf("replace %d: %v", n, err)
		cancel()
	}
	if err := hold.Rollback(); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got.err != nil || got.n == 0 {
		t.Fatalf("Purge = %d, %v", got.n, got.err)
	}
	for _, table := range []string{"signet_keys", "signet_entries"} {
		var left int
		err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM `+table+` AS n
			WHERE NOT EXISTS (SELECT 1 FROM signet_records AS r WHERE r.kind = n.kind AND r.org = n.org AND r.id = n.id)`).Scan(&left)
		if err != nil || left != 0 {
			t.Errorf("%d rows of %s without a record (%v)", left, table, err)
		}
	}
}
