package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore"
)

type call = sqlstore.Call

// maxBundle is how much text is sent as one, well below what servers accept by default (max_allowed_packet).
const maxBundle = 1 << 20

// errUnmet is the error of a call that demands a row and has none.
var errUnmet = errors.New("a condition of the step did not hold")

// trip is sqlstore.Trip. MariaDB takes many calls as one compound statement, MySQL one after another.
func (d *dialect) trip(ctx context.Context, conn *sql.Conn, calls []call) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	calls = d.enclosed(calls)
	for len(calls) > 0 {
		texts, err := d.bundle(ctx, conn, calls)
		if err != nil {
			return uncertain(err, calls[:texts])
		}
		calls = calls[texts:]
	}
	return nil
}

// enclosed puts a transaction around calls that are in none, where the connection's defaults would not commit them by themselves, or
// let them see what is not committed.
func (d *dialect) enclosed(calls []call) []call {
	if !d.server.explicit {
		return calls
	}
	outside := 0
	for i, c := range calls {
		switch c.Text {
		case begin, commit:
			return calls
		case rollback:
			outside = i + 1
		}
	}
	if outside == len(calls) {
		return calls
	}
	all := append([]call(nil), calls[:outside]...)
	all = append(all, call{Text: isolation}, call{Text: begin})
	all = append(all, calls[outside:]...)
	return append(all, call{Text: commit})
}

// uncertain says which errors leave open whether the calls have committed.
func uncertain(err error, calls []call) error {
	for _, c := range calls {
		if c.Commit && fault(err) == sqlstore.Unknown {
			return fmt.Errorf("%w: %w", store.ErrUncertain, explain(err))
		}
	}
	return err
}

// bundle carries out the first of the calls, as many as one message takes, and returns how many.
func (d *dialect) bundle(ctx context.Context, conn *sql.Conn, calls []call) (int, error) {
	first := d.text(&calls[0])
	if !d.server.bundles || len(calls) == 1 {
		return 1, one(ctx, conn, &calls[0], first)
	}
	var text strings.Builder
	text.WriteString("BEGIN NOT ATOMIC\n")
	n := 0
	for n < len(calls) {
		next := first
		if n > 0 {
			next = d.text(&calls[n])
		}
		if n > 0 && text.Len()+len(next) > maxBundle {
			break
		}
		text.WriteString(next)
		text.WriteString(";\n")
		if calls[n].One {
			text.WriteString(demand(&calls[n]))
		}
		n++
	}
	text.WriteString("END")
	return n, all(ctx, conn, calls[:n], text.String())
}

// demand ends a compound statement unless the statement before it has changed or returned a row. All go by a primary key: there
// are no more.
func demand(c *call) string {
	count := "ROW_COUNT()"
	if c.Row != nil {
		count = "FOUND_ROWS()"
	}
	return "IF " + count + " < 1 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'unmet'; END IF;\n"
}

// text is a call as it is sent.
func (d *dialect) text(c *call) string { return newText(d.hints.Replace(c.Text), c.Args...) }

// newHints has List go through tables in the order in which sqlstore writes them (CROSS JOIN), and through records by their primary key
// where it begins with them.
func newHints(named func(string) string) *strings.Replacer {
	records := named("FROM signet_records AS r")
	return strings.NewReplacer(" CROSS JOIN ", " STRAIGHT_JOIN ", records+" WHERE", records+" FORCE INDEX (PRIMARY) WHERE")
}

// one sends one call.
func one(ctx context.Context, conn *sql.Conn, c *call, text string) error {
	if c.Row != nil {
		return all(ctx, conn, []call{*c}, text)
	}
	result, err := conn.ExecContext(ctx, text)
	if err != nil || !c.One {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n < 1 {
		return errors.Join(errUnmet, err)
	}
	return nil
}

// all sends the text of calls and gives each the rows of its result.
func all(ctx context.Context, conn *sql.Conn, calls []call, text string) error {
	rows, err := conn.QueryContext(ctx, text)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	results := 0
	for i := range calls {
		if calls[i].Row == nil {
			continue
		}
		if results++; results > 1 && !rows.NextResultSet() {
			return errors.Join(errUnanswered, rows.Err())
		}
		n, err := each(rows, calls[i].Row)
		if err != nil {
			return err
		}
		if calls[i].One && n == 0 && rows.Err() == nil && len(calls) == 1 {
			return errUnmet
		}
	}
	for rows.NextResultSet() { // the end, which may be an error of a later statement
		continue
	}
	return rows.Err()
}

// each hands the rows of one result on.
func each(rows *sql.Rows, row func(func(...any) error) error) (n int, err error) {
	for rows.Next() {
		n++
		if err := row(rows.Scan); err != nil {
			return n, err
		}
	}
	return n, rows.Err()
}

var errUnanswered = errors.New("mysql: the server returned fewer results than statements")
