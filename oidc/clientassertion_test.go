package oidc_test

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/oidc"
)

func withAssertions(c *oidc.Config) {
	c.Features.ClientAssertions = &oidc.ClientAssertions{SharedSecrets: true}
}

// withIssuerAudience is what FAPI 2.0 wants.
func withIssuerAudience(c *oidc.Config) {
	c.Features.ClientAssertions = &oidc.ClientAssertions{IssuerAudience: true}
}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// asserter is a client that authenticates by assertions.
type asserter struct {
	h        *harness
	clientID string
	key      crypto.Signer
	header   jose.Header
}

// newAsserter registers a machine of that name with a fresh ES256 key.
func (h *harness) newAsserter(clientID string, edit ...func(*oidc.Client)) *asserter {
	h.tb.Helper()
	a := &asserter{h: h, clientID: clientID, key: generateKey(jose.ES256), header: jose.Header{Alg: jose.ES256, Kid: "key-of-" + clientID}}
	c := &oidc.Client{
		ClientID: clientID, AuthMethod: oidc.PrivateKeyJWT, JWKS: a.jwks(), GrantTypes: []oidc.GrantType{oidc.ClientCredentials},
		Scopes: []string{"read"}, Audience: []string{api}, Resources: []string{api},
	}
	for _, e := range edit {
		e(c)
	}
	h.register(c)
	return a
}

// jwks is the key set of the client.
func (a *asserter) jwks() json.RawMessage {
	a.h.tb.Helper()
	document, err := jose.Set([]jose.PublicKey{{ID: a.header.Kid, Algorithm: a.header.Alg, Key: a.key.Public()}})
	a.h.must(err)
	return document
}

// claims are those of a fresh assertion for the issuer; changes are pairs of name and value, nil removes.
func (a *asserter) claims(changes ...any) map[string]any {
	now := a.h.clock.Now()
	all := map[string]any{
		"iss": a.clientID, "sub": a.clientID, "aud": a.h.issuer, "jti": secret.UUID(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}
	for i := 0; i+1 < len(changes); i += 2 {
		if name := changes[i].(string); changes[i+1] == nil {
			delete(all, name)
		} else {
			all[name] = changes[i+1]
		}
	}
	return all
}

// assertion signs a fresh assertion.
func (a *asserter) assertion(changes ...any) string {
	return a.sign(a.header, a.claims(changes...))
}

func (a *asserter) sign(header jose.Header, claims map[string]any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	text, err := jose.Sign(payload, header, a.key)
	if err != nil {
		panic(err)
	}
	return text
}

// post sends a form with an assertion.
func (a *asserter) post(path, assertion string, pairs ...string) *answer {
	form := values("client_assertion", assertion, "client_assertion_type", assertionType)
	override(form, pairs)
	return a.h.send(a.h.request(http.MethodPost, path, form))
}

func (a *asserter) token(assertion string, pairs ...string) *answer {
	return a.post(pathToken, assertion, append([]string{"grant_type", "client_credentials"}, pairs...)...)
}

// TestClientAssertion is private_key_jwt (OpenID Connect Core §9, RFC 7523 §2.2) at every endpoint for clients, in the spellings that
// clients use.
func TestClientAssertion(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		a := h.newAsserter("signer")
		now := h.clock.Now()
		for name, changes := range map[string][]any{
			"issuer":              {},
			"token endpoint":      {"aud", h.issuer + pathToken},
			"both":                {"aud", []string{h.issuer, h.issuer + pathToken}},
			"list of one":         {"aud", []string{h.issuer}},
			"without iat":         {"iat", nil},
			"exp just over":       {"exp", now.Add(-10 * time.Second).Unix(), "iat", now.Add(-time.Minute).Unix()},
			"iat 10 s ahead":      {"iat", now.Add(10 * time.Second).Unix(), "nbf", now.Add(10 * time.Second).Unix()},
			"exp in an hour":      {"exp", now.Add(time.Hour).Unix()},
			"further claims":      {"custom", map[string]any{"a": 1}},
			"jti of another time": {"jti", "1"},
		} {
			if got := a.token(a.assertion(changes...)); got.Status != http.StatusOK {
				t.Errorf("%s: %s", name, got)
			}
		}
		for _, typ := range []string{"JWT", "jwt", "client-authentication+jwt"} {
			header := a.header
			header.Typ = typ
			if got := a.token(a.sign(header, a.claims())); got.Status != http.StatusOK {
				t.Errorf("typ %s: %s", typ, got)
			}
		}
		token := a.token(a.assertion(), "client_id", "signer").member("access_token")
		if got := a.post(pathIntrospect, a.assertion("aud", h.issuer+pathIntrospect), "token", token); !got.active() {
			t.Errorf("introspection: %s", got)
		}
		if got := a.post(pathRevoke, a.assertion("aud", h.issuer+pathRevoke), "token", token); got.Status != http.StatusOK {
			t.Errorf("revocation: %s", got)
		}
	}, withAssertions)
}

// TestClientAssertionForCode is private_key_jwt in the code flow and at refresh, with every algorithm of key pairs.
func TestClientAssertionForCode(t *testing.T) {
	t.Parallel()
	h := together(t, withAssertions)
	for _, alg := range jose.Supported() {
		a := &asserter{h: h, clientID: "app-" + string(alg), key: generateKey(alg), header: jose.Header{Alg: alg}}
		document, err := jose.Set([]jose.PublicKey{{ID: "k", Algorithm: alg, Key: a.key.Public()}})
		h.must(err)
		h.register(&oidc.Client{
			ClientID: a.clientID, AuthMethod: oidc.PrivateKeyJWT, JWKS: document, AuthSigningAlg: string(alg), RedirectURIs: []string{callback},
		})
		got := h.issued(a.post(pathToken, a.assertion(), "grant_type", "authorization_code", "code", h.code(a.clientID),
			"redirect_uri", callback, "code_verifier", verifier))
		again := a.post(pathToken, a.assertion(), "grant_type", "refresh_token", "refresh_token", got.RefreshToken)
		if again.member("refresh_token") == "" {
			t.Errorf("%s: refresh: %s", alg, again)
		}
	}
}

// TestClientSecretJWT is client_secret_jwt (OpenID Connect Core §9): the secret is sealed for clients of this method and no others.
func TestClientSecretJWT(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		const id = "hmac"
		c := h.register(&oidc.Client{ClientID: id, AuthMethod: oidc.ClientSecretJWT, GrantTypes: []oidc.GrantType{oidc.ClientCredentials}, Scopes: []string{"read"}})
		if c.SealedSecret == "" || strings.Contains(string(c.SealedSecret), clientSecret(id)) {
			t.Fatalf("the secret is kept as %q", c.SealedSecret)
		}
		a := &asserter{h: h, clientID: id, header: jose.Header{Alg: jose.HS256}}
		token := func(value string) *answer {
			return a.token(rawJWT(map[string]any{"alg": "HS256"}, a.claims(), hs256(value)))
		}
		if got := token(clientSecret(id)); got.Status != http.StatusOK {
			t.Errorf("the client's own secret: %s", got)
		}
		if got := token(clientSecret(web)); got.errorCode() != "invalid_client" {
			t.Errorf("another's secret: %s", got)
		}
		if got := h.post(pathToken, id, values("grant_type", "client_credentials")); got.errorCode() != "invalid_client" {
			t.Errorf("the secret by Basic: %s", got)
		}
		c = h.client(id)
		fresh, err := h.Clients.RotateSecret(t.Context(), c)
		h.must(err)
		h.noteSecret("rotated secret", fresh)
		h.clock.advance(2 * time.Second)
		if got := token(clientSecret(id)); got.errorCode() != "invalid_client" {
			t.Errorf("the old secret: %s", got)
		}
		if got := token(fresh); got.Status != http.StatusOK {
			t.Errorf("the new secret: %s", got)
		}
		c = h.client(id)
		c.AuthMethod = oidc.ClientSecretBasic
		h.must(h.Clients.Replace(t.Context(), c))
		if c = h.client(id); c.SealedSecret != "" {
			t.Error("the secret is still kept for a client that no longer signs with it")
		}
		c.AuthMethod = oidc.ClientSecretJWT
		if got := fields(h.Clients.Replace(t.Context(), c)); !slices.Equal(got, []string{"client_secret"}) {
			t.Errorf("problems with %v of a client whose secret is only a hash", got)
		}
	}, withAssertions)
}

// rawJWT makes a token of any header, signed by any means.
func rawJWT(header, claims map[string]any, sign func(input []byte) []byte) string {
	var input string
	for _, part := range []map[string]any{header, claims} {
		encoded, err := json.Marshal(part)
		if err != nil {
			panic(err)
		}
		input += base64.RawURLEncoding.EncodeToString(encoded) + "."
	}
	input = strings.TrimSuffix(input, ".")
	return input + "." + base64.RawURLEncoding.EncodeToString(sign([]byte(input)))
}

func hs256(key string) func([]byte) []byte {
	return func(input []byte) []byte {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write(input)
		return mac.Sum(nil)
	}
}

// The settings of clients that authenticate by assertions (OpenID Connect Registration §2).
func TestClientAssertionSettings(t *testing.T) {
	t.Parallel()
	h := together(t, withAssertions)
	set := h.newAsserter("signer").jwks()
	for name, row := range map[string]struct {
		client oidc.Client
		want   []string
	}{
		"no keys":         {oidc.Client{AuthMethod: oidc.PrivateKeyJWT}, []string{"jwks"}},
		"two places":      {oidc.Client{AuthMethod: oidc.PrivateKeyJWT, JWKS: set, JWKSURI: "https://app.example/jwks"}, []string{"jwks"}},
		"broken keys":     {oidc.Client{AuthMethod: oidc.PrivateKeyJWT, JWKS: json.RawMessage(`{"keys":[{"kty":"oct","k":"AAAA"}]}`)}, []string{"jwks"}},
		"empty keys":      {oidc.Client{AuthMethod: oidc.PrivateKeyJWT, JWKS: json.RawMessage(`{"keys":[]}`)}, []string{"jwks"}},
		"http":            {oidc.Client{AuthMethod: oidc.PrivateKeyJWT, JWKSURI: "http://app.example/jwks"}, []string{"jwks_uri"}},
		"inside":          {oidc.Client{AuthMethod: oidc.PrivateKeyJWT, JWKSURI: "https://169.254.169.254/jwks"}, []string{"jwks_uri"}},
		"none":            {oidc.Client{AuthMethod: oidc.PrivateKeyJWT, JWKS: set, AuthSigningAlg: "none"}, []string{"token_endpoint_auth_signing_alg"}},
		"HMAC with keys":  {oidc.Client{AuthMethod: oidc.PrivateKeyJWT, JWKS: set, AuthSigningAlg: "HS256"}, []string{"token_endpoint_auth_signing_alg"}},
		"alg without use": {oidc.Client{AuthSigningAlg: "ES256"}, []string{"token_endpoint_auth_signing_alg"}},
	} {
		row.client.GrantTypes, row.client.Scopes = []oidc.GrantType{oidc.ClientCredentials}, []string{"read"}
		_, err := h.Clients.Create(t.Context(), name, &row.client)
		if got := fields(err); !slices.Equal(got, row.want) {
			t.Errorf("%s: problems with %v, want %v", name, got, row.want)
		}
	}
	if _, err := h.Clients.Create(t.Context(), "with a secret", &oidc.Client{
		AuthMethod: oidc.PrivateKeyJWT, JWKS: set, SecretHash: secret.New().Hash(), GrantTypes: []oidc.GrantType{oidc.ClientCredentials},
	}); !slices.Contains(fields(err), "token_endpoint_auth_method") {
		t.Errorf("a client with keys and a secret: %v", err)
	}
}

func TestClientAssertionsConfig(t *testing.T) {
	t.Parallel()
	for _, f := range []oidc.ClientAssertions{
		{Algorithms: []string{"none"}}, {Algorithms: []string{"HS256"}}, {Algorithms: []string{}}, {MaxLifetime: time.Second}, {MaxLifetime: 25 * time.Hour},
	} {
		if err := newError(t, func(c *oidc.Config) { c.Features.ClientAssertions = &f }); err == nil || !strings.Contains(err.Error(), "ClientAssertions") {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

// newError is the error of New for an edited configuration.
func newError(t *testing.T, edit func(*oidc.Config)) error {
	t.Helper()
	h := together(t)
	config := oidc.Config{Issuer: h.issuer, DB: h.db, Directory: h.people, Keys: staticKeys{}, Interact: h.persona.Interact}
	edit(&config)
	_, err := oidc.New(config)
	return err
}

// publisher serves a key set that the test exchanges, at https://example.com/jwks.
type publisher struct {
	document atomic.Pointer[[]byte]
	fetched  atomic.Int32
}

const publishedAt = "https://example.com/jwks"

// publishKeys adds to a configuration that example.com is a server of this test.
func publishKeys(t *testing.T) (*publisher, func(*oidc.Config)) {
	t.Helper()
	p := &publisher{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.fetched.Add(1)
		if document := p.document.Load(); document != nil {
			_, _ = w.Write(*document)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return p, func(c *oidc.Config) {
		c.Outbound = oidc.Outbound{
			RootCAs: roots,
			Resolve: func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("93.184.216.34")}, nil
			},
			Dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
			},
		}
	}
}

func (p *publisher) set(document []byte) { p.document.Store(&document) }

// TestClientKeysRotate: a client changes the keys at its jwks_uri, and is known by the new one at once (OpenID Connect Core §10.1.1); an
// unknown key is looked for at a bounded rate.
func TestClientKeysRotate(t *testing.T) {
	t.Parallel()
	p, outbound := publishKeys(t)
	h := together(t, withAssertions, outbound)
	a := h.newAsserter("signer", func(c *oidc.Client) { c.JWKS, c.JWKSURI = nil, publishedAt })
	if got := a.token(a.assertion()); got.errorCode() != "invalid_client" {
		t.Errorf("with no key set to be had: %s", got)
	}
	h.clock.advance(time.Minute)
	p.set(a.jwks())
	h.issued(a.token(a.assertion()))
	h.issued(a.token(a.assertion()))
	if n := p.fetched.Load(); n != 2 {
		t.Errorf("fetched %d times, want 2", n)
	}
	a.key, a.header.Kid = generateKey(jose.ES256), "next"
	p.set(a.jwks())
	h.clock.advance(time.Minute)
	h.issued(a.token(a.assertion()))
	if n := p.fetched.Load(); n != 3 {
		t.Errorf("fetched %d times, want 3", n)
	}
	p.document.Store(nil) // what there was stands in
	h.clock.advance(30 * time.Minute)
	h.issued(a.token(a.assertion()))
}

func assertionDoors() []door {
	return []door{
		{name: "client assertion", config: withAssertions, done: gotTokens, open: func(h *harness) attempt {
			a := h.newAsserter("signer")
			return attempt{send: func() *answer { return a.token(a.assertion()) }}
		}},
		{name: "code with a client assertion", config: withAssertions, done: gotTokens, lost: refusedWith("invalid_grant"), open: func(h *harness) attempt {
			a := h.newAsserter("signer", func(c *oidc.Client) {
				c.GrantTypes, c.Scopes, c.RedirectURIs = nil, nil, []string{callback}
			})
			code := h.code("signer")
			return attempt{send: func() *answer {
				return a.post(pathToken, a.assertion(), "grant_type", "authorization_code", "code", code, "redirect_uri", callback, "code_verifier", verifier)
			}}
		}},
	}
}

// TestClientAssertionAtPAR: the pushed authorization request endpoint takes the issuer, the token endpoint and itself for an audience
// (RFC 9126 §2), also under the name that clients with a certificate use (RFC 8705 §5), and no other endpoint.
func TestClientAssertionAtPAR(t *testing.T) {
	t.Parallel()
	const pathPAR = "/oauth2/par"
	h := together(t, withAssertions, func(c *oidc.Config) {
		c.Features.PAR = &oidc.PAR{}
		c.Features.MutualTLS = &oidc.MutualTLS{Aliases: "https://mtls.id.example"}
	})
	a := h.newAsserter("signer", func(c *oidc.Client) { c.GrantTypes, c.Scopes, c.RedirectURIs = nil, nil, []string{callback} })
	push := func(audience string) *answer {
		form := authorization("signer")
		form.Set("client_assertion", a.assertion("aud", audience))
		form.Set("client_assertion_type", assertionType)
		return h.send(h.request(http.MethodPost, pathPAR, form))
	}
	for audience, want := range map[string]int{
		h.issuer: 201, h.issuer + pathToken: 201, h.issuer + pathPAR: 201, "https://mtls.id.example" + pathPAR: 201, "https://mtls.id.example" + pathToken: 201,
		h.issuer + pathIntrospect: 401, "https://mtls.id.example.evil" + pathPAR: 401, "https://mtls.id.example": 401, // an alias is no issuer
	} {
		if got := push(audience); got.Status != want {
			t.Errorf("%s: %s", audience, got)
		}
	}
}
