package sqlite_test

import (
	"cmp"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore/sqlite"
)

// now is the time of most tests here.
var now = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

var thing = store.Kind{Name: "sqlite.thing"}

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

// TestPlans compares what List finds among many with a plain sort, and asks SQLite how it would run what List sends, for every promised shape, and demands that each step search
// an index. A step that scans a table, sorts more than the promise allows, or builds an index of its own is a failure.
func TestPlans(t *testing.T) {
	t.Parallel()
	if raceEnabled {
		t.Skip("one goroutine, and minutes under the race detector; .ci/run runs it without")
	}
	path := filepath.Join(t.TempDir(), "test.db")
	watcher := new(spy)
	driver, err := sqlite.OpenBetween(t.Context(), path, sqlite.Config{}, watcher.between)
	if err != nil {
		t.Fatal(err)
	}
	defer driver.Close()
	size := 20_000
	if testing.Short() {
		size = 6_000
	}
	var people []store.Record
	for n := 0; n < size; n += 500 {
		var ops []store.Op
		for i := range 500 {
			people = append(people, person(n+i))
			ops = append(ops, store.Insert(people[n+i]))
		}
		if _, err := driver.Apply(t.Context(), now, ops...); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()

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
		"and in and":         store.And{store.And{name(store.StartsWith, "user1")}, store.And{}},
	}
	for _, sort := range []string{"", "name", "nick", "-created", "-nick"} {
		inOrder(people, strings.TrimPrefix(sort, "-"), strings.HasPrefix(sort, "-"))
		for label, filter := range filters {
			for _, within := range []store.Within{store.Here, store.Subtree, store.Everywhere} {
				q := store.Query{Kind: thing, Org: "acme", Within: within, Filter: filter, Count: 50, Limit: 3}
				q.Sort, q.Descending = strings.TrimPrefix(sort, "-"), strings.HasPrefix(sort, "-")
				watcher.texts()
				var got []string
				for range 3 { // pages: the second and the third begin behind a cursor
					page, err := driver.List(t.Context(), now, q)
					if err != nil {
						t.Fatalf("%s, within %d, by %q: %v", label, within, sort, err)
					}
					for _, r := range page.Records {
						got = append(got, r.ID)
					}
					if q.After = page.Next; q.After == "" {
						break
					}
				}
				if want := first(people, q, 9); !slices.Equal(got, want) {
					t.Errorf("%s, within %d, by %q: found %v, want %v", label, within, sort, got, want)
				}
				for _, text := range watcher.texts() {
					if fault := faultOf(explain(t, raw, text)); fault != "" {
						t.Errorf("%s, within %d, by %q: %s\n%s", label, within, sort, fault, text)
					}
				}
			}
		}
	}
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

// explain returns the steps of a statement's plan.
func explain(t *testing.T, raw *sql.DB, text string) []string {
	t.Helper()
	rows, err := raw.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, make([]any, strings.Count(text, "?"))...)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	defer rows.Close()
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}

// faultOf says what a plan breaks. What a subquery has found may be scanned; a table may not.
func faultOf(steps []string) string {
	searches := 0
	for _, step := range steps {
		switch {
		case slices.Contains([]string{"SCAN p", "SCAN b", "SCAN c"}, step):
		case strings.HasPrefix(step, "SCAN"):
			return "a table is scanned: " + step
		case strings.Contains(step, "AUTOMATIC"):
			return "an index is built for the query: " + step
		case strings.HasPrefix(step, "SEARCH"):
			if searches++; !strings.Contains(step, "kind=?") {
				return "an index is searched without its first column: " + step
			}
			// Whatever comes after the first is done for each candidate: it must be one place, or nearly so.
			if searches > 1 && !strings.Contains(step, "id=?") {
				return "an index is walked through for each candidate: " + step
			}
		}
	}
	return ""
}
