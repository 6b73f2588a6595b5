package signet

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store/directory"
)

// pathExtendSession is where pages of applications keep a session from going idle.
const pathExtendSession = "/identity/extend-session"

// The errors of the extension of sessions, in the codes of WSO2 Identity Server.
const (
	errExtension        = "ISE-60001"
	errExtensionKey     = "ISE-60002"
	errExtensionSession = "ISE-60004"
	errExtensionServer  = "ISE-65001"
)

// extendSession notes that the browser's session is in use: its own, which its cookie names, and until no later than it ends anyway. WSO2's
// other way, by a key that ID tokens have, is none here: there is no such key, since whoever reads one could keep the session alive. A page of
// another site, or a link there, extends nothing.
func (p *Provider) extendSession(w http.ResponseWriter, r *http.Request) {
	switch {
	case fromAnotherSite(r):
		p.refuseExtension(w, r, http.StatusBadRequest, errExtension, "the request is another site's", nil)
		return
	case r.URL.Query().Has("idpSessionKey"):
		p.refuseExtension(w, r, http.StatusBadRequest, errExtensionKey, "sessions have no key here, but a cookie", nil)
		return
	case !p.flow.HasSession(r):
		p.refuseExtension(w, r, http.StatusBadRequest, errExtension, "the browser has no session", nil)
		return
	}
	session, err := p.flow.CurrentSession(r)
	if err == nil {
		err = p.Directory.Sessions.KeepAlive(r.Context(), session)
	}
	switch {
	case errors.Is(err, directory.ErrNoSession):
		p.refuseExtension(w, r, http.StatusBadRequest, errExtensionSession, "the session has ended", nil)
	case err != nil:
		web.RetryAfter(w.Header(), time.Second)
		p.refuseExtension(w, r, http.StatusServiceUnavailable, errExtensionServer, "try again later", err)
	default:
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusOK)
	}
}

// fromAnotherSite reports whether a browser says that a request is not of its own site, or that it goes there (Fetch Metadata §2).
func fromAnotherSite(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Site") == "cross-site" || r.Header.Get("Sec-Fetch-Mode") == "navigate"
}

// refuseExtension answers in the product's form. The cause is in the line of the log with the same traceId.
func (p *Provider) refuseExtension(w http.ResponseWriter, r *http.Request, status int, code, description string, cause error) {
	trace := web.NewCorrelationID()
	if cause != nil {
		p.log.ErrorContext(r.Context(), "signet: a session was not extended", slog.String("correlation", trace), slog.Any("cause", cause))
	}
	web.WriteValue(w, status, map[string]string{
		"code": code, "message": http.StatusText(status), "description": description, "traceId": trace,
	})
}
