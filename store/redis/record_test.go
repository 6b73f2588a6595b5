package redis_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/redis"
)

// FuzzDecode reads what somebody else may have written to Redis: it is a record, none, or an error.
func FuzzDecode(f *testing.F) {
	f.Add("1", redis.Stamp(epoch), "2", "0", `{"a":1}`, 5)
	f.Add("9223372036854775807", "", "0", "-9223372036854775808", "", 5)
	f.Add("0", "18446744073709551615", "x", "", "\x00", 5)
	f.Add("", "99999999999999999999", "", "", "", 3)
	f.Fuzz(func(t *testing.T, version, expires, schema, count, body string, present int) {
		fields := []any{version, expires, schema, count, body}
		for i := range fields {
			if i >= present {
				fields[i] = nil
			}
		}
		var r store.Record
		found, err := redis.Decode(fields, &r)
		if !found || err != nil {
			if r.Version != 0 || r.Body != nil {
				t.Errorf("half a record: %+v, %v", r, err)
			}
			return
		}
		if want, _ := strconv.ParseInt(version, 10, 64); r.Version != want || string(r.Body) != body || redis.Stamp(r.Expires) != "" && expires == "" {
			t.Errorf("%q became %+v", fields, r)
		}
	})
}

// FuzzStamp demands that times compare as their texts do, and come back to the microsecond.
func FuzzStamp(f *testing.F) {
	f.Add(int64(0), int64(-1))
	f.Add(epoch.UnixMicro(), epoch.UnixMicro()+1)
	f.Add(int64(1)<<55, -int64(1)<<55)
	f.Fuzz(func(t *testing.T, a, b int64) {
		const span = 1 << 60 // some 36,000 years to each side
		a, b = a%span, b%span
		first, second := time.UnixMicro(a), time.UnixMicro(b)
		if first.IsZero() || second.IsZero() {
			return
		}
		x, y := redis.Stamp(first), redis.Stamp(second)
		if (x < y) != (a < b) || len(x) != len(y) {
			t.Errorf("%d and %d are written %q and %q", a, b, x, y)
		}
		if back, err := redis.ParseStamp(x); err != nil || !back.Equal(first) {
			t.Errorf("%v came back as %v, %v", first, back, err)
		}
	})
}
