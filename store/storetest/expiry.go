package storetest

import (
	"time"

	"github.com/signet-idp/signet/store"
)

func expiryCases() []testCase {
	const rule = "A record whose Expires is not after the caller's now is absent for every method, whatever the backend's clock says."
	return []testCase{
		{"expiry by the caller's clock", rule, expiryByCaller},
		{"expired is absent to every verb", rule, expiredToVerbs},
		{"expired counter", "An expired counter starts at zero and takes the new expiry; a live one keeps its own.", expiredCounter},
		{"born expired", rule, bornExpired},
		{"expiry precision", "Expires keeps microseconds; the zero time is never.", expiryPrecision},
	}
}

func expiryByCaller(c *trial) {
	// One record is long gone and one far off by any machine's clock: only the caller's now may count.
	for _, now := range []time.Time{epoch, epoch.AddDate(-60, 0, 0), epoch.AddDate(100, 0, 0)} {
		c.now = now
		r := c.record(now.Format(time.DateOnly))
		r.Expires = now.Add(time.Minute)
		c.write(store.Insert(r))
		for _, before := range []time.Duration{0, 59 * time.Second, time.Minute - time.Microsecond} {
			c.now = now.Add(before)
			c.get(r.Ref())
		}
		for _, after := range []time.Duration{time.Minute, time.Minute + time.Microsecond, time.Hour} {
			c.now = now.Add(after)
			c.absent(r.Ref())
		}
		c.now = now.Add(time.Second)
		c.get(r.Ref()) // reading as expired has removed nothing
	}
	forever := c.record("forever")
	c.write(store.Insert(forever))
	c.now = epoch.AddDate(1000, 0, 0)
	c.get(forever.Ref())
}

func expiredToVerbs(c *trial) {
	r := c.record("1")
	r.Expires = c.now.Add(time.Minute)
	r.Version = c.write(store.Insert(r)).Version
	c.now = r.Expires
	c.refuse(c.conflict(store.Absent, "1"), store.Replace(r))
	c.refuse(c.conflict(store.Absent, "1"), store.Delete(c.kind, ref("1"), r.Version))
	c.refuse(c.conflict(store.Absent, "1"), store.Check(c.kind, ref("1"), r.Version))
	c.absent(ref("1"))

	next := c.record("1")
	next.Body = []byte(`{"next":true}`)
	next.Version = c.write(store.Insert(next)).Version
	if got := c.get(ref("1")); !same(got, next) {
		c.broken("an expired id was taken by %+v, but reads as %+v", next, got)
	}
}

func expiredCounter(c *trial) {
	first := c.now.Add(time.Minute)
	c.write(store.Add(c.kind, ref("n"), 5, first))
	c.write(store.Add(c.kind, ref("n"), 1, first.Add(time.Hour)))
	if got := c.get(ref("n")); got.Count != 6 || !got.Expires.Equal(first) {
		c.broken("a live counter became %+v, must hold 6 and expire at %v", got, first)
	}
	c.now = first
	second := first.Add(time.Minute)
	if result := c.write(store.Add(c.kind, ref("n"), 2, second)); result.Count != 2 {
		c.broken("an expired counter went on to %d, must begin again with 2", result.Count)
	}
	if got := c.get(ref("n")); got.Count != 2 || !got.Expires.Equal(second) {
		c.broken("a counter that began again is %+v, must expire at %v", got, second)
	}
	// What expired may have been no counter: nothing of it is left.
	r := c.record("1")
	r.Expires = second
	c.write(store.Insert(r))
	c.now = second
	c.write(store.Add(c.kind, ref("1"), 1, time.Time{}))
	if got := c.get(ref("1")); len(got.Body) != 0 || got.Count != 1 || !got.Expires.IsZero() {
		c.broken("a counter over an expired record is %+v", got)
	}
}

func bornExpired(c *trial) {
	for range 2 {
		r := c.record("1")
		r.Expires = c.now
		c.write(store.Insert(r)) // the second time too: what is there has expired
		c.absent(ref("1"))
	}
}

func expiryPrecision(c *trial) {
	for i, expires := range []time.Time{
		c.now.Add(time.Microsecond),
		c.now.Add(time.Second - time.Microsecond).In(time.FixedZone("east", 5*3600)),
		time.Date(2999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		{},
	} {
		r := c.record(string(rune('a' + i)))
		r.Expires = expires
		c.write(store.Insert(r))
		if got := c.get(r.Ref()); !got.Expires.Equal(expires) {
			c.broken("wrote Expires %v, read %v", expires, got.Expires)
		}
	}
}
