package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Batch is one atomic step of several operations: any number on durable kinds, at most one on an ephemeral kind. It is
// made by DB.Batch, filled by Collections, and done by Apply, once. It is not safe for concurrent use.
type Batch struct {
	db    *DB
	items []item
	// outdated are the places of cached kinds that the batch writes to.
	outdated []place
	then     []func()
	err      error
	done     bool
}

// item is an operation with what is told of its Result; either may be nil.
type item struct {
	op    Op
	meta  *Meta  // whose version moves
	count *int64 // what an Add has counted
}

// Batch returns an empty batch.
func (db *DB) Batch() *Batch { return &Batch{db: db} }

// Add adds delta to a counter (see Add) and returns where its new value is found once the batch is applied.
func (b *Batch) Add(kind Kind, ref Ref, delta int64, expires time.Time) *int64 {
	count := new(int64)
	b.append(item{op: Add(kind, ref, delta, expires), count: count})
	return count
}

// Check demands that the record stand unchanged at version.
func (b *Batch) Check(kind Kind, ref Ref, version int64) {
	b.append(item{op: Check(kind, ref, version)})
}

// Len is the number of operations so far.
func (b *Batch) Len() int { return len(b.items) }

// Now is the time by which the batch will be judged, for values that are being written.
func (b *Batch) Now() time.Time { return b.db.Now() }

// outdate moves a generation with the batch, once whatever is written.
func (b *Batch) outdate(p place) {
	if !slices.Contains(b.outdated, p) {
		b.outdated = append(b.outdated, p)
	}
}

// Then has fn run once the batch stands, on the goroutine of Apply and before it returns; also when whether it stands is not known
// (ErrUncertain). It is for hastening what happens anyway, such as waking who waits for what was written: a process may end before it.
func (b *Batch) Then(fn func()) { b.then = append(b.then, fn) }

func (b *Batch) append(i item) {
	if b.items == nil {
		b.items = make([]item, 0, 2) // most batches have one or two
	}
	b.items = append(b.items, i)
}

func (b *Batch) write(verb Verb, m *Meta, encode func() (Record, error)) {
	r, err := encode()
	if err != nil {
		b.err = errors.Join(b.err, err)
		return
	}
	b.append(item{op: Op{Verb: verb, Record: r}, meta: m})
}

// Apply does the whole batch, or nothing of it, and moves the versions of the values that were written. The error of a
// condition that did not hold is a *Conflict whose Op counts the operations of this batch. An empty batch does nothing.
//
// Where ephemeral kinds live apart, the durable operations go first; if the ephemeral one then fails, the error is
// returned although the durable ones stand, and repeating the request completes the step.
func (b *Batch) Apply(ctx context.Context) error {
	if b.done {
		b.err = errors.Join(b.err, fmt.Errorf("%w: a batch is applied once", ErrInvalid))
	}
	if b.err != nil {
		return b.err
	}
	b.done = true
	defer b.announce(ctx)
	err := b.applyAll(ctx)
	if err == nil || errors.Is(err, ErrUncertain) {
		for _, fn := range b.then {
			fn()
		}
	}
	return err
}

// applyAll does the durable operations and then the ephemeral one, or all at once.
func (b *Batch) applyAll(ctx context.Context) error {
	for _, p := range b.outdated { // last, so that the others keep their places
		b.Add(generationKind, Ref{Org: p.org, ID: p.kind}, 1, time.Time{})
	}
	durable, ephemeral := b.split()
	if len(ephemeral) > 1 {
		return fmt.Errorf("%w: a batch takes at most one operation on an ephemeral kind", ErrInvalid)
	}
	if b.db.config.Ephemeral == nil {
		durable, ephemeral = append(durable, ephemeral...), nil
	}
	if err := b.apply(ctx, b.db.config.Driver, durable); err != nil {
		return err
	}
	return b.apply(ctx, b.db.config.Ephemeral, ephemeral)
}

// announce tells this node, and others if there is a way, that what they remember may be old. It does so whatever became of the
// batch: an outcome may be uncertain, and looking once more costs little.
func (b *Batch) announce(ctx context.Context) {
	for _, p := range b.outdated {
		b.db.generations.doubt(p)
		if n := b.db.notifier(); n != nil {
			_ = n.Notify(context.WithoutCancel(ctx), p.topic()) // within Staleness everybody finds out anyway
		}
	}
}

// split returns the indexes of the durable and of the ephemeral operations.
func (b *Batch) split() (durable, ephemeral []int) {
	for i := range b.items {
		if b.items[i].op.Record.Kind.Ephemeral {
			ephemeral = append(ephemeral, i)
		} else {
			durable = append(durable, i)
		}
	}
	return durable, ephemeral
}

func (b *Batch) apply(ctx context.Context, where Ephemeral, indexes []int) error {
	if len(indexes) == 0 {
		return nil
	}
	ops := make([]Op, len(indexes))
	for i, index := range indexes {
		ops[i] = b.items[index].op
	}
	results, err := where.Apply(ctx, b.db.Now(), ops...)
	if err != nil {
		return renumber(err, indexes)
	}
	for i, index := range indexes {
		if m := b.items[index].meta; m != nil {
			m.Version = results[i].Version
		}
		if count := b.items[index].count; count != nil {
			*count = results[i].Count
		}
	}
	return nil
}

// renumber makes Conflict.Op count the operations of the batch.
func renumber(err error, indexes []int) error {
	c, ok := errors.AsType[*Conflict](err)
	if !ok || c.Op < 0 || c.Op >= len(indexes) {
		return err
	}
	moved := *c
	moved.Op = indexes[c.Op]
	return &moved
}
