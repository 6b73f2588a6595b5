package postgres_test

import (
	"fmt"
	"testing"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore/postgres"
	"github.com/signet-idp/signet/store/storetest"
)

// modes are the ways in which pgx may be told to run statements.
var modes = []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"}

// TestRoundTrips counts how often the client waits for the server, whatever the host has set in its DSN.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	server := testenv.SharedPostgres(t)
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			proxy := testenv.Proxy(t, server.Addr())
			dsn := through(proxy, server.NewDatabase(t)) + "&default_query_exec_mode=" + mode
			driver := connectOne(t, dsn)
			count(t, driver, proxy)
		})
	}
}

// connectOne opens a database with one connection.
func connectOne(t *testing.T, dsn string) *postgres.Driver {
	t.Helper()
	driver, err := postgres.Open(t.Context(), openDB(t, dsn, 1), postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return driver
}

func count(t *testing.T, driver *postgres.Driver, proxy *testenv.ProxyServer) {
	t.Helper()
	versions := map[string]int64{}
	do := func(ops ...store.Op) {
		t.Helper()
		results, err := driver.Apply(t.Context(), now, ops...)
		if err != nil && store.ConflictOn(err, thing) == nil {
			t.Fatal(err)
		}
		for i := range results {
			versions[ops[i].Record.ID] = results[i].Version
		}
	}
	insert := func(id string) store.Op {
		r := storetest.Person(thing, now, 1)
		r.ID, r.Keys = id, []store.Key{{Name: "name", Value: id}}
		return store.Insert(r)
	}
	replace := func(id, key, nick string) store.Op {
		op := insert(id)
		op.Verb, op.Record.Version, op.Record.Keys[0].Value = store.VerbReplace, versions[id], key
		op.Record.Index[0].Value = store.Text(nick)
		return op
	}
	at := func(id string) store.Ref { return store.Ref{Org: storetest.Person(thing, now, 1).Org, ID: id} }
	check := func(id string) store.Op { return store.Check(thing, at(id), versions[id]) }
	do(insert("warm"))
	do(insert("a"), insert("b"), insert("c"))
	for _, step := range []struct {
		name string
		want int64
		do   func()
	}{
		{"an insert", 1, func() { do(insert("d")) }},
		{"two inserts, two checks and an addition", 1, func() {
			do(insert("e"), insert("f"), check("a"), check("b"), store.Add(thing, at("n"), 1, now.AddDate(1, 0, 0)))
		}},
		{"fifty inserts", 1, func() {
			var ops []store.Op
			for n := range 50 {
				ops = append(ops, insert(fmt.Sprint("many-", n)))
			}
			do(ops...)
		}},
		{"a replace", 1, func() { do(replace("a", "a", "a")) }},
		{"a replace with other entries", 1, func() { do(replace("a", "a", "other")) }},
		{"a delete", 1, func() { do(store.Delete(thing, at("b"), versions["b"])) }},
		{"checks alone", 1, func() { do(check("a"), check("c")) }},
		{"a conflict", 2, func() { do(insert("a")) }},
		{"a replace with another key", 4, func() { do(replace("a", "renamed", "a")) }},
		{"a get", 1, func() { _, _ = driver.Get(t.Context(), now, thing, "acme", "a") }},
		{"a lookup", 1, func() { _, _ = driver.Lookup(t.Context(), now, thing, "acme", store.Key{Name: "name", Value: "c"}) }},
	} {
		before := proxy.Trips()
		step.do()
		if got := proxy.Trips() - before; got != step.want {
			t.Errorf("%s takes %d round trips, want %d", step.name, got, step.want)
		}
	}
}
