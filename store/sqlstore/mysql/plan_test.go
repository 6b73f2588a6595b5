package mysql_test

import (
	"cmp"
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
)

// now is the time of most tests here.
var now = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

var thing = store.Kind{Name: "mysql.thing"}

// person returns a record as a directory might have it, in one of eleven organizations.
func person(n int) store.Record {
	r := store.Record{
		Kind: thing, Org: fmt.Sprintf("acme/%02d", n%10), ID: fmt.Sprintf("%08d", n*7919%100_000_000),
		Body: fmt.Appendf(nil, `{"n":%d}`, n),
		Keys: []store.Key{{Name: "name", Value: fmt.Sprint("user", n)}},
		Index: []store.Entry{
			{Field: "name", Value: store.Text(fmt.Sprint("user", n))},
			{Field: "created", Value: store.Time(now.Add(time.Duration(n) * time.Second))},
			{Field: "active", Value: store.Bool(n%2 == 0)},
			{Field: "group", Value: store.Text(fmt.Sprint("group", n%3))},
		},
	}
	if n%7 == 0 {
		r.Index = append(r.Index, store.Entry{Field: "nick", Value: store.Text(fmt.Sprint("nick", n))})
	}
	if n%5 == 0 {
		r.Org = "acme"
	}
	return r
}

// populate writes many people, and returns them.
func populate(tb testing.TB, driver *sqlstore.Driver, many int) []store.Record {
	tb.Helper()
	var people []store.Record
	for n := 0; n < many; n += 500 {
		var ops []store.Op
		for i := range 500 {
			people = append(people, person(n+i))
			ops = append(ops, store.Insert(people[n+i]))
		}
		if _, err := driver.Apply(tb.Context(), now, ops...); err != nil {
			tb.Fatal(err)
		}
	}
	return people
}

// maxExamined is how many rows a call may look at: a few thousand to find out which way is best and to sort what is behind it, and
// not all that there are.
const maxExamined = 40_000

// unlucky filters are met by few who all come last in the order by time, and none of their terms alone by few: each entry of the
// sorted field is probed until they come.
var unlucky = []string{"sw and pr and eq", "range of one field"}

// TestPlans compares what List finds among many with a plain sort, asks the server how it would run what List sends, and counts
// the rows that it looked at, for every promised shape.
func TestPlans(t *testing.T) {
	t.Parallel()
	size := 100_000
	if testing.Short() || raceEnabled {
		size = 10_000
	}
	db, watcher := spyOn(t, testenv.SharedMariaDB(t).NewDatabase(t))
	db.SetMaxOpenConns(1) // whose counters are ours
	driver := openDriver(t, mysql.Open, db, mysql.Config{})
	people := populate(t, driver, size)
	if _, err := db.Exec("ANALYZE TABLE signet_records, signet_entries, signet_keys"); err != nil {
		t.Fatal(err)
	}

	name := func(o store.Operator, v string) store.Filter {
		return store.Compare{Field: "name", Operator: o, Value: store.Text(v)}
	}
	filters := map[string]store.Filter{
		"none":               nil,
		"eq, one":            name(store.Eq, "user77"),
		"eq, many":           store.Equals("active", store.Bool(true)),
		"sw, few":            name(store.StartsWith, "user777"),
		"sw, many":           name(store.StartsWith, "user"),
		"gt":                 store.Compare{Field: "created", Operator: store.Gt, Value: store.Time(now.Add(time.Hour))},
		"ge, text":           name(store.Ge, "user5"),
		"lt":                 store.Compare{Field: "created", Operator: store.Lt, Value: store.Time(now.Add(time.Hour))},
		"le, few":            store.Compare{Field: "created", Operator: store.Le, Value: store.Time(now.Add(time.Minute))},
		"pr, some":           store.Present{Field: "nick"},
		"pr, all":            store.Present{Field: "name"},
		"pr, none":           store.Present{Field: "nothing"},
		"eq and eq":          store.And{store.Equals("group", store.Text("group1")), name(store.Eq, "user77")},
		"eq and range":       store.And{store.Equals("active", store.Bool(true)), name(store.Gt, "user9")},
		"sw and pr and eq":   store.And{name(store.StartsWith, "user1"), store.Present{Field: "nick"}, store.Equals("active", store.Bool(true))},
		"range of one field": store.And{name(store.Ge, "user5"), name(store.Lt, "user6")},
	}
	for _, sort := range []string{"", "name", "nick", "-created", "-nick", "active"} {
		inOrder(people, strings.TrimPrefix(sort, "-"), strings.HasPrefix(sort, "-"))
		for label, filter := range filters {
			for _, within := range []store.Within{store.Here, store.Subtree, store.Everywhere} {
				q := store.Query{Kind: thing, Org: "acme", Within: within, Filter: filter, Count: 50, Limit: 3}
				q.Sort, q.Descending = strings.TrimPrefix(sort, "-"), strings.HasPrefix(sort, "-")
				watcher.texts()
				before := examined(t, db)
				got := pages(t, driver, q, 3)
				looked := examined(t, db) - before
				if want := first(people, q, 9); !slices.Equal(got, want) {
					t.Errorf("%s, within %d, by %q: found %v, want %v", label, within, sort, got, want)
				}
				if looked > 3*maxExamined && !(slices.Contains(unlucky, label) && sort == "-created") {
					t.Errorf("%s, within %d, by %q: looked at %d rows", label, within, sort, looked)
				}
				for _, text := range watcher.texts() {
					if fault := faultOf(t, db, text); fault != "" {
						t.Errorf("%s, within %d, by %q: %s\n%s", label, within, sort, fault, text)
					}
				}
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

// pages returns the ids of the first pages.
func pages(t *testing.T, driver *sqlstore.Driver, q store.Query, n int) (ids []string) {
	t.Helper()
	for range n {
		page, err := driver.List(t.Context(), now, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			ids = append(ids, r.ID)
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	return ids
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

// inOrder sorts records as Query.Sort says.
func inOrder(records []store.Record, field string, descending bool) {
	least := func(r *store.Record) store.Value {
		v := store.Value{Type: store.TimeValue + 1} // behind all others
		for _, e := range r.Index {
			if e.Field == field && e.Value.Compare(v) < 0 {
				v = e.Value
			}
		}
		return v
	}
	slices.SortFunc(records, func(a, b store.Record) int {
		return cmp.Or(least(&a).Compare(least(&b)), cmp.Compare(a.Org, b.Org), cmp.Compare(a.ID, b.ID))
	})
	if descending {
		slices.Reverse(records)
	}
}

// first returns the ids of the first n records that match.
func first(records []store.Record, q store.Query, n int) []string {
	var ids []string
	for i := range records {
		r := &records[i]
		reached := q.Within == store.Everywhere || r.Org == q.Org || q.Within == store.Subtree && store.InSubtree(q.Org, r.Org)
		if reached && (q.Filter == nil || q.Filter.Match(r.Index)) && len(ids) < n {
			ids = append(ids, r.ID)
		}
	}
	return ids
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
