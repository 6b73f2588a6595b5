package oidc

import (
	"encoding/json"
	"slices"
)

// The presets are clients as their kind of application usually needs them. They are the start of a Client, to be changed before
// Clients.Create: what they leave empty has the default that the field documents.

// SPA is a single-page application: a public client with code and refresh token. Its scripts call from another origin than the
// Provider's: set AllowedOrigins, where Features.CORS is on.
func SPA(redirectURIs ...string) *Client {
	return &Client{
		AuthMethod: NoAuth, GrantTypes: []GrantType{AuthorizationCode, RefreshToken}, RedirectURIs: slices.Clone(redirectURIs),
		ApplicationType: webApplication,
	}
}

// WebApp is an application on a server: a confidential client with a secret, code and refresh token.
func WebApp(redirectURIs ...string) *Client {
	return &Client{
		AuthMethod: ClientSecretBasic, GrantTypes: []GrantType{AuthorizationCode, RefreshToken}, RedirectURIs: slices.Clone(redirectURIs),
		ApplicationType: webApplication,
	}
}

// Native is an application on the person's own device (RFC 8252): a public client with code and refresh token, which is sent back by a
// scheme of its own, such as com.example.app:/callback, a claimed https URL, or http on a loopback address literal with any port.
func Native(redirectURIs ...string) *Client {
	return &Client{
		AuthMethod: NoAuth, GrantTypes: []GrantType{AuthorizationCode, RefreshToken}, RedirectURIs: slices.Clone(redirectURIs),
		ApplicationType: nativeApplication,
	}
}

// M2M is a machine that acts for itself: client credentials alone, for these scopes. The authorization endpoint refuses it.
func M2M(scopes ...string) *Client {
	return &Client{AuthMethod: ClientSecretBasic, GrantTypes: []GrantType{ClientCredentials}, Scopes: slices.Clone(scopes)}
}

// FAPI is a confidential client as the FAPI 2.0 Security Profile demands (§5.3): it authenticates by private_key_jwt with PS256 and the
// keys of jwks, pushes its requests, has all tokens bound by DPoP, and keeps its refresh token (§5.3.2.1). It needs Features of
// client assertions, PAR and DPoP.
func FAPI(jwks json.RawMessage, redirectURIs ...string) *Client {
	return &Client{
		AuthMethod: PrivateKeyJWT, AuthSigningAlg: "PS256", JWKS: slices.Clone(jwks),
		GrantTypes: []GrantType{AuthorizationCode, RefreshToken}, RedirectURIs: slices.Clone(redirectURIs),
		RequirePAR: true, DPoPBoundTokens: true, KeepRefreshToken: true, IDTokenAlg: "PS256", AccessTokenAlg: "PS256",
	}
}

// MCPClient is a client of Model Context Protocol servers that is registered by hand: public, with code and refresh token, PKCE as always,
// and a loopback address literal, whose port does not matter, among its redirect URIs (RFC 8252 §7.3). One that is not
// registered comes by Features.MetadataDocuments or Features.Registration.
func MCPClient(redirectURIs ...string) *Client {
	c := Native(redirectURIs...)
	if len(c.RedirectURIs) == 0 {
		c.RedirectURIs = []string{"http://127.0.0.1/callback", "http://[::1]/callback"}
	}
	return c
}
