package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"

	"github.com/signet-idp/signet/store"
)

// place names a record.
type place struct{ kind, org, id string }

func (p *plan) place() place { return place{p.op.Record.Kind.Name, p.op.Record.Org, p.op.Record.ID} }

// image is what a step is about, as it stands in the database: its records and the holders of its unique keys. Judging a
// step changes the image as the step would change the database.
type image struct {
	records map[place]state
	// holders have an entry for every key of the step that is held.
	holders map[held]place
}

// held is a unique key of a kind.
type held struct{ kind, hash string }

// standing is a call that reads what stands in the place of a record.
func (s *server) standing(im *image, text string, p *plan) Call {
	return Call{Text: text, Args: s.place(&p.op.Record), Row: func(scan func(...any) error) error {
		var have state
		err := scan(&have.version, &have.expires, &have.count, &have.digest)
		im.records[p.place()] = have
		return err
	}}
}

// holder is a call that reads who holds a unique key.
func (s *server) holder(im *image, text string, h held) Call {
	return Call{Text: text, Args: []any{h.kind, []byte(h.hash)}, Row: func(scan func(...any) error) error {
		by := place{kind: h.kind}
		have := state{version: 1} // not known, and not needed: only records of the step are asked for theirs
		err := scan(&by.org, &by.id, &have.expires, &have.digest)
		im.holders[h] = by
		if _, ok := im.records[by]; !ok {
			im.records[by] = have
		}
		return err
	}}
}

// reads are the calls that read the image of a step, records before keys and each in their order.
func (s *server) reads(im *image, order []*plan, locked bool) []Call {
	im.records, im.holders = map[place]state{}, map[held]place{}
	var calls []Call
	keys := map[held]bool{}
	for _, p := range order {
		text := s.sql.State
		switch {
		case locked && p.op.Verb == store.VerbCheck:
			text = s.more.LockShared
		case locked:
			text = s.more.Lock
		}
		calls = append(calls, s.standing(im, text, p))
		for _, key := range p.op.Record.Keys {
			keys[held{p.op.Record.Kind.Name, string(hash(p.op.Record.Org, key))}] = true
		}
	}
	text := s.more.Holder
	if locked {
		text = s.more.LockHolder
	}
	for _, h := range slices.SortedFunc(maps.Keys(keys), func(a, b held) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.hash, b.hash))
	}) {
		calls = append(calls, s.holder(im, text, h))
	}
	return calls
}

// conflict rolls back what was tried in vain, reads what is in the way, and returns it if it is a conflict.
func (s *server) conflict(ctx context.Context, conn *sql.Conn, now int64, plans []plan, order []*plan) error {
	var im image
	calls := append([]Call{{Text: s.sql.Rollback}}, s.reads(&im, order, false)...)
	if err := s.trip(ctx, conn, calls); err != nil {
		s.rollback(ctx, conn)
		return err
	}
	_, err := im.judge(now, plans)
	return err
}

// care locks and reads what the step is about, judges, and writes.
func (s *server) care(ctx context.Context, conn *sql.Conn, now, version int64, plans []plan, order []*plan, results []store.Result) error {
	var im image
	calls := append(s.begin(), s.reads(&im, order, true)...)
	if err := s.trip(ctx, conn, calls); err != nil {
		s.rollback(ctx, conn)
		return err
	}
	steps, err := im.judge(now, plans)
	if err != nil {
		s.rollback(ctx, conn)
		return err
	}
	var learned []string
	calls = nil
	if len(steps.gone)+len(steps.puts) > 0 {
		learned = s.learn(&calls, order)
	}
	calls = s.removals(calls, steps.gone)
	var keys, entries []any
	for _, p := range order {
		result := &results[p.at]
		put, written := steps.puts[p.at]
		*result = store.Result{Version: version}
		r := &p.op.Record
		switch p.op.Verb {
		case store.VerbDelete:
			result.Version = 0
			continue
		case store.VerbCheck:
			result.Version = r.Version
			continue
		}
		if !written {
			continue
		}
		switch p.op.Verb {
		case store.VerbAdd:
			result.Count = put.count
			if !put.fresh {
				calls = append(calls, Call{Text: s.sql.UpdateCount, Args: append([]any{version, put.count}, s.place(r)...)})
				continue
			}
		case store.VerbReplace:
			args := []any{version, p.expires, int64(r.Schema), orNull(p.names.digest), orNull(r.Body)}
			calls = append(calls,
				Call{Text: s.sql.UpdateRecord, Args: append(args, s.place(r)...)},
				Call{Text: s.sql.DeleteKeys, Args: s.place(r)},
				Call{Text: s.sql.DeleteEntries, Args: s.place(r)})
		}
		if put.fresh {
			calls = append(calls, Call{Text: s.more.InsertRecord, Args: append(s.place(r), version, p.expires, int64(r.Schema), put.count,
				orNull(p.names.digest), orNull(r.Body))})
		}
		if p.op.Verb != store.VerbAdd {
			keys, entries = s.names(p, r.Keys, keys, entries)
		}
	}
	if len(calls) == 0 {
		s.rollback(ctx, conn)
		return nil
	}
	err = s.write(ctx, conn, s.insertNames(calls, keys, entries), learned)
	if err != nil && s.dialect.Fault(err) == Unmet {
		s.rollback(ctx, conn)
	}
	return err
}

// outcome is what a step comes to.
type outcome struct {
	plans []plan
	// gone are records to remove with their names before anything is written.
	gone []place
	// puts say how an operation is written, by its number; a later one may have undone it.
	puts map[int]put
}

// put is how an operation is written: over the record that is there, or as a fresh one.
type put struct {
	fresh bool
	count int64
}

// judge goes through the operations in the order of the caller: a later one sees what an earlier one did.
func (im *image) judge(now int64, plans []plan) (outcome, error) {
	o := outcome{plans: plans, puts: map[int]put{}}
	for i := range plans {
		p := &plans[i]
		at := p.place()
		have := im.records[at]
		switch {
		case p.op.Verb == store.VerbAdd && have.standsAt(now):
			have.count += p.op.Delta
			im.records[at] = have
			o.puts[i] = put{count: have.count}
			continue
		case p.op.Verb == store.VerbAdd:
			im.remove(&o, at)
			im.records[at] = state{version: 1, expires: p.expires, count: p.op.Delta}
			o.puts[i] = put{fresh: true, count: p.op.Delta}
			continue
		case p.op.Verb == store.VerbInsert && have.standsAt(now):
			return o, p.conflict(i, store.Exists, store.Key{})
		case p.op.Verb == store.VerbInsert:
			im.remove(&o, at)
			o.puts[i] = put{fresh: true}
		case !have.standsAt(now):
			return o, p.conflict(i, store.Absent, store.Key{})
		case have.version != p.op.Record.Version:
			return o, p.conflict(i, store.Version, store.Key{})
		case p.op.Verb == store.VerbDelete:
			im.remove(&o, at)
			continue
		case p.op.Verb == store.VerbCheck:
			continue
		default:
			im.release(at)
			o.puts[i] = put{}
		}
		im.records[at] = state{version: 1, expires: p.expires}
		if err := im.claim(&o, now, i, p); err != nil {
			return o, err
		}
	}
	return o, nil
}

// claim takes the unique keys of an operation. Holders that have expired give way.
func (im *image) claim(o *outcome, now int64, i int, p *plan) error {
	at := p.place()
	for _, key := range p.op.Record.Keys {
		h := held{at.kind, string(hash(at.org, key))}
		by, ok := im.holders[h]
		switch {
		case !ok || by == at:
		case im.records[by].standsAt(now):
			return p.conflict(i, store.Exists, key)
		default:
			im.remove(o, by)
		}
		im.holders[h] = at
	}
	return nil
}

// remove takes a record away, if there is one, with its keys.
func (im *image) remove(o *outcome, at place) {
	if im.records[at].version == 0 {
		return
	}
	o.gone = append(o.gone, at)
	maps.DeleteFunc(o.puts, func(i int, _ put) bool { return o.plans[i].place() == at })
	im.records[at] = state{}
	im.release(at)
}

// release frees the keys that a record holds.
func (im *image) release(at place) {
	maps.DeleteFunc(im.holders, func(_ held, by place) bool { return by == at })
}
