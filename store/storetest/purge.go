package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signet-idp/signet/store"
)

func purgeCases() []testCase {
	return []testCase{
		{"limit", "Purge removes at most limit records that expired at or before now, of every kind, and returns how many.", purgeLimit},
		{"leaves the living", "Purge removes nothing that has not expired.", purgeLeavesLiving},
		{"under load", "Purge is safe for concurrent use: each expired record is removed once and nothing else is touched.", purgeUnderLoad},
	}
}

// purge removes up to limit and checks that it was no more.
func (c *trial) purge(limit int) int {
	c.Helper()
	n, err := c.driver.Purge(c.Context(), c.now, limit)
	if err != nil || n < 0 || n > limit {
		c.stop("Purge with limit %d returned %d, %v", limit, n, err)
	}
	return n
}

func purgeLimit(c *trial) {
	if n := c.purge(10); n != 0 {
		c.broken("an empty store lost %d records", n)
	}
	for i, kind := range []store.Kind{durable, other, ephemeral} {
		for n := range 5 {
			r := store.Record{Kind: kind, ID: fmt.Sprint(n), Body: []byte("{}"), Expires: c.now.Add(time.Duration(i+1) * time.Minute)}
			if !kind.Ephemeral {
				r.Keys = []store.Key{{Name: "k", Value: fmt.Sprint(n)}}
				r.Index = []store.Entry{{Field: "f", Value: store.Number(int64(n))}}
			}
			c.write(store.Insert(r))
		}
	}
	c.write(store.Insert(c.record("forever")))
	for _, step := range []struct {
		advance     time.Duration
		limit, want int
	}{
		{time.Minute - time.Microsecond, 10, 0},
		{time.Microsecond, 2, 2},
		{0, 2, 2},
		{0, 2, 1},
		{0, 2, 0},
		{time.Minute, 100, 5},
		{time.Minute, 4, 4},
		{time.Hour, 4, 1},
		{0, 1000, 0},
	} {
		c.now = c.now.Add(step.advance)
		if n := c.purge(step.limit); n != step.want {
			c.broken("at %v a Purge with limit %d removed %d records, must be %d", c.now, step.limit, n, step.want)
		}
	}
	c.get(ref("forever"))
	for n := range 5 {
		r := c.indexed(fmt.Sprint(n), fmt.Sprint(n))
		c.write(store.Insert(r)) // with the keys that were purged
	}
	if got := c.list(store.Query{Filter: store.Present{Field: "f"}}); len(got) != 5 {
		c.broken("the index lists %v; entries of purged records are left in it", ids(got))
	}
}

func purgeLeavesLiving(c *trial) {
	r := c.indexed("1", "v")
	r.Expires = c.now.Add(time.Minute)
	r.Version = c.write(store.Insert(r)).Version
	extended := r
	extended.Expires = c.now.Add(time.Hour)
	c.write(store.Replace(extended))
	c.write(store.Add(c.kind, ref("n"), 1, c.now.Add(time.Hour)))
	brief := c.record("brief")
	brief.Expires = c.now.Add(time.Hour)
	brief.Version = c.write(store.Insert(brief)).Version
	brief.Expires = c.now.Add(time.Second)
	c.write(store.Replace(brief))
	c.now = c.now.Add(2 * time.Minute)
	if n := c.purge(100); n != 1 {
		c.broken("Purge removed %d records; one had its expiry moved to the past, two live", n)
	}
	c.get(ref("1"))
	c.get(ref("n"))
	c.absent(ref("brief"))
	if c.lookup("", r.Keys[0]) != "1" {
		c.broken("Purge took the key of a living record")
	}
}

func purgeUnderLoad(c *trial) {
	const expired, living = 400, 100
	var m model
	for n := range expired {
		r := c.indexed(fmt.Sprint("expired-", n), fmt.Sprint("expired-", n))
		r.Expires = c.now.Add(time.Minute)
		m = append(m, r)
	}
	c.insertAll(m)
	c.now = c.now.Add(time.Minute)
	var removed atomic.Int64
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for range expired / 20 {
				n, err := c.driver.Purge(c.Context(), c.now, 7)
				if err != nil || n > 7 {
					c.broken("Purge with limit 7 returned %d, %v", n, err)
				}
				removed.Add(int64(n))
			}
		})
		all.Go(func() {
			for n := range living / 4 {
				r := c.indexed(fmt.Sprintf("living-%d-%d", worker, n), fmt.Sprintf("living-%d-%d", worker, n))
				r.Expires = c.now.Add(time.Minute)
				if _, err := c.driver.Apply(c.Context(), c.now, store.Insert(r)); err != nil {
					c.broken("Insert while others purge: %v", err)
				}
				if _, err := c.driver.Get(c.Context(), c.now, c.kind, "", r.ID); err != nil {
					c.broken("a living record is gone while others purge: %v", err)
				}
			}
		})
	}
	all.Wait()
	for n := c.purge(100); n > 0; n = c.purge(100) {
		removed.Add(int64(n))
	}
	if removed.Load() != expired {
		c.broken("%d of %d expired records were removed", removed.Load(), expired)
	}
	if got := c.list(store.Query{Filter: store.Present{Field: "f"}}); len(got) != living {
		c.broken("%d of %d living records are left", len(got), living)
	}
}
