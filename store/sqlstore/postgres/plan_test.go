package postgres_test

import (
	"database/sql"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore"
	"github.com/signet-idp/signet/store/sqlstore/postgres"
	"github.com/signet-idp/signet/store/storetest"
)

// now is the time of most tests here.
var now = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

var thing = store.Kind{Name: "postgres.thing"}

// TestPlans asks PostgreSQL how it would run what List sends among 100,000, for every promised shape: just after the records were written, when the planner knows nothing of them, and after ANALYZE.
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
	crowd := storetest.Gather(t, driver, thing, now, size)
	for _, state := range []string{"fresh", "analyzed"} {
		if state == "analyzed" {
			execute(t, db, "ANALYZE")
		}
		asked := map[string]bool{}
		for q := range crowd.Questions() {
			few := q.Query.Sort == "" || q.Query.Filter == nil // in the order of one field, those that meet conditions on others may be far apart
			watcher.trips()
			crowd.Asks(t, q)
			for _, trip := range watcher.trips() {
				question := fmt.Sprint(trip[2].Text, trip[2].Args)
				if asked[question] || strings.Contains(question, "signet_shapes") {
					continue
				}
				asked[question] = true
				if fault := faultOf(t, db, trip, few); fault != "" {
					t.Errorf("%s: %s: %s\n%s", state, q, fault, trip[2].Text)
				}
			}
		}
	}
}

var buffersOfPlan = regexp.MustCompile(`Buffers: shared hit=(\d+)`)

var rowsOfPlan = regexp.MustCompile(`actual rows=(\d+)|Rows Removed by (?:Filter|Join Filter|Index Recheck): (\d+)`)

// faultOf runs a statement under EXPLAIN and says what its plan breaks: everything but going through an index in its order, going through an index
// again for each row, and, where few is set, going through more than List counts or sorts.
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
	rows, err := tx.QueryContext(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF) "+trip[2].Text, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, trip[2].Text)
	}
	defer rows.Close()
	var plan strings.Builder
	fault, most, pages := "", 0, 0
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
		for _, found := range buffersOfPlan.FindAllStringSubmatch(step, -1) {
			pages = max(pages, number(t, found[1]))
		}
		for _, found := range rowsOfPlan.FindAllStringSubmatch(step, -1) {
			n := number(t, found[1]+found[2])
			if most = max(most, n); n > 8000 && (few || strings.Contains(step, "Sort ")) {
				fault = fmt.Sprintf("%d rows are gone through", n)
			}
		}
	}
	// To find one record by its id, or one of its entries, takes three or four. A planner that knows nothing may go through the entries of all fields
	// in the order of their records besides, once.
	if pages > 10_000+20*most {
		fault = fmt.Sprintf("%d pages are looked at for %d rows", pages, most)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if fault == "" {
		return ""
	}
	return fault + "\n" + plan.String()
}

func number(t *testing.T, digits string) int {
	t.Helper()
	n, err := strconv.Atoi(digits)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func execute(t *testing.T, db *sql.DB, text string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}
