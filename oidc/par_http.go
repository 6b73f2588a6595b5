package oidc

import (
	"net/http"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
)

func (p *Provider) parRoutes() []web.Route {
	return []web.Route{{Path: pathPAR, Methods: []string{http.MethodPost}, Class: web.TokenAuthenticated, Handler: p.servePAR}}
}

// servePAR is the pushed authorization request endpoint (RFC 9126 §2).
func (p *Provider) servePAR(w http.ResponseWriter, r *http.Request) {
	sent, client, _, err := p.readClientRequest(w, r)
	if err == nil && client.Public() {
		err = p.admitted(r, client.Org)
	}
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	pushed, err := p.push(r.Context(), sent, client)
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	web.WriteValue(w, http.StatusCreated, pushed)
}

// admitted is admit as a plain error: anybody can speak for a public client, and leave requests behind.
func (p *Provider) admitted(r *http.Request, org string) error {
	if refusal := p.admit(r, org); refusal != nil {
		return refusal
	}
	return nil
}

// hold binds the request to the browser and writes it. A pushed request is there already: it changes hands when another browser
// loads it before it was answered, and that one begins anew.
func (p *Provider) hold(w http.ResponseWriter, r *http.Request, q *authorizationRequest) error {
	b := p.db.Batch()
	switch {
	case q.Version == 0:
		q.Browser = p.bind(w, r)
		p.requests.Insert(b, q)
	case q.Browser != "" && secret.Matches(string(q.Browser), p.site.Cookie(r, cookieRequest)): // loaded again
		return nil
	default:
		if q.Browser != "" {
			q.Pushed.Interaction = store.NewID()
		}
		q.Browser = p.bind(w, r)
		p.requests.Replace(b, q)
	}
	return b.Apply(r.Context())
}
