package redis

import (
	"fmt"
	"strconv"
	"time"

	"github.com/signet-idp/signet/store"
)

// grace is how much later than Expires Redis removes a record: clocks of nodes may differ or step back by as much before
// a record is gone that is still alive to them.
const grace = time.Hour

// longest is beyond what Redis need not be told when to remove a record.
const longest = 100 * 365 * 24 * time.Hour

// arguments are those of apply.lua.
func arguments(op *store.Op, now time.Time, next int64) []any {
	r := &op.Record
	schema, body := r.Schema, r.Body
	if op.Verb == store.VerbAdd {
		schema, body = 0, nil
	}
	delta := op.Delta
	if op.Verb != store.VerbAdd {
		delta = 0
	}
	return []any{op.Verb.String(), stamp(now), r.Version, next, stamp(r.Expires), life(r.Expires, now), schema, body, delta}
}

// life is after how many milliseconds Redis may remove a record; "" is never.
func life(expires, now time.Time) string {
	if expires.IsZero() {
		return ""
	}
	left := max(0, expires.Sub(now))
	if left > longest {
		return ""
	}
	return strconv.FormatInt((left + grace).Milliseconds(), 10)
}

// stamp writes a time, to the microsecond, as 20 digits that compare as the times do; the zero time is "".
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return fmt.Sprintf("%020d", uint64(t.UnixMicro())+1<<63)
}

func parseStamp(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("redis: %q is no time", s)
	}
	return time.UnixMicro(int64(n - 1<<63)).UTC(), nil
}

// decode fills in the record from its fields v, x, s, c and b, and reports whether there is one.
func decode(fields []any, r *store.Record) (bool, error) {
	if len(fields) != 5 || fields[0] == nil {
		return false, nil
	}
	var text [5]string
	for i, field := range fields {
		s, ok := field.(string)
		if !ok {
			return false, fmt.Errorf("redis: the record %s %q is damaged: a field is missing", r.Kind, r.ID)
		}
		text[i] = s
	}
	version, badVersion := strconv.ParseInt(text[0], 10, 64)
	expires, badExpires := parseStamp(text[1])
	schema, badSchema := strconv.Atoi(text[2])
	count, badCount := strconv.ParseInt(text[3], 10, 64)
	for _, err := range []error{badVersion, badExpires, badSchema, badCount} {
		if err != nil {
			return false, fmt.Errorf("redis: the record %s %q is damaged: %v", r.Kind, r.ID, err)
		}
	}
	r.Version, r.Expires, r.Schema, r.Count = version, expires, schema, count
	if text[4] != "" {
		r.Body = []byte(text[4])
	}
	return true, nil
}
