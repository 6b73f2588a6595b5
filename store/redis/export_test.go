package redis

import (
	"time"

	"github.com/signet-idp/signet/store"
)

// Decode opens the reading of a record to its fuzz target.
func Decode(fields []any, r *store.Record) (bool, error) { return decode(fields, r) }

// Stamp opens the writing of times, and ParseStamp their reading.
func Stamp(t time.Time) string { return stamp(t) }

// ParseStamp reads what Stamp wrote.
func ParseStamp(s string) (time.Time, error) { return parseStamp(s) }
