package fetch_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/signet-idp/signet/internal/fetch"
)

// notPublic are addresses that no client may make us call.
var notPublic = []string{
	"127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3",
	"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
	"169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "192.0.0.192", "168.63.129.16",
	"192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "192.88.99.1",
	"224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
	"::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::ffff:0:127.0.0.1",
	"64:ff9b::7f00:1", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "100::1",
	"2001::1", "2001:2::1", "2001:10::1", "2001:db8::1", "2002:7f00:1::1", "2002:5db8:d822::1", "3fff::1",
	"fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2606:4700::1111%eth0",
}

var isPublic = []string{
	"8.8.8.8", "93.184.216.34", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "169.253.0.1", "223.255.255.255",
	"::ffff:8.8.8.8", "2606:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888", "2003::1",
}

func TestAttackAddressesThatAreNotPublic(t *testing.T) {
	t.Parallel()
	for _, addr := range notPublic {
		t.Run(addr, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, say("inside"))
			w.resolve(host, addr)
			_ = w.refused(t, "https://"+host+"/", fetch.ErrRefused)
			if !strings.Contains(addr, "%") {
				literal := addr
				if strings.Contains(addr, ":") {
					literal = "[" + addr + "]"
				}
				_ = w.refused(t, "https://"+literal+"/", fetch.ErrRefused)
				if err := w.Check("https://" + literal + "/"); !errors.Is(err, fetch.ErrRefused) {
					t.Errorf("Check = %v", err)
				}
			}
			if w.dials() != 0 {
				t.Errorf("dialled %v", w.dialled)
			}
		})
	}
}

func TestPublicAddressesAreCalled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, say("hello"))
	for i, addr := range isPublic {
		w.resolve(host, addr)
		if got := w.get(t, fmt.Sprintf("https://%s/%d", host, i)); got != "hello" {
			t.Errorf("%s: %q", addr, got)
		}
		if got := w.dialled[i]; got != netip.AddrPortFrom(netip.MustParseAddr(addr).Unmap(), 443) {
			t.Errorf("dialled %v for %s", got, addr)
		}
	}
}

// A name that has passed once is judged again by what it answers the next time, and what is dialled is what was judged.
func TestAttackRebinding(t *testing.T) {
	t.Parallel()
	w := newWorld(t, say("hello"))
	w.resolve(host, "93.184.216.34", "127.0.0.1")
	w.get(t, "https://"+host+"/1")
	_ = w.refused(t, "https://"+host+"/2", fetch.ErrRefused)
	if w.lookUps != 2 || w.dials() != 1 || w.dialled[0].Addr().String() != "93.184.216.34" {
		t.Errorf("%d look-ups, dialled %v", w.lookUps, w.dialled)
	}
}

func TestAttackMixedAnswerOfDNS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, say("hello"))
	w.resolve(host, "127.0.0.1 ::1 169.254.169.254 93.184.216.34 10.0.0.1")
	w.get(t, "https://"+host+"/")
	if w.dials() != 1 || w.dialled[0].Addr().String() != "93.184.216.34" {
		t.Errorf("dialled %v, want the public address alone", w.dialled)
	}
}

func TestRefuseAddsNetworks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, say("hello"), func(c *fetch.Config) {
		c.Refuse = []netip.Prefix{netip.MustParsePrefix("93.184.216.0/24")}
	})
	_ = w.refused(t, "https://"+host+"/", fetch.ErrRefused)
}

func TestInsecureNetworksAreCalledAlsoByHTTP(t *testing.T) {
	t.Parallel()
	loopback := func(c *fetch.Config) { c.InsecureNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }
	w := newWorld(t, say("hello"), loopback)
	w.resolve(host, "127.0.0.1")
	w.get(t, "https://"+host+"/")
	// The server speaks TLS only: that it was dialled is what counts.
	_ = w.refused(t, "http://"+host+"/", fetch.ErrFailed)
	if w.dials() != 2 {
		t.Errorf("%d dials, want 2", w.dials())
	}
	w.resolve("public.example", "93.184.216.34")
	_ = w.refused(t, "http://public.example/", fetch.ErrRefused)
	_ = w.refused(t, "http://93.184.216.34/", fetch.ErrRefused)
	_ = w.refused(t, "https://10.0.0.1/", fetch.ErrRefused)
	if w.dials() != 2 {
		t.Errorf("dialled %v", w.dialled)
	}
}

func FuzzURL(f *testing.F) {
	for _, seed := range []string{
		"https://example.com/", "https://127.0.0.1", "https://[::1]", "https://[::ffff:127.0.0.1]:443/", "https://0x7f.1/", "https://2130706433/",
		"https://user@example.com", "https://example.com:0/", "https://example.com:99999/", "file:///etc/passwd", "https:example.com",
		"https://[fe80::1%25eth0]/", "https://localhost/", "https://①②⑦.0.0.1/", "https://127.0.0.1./", "gopher://x/", "https:///",
	} {
		f.Add(seed)
	}
	c, err := fetch.New(fetch.Config{Now: fixed, Resolve: nowhere, Dial: never(f)})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, url string) {
		if _, err := text.Get(t.Context(), c, url); err == nil {
			t.Errorf("%q was fetched", url)
		}
		if err := c.Check(url); err != nil && !errors.Is(err, fetch.ErrRefused) {
			t.Errorf("Check(%q) = %v", url, err)
		}
	})
}
