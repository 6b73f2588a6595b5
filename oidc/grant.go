package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Grant is what a person gave a client: the parent of every token that came of it. Inserting it is what redeems a code, so
// a code is redeemed once; revoking it kills all that hangs on it.
type Grant struct {
	store.Meta
	ClientID         string    `json:"client_id"`
	Application      store.Ref `json:"application"`
	ApplicationEpoch int64     `json:"application_epoch"`
	Subject          store.Ref `json:"subject"`
	SubjectEpoch     int64     `json:"subject_epoch"`
	// Session is the session that the grant lives in; zero with offline_access, which outlives it.
	Session      store.Ref        `json:"session,omitzero"`
	SessionEpoch int64            `json:"session_epoch,omitempty"`
	Status       directory.Status `json:"status"`
	// Type is what was given for it.
	Type GrantType `json:"grant_type,omitempty"`
	// Scopes and Claims are what was granted; a token may have less.
	Scopes []string       `json:"scopes"`
	Claims *claimsRequest `json:"claims,omitempty"`
	// SignInClaims are what the login has said of the person, over what is known of them.
	SignInClaims directory.SignInClaims `json:"sign_in_claims,omitempty"`
	// ClaimsLocales are the languages in which claims are released besides (OpenID Connect Core §5.2).
	ClaimsLocales []string `json:"claims_locales,omitempty"`
	// Resources are the APIs that its tokens may be for (RFC 8707); none are those of the client.
	Resources []string `json:"resources,omitempty"`
	// Details are what was granted beyond scopes (RFC 9396); a token may have less.
	Details []json.RawMessage `json:"authorization_details,omitempty"`
	// SID is the session id as the client knows it.
	SID      string    `json:"sid,omitempty"`
	AuthTime time.Time `json:"auth_time"`
	ACR      string    `json:"acr,omitempty"`
	AMR      []string  `json:"amr,omitempty"`
	// ACRTime is since when that class was shown (directory.ReachedSince); AuthTime is about the first factor alone.
	ACRTime time.Time `json:"acr_time,omitzero"`
	// Audience is whom its access tokens are for, in place of what the client's are for; empty leaves it at that.
	Audience []string `json:"audience,omitempty"`
	// NoIDToken says that the client is told of the person by no ID token, whatever the scopes.
	NoIDToken bool `json:"no_id_token,omitempty"`
	// Actor is who acts for the subject; nil is nobody but the client (RFC 8693 §1.1).
	Actor *actor `json:"actor,omitempty"`
	// Tie is what else its tokens are bound to.
	Tie tie `json:"tie,omitzero"`
	// CodeHash proves that a code presented again is the one that made this grant.
	CodeHash string    `json:"code_hash,omitempty"`
	Created  time.Time `json:"created"`
}

var grantKind = store.Kind{Name: "oidc.grant"}

var grantType = store.Type[Grant]{
	Kind: grantKind,
	Index: func(g *Grant) []store.Entry {
		entries := []store.Entry{{Field: "holder", Value: store.Text(grantHolder(g.Subject, g.ClientID))}}
		if !g.Session.IsZero() {
			entries = append(entries, store.Entry{Field: "session", Value: store.Text(g.Session.ID)})
		}
		if g.SID != "" {
			entries = append(entries, store.Entry{Field: "sid", Value: store.Text(g.SID)})
		}
		return entries
	},
}

func grantHolder(subject store.Ref, clientID string) string { return subject.ID + "|" + clientID }

// authTime is when the person was authenticated; zero where nobody knows, as of somebody whom another issuer vouches for.
func (g *Grant) authTime() int64 {
	if g.AuthTime.IsZero() {
		return 0
	}
	return g.AuthTime.Unix()
}

func (g *Grant) offline() bool { return slices.Contains(g.Scopes, scopeOffline) }

// errBroken says that a link of the chain of authority no longer holds: revoked, ended, disabled or gone. It is an answer,
// not a failure.
var errBroken = directory.ErrChainBroken

// chain is what a token hangs on, as it was read just now. Nothing of it is ever remembered.
type chain struct {
	grant       *Grant
	session     *directory.Session // nil for an offline grant
	subject     *directory.Subject
	application *directory.Application
	actors      []actorParent // on whom it depends that somebody acts for the subject
}

// readChain reads the grant and its parents and compares their statuses and epochs. errBroken means "no"; any other error
// means that nobody knows.
func (p *Provider) readChain(ctx context.Context, ref store.Ref) (*chain, error) {
	g, err := p.grants.Get(ctx, ref)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errBroken
	}
	if err != nil {
		return nil, err
	}
	if g.Status != directory.Active {
		return nil, errBroken
	}
	return p.parentsOf(ctx, g)
}

// parentsOf reads and judges the parents of a grant that may not be written yet.
func (p *Provider) parentsOf(ctx context.Context, g *Grant) (*chain, error) {
	d, c := p.config.Directory, &chain{grant: g}
	var err error
	if !g.Session.IsZero() {
		if c.session, err = d.CheckSession(ctx, g.Session, g.SessionEpoch); err != nil {
			return nil, err
		}
	}
	if c.subject, err = d.CheckSubject(ctx, g.Subject, g.SubjectEpoch); err != nil {
		return nil, err
	}
	if c.application, err = d.CheckApplication(ctx, g.Application, g.ApplicationEpoch); err != nil {
		return nil, err
	}
	c.actors, err = p.actorsOf(ctx, g)
	return c, err
}

// check adds to a minting batch that the parents still stand as they were read, and keeps the session's record alive for
// as long as the grant may live. It reports whether that meant to move the session's expiry, which the record of the
// participant must follow.
func (p *Provider) check(b *store.Batch, c *chain) (moved bool) {
	d := p.config.Directory
	d.Subjects.Check(b, c.subject)
	d.Applications.Check(b, c.application)
	p.checkActors(b, c)
	if c.session == nil {
		return false
	}
	moved = !c.session.Expires.IsZero() && c.session.Expires.Before(c.grant.Expires)
	if moved {
		d.Sessions.Extend(b, c.session, c.grant.Expires.Add(grantMargin))
	} else {
		d.Sessions.Check(b, c.session)
	}
	return moved
}

// grantMargin is how much further than needed an expiry is moved, so that it is moved seldom.
const grantMargin = 30 * 24 * time.Hour

// parentMoved reports whether a conflict says that a parent moved while a token was being minted, or another Grant that the minting is
// about: read again and once more.
func (p *Provider) parentMoved(err error) bool {
	c, ok := errors.AsType[*store.Conflict](err)
	d := p.config.Directory
	return ok && (slices.Contains([]store.Kind{d.Sessions.Kind(), d.Subjects.Kind(), d.Applications.Kind(), d.Participants.Kind(), latestKind}, c.Kind) ||
		ofGrant(c) && c.Reason != store.Exists)
}

// gateTaken reports whether a conflict says that the Grant which a minting inserts is there already: its code was used before.
func gateTaken(err error) bool {
	c, ok := errors.AsType[*store.Conflict](err)
	return ok && ofGrant(c) && c.Reason == store.Exists
}

func ofGrant(c *store.Conflict) bool { return c.Kind == grantKind || c.Kind == familyKind }

// revokeGrant makes sure that the grant is revoked, whether it has been written or is just about to be: the id of a code
// that was used twice must never carry a token again.
func (p *Provider) revokeGrant(ctx context.Context, ref store.Ref, why string) error {
	for {
		g, err := p.grants.Get(ctx, ref)
		absent := errors.Is(err, store.ErrNotFound)
		if err != nil && !absent {
			return err
		}
		if !absent && g.Status == directory.Ended {
			return nil
		}
		b := p.db.Batch()
		if absent {
			g = &Grant{Meta: store.Meta{Org: ref.Org, ID: ref.ID, Expires: p.db.Now().Add(requestLifetime)}, Status: directory.Ended}
			p.grants.Insert(b, g)
		} else {
			g.Status = directory.Ended
			p.grants.Replace(b, g)
			if err := p.dropFamily(ctx, b, ref); err != nil {
				return err
			}
		}
		b.Event(store.Event{
			Meta: store.Meta{Org: ref.Org}, Type: "oidc.grant.revoked", Subject: g.Subject.ID,
			Data: eventData(map[string]string{"client_id": g.ClientID, "grant": ref.ID, "reason": why}),
		})
		err = b.Apply(ctx)
		if store.ConflictOn(err, grantKind) == nil && store.ConflictOn(err, familyKind) == nil {
			return err
		}
	}
}

// dropFamily adds to the batch that the grant's refresh token goes, and the sealed successor with it.
func (p *Provider) dropFamily(ctx context.Context, b *store.Batch, grant store.Ref) error {
	f, err := p.families.Get(ctx, grant)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil {
		p.families.Delete(b, f)
	}
	return err
}
