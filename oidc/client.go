package oidc

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Client is an OAuth client, in the metadata words of RFC 7591. It belongs to an Application, which carries its name, its
// status and its place in the chain of authority.
type Client struct {
	store.Meta
	// ClientID is unique over all organizations; Clients.Create chooses one when it is empty. 1 to 128 unreserved
	// characters.
	ClientID string `json:"client_id"`
	// Application is what the client signs people in to. Clients.Create makes one of the same name when it is zero.
	Application store.Ref `json:"application"`
	// SecretHash is the digest of the client secret; "" for a public client.
	SecretHash string `json:"client_secret_hash,omitempty"`
	// SealedSecret is the secret itself, for a client that signs with it (client_secret_jwt, HS256) and for no other.
	SealedSecret store.Sealed `json:"client_secret_sealed,omitempty"`
	// fresh is a secret that was just made, until the client is written.
	fresh secret.Text
	// AuthMethod is how the client authenticates; "" is client_secret_basic, or none for a client made public.
	AuthMethod AuthMethod `json:"token_endpoint_auth_method"`
	// RedirectURIs are where authorization responses may go, compared byte by byte; http on a loopback address
	// literal matches any port (RFC 8252 §7.3).
	RedirectURIs []string `json:"redirect_uris,omitempty"`
	// PostLogoutRedirectURIs are where a browser may go after logout.
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris,omitempty"`
	// GrantTypes are what the client may ask the token endpoint for; empty is authorization_code and refresh_token.
	GrantTypes []GrantType `json:"grant_types"`
	// Scopes are what the client may ask for; empty is every scope the provider knows for people, and those of APIs that its
	// Application was granted (directory.AuthorizedAPI). A scope of an API needs that grant in any case.
	Scopes []string `json:"scopes,omitempty"`
	// Claims are those that the client may ask for one by one, in the claims parameter, besides the claims of its Scopes:
	// a user's attributes, say. Empty is none.
	Claims []string `json:"claims,omitempty"`
	// Audience names the APIs that the client's access tokens are for; empty is the issuer.
	Audience []string `json:"audience,omitempty"`
	// Resources names the APIs that this client is, as a resource server: it may introspect tokens for them.
	Resources []string `json:"resources,omitempty"`
	// AccessTokenFormat is JWT (RFC 9068) or opaque; "" is JWT.
	AccessTokenFormat TokenFormat `json:"access_token_format"`
	// AccessTokenAlg and IDTokenAlg sign JWTs, and nothing else will do: one of Algorithms, or of those that Config.Keys has
	// (KeyAlgorithms); "" is RS256. ID tokens may be signed with the client's secret too, by HS256 (Features.SecretSignatures).
	AccessTokenAlg string `json:"access_token_signed_response_alg"`
	IDTokenAlg     string `json:"id_token_signed_response_alg"`
	// AccessTokenLifetime, IDTokenLifetime and RefreshTokenLifetime are in seconds; zero is the provider's. The first two are
	// at most LongestToken.
	AccessTokenLifetime  int64 `json:"access_token_lifetime,omitempty"`
	IDTokenLifetime      int64 `json:"id_token_lifetime,omitempty"`
	RefreshTokenLifetime int64 `json:"refresh_token_lifetime,omitempty"`
	// OwnTokenLifetime is that of access tokens that the client has for itself (client_credentials), in seconds, at most LongestToken; zero is
	// AccessTokenLifetime.
	OwnTokenLifetime int64 `json:"own_token_lifetime,omitempty"`

	// Profile is what the client keeps to besides the provider's Profile, for a provider that has clients of several. It fills in what is
	// left open, and what contradicts it is refused.
	Profile Profile `json:"profile,omitempty"`

	// The settings below take effect only where a feature gives them a meaning; without it they are refused (feature:"…").

	// ResponseTypes are what the client may ask the authorization endpoint for; empty is code, or none for a client that is not
	// registered for the code.
	ResponseTypes []string `json:"response_types,omitempty" feature:"response types"`
	// JWKS is the client's key set (RFC 7517 §5), JWKSURI where it is published; one of the two.
	JWKS    json.RawMessage `json:"jwks,omitempty" feature:"client keys"`
	JWKSURI string          `json:"jwks_uri,omitempty" feature:"client keys"`
	// AuthSigningAlg pins the algorithm of the client's assertions (OpenID Connect Registration §2).
	AuthSigningAlg string `json:"token_endpoint_auth_signing_alg,omitempty" feature:"client assertions"`
	// One of these names the certificate of a client that authenticates by tls_client_auth (RFC 8705 §2.1.2).
	TLSClientAuthSubjectDN string `json:"tls_client_auth_subject_dn,omitempty" feature:"mutual TLS"`
	TLSClientAuthSANDNS    string `json:"tls_client_auth_san_dns,omitempty" feature:"mutual TLS"`
	TLSClientAuthSANURI    string `json:"tls_client_auth_san_uri,omitempty" feature:"mutual TLS"`
	TLSClientAuthSANIP     string `json:"tls_client_auth_san_ip,omitempty" feature:"mutual TLS"`
	TLSClientAuthSANEmail  string `json:"tls_client_auth_san_email,omitempty" feature:"mutual TLS"`
	// CertificateBoundTokens demands mutual TLS and binds tokens to its certificate (RFC 8705 §3.4); DPoPBoundTokens demands a
	// DPoP proof (RFC 9449 §5.2).
	CertificateBoundTokens bool `json:"tls_client_certificate_bound_access_tokens,omitempty" feature:"mutual TLS"`
	DPoPBoundTokens        bool `json:"dpop_bound_access_tokens,omitempty" feature:"DPoP"`

	// RequirePAR refuses authorization requests that were not pushed (RFC 9126 §6).
	RequirePAR bool `json:"require_pushed_authorization_requests,omitempty" feature:"PAR"`
	// RequireSignedRequest refuses authorization requests outside a signed object (RFC 9101 §10.5).
	RequireSignedRequest bool `json:"require_signed_request_object,omitempty" feature:"JAR"`
	// RequestObjectSigningAlg pins the algorithm of request objects, RequestObjectEncryptionAlg and …Enc how they are encrypted
	// to the provider; RequestURIs are where they may be fetched from (OpenID Connect Registration §2).
	RequestObjectSigningAlg    string   `json:"request_object_signing_alg,omitempty" feature:"JAR"`
	RequestObjectEncryptionAlg string   `json:"request_object_encryption_alg,omitempty" feature:"JAR"`
	RequestObjectEncryptionEnc string   `json:"request_object_encryption_enc,omitempty" feature:"JAR"`
	RequestURIs                []string `json:"request_uris,omitempty" feature:"JAR"`
	// The algorithms of JWT-secured authorization responses (JARM §3).
	AuthorizationSignedResponseAlg    string `json:"authorization_signed_response_alg,omitempty" feature:"JARM"`
	AuthorizationEncryptedResponseAlg string `json:"authorization_encrypted_response_alg,omitempty" feature:"JARM"`
	AuthorizationEncryptedResponseEnc string `json:"authorization_encrypted_response_enc,omitempty" feature:"JARM"`
	// DefaultMaxAge, in seconds, DefaultACRValues and RequireAuthTime hold for requests that do not say (OpenID Connect
	// Registration §2).
	DefaultMaxAge    *int64   `json:"default_max_age,omitempty" feature:"request defaults"`
	DefaultACRValues []string `json:"default_acr_values,omitempty" feature:"request defaults"`
	RequireAuthTime  bool     `json:"require_auth_time,omitempty" feature:"request defaults"`
	// AuthorizationDetailsTypes are the types of authorization_details that the client may ask for (RFC 9396 §10).
	AuthorizationDetailsTypes []string `json:"authorization_details_types,omitempty" feature:"RAR"`

	// SubjectType is public or pairwise (OpenID Connect Core §8); "" is public. SectorIdentifierURI lists the redirect URIs of
	// those who share pairwise subjects (§8.1).
	SubjectType         string `json:"subject_type,omitempty" feature:"pairwise subjects"`
	SectorIdentifierURI string `json:"sector_identifier_uri,omitempty" feature:"pairwise subjects"`
	// IDTokenAudience are audiences of ID tokens besides the client itself.
	IDTokenAudience []string `json:"id_token_audience,omitempty" feature:"ID token audiences"`
	// How what the client reads is signed and encrypted to its keys; "" is not (OpenID Connect Registration §2, RFC 9701 §6).
	IDTokenEncryptedResponseAlg       string `json:"id_token_encrypted_response_alg,omitempty" feature:"encryption"`
	IDTokenEncryptedResponseEnc       string `json:"id_token_encrypted_response_enc,omitempty" feature:"encryption"`
	UserInfoSignedResponseAlg         string `json:"userinfo_signed_response_alg,omitempty" feature:"signed userinfo"`
	UserInfoEncryptedResponseAlg      string `json:"userinfo_encrypted_response_alg,omitempty" feature:"encryption"`
	UserInfoEncryptedResponseEnc      string `json:"userinfo_encrypted_response_enc,omitempty" feature:"encryption"`
	IntrospectionSignedResponseAlg    string `json:"introspection_signed_response_alg,omitempty" feature:"signed introspection"`
	IntrospectionEncryptedResponseAlg string `json:"introspection_encrypted_response_alg,omitempty" feature:"encryption"`
	IntrospectionEncryptedResponseEnc string `json:"introspection_encrypted_response_enc,omitempty" feature:"encryption"`
	// ScopeAsArray makes scope a list in access tokens that are JWTs (WSO2Claims).
	ScopeAsArray bool `json:"enable_jwt_scope_as_array,omitempty" feature:"WSO2 claims"`
	// AccessTokenClaims are attributes of the person that stand in access tokens whatever scopes were asked for.
	AccessTokenClaims []string `json:"access_token_claims,omitempty" feature:"access token claims"`
	// KeepRefreshToken hands the same refresh token out again instead of rotating it: for clients whose tokens are bound to a
	// key or that authenticate (FAPI 2.0 Security Profile §5.3.2.1).
	KeepRefreshToken bool `json:"keep_refresh_token,omitempty" feature:"refresh policy"`
	// TokenBinding is what else tokens are bound to: BindCookie, BindSession, BindRequest or BindDevice; "" is nothing.
	TokenBinding string `json:"token_binding,omitempty" feature:"token binding"`
	// ReuseAccessToken gives an access token again that the client has for itself, while it lives.
	ReuseAccessToken bool `json:"reuse_access_token,omitempty" feature:"token reuse"`
	// EndPreviousTokens ends what the client has from a person when they sign in to it again for the same (TokenReuse).
	EndPreviousTokens bool `json:"end_previous_tokens,omitempty" feature:"token reuse"`

	// CIBA delivery: poll, ping or push, and where to (CIBA Core §4).
	TokenDeliveryMode            string `json:"backchannel_token_delivery_mode,omitempty" feature:"CIBA"`
	ClientNotificationEndpoint   string `json:"backchannel_client_notification_endpoint,omitempty" feature:"CIBA"`
	BackChannelRequestSigningAlg string `json:"backchannel_authentication_request_signing_alg,omitempty" feature:"CIBA"`
	BackChannelUserCode          bool   `json:"backchannel_user_code_parameter,omitempty" feature:"CIBA"`
	BackChannelLogoutURI         string `json:"backchannel_logout_uri,omitempty" feature:"back-channel logout"`
	BackChannelLogoutSession     bool   `json:"backchannel_logout_session_required,omitempty" feature:"back-channel logout"`
	FrontChannelLogoutURI        string `json:"frontchannel_logout_uri,omitempty" feature:"front-channel logout"`
	FrontChannelLogoutSession    bool   `json:"frontchannel_logout_session_required,omitempty" feature:"front-channel logout"`
	// RevokeWhenSessionEnded revokes what was granted with offline_access too when the session ends in which that was.
	RevokeWhenSessionEnded bool `json:"revoke_when_session_ended,omitempty" feature:"back-channel logout"`

	// DirectAuthentication lets the client sign people in without a browser (Direct). AndroidPackage and AppleAppID ("TEAMID.bundle") are
	// what an attestation must be about; "" is for Direct.Attest to judge.
	DirectAuthentication bool   `json:"direct_authentication,omitempty" feature:"direct authentication"`
	AndroidPackage       string `json:"android_package,omitempty" feature:"direct authentication"`
	AppleAppID           string `json:"apple_app_id,omitempty" feature:"direct authentication"`
	// Agents lets software agents sign in by themselves, and act for people who sign in to the client (Agents).
	Agents bool `json:"agents,omitempty" feature:"agents"`
	// AllowedOrigins are the web origins whose scripts may call the token, userinfo and revocation endpoints.
	AllowedOrigins []string `json:"allowed_origins,omitempty" feature:"CORS"`
	// InitiateLoginURI is where a third party sends a person to begin a sign-in (OpenID Connect Core §4).
	InitiateLoginURI string `json:"initiate_login_uri,omitempty" feature:"third-party-initiated login"`
	// Who registered the client, and as what (RFC 7591 §2).
	Contacts          []string `json:"contacts,omitempty" feature:"registration"`
	SoftwareID        string   `json:"software_id,omitempty" feature:"registration"`
	SoftwareVersion   string   `json:"software_version,omitempty" feature:"registration"`
	SoftwareStatement string   `json:"software_statement,omitempty" feature:"registration"`
	ApplicationType   string   `json:"application_type,omitempty" feature:"registration"`
	// Texts are what people are shown, in other languages than the Application has them: "client_name#de" (RFC 7591 §2.2).
	Texts map[string]string `json:"texts,omitempty"`
	// Extensions are what WSO2's members of a registration said that nothing here gives a meaning, and the client_name; see Registration.WSO2.
	Extensions map[string]string `json:"extensions,omitempty" feature:"registration"`
	// RegistrationHash is the digest of the registration access token (RFC 7592 §3); "" is none.
	RegistrationHash string `json:"registration_access_token_hash,omitempty" feature:"registration"`

	// InsecureOptionalPKCE lets a confidential client leave out PKCE. It must then send a nonce and check it, which
	// is what protects it from injected codes (RFC 9700 §2.1.1).
	InsecureOptionalPKCE bool `json:"insecure_optional_pkce,omitempty"`
	// InsecureOptionalNonce lets a client with InsecureOptionalPKCE leave out the nonce too, as OpenID Connect Core §3.1.2.1 has it for
	// the code flow, and the conformance suite demands. Then nothing protects it from injected codes.
	InsecureOptionalNonce bool `json:"insecure_optional_nonce,omitempty"`
	// InsecureRedirectPatterns are regular expressions (RE2) for further redirect URIs, each for the whole of one (Legacy.RedirectPatterns):
	// at most four of 512 bytes, "regexp=" in front or not. https and the hosts must be written out: "https://(a|b)\.example/cb/[0-9]+".
	// They are not for logouts, for the implicit grant, or for pairwise subjects.
	InsecureRedirectPatterns []string  `json:"insecure_redirect_patterns,omitempty" feature:"redirect patterns"`
	Created                  time.Time `json:"created"`

	// described is what a metadata document says of the application; nil for a client that is registered.
	described *directory.Application
	// localhostPorts lets http://localhost match any port; see MetadataDocuments.InsecureLocalhostPorts.
	localhostPorts bool
}

// AuthMethod is how a client authenticates at the token endpoint (OpenID Connect Core §9).
type AuthMethod string

// The authentication methods.
const (
	NoAuth            AuthMethod = "none"
	ClientSecretBasic AuthMethod = "client_secret_basic"
	ClientSecretPost  AuthMethod = "client_secret_post"
)

// GrantType is what a client gives for a token.
type GrantType string

// The grant types.
const (
	AuthorizationCode GrantType = "authorization_code"
	RefreshToken      GrantType = "refresh_token"
	ClientCredentials GrantType = "client_credentials"
)

// TokenFormat is the form of an access token.
type TokenFormat string

// The formats.
const (
	JWT    TokenFormat = "jwt"
	Opaque TokenFormat = "opaque"
)

// Public reports whether the client has no secret.
func (c *Client) Public() bool { return c.AuthMethod == NoAuth }

func (c *Client) allows(g GrantType) bool { return slices.Contains(c.GrantTypes, g) }

var clientKind = store.Kind{Name: "oidc.client"}

var clientType = store.Type[Client]{
	Kind: clientKind,
	Keys: func(c *Client) []store.Key {
		return []store.Key{{Scope: store.GlobalScope, Name: "client_id", Value: c.ClientID}}
	},
	Index: func(c *Client) []store.Entry {
		entries := []store.Entry{{Field: "application", Value: store.Text(c.Application.ID)}}
		for _, origin := range c.AllowedOrigins {
			entries = append(entries, store.Entry{Field: "origin", Value: store.Text(origin)})
		}
		if name := c.Extensions[memberName]; name != "" {
			entries = append(entries, store.Entry{Field: "client_name", Value: store.Text(name)})
		}
		return entries
	},
	Cached: true,
}

// clientName says that a client_id was given out. It stays when the client is deleted: grants, tokens and decisions of people
// name their client by its id, and must not become those of a stranger.
type clientName struct{ store.Meta }

var clientNameType = store.Type[clientName]{Kind: store.Kind{Name: "oidc.client.name"}}

// Clients keeps the registered clients. It is safe for concurrent use.
type Clients struct {
	db        *store.DB
	directory *directory.Directory
	stored    *store.Collection[Client]
	names     *store.Collection[clientName]
	known     *store.Cache[string, *Client]
	rules     clientRules
	// documents finds clients by the URL of their metadata document; nil knows of none.
	documents func(ctx context.Context, clientID string) (*Client, error)
}

func newClients(db *store.DB, dir *directory.Directory) *Clients {
	stored := store.NewCollection(db, clientType)
	return &Clients{
		db: db, directory: dir, stored: stored,
		names: store.NewCollection(db, clientNameType),
		known: store.NewCache[string, *Client](db, stored),
	}
}

// Create registers a client, with an Application called name when it has none, and returns its secret: the one time that
// it can be read. A public client (AuthMethod none) has none. Problems are an error of every *InvalidClientError at once.
func (s *Clients) Create(ctx context.Context, name string, c *Client) (secretValue string, err error) {
	s.rules.fillProfiles(c) // which may leave it no secret
	if usesSecret(c.AuthMethod) {
		secretValue = c.renewSecret()
	}
	return secretValue, s.create(ctx, name, c)
}

// Import registers a client whose secret was made elsewhere. It must be random, of at least 128 bits, because only its
// SHA-256 digest is kept: 22 characters are the least that is taken.
func (s *Clients) Import(ctx context.Context, name string, c *Client, secretValue string) error {
	if len(secretValue) < 22 {
		return &InvalidClientError{"client_secret", "must be random and of at least 22 characters"}
	}
	if c.signsBySecret() && len(secretValue) < leastSigningSecret {
		return &InvalidClientError{"client_secret", "must have at least 32 bytes, for it signs (RFC 7518 §3.2)"}
	}
	c.setSecret(secret.Text(secretValue))
	return s.create(ctx, name, c)
}

func (s *Clients) create(ctx context.Context, name string, c *Client) error {
	b := s.db.Batch()
	if err := s.insert(ctx, b, &directory.Application{Meta: store.Meta{Org: c.Org}, Name: name}, c); err != nil {
		return err
	}
	err := b.Apply(ctx)
	if store.ConflictOn(err, clientKind) != nil || store.ConflictOn(err, s.names.Kind()) != nil {
		return &InvalidClientError{"client_id", "is taken, or was: the id of a deleted client is not used again"}
	}
	return err
}

// insert adds to the batch that a client is registered, with the application when it has none.
func (s *Clients) insert(ctx context.Context, b *store.Batch, app *directory.Application, c *Client) error {
	s.rules.fill(c, s.db.Now())
	s.keepSecret(c)
	if err := s.rules.approve(ctx, c); err != nil {
		return err
	}
	if c.Application.IsZero() {
		if err := s.directory.Applications.Insert(b, app); err != nil {
			return err
		}
		c.Application = app.Ref()
	}
	s.names.Insert(b, &clientName{Meta: store.Meta{ID: c.ClientID}})
	s.stored.Insert(b, c)
	b.Event(store.Event{Meta: store.Meta{Org: c.Org}, Type: "oidc.client.created", Data: eventData(map[string]string{"client_id": c.ClientID})})
	return nil
}

// Find returns the client of that client_id, or store.ErrNotFound. What another node has written may be unknown
// for store.Staleness.
func (s *Clients) Find(ctx context.Context, clientID string) (*Client, error) {
	shared, err := s.find(ctx, clientID)
	if err != nil {
		return nil, err
	}
	return shared.clone(), nil
}

// clone copies the client so that nothing of it is shared.
func (c *Client) clone() *Client {
	own := *c
	for _, list := range []*[]string{
		&own.RedirectURIs, &own.PostLogoutRedirectURIs, &own.Scopes, &own.Claims, &own.Audience, &own.Resources,
		&own.ResponseTypes, &own.RequestURIs, &own.DefaultACRValues, &own.AuthorizationDetailsTypes, &own.IDTokenAudience,
		&own.AccessTokenClaims, &own.AllowedOrigins, &own.Contacts, &own.InsecureRedirectPatterns,
	} {
		*list = slices.Clone(*list)
	}
	own.GrantTypes, own.JWKS = slices.Clone(own.GrantTypes), slices.Clone(own.JWKS)
	own.Texts, own.Extensions = maps.Clone(own.Texts), maps.Clone(own.Extensions)
	if c.DefaultMaxAge != nil {
		age := *c.DefaultMaxAge
		own.DefaultMaxAge = &age
	}
	return &own
}

// find is Find without the copy: the value is shared and must not be changed.
func (s *Clients) find(ctx context.Context, clientID string) (*Client, error) {
	if s.documents != nil && isDocumentURL(clientID) {
		return s.documents(ctx, clientID)
	}
	if !validClientID(clientID) {
		return nil, store.ErrNotFound
	}
	return s.known.Get(ctx, clientID, func() (*Client, string, error) {
		c, err := s.read(ctx, clientID)
		if err != nil {
			return nil, "", err
		}
		return c, c.Org, nil
	})
}

// read returns the client as it stands in the store at this moment.
func (s *Clients) read(ctx context.Context, clientID string) (*Client, error) {
	return s.stored.Lookup(ctx, "", store.Key{Scope: store.GlobalScope, Name: "client_id", Value: clientID})
}

// Replace writes a client over the version that was read.
func (s *Clients) Replace(ctx context.Context, c *Client) error {
	b := s.db.Batch()
	if err := s.replace(ctx, b, c); err != nil {
		return err
	}
	return b.Apply(ctx)
}

// replace adds to the batch what Replace does.
func (s *Clients) replace(ctx context.Context, b *store.Batch, c *Client) error {
	s.keepSecret(c)
	if err := s.rules.approve(ctx, c); err != nil {
		return err
	}
	s.stored.Replace(b, c)
	b.Event(store.Event{Meta: store.Meta{Org: c.Org}, Type: "oidc.client.updated", Data: eventData(map[string]string{"client_id": c.ClientID})})
	return nil
}

// RotateSecret gives the client a new secret and returns it. The old one is dead within a second on every node.
func (s *Clients) RotateSecret(ctx context.Context, c *Client) (string, error) {
	if !usesSecret(c.AuthMethod) {
		return "", &InvalidClientError{"token_endpoint_auth_method", "is not one that uses a secret"}
	}
	fresh := c.renewSecret()
	return fresh, s.Replace(ctx, c)
}

// Delete removes the client, whose id is never used again. Its Application stays; disable that to end what was issued.
func (s *Clients) Delete(ctx context.Context, c *Client) error {
	b := s.db.Batch()
	s.remove(b, c)
	return b.Apply(ctx)
}

// remove adds to the batch what Delete does.
func (s *Clients) remove(b *store.Batch, c *Client) {
	s.stored.Delete(b, c)
	b.Event(store.Event{Meta: store.Meta{Org: c.Org}, Type: "oidc.client.deleted", Data: eventData(map[string]string{"client_id": c.ClientID})})
}

// List returns a page of clients. Fields: application, origin, and client_name of those that registered themselves with WSO2's members.
func (s *Clients) List(ctx context.Context, q store.Query) (store.Listing[Client], error) {
	return s.stored.List(ctx, q)
}

// InvalidClientError says what is wrong with a client's metadata.
type InvalidClientError struct {
	// Field is the metadata name, as in RFC 7591.
	Field   string
	Problem string
}

// Error implements error.
func (e *InvalidClientError) Error() string { return "oidc: client " + e.Field + " " + e.Problem }

func (c *Client) fillDefaults(now time.Time, algorithm string) {
	if c.ClientID == "" {
		c.ClientID = secret.Short().Reveal()
	}
	if c.ID == "" {
		c.ID = store.NewID()
	}
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = []GrantType{AuthorizationCode, RefreshToken}
	}
	if c.AuthMethod == "" {
		c.AuthMethod = ClientSecretBasic
	}
	if c.AccessTokenFormat == "" {
		c.AccessTokenFormat = JWT
	}
	if c.AccessTokenAlg == "" {
		c.AccessTokenAlg = algorithm
	}
	if c.IDTokenAlg == "" {
		c.IDTokenAlg = algorithm
	}
	c.Created = now
}

// LongestToken is the longest lifetime of anything that is signed. Config.Keys publishes a key for so long after its last use,
// or what it signed could not be verified to its end.
const LongestToken = 30 * 24 * time.Hour

// longestRefresh is ten years: what is longer is a mistake.
const longestRefresh = 10 * 365 * 24 * time.Hour

func validClientID(id string) bool { return len(id) >= 1 && len(id) <= 128 && isUnreserved(id) }

// validScope is the scope-token of RFC 6749 §3.3.
func validScope(s string) bool {
	return s != "" && len(s) <= 128 && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '"' || r == '\\'
	})
}
