package oidc

import (
	"context"
	"encoding/json"
	"errors"
)

var (
	errToken = &Error{
		Code: "invalid_token", Description: "the access token is wrong, expired or revoked", Status: 401, challenge: schemeBearer,
	}
	errNoToken   = &Error{Status: 401, challenge: schemeBearer} // RFC 6750 §3.1: no error code when nothing was presented
	errNotOpenID = &Error{
		Code: "insufficient_scope", Description: "the access token does not have the scope openid", Status: 403,
		challenge: schemeBearer,
	}
)

// userInfo answers what the token's bearer may know about the person (OpenID Connect Core §5.3).
func (p *Provider) userInfo(ctx context.Context, token string, proven confirmation) ([]byte, error) {
	t, err := p.openAccessToken(ctx, token)
	if errors.Is(err, errBroken) {
		return nil, errToken
	}
	if err != nil {
		return nil, err
	}
	bound := t.claims.Confirmation.demanded()
	if !bound.provenBy(proven) { // a bound token is nobody's bearer token
		return nil, errToken
	}
	if proven.JKT != "" && bound.JKT == "" { // RFC 9449 §7.1: the scheme is for tokens that are bound
		return nil, errToken
	}
	if t.chain == nil || !t.grants(scopeOpenID) {
		return nil, errNotOpenID
	}
	g := t.chain.grant
	claims, err := p.personal(ctx, t.chain.subject, g.Claims.wanted(userInfoSection, t.scopes()))
	if errors.Is(err, errBroken) {
		return nil, errToken
	}
	if err != nil {
		return nil, err
	}
	claims["sub"] = t.claims.Subject
	return json.Marshal(claims)
}
