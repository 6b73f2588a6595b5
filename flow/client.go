package flow

import (
	"net/http"
	"net/netip"
	"strings"
)

// Client is what is known of the one who sends a request. It says nothing about who that is, and much of it can be chosen freely.
type Client struct {
	// Address is where the request comes from; see Config.TrustedProxies.
	Address netip.Addr
	// UserAgent is what the client calls itself.
	UserAgent string
	// Header is the header of the request, without credentials and cookies.
	Header http.Header
	// Cookies are the cookies of the request by name, without those of the engine.
	Cookies map[string]string
}

// client is who sends a visit's request.
func (e *Engine) client(r *visit) Client {
	if r == nil {
		return Client{}
	}
	c := Client{Address: e.site.Address(r.Request), UserAgent: r.UserAgent(), Header: r.Header.Clone(), Cookies: map[string]string{}}
	for _, name := range []string{"Authorization", "Proxy-Authorization", "Cookie"} {
		c.Header.Del(name)
	}
	for _, cookie := range r.Cookies() {
		if !e.ownCookie(cookie.Name) {
			c.Cookies[cookie.Name] = cookie.Value
		}
	}
	return c
}

// ownCookie reports whether a cookie is one of the engine's.
func (e *Engine) ownCookie(name string) bool { return strings.HasPrefix(name, e.site.CookieName("")) }
