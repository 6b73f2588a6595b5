package directory

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/signet-idp/signet/store"
)

// Throttled is what an address does that is bounded.
type Throttled string

// What is bounded; see the fields of ThrottlePolicy.
const (
	ThrottlePassword Throttled = "password"
	ThrottleAccount  Throttled = "account"
	ThrottleSend     Throttled = "send"
	// ThrottleMessage is bounded for each recipient, whatever address asks for it; see Sends.
	ThrottleMessage Throttled = "message"
	// ThrottleFlow and ThrottleRequest are bounded by ThrottlePolicy.Flow, each by itself: pages of a flow, and what protocols
	// keep of a request until it is answered.
	ThrottleFlow    Throttled = "flow"
	ThrottleRequest Throttled = "request"
	// ThrottleEmbedded is ThrottleRequest for what a browser fetches for the inside of some page, its frames and images: any site can have it fetch
	// those without the person's doing, who is not to wait with a sign-in for that. It is bounded by ThrottlePolicy.Flow too.
	ThrottleEmbedded Throttled = "embedded"
)

// windowKind counts attempts in a window of time. It holds no addresses, only keyed hashes.
var windowKind = store.Kind{Name: "directory.window"}

// Throttle bounds what one network address may try, in fixed windows of time. An IPv6 address stands for its /64.
type Throttle struct {
	db       *store.DB
	settings *Settings
	buckets  buckets
}

func newThrottle(db *store.DB, settings *Settings) *Throttle {
	return &Throttle{db: db, settings: settings, buckets: buckets{full: map[bucket]time.Time{}}}
}

// Pass is one attempt that Throttle.Begin has counted.
type Pass struct {
	now     time.Time
	windows []window
}

type window struct {
	limit Limit
	ref   store.Ref
	ends  time.Time
	count *int64
}

// Begin adds to the batch that an address makes an attempt. Whether it may go on is known once the batch is applied.
// All that is not an IP address shares one budget.
func (t *Throttle) Begin(ctx context.Context, b *store.Batch, org string, what Throttled, address string) (*Pass, error) {
	p, err := t.pass(ctx, org, what, address)
	if err != nil {
		return nil, err
	}
	for i, w := range p.windows {
		p.windows[i].count = b.Add(windowKind, w.ref, 1, w.ends)
	}
	return p, nil
}

// Look returns what an attempt that was begun now would find, without counting one. Attempts at once may all find room for the
// last: it spares work, and Begin decides.
func (t *Throttle) Look(ctx context.Context, org string, what Throttled, address string) (*Pass, error) {
	p, err := t.pass(ctx, org, what, address)
	if err != nil {
		return nil, err
	}
	for i, w := range p.windows {
		count, err := t.db.Count(ctx, windowKind, w.ref)
		if err != nil {
			return nil, err
		}
		count++
		p.windows[i].count = &count
	}
	return p, nil
}

// pass lays out the windows of an attempt.
func (t *Throttle) pass(ctx context.Context, org string, what Throttled, address string) (*Pass, error) {
	policy, err := Resolve(ctx, t.settings, t.settings.Throttle, org, "")
	if err != nil {
		return nil, err
	}
	p := &Pass{now: t.db.Now()}
	network := network(address)
	for _, limit := range policy.limits(what) {
		start := p.now.Truncate(limit.Per)
		id := t.db.Keys().MAC("directory.throttle", string(what), network, limit.Per.String(), strconv.FormatInt(start.Unix(), 10))
		p.windows = append(p.windows, window{limit: limit, ref: store.Ref{Org: org, ID: id}, ends: start.Add(limit.Per)})
	}
	return p, nil
}

func (p ThrottlePolicy) limits(what Throttled) []Limit {
	var chosen []Limit
	switch what {
	case ThrottlePassword:
		chosen = p.Password
	case ThrottleAccount:
		chosen = p.Account
	case ThrottleSend:
		chosen = p.Send
	case ThrottleMessage:
		chosen = p.Message
	case ThrottleFlow, ThrottleRequest, ThrottleEmbedded:
		chosen = p.Flow
	}
	switch {
	case slices.Contains(p.Off, what):
		return nil
	case len(chosen) > 0:
		return chosen
	}
	return what.standard()
}

// standard are the limits that hold where none were chosen; nil for what is not bounded.
func (t Throttled) standard() []Limit {
	switch t {
	case ThrottlePassword:
		return []Limit{{60, time.Minute}, {1000, 24 * time.Hour}}
	case ThrottleAccount:
		return []Limit{{20, time.Hour}}
	case ThrottleSend:
		return []Limit{{10, time.Hour}}
	case ThrottleMessage:
		return []Limit{{1, time.Minute}, {5, time.Hour}, {20, 24 * time.Hour}}
	case ThrottleFlow, ThrottleRequest, ThrottleEmbedded:
		return []Limit{{60, time.Minute}}
	}
	return nil
}

// Admitted reports whether the attempt is within all limits. It is false until the batch of Begin was applied.
func (p *Pass) Admitted() bool {
	for _, w := range p.windows {
		if *w.count < 1 || *w.count > w.limit.Count {
			return false
		}
	}
	return true
}

// RetryAfter is how long until the limits that were passed are forgotten, for a Retry-After header; zero when Admitted.
func (p *Pass) RetryAfter() time.Duration {
	var wait time.Duration
	for _, w := range p.windows {
		if *w.count > w.limit.Count {
			wait = max(wait, w.ends.Sub(p.now))
		}
	}
	return wait
}

// network returns what stands for an address: itself, or its /64.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	prefix, err := a.Prefix(64)
	if err != nil {
		return ""
	}
	return prefix.String()
}
