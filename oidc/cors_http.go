package oidc

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/signet-idp/signet/internal/web"
)

// The headers of the Fetch Standard §3.2.
const (
	headerOrigin = "Origin"
	allowOrigin  = "Access-Control-Allow-Origin"
	allowCookies = "Access-Control-Allow-Credentials"
)

// sharedPaths are the endpoints that scripts of some origins may call, publicPaths those that any may.
var (
	sharedPaths = []string{pathToken, pathUserInfo, pathRevoke, "/oauth2/par", "/oauth2/device_authorization", pathRegister}
	publicPaths = []string{pathJWKS, pathDiscovery, pathMetadata}
)

// share makes routes answer what a browser asks before it lets a script call them, and say afterwards who may read the answer.
func (s *sharing) share(routes []web.Route) []web.Route {
	asked := map[string]bool{}
	var shared, preflights []web.Route
	for _, route := range routes {
		handler, answer := route.Handler, s.servePreflight
		switch {
		case slices.Contains(sharedPaths, route.Path):
			route.Handler = func(w http.ResponseWriter, r *http.Request) { s.serveShared(w, r, handler) }
		case route.Class == web.TokenAuthenticated && slices.ContainsFunc(publicPaths, func(p string) bool { return strings.HasPrefix(route.Path, p) }):
			answer = servePublicPreflight
		default:
			shared = append(shared, route)
			continue
		}
		shared = append(shared, route)
		if !asked[route.Path] {
			asked[route.Path] = true
			preflights = append(preflights, web.Route{
				Path: route.Path, AtRoot: route.AtRoot, Methods: []string{http.MethodOptions}, Class: web.TokenAuthenticated, Handler: answer,
			})
		}
	}
	return append(shared, preflights...)
}

// serveShared lets scripts of a known origin read the answer. When the client has said who it is, withhold judges again.
func (s *sharing) serveShared(w http.ResponseWriter, r *http.Request, handler http.HandlerFunc) {
	if origin := r.Header.Get(headerOrigin); origin != "" {
		w.Header().Add("Vary", headerOrigin)
		if s.open(r.URL.Path) || s.knownOrigin(r, origin) {
			w.Header().Set(allowOrigin, s.readers(r.URL.Path, origin))
			s.letCookiesIn(w, r, origin)
			w.Header().Set("Access-Control-Expose-Headers", "DPoP-Nonce, Retry-After, WWW-Authenticate")
		}
	}
	handler(w, r)
}

// servePreflight answers what a browser asks before a script may call.
func (s *sharing) servePreflight(w http.ResponseWriter, r *http.Request) {
	s.preflight(w, r, sharedMethods)
}

func (s *sharing) preflight(w http.ResponseWriter, r *http.Request, methods string) {
	w.Header().Add("Vary", headerOrigin)
	if origin := r.Header.Get(headerOrigin); origin != "" && (s.open(r.URL.Path) || s.knownOrigin(r, origin)) {
		allowCalls(w.Header(), s.readers(r.URL.Path, origin), methods)
		s.letCookiesIn(w, r, origin)
	}
	w.WriteHeader(http.StatusNoContent)
}

// letCookiesIn lets scripts of an origin send our cookies with what they ask, where tokens are bound to one.
func (s *sharing) letCookiesIn(w http.ResponseWriter, r *http.Request, origin string) {
	may, err := s.sendsCookies(r.Context(), origin)
	if err != nil {
		s.config.Logger.LogAttrs(r.Context(), slog.LevelError, "oidc: origin not looked up", slog.String("cause", err.Error()))
	}
	if may && err == nil && w.Header().Get(allowOrigin) == origin {
		w.Header().Set(allowCookies, "true")
	}
}

// servePublicPreflight is for documents that anybody may read.
func servePublicPreflight(w http.ResponseWriter, _ *http.Request) {
	allowCalls(w.Header(), "*", sharedMethods)
	w.WriteHeader(http.StatusNoContent)
}

// sharedMethods are those of the protocol's endpoints.
const sharedMethods = "GET, POST"

func allowCalls(h http.Header, origin, methods string) {
	h.Set(allowOrigin, origin)
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP, MCP-Protocol-Version")
	h.Set("Access-Control-Max-Age", "3600")
}

// open reports whether anybody may call: where anybody may register.
func (s *sharing) open(path string) bool {
	f := s.config.Features.Registration
	return f != nil && f.Open && path == s.site.Path(pathRegister)
}

// readers are who may read what is answered to an origin that may.
func (s *sharing) readers(path, origin string) string {
	if s.open(path) {
		return "*"
	}
	return origin
}

// knownOrigin asks the store. When that fails the answer is for nobody's script.
func (s *sharing) knownOrigin(r *http.Request, origin string) bool {
	known, err := s.knows(r.Context(), origin)
	if err != nil {
		s.config.Logger.LogAttrs(r.Context(), slog.LevelError, "oidc: origin not looked up", slog.String("cause", err.Error()))
	}
	return known
}

// withhold keeps the answer from scripts of other clients, once it is known whose it is.
func (p *Provider) withhold(w http.ResponseWriter, r *http.Request, c *Client) {
	if p.shared == nil {
		return
	}
	switch origin := r.Header.Get(headerOrigin); {
	case origin == "":
	case p.shared.admits(c, origin):
		w.Header().Set(allowOrigin, origin)
	default:
		w.Header().Del(allowOrigin)
	}
	if c.TokenBinding != BindCookie {
		w.Header().Del(allowCookies)
	}
}
