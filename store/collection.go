package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"strings"
	"time"
)

// Meta is what a stored value knows of its record. Types embed it; it does not appear in the body.
type Meta struct {
	// Org is the path of the organization, "" for the root.
	Org string `json:"-"`
	// ID is unique within the kind and organization.
	ID string `json:"-"`
	// Version is zero for a value that was never written, and moves when a Batch that wrote the value was applied.
	Version int64 `json:"-"`
	// Expires is when the record stops existing; the zero time is never.
	Expires time.Time `json:"-"`

	unknown map[string]json.RawMessage
}

// Ref returns the reference to the record.
func (m *Meta) Ref() Ref { return Ref{Org: m.Org, ID: m.ID} }

func (m *Meta) meta() *Meta { return m }

// Stored is satisfied by pointers to types that embed Meta.
type Stored[T any] interface {
	*T
	meta() *Meta
}

// Type says how values of T become records of one kind. T embeds Meta and is otherwise encoded by encoding/json.
type Type[T any] struct {
	// Kind is required.
	Kind Kind
	// Schema is the number of the body's present form.
	Schema int
	// Keys lists the unique keys of a value; nil is none.
	Keys func(*T) []Key
	// Index lists what a Query may filter and sort by; nil is nothing.
	Index func(*T) []Entry
	// Cached lets a Cache remember values: each write of one moves the generation of the kind in the organization.
	Cached bool
}

// Collection reads values of T, and prepares their writing in a Batch. It is safe for concurrent use; values are not.
type Collection[T any] struct {
	db   *DB
	typ  Type[T]
	meta func(*T) *Meta
	// known are the members of the body that T understands. All others survive a read and a Replace, so that nodes of
	// two versions can run side by side.
	known map[string]bool
	// sealed are the fields of type Sealed of a durable kind, by the name that they have in JSON.
	sealed map[string][]int
}

// NewCollection returns the collection of a Type in db.
func NewCollection[T any, P Stored[T]](db *DB, typ Type[T]) *Collection[T] {
	c := &Collection[T]{
		db:    db,
		typ:   typ,
		meta:  func(v *T) *Meta { return P(v).meta() },
		known: members(reflect.TypeFor[T]()),
	}
	c.register(sealedMembers(reflect.TypeFor[T]()))
	return c
}

// members lists the names under which encoding/json writes the fields of a struct.
func members(t reflect.Type) map[string]bool {
	names := map[string]bool{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || f.Type == reflect.TypeFor[Meta]():
		case name != "":
			names[name] = true
		case f.Anonymous && f.Type.Kind() == reflect.Struct:
			maps.Copy(names, members(f.Type))
		case f.IsExported():
			names[f.Name] = true
		}
	}
	return names
}

// Kind is the kind of the collection's records.
func (c *Collection[T]) Kind() Kind { return c.typ.Kind }

// Get returns the value that ref names, or ErrNotFound.
func (c *Collection[T]) Get(ctx context.Context, ref Ref) (*T, error) {
	if ref.ID == "" {
		return nil, ErrNotFound
	}
	r, err := c.db.place(c.typ.Kind).Get(ctx, c.db.Now(), c.typ.Kind, ref.Org, ref.ID)
	if err != nil {
		return nil, err
	}
	return c.Decode(r)
}

// Lookup returns the value that holds the unique key, or ErrNotFound.
func (c *Collection[T]) Lookup(ctx context.Context, org string, key Key) (*T, error) {
	r, err := c.db.config.Driver.Lookup(ctx, c.db.Now(), c.typ.Kind, org, key)
	if err != nil {
		return nil, err
	}
	return c.Decode(r)
}

// Listing is one page of values.
type Listing[T any] struct {
	Items []*T
	// Next is the cursor of the following page; "" when this is the last.
	Next string
	// Count is the number of matches, at most Query.Count.
	Count int
}

// List returns one page of the values that match q; q.Kind is filled in. Where the driver has no index for the filter,
// List scans, and returns ErrTooMany when more than Config.ScanLimit records would have to be visited.
func (c *Collection[T]) List(ctx context.Context, q Query) (Listing[T], error) {
	q.Kind = c.typ.Kind
	page, err := c.db.config.Driver.List(ctx, c.db.Now(), q)
	if errors.Is(err, ErrUnindexed) {
		return c.scan(ctx, q)
	}
	if err != nil {
		return Listing[T]{}, err
	}
	listing := Listing[T]{Next: page.Next, Count: page.Count, Items: make([]*T, 0, len(page.Records))}
	for _, r := range page.Records {
		v, err := c.Decode(r)
		if err != nil {
			return Listing[T]{}, err
		}
		listing.Items = append(listing.Items, v)
	}
	return listing, nil
}

// scan answers a filter that no index serves. It reads records one at a time so that the cursor of the last match
// continues behind it.
func (c *Collection[T]) scan(ctx context.Context, q Query) (Listing[T], error) {
	listing := Listing[T]{}
	step := q
	step.Filter, step.Limit, step.Count = nil, 1, 0
	limit := q.Limit
	if limit == 0 {
		limit = 100
	}
	for range c.db.config.ScanLimit {
		page, err := c.db.config.Driver.List(ctx, c.db.Now(), step)
		if err != nil {
			return Listing[T]{}, err
		}
		for _, r := range page.Records {
			v, err := c.Decode(r)
			if err != nil {
				return Listing[T]{}, err
			}
			if c.typ.Index == nil || !q.Filter.Match(c.typ.Index(v)) {
				continue
			}
			if listing.Count < q.Count {
				listing.Count++
			}
			if len(listing.Items) < limit {
				listing.Items, listing.Next = append(listing.Items, v), page.Next
			}
		}
		if page.Next == "" {
			if len(listing.Items) < limit {
				listing.Next = ""
			}
			return listing, nil
		}
		if len(listing.Items) == limit && listing.Count >= q.Count {
			return listing, nil
		}
		step.After = page.Next
	}
	return Listing[T]{}, ErrTooMany
}

// All walks through every value that matches q, page by page. It ends after the first error.
func (c *Collection[T]) All(ctx context.Context, q Query) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		for {
			listing, err := c.List(ctx, q)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, v := range listing.Items {
				if !yield(v, nil) {
					return
				}
			}
			if listing.Next == "" {
				return
			}
			q.After = listing.Next
		}
	}
}

// Insert adds to the batch that v is written and must be absent.
func (c *Collection[T]) Insert(b *Batch, v *T) {
	b.write(VerbInsert, c.meta(v), func() (Record, error) { return c.Encode(v) })
	c.outdate(b, v)
}

// Replace adds to the batch that v is written over the version it was read at.
func (c *Collection[T]) Replace(b *Batch, v *T) {
	b.write(VerbReplace, c.meta(v), func() (Record, error) { return c.Encode(v) })
	c.outdate(b, v)
}

// Delete adds to the batch that the record of v is removed at the version v was read at.
func (c *Collection[T]) Delete(b *Batch, v *T) {
	m := c.meta(v)
	b.append(item{op: Delete(c.typ.Kind, m.Ref(), m.Version), meta: m})
	c.outdate(b, v)
}

// outdate adds to the batch that what is remembered of a cached kind has become old.
func (c *Collection[T]) outdate(b *Batch, v *T) {
	if c.typ.Cached {
		b.outdate(place{c.typ.Kind.Name, c.meta(v).Org})
	}
}

// Check adds to the batch that the record of v must stand at the version v was read at.
func (c *Collection[T]) Check(b *Batch, v *T) {
	m := c.meta(v)
	b.append(item{op: Check(c.typ.Kind, m.Ref(), m.Version)})
}

// Encode returns the record of v as a Batch would write it.
func (c *Collection[T]) Encode(v *T) (Record, error) {
	m := c.meta(v)
	body, err := json.Marshal(v)
	if err != nil {
		return Record{}, fmt.Errorf("store: encoding %s: %w", c.typ.Kind, err)
	}
	if body, err = appendMembers(body, m.unknown); err != nil {
		return Record{}, fmt.Errorf("store: encoding %s: %w", c.typ.Kind, err)
	}
	r := Record{
		Kind: c.typ.Kind, Org: m.Org, ID: m.ID, Version: m.Version, Expires: m.Expires,
		Schema: c.typ.Schema, Body: body,
	}
	if c.typ.Keys != nil {
		r.Keys = c.typ.Keys(v)
	}
	if c.typ.Index != nil {
		r.Index = c.typ.Index(v)
	}
	return r, nil
}

// Decode returns the value of a record that a driver returned.
func (c *Collection[T]) Decode(r Record) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(r.Body, v); err != nil {
		return nil, fmt.Errorf("store: decoding %s %s: %w", r.Kind, r.ID, err)
	}
	m := c.meta(v)
	m.Org, m.ID, m.Version, m.Expires = r.Org, r.ID, r.Version, r.Expires
	unknown, err := unknownMembers(r.Body, c.known)
	if err != nil {
		return nil, fmt.Errorf("store: decoding %s %s: %w", r.Kind, r.ID, err)
	}
	m.unknown = unknown
	return v, nil
}
