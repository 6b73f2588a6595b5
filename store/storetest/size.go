package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/signet-idp/signet/store"
)

func sizeCases() []testCase {
	return []testCase{{
		"cost of one among many",
		"Adding one member to a kind of 100,000, and finding one by key or index, costs the same as in an empty kind.",
		costOfOne,
	}}
}

// costOfOne compares times, so it is generous: eight times, what a loaded machine adds to anything, and three tries, since
// the load may come between.
func costOfOne(c *trial) {
	const factor, noise, tries = 8, 300 * time.Microsecond, 3
	many := c.size(100_000, 10_000)
	before := c.costs(0)
	for from := 1000; from < many+1000; from += 500 {
		var ops []store.Op
		for n := range 500 {
			ops = append(ops, store.Insert(c.member(from+n)))
		}
		c.apply(ops...)
	}
	least := map[string]time.Duration{}
	for try := range tries {
		dearer := false
		for step, cost := range c.costs(many + 1000*(try+1)) {
			if known, ok := least[step]; !ok || cost < known {
				least[step] = cost
			}
			dearer = dearer || least[step] > factor*before[step]+noise
		}
		if !dearer {
			break
		}
	}
	for step, cost := range least {
		if cost > factor*before[step]+noise {
			c.broken("to %s took %v in an empty kind and %v among %d", step, before[step], cost, many)
		}
		c.Logf("to %s: %v in an empty kind, %v among %d", step, before[step], cost, many)
	}
}

// member is one of many small records that make a large thing: as many to a group, each with a key.
func (c *trial) member(n int) store.Record {
	r := c.record(fmt.Sprintf("%08d", n*7919%100_000_000)) // ids do not come in order
	r.Keys = []store.Key{{Name: "pair", Value: fmt.Sprint("group|", n)}}
	r.Index = []store.Entry{{Field: "group", Value: store.Text("group")}, {Field: "subject", Value: store.Text(fmt.Sprint(n))}}
	return r
}

// costs returns the median cost of each step; members are numbered from first.
func (c *trial) costs(first int) map[string]time.Duration {
	const repeats = 101
	times := map[string][]time.Duration{}
	measure := func(step string, do func() error) {
		c.Helper()
		began := time.Now()
		err := do()
		times[step] = append(times[step], time.Since(began))
		if err != nil {
			c.stop("to %s: %v", step, err)
		}
	}
	for n := range repeats {
		r := c.member(first + n)
		measure("insert", func() error {
			_, err := c.driver.Apply(c.Context(), c.now, store.Insert(r))
			return err
		})
		measure("look up", func() error {
			_, err := c.driver.Lookup(c.Context(), c.now, c.kind, "", r.Keys[0])
			return err
		})
		measure("find by an entry", func() error {
			q := store.Query{Kind: c.kind, Filter: store.And{
				store.Equals("group", store.Text("group")), store.Equals("subject", r.Index[1].Value),
			}}
			page, err := c.driver.List(c.Context(), c.now, q)
			if err == nil && len(page.Records) != 1 {
				err = fmt.Errorf("found %d records", len(page.Records))
			}
			return err
		})
		measure("list a page", func() error {
			q := store.Query{Kind: c.kind, Filter: store.Equals("group", store.Text("group")), Limit: 1}
			_, err := c.driver.List(c.Context(), c.now, q)
			return err
		})
	}
	medians := map[string]time.Duration{}
	for step, list := range times {
		slices.Sort(list)
		medians[step] = list[len(list)/2]
	}
	return medians
}
