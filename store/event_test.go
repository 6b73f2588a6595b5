package store_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/storetest"
)

func withConsumers(c *store.Config) {
	c.Consumers = []store.Consumer{{Name: "audit"}, {Name: "mail", Types: []string{"user.created", "user.deleted"}}}
}

// emit makes events true, each in a step of its own.
func (b *bench) emit(t *testing.T, types ...string) {
	t.Helper()
	for _, typ := range types {
		batch := b.Batch()
		batch.Event(store.Event{Type: typ, Subject: "ann", Data: []byte(`{"n":1}`)})
		apply(t, batch)
	}
}

func (b *bench) claim(t *testing.T, consumer string, lease time.Duration, limit int) []*store.Claimed {
	t.Helper()
	claimed, err := b.Claim(t.Context(), consumer, lease, limit)
	if err != nil {
		t.Fatal(err)
	}
	return claimed
}

func typesOf(claimed []*store.Claimed) (types []string) {
	for _, c := range claimed {
		types = append(types, c.Event.Type)
	}
	slices.Sort(types)
	return types
}

func TestEvents(t *testing.T) {
	t.Parallel()
	b := together(t, withConsumers)
	n := note("1", "one")
	batch := b.Batch()
	b.notes.Insert(batch, n)
	batch.Event(store.Event{Meta: store.Meta{Org: "acme", ID: "chosen"}, Type: "note.written", Subject: "ann"})
	if batch.Len() != 3 {
		t.Errorf("%d operations, want the note, the event and one delivery", batch.Len())
	}
	apply(t, batch)
	b.advance(time.Second)
	b.emit(t, "user.created")

	page, err := b.Events(t.Context(), store.Query{Within: store.Subtree})
	if err != nil || len(page.Items) != 2 {
		t.Fatalf("Events = %v, %v", page.Items, err)
	}
	e := page.Items[0]
	if e.Type != "note.written" || e.Org != "acme" || e.ID == "chosen" || !e.Time.Equal(b.Now().Add(-time.Second)) {
		t.Errorf("the first event is %+v", e)
	}
	for _, filter := range []store.Filter{
		store.Equals("type", store.Text("note.written")),
		store.Compare{Field: "time", Operator: store.Lt, Value: store.Time(b.Now())},
		store.And{store.Equals("subject", store.Text("ann")), store.Equals("type", store.Text("note.written"))},
	} {
		page, err := b.Events(t.Context(), store.Query{Within: store.Subtree, Filter: filter})
		if err != nil || len(page.Items) != 1 || page.Items[0].Type != "note.written" {
			t.Errorf("%v: %v, %v", filter, page.Items, err)
		}
	}

	// What is not done is not told.
	batch = b.Batch()
	b.notes.Insert(batch, note("1", "again"))
	batch.Event(store.Event{Type: "note.written"})
	wantConflict(t, batch.Apply(t.Context()), 0, store.Exists)
	batch = b.Batch()
	batch.Event(store.Event{Type: "note.written", Data: []byte("{")})
	if err := batch.Apply(t.Context()); err == nil {
		t.Error("data that is not JSON was written")
	}
	if claimed := b.claim(t, "audit", time.Minute, 100); len(claimed) != 2 {
		t.Errorf("%d deliveries of 2 events", len(claimed))
	}
	b.advance(90 * 24 * time.Hour)
	if page, err := b.Events(t.Context(), store.Query{Within: store.Subtree}); err != nil || len(page.Items) != 0 {
		t.Errorf("after 90 days: %v, %v", page.Items, err)
	}
}

func TestClaim(t *testing.T) {
	t.Parallel()
	b, ctx := together(t, withConsumers), t.Context()
	b.emit(t, "user.created", "note.written", "user.deleted")
	if got := typesOf(b.claim(t, "audit", time.Minute, 100)); len(got) != 3 {
		t.Errorf("audit got %v", got)
	}
	mails := b.claim(t, "mail", time.Minute, 100)
	if got := typesOf(mails); !slices.Equal(got, []string{"user.created", "user.deleted"}) {
		t.Errorf("mail got %v", got)
	}
	if got := b.claim(t, "mail", time.Minute, 100); len(got) != 0 {
		t.Errorf("what is leased was claimed again: %v", typesOf(got))
	}
	if got := b.claim(t, "nobody", time.Minute, 100); len(got) != 0 {
		t.Errorf("a consumer that is none got %v", typesOf(got))
	}
	is(t, "done", b.Done(ctx, mails[0]), nil)
	is(t, "fail", b.Fail(ctx, mails[1], "server is down", b.Now().Add(time.Hour)), nil)
	b.advance(time.Hour - time.Second)
	if got := b.claim(t, "mail", time.Minute, 100); len(got) != 0 {
		t.Errorf("claimed before its time: %v", typesOf(got))
	}
	b.advance(time.Second)
	again := b.claim(t, "mail", time.Minute, 100)
	if len(again) != 1 || again[0].Attempts() != 2 || again[0].Event.Type != mails[1].Event.Type || string(again[0].Event.Data) != `{"n":1}` {
		t.Fatalf("claimed again: %v", typesOf(again))
	}
	b.advance(time.Minute)
	late := again[0]
	again = b.claim(t, "mail", time.Minute, 100)
	if len(again) != 1 || again[0].Attempts() != 3 {
		t.Fatalf("an unfinished delivery is not due after its lease: %v", typesOf(again))
	}
	if _, conflict := errors.AsType[*store.Conflict](b.Done(ctx, late)); !conflict {
		t.Error("a node whose lease had ended finished what another holds")
	}
	is(t, "done", b.Done(ctx, again[0]), nil)
}

func TestDeliveryDies(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(b *bench, c *store.Claimed) error{
		"failing":         func(b *bench, c *store.Claimed) error { return b.Fail(t.Context(), c, "no", b.Now()) },
		"never answering": func(b *bench, _ *store.Claimed) error { return nil },
		"failing at times": func(b *bench, c *store.Claimed) error {
			if c.Attempts()%2 == 0 {
				return nil
			}
			return b.Fail(t.Context(), c, "no", b.Now())
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := together(t, withConsumers)
			b.emit(t, "note.written")
			tries := 0
			for range 2 * store.MaxAttempts {
				for _, c := range b.claim(t, "audit", time.Minute, 100) {
					tries++
					is(t, "end", end(b, c), nil)
				}
				b.advance(time.Minute)
			}
			if tries != store.MaxAttempts {
				t.Errorf("tried %d times, want %d", tries, store.MaxAttempts)
			}
		})
	}
}

func TestDeliveryOutlivesEvent(t *testing.T) {
	t.Parallel()
	b := together(t, withConsumers, func(c *store.Config) { c.EventRetention = time.Hour })
	b.emit(t, "note.written")
	b.advance(time.Hour)
	b.emit(t, "user.created")
	met := false
	b.faults.Hook(func(c storetest.Call) error { // another node finds that nothing is left to tell, just before
		if c.Method == storetest.MethodApply && !met {
			met = true
			b.claim(t, "audit", time.Minute, 100)
		}
		return nil
	})
	if got := b.claim(t, "audit", time.Minute, 100); len(got) != 0 {
		t.Errorf("claimed %v, which the other node has", typesOf(got))
	}
	b.advance(time.Minute)
	if got := typesOf(b.claim(t, "audit", time.Minute, 100)); !slices.Equal(got, []string{"user.created"}) {
		t.Errorf("claimed %v", got)
	}
}

// TestClaimRace has many nodes claim at once: each delivery goes to one of them.
func TestClaimRace(t *testing.T) {
	t.Parallel()
	b := together(t, withConsumers)
	for i := range 60 {
		b.emit(t, fmt.Sprint("event.", i))
	}
	var mu sync.Mutex
	times := map[string]int{}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 10 {
				claimed, err := b.Claim(t.Context(), "audit", time.Minute, 10)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				for _, c := range claimed {
					times[c.Event.ID]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for id, n := range times {
		if n != 1 {
			t.Errorf("event %s was delivered %d times", id, n)
		}
	}
	if len(times) != 60 {
		t.Errorf("%d of 60 events were delivered", len(times))
	}
}

func TestClaimFaults(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 3; n++ { // list, event, lease
		b := together(t, withConsumers)
		b.emit(t, "note.written")
		b.faults.FailCall(n, nil)
		claimed, err := b.Claim(t.Context(), "audit", time.Minute, 100)
		is(t, fmt.Sprint("call ", n), err, storetest.ErrInjected)
		if len(claimed) != 0 {
			t.Errorf("call %d failed and something was claimed", n)
		}
		b.advance(time.Minute)
		if claimed := b.claim(t, "audit", time.Minute, 100); len(claimed) != 1 {
			t.Errorf("call %d failed and the delivery is lost", n)
		}
	}
}
