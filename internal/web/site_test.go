package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/web"
)

func newSite(t testing.TB, issuer string, proxies ...string) *web.Site {
	t.Helper()
	var prefixes []netip.Prefix
	for _, p := range proxies {
		prefixes = append(prefixes, netip.MustParsePrefix(p))
	}
	s, err := web.NewSite(issuer, prefixes)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNewSite(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ issuer, problem string }{
		{"https://id.example", ""},
		{"https://id.example:8443", ""},
		{"https://id.example/tenants/one", ""},
		{"https://[2001:db8::1]:8443", ""},
		{"http://localhost:8080", ""},
		{"http://127.0.0.1", ""},
		{"http://127.8.9.1:1/x", ""},
		{"http://[::1]:8080", ""},
		{"", "absolute"},
		{"id.example", "absolute"},
		{"/path", "absolute"},
		{"https:id.example", "absolute"},
		{"https://", "absolute"},
		{"https:///path", "absolute"},
		{"http://id.example", "must be https"},
		{"http://localhost.evil.example", "must be https"},
		{"http://127.0.0.1.evil.example", "must be https"},
		{"http://10.0.0.1", "must be https"},
		{"ftp://id.example", "must be https"},
		{"ws://localhost", "must be https"},
		{"HTTPS://id.example", "lower case"},
		{"https://ID.example", "lower case"},
		{"https://id.example/", "slash"},
		{"https://id.example/x/", "slash"},
		{"https://user@id.example", "user information"},
		{"https://user:pass@id.example", "user information"},
		{"https://id.example?x=1", "query"},
		{"https://id.example?", "query"},
		{"https://id.example#f", "fragment"},
		{"https://id.example/a//b", "plain path"},
		{"https://id.example/a%2Fb", "plain path"},
		{"https://id.example/\x00", "not a URL"},
		{"https://id.example:port", "not a URL"},
		{"https://id example", "not a URL"},
		{"https://id.example#", "fragment"},
		{"https://id.example/a/../b", "plain path"},
		{"https://id.example/./b", "plain path"},
		{"https://id.example/{tenant}", "plain path"},
		{"https://id.example/a b", "plain path"},
		{"https://:8443", "absolute"},
	} {
		s, err := web.NewSite(tc.issuer, nil)
		switch {
		case tc.problem == "" && err != nil:
			t.Errorf("%q: %v", tc.issuer, err)
		case tc.problem == "" && (s.Issuer() != tc.issuer || s.URL("/x") != tc.issuer+"/x"):
			t.Errorf("%q became %q and %q", tc.issuer, s.Issuer(), s.URL("/x"))
		case tc.problem != "" && err == nil:
			t.Errorf("%q is taken, want an error about %s", tc.issuer, tc.problem)
		case tc.problem != "" && !strings.Contains(err.Error(), tc.problem):
			t.Errorf("%q: %v, want an error about %s", tc.issuer, err, tc.problem)
		}
	}
}

func TestSitePaths(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ issuer, origin, prefix, path string }{
		{"https://id.example", "https://id.example", "", "/oauth2/token"},
		{"https://id.example:8443/a/b", "https://id.example:8443", "/a/b", "/a/b/oauth2/token"},
	} {
		s := newSite(t, tc.issuer)
		if s.Origin() != tc.origin || s.Prefix() != tc.prefix || s.Path("/oauth2/token") != tc.path {
			t.Errorf("%s: origin %q, prefix %q, path %q", tc.issuer, s.Origin(), s.Prefix(), s.Path("/oauth2/token"))
		}
	}
}

func TestCookieNames(t *testing.T) {
	t.Parallel()
	secure, other, plain := newSite(t, "https://id.example"), newSite(t, "https://id.example/two"), newSite(t, "http://localhost:8080")
	if name := secure.CookieName("session"); !strings.HasPrefix(name, "__Host-signet-") || !strings.HasSuffix(name, "-session") || len(name) != len("__Host-signet-01234567-session") {
		t.Errorf("the cookie of an https issuer is called %q", name)
	}
	if secure.CookieName("session") == other.CookieName("session") {
		t.Error("two issuers on one host share a cookie")
	}
	if name := plain.CookieName("session"); !strings.HasPrefix(name, "signet-") {
		t.Errorf("the cookie of a loopback issuer is called %q", name)
	}
}

func TestSetCookie(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		issuer string
		set    func(s *web.Site, w http.ResponseWriter)
		want   string
	}{
		{"https://id.example", func(s *web.Site, w http.ResponseWriter) { s.SetCookie(w, "x", "v", 0) }, "=v; Path=/; HttpOnly; Secure; SameSite=Lax"},
		{"https://id.example/a", func(s *web.Site, w http.ResponseWriter) { s.SetCookie(w, "x", "v", time.Hour) }, "=v; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax"},
		{"https://id.example", func(s *web.Site, w http.ResponseWriter) { s.ClearCookie(w, "x") }, "=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"},
		{"http://localhost", func(s *web.Site, w http.ResponseWriter) { s.SetCookie(w, "x", "v", 0) }, "=v; Path=/; HttpOnly; SameSite=Lax"},
		{"http://localhost", func(s *web.Site, w http.ResponseWriter) { s.ClearCookie(w, "x") }, "=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"},
	} {
		s, w := newSite(t, tc.issuer), httptest.NewRecorder()
		tc.set(s, w)
		if got, want := w.Header().Get("Set-Cookie"), s.CookieName("x")+tc.want; got != want {
			t.Errorf("%s: %q, want %q", tc.issuer, got, want)
		}
	}
}

func TestCookie(t *testing.T) {
	t.Parallel()
	secure, plain := newSite(t, "https://id.example"), newSite(t, "http://localhost")
	name, plainName := secure.CookieName("request"), plain.CookieName("request")
	for _, tc := range []struct {
		what    string
		site    *web.Site
		headers []string
		want    string
	}{
		{"none", secure, nil, ""},
		{"one", secure, []string{name + "=v"}, "v"},
		{"one among others", secure, []string{"a=b; " + name + "=v; c=d"}, "v"},
		{"twice in a header", secure, []string{name + "=v; " + name + "=w"}, ""},
		{"twice with one value", secure, []string{name + "=v; " + name + "=v"}, ""},
		{"twice in two headers", secure, []string{name + "=v", name + "=w"}, ""},
		{"an empty one besides", secure, []string{name + "=; " + name + "=v"}, ""},
		{"without the prefix", secure, []string{strings.TrimPrefix(name, "__Host-") + "=v"}, ""},
		{"with another prefix", secure, []string{strings.Replace(name, "__Host-", "__Secure-", 1) + "=v"}, ""},
		{"in another case", secure, []string{strings.ToUpper(name) + "=v"}, ""},
		{"of another purpose", secure, []string{secure.CookieName("session") + "=v"}, ""},
		{"of another issuer", secure, []string{newSite(t, "https://id.example/x").CookieName("request") + "=v"}, ""},
		{"a prefix at a loopback issuer", plain, []string{"__Host-" + plainName + "=v"}, ""},
		{"at a loopback issuer", plain, []string{plainName + "=v"}, "v"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		for _, h := range tc.headers {
			r.Header.Add("Cookie", h)
		}
		if got := tc.site.Cookie(r, "request"); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.what, got, tc.want)
		}
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	proxies := []string{"10.0.0.0/8", "2001:db8:ffff::/48"}
	for _, tc := range []struct {
		what    string
		proxies []string
		remote  string
		headers []string
		want    string
	}{
		{"the peer", proxies, "192.0.2.1:1234", nil, "192.0.2.1"},
		{"the peer says otherwise", proxies, "192.0.2.1:1234", []string{"198.51.100.9"}, "192.0.2.1"},
		{"no proxy is trusted", nil, "10.0.0.1:1234", []string{"198.51.100.9"}, "10.0.0.1"},
		{"a proxy", proxies, "10.0.0.1:1234", []string{"198.51.100.9"}, "198.51.100.9"},
		{"a proxy that says nothing", proxies, "10.0.0.1:1234", nil, "10.0.0.1"},
		{"two proxies", proxies, "10.0.0.1:1234", []string{"198.51.100.9, 10.0.0.2"}, "198.51.100.9"},
		{"in two headers", proxies, "10.0.0.1:1234", []string{"198.51.100.9", "10.0.0.2"}, "198.51.100.9"},
		{"the client pretends to be another", proxies, "10.0.0.1:1234", []string{"203.0.113.7, 198.51.100.9"}, "198.51.100.9"},
		{"the client pretends to be a proxy", proxies, "10.0.0.1:1234", []string{"203.0.113.7, 10.0.0.5, 198.51.100.9"}, "198.51.100.9"},
		{"the client pretends in a header of its own", proxies, "10.0.0.1:1234", []string{"203.0.113.7", "198.51.100.9"}, "198.51.100.9"},
		{"nobody but proxies", proxies, "10.0.0.1:1234", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"a hop that is no address", proxies, "10.0.0.1:1234", []string{"203.0.113.7, unknown"}, "10.0.0.1"},
		{"a hop with a port", proxies, "10.0.0.1:1234", []string{"203.0.113.7:80"}, "10.0.0.1"},
		{"an empty hop", proxies, "10.0.0.1:1234", []string{"203.0.113.7,"}, "10.0.0.1"},
		{"an empty header", proxies, "10.0.0.1:1234", []string{""}, "10.0.0.1"},
		{"IPv6", proxies, "[2001:db8:ffff::1]:1234", []string{"2001:db8:1::9"}, "2001:db8:1::9"},
		{"IPv4 in IPv6 at the peer", proxies, "[::ffff:10.0.0.1]:1234", []string{"198.51.100.9"}, "198.51.100.9"},
		{"IPv4 in IPv6 at a hop", proxies, "10.0.0.1:1234", []string{"198.51.100.9, ::ffff:10.0.0.2"}, "198.51.100.9"},
		{"IPv4 in IPv6 of the client", proxies, "10.0.0.1:1234", []string{"::ffff:198.51.100.9"}, "198.51.100.9"},
		{"a zone does not hide a proxy", []string{"fe80::/10"}, "[fe80::1%eth0]:1234", []string{"198.51.100.9"}, "198.51.100.9"},
		{"no port", proxies, "192.0.2.1", nil, "192.0.2.1"},
		{"a socket file", proxies, "@", []string{"198.51.100.9"}, "invalid IP"},
	} {
		s := newSite(t, "https://id.example", tc.proxies...)
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = tc.remote
		for _, h := range tc.headers {
			r.Header.Add("X-Forwarded-For", h)
		}
		for _, spoofed := range []string{"Forwarded", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip"} {
			r.Header.Set(spoofed, "for=203.0.113.66")
		}
		if got := s.Address(r).String(); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.what, got, tc.want)
		}
	}
}

func TestAddressGroup(t *testing.T) {
	t.Parallel()
	s := newSite(t, "https://id.example")
	for remote, want := range map[string]string{
		"192.0.2.1:1":                 "192.0.2.1",
		"192.0.2.2:1":                 "192.0.2.2",
		"[2001:db8:1:2:3:4:5:6]:1":    "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff::1]:1":    "2001:db8:1:2::/64",
		"[2001:db8:1:3::1]:1":         "2001:db8:1:3::/64",
		"[::ffff:192.0.2.1]:1":        "192.0.2.1",
		"[fe80::1%eth0]:1":            "fe80::/64",
		"nowhere":                     "invalid IP",
		"[2001:db8:1:2:3:4:5:6%x]:99": "2001:db8:1:2::/64",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = remote
		if got := s.AddressGroup(r); got != want {
			t.Errorf("%s is counted as %s, want %s", remote, got, want)
		}
	}
}

func FuzzCookie(f *testing.F) {
	s := newSite(f, "https://id.example")
	name := s.CookieName("request")
	for _, seed := range []string{
		name + "=v", name + "=v; " + name + "=w", name + `="v"`, name + "=a,b", name + "=\x00", name, "; ; " + name + "=v;", " " + name + " = v", name + "=v\r\nx: y",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Cookie"] = []string{header}
		value := s.Cookie(r, "request")
		if value == "" {
			return
		}
		if strings.ContainsAny(value, "\x00\r\n\";\\") || !strings.Contains(header, value) {
			t.Errorf("%q holds %q", header, value)
		}
		r.Header["Cookie"] = []string{header, name + "=planted"}
		if got := s.Cookie(r, "request"); got != "" {
			t.Errorf("%q with a second cookie of that name holds %q", header, got)
		}
	})
}

func FuzzAddress(f *testing.F) {
	s := newSite(f, "https://id.example", "10.0.0.0/8", "::1/128")
	for _, seed := range []string{"203.0.113.7", "203.0.113.7, 10.0.0.9", ",,,", "::1,", "fe80::1%x", "1.2.3.4:5", "\x00", "10.0.0.1," + strings.Repeat(" ,", 1000)} {
		f.Add("10.0.0.1:1", seed)
		f.Add("192.0.2.1:1", seed)
	}
	f.Fuzz(func(t *testing.T, remote, forwarded string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = remote
		alone := s.Address(r)
		r.Header["X-Forwarded-For"] = []string{forwarded}
		if got := s.Address(r); got != alone && !strings.HasPrefix(alone.String(), "10.") && alone.WithZone("") != netip.IPv6Loopback() {
			t.Errorf("%s, whom nobody trusts, became %s by saying %q", alone, got, forwarded)
		}
		if s.AddressGroup(r) == "" {
			t.Errorf("%q from %q is not counted at all", forwarded, remote)
		}
	})
}
