package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
)

// Placement says where durable and ephemeral kinds live. Its fields go into store.Config as they are.
type Placement struct {
	// Name is "together" or "apart".
	Name string
	// Driver keeps durable kinds; together, ephemeral ones too.
	Driver store.Driver
	// Ephemeral keeps ephemeral kinds apart; nil when they live in the Driver.
	Ephemeral store.Ephemeral
}

// Placements runs test twice, each time as a subtest over empty stores in memory: together, with one Driver for
// everything, and apart, with a separate Ephemeral. Apart, each store refuses the kinds of the other and the Ephemeral
// refuses more than one Op, so that a mix-up is seen. The subtests are not parallel unless test makes them so.
func Placements(t *testing.T, test func(t *testing.T, p Placement)) {
	t.Helper()
	t.Run("together", func(t *testing.T) {
		test(t, Placement{Name: "together", Driver: memory.New()})
	})
	t.Run("apart", func(t *testing.T) {
		test(t, Placement{Name: "apart", Driver: &durableOnly{memory.New()}, Ephemeral: &ephemeralOnly{memory.New()}})
	})
}

// durableOnly is a Driver beside a separate Ephemeral.
type durableOnly struct {
	store.Driver
}

func (d *durableOnly) Get(ctx context.Context, now time.Time, kind store.Kind, org, id string) (store.Record, error) {
	if kind.Ephemeral {
		return store.Record{}, fmt.Errorf("%w: storetest: ephemeral kind %s reached the durable store", store.ErrInvalid, kind)
	}
	return d.Driver.Get(ctx, now, kind, org, id)
}

func (d *durableOnly) Apply(ctx context.Context, now time.Time, ops ...store.Op) ([]store.Result, error) {
	for _, op := range ops {
		if kind := op.Record.Kind; kind.Ephemeral {
			return nil, fmt.Errorf("%w: storetest: ephemeral kind %s reached the durable store", store.ErrInvalid, kind)
		}
	}
	return d.Driver.Apply(ctx, now, ops...)
}

// ephemeralOnly is an Ephemeral that knows no more than the contract gives it.
type ephemeralOnly struct {
	ephemeral store.Ephemeral
}

func (e *ephemeralOnly) Get(ctx context.Context, now time.Time, kind store.Kind, org, id string) (store.Record, error) {
	if !kind.Ephemeral {
		return store.Record{}, fmt.Errorf("%w: storetest: durable kind %s reached the ephemeral store", store.ErrInvalid, kind)
	}
	return e.ephemeral.Get(ctx, now, kind, org, id)
}

func (e *ephemeralOnly) Apply(ctx context.Context, now time.Time, ops ...store.Op) ([]store.Result, error) {
	if len(ops) != 1 {
		return nil, fmt.Errorf("%w: storetest: an ephemeral store takes one operation, not %d", store.ErrInvalid, len(ops))
	}
	if kind := ops[0].Record.Kind; !kind.Ephemeral {
		return nil, fmt.Errorf("%w: storetest: durable kind %s reached the ephemeral store", store.ErrInvalid, kind)
	}
	return e.ephemeral.Apply(ctx, now, ops...)
}
