package oidc

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// frontChannel is what tokens in an authorization response answer to.
type frontChannel struct {
	responseType string
	code, state  string
}

// hasAccess and hasID report which tokens there are. A nil frontChannel is the token endpoint, which has both.
func (f *frontChannel) hasAccess() bool { return f == nil || responds(f.responseType, responseToken) }

func (f *frontChannel) hasID() bool { return f == nil || responds(f.responseType, responseIDToken) }

// claimScopes are the scopes whose claims stand in the ID token: where there will never be an access token for the userinfo endpoint
// (OpenID Connect Core §5.4).
func (f *frontChannel) claimScopes(scopes []string) []string {
	if f != nil && f.responseType == responseIDToken {
		return scopes
	}
	return nil
}

// hash sets c_hash and s_hash (OpenID Connect Core §3.3.2.11, FAPI 1.0 Advanced §5.1.1).
func (f *frontChannel) hash(id *idClaims, a jose.Algorithm) error {
	if f == nil {
		return nil
	}
	for _, h := range []struct {
		value string
		hash  *string
	}{{f.code, &id.CodeHash}, {f.state, &id.StateHash}} {
		if h.value == "" {
			continue
		}
		var err error
		if *h.hash, err = jose.HalfHash(a, h.value); err != nil {
			return err
		}
	}
	return nil
}

// sibling is the Grant behind a token in front, beside the one that the code will make. It lives in the session: what outlives that
// is for those who redeem a code.
func (q *authorizationRequest) sibling() *Grant {
	g := q.grant()
	g.ID, g.Type, g.CodeHash = store.NewID(), Implicit, ""
	g.Session, g.SessionEpoch = q.Answer.Session, q.Answer.SessionEpoch
	g.Scopes = slices.DeleteFunc(slices.Clone(g.Scopes), func(s string) bool { return s == scopeOffline })
	return g
}

// toldInFront makes the refusal of a token into one of the authorization response (RFC 6749 §4.2.2.1).
func toldInFront(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.status() >= 500 { // ours, and not the client's to hear about
		return err
	}
	told := *e
	told.Status = 0
	if e.Code == "invalid_grant" { // the account is gone
		return refused(directory.LoginRequired).because(err)
	}
	return &told
}

// sendInFront completes a request whose tokens travel through the browser (OpenID Connect Core §3.2.2.5, §3.3.2.5). An access
// token hangs on a Grant of its own, beside the one that the code will make: the Insert of that one stays the code's gate. The
// batch holds whatever completes the request besides.
func (p *Provider) sendInFront(ctx context.Context, q *authorizationRequest, c *Client, b *store.Batch, values url.Values) error {
	g := q.sibling()
	if err := p.tieSignIn(ctx, g, q, c); err != nil {
		return toldInFront(err)
	}
	chain, err := p.parentsOf(ctx, g)
	if errors.Is(err, errBroken) {
		return refused(directory.LoginRequired)
	}
	if err != nil {
		return err
	}
	t := &issue{
		client: c, chain: chain, app: chain.application, scopes: g.Scopes, nonce: q.Nonce,
		front: &frontChannel{responseType: q.ResponseType, code: values.Get("code"), state: q.State},
	}
	if err := p.draft(ctx, t); err != nil {
		return toldInFront(err)
	}
	impersonates := responds(q.ResponseType, responseSubjectToken)
	if t.front.hasAccess() || impersonates {
		g.Created = b.Now()
		g.Expires = latest(b.Now().Add(p.accessLifetime(c)), time.Unix(t.access.Expires, 0)).Add(gateMargin)
		p.grants.Insert(b, g)
	}
	if t.front.hasAccess() {
		p.write(b, t)
	}
	var other *impersonation
	if impersonates {
		if other, err = p.impersonate(ctx, q, c, chain, b); err != nil {
			return err
		}
	}
	p.check(b, chain)
	if err := p.join(ctx, b, chain); err != nil {
		return err
	}
	if err := b.Apply(ctx); err != nil {
		return err
	}
	made, err := t.sign()
	if err != nil {
		return err
	}
	made.addTo(values)
	if other != nil {
		token, err := signClaims(other.key, typSubjectToken, other.claims, nil)
		if err != nil {
			return unavailable(err)
		}
		values.Set("subject_token", token)
	}
	return nil
}

// addTo adds the parameters of OpenID Connect Core §3.2.2.5.
func (r *tokenResponse) addTo(values url.Values) {
	if r.AccessToken != "" {
		values.Set("access_token", r.AccessToken)
		values.Set("token_type", r.TokenType)
		values.Set("expires_in", strconv.FormatInt(r.ExpiresIn, 10))
		values.Set("scope", r.Scope)
	}
	if r.IDToken != "" {
		values.Set("id_token", r.IDToken)
	}
}
