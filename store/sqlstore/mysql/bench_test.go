package mysql_test

import (
	"testing"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore/mysql"
	"github.com/signet-idp/signet/store/storetest"
)

func BenchmarkDriver(b *testing.B) {
	storetest.Benchmark(b, func(tb testing.TB, _ string) store.Driver {
		pool := newPool(tb, "")
		pool.SetMaxOpenConns(64)
		pool.SetMaxIdleConns(64)
		return openDriver(tb, mysql.Open, pool, mysql.Config{})
	})
}
