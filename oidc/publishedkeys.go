package oidc

import (
	"context"
	"errors"

	"github.com/signet-idp/signet/internal/fetch"
	"github.com/signet-idp/signet/internal/jose"
)

// publishedKeys is the key set that a trusted issuer publishes (RFC 7517 §5).
func publishedKeys() *fetch.Kind[[]jose.PublicKey] {
	return &fetch.Kind[[]jose.PublicKey]{
		Name: "issuer jwks", Types: []string{"application/json", "application/jwk-set+json"}, Decode: jose.ParseSet,
	}
}

// publishedKey returns the key for a header of the key set that an issuer publishes. A key that is not in it may have come to it since
// it was fetched. jose.ErrKey says that there is none; any other error that nobody could look.
func (p *Provider) publishedKey(ctx context.Context, uri string, h jose.Header) (jose.PublicKey, error) {
	kind := publishedKeys()
	set, err := kind.Get(ctx, p.fetch, uri)
	if err != nil {
		return jose.PublicKey{}, err
	}
	key, err := jose.Find(set.Value, h)
	if !errors.Is(err, jose.ErrKey) {
		return key, err
	}
	newer, err := kind.Renew(ctx, p.fetch, uri, set)
	if err != nil {
		return jose.PublicKey{}, err
	}
	return jose.Find(newer.Value, h)
}
