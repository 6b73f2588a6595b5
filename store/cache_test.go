package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/storetest"
)

// Label is of a cached kind.
type Label struct {
	store.Meta
	Text string `json:"text"`
}

// labels is a node: a DB of its own over what all share.
type labels struct {
	*store.DB
	all    *store.Collection[Label]
	cache  *store.Cache[string, string]
	reads  int
	faults *storetest.Faulty
}

// newNodes returns nodes that share a store and a clock.
func newNodes(t *testing.T, p storetest.Placement, clock *time.Time, many int, wrap func(store.Driver) store.Driver) []*labels {
	t.Helper()
	nodes := make([]*labels, many)
	for i := range nodes {
		faults := storetest.Faults(p.Driver)
		db, err := store.Open(store.Config{
			Driver: wrap(faults), Ephemeral: p.Ephemeral, Keys: newRing(t), Now: func() time.Time { return *clock },
		})
		if err != nil {
			t.Fatal(err)
		}
		all := store.NewCollection(db, store.Type[Label]{Kind: store.Kind{Name: "store.test.label"}, Cached: true})
		nodes[i] = &labels{DB: db, all: all, cache: store.NewCache[string, string](db, all), faults: faults}
	}
	return nodes
}

func (n *labels) text(ctx context.Context, org, id string) (string, error) {
	return n.cache.Get(ctx, org+"|"+id, func() (string, string, error) {
		n.reads++
		l, err := n.all.Get(ctx, store.Ref{Org: org, ID: id})
		if err != nil {
			return "", "", err
		}
		return l.Text, l.Org, nil
	})
}

func (n *labels) want(t *testing.T, org, id, text string) {
	t.Helper()
	if got, err := n.text(t.Context(), org, id); got != text || err != nil {
		t.Errorf("%s of %q is %q, %v; want %q", id, org, got, err, text)
	}
}

func (n *labels) write(t *testing.T, org, id, text string) {
	t.Helper()
	b := n.Batch()
	l, err := n.all.Get(t.Context(), store.Ref{Org: org, ID: id})
	if errors.Is(err, store.ErrNotFound) {
		n.all.Insert(b, &Label{Meta: store.Meta{Org: org, ID: id}, Text: text})
	} else if l.Text = text; err == nil {
		n.all.Replace(b, l)
	}
	if err := b.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func plain(d store.Driver) store.Driver { return d }

// A node knows at once what it has written itself, and within a second what another has; meanwhile it reads nothing.
func TestCache(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		clock := time.Date(2040, 1, 2, 3, 4, 5, 0, time.UTC)
		nodes := newNodes(t, p, &clock, 2, plain)
		one, two := nodes[0], nodes[1]
		one.write(t, "", "a", "first")
		one.write(t, "acme", "a", "other")
		for range 3 {
			one.want(t, "", "a", "first")
			two.want(t, "", "a", "first")
			two.want(t, "acme", "a", "other")
		}

		one.write(t, "", "a", "second")
		one.want(t, "", "a", "second")
		two.want(t, "", "a", "first")
		clock = clock.Add(store.Staleness - time.Microsecond)
		two.want(t, "", "a", "first")
		clock = clock.Add(time.Microsecond)
		before := two.reads
		two.want(t, "", "a", "second")
		two.want(t, "acme", "a", "other")
		if two.reads != before+1 {
			t.Errorf("%d reads after one change, want one: what was not written stays", two.reads-before)
		}

		one.want(t, "", "a", "second")
		b := two.Batch()
		l, err := two.all.Get(t.Context(), store.Ref{ID: "a"})
		if err != nil {
			t.Fatal(err)
		}
		two.all.Delete(b, l)
		apply(t, b)
		if _, err := two.text(t.Context(), "", "a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("deleted: %v", err)
		}
		one.want(t, "", "a", "second")
		clock = clock.Add(store.Staleness)
		if _, err := one.text(t.Context(), "", "a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("deleted by another: %v", err)
		}
	})
}

// Once a second a node reads one small record for all values of a kind, however many it remembers.
func TestCacheComparesOnce(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		clock := time.Date(2040, 1, 2, 3, 4, 5, 0, time.UTC)
		node := newNodes(t, p, &clock, 1, plain)[0]
		ids := []string{"a", "b", "c", "d"}
		for _, id := range ids {
			node.write(t, "", id, id)
		}
		for range 2 { // what a node has just written it reads twice
			for _, id := range ids {
				node.want(t, "", id, id)
			}
			clock = clock.Add(store.Staleness)
		}
		for range 3 {
			clock = clock.Add(store.Staleness)
			node.faults.Forget()
			for _, id := range ids {
				node.want(t, "", id, id)
			}
			if calls := node.faults.Calls(); len(calls) != 1 {
				t.Errorf("%d calls for %d values, want one: %v", len(calls), len(ids), calls)
			}
		}
		clock = clock.Add(-time.Hour) // the age of what is remembered is unknown now
		node.faults.Forget()
		if node.want(t, "", "a", "a"); len(node.faults.Calls()) != 1 {
			t.Errorf("after the clock went back: %v", node.faults.Calls())
		}
	})
}

// A value that changes while it is read is not remembered as the newer one.
func TestCacheReadsDuringWrite(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		clock := time.Date(2040, 1, 2, 3, 4, 5, 0, time.UTC)
		nodes := newNodes(t, p, &clock, 2, plain)
		one, two := nodes[0], nodes[1]
		for _, known := range []bool{false, true} {
			one.write(t, "", "a", "old")
			if known {
				two.want(t, "", "a", "old")
				clock = clock.Add(store.Staleness)
			}
			read := 0
			_, err := two.cache.Get(t.Context(), "slow", func() (string, string, error) {
				l, err := two.all.Get(t.Context(), store.Ref{ID: "a"})
				if read++; read == 1 {
					one.write(t, "", "a", "new")
				}
				return l.Text, l.Org, err
			})
			if err != nil {
				t.Fatal(err)
			}
			clock = clock.Add(store.Staleness)
			got, err := two.cache.Get(t.Context(), "slow", func() (string, string, error) {
				l, err := two.all.Get(t.Context(), store.Ref{ID: "a"})
				return l.Text, l.Org, err
			})
			if got != "new" || err != nil {
				t.Errorf("known %t: %q, %v", known, got, err)
			}
		}
	})
}

// A store that fails is not hidden by what is remembered, and what failed is not remembered.
func TestCacheFails(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		clock := time.Date(2040, 1, 2, 3, 4, 5, 0, time.UTC)
		node := newNodes(t, p, &clock, 1, plain)[0]
		node.write(t, "", "a", "text")
		for call := 1; call <= 3; call++ { // the value, the generation, the value again
			fresh := newNodes(t, p, &clock, 1, plain)[0]
			fresh.faults.FailCall(call, nil)
			if got, err := fresh.text(t.Context(), "", "a"); !errors.Is(err, storetest.ErrInjected) || got != "" {
				t.Errorf("call %d fails: %q, %v", call, got, err)
			}
			fresh.faults.Heal()
			fresh.want(t, "", "a", "text")
		}
		node.want(t, "", "a", "text")
		clock = clock.Add(store.Staleness)
		node.faults.FailAll(nil)
		if _, err := node.text(t.Context(), "", "a"); !errors.Is(err, storetest.ErrInjected) {
			t.Errorf("the generation cannot be compared: %v", err)
		}
		node.faults.Heal()
		node.want(t, "", "a", "text")
	})
}

// notifying is a Driver that carries messages between nodes.
type notifying struct {
	store.Driver
	sent  chan string
	heard chan string
}

func (n *notifying) Notify(_ context.Context, topic string) error {
	n.sent <- topic
	return nil
}

func (n *notifying) Listen(ctx context.Context, heard func(string)) error {
	for {
		select {
		case topic := <-n.heard:
			heard(topic)
			n.heard <- "" // taken
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// With a Notifier a node knows at once what another has written.
func TestCacheIsHastened(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		clock := time.Date(2040, 1, 2, 3, 4, 5, 0, time.UTC)
		sent, heard := make(chan string, 10), make(chan string)
		nodes := newNodes(t, p, &clock, 2, func(d store.Driver) store.Driver { return &notifying{d, sent, heard} })
		one, two := nodes[0], nodes[1]
		one.write(t, "acme/x", "a", "first")
		<-sent
		two.want(t, "acme/x", "a", "first")

		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- two.Listen(ctx) }()
		for _, lost := range []bool{false, true} {
			text := map[bool]string{false: "second", true: "third"}[lost]
			one.write(t, "acme/x", "a", text)
			topic := <-sent
			if lost {
				topic = "" // the connection was gone, and is back
			}
			heard <- topic
			<-heard
			two.want(t, "acme/x", "a", text)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Listen = %v", err)
		}
	})
}

// Without a Notifier there is nothing to hear.
func TestListenWithoutNotifier(t *testing.T) {
	t.Parallel()
	clock := time.Now()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := newNodes(t, p, &clock, 1, plain)[0].Listen(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Listen = %v", err)
		}
	})
}
