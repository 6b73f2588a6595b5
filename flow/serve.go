package flow

import (
	"net/http"
	"slices"
	"strings"

	"github.com/signet-idp/signet/internal/web"
)

// Route is one page of the flow for the route table of a host.
type Route struct {
	// Path is the whole path on the host.
	Path string
	// Handler serves GET, HEAD and POST.
	Handler http.Handler
}

// Routes lists the pages. They are of the same-origin class: the Engine itself refuses posts from elsewhere, except at CallbackPath.
func (e *Engine) Routes() []Route {
	var routes []Route
	for _, path := range pages {
		routes = append(routes, Route{e.site.Path(path), e})
	}
	routes = append(routes, Route{e.site.Path(CallbackPath + "{name}"), http.HandlerFunc(e.callback)})
	slices.SortFunc(routes, func(a, b Route) int { return strings.Compare(a.Path, b.Path) })
	return routes
}

// ServeHTTP implements http.Handler: the pages that Routes lists. A GET changes nothing.
func (e *Engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		e.open(w, r)
	case http.MethodPost:
		e.submit(w, r)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		e.fail(w, r, problem{status: http.StatusMethodNotAllowed, code: errMalformed.code, message: errMalformed.message}, "")
	}
}

// open shows the page of a flow as it stands. One that needs no answer any more, because another tab has signed in, sends
// the browser on.
func (e *Engine) open(w http.ResponseWriter, r *http.Request) {
	x, err := e.opened(r, r.URL.Query().Get(flowField))
	if err != nil {
		e.fail(w, r, err, "")
		return
	}
	if x.untouched() {
		fresh, _, err := e.plot(r, x.Request)
		if err != nil {
			e.fail(w, r, err, e.page(x))
			return
		}
		if fresh.Done {
			redirect(w, x.Request.Resume)
			return
		}
	}
	if err := e.show(w, r, x); err != nil {
		e.fail(w, r, err, e.page(x))
	}
}

// moved is the site with its pages in other places.
func moved(site *web.Site, paths map[string]string) (*web.Site, error) {
	other, err := site.WithPaths(paths)
	if err != nil {
		return nil, err
	}
	var routes []web.Route
	for _, path := range pages {
		routes = append(routes, web.Route{Path: path, Methods: []string{http.MethodGet}})
	}
	return other, other.CheckRoutes(routes)
}
