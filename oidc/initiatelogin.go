package oidc

import "net/url"

// InitiateLogin returns the URL to send a person to so that the client begins a sign-in here (OpenID Connect Core §4). target is
// where the client should take the person afterwards (target_link_uri), and hint whom to sign in (login_hint); each may be "". The client
// judges target: it must not become an open redirect of the client's. A client without an initiate_login_uri is an
// *InvalidClientError.
func (p *Provider) InitiateLogin(c *Client, target, hint string) (string, error) {
	if problem := checkShownURL(c.InitiateLoginURI); problem != "" {
		return "", &InvalidClientError{"initiate_login_uri", problem}
	}
	values := url.Values{"iss": {p.site.Issuer()}}
	for name, value := range map[string]string{"target_link_uri": target, "login_hint": hint} {
		if value != "" {
			values.Set(name, value)
		}
	}
	return withQuery(c.InitiateLoginURI, values), nil
}
