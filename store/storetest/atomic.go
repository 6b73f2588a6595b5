package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/signet-idp/signet/store"
)

func atomicCases() []testCase {
	const rule = "Apply does all of its operations, or none of them."
	return []testCase{
		{"results", "Apply returns one Result for each Op, in their order.", resultsInOrder},
		{"all or nothing", rule + " The Conflict holds the index of the Op that failed.", failingOperation},
		{"indexes and keys too", rule + " That holds for unique keys and index entries as well.", nothingOfKeysAndIndex},
		{"two on one record", "Two Ops on one record in one Apply are ErrInvalid, and nothing happens.", twoOnOneRecord},
		{"order", "Operations take effect in their order: a key that an earlier one gives up is free for a later one.", keyHandedOver},
		{"two on one key", "Unique keys are unique among the records of one Apply too.", twoOnOneKey},
		{"kinds together", "One Apply takes durable and ephemeral kinds and any organizations.", kindsTogether},
		{"many operations", "A Driver takes any number of Ops.", manyOperations},
	}
}

func resultsInOrder(c *trial) {
	first := c.apply(store.Insert(c.record("a")), store.Insert(c.record("b")), store.Insert(c.record("d")))
	b := c.record("b")
	b.Version = first[1].Version
	results := c.apply(
		store.Check(c.kind, ref("a"), first[0].Version),
		store.Replace(b),
		store.Delete(c.kind, ref("d"), first[2].Version),
		store.Insert(c.record("e")),
		store.Add(c.kind, ref("n"), 4, time.Time{}),
	)
	for i, want := range []store.Result{
		{Version: first[0].Version},
		{Version: c.get(ref("b")).Version},
		{},
		{Version: c.get(ref("e")).Version},
		{Version: c.get(ref("n")).Version, Count: 4},
	} {
		if results[i] != want {
			c.broken("result %d is %+v, must be %+v", i, results[i], want)
		}
	}
	c.absent(ref("d"))
}

func failingOperation(c *trial) {
	version := c.write(store.Insert(c.record("here"))).Version
	before := c.get(ref("here"))
	c.write(store.Add(c.kind, ref("n"), 1, time.Time{}))
	doomed := c.write(store.Insert(c.record("doomed"))).Version

	stale, missing := c.record("here"), c.record("missing")
	stale.Version, missing.Version = version+1, version
	for _, failing := range []struct {
		op     store.Op
		reason store.Reason
	}{
		{store.Insert(c.record("here")), store.Exists},
		{store.Replace(stale), store.Version},
		{store.Replace(missing), store.Absent},
		{store.Delete(c.kind, ref("here"), version+1), store.Version},
		{store.Delete(c.kind, ref("missing"), version), store.Absent},
		{store.Check(c.kind, ref("here"), version+1), store.Version},
		{store.Check(c.kind, ref("missing"), version), store.Absent},
	} {
		good := []store.Op{
			store.Insert(c.record("new")), store.Add(c.kind, ref("n"), 1, time.Time{}),
			store.Delete(c.kind, ref("doomed"), doomed), store.Add(c.kind, ref("m"), 1, time.Time{}),
		}
		for at := range len(good) + 1 {
			ops := append(append(append([]store.Op(nil), good[:at]...), failing.op), good[at:]...)
			want := c.conflict(failing.reason, failing.op.Record.ID)
			want.Op = at
			c.refuse(want, ops...)
			c.absent(ref("new"))
			c.absent(ref("m"))
			c.absent(ref("missing"))
			c.get(ref("doomed"))
			c.unchanged(before)
			if got := c.get(ref("n")); got.Count != 1 {
				c.broken("a failed step left a count of %d, must be 1", got.Count)
			}
		}
	}
}

func nothingOfKeysAndIndex(c *trial) {
	r := c.indexed("1", "old")
	r.Version = c.write(store.Insert(r)).Version
	gone := c.indexed("2", "gone")
	gone.Version = c.write(store.Insert(gone)).Version

	next := c.indexed("1", "new")
	next.Version = r.Version
	want := c.conflict(store.Absent, "missing")
	want.Op = 3
	c.refuse(want, store.Replace(next), store.Delete(c.kind, ref("2"), gone.Version), store.Insert(c.indexed("3", "third")),
		store.Check(c.kind, ref("missing"), 1))
	for value, want := range map[string]string{"old": "1", "new": "", "gone": "2", "third": ""} {
		if got := c.lookup("", store.Key{Name: "k", Value: value}); got != want {
			c.broken("after a failed step key %q is held by %q, must be %q", value, got, want)
		}
		listed := c.list(store.Query{Filter: store.Equals("f", store.Text(value))})
		if len(listed) != len(want) { // the ids are one byte long
			c.broken("after a failed step the index lists %v under %q, must be %q", ids(listed), value, want)
		}
	}
}

// indexed returns a record with one unique key and one index entry of the same value.
func (c *trial) indexed(id, value string) store.Record {
	r := c.record(id)
	r.Keys = []store.Key{{Name: "k", Value: value}}
	r.Index = []store.Entry{{Field: "f", Value: store.Text(value)}}
	return r
}

func twoOnOneRecord(c *trial) {
	version := c.write(store.Insert(c.record("1"))).Version
	before := c.get(ref("1"))
	next := before
	for name, ops := range map[string][]store.Op{
		"two inserts":        {store.Insert(c.record("2")), store.Insert(c.record("2"))},
		"check and replace":  {store.Check(c.kind, ref("1"), version), store.Replace(next)},
		"delete and insert":  {store.Delete(c.kind, ref("1"), version), store.Insert(c.record("1"))},
		"two additions":      {store.Add(c.kind, ref("n"), 1, time.Time{}), store.Add(c.kind, ref("n"), 1, time.Time{})},
		"with some between":  {store.Add(c.kind, ref("n"), 1, time.Time{}), store.Insert(c.record("2")), store.Delete(c.kind, ref("n"), 1)},
		"two equal checks":   {store.Check(c.kind, ref("1"), version), store.Check(c.kind, ref("1"), version)},
		"the first fails":    {store.Insert(c.record("1")), store.Check(c.kind, ref("1"), version)},
		"invalid at the end": {store.Insert(c.record("2")), {Record: c.record("3")}},
	} {
		if _, err := c.store.Apply(c.Context(), c.now, ops...); !errors.Is(err, store.ErrInvalid) {
			c.broken("%s: Apply returned %v", name, err)
		}
	}
	c.unchanged(before)
	c.absent(ref("2"))
	c.absent(ref("n"))

	elsewhere := c.record("1")
	elsewhere.Org = "acme"
	foreign := c.record("1")
	foreign.Kind = other
	c.apply(store.Check(c.kind, ref("1"), version), store.Insert(elsewhere), store.Insert(foreign))
}

func keyHandedOver(c *trial) {
	a := c.indexed("a", "first")
	a.Version = c.write(store.Insert(a)).Version
	c.apply(store.Delete(c.kind, ref("a"), a.Version), store.Insert(c.indexed("b", "first")))
	if got := c.lookup("", store.Key{Name: "k", Value: "first"}); got != "b" {
		c.broken("the key of the deleted record is held by %q, must be the inserted one", got)
	}
	b, d := c.indexed("b", "second"), c.indexed("d", "first")
	b.Version = c.get(ref("b")).Version
	c.apply(store.Replace(b), store.Insert(d))
	if first, second := c.lookup("", store.Key{Name: "k", Value: "first"}), c.lookup("", store.Key{Name: "k", Value: "second"}); first != "d" || second != "b" {
		c.broken("the keys are held by %q and %q, must be d and b", first, second)
	}
}

func twoOnOneKey(c *trial) {
	want := c.conflict(store.Exists, "b")
	want.Op, want.Key = 1, store.Key{Name: "k", Value: "same"}
	c.refuse(want, store.Insert(c.indexed("a", "same")), store.Insert(c.indexed("b", "same")))
	c.absent(ref("a"))
	c.absent(ref("b"))
}

func kindsTogether(c *trial) {
	var ops []store.Op
	for i, kind := range []store.Kind{durable, other, ephemeral} {
		r := c.record("1")
		r.Kind, r.Org = kind, []string{"", "acme", "acme/eu"}[i]
		ops = append(ops, store.Insert(r))
	}
	c.apply(ops...)
	stale := append([]store.Op(nil), ops...)
	stale[0].Record.ID, stale[1].Record.ID = "2", "2"
	want := store.Conflict{Op: 2, Reason: store.Exists, Kind: ephemeral, Ref: store.Ref{Org: "acme/eu", ID: "1"}}
	c.refuse(want, stale...)
	c.absent(ref("2"))
	c.kind = other
	c.get(store.Ref{Org: "acme", ID: "1"})
	c.absent(store.Ref{Org: "acme", ID: "2"})
}

func manyOperations(c *trial) {
	var ops []store.Op
	for n := range 500 {
		ops = append(ops, store.Insert(c.indexed(fmt.Sprintf("%03d", n), fmt.Sprint(n))))
	}
	c.apply(ops...)
	if got := c.list(store.Query{}); len(got) != 500 {
		c.broken("500 inserts left %d records", len(got))
	}
	want := c.conflict(store.Exists, "499")
	want.Op = 499
	for n := range 499 {
		ops[n].Record.ID += "-again"
		ops[n].Record.Keys = nil
	}
	c.refuse(want, ops...)
	if got := c.list(store.Query{}); len(got) != 500 {
		c.broken("a step that failed at its last operation left %d records, must be 500", len(got))
	}
}
