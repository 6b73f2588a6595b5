package storetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/signet-idp/signet/store"
)

func cancelCases() []testCase {
	return []testCase{
		{"cancelled before", "A call whose context has ended does nothing and says so; it never answers that something is absent.", cancelledBefore},
		{"cancelled meanwhile", "A cancelled Apply has done all or nothing; only ErrUncertain leaves open which.", cancelledMeanwhile},
	}
}

func cancelledBefore(c *trial) {
	c.write(store.Insert(c.record("1")))
	before := c.get(ref("1"))
	next := before
	next.Body = []byte(`{"next":true}`)
	ended, cancel := context.WithCancel(c.Context())
	cancel()
	calls := map[string]func() error{
		"Get": func() error { _, err := c.store.Get(ended, c.now, c.kind, "", "1"); return err },
		"Get of nothing": func() error {
			_, err := c.store.Get(ended, c.now, c.kind, "", "2")
			return err
		},
	}
	for name, op := range map[string]store.Op{
		"Insert": store.Insert(c.record("2")), "Replace": store.Replace(next), "Delete": store.Delete(c.kind, ref("1"), before.Version),
		"Check": store.Check(c.kind, ref("1"), before.Version), "Add": store.Add(c.kind, ref("1"), 1, c.now),
		"Insert of what exists": store.Insert(c.record("1")),
	} {
		calls[name] = func() error { _, err := c.store.Apply(ended, c.now, op); return err }
	}
	if c.driver != nil {
		calls["Lookup"] = func() error {
			_, err := c.driver.Lookup(ended, c.now, durable, "", store.Key{Name: "k", Value: "v"})
			return err
		}
		calls["List"] = func() error { _, err := c.driver.List(ended, c.now, store.Query{Kind: durable}); return err }
		calls["Purge"] = func() error { _, err := c.driver.Purge(ended, c.now, 1); return err }
	}
	for name, call := range calls {
		err := call()
		if _, conflict := errors.AsType[*store.Conflict](err); err == nil || conflict || errors.Is(err, store.ErrNotFound) {
			c.broken("%s with an ended context returned %v", name, err)
		}
	}
	c.unchanged(before)
	c.absent(ref("2"))
}

func cancelledMeanwhile(c *trial) {
	for round := range 50 {
		ctx, cancel := context.WithCancel(c.Context())
		id := fmt.Sprint("r", round)
		ops := []store.Op{store.Insert(c.record(id))}
		if c.driver != nil && !c.kind.Ephemeral {
			ops = append(ops, store.Insert(c.record(id+"-second")))
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range round * 20 { // some time: none at first, more and more
				if ctx.Err() != nil {
					return
				}
			}
			cancel()
		}()
		_, err := c.store.Apply(ctx, c.now, ops...)
		cancel()
		<-done
		c.allOrNothing(ops, err)
	}
}

// allOrNothing demands that what inserts have left agree with the error of their Apply. A commit whose outcome is unknown
// may still be on its way while this reads: whoever has seen one record of it must find them all from then on.
func (c *trial) allOrNothing(inserts []store.Op, err error) {
	c.Helper()
	found := c.left(inserts)
	if found > 0 {
		found = c.left(inserts)
	}
	switch uncertain := errors.Is(err, store.ErrUncertain); {
	case found != 0 && found != len(inserts):
		c.broken("a cancelled step of %d inserts left %d records (its error: %v)", len(inserts), found, err)
	case err == nil && found == 0:
		c.broken("Apply returned no error and has written nothing")
	case err != nil && !uncertain && found != 0:
		c.broken("Apply returned %v and has written all the same", err)
	}
}

// left counts the records of inserts that are there.
func (c *trial) left(inserts []store.Op) int {
	c.Helper()
	found := 0
	for _, op := range inserts {
		_, missing := c.store.Get(c.Context(), c.now, op.Record.Kind, op.Record.Org, op.Record.ID)
		switch {
		case missing == nil:
			found++
		case !errors.Is(missing, store.ErrNotFound):
			c.stop("Get after a cancelled Apply: %v", missing)
		}
	}
	return found
}
