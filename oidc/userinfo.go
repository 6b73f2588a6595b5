package oidc

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/store"
)

var (
	errToken = &Error{
		Code: "invalid_token", Description: "the access token is wrong, expired or revoked", Status: 401, challenge: schemeBearer,
	}
	errNoToken   = &Error{Status: 401, challenge: schemeBearer} // RFC 6750 §3.1: no error code when nothing was presented
	errNotOpenID = insufficientScope(scopeOpenID)
)

// SignedUserInfo lets clients be registered for userinfo that is signed (OpenID Connect Core §5.3.2).
type SignedUserInfo struct{}

func (f SignedUserInfo) part(p *Provider) (part, error) {
	return part{
		features: []string{"signed userinfo"},
		describe: func(m *metadata) { m.UserInfoAlgs = p.keys.names() },
	}, nil
}

// The forms of userinfo.
const (
	mediaJSON = "application/json"
	mediaJWT  = "application/jwt"
)

// userInfo answers what the token's bearer may know about the person (OpenID Connect Core §5.3), and in which form.
func (p *Provider) userInfo(ctx context.Context, token string, proven confirmation, browser binding) (mediaType string, body []byte, err error) {
	t, claims, err := p.userClaims(ctx, token, proven)
	if err != nil {
		return "", nil, err
	}
	c, err := p.Clients.find(ctx, t.claims.ClientID)
	if errors.Is(err, store.ErrNotFound) || err == nil && !t.chain.grant.Tie.heldBy(c, browser) {
		return "", nil, errToken
	}
	if err != nil {
		return "", nil, err
	}
	return p.protectUserInfo(ctx, c, claims)
}

// protectUserInfo signs and encrypts userinfo as the client is registered (OpenID Connect Core §5.3.2).
func (p *Provider) protectUserInfo(ctx context.Context, c *Client, claims map[string]any) (mediaType string, body []byte, err error) {
	seal, err := p.sealing(ctx, c, c.UserInfoEncryptedResponseAlg, c.UserInfoEncryptedResponseEnc)
	if err != nil {
		return "", nil, err
	}
	if c.UserInfoSignedResponseAlg == "" {
		if body, err = json.Marshal(claims); err != nil || seal.key.Key == nil {
			return mediaJSON, body, err
		}
		sealed, err := jose.Encrypt(body, seal.header, seal.key.Key)
		return mediaJWT, []byte(sealed), err
	}
	key, err := p.signerFor(ctx, c, c.UserInfoSignedResponseAlg)
	if err != nil {
		return "", nil, err
	}
	claims["iss"], claims["aud"] = p.site.Issuer(), c.ClientID
	if body, err = json.Marshal(claims); err != nil {
		return "", nil, err
	}
	signed, err := key.sign(typUserInfo, body)
	if err != nil {
		return "", nil, err
	}
	token, err := seal.token(signed)
	return mediaJWT, []byte(token), err
}

// typUserInfo is the typ of signed userinfo: another than that of ID tokens, so that the one is never taken for the other
// (RFC 8725 §3.11).
const typUserInfo = "userinfo+jwt"

// userClaims are what the token's bearer may know.
func (p *Provider) userClaims(ctx context.Context, token string, proven confirmation) (*presentedToken, map[string]any, error) {
	t, err := p.openAccessToken(ctx, token)
	if errors.Is(err, errBroken) {
		return nil, nil, errToken
	}
	if err != nil {
		return nil, nil, err
	}
	if err := t.boundTo(proven); err != nil {
		return nil, nil, err
	}
	if t.chain == nil || !t.grants(scopeOpenID) {
		return nil, nil, errNotOpenID
	}
	g := t.chain.grant
	named, err := p.vocabulary(ctx, g.Org)
	if err != nil {
		return nil, nil, err
	}
	claims, err := p.personal(ctx, t.chain.subject, g.SignInClaims, g.Claims.wanted(userInfoSection, t.scopes(), named), g.ClaimsLocales...)
	if errors.Is(err, errBroken) {
		return nil, nil, errToken
	}
	if err != nil {
		return nil, nil, err
	}
	claims["sub"] = t.claims.Subject
	return t, claims, nil
}
