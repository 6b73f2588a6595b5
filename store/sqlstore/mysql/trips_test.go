package mysql_test

import (
	"fmt"
	"testing"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore/mysql"
)

// TestTrips counts the round trips of each call at a proxy: the numbers that doc.go states.
func TestTrips(t *testing.T) {
	t.Parallel()
	server := testenv.SharedMariaDB(t)
	tests := []struct {
		call           string
		bundles, apart int64
		run            func(*trips) error
	}{
		{"Get", 1, 1, func(c *trips) error { _, err := c.driver.Get(c.Context(), now, thing, "", "there"); return err }},
		{"Lookup", 1, 1, func(c *trips) error {
			_, err := c.driver.Lookup(c.Context(), now, thing, "", c.there.Keys[0])
			return err
		}},
		{"List by one eq", 1, 1, func(c *trips) error {
			_, err := c.driver.List(c.Context(), now, store.Query{Kind: thing, Filter: store.Equals("f", store.Text("v"))})
			return err
		}},
		{"List in order, of a field that some lack", 3, 3, func(c *trips) error {
			_, err := c.driver.List(c.Context(), now, store.Query{Kind: thing, Sort: "f"})
			return err
		}},
		{"insert", 1, 4, func(c *trips) error { return c.apply(store.Insert(record("bare"))) }},
		{"replace", 1, 4, func(c *trips) error {
			r := c.there
			r.Body = []byte(`{"new":true}`)
			return c.apply(store.Replace(r))
		}},
		{"delete", 1, 6, func(c *trips) error { return c.apply(store.Delete(thing, c.other.Ref(), c.other.Version)) }},
		{"count", 1, 5, func(c *trips) error { return c.apply(store.Add(thing, store.Ref{ID: "n"}, 1, now)) }},
		{"mint: two inserts with names, a replace, three checks", 1, 11, func(c *trips) error {
			grant, token, session := c.named("grant"), c.named("token"), c.parents[3]
			session.Body = []byte(`{"touched":true}`)
			ops := []store.Op{store.Insert(grant), store.Insert(token), store.Replace(session)}
			for _, p := range c.parents[:3] {
				ops = append(ops, store.Check(thing, p.Ref(), p.Version))
			}
			return c.apply(ops...)
		}},
		{"a conflict", 2, 5, func(c *trips) error {
			err := c.apply(store.Insert(record("there")))
			if store.ConflictOn(err, thing) == nil {
				return fmt.Errorf("no conflict: %w", err)
			}
			return nil
		}},
	}
	for _, test := range tests {
		t.Run(test.call, func(t *testing.T) {
			t.Parallel()
			for way, open := range ways() {
				p := testenv.Proxy(t, server.Addr())
				c := &trips{T: t, driver: openDriver(t, open, pool(t, through(t, p, server.NewDatabase(t))), mysql.Config{})}
				c.prepare()
				want := test.bundles
				if way == "apart" {
					want = test.apart
				}
				before := p.Trips()
				if err := test.run(c); err != nil {
					t.Fatal(err)
				}
				if got := p.Trips() - before; got != want {
					t.Errorf("%s: %d round trips, want %d", way, got, want)
				}
			}
		})
	}
}

// trips is a store with some records, that has written before.
type trips struct {
	*testing.T
	driver       store.Driver
	there, other store.Record
	parents      []store.Record
}

func (c *trips) named(id string) store.Record {
	r := record(id)
	r.Keys = []store.Key{{Name: "k", Value: id}}
	r.Index = []store.Entry{{Field: "f", Value: store.Text("v")}}
	return r
}

func (c *trips) prepare() {
	c.Helper()
	c.there, c.other = c.named("there"), c.named("other")
	c.parents = []store.Record{record("application"), record("grant-parent"), record("subject"), record("session")}
	var ops []store.Op
	for _, r := range append([]store.Record{c.there, c.other}, c.parents...) {
		ops = append(ops, store.Insert(r))
	}
	results, err := c.driver.Apply(c.Context(), now, ops...)
	if err != nil {
		c.Fatal(err)
	}
	c.there.Version, c.other.Version = results[0].Version, results[1].Version
	for i := range c.parents {
		c.parents[i].Version = results[2+i].Version
	}
}

func (c *trips) apply(ops ...store.Op) error {
	_, err := c.driver.Apply(c.Context(), now, ops...)
	return err
}
