package oidc

import (
	"net/http"
	"strings"

	"github.com/signet-idp/signet/internal/web"
)

// serveUserInfo is the userinfo endpoint (OpenID Connect Core §5.3).
func (p *Provider) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	token, err := bearerToken(w, r)
	if err != nil {
		p.refuse(w, r, challenged(err))
		return
	}
	claims, err := p.userInfo(r.Context(), token, confirmation{})
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	web.WriteJSON(w, http.StatusOK, claims)
}

// challenged adds the challenge that RFC 6750 §3 demands beside every refusal.
func challenged(err error) error {
	e := *asError(err)
	if e.status() < http.StatusInternalServerError {
		e.challenge = "Bearer"
	}
	return &e
}

// bearerToken finds the one access token of the request: in the header, or in the body of a POST (RFC 6750 §2.1, §2.2).
// The query is not a place for one (RFC 9700 §4.3.2).
func bearerToken(w http.ResponseWriter, r *http.Request) (string, error) {
	if err := refuseQuerySecrets(r); err != nil {
		return "", err
	}
	headers := r.Header.Values("Authorization")
	if len(headers) > 1 {
		return "", invalidRequest("the Authorization header stands more than once")
	}
	inBody := ""
	if r.Method == http.MethodPost && r.ContentLength != 0 {
		form, err := web.ReadBody(w, r)
		if err != nil {
			return "", formError(err)
		}
		inBody = form.Value("access_token")
	}
	if len(headers) == 0 {
		if inBody == "" {
			return "", errNoToken
		}
		return inBody, nil
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	switch {
	case !strings.EqualFold(scheme, "Bearer") || token == "":
		return "", errNoToken
	case inBody != "":
		return "", invalidRequest("the access token stands in more than one place")
	}
	return strings.TrimSpace(token), nil
}
