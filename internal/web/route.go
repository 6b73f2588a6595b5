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
	Path    string
	AtRoot  bool
	Class   Class
	Handler http.Handler
}

// Mount registers the routes of the site on a mux, each protected as its class demands.
func (s *Site) Mount(mux *http.ServeMux, routes []Route) {
	sameOrigin := http.NewCrossOriginProtection()
	for _, r := range routes {
		path, handler := r.Path, r.Handler
		if !r.AtRoot {
			path = s.Path(r.Path)
		}
		if r.Class == SameOrigin {
			handler = sameOrigin.Handler(handler)
		}
		mux.Handle(path, handler)
	}
}

// Methods answers 405 to every method that is not listed (RFC 9110 §15.5.6).
func Methods(handler http.HandlerFunc, methods ...string) http.Handler {
	allow := ""
	for i, m := range methods {
		if i > 0 {
			allow += ", "
		}
		allow += m
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, m := range methods {
			if r.Method == m {
				handler(w, r)
				return
			}
		}
		w.Header().Set("Allow", allow)
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	})
}
