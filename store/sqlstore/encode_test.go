package sqlstore_test

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore"
)

// TestEncodingKeepsOrder compares every pair of some values as they are and as they are stored.
func TestEncodingKeepsOrder(t *testing.T) {
	t.Parallel()
	values := []store.Value{
		store.Text(""), store.Text("a"), store.Text("a\x00"), store.Text("aa"), store.Text("b"), store.Text("\xff"), store.Text("\xff\xff"),
		store.Number(math.MinInt64), store.Number(-2), store.Number(-1), store.Number(0), store.Number(1), store.Number(256), store.Number(math.MaxInt64),
		store.Bool(false), store.Bool(true),
		store.Time(time.Date(1930, 1, 1, 0, 0, 0, 0, time.UTC)), store.Time(time.Unix(0, 0)), store.Time(time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)),
	}
	for _, v := range values {
		for _, w := range values {
			if got, want := bytes.Compare(sqlstore.Encode(v), sqlstore.Encode(w)), v.Compare(w); got != want {
				t.Errorf("stored, %+v and %+v compare as %d, want %d", v, w, got, want)
			}
		}
	}
}
