package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
)

// Target says how to open the store under test.
type Target struct {
	// Open opens the store in a folder, new and empty when the folder is. Opening a folder again, while it is open or
	// after the process that had it open was killed, opens the same data; a Driver that keeps nothing ignores the
	// folder and opens an empty store each time. Open ends the test when it fails and closes with tb.Cleanup. Required.
	Open func(tb testing.TB, dir string) store.Driver
	// Process says that the data outlives a process and can be shared by several. It adds the cases that need that, for
	// which the test binary starts itself again; its TestMain must call Main. Without it these cases are skipped.
	Process bool
	// Brief makes the cases use the amounts of -short, for a driver that the race detector slows down too much.
	Brief bool
}

// Run proves that the target keeps the contract of store.Driver. Every case is a subtest over an empty store of its own
// and quotes the rule that it found broken. With -short some cases use less data.
func Run(t *testing.T, target Target) {
	t.Helper()
	if target.Open == nil {
		t.Fatal("storetest: Target.Open is required")
	}
	open := func(t *testing.T) *trial {
		driver := target.Open(t, t.TempDir())
		return &trial{T: t, store: driver, driver: driver, kind: durable, now: epoch, brief: target.Brief}
	}
	openEphemeral := func(t *testing.T) *trial {
		c := open(t)
		c.kind = ephemeral
		return c
	}
	runSerially(t, "size", sizeCases(), open) // measures time: nothing of ours may run beside it
	run(t, "record", recordCases(), open)
	run(t, "ephemeral", recordCases(), openEphemeral)
	run(t, "atomic", atomicCases(), open)
	run(t, "key", keyCases(), open)
	run(t, "list", listCases(), open)
	run(t, "purge", purgeCases(), open)
	run(t, "race", raceCases(), open)
	runProcesses(t, target)
}

// Ephemeral proves that what open returns keeps the contract of store.Ephemeral. Each call of open must return an empty
// store, and close it with tb.Cleanup.
func Ephemeral(t *testing.T, open func(tb testing.TB) store.Ephemeral) {
	t.Helper()
	run(t, "ephemeral", recordCases(), func(t *testing.T) *trial {
		return &trial{T: t, store: open(t), kind: ephemeral, now: epoch}
	})
}

// testCase is a rule of the contract and the proof that a store keeps it.
type testCase struct {
	name, rule string
	run        func(*trial)
}

func run(t *testing.T, group string, cases []testCase, open func(*testing.T) *trial) {
	t.Helper()
	t.Run(group, func(t *testing.T) {
		for _, tc := range cases {
			t.Run(tc.name, func(t *testing.T) {
				t.Parallel()
				tc.try(open(t))
			})
		}
	})
}

func runSerially(t *testing.T, group string, cases []testCase, open func(*testing.T) *trial) {
	t.Helper()
	t.Run(group, func(t *testing.T) {
		for _, tc := range cases {
			t.Run(tc.name, func(t *testing.T) { tc.try(open(t)) })
		}
	})
}

func (tc testCase) try(c *trial) {
	c.rule = tc.rule
	tc.run(c)
}

var (
	// durable is a kind with everything; other is another one.
	durable = store.Kind{Name: "storetest.durable"}
	other   = store.Kind{Name: "storetest.other-kind.2"}
	// ephemeral is a kind without keys and index.
	ephemeral = store.Kind{Name: "storetest.ephemeral", Ephemeral: true}
	// epoch is the time at which every case begins. It lies far from the machine's clock, which must not matter.
	epoch = time.Date(2044, 2, 29, 13, 14, 15, 123_456_000, time.UTC)
)

// trial is one case at work on one store.
type trial struct {
	*testing.T
	rule   string
	store  store.Ephemeral
	driver store.Driver // nil when an Ephemeral is on trial
	kind   store.Kind
	now    time.Time
	brief  bool
}

// broken reports what the store did and the rule that this breaks.
func (c *trial) broken(format string, args ...any) {
	c.Helper()
	c.Errorf("%s\n\tThe contract: %s", fmt.Sprintf(format, args...), c.rule)
}

// stop is broken for what leaves nothing to go on with.
func (c *trial) stop(format string, args ...any) {
	c.Helper()
	c.Fatalf("%s\n\tThe contract: %s", fmt.Sprintf(format, args...), c.rule)
}

// record returns a record of the trial's kind in the root organization.
func (c *trial) record(id string) store.Record {
	return store.Record{Kind: c.kind, ID: id, Schema: 1, Body: fmt.Appendf(nil, `{"id":%q}`, id)}
}

// ref names a record in the root organization.
func ref(id string) store.Ref { return store.Ref{ID: id} }

// apply does what must succeed.
func (c *trial) apply(ops ...store.Op) []store.Result {
	c.Helper()
	results, err := c.store.Apply(c.Context(), c.now, ops...)
	if err != nil {
		c.stop("a step whose conditions hold failed: %v", err)
	}
	if len(results) != len(ops) {
		c.stop("%d operations returned %d results", len(ops), len(results))
	}
	return results
}

// write does one operation that must succeed.
func (c *trial) write(op store.Op) store.Result {
	c.Helper()
	return c.apply(op)[0]
}

// refuse does what must fail with the conflict, of whose fields all must be as wanted.
func (c *trial) refuse(want store.Conflict, ops ...store.Op) {
	c.Helper()
	_, err := c.store.Apply(c.Context(), c.now, ops...)
	got, ok := errors.AsType[*store.Conflict](err)
	switch {
	case err == nil:
		c.broken("a step succeeded that must end in a conflict (%s)", want.Reason)
	case !ok:
		c.broken("a step must end in a *store.Conflict (%s), but returned: %v", want.Reason, err)
	case *got != want:
		c.broken("conflict is %+v, must be %+v", *got, want)
	}
}

// conflict returns what refuse wants for a record in the root organization that is itself the cause.
func (c *trial) conflict(reason store.Reason, id string) store.Conflict {
	return store.Conflict{Reason: reason, Kind: c.kind, Ref: ref(id)}
}

// get returns a record that must be there.
func (c *trial) get(r store.Ref) store.Record {
	c.Helper()
	got, err := c.store.Get(c.Context(), c.now, c.kind, r.Org, r.ID)
	if err != nil {
		c.stop("Get of %q in %q: %v", r.ID, r.Org, err)
	}
	return got
}

// absent demands that a record not be there.
func (c *trial) absent(r store.Ref) {
	c.Helper()
	if got, err := c.store.Get(c.Context(), c.now, c.kind, r.Org, r.ID); !errors.Is(err, store.ErrNotFound) {
		c.broken("Get of %q in %q must return ErrNotFound, but returned version %d, error %v", r.ID, r.Org, got.Version, err)
	}
}

// unchanged demands that a record read before stand as it was.
func (c *trial) unchanged(before store.Record) {
	c.Helper()
	if now := c.get(before.Ref()); !same(now, before) {
		c.broken("record %q changed from %+v to %+v", before.ID, before, now)
	}
}

// same compares two records that were read.
func same(a, b store.Record) bool {
	return a.Kind == b.Kind && a.Ref() == b.Ref() && a.Version == b.Version && a.Expires.Equal(b.Expires) &&
		a.Schema == b.Schema && a.Count == b.Count && string(a.Body) == string(b.Body)
}

// lookup returns the id of the record that holds a key, "" when there is none.
func (c *trial) lookup(org string, key store.Key) string {
	c.Helper()
	got, err := c.driver.Lookup(c.Context(), c.now, c.kind, org, key)
	if errors.Is(err, store.ErrNotFound) {
		return ""
	}
	if err != nil {
		c.stop("Lookup of %+v in %q: %v", key, org, err)
	}
	return got.ID
}

// list returns all pages of a query as one, and fails unless the driver serves it.
func (c *trial) list(q store.Query) []store.Record {
	c.Helper()
	all, err := c.walk(q)
	if err != nil {
		c.stop("%s: %v", describe(q), err)
	}
	return all
}

// walk goes through all pages of a query. It is bounded, for drivers whose cursors do not move.
func (c *trial) walk(q store.Query) ([]store.Record, error) {
	c.Helper()
	q.Kind = c.kind
	limit := q.Limit
	if limit == 0 {
		limit = 100
	}
	var all []store.Record
	for range 10_000 {
		page, err := c.driver.List(context.Background(), c.now, q)
		if err != nil {
			return nil, err
		}
		if len(page.Records) > limit {
			c.stop("a page of %d records, where the limit is %d", len(page.Records), limit)
		}
		all = append(all, page.Records...)
		if page.Next == "" {
			return all, nil
		}
		q.After = page.Next
	}
	c.stop("%s does not come to an end", describe(q))
	return nil, nil
}

func ids(records []store.Record) []string {
	list := make([]string, len(records))
	for i, r := range records {
		list[i] = r.ID
	}
	return list
}

// size chooses between the whole amount of data and that under -short.
func (c *trial) size(whole, short int) int {
	if c.brief || testing.Short() {
		return short
	}
	return whole
}
