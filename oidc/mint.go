package oidc

import (
	"context"
	"errors"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// minting is a Grant about to be made, whatever was given for it, with the tokens that hang on it.
type minting struct {
	request tokenRequest
	// grant is complete but for Created and Expires; its id is the gate of whatever it is made for.
	grant *Grant
	// nonce is what the ID token repeats.
	nonce string
	// outlives is what the Grant must stand longer than, so that nothing can be used again once it is gone: the expiry of a code.
	outlives time.Time
	// refresh asks for a refresh token, which clients get that are registered for them.
	refresh bool
	// draft changes the tokens in the making, before hooks see them; nil leaves them.
	draft func(*issue)
	// answer makes the response of the tokens; nil is what RFC 6749 §5.1 says.
	answer func(*issue) (*tokenResponse, error)
	// consume adds to the batch what is consumed or must hold beside the parents; nil adds nothing.
	consume func(context.Context, *store.Batch, *issue) error
}

// mint makes a Grant with its tokens: decide, hooks, one Apply, sign. The Insert of the Grant comes first in its batch, so that a
// second use is known by its conflict (gateTaken).
func (p *Provider) mint(ctx context.Context, m minting) (*tokenResponse, error) {
	g, client := m.grant, m.request.client
	if g.Tie == (tie{}) {
		var refusal *Error
		if g.Tie, refusal = client.tieRequest(m.request); refusal != nil {
			return nil, refusal
		}
	}
	chain, err := p.parentsOf(ctx, g)
	if errors.Is(err, errBroken) {
		return nil, invalidGrant("the session or account behind it has ended")
	}
	if err != nil {
		return nil, err
	}
	if g.Scopes, err = p.stillGrantable(ctx, client, chain); err != nil {
		return nil, err
	}
	t := &issue{client: client, chain: chain, app: chain.application, scopes: g.Scopes, nonce: m.nonce, form: m.request.form, bound: m.request.bound()}
	if m.draft != nil {
		m.draft(t)
	}
	if err := p.draft(ctx, t); err != nil {
		return nil, err
	}
	b := p.db.Batch()
	g.Created = b.Now()
	// The Grant outlives all that hangs on it, and its gate too: where it stands no more, its id can be inserted again.
	g.Expires = latest(time.Unix(t.access.Expires, 0), m.outlives).Add(gateMargin)
	var first *family
	if m.refresh && client.allows(RefreshToken) {
		first = p.newFamily(t, m.request, b.Now())
		g.Expires = latest(g.Expires, first.Expires).Add(grantMargin)
	}
	p.grants.Insert(b, g)
	if first != nil {
		p.families.Insert(b, first)
	}
	p.check(b, chain)
	if m.consume != nil {
		if err := m.consume(ctx, b, t); err != nil {
			return nil, err
		}
	}
	if err := p.endPrevious(ctx, b, client, g); err != nil {
		return nil, err
	}
	if err := p.join(ctx, b, chain); err != nil {
		return nil, err
	}
	p.write(b, t)
	if err := b.Apply(ctx); err != nil {
		return nil, err
	}
	if m.answer != nil {
		return m.answer(t)
	}
	return t.sign()
}

// gateMargin is how much longer than a code its gate stands, for nodes whose clocks differ.
const gateMargin = 10 * time.Minute

// maxAttempts bounds how often a step begins again because something it rests on moved meanwhile.
const maxAttempts = 20

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// join makes the application a participant of the session, whom a logout must tell.
func (p *Provider) join(ctx context.Context, b *store.Batch, c *chain) error {
	session := c.session
	if session == nil {
		var err error
		if session, err = p.begunIn(ctx, c.grant); err != nil || session == nil {
			return err
		}
	}
	return p.config.Directory.Participants.Join(ctx, b, session, c.application.Ref(), protocolName)
}

// begunIn returns the session in which a grant was given that outlives it, where clients learn of its end all the same; nil when there
// is none any more.
func (p *Provider) begunIn(ctx context.Context, g *Grant) (*directory.Session, error) {
	f := p.config.Features
	if g.SID == "" || f.BackChannelLogout == nil && f.FrontChannelLogout == nil {
		return nil, nil
	}
	session, err := p.config.Directory.Sessions.Get(ctx, store.Ref{ID: g.SID})
	if errors.Is(err, store.ErrNotFound) || err == nil && session.Status != directory.Active {
		return nil, nil
	}
	return session, err
}

const protocolName = "oidc"
