package postgres_test

import (
	"cmp"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore"
	"github.com/signet-idp/signet/store/sqlstore/postgres"
)

// now is the time of most tests here.
var now = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

var thing = store.Kind{Name: "postgres.thing"}

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

// people inserts so many and returns them.
func people(tb testing.TB, driver *postgres.Driver, size int) []store.Record {
	tb.Helper()
	var all []store.Record
	for n := 0; n < size; n += 500 {
		var ops []store.Op
		for i := range 500 {
			all = append(all, person(n+i))
			ops = append(ops, store.Insert(all[n+i]))
		}
		if _, err := driver.Apply(tb.Context(), now, ops...); err != nil {
			tb.Fatal(err)
		}
	}
	return all
}

// TestPlans compares what List finds among 100,000 with a plain sort, and asks PostgreSQL how it would run what List sends, for
// every promised shape: just after the records were written, when the planner knows nothing of them, and after ANALYZE.
func TestPlans(t *testing.T) {
	t.Parallel()
	if raceEnabled {
		t.Skip("one goroutine, and minutes under the race detector; .ci/run runs it without")
	}
	dsn := testenv.SharedPostgres(t).NewDatabase(t)
	db, watcher := openDB(t, dsn, 4), new(spy)
	driver, err := postgres.OpenBetween(t.Context(), db, postgres.Config{}, watcher.between)
	if err != nil {
		t.Fatal(err)
	}
	size := 100_000
	if testing.Short() {
		size = 20_000
	}
	all := people(t, driver, size)
	for _, state := range []string{"fresh", "analyzed"} {
		if state == "analyzed" {
			execute(t, db, "ANALYZE")
		}
		asked := map[string]bool{}
		for _, sort := range []string{"", "name", "nick", "-created", "-nick"} {
			inOrder(all, strings.TrimPrefix(sort, "-"), strings.HasPrefix(sort, "-"))
			for label, filter := range planFilters() {
				for _, within := range []store.Within{store.Here, store.Subtree, store.Everywhere} {
					q := store.Query{Kind: thing, Org: "acme", Within: within, Filter: filter, Count: 50, Limit: 3}
					q.Sort, q.Descending = strings.TrimPrefix(sort, "-"), strings.HasPrefix(sort, "-")
					few := sort == "" || filter == nil // in the order of one field, those that meet conditions on others may be far apart
					watcher.trips()
					got := pages(t, driver, q, 3)
					if want := first(all, q, 9); !slices.Equal(got, want) {
						t.Errorf("%s: %s, within %d, by %q: found %v, want %v", state, label, within, sort, got, want)
					}
					for _, trip := range watcher.trips() {
						question := fmt.Sprint(trip[2].Text, trip[2].Args)
						if asked[question] || strings.Contains(question, "signet_shapes") {
							continue
						}
						asked[question] = true
						if fault := faultOf(t, db, trip, few); fault != "" {
							t.Errorf("%s: %s, within %d, by %q: %s\n%s", state, label, within, sort, fault, trip[2].Text)
						}
					}
				}
			}
		}
	}
}

func planFilters() map[string]store.Filter {
	name := func(o store.Operator, v string) store.Filter {
		return store.Compare{Field: "name", Operator: o, Value: store.Text(v)}
	}
	return map[string]store.Filter{
		"none":             nil,
		"eq, one":          name(store.Eq, "user77"),
		"eq, many":         store.Equals("active", store.Bool(true)),
		"sw, few":          name(store.StartsWith, "user777"),
		"sw, many":         name(store.StartsWith, "user"),
		"gt":               store.Compare{Field: "created", Operator: store.Gt, Value: store.Time(now.Add(time.Hour))},
		"le, few":          store.Compare{Field: "created", Operator: store.Le, Value: store.Time(now.Add(time.Minute))},
		"pr, some":         store.Present{Field: "nick"},
		"pr, none":         store.Present{Field: "nothing"},
		"eq and eq":        store.And{store.Equals("group", store.Text("group1")), name(store.Eq, "user77")},
		"eq and range":     store.And{store.Equals("active", store.Bool(true)), name(store.Gt, "user9")},
		"sw and pr and eq": store.And{name(store.StartsWith, "user1"), store.Present{Field: "nick"}, store.Equals("active", store.Bool(true))},
	}
}

// pages walks through some pages, the second and later ones from behind a cursor.
func pages(t *testing.T, driver *postgres.Driver, q store.Query, n int) (ids []string) {
	t.Helper()
	for range n {
		page, err := driver.List(t.Context(), now, q)
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
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

// inOrder sorts records as Query.Sort says.
func inOrder(records []store.Record, field string, descending bool) {
	least := func(r store.Record) store.Value {
		v := store.Value{Type: store.TimeValue + 1} // behind all others
		for _, e := range r.Index {
			if e.Field == field && e.Value.Compare(v) < 0 {
				v = e.Value
			}
		}
		return v
	}
	slices.SortFunc(records, func(a, b store.Record) int {
		return cmp.Or(least(a).Compare(least(b)), cmp.Compare(a.Org, b.Org), cmp.Compare(a.ID, b.ID))
	})
	if descending {
		slices.Reverse(records)
	}
}

// first returns the ids of the first n records that match.
func first(records []store.Record, q store.Query, n int) []string {
	var ids []string
	for _, r := range records {
		reached := q.Within == store.Everywhere || r.Org == q.Org || q.Within == store.Subtree && store.InSubtree(q.Org, r.Org)
		if reached && (q.Filter == nil || q.Filter.Match(r.Index)) && len(ids) < n {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

var rowsOfPlan = regexp.MustCompile(`actual rows=(\d+)|Rows Removed by (?:Filter|Join Filter|Index Recheck): (\d+)`)

// faultOf runs a statement under EXPLAIN and says what its plan breaks: everything but going through an index in its order, and, where few is set,
// going through more than List counts or sorts.
func faultOf(t *testing.T, db *sql.DB, trip []sqlstore.Call, few bool) string {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(t.Context(), trip[1].Text); err != nil {
		t.Fatal(err)
	}
	args := append([]any{pgx.QueryExecModeExec}, trip[2].Args...)
	rows, err := tx.QueryContext(t.Context(), "EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) "+trip[2].Text, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, trip[2].Text)
	}
	defer rows.Close()
	var plan strings.Builder
	fault := ""
	for rows.Next() {
		var step string
		if err := rows.Scan(&step); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(step + "\n")
		for _, bad := range []string{"Seq Scan on signet_r", "Seq Scan on signet_e", "Bitmap", "Hash", "Merge Join"} {
			if strings.Contains(step, bad) {
				fault = bad
			}
		}
		for _, found := range rowsOfPlan.FindAllStringSubmatch(step, -1) {
			n, err := strconv.Atoi(found[1] + found[2])
			if err != nil {
				t.Fatal(err)
			}
			if n > 8000 && (few || strings.Contains(step, "Sort ")) {
				fault = fmt.Sprintf("%d rows are gone through", n)
			}
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if fault == "" {
		return ""
	}
	return fault + "\n" + plan.String()
}

func execute(t *testing.T, db *sql.DB, text string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}
