package oidc

import (
	"context"
	"fmt"
	"slices"
)

// Legacy is what RFC 9700 advises against, for clients that cannot be changed. The zero value is none of it.
type Legacy struct {
	// ResponseTypes are served besides code: "token", "id_token", "id_token token" (OpenID Connect Core §3.2), "code token",
	// "code id_token", "code id_token token" (§3.3) and "none". What they hand out travels through the browser, where
	// scripts, histories and other windows may come by it, and access tokens among it are bound to nothing. A client must be registered for
	// each by itself, and for the grant type implicit where tokens are among them.
	ResponseTypes []string
	// Password serves the password grant (RFC 6749 §4.3): the client sees the password. Guessing is counted together with guessing
	// at sign-in. It is refused for accounts that show a second factor, at applications that demand one, and for those who must
	// be asked anything else.
	Password bool
	// RedirectPatterns lets clients be registered with patterns of redirect URIs (Client.InsecureRedirectPatterns), as WSO2 Identity Server
	// has them behind "regexp=", until they can be registered with the URIs themselves (RFC 9700 §4.1.3). Every page on a host that a
	// pattern matches, and everything that redirects from there, can then be sent codes. No profile but the zero one permits it.
	RedirectPatterns bool
}

// legacyTypes are what Legacy.ResponseTypes may name.
var legacyTypes = []string{
	responseToken, responseIDToken, responseIDTokenToken, responseCodeToken, responseCodeIDToken, responseCodeIDTokenToken, responseNone,
}

func (l Legacy) part(p *Provider) (part, error) {
	made := part{grants: map[GrantType]exchange{}}
	if l.RedirectPatterns {
		made.features, made.check = []string{"redirect patterns"}, checkRedirectPatterns
	}
	if l.Password {
		made.grants[PasswordGrant] = p.exchangePassword
	}
	for _, named := range l.ResponseTypes {
		t := orderedResponseType(named)
		if !slices.Contains(legacyTypes, t) {
			return part{}, fmt.Errorf("oidc: Config.Features.Legacy.ResponseTypes: %q is none of %q", named, legacyTypes)
		}
		if slices.Contains(made.responseTypes, t) {
			continue
		}
		made.responseTypes = append(made.responseTypes, t)
		if inFront(t) {
			made.grants[Implicit] = refuseImplicit
		}
	}
	return made, nil
}

// refuseImplicit answers whoever asks the token endpoint for what the authorization endpoint has given them already.
func refuseImplicit(context.Context, tokenRequest) (*tokenResponse, error) {
	return nil, &Error{Code: "unsupported_grant_type", Description: "the implicit grant has no token request", Status: 400}
}
