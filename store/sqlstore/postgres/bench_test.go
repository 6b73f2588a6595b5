package postgres_test

import (
	"testing"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore/postgres"
	"github.com/signet-idp/signet/store/storetest"
)

func BenchmarkDriver(b *testing.B) {
	storetest.Benchmark(b, func(tb testing.TB, _ string) store.Driver {
		driver, err := postgres.Open(tb.Context(), openDB(tb, testenv.SharedPostgres(tb).NewDatabase(tb), 32), postgres.Config{})
		if err != nil {
			tb.Fatal(err)
		}
		return driver
	})
}
