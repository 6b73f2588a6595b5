package oidc

import (
	"maps"
	"slices"

	"github.com/signet-idp/signet/store/directory"
)

// metadata is the discovery document (OpenID Connect Discovery §3, RFC 8414 §2). It says what is served and nothing else.
type metadata struct {
	Issuer                   string       `json:"issuer"`
	AuthorizationEndpoint    string       `json:"authorization_endpoint"`
	TokenEndpoint            string       `json:"token_endpoint"`
	UserInfoEndpoint         string       `json:"userinfo_endpoint"`
	JWKSURI                  string       `json:"jwks_uri"`
	IntrospectionEndpoint    string       `json:"introspection_endpoint"`
	RevocationEndpoint       string       `json:"revocation_endpoint"`
	EndSessionEndpoint       string       `json:"end_session_endpoint"`
	ScopesSupported          []string     `json:"scopes_supported"`
	ResponseTypesSupported   []string     `json:"response_types_supported"`
	ResponseModesSupported   []string     `json:"response_modes_supported"`
	GrantTypesSupported      []GrantType  `json:"grant_types_supported"`
	ACRValuesSupported       []string     `json:"acr_values_supported"`
	SubjectTypesSupported    []string     `json:"subject_types_supported"`
	IDTokenAlgs              []string     `json:"id_token_signing_alg_values_supported"`
	TokenAuthMethods         []AuthMethod `json:"token_endpoint_auth_methods_supported"`
	IntrospectionAuthMethods []AuthMethod `json:"introspection_endpoint_auth_methods_supported"`
	RevocationAuthMethods    []AuthMethod `json:"revocation_endpoint_auth_methods_supported"`
	CodeChallengeMethods     []string     `json:"code_challenge_methods_supported"`
	PromptValuesSupported    []string     `json:"prompt_values_supported"`
	ClaimTypesSupported      []string     `json:"claim_types_supported"`
	ClaimsSupported          []string     `json:"claims_supported"`
	ClaimsParameter          bool         `json:"claims_parameter_supported"`
	RequestParameter         bool         `json:"request_parameter_supported"`
	RequestURIParameter      bool         `json:"request_uri_parameter_supported"`
	ResponseISSParameter     bool         `json:"authorization_response_iss_parameter_supported"`
}

func (p *Provider) metadata() metadata {
	secretMethods := []AuthMethod{ClientSecretBasic, ClientSecretPost}
	return metadata{
		Issuer:                   p.site.Issuer(),
		AuthorizationEndpoint:    p.site.URL(pathAuthorize),
		TokenEndpoint:            p.site.URL(pathToken),
		UserInfoEndpoint:         p.site.URL(pathUserInfo),
		JWKSURI:                  p.site.URL(pathJWKS),
		IntrospectionEndpoint:    p.site.URL(pathIntro),
		RevocationEndpoint:       p.site.URL(pathRevoke),
		EndSessionEndpoint:       p.site.URL(pathLogout),
		ScopesSupported:          supportedScopes(),
		ResponseTypesSupported:   []string{"code"},
		ResponseModesSupported:   []string{modeQuery, modeFormPost},
		GrantTypesSupported:      []GrantType{AuthorizationCode, RefreshToken, ClientCredentials},
		ACRValuesSupported:       directory.ACRs(),
		SubjectTypesSupported:    []string{"public"},
		IDTokenAlgs:              Algorithms(),
		TokenAuthMethods:         append(secretMethods, NoAuth),
		IntrospectionAuthMethods: secretMethods,
		RevocationAuthMethods:    append(slices.Clone(secretMethods), NoAuth),
		CodeChallengeMethods:     []string{"S256"},
		PromptValuesSupported:    []string{promptNone, promptLogin, promptConsent, promptSelectAccount},
		ClaimTypesSupported:      []string{"normal"},
		ClaimsSupported:          supportedClaims(),
		ClaimsParameter:          true,
		ResponseISSParameter:     true,
	}
}

func supportedClaims() []string {
	names := map[string]bool{}
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "sid"} {
		names[name] = true
	}
	for _, s := range standardScopes {
		for _, c := range s.claims {
			names[c] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
