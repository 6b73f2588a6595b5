package keyring

import (
	"slices"
	"time"
)

// What a key is for follows from the records of its algorithm, in the order of generations, and the time.

func (k *key) expired(now time.Time) bool { return !k.Expires.IsZero() && !k.Expires.After(now) }

// active returns the active key: the last generation whose time has come. When the clock stands before all of them
// (it was set back, or the node that made the first key is ahead) it is the first. It is nil when there is no key.
func active(keys []*key, now time.Time) *key {
	var first *key
	for _, k := range slices.Backward(keys) {
		if k.expired(now) {
			continue
		}
		if !k.Activates.After(now) {
			return k
		}
		first = k
	}
	return first
}

// newest returns the last generation, active or yet to be; nil when there is no key.
func newest(keys []*key) *key {
	if len(keys) == 0 {
		return nil
	}
	return keys[len(keys)-1]
}

// due reports whether the newest key needs a successor: one that is made now begins to sign when the newest has done so
// for RotateAfter. It also does when it had a successor that has been deleted.
func (c Config) due(newest *key, now time.Time) bool {
	return !newest.Retires.IsZero() || !now.Before(newest.Activates.Add(c.RotateAfter-c.lead()))
}

// lead is the time between making a key and its first use: when it ends, the slowest node has published it for
// Prepublish.
func (c Config) lead() time.Duration { return c.Prepublish + staleness }

// retire returns the record of a key whose successor begins to sign at the given time. A node that does not know of the
// successor yet uses the key a little longer, and Retain begins only then.
func (c Config) retire(k *key, at time.Time) *record {
	rec := k.record
	rec.Retires = at
	rec.Expires = at.Add(staleness + c.Retain)
	return &rec
}
