package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
)

var databases = []string{"sqlite", "postgres", "mariadb"}

// Driver and floor go through every tape: they find what was recorded, and what they replace stands as they left it.
func TestDrivers(t *testing.T) {
	t.Parallel()
	for _, name := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, name, 1)
			if err := s.populate(t.Context(), 3000); err != nil {
				t.Fatal(err)
			}
			for _, r := range driverRows() {
				t.Run(r.name, func(t *testing.T) {
					prepared, err := s.drive(t.Context(), r)
					if err != nil {
						t.Fatal(err)
					}
					if prepared.Reads == 0 {
						t.Error("nothing is read")
					}
					for who := range drivers {
						if err := s.gatherCallers(who, 2); err != nil {
							t.Fatal(err)
						}
						for _, j := range s.callers[who].journeys {
							if err := j.once(nil); err != nil {
								t.Errorf("%d: %v", who, err)
							}
						}
					}
				})
			}
		})
	}
}

// What is written by hand is what the driver writes, byte by byte, and each reads what the other wrote.
func TestFloorsOfDrivers(t *testing.T) {
	t.Parallel()
	for _, name := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, err := openStore(t.Context(), name, t.TempDir(), servers(t, name))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = o.Close() }()
			byHand, err := newRaw(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = byHand.Close() }()
			both := [drivers]store.Driver{o.driver, byHand}
			for who, driver := range both {
				steps(t, driver, fmt.Sprint("kind", who))
			}
			for _, query := range []string{
				"SELECT id, expires, SCHEMA, count, body FROM signet_records WHERE kind = KIND ORDER BY id",
				"SELECT id, field, value FROM signet_entries WHERE kind = KIND ORDER BY id, field, value",
				"SELECT id FROM signet_keys WHERE kind = KIND ORDER BY id",
			} {
				if name == "mariadb" {
					query = strings.Replace(query, "SCHEMA", "`schema`", 1)
				}
				driver, hand := dump(t, byHand, query, "kind0"), dump(t, byHand, query, "kind1")
				if !slices.Equal(driver, hand) {
					t.Errorf("%s\nthe driver wrote %q\nby hand it is  %q", query, driver, hand)
				}
			}
			for who := range both {
				kind := store.Kind{Name: fmt.Sprint("kind", who)}
				var bodies [drivers][]string
				for reader, driver := range both {
					bodies[reader] = read(t, driver, kind)
				}
				if !slices.Equal(bodies[0], bodies[1]) {
					t.Errorf("of %s the driver reads %q, and by hand it is %q", kind.Name, bodies[0], bodies[1])
				}
			}
		})
	}
}

var at = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// steps does one of everything that floors do.
func steps(t *testing.T, driver store.Driver, kind string) {
	t.Helper()
	record := func(id, body string) store.Record {
		return store.Record{Kind: store.Kind{Name: kind}, ID: id, Body: []byte(body), Expires: at.Add(time.Hour), Index: []store.Entry{
			{Field: "owner", Value: store.Text("ann")}, {Field: "size", Value: store.Number(int64(-len(body)))}, {Field: "on", Value: store.Bool(true)},
		}}
	}
	do := func(ops ...store.Op) []store.Result {
		results, err := driver.Apply(t.Context(), at, ops...)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		return results
	}
	count := store.Op{Verb: store.VerbAdd, Delta: 3, Record: store.Record{Kind: store.Kind{Name: kind}, ID: "counter", Expires: at.Add(time.Minute)}}
	a, b, c := record("a", `{"n":1}`), record("b", `{"n":22}`), record("c", `{"n":333}`)
	results := do(store.Insert(a), store.Insert(b), store.Insert(c), count)
	do(store.Check(b.Kind, b.Ref(), results[1].Version), count)
	a.Version, a.Body = results[0].Version, []byte(`{"n":4444}`)
	do(store.Replace(a), store.Delete(c.Kind, c.Ref(), results[2].Version))
}

func dump(t *testing.T, w *raw, query, kind string) (all []string) {
	t.Helper()
	columns := strings.Count(query[:strings.Index(query, " FROM")], ",") + 1
	err := w.trip(t.Context(), false, []statement{{
		text: strings.Replace(query, "KIND", "$1", 1), args: []any{kind}, once: true,
		row: func(scan func(...any) error) error {
			values, into := make([][]byte, columns), make([]any, columns)
			for i := range values {
				into[i] = &values[i]
			}
			err := scan(into...)
			all = append(all, fmt.Sprintf("%q", bytes.Join(values, []byte("|"))))
			return err
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func read(t *testing.T, driver store.Driver, kind store.Kind) (all []string) {
	t.Helper()
	for _, id := range []string{"a", "b", "counter"} {
		r, err := driver.Get(t.Context(), at, kind, "", id)
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		all = append(all, fmt.Sprint(r.ID, r.Expires, r.Count, string(r.Body)))
	}
	if _, err := driver.Get(t.Context(), at, kind, "", "c"); err != store.ErrNotFound {
		t.Errorf("what was deleted: %v", err)
	}
	page, err := driver.List(t.Context(), at, store.Query{Kind: kind, Filter: store.Equals("owner", store.Text("ann"))})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range page.Records {
		all = append(all, fmt.Sprint(r.ID, r.Expires, string(r.Body)))
	}
	return all
}
