package oidc

import (
	"cmp"
	"maps"
	"slices"

	"github.com/signet-idp/signet/store/directory"
)

// metadata is the discovery document (OpenID Connect Discovery §3, RFC 8414 §2). It says what is served and nothing else: each
// feature fills in its members.
type metadata struct {
	Issuer                string `json:"issuer"`
	AuthorizationEndpoint string `json:"authorization_endpoint"`
	TokenEndpoint         string `json:"token_endpoint"`
	UserInfoEndpoint      string `json:"userinfo_endpoint"`
	JWKSURI               string `json:"jwks_uri"`
	IntrospectionEndpoint string `json:"introspection_endpoint"`
	RevocationEndpoint    string `json:"revocation_endpoint"`
	EndSessionEndpoint    string `json:"end_session_endpoint"`
	RegistrationEndpoint  string `json:"registration_endpoint,omitempty"`                 // RFC 7591 §2
	PAREndpoint           string `json:"pushed_authorization_request_endpoint,omitempty"` // RFC 9126 §5
	DeviceEndpoint        string `json:"device_authorization_endpoint,omitempty"`         // RFC 8628 §4
	CIBAEndpoint          string `json:"backchannel_authentication_endpoint,omitempty"`   // CIBA Core §4
	CheckSessionIframe    string `json:"check_session_iframe,omitempty"`                  // Session Management §3.3
	MTLSEndpoints         any    `json:"mtls_endpoint_aliases,omitempty"`                 // RFC 8705 §5
	ServicePolicy         string `json:"op_policy_uri,omitempty"`
	ServiceTerms          string `json:"op_tos_uri,omitempty"`
	ServiceDocumentation  string `json:"service_documentation,omitempty"`

	ScopesSupported        []string    `json:"scopes_supported"`
	ResponseTypesSupported []string    `json:"response_types_supported"`
	ResponseModesSupported []string    `json:"response_modes_supported"`
	GrantTypesSupported    []GrantType `json:"grant_types_supported"`
	ACRValuesSupported     []string    `json:"acr_values_supported"`
	SubjectTypesSupported  []string    `json:"subject_types_supported"`
	CodeChallengeMethods   []string    `json:"code_challenge_methods_supported"`
	PromptValuesSupported  []string    `json:"prompt_values_supported"`
	DisplayValuesSupported []string    `json:"display_values_supported,omitempty"`
	ClaimTypesSupported    []string    `json:"claim_types_supported"`
	ClaimsSupported        []string    `json:"claims_supported"`
	UILocalesSupported     []string    `json:"ui_locales_supported,omitempty"`
	ClaimsLocalesSupported []string    `json:"claims_locales_supported,omitempty"`
	DetailTypesSupported   []string    `json:"authorization_details_types_supported,omitempty"` // RFC 9396 §10

	TokenAuthMethods         []AuthMethod `json:"token_endpoint_auth_methods_supported"`
	TokenAuthAlgs            []string     `json:"token_endpoint_auth_signing_alg_values_supported,omitempty"`
	IntrospectionAuthMethods []AuthMethod `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionAuthAlgs    []string     `json:"introspection_endpoint_auth_signing_alg_values_supported,omitempty"`
	RevocationAuthMethods    []AuthMethod `json:"revocation_endpoint_auth_methods_supported"`
	RevocationAuthAlgs       []string     `json:"revocation_endpoint_auth_signing_alg_values_supported,omitempty"`

	IDTokenAlgs                 []string `json:"id_token_signing_alg_values_supported"`
	IDTokenEncryptionAlgs       []string `json:"id_token_encryption_alg_values_supported,omitempty"`
	IDTokenEncryptionEncs       []string `json:"id_token_encryption_enc_values_supported,omitempty"`
	UserInfoAlgs                []string `json:"userinfo_signing_alg_values_supported,omitempty"`
	UserInfoEncryptionAlgs      []string `json:"userinfo_encryption_alg_values_supported,omitempty"`
	UserInfoEncryptionEncs      []string `json:"userinfo_encryption_enc_values_supported,omitempty"`
	RequestObjectAlgs           []string `json:"request_object_signing_alg_values_supported,omitempty"`
	RequestObjectEncryptionAlgs []string `json:"request_object_encryption_alg_values_supported,omitempty"`
	RequestObjectEncryptionEncs []string `json:"request_object_encryption_enc_values_supported,omitempty"`
	AuthorizationAlgs           []string `json:"authorization_signing_alg_values_supported,omitempty"` // JARM §4
	AuthorizationEncryptionAlgs []string `json:"authorization_encryption_alg_values_supported,omitempty"`
	AuthorizationEncryptionEncs []string `json:"authorization_encryption_enc_values_supported,omitempty"`
	IntrospectionAlgs           []string `json:"introspection_signing_alg_values_supported,omitempty"` // RFC 9701 §7
	IntrospectionEncryptionAlgs []string `json:"introspection_encryption_alg_values_supported,omitempty"`
	IntrospectionEncryptionEncs []string `json:"introspection_encryption_enc_values_supported,omitempty"`
	DPoPAlgs                    []string `json:"dpop_signing_alg_values_supported,omitempty"` // RFC 9449 §5.1
	CIBAAlgs                    []string `json:"backchannel_authentication_request_signing_alg_values_supported,omitempty"`
	CIBADeliveryModes           []string `json:"backchannel_token_delivery_modes_supported,omitempty"`
	ChainedTokenTypes           []string `json:"identity_chaining_requested_token_types_supported,omitempty"` // ID-JAG §5
	GrantProfiles               []string `json:"authorization_grant_profiles_supported,omitempty"`            // ID-JAG §6

	ClaimsParameter           bool `json:"claims_parameter_supported"`
	RequestParameter          bool `json:"request_parameter_supported"`
	RequestURIParameter       bool `json:"request_uri_parameter_supported"`
	RequireRequestURIs        bool `json:"require_request_uri_registration,omitempty"`
	RequireSignedRequests     bool `json:"require_signed_request_object,omitempty"`
	RequirePAR                bool `json:"require_pushed_authorization_requests,omitempty"`
	ResponseISSParameter      bool `json:"authorization_response_iss_parameter_supported"`
	CertificateBoundTokens    bool `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	CIBAUserCode              bool `json:"backchannel_user_code_parameter_supported,omitempty"`
	BackChannelLogout         bool `json:"backchannel_logout_supported,omitempty"`
	BackChannelLogoutSession  bool `json:"backchannel_logout_session_supported,omitempty"`
	FrontChannelLogout        bool `json:"frontchannel_logout_supported,omitempty"`
	FrontChannelLogoutSession bool `json:"frontchannel_logout_session_supported,omitempty"`
	ClientIDMetadataDocument  bool `json:"client_id_metadata_document_supported,omitempty"`
}

// metadata asks every part what it has to say.
func (p *Provider) metadata() *metadata {
	m := p.coreMetadata()
	for _, made := range p.parts {
		if made.describe != nil {
			made.describe(m)
		}
	}
	if aliases := p.mtlsAliases(m); aliases != nil { // of everything that stands above
		m.MTLSEndpoints = aliases
	}
	return m
}

func (p *Provider) coreMetadata() *metadata {
	methods := p.config.Profile.methods(slices.Clone(p.Clients.rules.methods)...)
	withPublic := p.config.Profile.methods(append(slices.Clone(methods), NoAuth)...)
	return &metadata{
		Issuer:                   p.site.Issuer(),
		AuthorizationEndpoint:    p.site.URL(pathAuthorize),
		TokenEndpoint:            p.site.URL(pathToken),
		UserInfoEndpoint:         p.site.URL(pathUserInfo),
		JWKSURI:                  p.site.URL(pathJWKS),
		IntrospectionEndpoint:    p.site.URL(pathIntro),
		RevocationEndpoint:       p.site.URL(pathRevoke),
		EndSessionEndpoint:       p.site.URL(pathLogout),
		ScopesSupported:          supportedScopes(),
		ResponseTypesSupported:   p.Clients.rules.responseTypes,
		ResponseModesSupported:   p.responseModes,
		GrantTypesSupported:      p.Clients.rules.grants,
		ACRValuesSupported:       directory.ACRs(),
		SubjectTypesSupported:    []string{"public"},
		IDTokenAlgs:              p.keys.names(),
		TokenAuthMethods:         withPublic,
		IntrospectionAuthMethods: methods,
		RevocationAuthMethods:    withPublic,
		CodeChallengeMethods:     []string{"S256"},
		PromptValuesSupported:    []string{promptNone, promptLogin, promptConsent, promptSelectAccount},
		ClaimTypesSupported:      p.claimTypes,
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

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
