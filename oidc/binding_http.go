package oidc

import (
	"net/http"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
)

// cookieRequest is the purpose of the cookie that binds authorization and logout requests to a browser.
const cookieRequest = "request"

// binding ties a request to the one browser that may go on with it: the digest of the secret in its cookie, or "" until
// the first request of the browser's own that follows a post from another site, which came without our cookies.
type binding string

// readBrowserForm reads the parameters of an endpoint that takes them in the query of a GET and in the body of a POST.
func readBrowserForm(w http.ResponseWriter, r *http.Request) (web.Form, error) {
	if r.Method == http.MethodPost {
		return web.ReadBody(w, r, "resource") // RFC 8707 §2
	}
	return web.ReadQuery(r, "resource")
}

// bind returns the binding of a new request. A post without our cookie may come from another site: giving it a new one
// would take the browser's own away from the requests in its other tabs.
func (p *Provider) bind(w http.ResponseWriter, r *http.Request) binding {
	if r.Method == http.MethodPost && p.site.Cookie(r, cookieRequest) == "" {
		return ""
	}
	return p.browser(w, r)
}

// holds reports whether the browser is the one that the request is bound to. A request that is bound to nobody yet is bound
// to it, and written by replace.
func (p *Provider) holds(w http.ResponseWriter, r *http.Request, bound *binding, replace func(*store.Batch)) (bool, error) {
	if *bound != "" {
		return secret.Matches(string(*bound), p.site.Cookie(r, cookieRequest)), nil
	}
	*bound = p.browser(w, r)
	b := p.db.Batch()
	replace(b)
	return true, b.Apply(r.Context())
}

// boundBrowser is the browser that tokens may be bound to; "" is none.
func (p *Provider) boundBrowser(r *http.Request) binding {
	value := p.site.Cookie(r, cookieRequest)
	if p.config.Features.TokenBinding == nil || value == "" {
		return ""
	}
	return binding(secret.Hash(value))
}

// browser returns the binding of the browser's cookie, and sets one when there is none.
func (p *Provider) browser(w http.ResponseWriter, r *http.Request) binding {
	value := p.site.Cookie(r, cookieRequest)
	if value == "" {
		value = secret.New().Reveal()
		p.site.SetCookie(w, cookieRequest, value, 0)
	}
	return binding(secret.Hash(value))
}
