package oidc

import (
	"net/http"
	"strings"
	"time"
)

// Caller returns the person whom the access token of a request to an API of the provider's own speaks for, at a handler anywhere below the
// issuer. The token stands in the header, is for the issuer, has the scope, and comes with the proof of everything that it is bound to: a DPoP
// key, a certificate, a browser. When the request is refused it has been answered (RFC 6750 §3, RFC 9449 §7.1), and Caller returns nil: 401
// for what is no such token, among them those of clients that act for themselves, and those by which somebody acts for another; 403 for one
// without the scope; 503 while nobody knows.
func (p *Provider) Caller(w http.ResponseWriter, r *http.Request, scope string) *Caller {
	scheme, token, err := presentedToCaller(r)
	if err != nil {
		p.refuse(w, r, challenged(scheme, err))
		return nil
	}
	proven, err := p.proveToken(w, r, scheme, token)
	if err != nil {
		p.refuse(w, r, challenged(scheme, err))
		return nil
	}
	presented, err := p.readCertificate(r)
	if err != nil {
		p.refuse(w, r, challenged(scheme, err))
		return nil
	}
	proven.X5T = thumbprint(presented) // RFC 8705 §3
	caller, client, err := p.caller(r.Context(), token, proven, p.boundBrowser(r), scope)
	if client != nil {
		p.withhold(w, r, client)
	}
	if err != nil {
		p.refuse(w, r, challenged(scheme, err))
		return nil
	}
	return caller
}

// presentedToCaller finds the token of a request whose body and query are the API's.
func presentedToCaller(r *http.Request) (scheme, token string, err error) {
	if err := refuseQuerySecrets(r); err != nil { // RFC 9700 §4.3.2
		return schemeBearer, "", err
	}
	return readAuthorization(r)
}

// AskAgain answers a request of a Caller who has to sign in once more, or more strongly, before they may do this (RFC 9470 §3).
func (p *Provider) AskAgain(w http.ResponseWriter, r *http.Request, how Reauthentication) {
	how.MaxAge = how.MaxAge.Truncate(time.Second)
	scheme, _, err := presentedToCaller(r)
	if err == nil {
		err = &Error{
			Code: "insufficient_user_authentication", Description: "the person must sign in again, or more strongly", Status: 401, again: &how,
		}
	}
	p.refuse(w, r, challenged(scheme, err))
}

// Share wraps the handler of an API of the provider's own, so that scripts of the origins that may call the token endpoint (Features.CORS)
// may call it too, by these methods. It answers what browsers ask before they do, by OPTIONS, which is to be routed to it and is none of the
// methods. Without the feature it returns the handler.
func (p *Provider) Share(methods []string, next http.Handler) http.Handler {
	if p.shared == nil {
		return next
	}
	named := strings.Join(methods, ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			p.shared.preflight(w, r, named)
			return
		}
		p.shared.serveShared(w, r, next.ServeHTTP)
	})
}
