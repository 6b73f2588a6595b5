package oidc

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// checkRedirectURI says what is wrong with a redirect URI that a client wants to register: it must be absolute, without
// fragment, user information, wildcard or dot segments, and https, http on a loopback host, or a private-use scheme in
// reverse domain form (RFC 6749 §3.1.2, RFC 8252 §7, RFC 9700 §4.1).
func checkRedirectURI(uri string) error {
	if strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("\\*\"<>^`{|}", r) }) {
		return errors.New("has a character that is not allowed")
	}
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.Scheme == "":
		return errors.New("is not an absolute URI")
	case strings.Contains(uri, "#"):
		return errors.New("has a fragment")
	case u.User != nil || strings.Contains(u.Host, "@"):
		return errors.New("has user information")
	case hasDotSegment(u):
		return errors.New("has a dot segment")
	}
	switch u.Scheme {
	case "https":
		if u.Hostname() == "" {
			return errors.New("has no host")
		}
		return nil
	case "http":
		if !isLoopback(u.Hostname()) {
			return errors.New("must be https: http is for loopback hosts")
		}
		return nil
	}
	if !strings.Contains(u.Scheme, ".") {
		return errors.New("has a scheme that is neither https nor in reverse domain form, such as com.example.app")
	}
	return nil
}

func hasDotSegment(u *url.URL) bool {
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

func isLoopback(host string) bool {
	return host == "localhost" || isLoopbackAddress(host)
}

func isLoopbackAddress(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// matchRedirectURI reports whether a client may be answered at the presented URI: it equals a registered one byte for byte
// (RFC 9700 §4.1.3), or differs in the port alone when the registered one is http on a loopback address literal (RFC 8252
// §7.3). "localhost" is a name that may resolve elsewhere and gets no such freedom (RFC 8252 §8.3).
func matchRedirectURI(registered []string, presented string) bool {
	for _, r := range registered {
		if r == presented {
			return true
		}
	}
	stripped, ok := withoutLoopbackPort(presented)
	if !ok {
		return false
	}
	for _, r := range registered {
		if s, ok := withoutLoopbackPort(r); ok && s == stripped {
			return true
		}
	}
	return false
}

// mayReturnTo reports whether the client may be answered at the presented URI by those that it is registered with.
func (c *Client) mayReturnTo(presented string) bool {
	if matchRedirectURI(c.RedirectURIs, presented) {
		return true
	}
	literal, ok := localhostAsLiteral(presented)
	return ok && c.localhostPorts && slices.ContainsFunc(c.RedirectURIs, func(uri string) bool {
		registered, ok := localhostAsLiteral(uri)
		return ok && matchRedirectURI([]string{registered}, literal)
	})
}

// localhostAsLiteral puts an address literal in the place of the name in "http://localhost[:port]/…".
func localhostAsLiteral(uri string) (string, bool) {
	rest, ok := strings.CutPrefix(uri, "http://localhost")
	return "http://127.0.0.1" + rest, ok && (rest == "" || strings.ContainsRune(":/?", rune(rest[0])))
}

// withoutLoopbackPort cuts the port out of "http://<loopback address>[:port]/…", working on the text so that nothing else
// about it can be normalized.
func withoutLoopbackPort(uri string) (string, bool) {
	const scheme = "http://"
	if !strings.HasPrefix(uri, scheme) || checkRedirectURI(uri) != nil {
		return "", false
	}
	authority, rest := uri[len(scheme):], ""
	if end := strings.IndexAny(authority, "/?"); end >= 0 {
		authority, rest = authority[:end], authority[end:]
	}
	host := authority
	if colon := strings.LastIndexByte(authority, ':'); colon > strings.LastIndexByte(authority, ']') {
		var port string
		host, port = authority[:colon], authority[colon+1:]
		if port == "" || len(port) > 5 || strings.Trim(port, "0123456789") != "" {
			return "", false
		}
	}
	literal := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if !isLoopbackAddress(literal) || strings.Contains(literal, ":") != strings.HasPrefix(host, "[") {
		return "", false
	}
	return scheme + host + rest, true
}

// formAction is the Content-Security-Policy source that lets a form of a page end at the URI: its origin, or its scheme.
func formAction(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	if u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") {
		return u.Scheme + "://" + u.Host
	}
	return u.Scheme + ":"
}

// redirectSite is the front page of the site that a redirect URI is on; "" where a browser finds none: behind a scheme of an
// application's own, or on a loopback address, where one has listened for the answer alone (RFC 8252 §7).
func redirectSite(uri string) string {
	origin := formAction(uri)
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || isLoopbackAddress(u.Hostname()) {
		return ""
	}
	return origin + "/"
}
