package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// TokenReuse lets clients be registered to be given an access token again that they have for themselves (client_credentials) for as long as
// it lives, instead of another each time (Client.ReuseAccessToken), as WSO2 Identity Server does. It is the same token only where all
// that it says would be the same: scopes, audience, what it is bound to, and what hooks add. One that was revoked is not given again.
//
// The token is kept sealed. What lives in a session is never shared: every sign-in has tokens of its own. What clients may be registered for
// instead is that a sign-in ends what the client had from the same person before (Client.EndPreviousTokens), as the product does with JWTs: of
// equal tokens the latest alone lives, and a stolen one dies by the next sign-in. Equal is what is about the same scopes, APIs and
// details, bound to the same, with the same agent.
type TokenReuse struct{}

func (f TokenReuse) part(p *Provider) (part, error) {
	p.live = store.NewCollection(p.db, liveType)
	p.latest = store.NewCollection(p.db, latestType)
	return part{features: []string{"token reuse"}, check: func(c *Client, bad report) {
		if c.EndPreviousTokens && !slices.ContainsFunc(c.GrantTypes, bySignIn) {
			bad("end_previous_tokens", "is for clients to which people sign in")
		}
		if c.EndPreviousTokens && c.TokenDeliveryMode == "push" {
			bad("end_previous_tokens", "is not for tokens that are pushed")
		}
		if c.ReuseAccessToken && !c.allows(ClientCredentials) {
			bad("reuse_access_token", "is for clients with client_credentials")
		}
	}}, nil
}

// liveToken is an access token that may be given again. Losing one means that the next request makes another.
type liveToken struct {
	store.Meta
	Token store.Sealed `json:"token"`
	Dies  int64        `json:"dies"`
}

var (
	liveKind = store.Kind{Name: "oidc.token.live", Ephemeral: true}
	liveType = store.Type[liveToken]{Kind: liveKind}
)

// reuse answers with the token that says what the one in the making would, or makes it the one to be given again. Of those who make
// one at the same moment one succeeds, and the others read again (store.ConflictOn(err, liveKind)).
func (p *Provider) reuse(ctx context.Context, t *issue, b *store.Batch) (*tokenResponse, error) {
	ref, err := t.likeness()
	if err != nil {
		return nil, unavailable(err)
	}
	held, err := p.live.Get(ctx, ref)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if err == nil {
		again, err := p.again(ctx, held, t)
		if again != nil || err != nil {
			return again, err
		}
	} else {
		held = nil
	}
	made, err := t.sign()
	if err != nil {
		return nil, err
	}
	next := &liveToken{
		Meta: store.Meta{Org: ref.Org, ID: ref.ID, Expires: time.Unix(t.access.Expires, 0)}, Dies: t.access.Expires,
		Token: p.db.Seal(liveKind, ref, "token", []byte(made.AccessToken)),
	}
	if held == nil {
		p.live.Insert(b, next)
	} else {
		next.Version = held.Version
		p.live.Replace(b, next)
	}
	return made, b.Apply(ctx)
}

// likeness is where the token lies that says all that the one in the making would.
func (t *issue) likeness() (store.Ref, error) {
	said := t.access
	said.Issued, said.Expires, said.JTI = 0, 0, ""
	text, err := json.Marshal(struct {
		Claims    accessClaims    `json:"claims"`
		Extra     json.RawMessage `json:"extra,omitempty"`
		Opaque    bool            `json:"opaque"`
		Algorithm string          `json:"alg"`
		Life      int64           `json:"life"`
	}{said, t.accessExtra, t.opaque != "", t.client.AccessTokenAlg, t.access.Expires - t.access.Issued})
	return store.Ref{Org: t.client.Org, ID: secret.Hash("oidc.token.live\x00" + string(text))}, err
}

// again is the answer with a token that was given before; nil for one that is good for nothing any more.
func (p *Provider) again(ctx context.Context, held *liveToken, t *issue) (*tokenResponse, error) {
	token, err := p.db.Unseal(liveKind, held.Ref(), "token", held.Token)
	if err != nil {
		return nil, unavailable(err)
	}
	if _, err := p.openAccessToken(ctx, string(token)); err != nil {
		return nil, ignoreBroken(err)
	}
	return &tokenResponse{
		AccessToken: string(token), TokenType: t.bound.tokenType(), ExpiresIn: held.Dies - p.db.Now().Unix(), Scope: t.access.Scope.text, Details: t.access.Details,
	}, nil
}

// latestGrant says which Grant of a person's is the one that lives. Losing one means that the next sign-in ends nothing.
type latestGrant struct {
	store.Meta
	Grant store.Ref `json:"grant"`
}

var (
	latestKind = store.Kind{Name: "oidc.grant.latest"}
	latestType = store.Type[latestGrant]{Kind: latestKind}
)

// bySignIn reports whether a grant comes of a sign-in, and not of another token.
func bySignIn(g GrantType) bool {
	return slices.Contains([]GrantType{AuthorizationCode, DeviceCode, BackchannelAuthentication, PasswordGrant}, g)
}

// endPrevious adds to the batch that a Grant about to be made is the one that lives, and that the one before ends. Of those who make one at
// the same moment one succeeds, and the others read again (parentMoved).
func (p *Provider) endPrevious(ctx context.Context, b *store.Batch, c *Client, g *Grant) error {
	if p.latest == nil || !c.EndPreviousTokens || !bySignIn(g.Type) {
		return nil
	}
	ref, err := g.likeness()
	if err != nil {
		return unavailable(err)
	}
	next := &latestGrant{Meta: store.Meta{Org: ref.Org, ID: ref.ID, Expires: g.Expires}, Grant: g.Ref()}
	held, err := p.latest.Get(ctx, ref)
	switch {
	case errors.Is(err, store.ErrNotFound):
		p.latest.Insert(b, next)
		return nil
	case err != nil:
		return err
	}
	next.Version = held.Version
	p.latest.Replace(b, next)
	if held.Grant == g.Ref() { // made before: the Insert of the Grant will say so
		return nil
	}
	old, err := p.grants.Get(ctx, held.Grant)
	if errors.Is(err, store.ErrNotFound) || err == nil && old.Status != directory.Active {
		return nil
	}
	if err != nil {
		return err
	}
	old.Status = directory.Ended
	p.grants.Replace(b, old)
	b.Event(store.Event{
		Meta: store.Meta{Org: old.Org}, Type: "oidc.grant.revoked", Subject: old.Subject.ID,
		Data: eventData(map[string]string{"client_id": old.ClientID, "grant": old.ID, "reason": "another sign-in"}),
	})
	return p.dropFamily(ctx, b, old.Ref())
}

// stayLatest adds to the batch that it stays known which Grant lives for as long as that does: refreshing moves its end, and a sign-in after
// the end that it had at first would find nothing to end.
func (p *Provider) stayLatest(ctx context.Context, b *store.Batch, c *Client, g *Grant) error {
	if p.latest == nil || !c.EndPreviousTokens || !bySignIn(g.Type) {
		return nil
	}
	ref, err := g.likeness()
	if err != nil {
		return unavailable(err)
	}
	held, err := p.latest.Get(ctx, ref)
	if errors.Is(err, store.ErrNotFound) || err == nil && held.Grant != g.Ref() {
		return nil
	}
	if err != nil {
		return err
	}
	held.Expires = g.Expires
	p.latest.Replace(b, held)
	return nil
}

// likeness is where it lies which of the Grants lives that are equal to this one.
func (g *Grant) likeness() (store.Ref, error) {
	scopes, resources := slices.Sorted(slices.Values(g.Scopes)), slices.Sorted(slices.Values(g.Resources))
	text, err := json.Marshal(struct {
		Subject   store.Ref         `json:"subject"`
		ClientID  string            `json:"client_id"`
		Scopes    []string          `json:"scopes"`
		Resources []string          `json:"resources"`
		Details   []json.RawMessage `json:"details"`
		Actor     *actor            `json:"actor"`
		Tie       tie               `json:"tie"`
	}{g.Subject, g.ClientID, scopes, resources, g.Details, g.Actor.whoever(), g.Tie})
	return store.Ref{Org: g.Org, ID: secret.Hash("oidc.grant.latest\x00" + string(text))}, err
}

// whoever is who acts, without on whom that depends.
func (a *actor) whoever() *actor {
	if a == nil {
		return nil
	}
	return &actor{Links: a.Links}
}
