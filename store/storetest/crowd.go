package storetest

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
)

// Crowd is many records in a Driver, as a directory might have them: most of what is asked for is somewhere among them. Tests take it to look at
// how a database goes about a List. It is for one goroutine.
type Crowd struct {
	driver store.Driver
	kind   store.Kind
	now    time.Time
	people model
	// sorted is the order that people are in.
	sorted string
}

// Gather fills an empty kind with size records, a multiple of 500.
func Gather(tb testing.TB, driver store.Driver, kind store.Kind, now time.Time, size int) *Crowd {
	tb.Helper()
	c := &Crowd{driver: driver, kind: kind, now: now}
	for from := 0; from < size; from += 500 {
		var ops []store.Op
		for n := range 500 {
			c.people = append(c.people, Person(kind, now, from+n))
			ops = append(ops, store.Insert(c.people[from+n]))
		}
		if _, err := driver.Apply(tb.Context(), now, ops...); err != nil {
			tb.Fatal(err)
		}
	}
	return c
}

// Person is one of a crowd, in one of ten organizations: with a key, a name of their own, a moment a second after the person before, one of three
// groups, and some with a nick name.
func Person(kind store.Kind, now time.Time, n int) store.Record {
	r := store.Record{
		Kind: kind, Org: fmt.Sprintf("acme/%02d", n%10), ID: fmt.Sprintf("%08d", n*7919%100_000_000), // ids do not come in order
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

// Question is a List that is promised to be quick (store.Query).
type Question struct {
	// Filter is what its Filter is called.
	Filter string
	Query  store.Query
}

func (q Question) String() string { return q.Filter + ": " + describe(q.Query) }

// Questions are all shapes of List that are promised to be quick, in every order and reach: hundreds.
func (c *Crowd) Questions() iter.Seq[Question] {
	filters := c.filters()
	return func(yield func(Question) bool) {
		for _, sort := range []string{"", "name", "nick", "active", "-created", "-nick"} {
			for _, label := range slices.Sorted(maps.Keys(filters)) {
				for _, within := range []store.Within{store.Here, store.Subtree, store.Everywhere} {
					field, descending := strings.CutPrefix(sort, "-")
					if !yield(Question{label, store.Query{
						Kind: c.kind, Org: "acme", Within: within, Filter: filters[label], Sort: field, Descending: descending, Count: 50, Limit: 3,
					}}) {
						return
					}
				}
			}
		}
	}
}

func (c *Crowd) filters() map[string]store.Filter {
	name := func(o store.Operator, v string) store.Filter {
		return store.Compare{Field: "name", Operator: o, Value: store.Text(v)}
	}
	created := func(o store.Operator, after time.Duration) store.Filter {
		return store.Compare{Field: "created", Operator: o, Value: store.Time(c.now.Add(after))}
	}
	active := store.Equals("active", store.Bool(true))
	return map[string]store.Filter{
		"none":               nil,
		"eq, one":            name(store.Eq, "user77"),
		"eq, many":           active,
		"sw, few":            name(store.StartsWith, "user777"),
		"sw, many":           name(store.StartsWith, "user"),
		"gt":                 created(store.Gt, time.Hour),
		"ge, text":           name(store.Ge, "user5"),
		"lt":                 created(store.Lt, time.Hour),
		"le, few":            created(store.Le, time.Minute),
		"pr, some":           store.Present{Field: "nick"},
		"pr, all":            store.Present{Field: "name"},
		"pr, none":           store.Present{Field: "nothing"},
		"eq and eq":          store.And{store.Equals("group", store.Text("group1")), name(store.Eq, "user77")},
		"eq and range":       store.And{active, name(store.Gt, "user9")},
		"sw and pr and eq":   store.And{name(store.StartsWith, "user1"), store.Present{Field: "nick"}, active},
		"range of one field": store.And{name(store.Ge, "user5"), name(store.Lt, "user6")},
		"and in and":         store.And{store.And{name(store.StartsWith, "user1")}, store.And{}},
	}
}

// Asks has the Driver answer three pages of a question, the second and third from behind a cursor, and fails the test where they hold anything but
// what a plain sort finds.
func (c *Crowd) Asks(tb testing.TB, q Question) {
	tb.Helper()
	const pages = 3
	want := c.first(q.Query, pages*q.Query.Limit)
	var got []store.Record
	next := q.Query
	for range pages {
		page, err := c.driver.List(tb.Context(), c.now, next)
		if err != nil {
			tb.Fatalf("%s: %v", q, err)
		}
		got = append(got, page.Records...)
		if next.After = page.Next; next.After == "" {
			break
		}
	}
	if !slices.Equal(places(got), places(want)) {
		tb.Errorf("%s: found %v, want %v", q, places(got), places(want))
	}
}

// first returns the first n records that match.
func (c *Crowd) first(q store.Query, n int) (found []store.Record) {
	if by := fmt.Sprint(q.Sort, q.Descending); by != c.sorted { // once for all questions in that order
		c.people.sort(q)
		c.sorted = by
	}
	for _, r := range c.people {
		if len(found) < n && matches(q, r) {
			found = append(found, r)
		}
	}
	return found
}
