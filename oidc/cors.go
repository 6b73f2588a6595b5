package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
)

// CORS lets scripts in browsers call the token, userinfo and revocation endpoints, and those of pushed requests and registration
// (Fetch Standard §3.2): from the origins in Client.AllowedOrigins for that client alone, and from Origins for every client. An origin is
// compared byte by byte; "null" and wildcards never match, and no cookie is let through, but from the AllowedOrigins of clients
// whose tokens are bound to one (BindCookie). The documents that anybody may read, discovery
// and the key set, are for every origin anyhow.
//
// A client that is known by a metadata document is called from the document's own origin too, unless a browser asks first (preflight):
// then nobody knows yet who will call.
type CORS struct {
	// Origins are those of all clients, as "https://app.example". Empty is none.
	Origins []string
}

// sharing is the feature at work.
type sharing struct {
	*Provider
	settings CORS
}

func (f CORS) part(p *Provider) (part, error) {
	var problems []error
	for _, origin := range f.Origins {
		if problem := checkOrigin(origin); problem != "" {
			problems = append(problems, fmt.Errorf("oidc: Features.CORS.Origins: %q %s", origin, problem))
		}
	}
	p.shared = &sharing{p, f}
	return part{features: []string{"CORS"}, check: checkAllowedOrigins}, errors.Join(problems...)
}

func checkAllowedOrigins(c *Client, bad report) {
	for _, origin := range c.AllowedOrigins {
		if problem := checkOrigin(origin); problem != "" {
			bad("allowed_origins", "%q %s", origin, problem)
		}
	}
}

// checkOrigin says what is wrong with an origin, as a browser would write it (RFC 6454 §6.2); "" is nothing.
func checkOrigin(origin string) string {
	u, err := url.Parse(origin)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme+"://"+u.Host != origin || origin != strings.ToLower(origin):
		return "is not an origin, such as https://app.example"
	case u.Scheme != "https" && (u.Scheme != "http" || !web.IsLoopback(u.Hostname())):
		return "must be https, or http on a loopback host"
	case strings.ContainsFunc(origin, notInURL) || strings.ContainsAny(origin, "*,'"):
		return "has a character that no origin has"
	case u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80" || strings.HasSuffix(origin, ":"):
		return "has a port that browsers leave out"
	}
	return ""
}

// admits reports whether scripts of an origin may call for the client.
func (s *sharing) admits(c *Client, origin string) bool {
	return slices.Contains(s.settings.Origins, origin) || slices.Contains(c.AllowedOrigins, origin) ||
		c.described != nil && formAction(c.ClientID) == origin
}

// sendsCookies reports whether scripts of an origin may send cookies: there is a client of that origin whose tokens are bound to one.
func (s *sharing) sendsCookies(ctx context.Context, origin string) (bool, error) {
	if s.config.Features.TokenBinding == nil || checkOrigin(origin) != "" {
		return false, nil
	}
	page, err := s.Clients.List(ctx, store.Query{Within: store.Subtree, Filter: store.Equals("origin", store.Text(origin)), Limit: 100})
	return slices.ContainsFunc(page.Items, func(c *Client) bool { return c.TokenBinding == BindCookie }), err
}

// knows reports whether scripts of an origin may call for any client: all that can be said before one has said who it is.
func (s *sharing) knows(ctx context.Context, origin string) (bool, error) {
	if slices.Contains(s.settings.Origins, origin) {
		return true, nil
	}
	if checkOrigin(origin) != "" {
		return false, nil
	}
	page, err := s.Clients.List(ctx, store.Query{Within: store.Subtree, Filter: store.Equals("origin", store.Text(origin)), Limit: 1})
	return err == nil && len(page.Items) > 0, err
}
