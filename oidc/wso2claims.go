package oidc

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/store/directory"
)

// WSO2Claims makes access tokens say what APIs that were written for WSO2 Identity Server look for: aut, which is APPLICATION in a token that a
// client has for itself, AGENT in that of an agent by itself, and APPLICATION_USER in any about a person. Clients may be registered to have scope
// as an array in JWTs (Client.ScopeAsArray), against RFC 8693 §4.2; elsewhere it stays the text that it is. What else the product adds
// says nothing here: org_id and org_name, since there is one organization, and isk, which lets whoever reads it extend a session.
type WSO2Claims struct{}

func (f WSO2Claims) part(*Provider) (part, error) {
	return part{features: []string{"WSO2 claims"}, check: func(c *Client, bad report) {
		if c.ScopeAsArray && c.AccessTokenFormat == Opaque {
			bad("enable_jwt_scope_as_array", "is for clients whose access tokens are JWTs")
		}
	}}, nil
}

// claimAuthorizedUserType is WSO2's name of whose token it is.
const claimAuthorizedUserType = "aut"

// addWSO2Claims adds the claims that are asked for. They stand before what a hook says.
func (p *Provider) addWSO2Claims(t *issue, claims map[string]any) map[string]any {
	if p.config.Features.WSO2Claims == nil {
		return claims
	}
	if claims == nil {
		claims = map[string]any{}
	}
	switch {
	case t.chain == nil:
		claims[claimAuthorizedUserType] = "APPLICATION"
	case t.chain.subject.Kind == directory.AgentKind:
		claims[claimAuthorizedUserType] = "AGENT"
	default:
		claims[claimAuthorizedUserType] = "APPLICATION_USER"
	}
	return claims
}

// scopeClaim is the scope member of an access token: text (RFC 8693 §4.2), or a list of the same.
type scopeClaim struct {
	text   string
	listed bool
}

// MarshalJSON implements json.Marshaler.
func (s scopeClaim) MarshalJSON() ([]byte, error) {
	if s.listed {
		return json.Marshal(strings.Fields(s.text))
	}
	return json.Marshal(s.text)
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *scopeClaim) UnmarshalJSON(data []byte) error {
	if len(data) == 0 || data[0] != '[' {
		*s = scopeClaim{}
		return json.Unmarshal(data, &s.text)
	}
	var list []string
	if err := strictjson.Unmarshal(data, &list); err != nil {
		return err
	}
	for _, one := range list { // none may pass for two
		if !validScope(one) {
			return errors.New("oidc: not a scope token")
		}
	}
	*s = scopeClaim{text: strings.Join(list, " "), listed: true}
	return nil
}
