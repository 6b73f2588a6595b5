package oidc

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// clientRules is what clients may be registered for: what the Provider serves, by itself and by its features.
type clientRules struct {
	// profile is the provider's.
	profile Profile
	grants  []GrantType
	// methods are how clients with something to prove authenticate.
	methods []AuthMethod
	// responseTypes are what the authorization endpoint answers with.
	responseTypes []string
	// features are those that are on, as the feature tags of Client name them.
	features []string
	// checks judge the settings of the features.
	checks []func(c *Client, bad report)
	// approvals judge what needs a look elsewhere.
	approvals []func(context.Context, *Client) error
	// algorithm is what signs where a client does not say.
	algorithm string
}

// approve is check, and then what needs a look elsewhere: it comes before every write of a client.
func (r *clientRules) approve(ctx context.Context, c *Client) error {
	if err := r.check(c); err != nil {
		return err
	}
	var problems []error
	for _, approve := range r.approvals {
		problems = append(problems, approve(ctx, c))
	}
	return errors.Join(problems...)
}

// report adds a problem with a setting of a client, by its metadata name.
type report func(field, format string, args ...any)

// check reports every problem at once.
func (r *clientRules) check(c *Client) error {
	var problems []error
	bad := func(field, format string, args ...any) {
		problems = append(problems, &InvalidClientError{field, fmt.Sprintf(format, args...)})
	}
	if c.described == nil && !validClientID(c.ClientID) {
		bad("client_id", "must be 1 to 128 letters, digits and -._~")
	}
	r.checkAuthMethod(c, bad)
	r.checkGrants(c, bad)
	r.checkResponseTypes(c, bad)
	checkRequestDefaults(c, bad)
	checkURIs(c, bad)
	checkScopes(c, bad)
	checkTokens(c, bad)
	r.checkFeatures(c, bad)
	for _, check := range r.checks {
		check(c, bad)
	}
	return errors.Join(problems...)
}

func (r *clientRules) checkAuthMethod(c *Client, bad report) {
	if c.InsecureOptionalNonce && !c.InsecureOptionalPKCE {
		bad("insecure_optional_nonce", "means nothing without insecure_optional_pkce")
	}
	switch c.AuthMethod {
	case NoAuth:
		if c.SecretHash != "" {
			bad("token_endpoint_auth_method", "is none, but there is a secret")
		}
		if c.allows(ClientCredentials) {
			bad("grant_types", "client_credentials needs a client that authenticates (RFC 6749 §4.4)")
		}
		if c.InsecureOptionalPKCE {
			bad("insecure_optional_pkce", "is not for public clients")
		}
	default:
		if !slices.Contains(r.methods, c.AuthMethod) {
			bad("token_endpoint_auth_method", "%q is not supported", c.AuthMethod)
		}
		if usesSecret(c.AuthMethod) && c.SecretHash == "" {
			bad("client_secret", "is missing")
		}
		if !usesSecret(c.AuthMethod) && c.SecretHash != "" {
			bad("token_endpoint_auth_method", "is %s, but there is a secret", c.AuthMethod)
		}
	}
}

func (r *clientRules) checkGrants(c *Client, bad report) {
	for _, g := range c.GrantTypes {
		if !slices.Contains(r.grants, g) {
			bad("grant_types", "%q is not supported", g)
		}
	}
	if c.allows(AuthorizationCode) && len(c.RedirectURIs) == 0 {
		bad("redirect_uris", "is required for authorization_code")
	}
}

func checkURIs(c *Client, bad report) {
	for _, uri := range c.RedirectURIs {
		if err := checkRedirectURI(uri); err != nil {
			bad("redirect_uris", "%q %v", uri, err)
		}
	}
	for _, uri := range c.PostLogoutRedirectURIs {
		if err := checkRedirectURI(uri); err != nil {
			bad("post_logout_redirect_uris", "%q %v", uri, err)
		}
	}
}

func checkScopes(c *Client, bad report) {
	for _, s := range c.Scopes {
		if !validScope(s) {
			bad("scopes", "%q is not a scope token (RFC 6749 §3.3)", s)
		}
		if strings.HasPrefix(s, claimItem) {
			bad("scopes", "%q could be taken for a single claim on the consent page", s)
		}
	}
}

func checkTokens(c *Client, bad report) {
	if c.AccessTokenFormat != JWT && c.AccessTokenFormat != Opaque {
		bad("access_token_format", "%q is not supported", c.AccessTokenFormat)
	}
	for _, l := range []struct {
		field   string
		seconds int64
		limit   time.Duration
	}{
		{"access_token_lifetime", c.AccessTokenLifetime, LongestToken},
		{"own_token_lifetime", c.OwnTokenLifetime, LongestToken},
		{"id_token_lifetime", c.IDTokenLifetime, LongestToken},
		{"refresh_token_lifetime", c.RefreshTokenLifetime, longestRefresh},
	} {
		if limit := int64(l.limit / time.Second); l.seconds < 0 || l.seconds > limit {
			bad(l.field, "must be between 0 and %d seconds", limit)
		}
	}
}

// checkFeatures refuses settings that nothing here gives a meaning: a client that demands bound tokens, say, must not be taken by
// a provider that would issue it others.
func (r *clientRules) checkFeatures(c *Client, bad report) {
	value := reflect.ValueOf(c).Elem()
	for i := range value.NumField() {
		feature := value.Type().Field(i).Tag.Get("feature")
		if feature == "" || value.Field(i).IsZero() || slices.Contains(r.features, feature) {
			continue
		}
		name, _, _ := strings.Cut(value.Type().Field(i).Tag.Get("json"), ",")
		bad(name, "needs a feature that is not on: %s", feature)
	}
}

// leaveOut takes back what belongs to features that are off: a client that is registered by itself is not refused for what nobody
// here understands (RFC 7591 §2), and is told what is left.
func (r *clientRules) leaveOut(c *Client) {
	value := reflect.ValueOf(c).Elem()
	for i := range value.NumField() {
		feature := value.Type().Field(i).Tag.Get("feature")
		if feature != "" && !slices.Contains(r.features, feature) {
			value.Field(i).SetZero()
		}
	}
}

// fill sets what a client leaves open: what its profiles leave no choice about, and then the defaults.
func (r *clientRules) fill(c *Client, now time.Time) {
	r.fillProfiles(c)
	c.fillDefaults(now, r.algorithm)
}

func (r *clientRules) fillProfiles(c *Client) {
	r.profile.fillClient(c)
	c.Profile.fillClient(c)
}
