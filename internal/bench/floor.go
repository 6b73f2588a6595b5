package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/signet-idp/signet/store"
)

// floor replays a tape. For each request it
//
//   - reads the body of the request;
//   - makes the recorded reads of the store, and decodes what it gets; left out are those that may be cached, and of a record
//     that the same request has read before, and not written since;
//   - does the work that cannot be avoided: signatures and verifications, as the row says;
//   - makes the recorded Applies: the same operations with the same bodies. Records that the tape inserts get new ids of the
//     same length with each journey; records that it replaces without having inserted them are copied for each connection, and as
//     often as it takes to have others in each journey where the endpoint has; a copy has unique keys of its own, by which it is looked up,
//     and stands in an index where the tape's own Lists do not find it; versions are those that the replayed Applies returned; expiries move
//     on with the clock;
//   - writes the recorded status, headers and body.
//
// It parses nothing, encodes nothing and decides nothing. A connection asks for the requests of the tape in their order, again
// and again.
type floor struct {
	driver   store.Driver
	readings map[string]reading
	recorded time.Time
	steps    []floorStep
	// fresh are the lengths of the ids that are new with each journey; the ids themselves, as they were recorded, stand in
	// ids, followed by those of the copies.
	fresh  []int
	ids    []string
	places []place
	copies int
	// listed are the kinds that the tape lists.
	listed []string
	// counters are the kinds to which the tape adds: they count by the clock, so what was recorded may have ended before it is read.
	counters []string
	// vary changes queries, turn by turn.
	vary  func(q *store.Query, n int64)
	turns atomic.Int64
}

// manyCopies is how many copies make a record as seldom at hand as one that is used up: two for one and the same would stay in the
// caches of CPU and database.
const manyCopies = 500

// place is a record whose id or version is not the recorded one.
type place struct {
	kind store.Kind
	org  string
	id   int // in ids
	// copy is what each connection needs copies of; nil for what the tape inserts.
	copy *store.Record
}

type floorStep struct {
	calls  []floorCall
	work   []func() error
	status int
	header http.Header
	body   []byte
}

// floorCall is a call with the places of what it is about; -1 is the record that was recorded.
type floorCall struct {
	call
	place  int
	places []int // of ops
}

// newFloor prepares a replay. Work is what each step signs and verifies.
func newFloor(driver store.Driver, readings map[string]reading, t *tape, work [][]func() error) (*floor, error) {
	f := &floor{driver: driver, readings: readings, recorded: t.at, vary: t.vary, copies: 1}
	if t.others {
		f.copies = manyCopies
	}
	f.findPlaces(t)
	for _, r := range t.steps {
		for _, c := range r.calls {
			if c.query != nil {
				f.listed = append(f.listed, c.kind.Name)
			}
			for _, op := range c.ops {
				if op.Verb == store.VerbAdd {
					f.counters = append(f.counters, op.Record.Kind.Name)
				}
			}
		}
	}
	for i, r := range t.steps {
		step := floorStep{status: r.status, header: r.header, body: r.body}
		if i < len(work) {
			step.work = work[i]
		}
		for _, c := range unavoidable(r.calls) {
			if err := f.replayable(c); err != nil {
				return nil, fmt.Errorf("%s %s: %w", r.method, r.target, err)
			}
			step.calls = append(step.calls, f.located(c))
		}
		f.steps = append(f.steps, step)
	}
	return f, nil
}

// findPlaces names the records that are inserted, and those that are replaced or deleted without that.
func (f *floor) findPlaces(t *tape) {
	writes := func(verbs ...store.Verb) (found []store.Record) {
		for _, r := range t.steps {
			for _, c := range r.calls {
				for _, op := range c.ops {
					if slices.Contains(verbs, op.Verb) {
						found = append(found, op.Record)
					}
				}
			}
		}
		return found
	}
	for _, r := range writes(store.VerbInsert) {
		if !slices.Contains(f.ids, r.ID) {
			f.ids = append(f.ids, r.ID)
			f.fresh = append(f.fresh, len(r.ID))
		}
		f.places = append(f.places, place{kind: r.Kind, org: r.Org, id: slices.Index(f.ids, r.ID)})
	}
	for _, r := range writes(store.VerbReplace, store.VerbDelete) {
		if f.find(r.Kind, r.Org, r.ID) >= 0 {
			continue
		}
		f.ids = append(f.ids, r.ID)
		f.places = append(f.places, place{kind: r.Kind, org: r.Org, id: len(f.ids) - 1, copy: &r})
	}
}

func (f *floor) find(kind store.Kind, org, id string) int {
	return slices.IndexFunc(f.places, func(p place) bool { return p.kind == kind && p.org == org && f.ids[p.id] == id })
}

func (f *floor) located(c call) floorCall {
	located := floorCall{call: c, place: f.find(c.kind, c.org, c.id)}
	if c.key != nil {
		located.place = slices.IndexFunc(f.places, func(p place) bool {
			return p.kind == c.kind && p.org == c.org && p.copy != nil && slices.Contains(p.copy.Keys, *c.key)
		})
	}
	for _, op := range c.ops {
		located.places = append(located.places, f.find(op.Record.Kind, op.Record.Org, op.Record.ID))
	}
	return located
}

// replayable says what cannot be replayed, so that no floor does less than it should without anybody knowing.
func (f *floor) replayable(c call) error {
	if c.failed != nil && !errors.Is(c.failed, store.ErrNotFound) {
		return c.failed
	}
	if _, known := f.readings[c.kind.Name]; len(c.ops) == 0 && !known {
		return fmt.Errorf("kind %s is read, and has no reading", c.kind)
	}
	for _, op := range c.ops {
		if at := f.find(op.Record.Kind, op.Record.Org, op.Record.ID); len(op.Record.Keys) > 0 && (at < 0 || f.places[at].copy == nil) {
			return fmt.Errorf("kind %s is inserted with unique keys", op.Record.Kind)
		}
	}
	return nil
}

// cached are the kinds that may be a little old: keys, client metadata, settings. A recording has none of them, unless it
// took longer than they are remembered.
var cached = []string{"keyring.key", "oidc.client", "directory.setting", "store.generation"}

// unavoidable leaves out reads of what may be cached, and of what was read before and not written since.
func unavoidable(calls []call) (left []call) {
	type record struct {
		kind    store.Kind
		org, id string
	}
	read := map[record]bool{}
	for _, c := range calls {
		if slices.Contains(cached, c.kind.Name) {
			continue
		}
		for _, op := range c.ops {
			if op.Verb != store.VerbCheck {
				delete(read, record{op.Record.Kind, op.Record.Org, op.Record.ID})
			}
		}
		if len(c.ops) == 0 && c.key == nil && c.query == nil {
			r := record{c.kind, c.org, c.id}
			if read[r] {
				continue
			}
			read[r] = true
		}
		left = append(left, c)
	}
	return left
}

// replay is how far one connection is.
type replay struct {
	floor    *floor
	at       int
	ids      []string
	versions []int64 // by place
	// copies are those of each place, of which the journeys take turns.
	copies [][]store.Record
	turn   int
}

// serve answers the next request of the connection.
func (p *replay) serve(w http.ResponseWriter, r *http.Request) {
	if _, err := io.ReadAll(r.Body); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	step := &p.floor.steps[p.at]
	if err := p.do(r.Context(), step); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	p.at = (p.at + 1) % len(p.floor.steps)
	h := w.Header()
	for name, values := range step.header {
		h[name] = values
	}
	w.WriteHeader(step.status)
	_, _ = w.Write(step.body)
}

func (p *replay) do(ctx context.Context, step *floorStep) error {
	if err := p.begin(ctx); err != nil {
		return err
	}
	for i := range step.calls {
		c := &step.calls[i]
		var err error
		if len(c.ops) > 0 {
			err = p.apply(ctx, c)
		} else {
			err = p.read(ctx, c)
		}
		if err != nil {
			return err
		}
	}
	for _, work := range step.work {
		if err := work(); err != nil {
			return err
		}
	}
	return nil
}

// begin makes the copies, at first, and with each journey takes the next of them and new ids.
func (p *replay) begin(ctx context.Context) error {
	if p.at != 0 {
		return nil
	}
	if p.copies == nil {
		if err := p.makeCopies(ctx); err != nil {
			return err
		}
	}
	last := p.turn
	p.turn = (p.turn + 1) % p.floor.copies
	for i, copies := range p.copies {
		if copies == nil {
			continue
		}
		copies[last].Version = p.versions[i]
		if err := p.renew(ctx, &copies[p.turn], p.floor.places[i].copy); err != nil {
			return err
		}
		p.ids[p.floor.places[i].id], p.versions[i] = copies[p.turn].ID, copies[p.turn].Version
	}
	copy(p.ids, freshIDs(p.floor.fresh))
	return nil
}

// renew makes a copy anew that may expire before its journey ends.
func (p *replay) renew(ctx context.Context, last, recorded *store.Record) error {
	const journey = 10 * time.Second
	if last.Expires.IsZero() || time.Until(last.Expires) > journey {
		return nil
	}
	again := p.floor.own(*recorded)
	results, err := p.floor.driver.Apply(ctx, now(), store.Insert(again))
	if err != nil {
		return err
	}
	again.Version = results[0].Version
	*last = again
	return nil
}

func (p *replay) makeCopies(ctx context.Context) error {
	f := p.floor
	p.ids, p.versions, p.copies = slices.Clone(f.ids), make([]int64, len(f.places)), make([][]store.Record, len(f.places))
	for i, place := range f.places {
		if place.copy == nil {
			continue
		}
		var ops []store.Op
		for range f.copies {
			own := f.own(*place.copy)
			p.copies[i], ops = append(p.copies[i], own), append(ops, store.Insert(own))
		}
		results, err := f.driver.Apply(ctx, now(), ops...)
		if err != nil {
			return err
		}
		for n, r := range results {
			p.copies[i][n].Version = r.Version
		}
		p.versions[i] = p.copies[i][p.turn].Version
	}
	return nil
}

// own is a copy of a record that nothing mistakes for it.
func (f *floor) own(r store.Record) store.Record {
	fresh := func(text string) string { return freshIDs([]int{len(text)})[0] }
	r.ID, r.Version, r.Expires = fresh(r.ID), 0, f.later(r.Expires)
	r.Keys, r.Index = slices.Clone(r.Keys), slices.Clone(r.Index)
	for i := range r.Keys {
		r.Keys[i].Value = fresh(r.Keys[i].Value)
	}
	if slices.Contains(f.listed, r.Kind.Name) {
		for i := range r.Index {
			r.Index[i].Value.Text = fresh(r.Index[i].Value.Text)
		}
	}
	return r
}

// freshIDs makes random texts of some lengths.
func freshIDs(lengths []int) []string {
	total := 0
	for _, n := range lengths {
		total += n
	}
	random := make([]byte, total*3/4+3)
	_, _ = rand.Read(random)
	text := base64.RawURLEncoding.EncodeToString(random)
	ids := make([]string, len(lengths))
	for i, n := range lengths {
		ids[i], text = text[:n], text[n:]
	}
	return ids
}

// now is the time as a record can hold it.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// later moves an expiry on by the time since the recording. One of whole seconds stays so: in an index it has company.
func (f *floor) later(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	unit := time.Microsecond
	if t.Nanosecond() == 0 {
		unit = time.Second
	}
	return t.Add(time.Since(f.recorded)).Truncate(unit)
}

func (p *replay) read(ctx context.Context, c *floorCall) error {
	f := p.floor
	decode := f.readings[c.kind.Name].decode
	if c.query != nil {
		q := *c.query
		if f.vary != nil {
			f.vary(&q, f.turns.Add(1))
		}
		page, err := f.driver.List(ctx, now(), q)
		if err == nil && len(page.Records) != len(c.records) {
			err = fmt.Errorf("%d records of %s were found, and %d were recorded", len(page.Records), q.Kind, len(c.records))
		}
		for _, r := range page.Records {
			err = errors.Join(err, decode(r))
		}
		return err
	}
	var r store.Record
	var err error
	switch {
	case c.key != nil:
		r, err = f.driver.Lookup(ctx, now(), c.kind, c.org, p.key(c))
	case c.place >= 0:
		r, err = f.driver.Get(ctx, now(), c.kind, c.org, p.ids[f.places[c.place].id])
	default:
		r, err = f.driver.Get(ctx, now(), c.kind, c.org, c.id)
	}
	if errors.Is(err, store.ErrNotFound) && (c.failed != nil || slices.Contains(f.counters, c.kind.Name)) {
		return nil
	}
	if err != nil {
		return err
	}
	return decode(r)
}

// key is the recorded one, or that of the copy.
func (p *replay) key(c *floorCall) store.Key {
	if c.place < 0 {
		return *c.key
	}
	at := slices.Index(p.floor.places[c.place].copy.Keys, *c.key)
	return p.copies[c.place][p.turn].Keys[at]
}

func (p *replay) apply(ctx context.Context, c *floorCall) error {
	f := p.floor
	ops := slices.Clone(c.ops)
	for i := range ops {
		r := &ops[i].Record
		r.Expires = f.later(r.Expires)
		if at := c.places[i]; at >= 0 {
			r.ID, r.Version = p.ids[f.places[at].id], p.versions[at]
			if f.places[at].copy != nil {
				p.copies[at][p.turn].Expires = r.Expires
			}
			if f.places[at].copy != nil && slices.Contains(f.listed, r.Kind.Name) {
				r.Index = p.copies[at][p.turn].Index
			}
			if len(r.Keys) > 0 {
				r.Keys = p.copies[at][p.turn].Keys
			}
		}
		if len(r.Index) > 0 {
			r.Index = p.entries(r.Index)
		}
	}
	results, err := f.driver.Apply(ctx, now(), ops...)
	if err != nil {
		return err
	}
	for i, at := range c.places {
		if at >= 0 {
			p.versions[at] = results[i].Version
		}
	}
	return nil
}

// entries puts the new ids into an index, so that its pages are filled as the endpoint fills them.
func (p *replay) entries(recorded []store.Entry) []store.Entry {
	entries := slices.Clone(recorded)
	for i := range entries {
		for at, id := range p.floor.ids {
			if text := entries[i].Value.Text; strings.Contains(text, id) {
				entries[i].Value.Text = strings.ReplaceAll(text, id, p.ids[at])
			}
		}
	}
	return entries
}
