package storetest

import (
	"errors"
	"strings"
	"time"

	"github.com/signet-idp/signet/store"
)

func keyCases() []testCase {
	return []testCase{
		{"lookup", "Lookup finds the record that holds a unique key, and returns what Get does.", lookupRecord},
		{"scopes", "A key of OrgScope is unique within one organization, one of GlobalScope among all; each only within its kind.", keyScopes},
		{"conflict", "A unique key that another record holds is a Conflict: Exists with that Key, for Insert and Replace.", keyConflict},
		{"own key", "A record never conflicts with itself: it keeps its keys when it is replaced, and identical keys count as one.", ownKey},
		{"freed", "A key is free once its holder is deleted or replaced by a record without it.", keyFreed},
		{"expired holder", "An expired holder of a unique key counts as absent.", expiredHolder},
		{"values", "Key values are compared byte by byte; scope, name and value together are the key.", keyValues},
	}
}

func lookupRecord(c *trial) {
	r := c.indexed("1", "v")
	r.Org, r.Schema, r.Expires = "acme", 3, c.now.Add(time.Hour)
	r.Version = c.write(store.Insert(r)).Version
	got, err := c.driver.Lookup(c.Context(), c.now, c.kind, "acme", r.Keys[0])
	if err != nil {
		c.stop("Lookup: %v", err)
	}
	if !same(got, r) || len(got.Keys)+len(got.Index) != 0 {
		c.broken("wrote %+v, found %+v", r, got)
	}
	for _, kind := range []store.Kind{{}, ephemeral} {
		if _, err := c.driver.Lookup(c.Context(), c.now, kind, "acme", r.Keys[0]); !errors.Is(err, store.ErrInvalid) {
			c.broken("Lookup in the kind %q, which has no keys, returned %v", kind, err)
		}
	}
	if got := c.lookup("acme", store.Key{Name: "k", Value: "w"}); got != "" {
		c.broken("a key that nobody holds found %q", got)
	}
}

func keyScopes(c *trial) {
	local, global := store.Key{Name: "k", Value: "v"}, store.Key{Scope: store.GlobalScope, Name: "k", Value: "v"}
	in := func(org, id string, keys ...store.Key) store.Record {
		r := c.record(id)
		r.Org, r.Keys = org, keys
		return r
	}
	c.write(store.Insert(in("", "root", local)))
	c.write(store.Insert(in("acme", "acme", local, global)))
	c.write(store.Insert(in("acme/eu", "eu", local)))
	for org, want := range map[string]string{"": "root", "acme": "acme", "acme/eu": "eu", "acme/us": ""} {
		if got := c.lookup(org, local); got != want {
			c.broken("in %q the key of OrgScope found %q, must find %q", org, got, want)
		}
		if got := c.lookup(org, global); got != "acme" {
			c.broken("from %q the key of GlobalScope found %q, must find acme", org, got)
		}
	}
	want := store.Conflict{Reason: store.Exists, Kind: c.kind, Ref: store.Ref{Org: "globex", ID: "x"}, Key: global}
	c.refuse(want, store.Insert(in("globex", "x", local, global)))
	want = store.Conflict{Reason: store.Exists, Kind: c.kind, Ref: store.Ref{Org: "acme", ID: "x"}, Key: local}
	c.refuse(want, store.Insert(in("acme", "x", local)))

	foreign := in("acme", "foreign", local, global)
	foreign.Kind = other
	c.write(store.Insert(foreign))
	if got := c.lookup("acme", global); got != "acme" {
		c.broken("a key of another kind hides ours: found %q", got)
	}
}

func keyConflict(c *trial) {
	c.write(store.Insert(c.indexed("1", "taken")))
	free := c.indexed("2", "free")
	free.Version = c.write(store.Insert(free)).Version
	before := c.get(ref("2"))

	want := c.conflict(store.Exists, "3")
	want.Key = store.Key{Name: "k", Value: "taken"}
	third := c.indexed("3", "taken")
	third.Keys = append([]store.Key{{Name: "k", Value: "third"}}, third.Keys...)
	c.refuse(want, store.Insert(third))
	c.absent(ref("3"))
	if got := c.lookup("", store.Key{Name: "k", Value: "third"}); got != "" {
		c.broken("a refused insert left its other key with %q", got)
	}

	want.Ref, want.Op = ref("2"), 1
	moved := c.indexed("2", "taken")
	moved.Version = free.Version
	c.refuse(want, store.Insert(c.record("4")), store.Replace(moved))
	c.unchanged(before)
	c.absent(ref("4"))
	if got := c.lookup("", free.Keys[0]); got != "2" {
		c.broken("a refused replace took the old key away; it is held by %q", got)
	}
}

func ownKey(c *trial) {
	r := c.indexed("1", "v")
	r.Keys = append(r.Keys, r.Keys[0], store.Key{Name: "k", Value: "w"})
	r.Version = c.write(store.Insert(r)).Version
	c.refuse(c.conflict(store.Exists, "1"), store.Insert(r))
	c.write(store.Replace(r))
	for _, key := range r.Keys {
		if got := c.lookup("", key); got != "1" {
			c.broken("after a Replace the key %q is held by %q, must be 1", key.Value, got)
		}
	}
	stale := r
	stale.Version = 1 << 60
	c.refuse(c.conflict(store.Version, "1"), store.Replace(stale))
}

func keyFreed(c *trial) {
	r := c.indexed("1", "old")
	r.Version = c.write(store.Insert(r)).Version
	r.Keys[0].Value = "new"
	r.Version = c.write(store.Replace(r)).Version
	if got := c.lookup("", store.Key{Name: "k", Value: "old"}); got != "" {
		c.broken("the key that a Replace dropped is still held by %q", got)
	}
	c.write(store.Insert(c.indexed("2", "old")))
	c.write(store.Delete(c.kind, ref("1"), r.Version))
	if got := c.lookup("", store.Key{Name: "k", Value: "new"}); got != "" {
		c.broken("the key of a deleted record is still held by %q", got)
	}
	c.write(store.Insert(c.indexed("3", "new")))
}

func expiredHolder(c *trial) {
	keys := []store.Key{{Name: "k", Value: "v"}, {Scope: store.GlobalScope, Name: "k", Value: "v"}}
	r := c.record("old")
	r.Keys, r.Expires = keys, c.now.Add(time.Minute)
	c.write(store.Insert(r))
	c.now = r.Expires.Add(-time.Microsecond)
	want := c.conflict(store.Exists, "new")
	want.Key = keys[0]
	next := c.record("new")
	next.Keys = keys
	c.refuse(want, store.Insert(next))

	c.now = r.Expires
	for _, key := range keys {
		if got := c.lookup("", key); got != "" {
			c.broken("Lookup found the expired %q", got)
		}
	}
	c.write(store.Insert(next))
	for _, key := range keys {
		if got := c.lookup("", key); got != "new" {
			c.broken("the key of an expired record is held by %q, must be its new holder", got)
		}
	}
	// What is left of the expired record must not take the key along when it goes.
	if _, err := c.driver.Purge(c.Context(), c.now, 100); err != nil {
		c.stop("Purge: %v", err)
	}
	again := c.record("old")
	version := c.write(store.Insert(again)).Version
	c.write(store.Delete(c.kind, ref("old"), version))
	for _, key := range keys {
		if got := c.lookup("", key); got != "new" {
			c.broken("the key went with its expired holder; it is held by %q", got)
		}
	}
	// A Replace may take a key from an expired holder too.
	short := c.indexed("short", "lent")
	short.Expires = c.now.Add(time.Minute)
	c.write(store.Insert(short))
	c.now = short.Expires
	next.Version, next.Keys = c.get(ref("new")).Version, short.Keys
	c.write(store.Replace(next))
	if got := c.lookup("", short.Keys[0]); got != "new" {
		c.broken("a Replace over an expired holder left the key with %q", got)
	}
}

func keyValues(c *trial) {
	keys := []store.Key{{Name: "k", Value: ""}, {Name: "l", Value: "a"}, {Scope: store.GlobalScope, Name: "k", Value: "a"}}
	for _, value := range []string{
		"a", "A", "a ", " a", "\u00e4", "a\u0308", "%", "_", `\`, "'", "a/b", "https://rp.example/cb?x=1#y", "\u65e5\u672c",
		strings.Repeat("x", 2048), strings.Repeat("x", 2047) + "y",
	} {
		keys = append(keys, store.Key{Name: "k", Value: value})
	}
	holder := func(i int) string { return string(rune('A' + i)) }
	for i, key := range keys {
		r := c.record(holder(i))
		r.Keys = []store.Key{key}
		c.write(store.Insert(r))
	}
	for i, key := range keys {
		if got := c.lookup("", key); got != holder(i) {
			c.broken("key %.40q of scope %d and name %s found %q, must find %q", key.Value, key.Scope, key.Name, got, holder(i))
		}
	}
}
