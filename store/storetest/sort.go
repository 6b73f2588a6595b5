package storetest

import (
	"fmt"

	"github.com/signet-idp/signet/store"
)

func sortCases() []testCase {
	return []testCase{{
		"sort",
		"A record's least entry counts; records without one come last; ties are broken by (org, id); Descending is the exact reverse.",
		sorting,
	}}
}

func sorting(c *trial) {
	entry := func(values ...store.Value) (entries []store.Entry) {
		for _, v := range values {
			entries = append(entries, store.Entry{Field: "f", Value: v})
		}
		return entries
	}
	for name, values := range map[string][][]store.Entry{
		"text": {
			entry(store.Text("b")), entry(store.Text("a")), entry(), entry(store.Text("B")), entry(store.Text("")),
			entry(store.Text("\u00e4")), entry(store.Text("b")), entry(), entry(store.Text("z"), store.Text("a0")), entry(store.Text("aa"), store.Text("a")),
		},
		"numbers": {
			entry(store.Number(10)), entry(store.Number(9)), entry(), entry(store.Number(-1)), entry(store.Number(0)),
			entry(store.Number(9)), entry(store.Number(100), store.Number(-2)), entry(), entry(store.Number(9), store.Number(9)),
		},
		"times":    {entry(store.Time(epoch)), entry(), entry(store.Time(epoch.AddDate(-100, 0, 0))), entry(store.Time(epoch))},
		"booleans": {entry(store.Bool(true)), entry(store.Bool(false)), entry(), entry(store.Bool(true), store.Bool(false))},
	} {
		c.kind.Name = "storetest.sort-" + name
		var m model
		for i, entries := range values {
			for _, org := range []string{"b", "", "a"} {
				r := c.record(fmt.Sprint((i * 7) % 10))
				r.Org, r.Index = org, entries
				m = append(m, r)
			}
		}
		c.insertAll(m)
		for _, sort := range []string{"f", "", "unknown"} {
			for _, descending := range []bool{false, true} {
				for _, limit := range []int{1, 4, 1000} {
					for _, filter := range []store.Filter{nil, store.Present{Field: "f"}} {
						c.agrees(m, store.Query{Within: store.Everywhere, Filter: filter, Sort: sort, Descending: descending, Limit: limit, Count: 5})
						c.agrees(m, store.Query{Org: "a", Filter: filter, Sort: sort, Descending: descending, Limit: limit, Count: 50})
					}
				}
			}
		}
	}
}
