package storetest

import (
	"time"

	"github.com/signet-idp/signet/store"
)

func versionCases() []testCase {
	return []testCase{{
		"versions never return",
		"A version is never used again for the same record, not after deletion, not after expiry, not after Purge.",
		versionsNeverReturn,
	}}
}

func versionsNeverReturn(c *trial) {
	seen := map[int64]string{}
	took := func(step string, version int64) int64 {
		if before, ok := seen[version]; ok || version <= 0 {
			c.broken("%s gave version %d, which %s had given before", step, version, before)
		}
		seen[version] = step
		return version
	}
	r := c.record("1")
	for range 5 {
		r.Expires = time.Time{}
		r.Version = took("Insert", c.write(store.Insert(r)).Version)
		r.Version = took("Replace", c.write(store.Replace(r)).Version)
		c.write(store.Delete(c.kind, ref("1"), r.Version))

		version := took("Add after Delete", c.write(store.Add(c.kind, ref("1"), 1, time.Time{})).Version)
		c.write(store.Delete(c.kind, ref("1"), version))

		r.Expires = c.now.Add(time.Minute)
		took("Insert after Delete", c.write(store.Insert(r)).Version)
		c.now = r.Expires
		r.Expires = c.now.Add(time.Minute)
		took("Insert after expiry", c.write(store.Insert(r)).Version)
		c.now = r.Expires
		if c.driver == nil {
			continue
		}
		if _, err := c.driver.Purge(c.Context(), c.now, 100); err != nil {
			c.stop("Purge: %v", err)
		}
	}
}
