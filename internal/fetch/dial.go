package fetch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// dialAdmitted looks a host up and connects to the first of its admitted addresses that answers. What is dialled is the address
// that was judged: nobody looks the name up again.
func (c *Client) dialAdmitted(ctx context.Context, address string, admitted func(netip.Addr) bool) (net.Conn, error) {
	// The transport takes its dialling further than the request that wanted it.
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	host, port, err := splitAddress(address)
	if err != nil {
		return nil, err
	}
	addresses, err := c.lookUp(ctx, host)
	if err != nil {
		return nil, err
	}
	failure := fmt.Errorf("%w: %s has no address that may be called", ErrRefused, host)
	tried := 0
	for _, addr := range addresses {
		if !admitted(addr) || tried == maxAddresses {
			continue
		}
		tried++
		if !c.peers.admit(network(addr), c.config.Now()) {
			failure = fmt.Errorf("%w to %s", ErrBusy, addr)
			continue
		}
		conn, err := c.config.Dial(ctx, netip.AddrPortFrom(addr.Unmap(), port))
		if err == nil {
			return conn, nil
		}
		failure = fmt.Errorf("%w: %w", ErrFailed, err)
	}
	return nil, failure
}

func splitAddress(address string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil || number == 0 {
		return "", 0, fmt.Errorf("%w: no port", ErrRefused)
	}
	return host, uint16(number), nil
}

func (c *Client) lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	addresses, err := c.config.Resolve(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFailed, err)
	}
	if len(addresses) == 0 {
		return nil, fmt.Errorf("%w: %w", ErrFailed, errors.New("the host has no address"))
	}
	return addresses, nil
}

// network is what counts as one peer: IPv6 is counted by its /64, of which anybody has as many addresses as they like.
func network(addr netip.Addr) string {
	addr = addr.Unmap()
	if addr.Is6() {
		if prefix, err := addr.WithZone("").Prefix(64); err == nil {
			return prefix.String()
		}
	}
	return addr.String()
}

func resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

func dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", to.String())
}
