package storetest

import (
	"errors"
	"strings"
	"time"

	"github.com/signet-idp/signet/store"
)

func invalidCases() []testCase {
	return []testCase{{
		"invalid operations",
		"What breaks the grammar of kinds, ids, keys and verbs is refused with ErrInvalid and changes nothing.",
		invalidOperations,
	}}
}

func invalidOperations(c *trial) {
	with := func(change func(*store.Record)) store.Op {
		r := c.record("1")
		change(&r)
		return store.Insert(r)
	}
	for name, ops := range map[string][]store.Op{
		"no operation":       {},
		"zero verb":          {{Record: c.record("1")}},
		"verb out of range":  {{Verb: store.VerbAdd + 1, Record: c.record("1")}},
		"zero kind":          {with(func(r *store.Record) { r.Kind = store.Kind{} })},
		"kind in capitals":   {with(func(r *store.Record) { r.Kind.Name = "Storetest" })},
		"kind with a space":  {with(func(r *store.Record) { r.Kind.Name = "store test" })},
		"kind of 65 bytes":   {with(func(r *store.Record) { r.Kind.Name = strings.Repeat("k", 65) })},
		"no id":              {with(func(r *store.Record) { r.ID = "" })},
		"id of 257 bytes":    {with(func(r *store.Record) { r.ID = strings.Repeat("x", 257) })},
		"id not UTF-8":       {with(func(r *store.Record) { r.ID = "a\xff" })},
		"id with NUL":        {with(func(r *store.Record) { r.ID = "a\x00b" })},
		"id with a line end": {with(func(r *store.Record) { r.ID = "a\n" })},
		"ephemeral with key": {with(func(r *store.Record) { r.Kind, r.Keys = ephemeral, []store.Key{{Name: "k", Value: "v"}} })},
		"ephemeral with index": {with(func(r *store.Record) {
			r.Kind, r.Index = ephemeral, []store.Entry{{Field: "f", Value: store.Number(1)}}
		})},
		"expires beyond 64 bits": {with(func(r *store.Record) { r.Expires = time.Date(300000, 1, 1, 0, 0, 0, 0, time.UTC) })},
		"expires in year 10000":  {with(func(r *store.Record) { r.Expires = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) })},
		"expires before year 0":  {with(func(r *store.Record) { r.Expires = time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC) })},
		"adds for too long":      {store.Add(c.kind, ref("1"), 1, time.Date(300000, 1, 1, 0, 0, 0, 0, time.UTC))},
		"delete without id":      {store.Delete(c.kind, store.Ref{}, 1)},
		"add without id":         {store.Add(c.kind, store.Ref{}, 1, time.Time{})},
	} {
		if _, err := c.store.Apply(c.Context(), c.now, ops...); !errors.Is(err, store.ErrInvalid) {
			c.broken("%s: Apply returned %v", name, err)
		}
	}
	c.absent(ref("1"))
	if _, err := c.store.Get(c.Context(), c.now, store.Kind{}, "", "1"); !errors.Is(err, store.ErrInvalid) {
		c.broken("Get of the zero kind returned %v", err)
	}
}
