package fetch

import (
	"net/netip"
	"slices"
)

// notPublic4 are the IPv4 networks of the IANA special-purpose registry (RFC 6890) and above, and the address at which the
// machines of one cloud find their host.
var notPublic4 = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),        // this network
	netip.MustParsePrefix("10.0.0.0/8"),       // private
	netip.MustParsePrefix("100.64.0.0/10"),    // carrier-grade NAT, and the metadata of one cloud
	netip.MustParsePrefix("127.0.0.0/8"),      // loopback
	netip.MustParsePrefix("168.63.129.16/32"), // the host of a machine at Azure
	netip.MustParsePrefix("169.254.0.0/16"),   // link-local, and the metadata of most clouds
	netip.MustParsePrefix("172.16.0.0/12"),    // private
	netip.MustParsePrefix("192.0.0.0/24"),     // protocol assignments, and the metadata of one cloud
	netip.MustParsePrefix("192.0.2.0/24"),     // documentation
	netip.MustParsePrefix("192.88.99.0/24"),   // relays of 6to4
	netip.MustParsePrefix("192.168.0.0/16"),   // private
	netip.MustParsePrefix("198.18.0.0/15"),    // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"),  // documentation
	netip.MustParsePrefix("203.0.113.0/24"),   // documentation
	netip.MustParsePrefix("224.0.0.0/4"),      // multicast
	netip.MustParsePrefix("240.0.0.0/4"),      // reserved, and broadcast
}

// public6 is all of IPv6 that is given out (RFC 4291 §2.4). Loopback, link-local, private (fc00::/7), multicast, NAT64
// (64:ff9b::/96 and 64:ff9b:1::/48, which reach IPv4 behind the filter's back) and IPv4-compatible addresses lie outside.
var public6 = netip.MustParsePrefix("2000::/3")

// notPublic6 are the networks within public6 that are none.
var notPublic6 = []netip.Prefix{
	netip.MustParsePrefix("2001::/23"),     // protocol assignments: Teredo, benchmarks, ORCHID
	netip.MustParsePrefix("2001:db8::/32"), // documentation
	netip.MustParsePrefix("2002::/16"),     // 6to4, which reaches IPv4
	netip.MustParsePrefix("3fff::/20"),     // documentation
}

// public reports whether an address is that of a server on the public Internet. An IPv4 address written as IPv6 is judged as
// IPv4.
func public(addr netip.Addr) bool {
	if !addr.IsValid() || addr.Zone() != "" {
		return false
	}
	if addr = addr.Unmap(); addr.Is4() {
		return !within(notPublic4, addr)
	}
	return public6.Contains(addr) && !within(notPublic6, addr)
}

func within(networks []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// permitted reports whether an address may be called by https.
func (c *Client) permitted(addr netip.Addr) bool {
	return c.insecure(addr) || public(addr) && !within(c.config.Refuse, addr.Unmap())
}

// insecure reports whether an address may be called by http too.
func (c *Client) insecure(addr netip.Addr) bool {
	return within(c.config.InsecureNetworks, addr.Unmap())
}
