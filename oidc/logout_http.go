package oidc

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// serveLogout is the end-session endpoint (OpenID Connect RP-Initiated Logout 1.0 §2). Like the authorization endpoint it
// only takes the request; ending anything waits for a request of the browser's own.
func (p *Provider) serveLogout(w http.ResponseWriter, r *http.Request) {
	form, bad := readBrowserForm(w, r)
	q, refusal := p.beginLogout(r.Context(), form, bad)
	if refusal != nil {
		p.showError(w, r, refusal)
		return
	}
	if refusal := p.admit(r, q.Org); refusal != nil {
		p.showError(w, r, refusal)
		return
	}
	q.Browser = p.bind(w, r)
	b := p.db.Batch()
	p.logouts.Insert(b, q)
	if err := b.Apply(r.Context()); err != nil {
		p.showError(w, r, unavailable(err))
		return
	}
	web.SeeOther(w, p.leavePath(q))
}

// serveLeave asks the person, or ends the session when they have answered, or need not be asked.
func (p *Provider) serveLeave(w http.ResponseWriter, r *http.Request) {
	q, err := p.logouts.Get(r.Context(), parseLocator(r.URL.Query().Get("id")))
	if errors.Is(err, store.ErrNotFound) {
		p.showError(w, r, &Error{Code: "request_expired", Description: "this logout has expired", Status: 400})
		return
	}
	held := false
	if err == nil {
		held, err = p.holds(w, r, &q.Browser, func(b *store.Batch) { p.logouts.Replace(b, q) })
	}
	if err == nil && !held {
		err = &Error{Code: "request_foreign", Description: "this logout was begun in another browser", Status: 403}
	}
	if err != nil {
		p.showError(w, r, asError(err))
		return
	}
	if err := p.leave(w, r, q); err != nil {
		p.showError(w, r, asError(err))
	}
}

func (p *Provider) leave(w http.ResponseWriter, r *http.Request, q *logoutRequest) error {
	name, err := p.clientName(r, q.ClientID)
	if err != nil {
		return err
	}
	result, err := p.config.Interact(w, r, q.interaction(p.leavePath(q), name))
	if err != nil || result == nil {
		return err
	}
	// A person who refuses stays signed in, and goes where they came from all the same.
	if result.Refusal == "" && !result.Session.IsZero() {
		if err := p.config.EndSession(w, r, result.Session, "logout"); err != nil {
			return err
		}
		if err := p.revokeGrantsIn(r.Context(), result.Session); err != nil {
			return err
		}
	}
	if q.RedirectURI == "" {
		if result.Refusal == directory.Denied {
			return &Error{Code: "logout_canceled", Description: "you are still signed in", Status: http.StatusOK}
		}
		p.config.Pages.SignedOut(w, r)
		return nil
	}
	web.SeeOther(w, q.logoutReturn())
	return nil
}

// clientName is how the page calls the client; "" for none, or one that is gone.
func (p *Provider) clientName(r *http.Request, clientID string) (string, error) {
	if clientID == "" {
		return "", nil
	}
	c, err := p.Clients.find(r.Context(), clientID)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	app, err := p.config.Directory.Applications.Get(r.Context(), c.Application)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return app.Name, nil
}

func (p *Provider) leavePath(q *logoutRequest) string {
	return p.site.Path(pathLeave) + "?id=" + url.QueryEscape(grantLocator(q.Ref()))
}
