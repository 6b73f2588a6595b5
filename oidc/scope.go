package oidc

import (
	"context"
	"slices"
	"strings"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store/directory"
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

// vocabulary is what the scopes about people mean in an organization: those of its directory by name, which stand in the place of
// the standard's. It is shared and must not be changed; nil is the standard's alone.
type vocabulary map[string]*directory.Scope

// vocabulary returns the scopes about people in an organization, as of at most store.Staleness ago.
func (p *Provider) vocabulary(ctx context.Context, org string) (vocabulary, error) {
	return p.config.Directory.Scopes.Named(ctx, org)
}

// claims returns the claims that a scope releases.
func (v vocabulary) claims(scope string) []string {
	if own := v[scope]; own != nil {
		return own.Claims
	}
	for _, s := range standardScopes {
		if s.name == scope {
			return s.claims
		}
	}
	return nil
}

// item is how a scope is put to a person: message ids with fallbacks.
func (v vocabulary) item(scope string) directory.ConsentItem {
	if own := v[scope]; own != nil && own.DisplayName != "" {
		return scopeItem(scope, own.DisplayName, own.Description)
	}
	for _, s := range standardScopes {
		if s.name == scope {
			return directory.ConsentItem{ID: scope, Title: s.title}
		}
	}
	if scope == scopeOffline {
		return directory.ConsentItem{ID: scope, Title: "scope.offline_access|Stay connected while you are away"}
	}
	return directory.ConsentItem{ID: scope, Title: itemTitle("scope", scope)}
}

// scopeItem is a scope with the texts that whoever registered it has given it.
func scopeItem(scope, title, detail string) directory.ConsentItem {
	id := "scope.other"
	if !strings.Contains(scope, "|") {
		id = "scope." + scope
	}
	item := directory.ConsentItem{ID: scope, Title: id + "|" + title}
	if detail != "" {
		item.Detail = id + ".detail|" + detail
	}
	return item
}

// scopesOf reads the scope parameter.
func scopesOf(form web.Form) ([]string, *Error) {
	asked := strings.Fields(form.Value("scope"))
	for _, s := range asked {
		if !validScope(s) {
			return nil, invalidScope("scope is not well-formed")
		}
	}
	return asked, nil
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
