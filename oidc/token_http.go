package oidc

import (
	"mime"
	"net/http"
	"strings"

	"github.com/signet-idp/signet/internal/web"
)

// serveToken is the token endpoint (RFC 6749 §3.2).
func (p *Provider) serveToken(w http.ResponseWriter, r *http.Request) {
	sent, client, method, err := p.readClientRequest(w, r)
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	proven, err := p.prove(r.Context(), sent, client)
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	response, err := p.exchange(r.Context(), tokenRequest{
		form: sent.form, client: client, method: method, proven: proven, browser: p.boundBrowser(r), address: p.site.Address(r),
	})
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	web.WriteValue(w, http.StatusOK, response)
}

// serveIntrospect is the introspection endpoint (RFC 7662). It is for clients that have a secret to prove.
func (p *Provider) serveIntrospect(w http.ResponseWriter, r *http.Request) {
	sent, client, _, err := p.readClientRequest(w, r)
	switch {
	case err != nil:
	case client.Public():
		err = errClient
	case !sent.form.Has("token"):
		err = invalidRequest("token is missing")
	}
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	answer, err := p.introspect(r.Context(), client, sent.form.Value("token"))
	mediaType := mediaJSON
	if err == nil && p.config.Features.SignedIntrospection != nil && accepts(r, mediaIntrospection) {
		mediaType = mediaIntrospection
		answer, err = p.signIntrospection(r.Context(), client, answer)
	}
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	web.WriteAs(w, http.StatusOK, mediaType, answer)
}

// accepts reports whether the request names the media type among those that it would like (RFC 9110 §12.5.1).
func accepts(r *http.Request, mediaType string) bool {
	for _, header := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(header, ",") {
			if named, parameters, err := mime.ParseMediaType(part); err == nil && named == mediaType && parameters["q"] != "0" {
				return true
			}
		}
	}
	return false
}

// serveRevoke is the revocation endpoint (RFC 7009).
func (p *Provider) serveRevoke(w http.ResponseWriter, r *http.Request) {
	sent, client, _, err := p.readClientRequest(w, r)
	if err == nil && !sent.form.Has("token") {
		err = invalidRequest("token is missing")
	}
	if err == nil {
		err = p.revoke(r.Context(), client, sent.form.Value("token"))
	}
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	web.NoStore(w.Header())
	w.WriteHeader(http.StatusOK)
}

// readClientRequest reads the body once and proves who the client is.
func (p *Provider) readClientRequest(w http.ResponseWriter, r *http.Request) (clientRequest, *Client, AuthMethod, error) {
	sent := clientRequest{path: r.URL.Path}
	if err := refuseQuerySecrets(r); err != nil {
		return sent, nil, "", err
	}
	var err error
	if sent.form, err = web.ReadBody(w, r, "resource", "audience"); err != nil { // RFC 8693 §2.1, RFC 8707 §2
		return sent, nil, "", formError(err)
	}
	authorizations := r.Header.Values("Authorization")
	if len(authorizations) > 1 {
		return sent, nil, "", invalidRequest("the Authorization header stands more than once")
	}
	sent.authorization = r.Header.Get("Authorization")
	if sent.proof, err = p.readProofOf(w, r, ""); err != nil {
		return sent, nil, "", err
	}
	if sent.certificate, err = p.readCertificate(r); err != nil {
		return sent, nil, "", err
	}
	client, method, err := p.authenticate(r.Context(), sent)
	if err == nil {
		p.withhold(w, r, client)
	}
	return sent, client, method, err
}

// refuseQuerySecrets refuses what must not stand in a URL, where it is logged (RFC 6749 §2.3.1, §3.2).
func refuseQuerySecrets(r *http.Request) error {
	if r.URL.RawQuery == "" {
		return nil
	}
	query := r.URL.Query()
	for _, name := range []string{
		"client_secret", "client_assertion", "code", "refresh_token", "password", "token", "access_token", "device_code", "auth_req_id",
		"assertion", "subject_token", "actor_token", "client_notification_token",
	} {
		if query.Has(name) {
			return invalidRequest(name + " must be sent in the body")
		}
	}
	return nil
}
