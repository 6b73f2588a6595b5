package web

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// Site is where an issuer lives: its URL, its cookies, and the proxies that may speak for a client. Everything derives from
// configuration and nothing from the Host header. It is immutable and safe for concurrent use.
type Site struct {
	issuer  string
	origin  string
	base    *url.URL
	prefix  string
	cookies string
	secure  bool
	proxies []netip.Prefix
	moved   Paths
}

// NewSite checks the issuer: an https URL, or http on a loopback host, without user information, query, fragment or
// trailing slash (OpenID Connect Discovery §3, RFC 8414 §2). Requests from trustedProxies may name the client in
// X-Forwarded-For.
func NewSite(issuer string, trustedProxies []netip.Prefix) (*Site, error) {
	base, err := url.Parse(issuer)
	if err != nil {
		return nil, fmt.Errorf("issuer %q is not a URL", issuer)
	}
	secure := base.Scheme == "https"
	switch {
	case base.Hostname() == "" || base.Opaque != "":
		return nil, fmt.Errorf("issuer %q is not an absolute URL with a host", issuer)
	case !secure && (base.Scheme != "http" || !IsLoopback(base.Hostname())):
		return nil, fmt.Errorf("issuer %q must be https, or http on a loopback host", issuer)
	case base.User != nil || base.RawQuery != "" || base.ForceQuery || strings.Contains(issuer, "#"):
		return nil, fmt.Errorf("issuer %q must not have user information, a query or a fragment", issuer)
	case strings.HasSuffix(issuer, "/"):
		return nil, fmt.Errorf("issuer %q must not end in a slash", issuer)
	case base.Path != "" && (base.EscapedPath() != base.Path || path.Clean(base.Path) != base.Path):
		return nil, fmt.Errorf("issuer %q must have a plain path", issuer)
	case base.String() != issuer || strings.ToLower(base.Host) != base.Host: // compared byte by byte, by everybody
		return nil, fmt.Errorf("issuer %q must be written in lower case up to its path", issuer)
	}
	sum := sha256.Sum256([]byte(issuer))
	name := "signet-" + hex.EncodeToString(sum[:4]) + "-"
	if secure {
		name = "__Host-" + name
	}
	return &Site{
		issuer: issuer, origin: base.Scheme + "://" + base.Host, base: base, prefix: base.Path, cookies: name, secure: secure,
		proxies: slices.Clone(trustedProxies),
	}, nil
}

// Issuer is the issuer identifier, byte for byte as configured.
func (s *Site) Issuer() string { return s.issuer }

// Origin is the issuer's scheme, host and port.
func (s *Site) Origin() string { return s.origin }

// Prefix is the issuer's path: "" when it lives at the root of its host.
func (s *Site) Prefix() string { return s.prefix }

// Path returns the path on the host of an endpoint that is at path, which begins with a slash, by default.
func (s *Site) Path(path string) string { return s.prefix + s.place(path) }

// URL returns the absolute URL of an endpoint.
func (s *Site) URL(path string) string { return s.issuer + s.place(path) }

// IsLoopback reports whether host is "localhost" or a loopback address.
func IsLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// SetCookie sets the site's cookie for a purpose. A zero lifetime makes it last as long as the browser.
func (s *Site) SetCookie(w http.ResponseWriter, purpose, value string, lifetime time.Duration) {
	c := s.cookie(purpose, value)
	if lifetime > 0 {
		c.MaxAge = int(lifetime / time.Second)
	}
	http.SetCookie(w, c)
}

// SetReadableCookie sets a cookie that scripts of ours can read, also where a page of somebody else's frames us; "" removes it. It is for
// what authenticates nobody. On http, browsers give it to frames of the same site alone.
func (s *Site) SetReadableCookie(w http.ResponseWriter, purpose, value string) {
	c := s.cookie(purpose, value)
	c.HttpOnly = false
	if s.secure {
		c.SameSite = http.SameSiteNoneMode
	}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// ClearCookie removes the site's cookie for a purpose.
func (s *Site) ClearCookie(w http.ResponseWriter, purpose string) {
	c := s.cookie(purpose, "")
	c.MaxAge = -1
	http.SetCookie(w, c)
}

// Cookie returns the value of the site's cookie for a purpose, "" when there is none. Only the form of name that fits the
// issuer is read, and a name that stands twice is not believed: somebody below our host may have planted one of them.
func (s *Site) Cookie(r *http.Request, purpose string) string {
	found := r.CookiesNamed(s.cookies + purpose)
	if len(found) != 1 {
		return ""
	}
	return found[0].Value
}

// HasCookies reports whether a request brings any of the site's cookies.
func (s *Site) HasCookies(r *http.Request) bool {
	return slices.ContainsFunc(r.Cookies(), func(c *http.Cookie) bool { return strings.HasPrefix(c.Name, s.cookies) })
}

// CookieName is the full name of the site's cookie for a purpose.
func (s *Site) CookieName(purpose string) string { return s.cookies + purpose }

func (s *Site) cookie(purpose, value string) *http.Cookie {
	return &http.Cookie{
		Name: s.cookies + purpose, Value: value, Path: "/",
		Secure: s.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// Address is the client's: the connection's peer or, when that is a trusted proxy, the rightmost hop in X-Forwarded-For
// that is not. An unreadable hop ends the walk at the proxy that reported it.
func (s *Site) Address(r *http.Request) netip.Addr {
	peer, err := peerAddress(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	if !s.trusts(peer) {
		return peer
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusts(peer); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		peer = hop.Unmap()
	}
	return peer
}

// AddressGroup is the address for counting; see Group.
func (s *Site) AddressGroup(r *http.Request) string { return Group(s.Address(r)) }

// Group is an address for counting: IPv6 is counted by its /64, of which anybody has as many addresses as they like.
func Group(addr netip.Addr) string {
	if addr.Is6() {
		if prefix, err := addr.WithZone("").Prefix(64); err == nil {
			return prefix.String()
		}
	}
	return addr.String()
}

func (s *Site) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(s.proxies, func(p netip.Prefix) bool { return p.Contains(addr.WithZone("")) })
}

func peerAddress(remote string) (netip.Addr, error) {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, errors.New("web: the peer has no IP address")
	}
	return addr.Unmap(), nil
}
