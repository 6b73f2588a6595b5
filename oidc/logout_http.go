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
	var frames []string
	upstream := ""
	if result.Refusal == "" && !result.Session.IsZero() {
		if frames, err = p.endSession(w, r, result.Session); err != nil {
			return err
		}
		if upstream, err = p.config.SignOutUpstream(w, r, result.Session, q.logoutReturn()); err != nil {
			return err
		}
	}
	switch {
	case upstream != "": // from a page: a redirect would be held to the form-action of the one that has asked
		p.writeFrontChannel(w, r, frames, upstream)
	case len(frames) > 0 && q.RedirectURI != "":
		p.writeFrontChannel(w, r, frames, q.logoutReturn())
	case len(frames) > 0:
		p.writeFrontChannel(w, r, frames, p.leavePath(q)) // where the session that has ended is no more, and the page says so
	case q.RedirectURI != "":
		web.SeeOther(w, q.logoutReturn())
	case result.Refusal == directory.Denied:
		return &Error{Code: "logout_canceled", Description: "you are still signed in", Status: http.StatusOK}
	default:
		p.config.Pages.SignedOut(w, r)
	}
	return nil
}

// endSession ends a session and what hangs on it, and returns the URLs by which the browser has to tell clients of it.
func (p *Provider) endSession(w http.ResponseWriter, r *http.Request, session store.Ref) (frames []string, err error) {
	if p.config.Features.FrontChannelLogout != nil {
		clients, err := p.tookPart(r.Context(), session.ID)
		if err != nil {
			return nil, err
		}
		if frames, err = p.frames(r.Context(), clients, session.ID); err != nil {
			return nil, err
		}
	}
	if err := p.config.EndSession(w, r, session, "logout"); err != nil {
		return nil, err
	}
	p.forgetState(w)
	p.hurry()
	return frames, p.revokeGrantsIn(r.Context(), session)
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
