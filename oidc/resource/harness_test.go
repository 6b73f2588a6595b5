package resource_test

import (
	"crypto"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/dpop"
	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc/resource"
)

const api = "https://api.example/v1"

// issuer is an authorization server on loopback, with a key, and opinions about opaque tokens.
type issuer struct {
	*httptest.Server
	tb  testing.TB
	key crypto.Signer

	mu     sync.Mutex
	opaque map[string]string // answers of the introspection endpoint
	down   bool
	status int // of answers to introspection; 0 is 200
	// untyped says that signed answers do not say that they are.
	untyped bool
	asked   int
}

func newIssuer(tb testing.TB) *issuer {
	tb.Helper()
	key, err := jose.GenerateKey(jose.ES256)
	if err != nil {
		tb.Fatal(err)
	}
	s := &issuer{tb: tb, key: key, opaque: map[string]string{}}
	set, err := jose.Set([]jose.PublicKey{{ID: "1", Algorithm: jose.ES256, Key: key.Public()}})
	if err != nil {
		tb.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q,"authorization_endpoint":%q,"token_endpoint":%q}`, s.URL, s.URL+"/jwks", s.URL+"/a", s.URL+"/t")
	})
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) })
	mux.HandleFunc("POST /introspect", s.introspect)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		down := s.down
		s.mu.Unlock()
		if down {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	tb.Cleanup(s.Close)
	return s
}

func (s *issuer) introspect(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if id, secret, _ := r.BasicAuth(); id != "api" || secret != "s3cret" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	answer, ok := s.opaque[r.FormValue("token")]
	if !ok {
		answer = `{"active":false}`
	}
	if strings.Count(answer, ".") == 2 && r.Header.Get("Accept") == "application/token-introspection+jwt" && !s.untyped {
		w.Header().Set("Content-Type", "application/token-introspection+jwt")
	}
	if s.status != 0 {
		w.WriteHeader(s.status)
	}
	_, _ = w.Write([]byte(answer))
}

func (s *issuer) says(token, answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opaque[token] = answer
}

func (s *issuer) answers(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

func (s *issuer) fails() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = true
}

// claims are good ones, with pairs of names and values that replace them; a nil takes a claim away.
func (s *issuer) claims(changes ...any) map[string]any {
	now := time.Now()
	c := map[string]any{
		"iss": s.URL, "sub": "ann", "aud": api, "exp": now.Add(time.Hour).Unix(), "iat": now.Unix(), "jti": "1", "client_id": "web",
		"scope": "read", "auth_time": now.Add(-time.Minute).Unix(), "acr": "aal1",
	}
	for i := 0; i < len(changes); i += 2 {
		c[changes[i].(string)] = changes[i+1]
	}
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// token signs claims.
func (s *issuer) token(changes ...any) string { return s.sign("at+jwt", s.claims(changes...)) }

func (s *issuer) sign(typ string, claims map[string]any) string {
	s.tb.Helper()
	text, err := jose.Sign(encode(s.tb, claims), jose.Header{Alg: jose.ES256, Kid: "1", Typ: typ}, s.key)
	if err != nil {
		s.tb.Fatal(err)
	}
	return text
}

func encode(tb testing.TB, v any) []byte {
	tb.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// guard protects api with the issuer's tokens.
func (s *issuer) guard(edit ...func(*resource.Config)) *resource.Guard {
	s.tb.Helper()
	config := resource.Config{Resource: api, Issuers: []string{s.URL}, Client: s.Client()}
	for _, e := range edit {
		e(&config)
	}
	g, err := resource.New(config)
	if err != nil {
		s.tb.Fatal(err)
	}
	return g
}

func introspecting(s *issuer) func(*resource.Config) {
	return func(c *resource.Config) {
		c.Introspection = &resource.Introspection{Endpoint: s.URL + "/introspect", ClientID: "api", ClientSecret: "s3cret"}
	}
}

// prover is a client with a key.
type prover struct {
	tb    testing.TB
	key   crypto.Signer
	nonce string
}

func newProver(tb testing.TB) *prover {
	tb.Helper()
	key, err := jose.GenerateKey(jose.ES256)
	if err != nil {
		tb.Fatal(err)
	}
	return &prover{tb: tb, key: key}
}

func (p *prover) jkt() string {
	p.tb.Helper()
	jkt, err := jose.Thumbprint(p.key.Public())
	if err != nil {
		p.tb.Fatal(err)
	}
	return jkt
}

func (p *prover) proof(method, url, token string) string {
	p.tb.Helper()
	text, err := dpop.Sign(p.key, jose.ES256, dpop.Request{Method: method, URL: url, Token: token}, p.nonce, time.Now())
	if err != nil {
		p.tb.Fatal(err)
	}
	return text
}

// call sends a request to what is protected, with headers as "Name: value", and returns the answer; what is behind says "in".
func call(h http.Handler, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, api+"/orders?page=2", nil)
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func inside() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("in as " + resource.FromContext(r.Context()).Subject))
	})
}

// challenge returns one parameter of the answer's challenge in a scheme.
func challenge(w *httptest.ResponseRecorder, scheme, parameter string) string {
	for _, line := range w.Header().Values("WWW-Authenticate") {
		if rest, ok := strings.CutPrefix(line, scheme+" "); ok {
			if _, value, found := strings.Cut(", "+rest, ", "+parameter+`="`); found {
				value, _, _ = strings.Cut(value, `"`)
				return value
			}
		}
	}
	return ""
}
