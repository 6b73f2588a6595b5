package sqlstore

import (
	"context"
	"time"

	"github.com/signet-idp/signet/store"
)

// Apply implements store.Driver.
func (d *Driver) Apply(ctx context.Context, now time.Time, ops ...store.Op) ([]store.Result, error) {
	if err := store.ValidateOps(ops); err != nil {
		return nil, err
	}
	if err := d.dialect.fits(ops); err != nil {
		return nil, err
	}
	plans := make([]plan, len(ops))
	for i := range ops {
		plans[i] = newPlan(d.dialect, &ops[i])
	}
	results := make([]store.Result, len(ops))
	err := d.within(ctx, func(ctx context.Context) error { return d.engine.apply(ctx, now.UnixMicro(), plans, results) })
	if err != nil {
		return nil, d.explain(err)
	}
	return results, nil
}

// Purge implements store.Driver. It works in portions, so that nobody waits long behind it.
func (d *Driver) Purge(ctx context.Context, now time.Time, limit int) (int, error) {
	const portion = 200
	total := 0
	for total < limit {
		want := min(portion, limit-total)
		removed := 0
		err := d.within(ctx, func(ctx context.Context) (err error) {
			removed, err = d.engine.purge(ctx, now.UnixMicro(), want)
			return err
		})
		if err != nil {
			return total, d.explain(err)
		}
		if total += removed; removed < want {
			break
		}
	}
	return total, nil
}

// plan is an operation with everything worked out that needs no database.
type plan struct {
	// at is the number of the operation, where plans are not in its order.
	at      int
	op      *store.Op
	expires int64
	names   names
	// keys and entries are the new names, still to be written once the old ones are out of the way.
	keys    []store.Key
	entries []entry
}

func newPlan(dialect *Dialect, op *store.Op) plan {
	p := plan{op: op, expires: toMicros(op.Record.Expires)}
	switch op.Verb {
	case store.VerbInsert, store.VerbReplace:
		p.names = newNames(dialect, &op.Record)
	case store.VerbAdd:
		p.names = newNames(dialect, &store.Record{Kind: op.Record.Kind})
	}
	return p
}

// conflict says which condition of the i-th operation did not hold.
func (p *plan) conflict(i int, reason store.Reason, key store.Key) error {
	return &store.Conflict{Op: i, Reason: reason, Kind: p.op.Record.Kind, Ref: p.op.Record.Ref(), Key: key}
}

// state is what stands in the place of a record, expired or not. Version zero is nothing.
type state struct {
	version, expires, count int64
	digest                  []byte
}

func (s state) standsAt(now int64) bool { return s.version != 0 && s.expires > now }

// orNull stores nothing as NULL: an empty blob does not survive every driver.
func orNull(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}
