package sqlite_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/storetest"
)

// TestFilters compares what List finds with what Filter.Match says, for filters that are more than the promise, and
// demands ErrUnindexed for the others.
func TestFilters(t *testing.T) {
	t.Parallel()
	db := openFile(t, filepath.Join(t.TempDir(), "test.db"))
	var people []store.Record
	var ops []store.Op
	for n := range 300 {
		people = append(people, storetest.Person(thing, now, n))
		ops = append(ops, store.Insert(people[n]))
	}
	if _, err := db.Apply(t.Context(), now, ops...); err != nil {
		t.Fatal(err)
	}
	active := store.Equals("active", store.Bool(true))
	group := func(n int) store.Filter { return store.Equals("group", store.Text(fmt.Sprint("group", n))) }
	many := store.And{}
	for n := range 45 {
		many = append(many, store.Compare{Field: "name", Operator: store.Gt, Value: store.Text(fmt.Sprint(n))})
	}
	for name, tc := range map[string]struct {
		filter store.Filter
		served bool
	}{
		"eq and or":          {store.And{active, store.Or{group(0), group(1), store.Present{Field: "nick"}}}, true},
		"eq and not":         {store.And{active, store.Not{Filter: store.And{group(0), store.Present{Field: "nick"}}}}, true},
		"eq and empty or":    {store.And{active, store.Or{}}, true},
		"eq and empty and":   {store.And{active, store.And{}, store.Or{store.And{}}}, true},
		"45 conditions":      {many, true},
		"another type":       {store.Equals("active", store.Text("true")), true},
		"sw of a number":     {store.Compare{Field: "created", Operator: store.StartsWith, Value: store.Number(1)}, true},
		"le of another type": {store.Compare{Field: "name", Operator: store.Le, Value: store.Number(1)}, true},
		"or":                 {store.Or{group(0), group(1)}, false},
		"not":                {store.Not{Filter: active}, false},
		"empty or":           {store.Or{}, false},
		"eq and contains":    {store.And{active, store.Compare{Field: "name", Operator: store.Contains, Value: store.Text("1")}}, false},
		"60 conditions":      {append(slices.Clone(many), many[:15]...), false},
	} {
		for _, sort := range []string{"", "nick", "-name"} {
			q := store.Query{Kind: thing, Within: store.Everywhere, Filter: tc.filter, Limit: 1000, Count: 1000}
			q.Sort, q.Descending = strings.TrimPrefix(sort, "-"), strings.HasPrefix(sort, "-")
			page, err := db.List(t.Context(), now, q)
			if !tc.served {
				if !errors.Is(err, store.ErrUnindexed) {
					t.Errorf("%s by %q: %d records, %v; want ErrUnindexed", name, sort, len(page.Records), err)
				}
				continue
			}
			var got, want []string
			for _, r := range page.Records {
				got = append(got, r.ID)
			}
			for _, r := range people {
				if tc.filter.Match(r.Index) {
					want = append(want, r.ID)
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if err != nil || !slices.Equal(got, want) || page.Count != len(want) {
				t.Errorf("%s by %q: found %d and counted %d, want %d (%v)", name, sort, len(got), page.Count, len(want), err)
			}
		}
	}
}

// TestSortAcrossStages walks in small pages through a kind in which List must not trust what it remembers: fields that
// come, go and repeat after the first pages were read.
func TestSortAcrossStages(t *testing.T) {
	t.Parallel()
	db := openFile(t, filepath.Join(t.TempDir(), "test.db"))
	insert := func(id string, numbers ...int64) {
		t.Helper()
		r := record(id)
		for _, n := range numbers {
			r.Index = append(r.Index, store.Entry{Field: "n", Value: store.Number(n)})
		}
		if _, err := db.Apply(t.Context(), now, store.Insert(r)); err != nil {
			t.Fatal(err)
		}
	}
	walk := func(q store.Query) string {
		t.Helper()
		var ids []string
		q.Kind, q.Limit = thing, 2
		for {
			page, err := db.List(t.Context(), now, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Records {
				ids = append(ids, r.ID)
			}
			if q.After = page.Next; q.After == "" {
				return strings.Join(ids, " ")
			}
		}
	}
	expect := func(q store.Query, want string) {
		t.Helper()
		if got := walk(q); got != want {
			t.Errorf("%+v: %s, want %s", q, got, want)
		}
	}
	above := store.Compare{Field: "n", Operator: store.Gt, Value: store.Number(4)}
	for n, id := range []string{"c", "a", "e", "b"} {
		insert(id, int64(2*n))
	}
	expect(store.Query{Sort: "n"}, "c a e b")
	expect(store.Query{Sort: "n", Filter: above}, "b")
	insert("d")
	insert("f")
	expect(store.Query{Sort: "n"}, "c a e b d f")
	expect(store.Query{Sort: "n", Descending: true}, "f d b e a c")
	insert("m", 5, 1, 9) // sorted by 1, found by 5 and 9
	expect(store.Query{Sort: "n"}, "c m a e b d f")
	expect(store.Query{Sort: "n", Descending: true, Filter: above}, "b m")
	expect(store.Query{Filter: above}, "b m")
	if _, err := db.Apply(t.Context(), now, store.Add(thing, store.Ref{ID: "counter"}, 1, now.AddDate(1, 0, 0))); err != nil {
		t.Fatal(err)
	}
	expect(store.Query{Sort: "n", Descending: true}, "f d counter b e a m c")
}
