package web

import "net/http"

// Class is how a route is protected from other sites.
type Class uint8

// The classes. The zero Class is the strictest.
const (
	// SameOrigin routes change something on behalf of the person at the browser: posts from elsewhere are refused.
	SameOrigin Class = iota
	// CrossOrigin routes take browser requests from elsewhere by design, and decide nothing about a session before the
	// browser has come back by a request of its own.
	CrossOrigin
	// TokenAuthenticated routes read no cookie.
	TokenAuthenticated
)

// Route is one line of the route table.
type Route struct {
	// Path is below the issuer's, or from the root of the host when AtRoot.
	Path   string
	AtRoot bool
	// Methods are those that the Handler takes; GET includes HEAD. Others are answered with 405 (RFC 9110 §15.5.6).
	Methods []string
	Class   Class
	Handler http.HandlerFunc
}

// Embedded reports whether a browser says that a request is for the inside of some page, as an image, a script or a frame (Fetch Metadata §2.1):
// any site can have it make those unseen, and as many as it likes.
func Embedded(r *http.Request) bool {
	destination := r.Header.Get("Sec-Fetch-Dest")
	return destination != "" && destination != "document"
}

// Unbidden reports whether a browser says that another site has sent it, and that nobody there has clicked or typed anything for it (Fetch Metadata
// §2.3, §2.4): any page can have it come so, in a window that it may, as often as it likes. A browser that says nothing of this is not.
func Unbidden(r *http.Request) bool {
	return FromElsewhere(r) && r.Header.Get("Sec-Fetch-User") != "?1"
}

// FromElsewhere reports whether a browser says that another origin has sent it, by a link, a form or a redirect (Fetch Metadata §2.3). Chromium holds
// the redirects that answer a form to the form-action of its page, through all origins on the way: who is to get any further than here
// is led on by a page.
func FromElsewhere(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site"
}

// Mount registers the routes of the site on a mux, each protected as its class demands, and each with its methods: a host
// may have a catch-all of its own for one method, such as "GET /".
func (s *Site) Mount(mux *http.ServeMux, routes []Route) {
	sameOrigin := http.NewCrossOriginProtection()
	for _, r := range routes {
		path, handler := s.pattern(r), http.Handler(r.Handler)
		if r.Class == SameOrigin {
			handler = sameOrigin.Handler(handler)
		}
		for _, method := range r.Methods {
			mux.Handle(method+" "+path, handler)
		}
	}
}

// pattern is the path of a route on the host.
func (s *Site) pattern(r Route) string {
	if r.AtRoot {
		return r.Path
	}
	return s.Path(r.Path)
}

// Patterns lists what Mount registers.
func (s *Site) Patterns(routes []Route) (patterns []string) {
	for _, r := range routes {
		for _, method := range r.Methods {
			patterns = append(patterns, method+" "+s.pattern(r))
		}
	}
	return patterns
}
