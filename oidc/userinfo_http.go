package oidc

import (
	"net/http"
	"strings"

	"github.com/signet-idp/signet/internal/web"
)

// serveUserInfo is the userinfo endpoint (OpenID Connect Core §5.3).
func (p *Provider) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	p.tellInteraction(w, r)
	scheme, token, err := readToken(w, r)
	if err != nil {
		p.refuse(w, r, challenged(scheme, err))
		return
	}
	proven, err := p.proveToken(w, r, scheme, token)
	if err != nil {
		p.refuse(w, r, challenged(scheme, err))
		return
	}
	presented, err := p.readCertificate(r)
	if err != nil {
		p.refuse(w, r, challenged(scheme, err))
		return
	}
	proven.X5T = thumbprint(presented) // RFC 8705 §3
	mediaType, body, err := p.userInfo(r.Context(), token, proven, p.boundBrowser(r))
	if err != nil {
		p.refuse(w, r, challenged(scheme, err))
		return
	}
	web.WriteAs(w, http.StatusOK, mediaType, body)
}

// challenged adds the challenge that RFC 6750 §3 and RFC 9449 §7.1 demand beside every refusal, in the scheme that the client used.
func challenged(scheme string, err error) error {
	e := *asError(err)
	if e.status() >= http.StatusInternalServerError {
		return &e
	}
	e.challenge = scheme
	if e.Code == "" { // nothing was presented
		e.challenge = schemeBearer
	}
	if e.Code == "invalid_dpop_proof" || e.Code == "use_dpop_nonce" {
		e.Status, e.challenge = http.StatusUnauthorized, schemeDPoP
	}
	return &e
}

// The schemes in which access tokens are presented.
const (
	schemeBearer = "Bearer"
	schemeDPoP   = "DPoP"
)

// readToken finds the one access token of the request: in the header, or in the body of a POST (RFC 6750 §2.1, §2.2).
// The query is not a place for one (RFC 9700 §4.3.2).
func readToken(w http.ResponseWriter, r *http.Request) (scheme, token string, err error) {
	if err := refuseQuerySecrets(r); err != nil {
		return schemeBearer, "", err
	}
	inBody := ""
	if r.Method == http.MethodPost && r.ContentLength != 0 {
		form, err := web.ReadBody(w, r)
		if err != nil {
			return schemeBearer, "", formError(err)
		}
		inBody = form.Value("access_token")
	}
	scheme, token, err = readAuthorization(r)
	switch {
	case inBody == "":
		return scheme, token, err
	case len(r.Header.Values("Authorization")) == 0:
		return schemeBearer, inBody, nil
	case err == nil:
		err = invalidRequest("the access token stands in more than one place")
	}
	return scheme, "", err
}

// readAuthorization finds the one access token in the header (RFC 6750 §2.1, RFC 9449 §7.1).
func readAuthorization(r *http.Request) (scheme, token string, err error) {
	headers := r.Header.Values("Authorization")
	switch len(headers) {
	case 0:
		return schemeBearer, "", errNoToken
	case 1:
	default:
		return schemeBearer, "", invalidRequest("the Authorization header stands more than once")
	}
	scheme, token, _ = strings.Cut(headers[0], " ")
	switch {
	case strings.EqualFold(scheme, schemeBearer):
		scheme = schemeBearer
	case strings.EqualFold(scheme, schemeDPoP):
		scheme = schemeDPoP
	default:
		return schemeBearer, "", errNoToken
	}
	if token = strings.TrimSpace(token); token == "" {
		return schemeBearer, "", errNoToken
	}
	return scheme, token, nil
}

// proveToken returns what the sender of an access token has proven to hold. A proof goes with the scheme DPoP and no other
// (RFC 9449 §7.1), and an empty header is no excuse for presenting a bound token as a bearer token.
func (p *Provider) proveToken(w http.ResponseWriter, r *http.Request, scheme, token string) (confirmation, error) {
	headers := r.Header[headerProof]
	switch {
	case scheme == schemeDPoP && p.proofs == nil:
		return confirmation{}, errNoToken
	case scheme == schemeDPoP && len(headers) == 0:
		return confirmation{}, invalidProof("the DPoP proof is missing")
	case scheme == schemeBearer && len(headers) > 0 && p.proofs != nil:
		return confirmation{}, invalidRequest("a DPoP proof goes with the scheme DPoP")
	case scheme == schemeBearer:
		return confirmation{}, nil
	}
	proof, err := p.readProofOf(w, r, token)
	if err != nil {
		return confirmation{}, err
	}
	jkt, err := p.useProof(r.Context(), proof)
	return confirmation{JKT: jkt}, err
}
