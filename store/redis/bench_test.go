package redis_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
)

func BenchmarkInsert(b *testing.B) {
	s := open(b, single(testenv.SharedRedis(b)))
	var next atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Apply(b.Context(), epoch, store.Insert(record(fmt.Sprint(next.Add(1))))); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkGet(b *testing.B) {
	s := open(b, single(testenv.SharedRedis(b)))
	if _, err := s.Apply(b.Context(), epoch, store.Insert(record("1"))); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Get(b.Context(), epoch, mark, "", "1"); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkSince(b *testing.B) {
	s := open(b, single(testenv.SharedRedis(b)))
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Since(b.Context(), epoch, mark, "", "1"); err != nil {
				b.Error(err)
			}
		}
	})
}
