package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore/sqlite"
	"github.com/signet-idp/signet/store/storetest"
)

// now is the time of most tests here.
var now = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

var thing = store.Kind{Name: "sqlite.thing"}

// TestPlans asks SQLite how it would run what List sends, for every promised shape, and demands that each step search an index. A step that scans a table, sorts more than the promise allows, or builds an index of its own is a failure.
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
	crowd := storetest.Gather(t, driver, thing, now, size)
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()

	for q := range crowd.Questions() {
		watcher.texts()
		crowd.Asks(t, q)
		for _, text := range watcher.texts() {
			if fault := faultOf(explain(t, raw, text)); fault != "" {
				t.Errorf("%s: %s\n%s", q, fault, text)
			}
		}
	}
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
