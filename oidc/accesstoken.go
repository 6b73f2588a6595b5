package oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// accessToken is an opaque access token; its id is the digest of the token.
type accessToken struct {
	store.Meta
	Claims accessClaims    `json:"claims"`
	Extra  json.RawMessage `json:"extra,omitempty"`
}

// denial marks a JWT without a grant as revoked, by its jti, until it has expired by itself.
type denial struct{ store.Meta }

var (
	tokenKind  = store.Kind{Name: "oidc.token"}
	denialKind = store.Kind{Name: "oidc.denial"}

	tokenType  = store.Type[accessToken]{Kind: tokenKind}
	denialType = store.Type[denial]{Kind: denialKind}
)

// presentedToken is an access token that was presented and found good: every link of its chain was read just now.
type presentedToken struct {
	claims accessClaims
	extra  map[string]json.RawMessage
	chain  *chain // nil for a client acting for itself
	org    string // of that client
	stored *accessToken
}

func (t *presentedToken) scopes() []string { return strings.Fields(t.claims.Scope.text) }

func (t *presentedToken) grants(scope string) bool { return slices.Contains(t.scopes(), scope) }

// boundTo holds the token to what it is bound to: the error is errToken unless its sender has proven all of it.
func (t *presentedToken) boundTo(proven confirmation) error {
	bound := t.claims.Confirmation.demanded()
	if !bound.provenBy(proven) { // a bound token is nobody's bearer token
		return errToken
	}
	if proven.JKT != "" && bound.JKT == "" { // RFC 9449 §7.1: the scheme is for tokens that are bound
		return errToken
	}
	return nil
}

// isFor reports whether the token is for somebody.
func (t *presentedToken) isFor(whom string) bool { return slices.Contains(t.claims.Audience, whom) }

// openAccessToken finds out what an access token is worth. errBroken means nothing; any other error is a failure.
func (p *Provider) openAccessToken(ctx context.Context, text string) (*presentedToken, error) {
	var t *presentedToken
	var err error
	if strings.HasPrefix(text, accessPrefix) {
		t, err = p.openOpaque(ctx, text)
	} else {
		t, err = p.openJWT(ctx, text)
	}
	if err != nil {
		return nil, err
	}
	if !p.db.Now().Before(time.Unix(t.claims.Expires, 0)) {
		return nil, errBroken
	}
	if t.claims.Grant != "" {
		t.chain, err = p.readChain(ctx, parseLocator(t.claims.Grant))
		if err == nil && t.chain.grant.ClientID != t.claims.ClientID {
			err = errBroken
		}
		return t, err
	}
	return t, p.judgeOwnToken(ctx, t)
}

func (p *Provider) openOpaque(ctx context.Context, text string) (*presentedToken, error) {
	if len(text) > maxPresented {
		return nil, errBroken
	}
	ref := parseLocator(strings.TrimPrefix(text, accessPrefix))
	stored, err := p.tokens.Get(ctx, store.Ref{Org: ref.Org, ID: secret.Hash(ref.ID)})
	if errors.Is(err, store.ErrNotFound) {
		return nil, errBroken
	}
	if err != nil {
		return nil, err
	}
	t := &presentedToken{claims: stored.Claims, stored: stored}
	if len(stored.Extra) > 0 {
		err = json.Unmarshal(stored.Extra, &t.extra)
	}
	return t, err
}

func (p *Provider) openJWT(ctx context.Context, text string) (*presentedToken, error) {
	payload, err := p.keys.verify(ctx, text, "at+jwt")
	if isTokenFault(err) {
		return nil, errBroken
	}
	if err != nil {
		return nil, err
	}
	t := &presentedToken{}
	if json.Unmarshal(payload, &t.claims) != nil {
		return nil, errBroken
	}
	if t.extra, err = furtherClaims(payload, &t.claims); err != nil {
		return nil, errBroken
	}
	if t.claims.Issuer != p.site.Issuer() || t.claims.ClientID == "" || t.claims.JTI == "" || t.claims.Grant == "" && t.claims.Epoch == nil {
		return nil, errBroken
	}
	return t, nil
}

// furtherClaims returns the claims of a payload that a hook has added. Most payloads are nothing but the claims that were
// decoded from them, written anew, and need no second look.
func furtherClaims(payload []byte, claims *accessClaims) (map[string]json.RawMessage, error) {
	if own, err := json.Marshal(claims); err == nil && bytes.Equal(own, payload) {
		return nil, nil
	}
	var all map[string]json.RawMessage
	err := json.Unmarshal(payload, &all)
	maps.DeleteFunc(all, func(name string, _ json.RawMessage) bool { return isProtocolClaim(name) })
	return all, err
}

// isTokenFault reports whether an error of verify is about the token and not about us.
func isTokenFault(err error) bool {
	for _, fault := range []error{jose.ErrMalformed, jose.ErrAlgorithm, jose.ErrKey, jose.ErrSignature, jose.ErrType} {
		if errors.Is(err, fault) {
			return true
		}
	}
	return false
}

// judgeOwnToken judges a token without a grant: its client, its application's status and epoch, and whether it was revoked
// by itself.
func (p *Provider) judgeOwnToken(ctx context.Context, t *presentedToken) error {
	c, err := p.Clients.find(ctx, t.claims.ClientID)
	if errors.Is(err, store.ErrNotFound) {
		return errBroken
	}
	if err != nil {
		return err
	}
	if t.claims.Epoch == nil {
		return errBroken
	}
	t.org = c.Org
	if _, err := p.config.Directory.CheckApplication(ctx, c.Application, *t.claims.Epoch); err != nil {
		return err
	}
	if t.stored != nil { // an opaque token is revoked by removing it
		return nil
	}
	_, err = p.denials.Get(ctx, store.Ref{Org: c.Org, ID: t.claims.JTI})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	return errBroken
}

// deny revokes one access token. A JWT with a grant takes the grant along, because nothing but the chain is read when it is
// used (RFC 7009 §2.1 permits it).
func (p *Provider) deny(ctx context.Context, t *presentedToken) error {
	b := p.db.Batch()
	switch {
	case t.stored != nil:
		p.tokens.Delete(b, t.stored)
	case t.chain != nil:
		return p.revokeGrant(ctx, t.chain.grant.Ref(), "token revoked")
	default:
		p.denials.Insert(b, &denial{store.Meta{Org: t.org, ID: t.claims.JTI, Expires: time.Unix(t.claims.Expires, 0)}})
	}
	err := b.Apply(ctx)
	if store.ConflictOn(err, tokenKind) != nil || store.ConflictOn(err, denialKind) != nil {
		return nil // somebody else has just done the same
	}
	return err
}
