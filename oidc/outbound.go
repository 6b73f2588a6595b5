package oidc

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"time"

	"github.com/signet-idp/signet/internal/fetch"
)

// Outbound is how the Provider calls the URLs that clients have registered: their key sets, request objects, sector
// identifiers, and endpoints for logout and notification. The zero value calls public addresses by https alone, judges each address
// when it is dialled, follows no redirect, uses no proxy, and bounds what anything may cost.
type Outbound struct {
	// Timeout is how long one call may take in all; zero is 5 seconds, and more than a minute an error.
	Timeout time.Duration
	// RootCAs are trusted to name servers; nil are those of the system.
	RootCAs *x509.CertPool
	// Refuse are further networks that are not called: public addresses that mean something else from where the Provider stands.
	Refuse []netip.Prefix
	// InsecureNetworks may be called although they are not public, and by plain http too: loopback in a test, or an intranet
	// all of whose clients are trusted. Whoever may register a client can then make the Provider call anything there.
	InsecureNetworks []netip.Prefix
	// Resolve returns the addresses of a name; nil asks the system. Dial connects to an address that has passed the filter; nil
	// is a net.Dialer. Both are called by many goroutines at once.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	Dial    func(ctx context.Context, to netip.AddrPort) (net.Conn, error)
}

// client returns what every feature calls foreign URLs with.
func (o Outbound) client(now func() time.Time) (*fetch.Client, error) {
	return fetch.New(fetch.Config{
		Now: now, Timeout: o.Timeout, RootCAs: o.RootCAs, Refuse: o.Refuse, InsecureNetworks: o.InsecureNetworks,
		Resolve: o.Resolve, Dial: o.Dial,
	})
}
