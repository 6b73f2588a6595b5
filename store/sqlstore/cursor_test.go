package sqlstore_test

import (
	"errors"
	"testing"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore"
)

var query = store.Query{Kind: store.Kind{Name: "sqlstore.thing"}, Org: "acme", Sort: "name"}

func FuzzCursor(f *testing.F) {
	for _, seed := range []string{"", "x", "AQ", sqlstore.CursorOf(query, []byte{0, 'a'}, "acme", "1"), sqlstore.CursorOf(query, nil, "", "")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q := query
		q.After = text
		again, err := sqlstore.RoundTrip(q)
		if err != nil {
			if !errors.Is(err, store.ErrInvalid) || again != "" {
				t.Errorf("%q gave %q and %v", text, again, err)
			}
			return
		}
		if q.After = again; again != "" {
			if third, err := sqlstore.RoundTrip(q); err != nil || third != again {
				t.Errorf("%q became %q and then %q (%v)", text, again, third, err)
			}
		}
	})
}

func TestCursorServesItsQueryAlone(t *testing.T) {
	t.Parallel()
	query := query
	query.After = sqlstore.CursorOf(query, []byte{0, 'a'}, "acme", "1")
	for name, change := range map[string]func(*store.Query){
		"kind":      func(q *store.Query) { q.Kind.Name = "sqlstore.other" },
		"org":       func(q *store.Query) { q.Org = "other" },
		"within":    func(q *store.Query) { q.Within = store.Subtree },
		"sort":      func(q *store.Query) { q.Sort = "created" },
		"direction": func(q *store.Query) { q.Descending = true },
		"filter":    func(q *store.Query) { q.Filter = store.Present{Field: "name"} },
	} {
		other := query
		change(&other)
		if _, err := sqlstore.RoundTrip(other); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("a cursor serves a query with another %s: %v", name, err)
		}
	}
	query.Limit, query.Count = 7, 1000
	if _, err := sqlstore.RoundTrip(query); err != nil {
		t.Errorf("a cursor does not serve pages of another size: %v", err)
	}
}
