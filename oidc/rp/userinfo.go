package rp

import (
	"context"
	"maps"
	"slices"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/strictjson"
)

// addUserInfo adds the claims of the UserInfo endpoint to those of the ID token (OpenID Connect Core §5.3).
func (p *Provider) addUserInfo(ctx context.Context, m *Metadata, id *Identity) error {
	endpoint := p.endpoint(m.UserinfoEndpoint, m.MTLSEndpoints.UserInfo)
	body, mediaType, err := p.API(id.Token).read(ctx, endpoint, "application/json, application/jwt")
	if err != nil {
		return err
	}
	var more map[string]any
	if mediaType == "application/jwt" {
		more, err = p.signedUserInfo(ctx, m, string(body))
	} else if err = strictjson.Unmarshal(body, &more); err != nil {
		err = invalid("UserInfo: %v", err)
	}
	if err != nil {
		return err
	}
	if sub, _ := more["sub"].(string); sub != id.Subject { // §5.3.4
		return invalid("the UserInfo is about somebody else than the ID token")
	}
	id.Claims = merged(id.Claims, more)
	return nil
}

// signedUserInfo verifies a UserInfo response that is a JWT (§5.3.2).
func (p *Provider) signedUserInfo(ctx context.Context, m *Metadata, token string) (map[string]any, error) {
	t, err := p.open(ctx, m, token, jose.Verifier{})
	if err == nil && !slices.Contains(t.Audience, p.config.ClientID) {
		err = invalid("the UserInfo is for somebody else")
	}
	return t.all, err
}

// merged adds claims to those of an ID token, which keep what they say. An address and whether it is verified come from one source.
func merged(idToken, more map[string]any) map[string]any {
	all := make(map[string]any, len(more)+len(idToken))
	maps.Copy(all, more)
	maps.Copy(all, idToken)
	for _, pair := range [][2]string{{"email", "email_verified"}, {"phone_number", "phone_number_verified"}} {
		source := more
		if _, ok := idToken[pair[0]]; ok {
			source = idToken
		}
		delete(all, pair[1])
		if verdict, ok := source[pair[1]]; ok {
			all[pair[1]] = verdict
		}
	}
	return all
}
