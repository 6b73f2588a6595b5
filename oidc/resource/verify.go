package resource

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/oidc/rp"
)

// maxToken is how long a token may be.
const maxToken = 16 << 10

// verify judges a token. The error is a *refusal.
func (g *Guard) verify(ctx context.Context, text string) (*Token, *claims, error) {
	payload, introspected, err := g.claimsOf(ctx, text)
	if err != nil {
		return nil, nil, err
	}
	if payload == nil {
		return nil, nil, invalidToken(errors.New("nobody vouches for the token"))
	}
	t, c, err := g.read(payload, introspected)
	if err != nil {
		return nil, nil, invalidToken(err)
	}
	return t, c, nil
}

// claimsOf asks whoever knows for the claims of a token; nil are those of none.
func (g *Guard) claimsOf(ctx context.Context, text string) (payload json.RawMessage, introspected bool, err error) {
	switch {
	case g.config.Verifier != nil:
		if payload, err = g.config.Verifier.VerifyAccessToken(ctx, text); err != nil {
			err = unavailable(err)
		}
	case g.issuers != nil && strings.Count(text, ".") == 2:
		payload, err = g.claimsOfJWT(ctx, text)
	case g.config.Introspection != nil:
		introspected = true
		payload, err = g.introspect(ctx, text)
	}
	return payload, introspected, err
}

// claimsOfJWT verifies a JWT with the keys of the issuer that it names, if that is one of ours.
func (g *Guard) claimsOfJWT(ctx context.Context, text string) (json.RawMessage, error) {
	unverified, err := jose.Parse(text)
	if err != nil {
		return nil, invalidToken(err)
	}
	var named struct {
		Issuer string `json:"iss"`
	}
	if err := strictjson.Unmarshal(unverified.Payload(), &named); err != nil {
		return nil, invalidToken(err)
	}
	v := g.issuers[named.Issuer]
	if v == nil {
		return nil, nil
	}
	verified, err := v.Verify(ctx, text)
	if errors.Is(err, rp.ErrUnavailable) {
		return nil, unavailable(err)
	}
	if err != nil {
		return nil, invalidToken(err)
	}
	var all json.RawMessage
	if err := verified.Decode(&all); err != nil {
		return nil, invalidToken(err)
	}
	return all, nil
}
