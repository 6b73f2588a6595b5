// Package fetch is the one way to call a URL that somebody else supplied: a client's key set, request object, metadata
// document, sector identifier or logout endpoint. Such a URL is a wish of a stranger that our own machine should make a
// request from inside our network, so whatever is not needed for a public web server is refused:
//
//   - https only, without user information, and no redirects: the answer comes from the place that was named;
//   - an address is judged when it is dialled, after DNS, and that very address is dialled. A name that answers differently the
//     second time (rebinding) is judged by what it answers then;
//   - no proxy, no cookies, no credentials, no decompression; bounds on the time, the size of head and body, the number of
//     requests at once, and the requests to one host and to one address in a second.
//
// Documents come through a Kind, which decodes them once, remembers them as long as their Cache-Control allows within
// bounds, asks once for many callers, and remembers failures for a while. Messages go out through Client.Post.
//
// Errors are for the log: their text may name addresses of the inside, which whoever supplied the URL must not learn.
package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"
)

// A refusal matches one of these. An error of the caller's own context is returned as it is.
var (
	// ErrRefused: the URL, or every address that its host has, is not one to be called. Trying again does not help until
	// somebody changes the URL or the DNS.
	ErrRefused = errors.New("fetch: refused")
	// ErrFailed: no usable answer came, because of the network, TLS, time, or what the answer was.
	ErrFailed = errors.New("fetch: failed")
	// ErrBusy: too many requests at once, or to this host.
	ErrBusy = errors.New("fetch: too many requests")
)

// Config is the wiring of a Client. The zero value of everything but Now is the safe choice.
type Config struct {
	// Now is the clock. Required.
	Now func() time.Time
	// RootCAs are trusted to name servers; nil are those of the system.
	RootCAs *x509.CertPool
	// Timeout is how long one exchange may take, from the look-up of the name to the last byte; zero is 5 seconds.
	Timeout time.Duration
	// PerSecond is how many calls go to one host, and to one address, in a second; zero is 10, which does for hosts that strangers name. Five
	// seconds' worth may go at once.
	PerSecond int
	// Refuse are further networks that are not called: public addresses that mean something else from where we stand.
	Refuse []netip.Prefix
	// InsecureNetworks may be called although the address filter is against them, and by plain http too: a test's loopback, or
	// an intranet whose clients are all trusted.
	InsecureNetworks []netip.Prefix

	// Resolve returns the addresses of a name; nil asks the system.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// Dial connects to an address that has passed the filter, and to no other; nil is a net.Dialer.
	Dial func(ctx context.Context, to netip.AddrPort) (net.Conn, error)
}

// The bounds that need no knob.
const (
	defaultTimeout = 5 * time.Second
	maxURL         = 2048
	maxHead        = 16 << 10 // bytes of an answer's head
	maxAtOnce      = 64       // requests under way
	maxAddresses   = 4        // tried in turn
)

// Client calls URLs. It is safe for concurrent use, and keeps no connection open.
type Client struct {
	config  Config
	secure  *http.Transport
	plain   *http.Transport // nil unless there are InsecureNetworks
	slots   chan struct{}
	hosts   *limiter // by name
	peers   *limiter // by address
	mu      sync.Mutex
	cache   *lru[*entry]
	failed  *lru[failure]
	flights map[string]*flight
}

// New checks the configuration and returns a Client.
func New(config Config) (*Client, error) {
	switch {
	case config.Now == nil:
		return nil, errors.New("fetch: Config.Now is required")
	case config.Timeout < 0 || config.PerSecond < 0:
		return nil, errors.New("fetch: Config.Timeout and Config.PerSecond must not be negative")
	case config.Timeout == 0:
		config.Timeout = defaultTimeout
	}
	if config.PerSecond == 0 {
		config.PerSecond = defaultPerSecond
	}
	if config.Resolve == nil {
		config.Resolve = resolve
	}
	if config.Dial == nil {
		config.Dial = dial
	}
	c := &Client{
		config: config, slots: make(chan struct{}, maxAtOnce),
		hosts: newLimiter(config.PerSecond), peers: newLimiter(config.PerSecond),
		cache: newLRU[*entry](maxCached, maxCachedBytes), failed: newLRU[failure](maxFailures, maxFailures),
		flights: make(map[string]*flight),
	}
	c.secure = c.transport(c.permitted)
	if len(config.InsecureNetworks) > 0 {
		c.plain = c.transport(c.insecure)
	}
	return c, nil
}

// transport is HTTP/1.1 and HTTP/2 to those addresses that are admitted. Its requests go through RoundTrip: neither redirects
// nor cookies are its business.
func (c *Client) transport(admitted func(netip.Addr) bool) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Transport{
		Proxy: nil, // that of the environment would be dialled instead of what was judged
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return c.dialAdmitted(ctx, address, admitted)
		},
		TLSClientConfig:        &tls.Config{RootCAs: c.config.RootCAs, MinVersion: tls.VersionTLS12, Time: c.config.Now},
		Protocols:              protocols,
		DisableKeepAlives:      true, // a kept connection is a goroutine that nobody asked for
		DisableCompression:     true, // small on the wire must be small in memory
		MaxResponseHeaderBytes: maxHead,
	}
}

// Check reports whether a URL could be called at all, for when it is registered: what its host's addresses are is judged when it
// is called. The error is ErrRefused and its text safe to show.
func (c *Client) Check(rawURL string) error {
	_, err := c.target(rawURL)
	return err
}

func (c *Client) target(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	switch {
	case len(rawURL) > maxURL:
		return nil, fmt.Errorf("%w: the URL is longer than %d bytes", ErrRefused, maxURL)
	case err != nil || u.Opaque != "" || u.Hostname() == "":
		return nil, fmt.Errorf("%w: not an absolute URL", ErrRefused)
	case u.Scheme != "https" && (u.Scheme != "http" || c.plain == nil):
		return nil, fmt.Errorf("%w: the URL is not https", ErrRefused)
	case u.User != nil:
		return nil, fmt.Errorf("%w: the URL has user information", ErrRefused)
	case strings.ContainsAny(rawURL, " \t\r\n\\"):
		return nil, fmt.Errorf("%w: the URL has characters that no URL has", ErrRefused)
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil && !c.permitted(addr) {
		return nil, fmt.Errorf("%w: the URL names an address that is not public", ErrRefused)
	}
	return u, nil
}

// send makes one request within the bounds, and returns its answer with the body that read has made of it.
func (c *Client) send(r *http.Request, read func(*http.Response) ([]byte, error)) (*http.Response, []byte, error) {
	now := c.config.Now()
	if !c.hosts.admit(strings.ToLower(r.URL.Host), now) {
		return nil, nil, fmt.Errorf("%w to %s", ErrBusy, r.URL.Host)
	}
	ctx, cancel := context.WithTimeout(r.Context(), c.config.Timeout)
	defer cancel()
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("%w at once", ErrBusy)
	}
	transport := c.secure
	if r.URL.Scheme == "http" {
		transport = c.plain
	}
	r.Header.Set("User-Agent", "Signet")
	answer, err := transport.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, nil, failedWith(r.URL, err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := read(answer)
	if err != nil {
		return nil, nil, failedWith(r.URL, err)
	}
	return answer, body, nil
}

// failedWith keeps what the dialler has said, and calls anything else ErrFailed.
func failedWith(u *url.URL, err error) error {
	if errors.Is(err, ErrRefused) || errors.Is(err, ErrBusy) || errors.Is(err, ErrFailed) {
		return fmt.Errorf("%s: %w", u.Redacted(), err)
	}
	return fmt.Errorf("%w: %s: %w", ErrFailed, u.Redacted(), err)
}
