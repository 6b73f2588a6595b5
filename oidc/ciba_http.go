package oidc

import (
	"errors"
	"net/http"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
)

func (g *cibaGrant) routes() []web.Route {
	return []web.Route{
		{Path: pathCIBA, Methods: []string{http.MethodPost}, Class: web.TokenAuthenticated, Handler: g.serveRequest},
		{Path: pathCIBA, Methods: []string{http.MethodGet}, Class: web.SameOrigin, Handler: g.servePage},
		{Path: pathCIBAResume, Methods: []string{http.MethodGet}, Class: web.SameOrigin, Handler: g.serveVisit(DoneCIBA)},
	}
}

// serveRequest is the backchannel authentication endpoint (CIBA Core §7).
func (g *cibaGrant) serveRequest(w http.ResponseWriter, r *http.Request) {
	sent, client, method, err := g.readClientRequest(w, r)
	var proven confirmation
	if err == nil && client.delivery() == deliverPush { // others prove what they hold when they fetch the tokens
		proven, err = g.prove(r.Context(), sent, client)
	}
	var response *cibaResponse
	if err == nil {
		response, err = g.authorize(r.Context(), tokenRequest{form: sent.form, client: client, method: method, proven: proven})
	}
	if err != nil {
		g.refuse(w, r, err)
		return
	}
	web.WriteValue(w, http.StatusOK, response)
}

// servePage is where the person comes by the link of a message. It changes nothing: whoever merely looks, such as a scanner of mails,
// keeps nobody else from deciding.
func (g *cibaGrant) servePage(w http.ResponseWriter, r *http.Request) {
	q, err := g.requests.Get(r.Context(), parseLocator(r.URL.Query().Get("id")))
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && !q.pending(g.db.Now()):
		g.showError(w, r, errVisitExpired)
	case err != nil:
		g.showError(w, r, unavailable(err))
	default:
		web.SeeOther(w, g.visitPath(g.newVisit(q, g.browser(w, r))))
	}
}
