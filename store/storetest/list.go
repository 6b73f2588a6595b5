package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/store"
)

func listCases() []testCase {
	cases := []testCase{
		{"records", "List returns whole records, without Keys and Index, of one kind.", listedRecords},
		{"within", "Here is the organization itself, Subtree all below it too, Everywhere all; \"ab\" is not below \"a\".", listWithin},
		{"index follows writes", "A record is listed under the entries of its last write and under no others; identical entries count as one.", indexFollowsWrites},
		{"expired", "An expired record is absent: it is neither listed nor counted.", listExpired},
		{"limit", "A page holds Limit records at the most; zero is 100, the greatest is 1000.", listLimit},
		{"count", "Count is the number of all matches, counted no further than its bound; zero does not count.", listCount},
		{"invalid queries", "A query that breaks the contract is refused with ErrInvalid.", invalidQueries},
	}
	return slices.Concat(cases, filterCases(), sortCases(), pagingCases())
}

func listedRecords(c *trial) {
	page, err := c.driver.List(c.Context(), c.now, store.Query{Kind: c.kind})
	if err != nil || len(page.Records) != 0 || page.Next != "" {
		c.broken("an empty kind lists as %+v, error %v", page, err)
	}
	r := c.indexed("1", "v")
	r.Schema, r.Expires = 4, c.now.Add(time.Hour)
	r.Version = c.write(store.Insert(r)).Version
	foreign := c.indexed("2", "v")
	foreign.Kind = other
	c.write(store.Insert(foreign))
	for _, filter := range []store.Filter{nil, store.Equals("f", store.Text("v")), store.Present{Field: "f"}} {
		got := c.list(store.Query{Filter: filter})
		if len(got) != 1 || !same(got[0], r) {
			c.broken("filter %v lists %+v, must list %+v", filter, got, r)
		} else if len(got[0].Keys)+len(got[0].Index) != 0 {
			c.broken("List returned Keys or Index")
		}
	}
}

func listWithin(c *trial) {
	var m model
	for i, org := range []string{"", "a", "a/b", "a/b/c", "ab", "a-", "a-/b", "a0", "A", "a/B", "b", "a/bc", "\u00e4", "a/\u00e4"} {
		for _, id := range []string{"1", "2"} {
			r := c.record(id)
			r.Org, r.Index = org, []store.Entry{{Field: "f", Value: store.Number(int64(i % 2))}}
			c.write(store.Insert(r))
			m = append(m, r)
		}
	}
	for _, org := range []string{"", "a", "a/b", "ab", "a-", "a0", "z", "a/", "\u00e4"} {
		for within := store.Here; within <= store.Everywhere; within++ {
			for _, filter := range []store.Filter{nil, store.Equals("f", store.Number(1))} {
				for _, sort := range []string{"", "f"} {
					c.agrees(m, store.Query{Org: org, Within: within, Filter: filter, Sort: sort, Limit: 3, Count: 1000})
				}
			}
		}
	}
}

// agrees demands that the driver answer a query as the model does. It reports whether the driver served it; only a
// query for which no index is promised may be refused.
func (c *trial) agrees(m model, q store.Query) bool {
	c.Helper()
	got, err := c.walk(q)
	if errors.Is(err, store.ErrUnindexed) {
		if promised(q.Filter) {
			c.stop("%s was refused, but an index is promised for it", describe(q))
		}
		return false
	}
	if err != nil {
		c.stop("%s: %v", describe(q), err)
	}
	want := m.answer(q)
	if g, w := places(got), places(want); !slices.Equal(g, w) {
		c.stop("%s\n\tlists %q,\n\tmust be %q", describe(q), g, w)
	}
	q.Kind = c.kind
	page, err := c.driver.List(c.Context(), c.now, q)
	if err != nil || page.Count != min(len(want), q.Count) {
		c.stop("%s counts %d (error %v), must be %d", describe(q), page.Count, err, min(len(want), q.Count))
	}
	return true
}

func places(records []store.Record) []string {
	list := make([]string, len(records))
	for i, r := range records {
		list[i] = r.Org + ":" + r.ID
	}
	return list
}

func describe(q store.Query) string {
	var words strings.Builder
	fmt.Fprintf(&words, "a query within %d of %q, filter %T%+v", q.Within, q.Org, q.Filter, q.Filter)
	if q.Sort != "" {
		fmt.Fprintf(&words, ", sorted by %q", q.Sort)
	}
	if q.Descending {
		words.WriteString(" descending")
	}
	fmt.Fprintf(&words, ", limit %d, count %d", q.Limit, q.Count)
	return words.String()
}

func indexFollowsWrites(c *trial) {
	entries := func(values ...string) []store.Entry {
		var list []store.Entry
		for _, v := range values {
			list = append(list, store.Entry{Field: "f", Value: store.Text(v)})
		}
		return list
	}
	r := c.record("1")
	r.Index = entries("a", "b", "a")
	r.Version = c.write(store.Insert(r)).Version
	c.agrees(model{r}, store.Query{Filter: store.Present{Field: "f"}, Sort: "f", Limit: 1, Count: 9})
	for _, values := range [][]string{{"b", "c"}, {"c", "c"}, {}, {"a"}} {
		r.Index = entries(values...)
		r.Version = c.write(store.Replace(r)).Version
		for _, value := range []string{"a", "b", "c"} {
			c.agrees(model{r}, store.Query{Filter: store.Equals("f", store.Text(value)), Count: 9})
		}
	}
	c.write(store.Delete(c.kind, ref("1"), r.Version))
	c.agrees(model{}, store.Query{Filter: store.Present{Field: "f"}, Count: 9})
	r.Index = entries("d")
	c.write(store.Insert(r))
	c.agrees(model{r}, store.Query{Filter: store.Equals("f", store.Text("d")), Count: 9})
	c.agrees(model{r}, store.Query{Filter: store.Equals("f", store.Text("a")), Count: 9})
}

func listExpired(c *trial) {
	var all model
	for n := range 10 {
		r := c.indexed(fmt.Sprint(n), fmt.Sprint(n))
		r.Index = append(r.Index, store.Entry{Field: "even", Value: store.Bool(n%2 == 0)})
		r.Expires = c.now.Add(time.Duration(n+1) * time.Minute)
		c.write(store.Insert(r))
		all = append(all, r)
	}
	for n := range 11 {
		for _, q := range []store.Query{{}, {Sort: "f"}, {Sort: "f", Descending: true}, {Filter: store.Equals("even", store.Bool(true))}} {
			q.Limit, q.Count = 3, 100
			c.agrees(all[n:], q)
		}
		c.now = c.now.Add(time.Minute)
	}
}

func listLimit(c *trial) {
	var ops []store.Op
	for n := range 1100 {
		ops = append(ops, store.Insert(c.record(fmt.Sprintf("%04d", n))))
	}
	c.apply(ops...)
	for limit, want := range map[int]int{0: 100, 1: 1, 100: 100, 1000: 1000} {
		page, err := c.driver.List(c.Context(), c.now, store.Query{Kind: c.kind, Limit: limit})
		if err != nil || len(page.Records) > want || len(page.Records) == 0 || page.Next == "" {
			c.broken("limit %d: a page of %d records, cursor %q, error %v", limit, len(page.Records), page.Next, err)
		}
	}
	if got := c.list(store.Query{}); len(got) != 1100 {
		c.broken("all pages together hold %d records, must be 1100", len(got))
	}
}

func listCount(c *trial) {
	for n := range 25 {
		r := c.record(fmt.Sprint(n))
		r.Index = []store.Entry{{Field: "n", Value: store.Number(int64(n % 5))}, {Field: "n", Value: store.Number(int64(n%5 + 1))}}
		c.write(store.Insert(r))
	}
	for _, query := range []struct {
		filter  store.Filter
		matches int
	}{{nil, 25}, {store.Compare{Field: "n", Operator: store.Ge, Value: store.Number(0)}, 25}, {store.Equals("n", store.Number(0)), 5}, {store.Equals("n", store.Number(9)), 0}} {
		for _, bound := range []int{0, 1, 4, 5, 24, 25, 26, 1_000_000} {
			q := store.Query{Kind: c.kind, Filter: query.filter, Count: bound, Limit: 4}
			for { // on every page, also when all were listed before it
				page, err := c.driver.List(c.Context(), c.now, q)
				if want := min(query.matches, bound); err != nil || page.Count != want {
					c.stop("filter %v with bound %d counts %d (error %v), must be %d", query.filter, bound, page.Count, err, want)
				}
				if q.After = page.Next; q.After == "" {
					break
				}
			}
		}
	}
}

func invalidQueries(c *trial) {
	c.write(store.Insert(c.indexed("1", "v")))
	for name, q := range map[string]store.Query{
		"zero kind":         {},
		"ephemeral kind":    {Kind: ephemeral},
		"limit of 1001":     {Kind: c.kind, Limit: 1001},
		"negative limit":    {Kind: c.kind, Limit: -1},
		"negative count":    {Kind: c.kind, Count: -1},
		"reach":             {Kind: c.kind, Within: store.Everywhere + 1},
		"foreign cursor":    {Kind: c.kind, After: "not a cursor"},
		"foreign cursor 2":  {Kind: c.kind, After: "AAAA", Sort: "f"},
		"nothing to negate": {Kind: c.kind, Filter: store.Not{}},
		"nothing in And":    {Kind: c.kind, Filter: store.And{nil}},
		"zero operator":     {Kind: c.kind, Filter: store.Compare{Field: "f", Value: store.Text("v")}},
		"operator":          {Kind: c.kind, Filter: store.Compare{Field: "f", Operator: store.Le + 1, Value: store.Text("v")}},
		"no field":          {Kind: c.kind, Filter: store.And{store.Equals("", store.Text("v"))}},
		"presence of none":  {Kind: c.kind, Filter: store.Present{}},
	} {
		if page, err := c.driver.List(c.Context(), c.now, q); !errors.Is(err, store.ErrInvalid) {
			c.broken("%s: List returned %d records, error %v", name, len(page.Records), err)
		}
	}
}
