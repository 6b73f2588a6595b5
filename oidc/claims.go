package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// claimsRequest is the claims parameter (OpenID Connect Core §5.5).
type claimsRequest struct {
	UserInfo map[string]claimRequest `json:"userinfo,omitempty"`
	IDToken  map[string]claimRequest `json:"id_token,omitempty"`
}

// claimRequest is how one claim is asked for (OpenID Connect Core §5.5.1).
type claimRequest struct {
	Essential bool              `json:"essential,omitempty"`
	Value     json.RawMessage   `json:"value,omitempty"`
	Values    []json.RawMessage `json:"values,omitempty"`
}

// maxClaims is how many claims one request may name.
const maxClaims = 100

func parseClaimsRequest(text string) (*claimsRequest, error) {
	var q claimsRequest
	if err := strictjson.Unmarshal([]byte(text), &q); err != nil {
		return nil, err
	}
	if len(q.UserInfo)+len(q.IDToken) > maxClaims {
		return nil, errors.New("oidc: too many claims")
	}
	return &q, nil
}

// keep leaves out what the client may not ask for. A claim that is not returned is no error (OpenID Connect Core §5.5.1).
func (q *claimsRequest) keep(may func(name string) bool) {
	if q == nil {
		return
	}
	for _, section := range []map[string]claimRequest{q.UserInfo, q.IDToken} {
		maps.DeleteFunc(section, func(name string, _ claimRequest) bool { return !may(name) })
	}
}

// texts returns the strings among value and values.
func (q claimRequest) texts() []string {
	var texts []string
	for _, raw := range append(slices.Clone(q.Values), q.Value) {
		var s string
		if json.Unmarshal(raw, &s) == nil && s != "" {
			texts = append(texts, s)
		}
	}
	return texts
}

// wanted lists the claims that are to be released at the userinfo endpoint, or in the ID token. Scopes release at the
// userinfo endpoint alone, because the code flow always has one (OpenID Connect Core §5.4).
func (q *claimsRequest) wanted(section func(*claimsRequest) map[string]claimRequest, scopes []string, v vocabulary) []string {
	var names []string
	for _, s := range scopes {
		names = append(names, v.claims(s)...)
	}
	if q != nil {
		names = slices.AppendSeq(names, maps.Keys(section(q)))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func userInfoSection(q *claimsRequest) map[string]claimRequest { return q.UserInfo }
func idTokenSection(q *claimsRequest) map[string]claimRequest  { return q.IDToken }

// ClaimsSource says what is true of a person. A name may end in a language, as "family_name#ja-Kana-JP", for those who ask for
// claims in it (claims_locales, or the claims parameter; OpenID Connect Core §5.2). A value may be an AggregatedClaim or a
// DistributedClaim, for what others say. An error that wraps store.ErrNotFound says that the person is no more, and
// whatever was issued to them is refused. The zero Config uses DirectoryClaims.
type ClaimsSource func(ctx context.Context, d *directory.Directory, subject *directory.Subject) (map[string]any, error)

// DirectoryClaims returns the standard claims (OpenID Connect Core §5.1) that the directory knows of a person, and the
// user's attributes under their own names. What is not known is left out.
func DirectoryClaims(ctx context.Context, d *directory.Directory, subject *directory.Subject) (map[string]any, error) {
	if subject.Kind == directory.Outsider { // of whom nothing is known
		return nil, nil
	}
	if subject.Kind == directory.AgentKind {
		agent, err := d.Agents.Get(ctx, subject.Ref())
		if err != nil {
			return nil, err
		}
		return map[string]any{"name": agent.DisplayName, "updated_at": agent.Updated.Unix()}, nil
	}
	u, err := d.UserOf(ctx, subject)
	if err != nil {
		return nil, err
	}
	claims := make(map[string]any, len(u.Attributes)+20)
	maps.Copy(claims, u.Attributes)
	for _, c := range [...]struct{ name, text string }{
		{"name", u.Name},
		{"given_name", u.GivenName},
		{"family_name", u.FamilyName},
		{"middle_name", u.MiddleName},
		{"nickname", u.Nickname},
		{"preferred_username", u.Username},
		{"profile", u.Profile},
		{"picture", u.Picture},
		{"website", u.Website},
		{"gender", u.Gender},
		{"birthdate", u.Birthdate},
		{"zoneinfo", u.Zoneinfo},
		{"locale", u.Locale},
		{"email", u.Email},
		{"phone_number", u.Phone},
	} {
		if c.text != "" {
			claims[c.name] = c.text
		}
	}
	if u.Email != "" {
		claims["email_verified"] = u.EmailVerified
	}
	if u.Phone != "" {
		claims["phone_number_verified"] = u.PhoneVerified
	}
	if u.Address != nil {
		claims["address"] = addressClaim(u.Address)
	}
	if !u.Updated.IsZero() {
		claims["updated_at"] = u.Updated.Unix()
	}
	return claims, nil
}

// addressClaim writes the address in the members of OpenID Connect Core §5.1.1.
func addressClaim(a *directory.Address) map[string]string {
	claim := map[string]string{
		"formatted": a.Formatted, "street_address": a.StreetAddress, "locality": a.Locality,
		"region": a.Region, "postal_code": a.PostalCode, "country": a.Country,
	}
	maps.DeleteFunc(claim, func(_, text string) bool { return text == "" })
	return claim
}

// personal returns those of the person's claims that are wanted. It asks the source only when something is. errBroken says
// that the person is no more.
// Those that the source has in one of the locales too, as "name#ja", come along (OpenID Connect Core §5.2).
// What their login has said goes over what the source says.
func (p *Provider) personal(
	ctx context.Context, subject *directory.Subject, said directory.SignInClaims, wanted []string, locales ...string,
) (map[string]any, error) {
	personal := func(name string) bool {
		name = claimBase(name)
		return !isProtocolClaim(name) && name != memberClaimNames && name != memberClaimSources
	}
	if !slices.ContainsFunc(wanted, personal) {
		return map[string]any{}, nil
	}
	all, err := p.config.Claims(ctx, p.config.Directory, subject)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errBroken
	}
	if err != nil {
		return nil, unavailable(err)
	}
	all = say(all, said)
	released := make(map[string]any, len(wanted)) // all may be the source's own
	for _, name := range wanted {
		if value, ok := all[name]; ok && personal(name) {
			released[name] = value
		}
		if personal(name) && len(locales) > 0 {
			addTranslations(released, all, name, locales)
		}
	}
	return released, referToSources(released)
}

// isProtocolClaim reports whether the protocol gives the claim a meaning. Case does not save a name from it: readers of JSON
// that ignore case, encoding/json among them, would take the one for the other.
func isProtocolClaim(name string) bool {
	return slices.ContainsFunc(protocolClaims, func(own string) bool { return strings.EqualFold(own, name) })
}

// protocolClaims are the claims that the protocol gives a meaning; no source and no hook may set them (OpenID Connect
// Core §2, RFC 7519 §4.1, RFC 9068 §2.2).
var protocolClaims = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash",
	"s_hash", "sid", "cnf", "binding_type", "binding_ref", "act", "may_act", "client_id", "scope", "authorization_details",
	"urn:openid:params:jwt:claim:rt_hash", "urn:openid:params:jwt:claim:auth_req_id", claimGrant, claimEpoch,
}
