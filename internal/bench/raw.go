package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/signet-idp/signet/store"
)

// raw is a database without a driver of ours: the statements and bytes of store/sqlstore for what floors do, written by hand, over the pool
// that the driver uses too. It judges nothing, retries nothing and explains nothing, and writes no unique keys, which no floor has.
type raw struct {
	words *words
	// trip carries statements out in their order, and in as few round trips as it can. Writes go where the driver writes.
	trip    func(ctx context.Context, writes bool, statements []statement) error
	version atomic.Int64
	close   func() error
}

// statement is one statement with its parameters: int64, string, []byte or nil. Row gets each row that is returned.
type statement struct {
	text string
	args []any
	row  func(scan func(...any) error) error
	// one demands a row that is changed or returned; once is not worth preparing.
	one, once bool
	// when, if it is set, says whether the statement is needed, as an earlier one has found.
	when *bool
}

// words are the statements of a database. Parameters are $1, $2 and so on.
type words struct {
	name        string
	get, lookup string
	// around encloses a List.
	before, after []string
	// begin and commit enclose an Apply, and step is one operation of it.
	begin, commit []string
	step          func(r *raw, op *store.Op, version int64, now time.Time) []statement
	// text is how organizations, ids and fields are passed, hashed whether keys are.
	text   func(string) any
	hashed bool
	// The lists.
	size, shapes, page, sorted string
	copying                    copying
}

var _ store.Driver = (*raw)(nil)

// Get implements store.Driver.
func (w *raw) Get(ctx context.Context, now time.Time, kind store.Kind, org, id string) (store.Record, error) {
	r, found := store.Record{Kind: kind, Org: org, ID: id}, false
	var expires int64
	err := w.trip(ctx, false, []statement{{
		text: w.words.get, args: []any{kind.Name, w.words.text(org), w.words.text(id), now.UnixMicro()},
		row: func(scan func(...any) error) error {
			found = true
			return scan(&r.Version, &expires, &r.Schema, &r.Count, &r.Body)
		},
	}})
	return one(r, found, expires, err)
}

// Lookup implements store.Driver.
func (w *raw) Lookup(ctx context.Context, now time.Time, kind store.Kind, org string, key store.Key) (store.Record, error) {
	args := []any{kind.Name, hashOf(org, key), now.UnixMicro()}
	if !w.words.hashed {
		args = []any{kind.Name, int64(key.Scope), org, key.Name, []byte(key.Value), now.UnixMicro()}
	}
	r, found := store.Record{Kind: kind}, false
	var expires int64
	err := w.trip(ctx, false, []statement{{text: w.words.lookup, args: args, row: func(scan func(...any) error) error {
		found = true
		return scan(&r.Org, &r.ID, &r.Version, &expires, &r.Schema, &r.Count, &r.Body)
	}}})
	return one(r, found, expires, err)
}

func one(r store.Record, found bool, expires int64, err error) (store.Record, error) {
	if err == nil && !found {
		err = store.ErrNotFound
	}
	r.Expires = end(expires)
	return r, err
}

// end is an expiry as it is stored.
func end(micros int64) time.Time {
	if micros == math.MaxInt64 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// Apply implements store.Driver.
func (w *raw) Apply(ctx context.Context, now time.Time, ops ...store.Op) ([]store.Result, error) {
	version := w.version.Add(1)
	var all []statement
	for _, text := range w.words.begin {
		all = append(all, statement{text: text})
	}
	results := make([]store.Result, len(ops))
	for i := range ops {
		results[i].Version = version
		if ops[i].Verb == store.VerbCheck {
			results[i].Version = ops[i].Record.Version
		}
		all = append(all, w.words.step(w, &ops[i], version, now)...)
	}
	for _, text := range w.words.commit {
		all = append(all, statement{text: text})
	}
	return results, w.trip(ctx, true, all)
}

// List implements store.Driver, for the two queries that are measured: everything that a field equals in one organization, and that
// sorted by another field which every record has.
func (w *raw) List(ctx context.Context, now time.Time, q store.Query) (store.Page, error) {
	compare, ok := q.Filter.(store.Compare)
	if !ok || compare.Operator != store.Eq || q.After != "" || q.Count != 0 || q.Within != store.Here || q.Descending {
		return store.Page{}, fmt.Errorf("nobody wrote a statement for %v", q)
	}
	limit := int64(q.Limit)
	if limit == 0 {
		limit = 100
	}
	kind, org, field, value := q.Kind.Name, w.words.text(q.Org), w.words.text(compare.Field), encoded(compare.Value)
	var page store.Page
	last := statement{
		text: w.words.page, once: true, args: []any{kind, field, value, org, now.UnixMicro(), limit + 1},
		row: func(scan func(...any) error) error {
			r := store.Record{Kind: q.Kind}
			var expires int64
			err := scan(&r.Org, &r.ID, &r.Version, &expires, &r.Schema, &r.Count, &r.Body)
			r.Expires = end(expires)
			page.Records = append(page.Records, r)
			return err
		},
	}
	if q.Sort != "" { // is it few? is the field everywhere?
		var few int64
		err := w.listed(ctx, statement{text: w.words.size, once: true, args: []any{kind, field, value, org, int64(2000)}, row: func(scan func(...any) error) error { return scan(&few) }})
		if err == nil {
			var shape []byte
			err = w.listed(ctx, statement{text: w.words.shapes, once: true, args: []any{kind}, row: func(scan func(...any) error) error { return scan(&shape) }})
		}
		if err == nil && few < 2000 {
			err = errors.New("there are too few people for this list")
		}
		if err != nil {
			return page, err
		}
		last.text, last.args = w.words.sorted, append(last.args, w.words.text(q.Sort))
	}
	err := w.listed(ctx, last)
	page.Records = page.Records[:min(len(page.Records), int(limit))]
	return page, err
}

// listed is a statement of a List.
func (w *raw) listed(ctx context.Context, s statement) error {
	var all []statement
	for _, text := range w.words.before {
		all = append(all, statement{text: text})
	}
	all = append(all, s)
	for _, text := range w.words.after {
		all = append(all, statement{text: text})
	}
	return w.trip(ctx, false, all)
}

// Purge implements store.Driver: nothing is measured of it.
func (w *raw) Purge(context.Context, time.Time, int) (int, error) { return 0, nil }

// Close frees what the driver does not use.
func (w *raw) Close() error {
	if w.close == nil {
		return nil
	}
	return w.close()
}

// row are the values of a record's row behind its place.
func (w *raw) row(op *store.Op, version int64) []any {
	r := &op.Record
	expires := int64(math.MaxInt64)
	if !r.Expires.IsZero() {
		expires = r.Expires.UnixMicro()
	}
	return []any{version, expires, int64(r.Schema), orNull(w.digest(r)), orNull(r.Body)}
}

// digest has the length of that of the names, and stands for the same names as long as nobody else writes the record.
func (w *raw) digest(r *store.Record) []byte {
	if r.Kind.Ephemeral || len(r.Index) == 0 {
		return nil
	}
	sum := sha256.Sum256([]byte(r.Kind.Name))
	clear(sum[:16]) // there are no keys
	return sum[:]
}

// place are the parameters that name a record.
func (w *raw) place(r *store.Record) []any {
	return []any{r.Kind.Name, w.words.text(r.Org), w.words.text(r.ID)}
}

func orNull(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

// encoded is a value as the index has it.
func encoded(v store.Value) []byte {
	if v.Type == store.TextValue {
		return append([]byte{byte(v.Type)}, v.Text...)
	}
	return binary.BigEndian.AppendUint64([]byte{byte(v.Type)}, uint64(v.Number)^1<<63)
}

// hashOf is a unique key as databases have it that hash it.
func hashOf(org string, k store.Key) []byte {
	if k.Scope == store.GlobalScope {
		org = ""
	}
	text := []byte{byte(k.Scope)}
	for _, word := range []string{org, k.Name, k.Value} {
		text = append(binary.AppendUvarint(text, uint64(len(word))), word...)
	}
	sum := sha256.Sum256(text)
	return sum[:]
}

// newRaw opens the store of a name once more, without its driver; nil for one that is no database.
func newRaw(ctx context.Context, o *opened) (*raw, error) {
	w := &raw{}
	w.version.Store(1 << 50) // beyond what the driver gives out
	var err error
	switch {
	case o.path != "":
		err = w.overSQLite(ctx, o.path)
	case o.kind == "postgres":
		w.words, w.trip = postgresWords(), pipelined(o.pool)
	case o.kind == "mariadb":
		w.words, w.trip = mariaDBWords(), bundled(o.pool)
	default:
		return nil, nil
	}
	return w, err
}

// numbered writes n groups of so many parameters, as VALUES takes them.
func numbered(groups, width int) string {
	var b strings.Builder
	for i := range groups * width {
		switch {
		case i == 0:
			b.WriteString("(")
		case i%width == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", i+1)
	}
	return b.String() + ")"
}

// entries are the rows of a record's index.
func (w *raw) entries(r *store.Record) (rows []any) {
	for _, e := range r.Index {
		rows = append(rows, r.Kind.Name, w.words.text(r.Org), w.words.text(r.ID), w.words.text(e.Field), encoded(e.Value))
	}
	return rows
}

var errNoRow = errors.New("a statement changed nothing")

// with appends to a copy.
func with(args []any, more ...any) []any { return append(slices.Clip(args), more...) }
