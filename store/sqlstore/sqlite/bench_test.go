package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/storetest"
)

func BenchmarkDriver(b *testing.B) {
	storetest.Benchmark(b, func(tb testing.TB, dir string) store.Driver { return openFile(tb, filepath.Join(dir, "bench.db")) })
}
