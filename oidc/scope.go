package oidc

import (
	"slices"
	"strings"
)

// The scopes with a meaning of their own (OpenID Connect Core §5.4, §11).
const (
	scopeOpenID  = "openid"
	scopeOffline = "offline_access"
)

// standardScopes release claims to those who are granted them (OpenID Connect Core §5.4).
var standardScopes = [...]struct {
	name   string
	title  string
	claims []string
}{
	{"profile", "scope.profile|Your profile", []string{
		"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
		"website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
	}},
	{"email", "scope.email|Your e-mail address", []string{"email", "email_verified"}},
	{"address", "scope.address|Your postal address", []string{"address"}},
	{"phone", "scope.phone|Your phone number", []string{"phone_number", "phone_number_verified"}},
}

// supportedScopes are the scopes that every provider has.
func supportedScopes() []string {
	names := []string{scopeOpenID}
	for _, s := range standardScopes {
		names = append(names, s.name)
	}
	return append(names, scopeOffline)
}

// isStandardScope reports whether a scope is one of supportedScopes.
func isStandardScope(scope string) bool {
	if scope == scopeOpenID || scope == scopeOffline {
		return true
	}
	for _, s := range standardScopes {
		if s.name == scope {
			return true
		}
	}
	return false
}

// scopeClaims returns the claims that a scope releases.
func scopeClaims(scope string) []string {
	for _, s := range standardScopes {
		if s.name == scope {
			return s.claims
		}
	}
	return nil
}

// scopeTitle is how a scope is put to a person: a message id with a fallback.
func scopeTitle(scope string) string {
	for _, s := range standardScopes {
		if s.name == scope {
			return s.title
		}
	}
	if scope == scopeOffline {
		return "scope.offline_access|Stay connected while you are away"
	}
	return itemTitle("scope", scope)
}

// itemTitle is how something without a title of its own is put to a person. A name with a "|" in it could borrow the title
// of another, so it gets no message id.
func itemTitle(kind, name string) string {
	if strings.Contains(name, "|") {
		return kind + ".other|" + name
	}
	return kind + "." + name + "|" + name
}

// mayAsk reports whether the client may be granted the scope by a person.
func (c *Client) mayAsk(scope string) bool {
	if scope == scopeOffline && !c.allows(RefreshToken) {
		return false // OpenID Connect Core §11: ignored where it cannot be honoured
	}
	if len(c.Scopes) == 0 {
		return isStandardScope(scope)
	}
	return slices.Contains(c.Scopes, scope)
}

// mayAskClaim reports whether the client may ask for the claim by itself: one of the protocol, one that a scope of the client's
// releases, or one that it was registered for.
func (c *Client) mayAskClaim(name string) bool {
	name = claimBase(name)
	for _, s := range standardScopes {
		if slices.Contains(s.claims, name) && c.mayAsk(s.name) {
			return true
		}
	}
	return isProtocolClaim(name) || slices.Contains(c.Claims, name)
}
