package rp

import (
	"context"
	"errors"
	"net/url"
)

// ErrNoLogout says that a provider has no end-session endpoint.
var ErrNoLogout = errors.New("rp: the provider has no logout")

// LogoutRequest signs somebody out at the provider too (OpenID Connect RP-Initiated Logout 1.0 §2).
type LogoutRequest struct {
	// IDToken is the one that the person has signed in with, so that they need not be asked; "" is none.
	IDToken string
	// RedirectURL is where the provider sends them afterwards, registered there; "" leaves them with the provider.
	RedirectURL string
	// State comes back with them.
	State string
}

// LogoutURL is where to send the browser. Errors are ErrNoLogout and ErrUnavailable.
func (p *Provider) LogoutURL(ctx context.Context, r LogoutRequest) (string, error) {
	m, err := p.Metadata(ctx)
	if err != nil {
		return "", err
	}
	if m.EndSessionEndpoint == "" {
		return "", ErrNoLogout
	}
	u, err := url.Parse(m.EndSessionEndpoint)
	if err != nil {
		return "", err
	}
	query := u.Query()
	query.Set("client_id", p.config.ClientID)
	for name, value := range map[string]string{
		"id_token_hint": r.IDToken, "post_logout_redirect_uri": r.RedirectURL, "state": r.State,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}
