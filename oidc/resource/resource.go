package resource

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/clientcert"
	"github.com/signet-idp/signet/internal/dpop"
	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/observe"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/oidc/rp"
)

// Config says what is protected, and whose tokens open it. New copies it.
type Config struct {
	// Resource is the API's identifier: the "aud" of its tokens, byte for byte, and the URL below which it lives: https, or http on
	// a loopback host, without query and fragment. Required.
	Resource string
	// Issuers are the authorization servers whose tokens are taken, the first being the one that clients should ask. Required.
	Issuers []string
	// Verifier judges tokens in the place of the keys of Issuers: their provider in the same program. Nil has keys fetched.
	Verifier Verifier
	// Introspection judges what is no JWT, and every token when Verifier is nil and it says so. Nil takes JWTs alone.
	Introspection *Introspection
	// Algorithms may sign JWTs and proofs. Nil is RS256, PS256, ES256, ES384, Ed25519 and EdDSA.
	Algorithms []string

	// Scopes are those that the metadata lists; more may be demanded.
	Scopes []string
	// Name and Documentation tell people about the API in the metadata; both are optional.
	Name, Documentation string
	// SignedMetadata signs the metadata too. Nil does not.
	SignedMetadata *SignedMetadata

	// ACROrder lists the classes of authentication of the Issuers, weakest first: a class then meets what a weaker one would. Nil is the order of
	// the Verifier, if it is Ordered; without any, a class meets only what names it (RFC 9470 §3).
	ACROrder []string

	// RequireDPoP takes no bearer tokens. Without it a token that is bound to a key must come with its proof all the same.
	RequireDPoP bool
	// RequireNonce makes every proof carry a nonce of ours (RFC 9449 §9).
	RequireNonce bool
	// NonceKey is the secret of nonces, of at least 32 bytes, the same on all nodes. Nil is a random one, good for a single node.
	NonceKey []byte
	// Replays remembers which proofs were used. Nil is the Verifier if it is one too, and otherwise a memory of this process for
	// a hundred thousand proofs at once, which is good for a single node.
	Replays Replays
	// CertificateProxies end TLS for us and say by CertificateHeader what the client's certificate is; from anybody else the header
	// is not looked at. "" is Client-Cert (RFC 9440). Without proxies the certificate is that of the connection.
	CertificateProxies []netip.Prefix
	CertificateHeader  string

	// Client asks the issuers; nil is one of ours. Redirects are not followed.
	Client *http.Client
	// Now is the clock. Nil is time.Now.
	Now func() time.Time
	// Observer learns of refusals, of at most 100 a second. It is called on the request's path and must be quick. Nil is none.
	Observer func(context.Context, Observation)
	// Logger takes the causes of refusals. Nil discards them.
	Logger *slog.Logger
}

// Verifier judges access tokens in this program. A *oidc.Provider is one.
type Verifier interface {
	// VerifyAccessToken returns the claims of an access token as a JSON object, in the words of RFC 9068 §2.2 and RFC 7662 §2.2:
	// iss, aud and exp at least. A token that is not good is nil claims; an error means that nobody knows.
	VerifyAccessToken(ctx context.Context, token string) (claims json.RawMessage, err error)
}

// Replays remembers which DPoP proofs were used (RFC 9449 §11.1). A *oidc.Provider is one. It is safe for concurrent use.
type Replays interface {
	// UseProof reports whether a proof is used for the first time, and remembers it until it would not be accepted any more. It
	// never forgets one earlier; an error means that nobody knows.
	UseProof(ctx context.Context, id string, issued, until time.Time) (first bool, err error)
}

// Guard protects the handlers of one API. It is safe for concurrent use and starts no goroutine.
type Guard struct {
	config   Config
	base     *url.URL
	issuers  map[string]*rp.Verifier // nil with a Verifier, or with Introspection alone
	answers  *rp.Verifier            // of signed answers about tokens; nil where none are
	proofs   dpop.Verifier
	nonces   dpop.Nonces
	certs    clientcert.Source
	holder   Holder // nil where no cookie comes
	metadata []byte
	seen     observe.Limit
}

// memoryLimit is how many proofs a process remembers at once.
const memoryLimit = 100_000

// New checks the configuration and returns a Guard, or an error that names every problem. It does no I/O but what the Signer of SignedMetadata does.
func New(config Config) (*Guard, error) {
	config.fillDefaults()
	g := &Guard{config: config, certs: clientcert.Source{Proxies: config.CertificateProxies, Header: config.CertificateHeader}}
	var problems []error
	bad := func(field, problem string) {
		problems = append(problems, fmt.Errorf("resource: Config.%s %s", field, problem))
	}
	var err error
	if g.base, err = url.Parse(config.Resource); err != nil || !identifies(g.base, config.Resource) {
		bad("Resource", "must be an https URL (or http on a loopback host) without user information, query and fragment (RFC 9728 §1.2)")
	}
	if len(config.Issuers) == 0 {
		bad("Issuers", "is required: clients must learn where to get tokens (RFC 9728 §2)")
	}
	if config.NonceKey != nil && len(config.NonceKey) < sha256.Size {
		bad("NonceKey", "must have at least 32 bytes")
	}
	for _, a := range config.Algorithms {
		if !slices.Contains(jose.Supported(), jose.Algorithm(a)) {
			bad("Algorithms", fmt.Sprintf("%q is not a known algorithm of a key pair", a))
		}
		g.proofs.Algorithms = append(g.proofs.Algorithms, jose.Algorithm(a))
	}
	if config.Introspection != nil {
		problems = append(problems, config.Introspection.check())
	}
	problems = append(problems, g.trust(), checkOrder(config.ACROrder), config.SignedMetadata.check())
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	g.holder = holderOf(config, g.base)
	g.nonces.MACs = func(text string) []string {
		mac := hmac.New(sha256.New, config.NonceKey)
		mac.Write([]byte(text))
		return []string{base64.RawURLEncoding.EncodeToString(mac.Sum(nil))}
	}
	if g.metadata, err = json.Marshal(g.describe()); err == nil && config.SignedMetadata != nil {
		g.metadata, err = config.SignedMetadata.sign(g.metadata, config.Resource, config.Now())
	}
	return g, err
}

func (c *Config) fillDefaults() {
	c.Issuers, c.Scopes, c.Algorithms = slices.Clone(c.Issuers), slices.Clone(c.Scopes), slices.Clone(c.Algorithms)
	c.CertificateProxies, c.ACROrder = slices.Clone(c.CertificateProxies), slices.Clone(c.ACROrder)
	if issuer, ok := c.Verifier.(Ordered); ok && c.ACROrder == nil {
		c.ACROrder = issuer.ACROrder()
	}
	if len(c.Algorithms) == 0 {
		c.Algorithms = []string{"RS256", "PS256", "ES256", "ES384", "Ed25519", "EdDSA"}
	}
	if c.NonceKey == nil {
		c.NonceKey = make([]byte, sha256.Size)
		_, _ = rand.Read(c.NonceKey) // never fails: crypto/rand ends the program instead
	}
	c.NonceKey = slices.Clone(c.NonceKey)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Replays == nil {
		c.Replays, _ = c.Verifier.(Replays)
	}
	if c.Replays == nil {
		c.Replays = memory{dpop.NewMemory(memoryLimit, c.Now)}
	}
	c.Client = bounded(c.Client)
	if c.Introspection != nil {
		own := *c.Introspection
		c.Introspection = &own
	}
	if c.SignedMetadata != nil {
		own := *c.SignedMetadata
		c.SignedMetadata = &own
	}
}

// memory is Replays of this process.
type memory struct{ *dpop.Memory }

// UseProof implements Replays.
func (m memory) UseProof(ctx context.Context, id string, _, until time.Time) (bool, error) {
	return m.Use(ctx, id, until)
}

// identifies reports whether a URL may be a resource identifier (RFC 9728 §1.2; ours have no query).
func identifies(u *url.URL, text string) bool {
	secure := u.Scheme == "https" || u.Scheme == "http" && web.IsLoopback(u.Hostname())
	return secure && u.Host != "" && u.Opaque == "" && u.User == nil && u.RawQuery == "" && !u.ForceQuery && u.Fragment == "" && u.String() == text
}

// trust makes ready to verify the JWTs of the issuers.
func (g *Guard) trust() (err error) {
	c := g.config
	if c.Introspection != nil && c.Introspection.Signed && len(c.Issuers) > 0 {
		g.answers, err = rp.NewVerifier(rp.VerifierConfig{
			Issuer: c.Issuers[0], Audience: c.Introspection.ClientID, Types: []string{typSigned}, Algorithms: c.Algorithms, MaxAge: time.Minute,
			Client: c.Client, Now: c.Now,
		})
		if err != nil {
			return fmt.Errorf("resource: Config.Introspection: %w", err)
		}
	}
	if c.Verifier != nil || c.Introspection != nil && c.Introspection.EveryToken {
		return nil
	}
	g.issuers = map[string]*rp.Verifier{}
	var problems []error
	for _, issuer := range c.Issuers {
		v, err := rp.NewVerifier(rp.VerifierConfig{
			Issuer: issuer, Audience: c.Resource, Types: []string{"at+jwt"}, Algorithms: c.Algorithms, Client: c.Client, Now: c.Now,
		})
		if err != nil {
			problems = append(problems, fmt.Errorf("resource: Config.Issuers: %q: %w", issuer, err))
			continue
		}
		g.issuers[issuer] = v
	}
	return errors.Join(problems...)
}

// bounded is a client that follows no redirect and waits for nobody for long.
func bounded(host *http.Client) *http.Client {
	client := &http.Client{}
	if host != nil {
		*client = *host
	}
	if client.Timeout == 0 {
		client.Timeout = 10 * time.Second
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client
}
