package flow

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Route is one page of the flow for the route table of a host.
type Route struct {
	// Path is the whole path on the host.
	Path string
	// Handler serves GET, HEAD and POST, or the Methods alone.
	Handler http.Handler
	// Methods are those of a route that has not all of GET, HEAD and POST; GET includes HEAD. Nil is all.
	Methods []string
}

// Routes lists the pages. They are of the same-origin class: the Engine itself refuses posts from elsewhere, except at CallbackPath, and
// where devices answer, which sign what they say.
func (e *Engine) Routes() []Route {
	var routes []Route
	for _, path := range pagePaths() {
		routes = append(routes, Route{Path: e.site.Path(path), Handler: e})
	}
	routes = append(routes, Route{Path: e.site.Path(CallbackPath + "{name}"), Handler: http.HandlerFunc(e.callback)})
	routes = append(routes, Route{Path: e.site.Path(linkPath), Handler: http.HandlerFunc(e.openLink)})
	if e.certificates != nil {
		routes = append(routes, Route{Path: e.site.Path(certificatePath), Handler: http.HandlerFunc(e.showCertificate), Methods: []string{http.MethodGet}})
	}
	routes = append(routes, e.pushRoutes()...)
	slices.SortFunc(routes, func(a, b Route) int { return strings.Compare(a.Path, b.Path) })
	return routes
}

// pagePaths are all paths of pages.
func pagePaths() []string {
	return slices.Compact(slices.Sorted(func(yield func(string) bool) {
		for _, path := range pages {
			if !yield(path) {
				return
			}
		}
		for path := range doors {
			if !yield(path) {
				return
			}
		}
	}))
}

// ServeHTTP implements http.Handler: the pages that Routes lists. A GET changes nothing.
func (e *Engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		e.open(e.visit(w, r))
	case http.MethodPost:
		e.submit(e.visit(w, r))
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		e.fail(e.visit(w, r), &Failure{Status: http.StatusMethodNotAllowed, Code: errMalformed.Code, Message: errMalformed.Message}, "")
	}
}

// open shows the page of a flow as it stands. One that needs no answer any more, because another tab has signed in, sends
// the browser on.
func (e *Engine) open(r *visit) {
	if e.home != "" && !r.URL.Query().Has(flowField) {
		e.enterBy(r)
		return
	}
	x, err := e.opened(r, r.URL.Query().Get(flowField))
	if err != nil {
		e.fail(r, err, "")
		return
	}
	if x.untouched() {
		fresh, _, err := e.plot(r, x.Request)
		if err != nil {
			e.fail(r, err, e.page(x))
			return
		}
		if fresh.Done {
			r.goTo(x.Request.Resume)
			return
		}
	}
	if err := e.show(r, x); err != nil {
		e.fail(r, err, e.page(x))
	}
}

// enterBy begins a flow for somebody who has come by one of the doors.
func (e *Engine) enterBy(r *visit) {
	for path, plan := range doors {
		if r.URL.Path != e.site.Path(path) {
			continue
		}
		token := r.URL.Query().Get(ticketField)
		org, err := e.organizationOf(r.Context(), token)
		if err != nil {
			e.fail(r, err, "")
			return
		}
		result, err := e.begin(r, directory.Interaction{
			ID: store.NewID(), Resume: e.home, Purpose: directory.SignIn, Organization: org, Plan: plan, Link: token,
		})
		switch {
		case err != nil:
			e.fail(r, err, "")
		case result != nil && result.Refusal == "":
			r.goTo(e.home)
		case result != nil:
			e.fail(r, errClosed, e.home)
		}
		return
	}
	e.fail(r, errUnknownFlow, "")
}

// organizationOf is where the link of a message leads: the organization that has sent it; "" for none, and for one that is good no more.
func (e *Engine) organizationOf(ctx context.Context, token string) (string, error) {
	if token == "" {
		return "", nil
	}
	ticket, err := e.dir.Tickets.Open(ctx, token,
		directory.RecoverPassword, directory.ResetPassword, directory.AcceptInvitation, directory.ConfirmRegistration,
		directory.VerifyEmail, directory.VerifyPhone)
	if errors.Is(err, directory.ErrTicket) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return ticket.Organization, nil
}

// moved is the site with its pages in other places.
func moved(site *web.Site, paths map[string]string) (*web.Site, error) {
	other, err := site.WithPaths(paths)
	if err != nil {
		return nil, err
	}
	var routes []web.Route
	for _, path := range slices.Concat(pagePaths(), []string{linkPath, certificatePath, pushAnswerPath, pushStatusPath, PushDevicesPath}) {
		routes = append(routes, web.Route{Path: path, Methods: []string{http.MethodGet}})
	}
	return other, other.CheckRoutes(routes)
}
