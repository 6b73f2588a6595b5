package rp

import (
	"context"
	"net/url"
	"slices"

	"github.com/signet-idp/signet/internal/jose"
)

// openResponse returns the parameters of a response that the provider has signed, and may have encrypted (JARM §2.4). Beside a signed
// response nothing counts: what is not in it may be anybody's.
func (p *Provider) openResponse(ctx context.Context, m *Metadata, response url.Values) (url.Values, error) {
	tokens := response["response"]
	if len(tokens) != 1 || tokens[0] == "" {
		return nil, invalid("the response is not signed, or several times")
	}
	c, err := p.open(ctx, m, tokens[0], jose.Verifier{})
	if err != nil {
		return nil, err
	}
	now, skew := p.config.Now(), p.config.Skew
	switch {
	case !slices.Equal(c.Audience, audience{p.config.ClientID}): // step 4
		return nil, invalid("the response is for somebody else")
	case c.Exp.IsZero() || !now.Before(c.Exp.Add(skew)): // step 5
		return nil, invalid("the response has expired, or never does")
	}
	opened := url.Values{}
	for name, value := range c.all {
		if text, ok := value.(string); ok {
			opened.Set(name, text)
		}
	}
	return opened, nil
}

// StateOf is the login that a response says it is to, for finding its Pending: Pending.State. It is "" where the response does not say, or
// nothing can be read. Finish judges whether it is.
func (p *Provider) StateOf(response url.Values) string {
	if !p.config.SignedResponse {
		return response.Get("state")
	}
	token, err := p.decrypted(response.Get("response"))
	if err != nil {
		return ""
	}
	// Nobody has verified the signature. What is read here only chooses the login whose Finish does, and compares the state with what that login has
	// kept: whoever forges one names a login, as they could in a plain "state".
	return jose.Peek(token, "state")
}
