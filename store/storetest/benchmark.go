package storetest

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/signet-idp/signet/store"
)

// Benchmark measures a Driver by itself: reads, durable steps of one and of several operations by 1, 16 and 64 callers, and a
// page of a list. Open opens an empty store in a folder, as Target.Open does.
func Benchmark(b *testing.B, open func(tb testing.TB, dir string) store.Driver) {
	run := func(name string, measure func(b *testing.B, db store.Driver)) {
		b.Run(name, func(b *testing.B) {
			db := open(b, b.TempDir())
			fill(b, db, benchMany, func(n int) store.Record { return benchRecord(int64(n)) })
			b.ReportAllocs()
			b.ResetTimer()
			measure(b, db)
		})
	}
	run("Get", benchGet)
	run("GetParallel", benchGetParallel)
	run("Lookup", benchLookup)
	run("Replace", benchReplace)
	run("List", benchList)
	for _, callers := range []int{1, 16, 64} {
		run(fmt.Sprint("Insert/", callers), func(b *testing.B, db store.Driver) { benchInsert(b, db, callers) })
		run(fmt.Sprint("Mint/", callers), func(b *testing.B, db store.Driver) { benchMint(b, db, callers) })
	}
}

const benchMany = 20_000

// benchBody is as large as that of a session or grant.
const benchBody = `{"subject":"7f3c1e9a-5d0b-4c58-9f57-0b1f6f0e2a11","client":"web","status":"active","epoch":3,` +
	`"scope":["openid","profile","email","offline_access"],"auth_time":1893456000,"amr":["pwd","otp"],"acr":"aal2"}`

func benchRecord(n int64) store.Record {
	return store.Record{Kind: durable, ID: fmt.Sprintf("7f3c1e9a-5d0b-4c58-9f57-%012d", n), Body: []byte(benchBody)}
}

// benchPerson is a record that a list finds.
func benchPerson(n int) store.Record {
	r := benchRecord(int64(n))
	r.ID, r.Org = fmt.Sprint("person-", n), "acme"
	r.Index = []store.Entry{{Field: "name", Value: store.Text(fmt.Sprintf("name-%06d", n*7919%benchMany))}, {Field: "active", Value: store.Bool(n%3 > 0)}}
	return r
}

// fill inserts many records.
func fill(b *testing.B, db store.Driver, many int, record func(int) store.Record) {
	b.Helper()
	for n := 0; n < many; n += 500 {
		var ops []store.Op
		for i := range 500 {
			ops = append(ops, store.Insert(record(n+i)))
		}
		if _, err := db.Apply(b.Context(), epoch, ops...); err != nil {
			b.Fatal(err)
		}
	}
}

func benchGet(b *testing.B, db store.Driver) {
	for n := 0; b.Loop(); n++ {
		if _, err := db.Get(b.Context(), epoch, durable, "", benchRecord(int64(n*7919%benchMany)).ID); err != nil {
			b.Fatal(err)
		}
	}
}

func benchGetParallel(b *testing.B, db store.Driver) {
	var next atomic.Int64
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := db.Get(b.Context(), epoch, durable, "", benchRecord(next.Add(7919)%benchMany).ID); err != nil {
				b.Error(err)
			}
		}
	})
}

func benchLookup(b *testing.B, db store.Driver) {
	key := store.Key{Name: "name", Value: "ann"}
	r := benchRecord(benchMany + 1)
	r.Keys = []store.Key{key}
	if _, err := db.Apply(b.Context(), epoch, store.Insert(r)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := db.Lookup(b.Context(), epoch, durable, "", key); err != nil {
			b.Fatal(err)
		}
	}
}

func benchReplace(b *testing.B, db store.Driver) {
	r := benchRecord(benchMany + 1)
	r.Index = []store.Entry{{Field: "subject", Value: store.Text("subject")}}
	results, err := db.Apply(b.Context(), epoch, store.Insert(r))
	for b.Loop() {
		if err != nil {
			b.Fatal(err)
		}
		r.Version = results[0].Version
		results, err = db.Apply(b.Context(), epoch, store.Replace(r))
	}
}

// benchList reads a page of 100, sorted, out of 20,000.
func benchList(b *testing.B, db store.Driver) {
	b.StopTimer()
	fill(b, db, benchMany, benchPerson)
	b.StartTimer()
	q := store.Query{Kind: durable, Org: "acme", Within: store.Subtree, Sort: "name", Filter: store.Equals("active", store.Bool(true))}
	for b.Loop() {
		if _, err := db.List(b.Context(), epoch, q); err != nil {
			b.Fatal(err)
		}
	}
}

// benchInsert is one durable step of one operation, by so many callers at once.
func benchInsert(b *testing.B, db store.Driver, callers int) {
	var next atomic.Int64
	next.Store(benchMany)
	apart(b, callers, func() error {
		_, err := db.Apply(b.Context(), epoch, store.Insert(benchRecord(next.Add(1))))
		return err
	})
}

// benchMint is a durable step as minting takes it: two records with names, two checks.
func benchMint(b *testing.B, db store.Driver, callers int) {
	client, subject := benchRecord(0), benchRecord(1)
	client.ID, subject.ID = "client", "subject"
	results, err := db.Apply(b.Context(), epoch, store.Insert(client), store.Insert(subject))
	if err != nil {
		b.Fatal(err)
	}
	var next atomic.Int64
	next.Store(benchMany)
	apart(b, callers, func() error {
		grant, token := benchRecord(next.Add(1)), benchRecord(next.Add(1))
		grant.Index = []store.Entry{{Field: "subject", Value: store.Text("subject")}}
		token.Keys = []store.Key{{Name: "hash", Value: token.ID}}
		token.Expires = epoch.AddDate(0, 1, 0)
		_, err := db.Apply(b.Context(), epoch, store.Insert(grant), store.Insert(token),
			store.Check(durable, client.Ref(), results[0].Version),
			store.Check(durable, subject.Ref(), results[1].Version))
		return err
	})
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
