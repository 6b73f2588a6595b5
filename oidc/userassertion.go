package oidc

import (
	"errors"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
)

const (
	// paramUserAssertion is the parameter of WSO2 Identity Server by which an application signs somebody in who has just made their account,
	// or recovered it, in a flow of the application's own.
	paramUserAssertion = "userAssertion"
	// maxUserAssertion is how long it may be, in bytes.
	maxUserAssertion = 2 << 10
)

// parseUserAssertion keeps a user assertion, sealed, for the flow engine, which alone can judge it.
func (p *Provider) parseUserAssertion(form web.Form, q *authorizationRequest) *Error {
	text := form.Value(paramUserAssertion)
	switch {
	case text == "":
	case len(text) > maxUserAssertion:
		return invalidRequest("userAssertion is longer than 2048 bytes")
	default:
		q.UserAssertion = p.db.Keys().Seal([]byte(text), userAssertionPlace...)
	}
	return nil
}

// userAssertionPlace is what a user assertion is sealed for: a request that is pushed is kept under another id than the one that it was parsed
// under.
var userAssertionPlace = []string{requestKind.Name, "user_assertion"}

// userAssertion returns what parseUserAssertion has kept. One that was sealed under a key that is gone is over long since.
func (p *Provider) userAssertion(q *authorizationRequest) (secret.Text, error) {
	if q.UserAssertion == "" {
		return "", nil
	}
	text, err := p.db.Keys().Open(q.UserAssertion, userAssertionPlace...)
	if errors.Is(err, store.ErrSealed) {
		return "gone", nil
	}
	return secret.Text(text), err
}
