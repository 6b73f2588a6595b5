package postgres_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore/postgres"
)

// benchBody is as large as that of a session or grant.
var benchBody = []byte(`{"subject":"7f3c1e9a-5d0b-4c58-9f57-0b1f6f0e2a11","client":"web","status":"active","epoch":3,` +
	`"scope":["openid","profile","email","offline_access"],"auth_time":1893456000,"amr":["pwd","otp"],"acr":"aal2"}`)

func benchRecord(n int64) store.Record {
	return store.Record{Kind: thing, ID: fmt.Sprintf("7f3c1e9a-5d0b-4c58-9f57-%012d", n), Body: benchBody}
}

const benchMany = 20_000

// fill writes many records and returns their Driver.
func fill(b *testing.B, many int64) *postgres.Driver {
	b.Helper()
	db := openDB(b, testenv.SharedPostgres(b).NewDatabase(b), 32)
	driver, err := postgres.Open(b.Context(), db, postgres.Config{})
	if err != nil {
		b.Fatal(err)
	}
	for n := int64(0); n < many; n += 500 {
		var ops []store.Op
		for i := range int64(500) {
			ops = append(ops, store.Insert(benchRecord(n+i)))
		}
		if _, err := driver.Apply(b.Context(), now, ops...); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := db.ExecContext(b.Context(), "ANALYZE"); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	return driver
}

func BenchmarkGet(b *testing.B) {
	db := fill(b, benchMany)
	for n := 0; b.Loop(); n++ {
		if _, err := db.Get(b.Context(), now, thing, "", benchRecord(int64(n*7919%benchMany)).ID); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGetParallel(b *testing.B) {
	db := fill(b, benchMany)
	var next atomic.Int64
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := db.Get(b.Context(), now, thing, "", benchRecord(next.Add(7919)%benchMany).ID); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	db := fill(b, 0)
	key := store.Key{Name: "name", Value: "ann"}
	r := benchRecord(1)
	r.Keys = []store.Key{key}
	if _, err := db.Apply(b.Context(), now, store.Insert(r)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := db.Lookup(b.Context(), now, thing, "", key); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkInsert is one durable step of one operation, by so many callers at once.
func BenchmarkInsert(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			db := fill(b, benchMany)
			var next atomic.Int64
			next.Store(benchMany)
			apart(b, callers, func() error {
				_, err := db.Apply(b.Context(), now, store.Insert(benchRecord(next.Add(1))))
				return err
			})
		})
	}
}

// BenchmarkMint is a durable step as minting takes it: two records with names, two checks.
func BenchmarkMint(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			db := fill(b, benchMany)
			results, err := db.Apply(b.Context(), now, store.Insert(record("client")), store.Insert(record("subject")))
			if err != nil {
				b.Fatal(err)
			}
			var next atomic.Int64
			next.Store(benchMany)
			apart(b, callers, func() error {
				grant, token := benchRecord(next.Add(1)), benchRecord(next.Add(1))
				grant.Index = []store.Entry{{Field: "subject", Value: store.Text("subject")}}
				token.Keys = []store.Key{{Name: "hash", Value: token.ID}}
				token.Expires = now.AddDate(0, 1, 0)
				_, err := db.Apply(b.Context(), now, store.Insert(grant), store.Insert(token),
					store.Check(thing, store.Ref{ID: "client"}, results[0].Version),
					store.Check(thing, store.Ref{ID: "subject"}, results[1].Version))
				return err
			})
		})
	}
}

func BenchmarkReplace(b *testing.B) {
	db := fill(b, benchMany)
	r := benchRecord(benchMany + 1)
	r.Index = []store.Entry{{Field: "subject", Value: store.Text("subject")}}
	results, err := db.Apply(b.Context(), now, store.Insert(r))
	for b.Loop() {
		if err != nil {
			b.Fatal(err)
		}
		r.Version = results[0].Version
		results, err = db.Apply(b.Context(), now, store.Replace(r))
	}
}

// BenchmarkList reads a page of 100, sorted, out of 20,000.
func BenchmarkList(b *testing.B) {
	db := fill(b, 0)
	people(b, db, benchMany)
	q := store.Query{Kind: thing, Org: "acme", Within: store.Subtree, Sort: "name", Filter: store.Equals("active", store.Bool(true))}
	for b.Loop() {
		if _, err := db.List(b.Context(), now, q); err != nil {
			b.Fatal(err)
		}
	}
}

// apart has so many callers share the iterations, and reports steps per second.
func apart(b *testing.B, callers int, step func() error) {
	b.Helper()
	b.ResetTimer()
	work := make(chan struct{}, callers)
	done := make(chan error, callers)
	for range callers {
		go func() {
			var err error
			for range work {
				if err == nil {
					err = step()
				}
			}
			done <- err
		}()
	}
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	for range callers {
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "steps/s")
}
