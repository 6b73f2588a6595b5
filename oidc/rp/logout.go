package rp

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/signet-idp/signet/internal/secret"
)

// ErrNoLogout says that a provider has no end-session endpoint.
var ErrNoLogout = errors.New("rp: the provider has no logout")

// LogoutRequest signs somebody out at the provider too (OpenID Connect RP-Initiated Logout 1.0 §2). The zero LogoutRequest leaves them there.
type LogoutRequest struct {
	// IDToken is the one that the person has signed in with (id_token_hint), so that they need not be asked; "" is none. The provider knows
	// us by our client_id either way.
	IDToken string
	// Hint is what the provider may know them by (logout_hint), as its own session (Identity.SessionID); "" is none.
	Hint string
	// RedirectURL is where the provider sends them afterwards, registered there (post_logout_redirect_uri); "" leaves them with the provider.
	RedirectURL string
	// State comes back with them. "" makes one. Whoever sets it makes it as hard to guess.
	State string
}

// PendingLogout is a logout whose person has not come back yet. Keep it for the browser that has left, once. It holds no secret: whoever
// reads it cannot come back in the place of that browser.
type PendingLogout struct {
	Issuer    string    `json:"issuer"`
	StateHash string    `json:"stateHash"`
	Began     time.Time `json:"began"`
}

// BeginLogout makes the URL to send the browser to, and what FinishLogout needs. Sign the person out here before: nobody says that the
// provider sends them back. Errors are ErrNoLogout and ErrUnavailable.
func (p *Provider) BeginLogout(ctx context.Context, r LogoutRequest) (string, PendingLogout, error) {
	m, err := p.Metadata(ctx)
	if err != nil {
		return "", PendingLogout{}, err
	}
	if m.EndSessionEndpoint == "" {
		return "", PendingLogout{}, ErrNoLogout
	}
	u, err := url.Parse(m.EndSessionEndpoint)
	if err != nil {
		return "", PendingLogout{}, err
	}
	if r.State == "" {
		r.State = secret.New().Reveal()
	}
	query := u.Query()
	query.Set("client_id", p.config.ClientID)
	for name, value := range map[string]string{
		"id_token_hint": r.IDToken, "logout_hint": r.Hint, "post_logout_redirect_uri": r.RedirectURL, "state": r.State,
	} {
		query.Del(name) // whatever the endpoint's own URL says
		if value != "" && (name != "state" || r.RedirectURL != "") {
			query.Set(name, value)
		}
	}
	u.RawQuery, u.Fragment, u.RawFragment = query.Encode(), "", ""
	return u.String(), PendingLogout{Issuer: p.config.Issuer, StateHash: secret.Hash(r.State), Began: p.config.Now()}, nil
}

// FinishLogout judges the parameters that a browser came back with from RedirectURL: that they answer this logout
// (OpenID Connect RP-Initiated Logout 1.0 §3), begun here within the hour. That the person is signed out there it does not prove. The error
// is ErrInvalid.
func (p *Provider) FinishLogout(pending PendingLogout, response url.Values) error {
	switch {
	case pending.Issuer != p.config.Issuer:
		return invalid("the logout was begun at another provider")
	case len(response["state"]) != 1 || !secret.Matches(pending.StateHash, response.Get("state")):
		return invalid("the response is not to this logout: state differs")
	case p.config.Now().Sub(pending.Began) > patience:
		return invalid("the logout was begun too long ago")
	}
	return nil
}

// Issues reports whether an issuer is the one of the provider, or in the form of one of its Tenants': whether what names it (Identity.Issuer) may
// have come from here.
func (p *Provider) Issues(issuer string) bool {
	return issuer == p.config.Issuer || p.tenantResponse(issuer)
}
