package oidc

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// family is the refresh token of a Grant through all its rotations. It has the Grant's id.
//
// A refresh token is "sgrt_<grant>.<family>.<member>": the family secret never changes and proves that the token is, or
// once was, ours; the member secret changes with every use. So a token with the right family secret and a wrong member
// secret is an old one, known in constant space, and a token with a wrong family secret is anybody's invention and
// revokes nothing.
type family struct {
	store.Meta
	FamilyHash string `json:"family_hash"`
	MemberHash string `json:"member_hash"`
	// Scopes and Method belong to the member: what it was issued with.
	Scopes []string   `json:"scopes"`
	Method AuthMethod `json:"method"`
	// Bound is what whoever uses the token of a public client must prove to hold (RFC 9449 §5); the other clients authenticate.
	Bound confirmation `json:"cnf,omitzero"`
	// Last is the member before, while its holder may still ask for the answer that was lost on the way.
	Last *lastMember `json:"last,omitempty"`
}

// lastMember answers a client that never saw the successor of the token it used.
type lastMember struct {
	Hash string `json:"hash"`
	// Successor is the member secret that replaced this one, sealed under a key that only the old token yields.
	Successor string     `json:"successor"`
	Until     time.Time  `json:"until"`
	Replays   int        `json:"replays"`
	Scopes    []string   `json:"scopes"`
	Method    AuthMethod `json:"method"`
}

var familyKind = store.Kind{Name: "oidc.refresh"}

var familyType = store.Type[family]{Kind: familyKind}

// The grace for a lost answer: how long and how often a used token still yields its successor.
const (
	graceWindow  = 30 * time.Second
	graceReplays = 5
)

var errRefresh = invalidGrant("the refresh token is wrong, expired, used, revoked, or another client's")

// newFamily begins the family of a Grant and puts its first token into t.
func (p *Provider) newFamily(t *issue, r tokenRequest, now time.Time) *family {
	familySecret, member := secret.Short(), secret.New()
	g := t.chain.grant
	t.refresh = refreshTokenText(g.Ref(), familySecret.Reveal(), member.Reveal())
	f := &family{
		Meta:       store.Meta{Org: g.Org, ID: g.ID, Expires: now.Add(p.refreshLifetime(t.client))},
		FamilyHash: familySecret.Hash(), MemberHash: member.Hash(), Scopes: t.scopes, Method: r.method,
	}
	if r.client.Public() {
		f.Bound = r.bound()
	}
	return f
}

func refreshTokenText(ref store.Ref, familySecret, member string) string {
	return locate(refreshPrefix, ref) + "." + familySecret + "." + member
}

// presentedRefresh is a refresh token as somebody presents it.
type presentedRefresh struct {
	grant          store.Ref
	family, member string
}

func parseRefreshToken(text string) (presentedRefresh, bool) {
	ref, rest, ok := cutLocated(refreshPrefix, text)
	familySecret, member, both := strings.Cut(rest, ".")
	// What is cut short or has something added is nobody's old token: it must not pass for a reuse.
	ok = ok && both && len(familySecret) == shortLength && len(member) == newLength && isUnreserved(member)
	return presentedRefresh{ref, familySecret, member}, ok
}

// How long the texts of secret.Short and secret.New are.
const (
	shortLength = 22
	newLength   = 43
)

// exchangeRefreshToken rotates a refresh token (RFC 6749 §6, RFC 9700 §4.14.2).
func (p *Provider) exchangeRefreshToken(ctx context.Context, r tokenRequest) (*tokenResponse, error) {
	if !r.form.Has("refresh_token") {
		return nil, invalidRequest("refresh_token is missing")
	}
	presented, ok := parseRefreshToken(r.form.Value("refresh_token"))
	if !ok {
		return nil, errRefresh
	}
	// Each round reads anew. A conflict means that somebody else moved the family or a parent in between; the second
	// reading then finds the token used, and within the grace answers with the same successor.
	for attempt := 0; ; attempt++ {
		response, err := p.refresh(ctx, r, presented)
		if attempt < maxAttempts && (p.parentMoved(err) || store.ConflictOn(err, familyKind) != nil || store.ConflictOn(err, grantKind) != nil) {
			continue
		}
		return response, err
	}
}

func (p *Provider) refresh(ctx context.Context, r tokenRequest, presented presentedRefresh) (*tokenResponse, error) {
	f, c, err := p.familyOf(ctx, presented)
	if errors.Is(err, errBroken) {
		return nil, errRefresh
	}
	if err != nil {
		return nil, err
	}
	if c.grant.ClientID != r.client.ClientID || !f.Bound.provenBy(r.proven) || !c.grant.Tie.renewedBy(r.client, r) { // before it could count as a reuse
		return nil, errRefresh
	}
	now := p.db.Now()
	scopes := f.Scopes
	current := f.isCurrent(presented)
	if !current {
		if !f.Last.yields(presented.member, r.method, now) {
			return nil, p.reusedRefreshToken(ctx, c, r.client)
		}
		scopes = f.Last.Scopes
	}
	scopes, refusal := p.narrow(ctx, c, scopes, r)
	if refusal != nil {
		return nil, refusal
	}
	t := &issue{client: r.client, chain: c, app: c.application, scopes: scopes, form: r.form, bound: r.bound()}
	if err := p.draft(ctx, t); err != nil {
		return nil, err
	}
	b := p.db.Batch()
	switch {
	case current && r.client.KeepRefreshToken:
		p.keep(b, f, t, presented)
	case current:
		err = p.rotate(f, t, presented, r.method, now)
		p.families.Replace(b, f)
	default:
		err = p.replay(f, t, presented)
		p.families.Replace(b, f)
	}
	if err != nil {
		return nil, err
	}
	if err := p.checkGrant(ctx, b, r.client, c.grant, latest(f.Expires, time.Unix(t.access.Expires, 0))); err != nil {
		return nil, err
	}
	if p.check(b, c) {
		if err := p.join(ctx, b, c); err != nil {
			return nil, err
		}
	}
	p.write(b, t)
	if err := b.Apply(ctx); err != nil {
		return nil, err
	}
	return t.sign()
}

func (f *family) isCurrent(presented presentedRefresh) bool {
	return secret.Matches(f.MemberHash, presented.member)
}

// familyOf finds the family that the token proves to belong to, with its chain.
func (p *Provider) familyOf(ctx context.Context, presented presentedRefresh) (*family, *chain, error) {
	f, err := p.families.Get(ctx, presented.grant)
	if errors.Is(err, store.ErrNotFound) || err == nil && !secret.Matches(f.FamilyHash, presented.family) {
		return nil, nil, errBroken
	}
	if err != nil {
		return nil, nil, err
	}
	c, err := p.readChain(ctx, presented.grant)
	return f, c, err
}

// narrow returns the scopes of the new token: what was asked for, of what the refresh token holds, of what client and person may
// still have (RFC 6749 §6).
func (p *Provider) narrow(ctx context.Context, c *chain, held []string, r tokenRequest) ([]string, *Error) {
	scopes := held
	if asked := strings.Fields(r.form.Value("scope")); len(asked) > 0 {
		for _, s := range asked {
			if !slices.Contains(held, s) {
				return nil, invalidScope("scope is wider than what was granted")
			}
		}
		scopes = asked
	}
	left, refusal := p.grantable(ctx, r.client, beneficiary{c.application, c.grant.Subject, c.grant.Resources}, scopes)
	if refusal != nil {
		return nil, refusal
	}
	if len(left) == 0 && len(held) > 0 {
		return nil, invalidScope("the client may no longer have any of the scopes")
	}
	return left, nil
}

// keep hands the same member out again, to a client that proves who it is, or what it holds, whenever it uses it (FAPI 2.0 Security
// Profile §5.3.2.1): trying again yields as much as before. Its life is renewed when a tenth of it is over, so that few uses write.
func (p *Provider) keep(b *store.Batch, f *family, t *issue, presented presentedRefresh) {
	life := p.refreshLifetime(t.client)
	t.refresh = refreshTokenText(presented.grant, presented.family, presented.member)
	if f.Last == nil && f.Expires.After(b.Now().Add(life-life/10)) {
		p.families.Check(b, f)
		return
	}
	f.Last, f.Expires = nil, b.Now().Add(life) // the use of a successor ends what was granted for the answer that brought it
	p.families.Replace(b, f)
}

// checkRefreshPolicy keeps refresh tokens rotating where nothing else tells their owner from a thief (RFC 9700 §4.14.2).
func checkRefreshPolicy(c *Client, bad report) {
	if c.KeepRefreshToken && c.Public() && !c.DPoPBoundTokens && !c.CertificateBoundTokens {
		bad("keep_refresh_token", "is for clients that authenticate, or whose tokens are bound to a key")
	}
}

// rotate makes the next member, and leaves its secret where only the old token can find it.
func (p *Provider) rotate(f *family, t *issue, old presentedRefresh, method AuthMethod, now time.Time) error {
	next := secret.New()
	sealed, err := sealUnder(old, next.Reveal())
	if err != nil {
		return unavailable(err)
	}
	f.Last = &lastMember{
		Hash: f.MemberHash, Successor: sealed, Until: now.Add(graceWindow), Scopes: t.scopes, Method: method,
	}
	f.MemberHash, f.Method = next.Hash(), method
	f.Expires = now.Add(p.refreshLifetime(t.client))
	t.refresh = refreshTokenText(old.grant, old.family, next.Reveal())
	return nil
}

// replay hands out the successor that was made before.
func (p *Provider) replay(f *family, t *issue, old presentedRefresh) error {
	successor, err := openUnder(old, f.Last.Successor)
	if err != nil {
		return unavailable(err)
	}
	f.Last.Replays++
	t.refresh = refreshTokenText(old.grant, old.family, successor)
	return nil
}

// yields reports whether the member presented is the last one, within its grace and by the same client authentication.
func (l *lastMember) yields(member string, method AuthMethod, now time.Time) bool {
	return l != nil && secret.Matches(l.Hash, member) && now.Before(l.Until) && l.Replays < graceReplays && l.Method == method
}

// checkGrant adds to the batch that the grant stands, and keeps it alive for as long as its tokens.
func (p *Provider) checkGrant(ctx context.Context, b *store.Batch, client *Client, g *Grant, until time.Time) error {
	if !g.Expires.Before(until) {
		p.grants.Check(b, g)
		return nil
	}
	g.Expires = until.Add(grantMargin)
	p.grants.Replace(b, g)
	return p.stayLatest(ctx, b, client, g)
}

// reusedRefreshToken revokes the family: of the two who hold the token, one is not its owner.
func (p *Provider) reusedRefreshToken(ctx context.Context, c *chain, client *Client) error {
	if err := p.revokeGrant(ctx, c.grant.Ref(), "refresh token used twice"); err != nil {
		return err
	}
	p.observe(ctx, directory.Observation{Type: "refresh_token.reused", ClientID: client.ClientID, Subject: c.subject.ID, Grant: c.grant.ID})
	return errRefresh
}

// sealUnder encrypts the successor under a key that is derived from the old token, which the store has never seen.
func sealUnder(old presentedRefresh, successor string) (string, error) {
	aead, err := successorCipher(old)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nil, nil, []byte(successor), []byte(old.grant.ID))), nil
}

func openUnder(old presentedRefresh, sealed string) (string, error) {
	aead, err := successorCipher(old)
	if err != nil {
		return "", err
	}
	box, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return "", err
	}
	successor, err := aead.Open(nil, nil, box, []byte(old.grant.ID))
	return string(successor), err
}

func successorCipher(old presentedRefresh) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(old.member), nil, "signet refresh successor v1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
