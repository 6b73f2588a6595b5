package oidc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/jose"
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
	// AuthMethod is how the client authenticates; "" is client_secret_basic, or none for a client made public.
	AuthMethod AuthMethod `json:"token_endpoint_auth_method"`
	// RedirectURIs are where authorization responses may go, compared byte by byte; http on a loopback address
	// literal matches any port (RFC 8252 §7.3).
	RedirectURIs []string `json:"redirect_uris,omitempty"`
	// PostLogoutRedirectURIs are where a browser may go after logout.
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris,omitempty"`
	// GrantTypes are what the client may ask the token endpoint for; empty is authorization_code and refresh_token.
	GrantTypes []GrantType `json:"grant_types"`
	// Scopes are what the client may ask for; empty is every scope the provider knows for people, and none for
	// client_credentials.
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
	// AccessTokenAlg and IDTokenAlg sign JWTs: RS256, PS256 or ES256; "" is RS256.
	AccessTokenAlg string `json:"access_token_signed_response_alg"`
	IDTokenAlg     string `json:"id_token_signed_response_alg"`
	// AccessTokenLifetime, IDTokenLifetime and RefreshTokenLifetime are in seconds; zero is the provider's. The first two are
	// at most LongestToken.
	AccessTokenLifetime  int64 `json:"access_token_lifetime,omitempty"`
	IDTokenLifetime      int64 `json:"id_token_lifetime,omitempty"`
	RefreshTokenLifetime int64 `json:"refresh_token_lifetime,omitempty"`
	// InsecureOptionalPKCE lets a confidential client leave out PKCE. It must then send a nonce and check it, which
	// is what protects it from injected codes (RFC 9700 §2.1.1).
	InsecureOptionalPKCE bool      `json:"insecure_optional_pkce,omitempty"`
	Created              time.Time `json:"created"`
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
		return []store.Entry{{Field: "application", Value: store.Text(c.Application.ID)}}
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
	fresh := secret.New()
	if c.AuthMethod != NoAuth {
		c.SecretHash = fresh.Hash()
		secretValue = fresh.Reveal()
	}
	return secretValue, s.create(ctx, name, c)
}

// Import registers a client whose secret was made elsewhere. It must be random, of at least 128 bits, because only its
// SHA-256 digest is kept: 22 characters are the least that is taken.
func (s *Clients) Import(ctx context.Context, name string, c *Client, secretValue string) error {
	if len(secretValue) < 22 {
		return &InvalidClientError{"client_secret", "must be random and of at least 22 characters"}
	}
	c.SecretHash = secret.Hash(secretValue)
	return s.create(ctx, name, c)
}

func (s *Clients) create(ctx context.Context, name string, c *Client) error {
	c.fillDefaults(s.db.Now())
	if err := c.check(); err != nil {
		return err
	}
	b := s.db.Batch()
	if c.Application.IsZero() {
		app := &directory.Application{Meta: store.Meta{Org: c.Org}, Name: name}
		if err := s.directory.Applications.Insert(b, app); err != nil {
			return err
		}
		c.Application = app.Ref()
	}
	s.names.Insert(b, &clientName{Meta: store.Meta{ID: c.ClientID}})
	s.stored.Insert(b, c)
	b.Event(store.Event{Meta: store.Meta{Org: c.Org}, Type: "oidc.client.created", Data: eventData(map[string]string{"client_id": c.ClientID})})
	err := b.Apply(ctx)
	if store.ConflictOn(err, clientKind) != nil || store.ConflictOn(err, s.names.Kind()) != nil {
		return &InvalidClientError{"client_id", "is taken, or was: the id of a deleted client is not used again"}
	}
	return err
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
	for _, list := range []*[]string{&own.RedirectURIs, &own.PostLogoutRedirectURIs, &own.Scopes, &own.Claims, &own.Audience, &own.Resources} {
		*list = slices.Clone(*list)
	}
	own.GrantTypes = slices.Clone(own.GrantTypes)
	return &own
}

// find is Find without the copy: the value is shared and must not be changed.
func (s *Clients) find(ctx context.Context, clientID string) (*Client, error) {
	if !validClientID(clientID) {
		return nil, store.ErrNotFound
	}
	return s.known.Get(ctx, clientID, func() (*Client, string, error) {
		c, err := s.stored.Lookup(ctx, "", store.Key{Scope: store.GlobalScope, Name: "client_id", Value: clientID})
		if err != nil {
			return nil, "", err
		}
		return c, c.Org, nil
	})
}

// Replace writes a client over the version that was read.
func (s *Clients) Replace(ctx context.Context, c *Client) error {
	if err := c.check(); err != nil {
		return err
	}
	b := s.db.Batch()
	s.stored.Replace(b, c)
	b.Event(store.Event{Meta: store.Meta{Org: c.Org}, Type: "oidc.client.updated", Data: eventData(map[string]string{"client_id": c.ClientID})})
	return b.Apply(ctx)
}

// RotateSecret gives the client a new secret and returns it. The old one is dead within a second on every node.
func (s *Clients) RotateSecret(ctx context.Context, c *Client) (string, error) {
	if c.Public() {
		return "", &InvalidClientError{"token_endpoint_auth_method", "a public client has no secret"}
	}
	fresh := secret.New()
	c.SecretHash = fresh.Hash()
	return fresh.Reveal(), s.Replace(ctx, c)
}

// Delete removes the client, whose id is never used again. Its Application stays; disable that to end what was issued.
func (s *Clients) Delete(ctx context.Context, c *Client) error {
	b := s.db.Batch()
	s.stored.Delete(b, c)
	b.Event(store.Event{Meta: store.Meta{Org: c.Org}, Type: "oidc.client.deleted", Data: eventData(map[string]string{"client_id": c.ClientID})})
	return b.Apply(ctx)
}

// List returns a page of clients. Field: application.
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

func (c *Client) fillDefaults(now time.Time) {
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
		c.AccessTokenAlg = string(jose.RS256)
	}
	if c.IDTokenAlg == "" {
		c.IDTokenAlg = string(jose.RS256)
	}
	c.Created = now
}

// check reports every problem at once.
func (c *Client) check() error {
	var problems []error
	bad := func(field, format string, args ...any) {
		problems = append(problems, &InvalidClientError{field, fmt.Sprintf(format, args...)})
	}
	if !validClientID(c.ClientID) {
		bad("client_id", "must be 1 to 128 letters, digits and -._~")
	}
	switch c.AuthMethod {
	case NoAuth:
		if c.SecretHash != "" {
			bad("token_endpoint_auth_method", "is none, but there is a secret")
		}
		if c.allows(ClientCredentials) {
			bad("grant_types", "client_credentials needs a client that authenticates (RFC 6749 §4.4)")
		}
		if c.InsecureOptionalPKCE {
			bad("insecure_optional_pkce", "is not for public clients")
		}
	case ClientSecretBasic, ClientSecretPost:
		if c.SecretHash == "" {
			bad("client_secret", "is missing")
		}
	default:
		bad("token_endpoint_auth_method", "%q is not supported", c.AuthMethod)
	}
	for _, g := range c.GrantTypes {
		if !slices.Contains([]GrantType{AuthorizationCode, RefreshToken, ClientCredentials}, g) {
			bad("grant_types", "%q is not supported", g)
		}
	}
	if c.allows(AuthorizationCode) && len(c.RedirectURIs) == 0 {
		bad("redirect_uris", "is required for authorization_code")
	}
	for _, uri := range c.RedirectURIs {
		if err := checkRedirectURI(uri); err != nil {
			bad("redirect_uris", "%q %v", uri, err)
		}
	}
	for _, uri := range c.PostLogoutRedirectURIs {
		if err := checkRedirectURI(uri); err != nil {
			bad("post_logout_redirect_uris", "%q %v", uri, err)
		}
	}
	for _, s := range c.Scopes {
		if !validScope(s) {
			bad("scopes", "%q is not a scope token (RFC 6749 §3.3)", s)
		}
		if strings.HasPrefix(s, claimItem) {
			bad("scopes", "%q could be taken for a single claim on the consent page", s)
		}
	}
	if c.AccessTokenFormat != JWT && c.AccessTokenFormat != Opaque {
		bad("access_token_format", "%q is not supported", c.AccessTokenFormat)
	}
	if !slices.Contains(signingAlgorithms, jose.Algorithm(c.AccessTokenAlg)) {
		bad("access_token_signed_response_alg", "%q is not supported", c.AccessTokenAlg)
	}
	if !slices.Contains(signingAlgorithms, jose.Algorithm(c.IDTokenAlg)) {
		bad("id_token_signed_response_alg", "%q is not supported", c.IDTokenAlg)
	}
	for _, l := range []struct {
		field   string
		seconds int64
		limit   time.Duration
	}{
		{"access_token_lifetime", c.AccessTokenLifetime, LongestToken},
		{"id_token_lifetime", c.IDTokenLifetime, LongestToken},
		{"refresh_token_lifetime", c.RefreshTokenLifetime, longestRefresh},
	} {
		if limit := int64(l.limit / time.Second); l.seconds < 0 || l.seconds > limit {
			bad(l.field, "must be between 0 and %d seconds", limit)
		}
	}
	return errors.Join(problems...)
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
