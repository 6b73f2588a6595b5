package signet

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/pages"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/directory"
)

// oidcPages shows the dead ends of the protocol in the look of the flow.
type oidcPages struct{ provider *Provider }

// Error implements oidc.Pages.
func (o oidcPages) Error(w http.ResponseWriter, r *http.Request, page oidc.ErrorPage) {
	// A page about a broken store must not need the store: the look is the configured one.
	f := flow.Failure{
		Status: page.Status, Code: page.Code, Detail: page.Description, Correlation: page.Correlation, RetryAfter: page.RetryAfter,
		Application: page.Application, Branding: o.provider.config.Branding,
	}
	if p, ok := plights[page.Code]; ok {
		f.Message, f.Detail = flow.Message{ID: p.message, Level: flow.Error}, ""
		if p.harmless {
			f.Status = http.StatusOK
		}
	}
	o.provider.pages.Fail(w, r, f)
}

// plight is where a person got to by their own doing, so that they are told in their language; all else is a matter
// between the application and us.
type plight struct {
	message  string
	harmless bool
}

// plights are by the code of the protocol.
var plights = map[string]plight{
	"request_expired":         {message: "flow.expired"},
	"request_foreign":         {message: "flow.foreign"},
	"request_finished":        {message: "flow.finished", harmless: true}, // back from the application, by the browser's button
	"logout_canceled":         {message: "logout.canceled", harmless: true},
	"slow_down":               {message: "throttle.wait"},
	"temporarily_unavailable": {message: "error.unavailable"},
}

// SignedOut implements oidc.Pages.
func (o oidcPages) SignedOut(w http.ResponseWriter, r *http.Request) {
	o.provider.flow.SignedOut(w, r, directory.Interaction{Purpose: directory.SignOut})
}

// serveSignedOutUpstream takes somebody back whom a provider upstream has signed out. One who comes here otherwise may be signed in, and is not
// told that they are not.
func (p *Provider) serveSignedOutUpstream(w http.ResponseWriter, r *http.Request) {
	web.NoStore(w.Header())
	next, err := p.Connections.FinishSignOut(r)
	if err == nil && next == "" {
		_, err = p.flow.CurrentSession(r)
	}
	page := oidc.ErrorPage{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Correlation: web.NewCorrelationID()}
	switch {
	case next != "" && web.FromElsewhere(r) && strings.HasPrefix(next, "http"): // pages link to no scheme of an app's own
		p.flow.SignedOut(w, r, directory.Interaction{Purpose: directory.SignOut, Resume: next})
		return
	case next != "":
		web.SeeOther(w, next)
		return
	case errors.Is(err, directory.ErrNoSession):
		oidcPages{p}.SignedOut(w, r)
		return
	case err == nil:
		page = oidc.ErrorPage{Status: http.StatusOK, Code: "logout_canceled"}
	default:
		p.log.ErrorContext(r.Context(), "signet: a return from a logout upstream failed", slog.String("correlation", page.Correlation), slog.Any("cause", err))
	}
	oidcPages{p}.Error(w, r, page)
}

// Device implements oidc.Pages.
func (o oidcPages) Device(w http.ResponseWriter, r *http.Request, page oidc.DevicePage) {
	o.provider.pages.Device(w, r, pages.DeviceView{
		Submit: page.Submit, UserCode: page.UserCode, Wrong: page.Wrong, RetryAfter: page.RetryAfter, Branding: o.branding(r),
	})
}

// Done implements oidc.Pages.
func (o oidcPages) Done(w http.ResponseWriter, r *http.Request, page oidc.DonePage) {
	title := string(page.What) + ".done"
	if page.Refused {
		title = string(page.What) + ".refused"
	}
	o.provider.pages.Done(w, r, flow.View{Prompt: flow.Prompt{Title: flow.Message{ID: title}}, Branding: o.branding(r)})
}

// branding is the look of pages that belong to no application. A page without it beats none.
func (o oidcPages) branding(r *http.Request) directory.Branding {
	settings := o.provider.Directory.Settings
	branding, err := directory.Resolve(r.Context(), settings, settings.Branding, "", "")
	if err != nil {
		return o.provider.config.Branding
	}
	return branding
}

// miss answers what no route takes: the path is not there, or not by this method (RFC 9110 §15.5.5, §15.5.6).
func (p *Provider) miss(w http.ResponseWriter, r *http.Request) {
	f := flow.Failure{
		Status: http.StatusNotFound, Code: "not_found", Detail: "there is nothing at this address",
		Correlation: web.NewCorrelationID(), Branding: p.config.Branding,
	}
	if allowed := p.methods(r); len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		f.Status, f.Code, f.Detail = http.StatusMethodNotAllowed, "method_not_allowed", "this address does not take the method of the request"
	}
	p.log.InfoContext(r.Context(), "signet: request refused", slog.String("code", f.Code), slog.String("correlation", f.Correlation),
		slog.String("method", r.Method), slog.String("path", r.URL.Path))
	p.pages.Fail(w, r, f)
}

// methods lists those by which there is something at the path of a request.
func (p *Provider) methods(r *http.Request) (allowed []string) {
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete} {
		if _, pattern := p.mux.Handler(&http.Request{Method: method, Host: r.Host, URL: r.URL}); pattern != "/" {
			allowed = append(allowed, method)
		}
	}
	return allowed
}
