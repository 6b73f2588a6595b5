package oidc

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"
)

// JARM answers authorization requests with a signed JWT (JWT Secured Authorization Response Mode for OAuth 2.0): response_mode jwt,
// query.jwt, fragment.jwt, form_post.jwt and, beside WebMessage, web_message.jwt. It is signed with the algorithm that the client is
// registered for, RS256 by default, and encrypted to the client's key where it is registered for that. Errors are wrapped too.
type JARM struct {
	// Lifetime is how long a response is good; zero is ten minutes, which is also the most (JARM §4.1).
	Lifetime time.Duration
}

// securedMode is what the names of these response modes end in, or are: jwt stands for the default of the response type.
const (
	securedMode = ".jwt"
	modeJWT     = "jwt"
)

const longestResponse = 10 * time.Minute

func (f JARM) part(p *Provider) (part, error) {
	if f.Lifetime != 0 && (f.Lifetime < 10*time.Second || f.Lifetime > longestResponse) {
		return part{}, errors.New("oidc: Config.Features.JARM.Lifetime must be from 10 seconds to 10 minutes (JARM §4.1)")
	}
	modes := []string{modeJWT, modeQuery + securedMode, modeFragment + securedMode, modeFormPost + securedMode}
	if p.config.Features.WebMessage != nil {
		modes = append(modes, modeWebMessage+securedMode)
	}
	return part{
		features:      []string{"JARM"},
		responseModes: modes,
		check: func(c *Client, bad report) {
			checkEncryptedResponse(c, "authorization", c.AuthorizationEncryptedResponseAlg, c.AuthorizationEncryptedResponseEnc, bad)
		},
		describe: func(m *metadata) {
			m.AuthorizationAlgs = p.keys.names()
			m.AuthorizationEncryptionAlgs, m.AuthorizationEncryptionEncs = keyManagements(), encryptions()
		},
	}, nil
}

// transport is how a response travels, whether or not it is secured.
func (q *authorizationRequest) transport() string {
	return strings.TrimSuffix(q.ResponseMode, securedMode)
}

func (q *authorizationRequest) secured() bool { return strings.HasSuffix(q.ResponseMode, securedMode) }

// responseKeys are what a response is signed and encrypted with.
type responseKeys struct {
	signing signingKey
	seal    sealing
}

// responseKeys finds the keys. It comes before a request is answered for good: a key that is away costs nobody a sign-in.
func (p *Provider) responseKeys(ctx context.Context, c *Client) (k responseKeys, err error) {
	if k.signing, err = p.signerFor(ctx, c, cmp.Or(c.AuthorizationSignedResponseAlg, p.keys.standard())); err != nil {
		return k, unavailable(err)
	}
	k.seal, err = p.sealing(ctx, c, c.AuthorizationEncryptedResponseAlg, c.AuthorizationEncryptedResponseEnc)
	return k, err
}

// secure wraps a response where its mode asks for that (JARM §2, §4.1).
func (p *Provider) secure(ctx context.Context, q *authorizationRequest, values url.Values) (url.Values, error) {
	if !q.secured() {
		return values, nil
	}
	c, err := p.Clients.find(ctx, q.ClientID)
	if err != nil {
		return nil, asError(err)
	}
	keys, err := p.responseKeys(ctx, c)
	if err != nil {
		return nil, err
	}
	claims := map[string]any{}
	for name := range values {
		claims[name] = values.Get(name)
	}
	lifetime := cmp.Or(p.config.Features.JARM.Lifetime, longestResponse)
	claims["iss"], claims["aud"], claims["exp"] = p.site.Issuer(), q.ClientID, p.db.Now().Add(lifetime).Unix()
	payload, err := json.Marshal(claims)
	if err != nil {
		return nil, unavailable(err)
	}
	token, err := keys.signing.sign("JWT", payload)
	if err == nil {
		token, err = keys.seal.token(token)
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return url.Values{"response": {token}}, nil
}
