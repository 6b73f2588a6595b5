package oidc

import (
	"context"
	"errors"

	"github.com/signet-idp/signet/internal/jose"
)

// checkOutbound reports whether a URL of the configuration could be called at all.
func (p *Provider) checkOutbound(string) error { return errors.New("not supported yet") }

// publishedKey returns the key for a header of the key set that somebody publishes.
func (p *Provider) publishedKey(context.Context, string, jose.Header) (jose.PublicKey, error) {
	return jose.PublicKey{}, jose.ErrKey
}
