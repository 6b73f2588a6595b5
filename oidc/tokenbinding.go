package oidc

import (
	"context"
	"slices"

	"github.com/signet-idp/signet/internal/secret"
)

// TokenBinding lets clients be registered to have their tokens bound to something other than a key or a certificate
// (Client.TokenBinding), as WSO2 Identity Server has it. Access tokens and introspection answers then have binding_type and binding_ref.
type TokenBinding struct{}

// What tokens may be bound to besides keys (DPoP) and certificates (MutualTLS).
const (
	// BindCookie binds to the browser in which the person signed in: the code, refresh tokens, the userinfo endpoint and exchanges demand the
	// cookie that it has here. It is for scripts on the site of the Provider, since browsers send the cookie to no other's; with Features.CORS
	// they may send it from the client's AllowedOrigins. A resource.Guard demands it too, for an API in the same program and on the same host; one
	// that lives elsewhere sees no cookie.
	BindCookie = "cookie"
	// BindSession binds to the session in which the person signed in: with it all tokens end, those with offline_access too.
	BindSession = "sso-session"
	// BindRequest binds to what the client calls itself: every token request has a tokenBindingId, and a refresh token that of the
	// request that it came from. It keeps the instances of one client apart.
	BindRequest = "client-request"
	// BindDevice binds to the device code, which tells APIs the devices of one client apart. Nobody is asked for it: a device forgets its code,
	// and what it has instead is the tokens.
	BindDevice = "device-flow"
)

// maxBindingID is how long a tokenBindingId may be.
const maxBindingID = 256

func (f TokenBinding) part(*Provider) (part, error) {
	return part{features: []string{"token binding"}, check: checkTokenBinding}, nil
}

func checkTokenBinding(c *Client, bad report) {
	// In these a browser of the person's is there, or nobody.
	elsewhere := c.allowsBeside(AuthorizationCode, RefreshToken, Implicit, ClientCredentials)
	switch c.TokenBinding {
	case "":
	case BindCookie, BindSession:
		if elsewhere {
			bad("token_binding", "%s is for clients with authorization_code and refresh_token alone", c.TokenBinding)
		}
	case BindRequest:
		if c.allows(Implicit) || c.TokenDeliveryMode == "push" {
			bad("token_binding", "%s is for clients that ask for all of their tokens at the token endpoint", c.TokenBinding)
		}
	case BindDevice:
		if c.allowsBeside(DeviceCode, RefreshToken) {
			bad("token_binding", "%s is for clients with the device code and refresh_token alone", BindDevice)
		}
	default:
		bad("token_binding", "must be %s, %s, %s or %s", BindCookie, BindSession, BindRequest, BindDevice)
	}
}

// allowsBeside reports whether the client is registered for grants other than these.
func (c *Client) allowsBeside(grants ...GrantType) bool {
	return slices.ContainsFunc(c.GrantTypes, func(g GrantType) bool { return !slices.Contains(grants, g) })
}

// tie is what the tokens of a grant are bound to. Its zero value is nothing.
type tie struct {
	Type string `json:"type,omitempty"`
	// Ref is a digest for one client, so that two have nothing to compare.
	Ref string `json:"ref,omitempty"`
}

func newTie(c *Client, kind, to string) tie {
	return tie{kind, secret.Hash(kind + "\x00" + c.ClientID + "\x00" + to)}
}

// tieRequest binds to what the token request calls the client.
func (c *Client) tieRequest(r tokenRequest) (tie, *Error) {
	if c.TokenBinding != BindRequest {
		return tie{}, nil
	}
	id := r.form.Value("tokenBindingId")
	if id == "" || len(id) > maxBindingID {
		return tie{}, invalidRequest("tokenBindingId is missing or too long")
	}
	return newTie(c, BindRequest, id), nil
}

// tieSignIn binds a grant to the browser or the session of the sign-in.
func (p *Provider) tieSignIn(ctx context.Context, g *Grant, q *authorizationRequest, c *Client) error {
	switch c.TokenBinding {
	case BindCookie:
		g.Tie = newTie(c, BindCookie, string(q.Browser))
	case BindSession:
		if q.Answer.Session.IsZero() {
			return invalidGrant("there is no session that the tokens could be bound to")
		}
		g.Session, g.SessionEpoch = q.Answer.Session, q.Answer.SessionEpoch
		name, err := p.sessionFor(ctx, c, g.Session.ID)
		if err != nil {
			return err
		}
		g.Tie = newTie(c, BindSession, name)
	}
	return nil
}

// heldBy reports whether the browser is that to which the tokens are bound.
func (t tie) heldBy(c *Client, browser binding) bool {
	return t.Type != BindCookie || browser != "" && t == newTie(c, BindCookie, string(browser))
}

// renewedBy reports whether a request may renew the tokens.
func (t tie) renewedBy(c *Client, r tokenRequest) bool {
	if t.Type == BindRequest {
		return t == newTie(c, BindRequest, r.form.Value("tokenBindingId"))
	}
	return t.heldBy(c, r.browser)
}
