package mysql_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore"
	"github.com/signet-idp/signet/store/sqlstore/mysql"
	"github.com/signet-idp/signet/store/storetest"
)

// now is the time of most tests here.
var now = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

var thing = store.Kind{Name: "mysql.thing"}

// maxExamined is how many rows a call may look at: a few thousand to find out which way is best and to sort what is behind it, and
// not all that there are.
const maxExamined = 40_000

// unlucky filters are met by few who all come last in the order by time, and none of their terms alone by few: each entry of the
// sorted field is probed until they come.
var unlucky = []string{"sw and pr and eq", "range of one field", "and in and"}

// TestPlans asks the server how it would run what List sends, and counts the rows that it looked at, for every promised shape.
func TestPlans(t *testing.T) {
	t.Parallel()
	size := 100_000
	if testing.Short() || raceEnabled {
		size = 10_000
	}
	db, watcher := spyOn(t, testenv.SharedMariaDB(t).NewDatabase(t))
	db.SetMaxOpenConns(1) // whose counters are ours
	driver := openDriver(t, mysql.Open, db, mysql.Config{})
	crowd := storetest.Gather(t, driver, thing, now, size)
	if _, err := db.Exec("ANALYZE TABLE signet_records, signet_entries, signet_keys"); err != nil {
		t.Fatal(err)
	}

	for q := range crowd.Questions() {
		watcher.texts()
		before := examined(t, db)
		crowd.Asks(t, q)
		looked := examined(t, db) - before
		if looked > 3*maxExamined && !(slices.Contains(unlucky, q.Filter) && q.Query.Sort == "created") {
			t.Errorf("%s: looked at %d rows", q, looked)
		}
		for _, text := range watcher.texts() {
			if fault := faultOf(t, db, text); fault != "" {
				t.Errorf("%s: %s\n%s", q, fault, text)
			}
		}
	}
	t.Run("deep", func(t *testing.T) { deep(t, db, driver) })
}

// deep demands that the last page cost no more than the first.
func deep(t *testing.T, db *sql.DB, driver *sqlstore.Driver) {
	for _, q := range []store.Query{
		{Within: store.Everywhere, Sort: "name"},
		{Within: store.Everywhere, Sort: "active"}, // of which half are the same
		{Within: store.Everywhere, Sort: "created", Descending: true},
		{Within: store.Everywhere},
		{Within: store.Everywhere, Filter: store.Equals("active", store.Bool(true))},
		{Org: "acme", Sort: "name"},
		{Org: "acme", Sort: "active"},
		{Org: "acme"},
	} {
		q.Kind, q.Limit = thing, 1000
		most, seen := int64(0), 0
		for {
			before := examined(t, db)
			page, err := driver.List(t.Context(), now, q)
			if err != nil {
				t.Fatal(err)
			}
			most = max(most, examined(t, db)-before)
			seen += len(page.Records)
			if q.After = page.Next; q.After == "" {
				break
			}
		}
		t.Logf("by %q within %d: %d records, %d rows for a page of 1000 at most", q.Sort, q.Within, seen, most)
		if most > 10_000 {
			t.Errorf("by %q within %d: a page of 1000 looked at %d rows", q.Sort, q.Within, most)
		}
	}
}

// examined returns how many rows the connection has looked at since it was opened.
func examined(t *testing.T, db *sql.DB) (n int64) {
	t.Helper()
	rows, err := db.Query(`SHOW SESSION STATUS WHERE Variable_name LIKE 'Handler_read%'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var value int64
		if err := rows.Scan(&name, &value); err != nil {
			t.Fatal(err)
		}
		n += value
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}

// faultOf says what the plan of a statement breaks. What a subquery has found may be gone through; a table may not, nor all of an
// index.
func faultOf(t *testing.T, db *sql.DB, text string) string {
	t.Helper()
	if !strings.HasPrefix(text, "SELECT") || !strings.Contains(text, "signet_entries") && !strings.Contains(text, "signet_records") {
		return ""
	}
	rows, err := db.QueryContext(context.WithoutCancel(t.Context()), "EXPLAIN "+text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	defer rows.Close()
	for rows.Next() {
		var id, kind, table, access, possible, key, length, ref, count, extra sql.NullString
		if err := rows.Scan(&id, &kind, &table, &access, &possible, &key, &length, &ref, &count, &extra); err != nil {
			t.Fatal(err)
		}
		step := fmt.Sprintf("%s %s %s (%s)", table.String, access.String, key.String, extra.String)
		base := slices.Contains([]string{"f", "r", "e", "k"}, table.String)
		switch {
		case base && slices.Contains([]string{"ALL", "index"}, access.String):
			return "a table is gone through: " + step
		case base && strings.Contains(extra.String, "join buffer"):
			return "a table is joined without an index: " + step
		case base && table.String != "f" && kind.String != "SIMPLE" && access.String == "ALL":
			return "a table is gone through for each candidate: " + step
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return ""
}
