package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
)

// inactive is the whole answer about a token that is not good, or not the caller's business (RFC 7662 §2.2).
var inactive = []byte(`{"active":false}`)

// introspection is the answer of RFC 7662 §2.2 for a token that is good.
type introspection struct {
	Active    bool     `json:"active"`
	TokenType string   `json:"token_type,omitempty"`
	ClientID  string   `json:"client_id"`
	Subject   string   `json:"sub,omitempty"`
	Username  string   `json:"username,omitempty"`
	Scope     string   `json:"scope,omitempty"`
	Audience  audience `json:"aud,omitempty"`
	Issuer    string   `json:"iss"`
	Expires   int64    `json:"exp,omitempty"`
	Issued    int64    `json:"iat,omitempty"`
	JTI       string   `json:"jti,omitempty"`
	AuthTime  int64    `json:"auth_time,omitempty"`
	ACR       string   `json:"acr,omitempty"`
	AMR       []string `json:"amr,omitempty"`

	Confirmation *confirmation   `json:"cnf,omitempty"`
	BindingType  string          `json:"binding_type,omitempty"`
	BindingRef   string          `json:"binding_ref,omitempty"`
	Actor        json.RawMessage `json:"act,omitempty"`
	MayAct       json.RawMessage `json:"may_act,omitempty"`
	Details      json.RawMessage `json:"authorization_details,omitempty"`
}

// introspect answers a client about a token. Whoever asks about a token that is neither theirs nor for them learns nothing,
// not even that it exists.
func (p *Provider) introspect(ctx context.Context, caller *Client, token string) ([]byte, error) {
	if presented, ok := parseRefreshToken(token); ok {
		return p.introspectRefreshToken(ctx, caller, presented)
	}
	t, err := p.openAccessToken(ctx, token)
	if errors.Is(err, errBroken) {
		return inactive, nil
	}
	if err != nil {
		return nil, err
	}
	if !mayIntrospect(caller, t.claims.ClientID, t.claims.Audience) {
		return inactive, nil
	}
	return t.describe()
}

// describe is the answer about a token that is good.
func (t *presentedToken) describe() (json.RawMessage, error) {
	answer, err := json.Marshal(introspection{
		Active: true, TokenType: t.claims.Confirmation.demanded().tokenType(), ClientID: t.claims.ClientID, Subject: t.claims.Subject,
		Scope: t.claims.Scope.text, Audience: t.claims.Audience, Issuer: t.claims.Issuer,
		Expires: t.claims.Expires, Issued: t.claims.Issued, JTI: t.claims.JTI,
		AuthTime: t.claims.AuthTime, ACR: t.claims.ACR, AMR: t.claims.AMR,
		BindingType: t.claims.BindingType, BindingRef: t.claims.BindingRef,
		Confirmation: t.claims.Confirmation, Actor: t.claims.Actor, MayAct: t.claims.MayAct, Details: t.claims.Details,
	})
	if err != nil || len(t.extra) == 0 {
		return answer, err
	}
	return addMembers(answer, t.extra)
}

func (p *Provider) introspectRefreshToken(ctx context.Context, caller *Client, presented presentedRefresh) ([]byte, error) {
	f, c, err := p.familyOf(ctx, presented)
	if errors.Is(err, errBroken) {
		return inactive, nil
	}
	if err != nil {
		return nil, err
	}
	if caller.ClientID != c.grant.ClientID || !f.isCurrent(presented) {
		return inactive, nil
	}
	subject, err := p.subjectFor(ctx, caller, c.grant.Subject.ID)
	if err != nil {
		return nil, err
	}
	return json.Marshal(introspection{
		Active: true, TokenType: "refresh_token", ClientID: c.grant.ClientID, Subject: subject,
		Scope: strings.Join(f.Scopes, " "), Issuer: p.site.Issuer(), Expires: f.Expires.Unix(),
		AuthTime: c.grant.authTime(), ACR: c.grant.ACR, AMR: c.grant.AMR,
	})
}

// mayIntrospect is the owner rule: the client a token was issued to, and the APIs it is for.
func mayIntrospect(caller *Client, clientID string, aud audience) bool {
	return caller.ClientID == clientID || slices.Contains(aud, caller.ClientID) ||
		slices.ContainsFunc(caller.Resources, func(r string) bool { return slices.Contains(aud, r) })
}

// addMembers adds members that the object does not have.
func addMembers(object []byte, extra map[string]json.RawMessage) ([]byte, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(object, &all); err != nil {
		return nil, err
	}
	merged := maps.Clone(extra)
	maps.Copy(merged, all)
	return json.Marshal(merged)
}

// revoke carries out RFC 7009: a refresh token takes its whole grant along. A token that is none, or dead already, is
// revoked as far as the client is concerned (RFC 7009 §2.2).
func (p *Provider) revoke(ctx context.Context, caller *Client, token string) error {
	if presented, ok := parseRefreshToken(token); ok {
		_, c, err := p.familyOf(ctx, presented)
		if err := owned(err, caller, func() string { return c.grant.ClientID }); err != nil {
			return ignoreBroken(err)
		}
		return p.revokeGrant(ctx, c.grant.Ref(), "token revoked")
	}
	t, err := p.openAccessToken(ctx, token)
	if err := owned(err, caller, func() string { return t.claims.ClientID }); err != nil {
		return ignoreBroken(err)
	}
	return p.deny(ctx, t)
}

// owned refuses a client that wants to revoke another's token (RFC 7009 §2.1).
func owned(err error, caller *Client, owner func() string) error {
	if err == nil && owner() != caller.ClientID {
		return &Error{Code: "unauthorized_client", Description: "the token was issued to another client", Status: 400}
	}
	return err
}

func ignoreBroken(err error) error {
	if errors.Is(err, errBroken) {
		return nil
	}
	return err
}
