package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
)

// ResourceIndicators lets clients name the APIs that their access tokens are for, by the parameter resource of authorization and
// token requests (RFC 8707). Only resources that are known can be named, and a client with an Audience only those in it. A token
// request may name fewer than were granted; a refresh token keeps all of them. Without the parameter, tokens are for the
// client's Audience. The APIs of the directory that the client's application was granted are known too.
//
// A token with the scope openid has the issuer as an audience too, for it opens the userinfo endpoint; RFC 9068 §3 recommends, and does
// not demand, the resource alone. A client that does not want the API to ask there leaves openid out of the scope of its token request.
type ResourceIndicators struct {
	// Resources are known.
	Resources []Resource
	// Find finds further ones: those of the organization, by the identifier as the client sent it, byte by byte. The error for
	// one that there is not is store.ErrNotFound. Nil is none.
	Find func(ctx context.Context, org, identifier string) (*Resource, error)
}

// Resource is an API that access tokens are for.
type Resource struct {
	// Identifier is an absolute URI without a fragment (RFC 8707 §2): what clients name the API by, and the audience of its
	// tokens.
	Identifier string
	// Scopes are those that mean something to the API: its tokens have no other, except those of OpenID Connect. Nil is any.
	Scopes []string
	// AccessTokenFormat is the form of its tokens; "" is as the client has it. A token for several APIs is opaque when one of
	// them wants that.
	AccessTokenFormat TokenFormat
	// AccessTokenLifetime is how long its tokens live at most, in whole seconds; zero is as the client has it.
	AccessTokenLifetime time.Duration
	// Claims are those of the person that stand in its tokens, whatever scopes were asked for.
	Claims []string
}

// maxResources is how many resources one request may name.
const maxResources = 10

var errTarget = &Error{
	Code: "invalid_target", Description: "the resource is unknown, malformed, or not one that the client may have tokens for", Status: 400,
}

func (f ResourceIndicators) part() (part, error) {
	var problems []error
	for i, r := range f.Resources {
		if err := r.check(); err != nil {
			problems = append(problems, fmt.Errorf("oidc: Features.ResourceIndicators.Resources[%d]: %w", i, err))
		}
	}
	return part{}, errors.Join(problems...)
}

// check says what is wrong with a resource.
func (r Resource) check() error {
	switch {
	case !validResource(r.Identifier):
		return errors.New("Identifier must be an absolute URI without a fragment (RFC 8707 §2)")
	case r.AccessTokenFormat != "" && r.AccessTokenFormat != JWT && r.AccessTokenFormat != Opaque:
		return fmt.Errorf("AccessTokenFormat %q is not supported", r.AccessTokenFormat)
	case r.AccessTokenLifetime < 0 || r.AccessTokenLifetime > LongestToken || r.AccessTokenLifetime%time.Second != 0:
		return fmt.Errorf("AccessTokenLifetime must be whole seconds up to %s", LongestToken)
	}
	return nil
}

// validResource reports whether a text may be a resource indicator: an absolute URI without a fragment (RFC 8707 §2).
func validResource(text string) bool {
	u, err := url.Parse(text)
	return err == nil && len(text) <= maxPresented && u.IsAbs() && (u.Host != "" || u.Opaque != "") && !strings.Contains(text, "#") &&
		!strings.ContainsFunc(text, notPrintable)
}

// findResource returns a resource that is known, and that the client may have tokens for, or store.ErrNotFound.
func (p *Provider) findResource(ctx context.Context, c *Client, identifier string) (*Resource, error) {
	f := p.config.Features.ResourceIndicators
	if f == nil {
		return nil, store.ErrNotFound
	}
	for i := range f.Resources {
		if f.Resources[i].Identifier == identifier {
			return &f.Resources[i], nil
		}
	}
	if f.Find == nil {
		return p.registeredResource(ctx, c, identifier)
	}
	found, err := f.Find(ctx, c.Org, identifier)
	if errors.Is(err, store.ErrNotFound) {
		return p.registeredResource(ctx, c, identifier)
	}
	if err == nil && (found == nil || found.Identifier != identifier || found.check() != nil) {
		return nil, errors.New("oidc: Features.ResourceIndicators.Find returned a resource that is none, or another")
	}
	return found, err
}

// askedResources returns the resources that a request names, each once. All of them are known, and the client may have tokens
// for them. None is nil. The errors are errTarget and failures.
func (p *Provider) askedResources(ctx context.Context, c *Client, form web.Form) ([]string, *Error) {
	if p.config.Features.ResourceIndicators == nil {
		return nil, nil
	}
	var asked []string
	for _, identifier := range form.Values("resource") {
		if slices.Contains(asked, identifier) {
			continue
		}
		if len(asked) == maxResources || !validResource(identifier) || len(c.Audience) > 0 && !slices.Contains(c.Audience, identifier) {
			return nil, errTarget
		}
		_, err := p.findResource(ctx, c, identifier)
		if errors.Is(err, store.ErrNotFound) {
			return nil, errTarget
		}
		if err != nil {
			return nil, unavailable(err)
		}
		asked = append(asked, identifier)
	}
	return asked, nil
}

// targetOf decides what the access token in the making is for. Where nobody says, it is for the APIs that its scopes belong to.
func (p *Provider) targetOf(ctx context.Context, t *issue) (target, error) {
	aim, err := p.namedTarget(ctx, t)
	if err != nil || len(aim.audience) > 0 {
		return aim, err
	}
	return p.targetOfScopes(ctx, t.client.Org, t.scopes)
}

// namedTarget is what the grant, the request or the client names.
func (p *Provider) namedTarget(ctx context.Context, t *issue) (target, error) {
	switch {
	case t.chain != nil && len(t.chain.grant.Audience) > 0: // a token exchange has decided it (RFC 8693 §2.1)
		return p.recognize(ctx, t.client, t.chain.grant.Audience)
	case p.config.Features.ResourceIndicators == nil:
		return target{audience: t.client.Audience}, nil
	case !t.direct():
		return p.aim(ctx, t.client, t.chain.grant.Resources, t.form.Values("resource"))
	}
	asked, refusal := p.askedResources(ctx, t.client, t.form)
	if refusal != nil {
		return target{}, refusal
	}
	if t.chain != nil {
		t.chain.grant.Resources = asked
	}
	return p.aim(ctx, t.client, asked, nil)
}

// recognize is the target of an audience that was decided, with what is known of the resources in it.
func (p *Provider) recognize(ctx context.Context, c *Client, decided audience) (target, error) {
	t := target{audience: decided}
	for _, identifier := range decided {
		known, err := p.findResource(ctx, c, identifier)
		switch {
		case err == nil:
			t.resources = append(t.resources, known)
		case !errors.Is(err, store.ErrNotFound):
			return target{}, unavailable(err)
		}
	}
	return t, nil
}

// direct reports whether the token request is itself what asks for the grant: no authorization request has come before it, in
// which more would have to have been granted.
func (t *issue) direct() bool {
	if t.chain == nil {
		return true
	}
	switch t.chain.grant.Type {
	case AuthorizationCode, Implicit, "urn:ietf:params:oauth:grant-type:device_code", "urn:openid:params:grant-type:ciba":
		return false
	}
	return t.chain.grant.Version == 0
}

// target is what an access token in the making is for.
type target struct {
	audience audience
	// resources are those of the audience that are known.
	resources []*Resource
}

// aim decides what an access token is for: what the request names, of what was granted; all of that when it names nothing
// (RFC 8707 §2.2). What was granted without naming anything is the client's Audience.
func (p *Provider) aim(ctx context.Context, c *Client, granted, asked []string) (target, error) {
	if len(granted) == 0 {
		granted = c.Audience
	}
	if len(c.Audience) > 0 { // the client's policy of today
		granted = slices.DeleteFunc(slices.Clone(granted), func(r string) bool { return !slices.Contains(c.Audience, r) })
		if len(granted) == 0 {
			return target{}, errTarget
		}
	}
	for _, r := range asked {
		if !slices.Contains(granted, r) {
			return target{}, errTarget
		}
	}
	named := len(asked) > 0
	if !named {
		asked = granted
	}
	var t target
	for _, identifier := range asked {
		known, err := p.findResource(ctx, c, identifier)
		switch {
		case err == nil:
			t.resources = append(t.resources, known)
		case !errors.Is(err, store.ErrNotFound):
			return target{}, unavailable(err)
		case named: // it was known a moment ago
			return target{}, errTarget
		case !slices.Contains(c.Audience, identifier): // it was known when it was granted
			continue
		}
		t.audience = append(t.audience, identifier)
	}
	if len(asked) > 0 && len(t.audience) == 0 {
		return target{}, errTarget
	}
	return t, nil
}

// format is the form of a token for the target: opaque when the client or one of the resources wants that, and the others do not
// say.
func (t target) format(c *Client) TokenFormat {
	format := TokenFormat("")
	for _, r := range t.resources {
		if format != Opaque && r.AccessTokenFormat != "" {
			format = r.AccessTokenFormat
		}
	}
	if format == "" {
		return c.AccessTokenFormat
	}
	return format
}

// lifetime is how long a token for the target lives: as long as the strictest of its resources says.
func (t target) lifetime(otherwise time.Duration) time.Duration {
	shortest := time.Duration(0)
	for _, r := range t.resources {
		if r.AccessTokenLifetime > 0 && (shortest == 0 || r.AccessTokenLifetime < shortest) {
			shortest = r.AccessTokenLifetime
		}
	}
	if shortest == 0 {
		return otherwise
	}
	return shortest
}

// scopes are those of the granted ones that mean something to the target (RFC 8707 §2.1).
func (t target) scopes(granted []string) []string {
	if len(t.resources) == 0 || len(t.resources) < len(t.audience) {
		return granted
	}
	return slices.DeleteFunc(slices.Clone(granted), func(scope string) bool {
		return !isStandardScope(scope) && !slices.ContainsFunc(t.resources, func(r *Resource) bool {
			return r.Scopes == nil || slices.Contains(r.Scopes, scope)
		})
	})
}

// claims are those of the person that stand in a token for the target.
func (t target) claims(c *Client) []string {
	names := slices.Clone(c.AccessTokenClaims)
	for _, r := range t.resources {
		names = append(names, r.Claims...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
