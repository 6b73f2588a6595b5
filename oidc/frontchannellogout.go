package oidc

import (
	"context"
	"net/url"
)

// FrontChannelLogout tells clients by the browser that a session has ended there: a page with a frame for each client that took part
// (OpenID Connect Front-Channel Logout 1.0), which goes on to where the logout leads. Browsers that keep third parties from their
// cookies keep clients from forgetting them this way: BackChannelLogout does not depend on it.
type FrontChannelLogout struct{}

func (FrontChannelLogout) part(*Provider) (part, error) {
	return part{
		features: []string{"front-channel logout"},
		check:    checkFrontChannel,
		describe: func(m *metadata) { m.FrontChannelLogout, m.FrontChannelLogoutSession = true, true },
	}, nil
}

// checkFrontChannel: Front-Channel Logout §2.
func checkFrontChannel(c *Client, bad report) {
	if c.FrontChannelLogoutURI == "" {
		if c.FrontChannelLogoutSession {
			bad("frontchannel_logout_session_required", "needs frontchannel_logout_uri")
		}
		return
	}
	u, err := url.Parse(c.FrontChannelLogoutURI)
	switch {
	case checkRedirectURI(c.FrontChannelLogoutURI) != nil || err != nil || webOrigin(c.FrontChannelLogoutURI) == "":
		bad("frontchannel_logout_uri", "must be an absolute https URL without a fragment, or http on loopback")
	case u.RawQuery != "" && (u.Query().Has("iss") || u.Query().Has("sid")):
		bad("frontchannel_logout_uri", "must not have iss or sid in its query")
	case !sameOriginAsOne(c.RedirectURIs, c.FrontChannelLogoutURI):
		bad("frontchannel_logout_uri", "must have the scheme, host and port of a redirect URI")
	}
}

func sameOriginAsOne(redirectURIs []string, uri string) bool {
	for _, redirect := range redirectURIs {
		if origin := webOrigin(redirect); origin != "" && origin == webOrigin(uri) {
			return true
		}
	}
	return false
}

// frames are the URLs by which the clients of a session learn of its end (Front-Channel Logout §3).
func (p *Provider) frames(ctx context.Context, clients []*Client, session string) ([]string, error) {
	var urls []string
	for _, c := range clients {
		if c.FrontChannelLogoutURI == "" {
			continue
		}
		sid, err := p.sessionFor(ctx, c, session)
		if err != nil {
			return nil, err
		}
		urls = append(urls, withQuery(c.FrontChannelLogoutURI, url.Values{"iss": {p.site.Issuer()}, "sid": {sid}}))
	}
	return urls, nil
}
