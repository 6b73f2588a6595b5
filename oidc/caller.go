package oidc

import (
	"context"
	"errors"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Caller is the person whom an access token speaks for, as an API of the provider's own sees them: every link of the chain was read just
// now. It is the request's own.
type Caller struct {
	Subject *directory.Subject
	// Session is the one that the token lives in, nil for a token that outlives it (offline_access) or was never in one.
	Session *directory.Session
	// Application and ClientID are through which they call.
	Application *directory.Application
	ClientID    string
	// Grant is what the token hangs on.
	Grant store.Ref
	// Scopes are what it permits.
	Scopes []string
	// AuthTime is when the person was authenticated, the zero time when nobody here knows; ACR and AMR say how.
	AuthTime time.Time
	ACR      string
	AMR      []string
	// ACRTime is since when all was shown that the ACR rests on, the zero time when nobody here knows: a second factor may be older than the
	// first.
	ACRTime time.Time
}

// Reauthentication is what a Caller has to come back with (RFC 9470).
type Reauthentication struct {
	// MaxAge is how long ago they may have signed in, in whole seconds; zero does not matter.
	MaxAge time.Duration
	// ACR is the class of authentication that they must reach; "" is any.
	ACR string
}

var errNotAPerson = &Error{
	Code: "invalid_token", Description: "the access token does not speak for a person who uses it themselves", Status: 401,
	challenge: schemeBearer,
}

// insufficientScope names the scope that a token lacks (RFC 6750 §3.1).
func insufficientScope(scope string) *Error {
	return &Error{
		Code: "insufficient_scope", Description: "the access token does not have the scope " + scope, Status: 403,
		challenge: schemeBearer, scope: scope,
	}
}

// caller judges a token for an API of the provider's own: good, for us, bound to its sender, of a person who acts for themselves, and with the
// scope. The client is whose token it is; nil where it was not found out.
func (p *Provider) caller(ctx context.Context, token string, proven confirmation, browser binding, scope string) (*Caller, *Client, error) {
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
	c, err := p.Clients.find(ctx, t.claims.ClientID)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && t.chain != nil && !t.chain.grant.Tie.heldBy(c, browser):
		return nil, nil, errToken
	case err != nil:
		return nil, nil, err
	case !t.isFor(p.site.Issuer()):
		return nil, c, errToken // RFC 9068 §4
	case t.chain == nil || t.chain.grant.Actor != nil || t.claims.Actor != nil || t.chain.subject.Kind != directory.Person:
		return nil, c, errNotAPerson
	case !t.grants(scope):
		return nil, c, insufficientScope(scope)
	}
	g := t.chain.grant
	return &Caller{
		Subject: t.chain.subject, Session: t.chain.session, Application: t.chain.application, ClientID: g.ClientID, Grant: g.Ref(),
		Scopes: t.scopes(), AuthTime: g.AuthTime, ACR: g.ACR, AMR: g.AMR, ACRTime: g.ACRTime,
	}, c, nil
}
