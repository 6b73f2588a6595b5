package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/signet-idp/signet/internal/dpop"
	"github.com/signet-idp/signet/store/directory"
)

// VerifyAccessToken returns what an access token is good for, in the words of an introspection answer (RFC 7662 §2.2), with its
// whole chain of authority read just now; nil for one that is not good. An error means that nobody knows. Whom the token is for,
// and what its sender must prove (cnf), is for the caller to judge: package resource does, with a Provider as its Verifier.
func (p *Provider) VerifyAccessToken(ctx context.Context, token string) (json.RawMessage, error) {
	t, err := p.openAccessToken(ctx, token)
	if errors.Is(err, errBroken) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return t.describe()
}

// ACROrder lists the classes of authentication that tokens may name, weakest first: what the acr of one reaches, that of the next does too.
// Package resource compares by it with a Provider as its Verifier.
func (p *Provider) ACROrder() []string { return directory.ACRs() }

// UseProof reports whether a DPoP proof is used for the first time anywhere, and remembers it until it would not be accepted any
// more (RFC 9449 §11.1). Id names the proof; issued is when it was made. Package resource uses it with a Provider as its Verifier.
func (p *Provider) UseProof(ctx context.Context, id string, issued, until time.Time) (first bool, err error) {
	return p.spend(ctx, id, issued, until, dpop.DefaultSkew)
}
