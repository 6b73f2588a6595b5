package oidc

import (
	"net/http"

	"github.com/signet-idp/signet/internal/web"
)

// serveToken is the token endpoint (RFC 6749 §3.2).
func (p *Provider) serveToken(w http.ResponseWriter, r *http.Request) {
	form, client, method, err := p.readClientRequest(w, r)
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	response, err := p.exchange(r.Context(), tokenRequest{form, client, method})
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	web.WriteValue(w, http.StatusOK, response)
}

// serveIntrospect is the introspection endpoint (RFC 7662). It is for clients that have a secret to prove.
func (p *Provider) serveIntrospect(w http.ResponseWriter, r *http.Request) {
	form, client, _, err := p.readClientRequest(w, r)
	switch {
	case err != nil:
	case client.Public():
		err = errClient
	case !form.Has("token"):
		err = invalidRequest("token is missing")
	}
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	answer, err := p.introspect(r.Context(), client, form.Value("token"))
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	web.WriteJSON(w, http.StatusOK, answer)
}

// serveRevoke is the revocation endpoint (RFC 7009).
func (p *Provider) serveRevoke(w http.ResponseWriter, r *http.Request) {
	form, client, _, err := p.readClientRequest(w, r)
	if err == nil && !form.Has("token") {
		err = invalidRequest("token is missing")
	}
	if err == nil {
		err = p.revoke(r.Context(), client, form.Value("token"))
	}
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	web.NoStore(w.Header())
	w.WriteHeader(http.StatusOK)
}

// readClientRequest reads the body once and proves who the client is.
func (p *Provider) readClientRequest(w http.ResponseWriter, r *http.Request) (web.Form, *Client, AuthMethod, error) {
	if err := refuseQuerySecrets(r); err != nil {
		return web.Form{}, nil, "", err
	}
	form, err := web.ReadBody(w, r)
	if err != nil {
		return form, nil, "", formError(err)
	}
	authorizations := r.Header.Values("Authorization")
	if len(authorizations) > 1 {
		return form, nil, "", invalidRequest("the Authorization header stands more than once")
	}
	client, method, err := p.authenticate(r.Context(), r.Header.Get("Authorization"), form)
	return form, client, method, err
}

// refuseQuerySecrets refuses what must not stand in a URL, where it is logged (RFC 6749 §2.3.1, §3.2).
func refuseQuerySecrets(r *http.Request) error {
	if r.URL.RawQuery == "" {
		return nil
	}
	query := r.URL.Query()
	for _, name := range []string{"client_secret", "code", "refresh_token", "password", "token", "access_token"} {
		if query.Has(name) {
			return invalidRequest(name + " must be sent in the body")
		}
	}
	return nil
}
