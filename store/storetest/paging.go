package storetest

import (
	"fmt"
	"slices"
	"sync"

	"github.com/signet-idp/signet/store"
)

func pagingCases() []testCase {
	const rule = "A record that exists unchanged during the whole walk appears exactly once, whatever is written meanwhile."
	return []testCase{
		{"writes between pages", rule, writesBetweenPages},
		{"writes during pages", rule, writesDuringPages},
	}
}

// standing inserts records that will not be touched, and neighbours of theirs that will.
func (c *trial) standing(n int) (stable []string, loose []store.Record) {
	var m model
	for i := range n {
		r := c.record(fmt.Sprintf("%04d-stable", i))
		r.Index = []store.Entry{{Field: "group", Value: store.Text("g")}}
		if i%4 != 0 {
			r.Index = append(r.Index, store.Entry{Field: "rank", Value: store.Number(int64(i / 10))})
		}
		m = append(m, r)
		stable = append(stable, r.ID)
		r.ID = fmt.Sprintf("%04d-loose", i)
		loose = append(loose, r)
	}
	c.insertAll(m)
	for i := range loose {
		loose[i].Version = c.write(store.Insert(loose[i])).Version
	}
	return stable, loose
}

// disturb deletes, re-inserts and moves one loose record.
func (c *trial) disturb(r *store.Record, step int) error {
	var op store.Op
	switch {
	case r.Version == 0:
		op = store.Insert(*r)
	case step%3 == 0:
		op = store.Delete(r.Kind, r.Ref(), r.Version)
	default:
		r.Index = []store.Entry{{Field: "group", Value: store.Text("g")}, {Field: "rank", Value: store.Number(int64(step % 40))}}
		op = store.Replace(*r)
	}
	results, err := c.driver.Apply(c.Context(), c.now, op)
	if err != nil {
		return fmt.Errorf("%s of %s: %w", op.Verb, r.ID, err)
	}
	r.Version = results[0].Version // zero after Delete
	return nil
}

func pagedQueries() []store.Query {
	group := store.Equals("group", store.Text("g"))
	return []store.Query{
		{},
		{Descending: true},
		{Filter: group},
		{Filter: group, Descending: true},
		{Sort: "rank"},
		{Sort: "rank", Descending: true},
		{Filter: group, Sort: "rank"},
		{Filter: group, Sort: "rank", Descending: true},
	}
}

func writesBetweenPages(c *trial) {
	stable, loose := c.standing(120)
	for i, q := range pagedQueries() {
		q.Kind, q.Limit = c.kind, 7
		var seen []store.Record
		for step := 0; ; step++ {
			page, err := c.driver.List(c.Context(), c.now, q)
			if err != nil {
				c.stop("%s: %v", describe(q), err)
			}
			seen = append(seen, page.Records...)
			if q.After = page.Next; q.After == "" {
				break
			}
			if step > 10_000 {
				c.stop("%s does not come to an end", describe(q))
			}
			last := page.Records[len(page.Records)-1]
			for n := range loose {
				// Every few of them, and the very record that the cursor stands on.
				if (n+step+i)%11 != 0 && loose[n].ID != last.ID {
					continue
				}
				if err := c.disturb(&loose[n], n+step); err != nil {
					c.stop("writing between pages: %v", err)
				}
			}
		}
		c.once(q, stable, seen)
	}
}

// once demands that each of the ids was seen exactly once.
func (c *trial) once(q store.Query, stable []string, seen []store.Record) {
	c.Helper()
	times := map[string]int{}
	for _, r := range seen {
		times[r.ID]++
	}
	for _, id := range stable {
		if times[id] != 1 {
			c.stop("%s: the untouched record %s appeared %d times", describe(q), id, times[id])
		}
	}
}

func writesDuringPages(c *trial) {
	stable, loose := c.standing(c.size(120, 60))
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for half := range slices.Chunk(loose, len(loose)/2) {
		writers.Go(func() {
			for step := 0; ; step++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := c.disturb(&half[step%len(half)], step/2); err != nil {
					c.broken("writing while others list: %v", err)
					return
				}
			}
		})
	}
	defer writers.Wait()
	defer close(stop)
	for _, q := range pagedQueries() {
		q.Limit = 7
		for range 3 {
			seen, err := c.walk(q)
			if err != nil {
				c.stop("%s: %v", describe(q), err)
			}
			c.once(q, stable, seen)
		}
	}
}
