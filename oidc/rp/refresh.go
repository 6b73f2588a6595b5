package rp

import (
	"context"
	"net/url"
	"slices"

	"golang.org/x/oauth2"
)

// Refresh has the provider renew the tokens of a login (RFC 6749 §6), authenticated as at the login and bound to the same key. It returns
// a copy of id, of which Issuer, Subject and Token count: with the new Token, which keeps the refresh token unless there is a new one, and, if
// the provider sends a new ID token, with that and its claims. Errors are as of Finish; with a *ResponseError of the code "invalid_grant" the
// provider has ended it.
func (p *Provider) Refresh(ctx context.Context, id *Identity) (*Identity, error) {
	if id.Token == nil || id.Token.RefreshToken == "" {
		return nil, invalid("there is no refresh token")
	}
	m, err := p.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	token, err := p.tokens(ctx, m, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {id.Token.RefreshToken}})
	if err != nil {
		return nil, err
	}
	if token.RefreshToken == "" { // RFC 6749 §6
		token.RefreshToken = id.Token.RefreshToken
	}
	renewed := *id
	renewed.Token = token
	if raw, _ := token.Extra("id_token").(string); raw != "" && p.config.openID() {
		if err := p.renew(ctx, m, &renewed, raw, token); err != nil {
			return nil, err
		}
	}
	return &renewed, nil
}

// renew judges the ID token of a refresh, which is about the same person and the same login (OpenID Connect Core §12.2).
func (p *Provider) renew(ctx context.Context, m *Metadata, id *Identity, raw string, token *oauth2.Token) error {
	c, err := p.openIDToken(ctx, m, raw)
	if err != nil {
		return err
	}
	if err := p.judgeClaims(c, []string{p.config.ClientID}); err != nil {
		return err
	}
	switch {
	case c.Issuer != id.Issuer || c.Subject != id.Subject:
		return invalid("the ID token of a refresh is about somebody else")
	case !c.AuthTime.IsZero() && !id.AuthTime.IsZero() && !c.AuthTime.Equal(id.AuthTime):
		return invalid("the ID token of a refresh is of another login")
	}
	if nonce, told := id.Claims["nonce"].(string); c.Nonce != nil && told && *c.Nonce != nonce {
		return invalid("the ID token of a refresh is of another login: nonce differs")
	}
	if err := p.judgeHash(c, token.AccessToken); err != nil {
		return err
	}
	id.IDToken, id.Claims = c.token, merged(c.all, id.Claims)
	if c.ACR != "" {
		id.ACR = c.ACR
	}
	if len(c.AMR) > 0 {
		id.AMR = slices.Clone(c.AMR)
	}
	id.fill()
	return nil
}
