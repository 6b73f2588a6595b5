package resource_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/clientcert"
	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/oidc/resource"
)

// TestConfig holds that everything that makes no sense is refused at once.
func TestConfig(t *testing.T) {
	t.Parallel()
	_, err := resource.New(resource.Config{
		Resource: "http://api.example/?q", NonceKey: []byte("short"), Algorithms: []string{"HS256"},
		Introspection: &resource.Introspection{Endpoint: "ftp://x"},
	})
	for _, want := range []string{"Resource", "Issuers", "NonceKey", "HS256", "Endpoint", "ClientSecret"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	for _, bad := range []string{"", "api", "https://", "https://a#b", "https://u@a/", "https:a", "http://api.example", "HTTPS://api.example", "ftp://127.0.0.1"} {
		if _, err := resource.New(resource.Config{Resource: bad, Issuers: []string{"https://id.example"}}); err == nil {
			t.Errorf("the resource %q was accepted", bad)
		}
	}
	for what, i := range map[string]resource.Introspection{
		"no host": {Endpoint: "https:/introspect", ClientID: "api", ClientSecret: "s3cret"}, "a user": {Endpoint: "https://u@id.example/i", ClientID: "api", ClientSecret: "s3cret"},
		"not a URL": {Endpoint: "https://id.example/%zz", ClientID: "api", ClientSecret: "s3cret"}, "plain": {Endpoint: "http://id.example/i", ClientID: "api", ClientSecret: "s3cret"},
		"another scheme": {Endpoint: "ftp://127.0.0.1/i", ClientID: "api", ClientSecret: "s3cret"},
		"no client":      {Endpoint: "https://id.example/i", ClientSecret: "s3cret"}, "no secret": {Endpoint: "https://id.example/i", ClientID: "api"},
	} {
		if _, err := resource.New(resource.Config{Resource: api, Issuers: []string{"https://id.example"}, Introspection: &i}); err == nil {
			t.Errorf("introspection with %s was accepted", what)
		}
	}
}

// What the host changes of its Config later changes nothing.
func TestConfigIsCopied(t *testing.T) {
	t.Parallel()
	s := newIssuer(t)
	var mine *resource.Introspection
	h := s.guard(introspecting(s), func(c *resource.Config) { mine = c.Introspection }).Protect()(inside())
	mine.Endpoint = "https://elsewhere.example/introspect"
	s.says("good", `{"active":true,"sub":"ann","aud":"`+api+`"}`)
	if w := call(h, "Authorization: Bearer good"); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestProtect holds RFC 6750 §3 and RFC 9068 §4: a good token reaches the handler, and says whose it is.
func TestProtect(t *testing.T) {
	t.Parallel()
	s := newIssuer(t)
	g := s.guard()
	h := g.Protect("read")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := resource.FromContext(r.Context())
		var more struct {
			Department string `json:"department"`
		}
		if err := token.Decode(&more); err != nil || more.Department != "sales" {
			t.Errorf("Decode = %v, %v", more, err)
		}
		if token.ClientID != "web" || !token.Allows("read") || token.Allows("read", "write") || token.ACR != "aal1" || token.AuthTime.IsZero() {
			t.Errorf("token = %+v", token)
		}
		_, _ = w.Write([]byte("in as " + token.Subject))
	}))
	for _, scheme := range []string{"Bearer", "bearer"} {
		if w := call(h, "Authorization: "+scheme+" "+s.token("department", "sales")); w.Code != http.StatusOK || w.Body.String() != "in as ann" {
			t.Errorf("%s: %d %s", scheme, w.Code, w.Body)
		}
	}
	if w := call(h, "Authorization: Bearer "+s.token("department", "sales", "scope", []string{"read", "list"})); w.Code != http.StatusOK {
		t.Errorf("scope as a list: %d %s", w.Code, w.Body)
	}
	if w := call(h, "Authorization: Bearer "+s.token("department", "sales", "aud", []string{"other", api})); w.Code != http.StatusOK {
		t.Errorf("several audiences: %d %s", w.Code, w.Body)
	}
	if resource.FromContext(t.Context()) != nil {
		t.Error("a token out of nowhere")
	}
}

// TestChallenges holds RFC 6750 §3 and RFC 9728 §5.1: what a client learns that has no token, or not enough of one.
func TestChallenges(t *testing.T) {
	t.Parallel()
	s := newIssuer(t)
	h := s.guard().Protect("read", "write")(inside())
	const metadata = "https://api.example/.well-known/oauth-protected-resource/v1"
	for _, headers := range [][]string{nil, {"Authorization: Basic YTpi"}, {"Authorization: Bearer"}, {"Authorization: Bearer "}, {"Authorization: "}} {
		w := call(h, headers...)
		if w.Code != http.StatusUnauthorized || challenge(w, "Bearer", "resource_metadata") != metadata || challenge(w, "Bearer", "error") != "" ||
			challenge(w, "Bearer", "scope") != "read write" || challenge(w, "DPoP", "algs") == "" || w.Body.Len() > 0 {
			t.Errorf("%q: %d %v %s", headers, w.Code, w.Header(), w.Body)
		}
	}
	w := call(h, "Authorization: Bearer "+s.token())
	if w.Code != http.StatusForbidden || challenge(w, "Bearer", "error") != "insufficient_scope" || challenge(w, "Bearer", "scope") != "read write" ||
		challenge(w, "Bearer", "resource_metadata") != metadata {
		t.Errorf("too few scopes: %d %v", w.Code, w.Header())
	}
	for _, headers := range [][]string{
		{"Authorization: Bearer " + s.token(), "Authorization: Bearer " + s.token()},
		{"Authorization: Bearer a b"},
		{"Authorization: Bearer é"},
		{"Authorization: Bearer " + strings.Repeat("a", 17<<10)},
	} {
		if w := call(h, headers...); w.Code != http.StatusBadRequest || challenge(w, "Bearer", "error") != "invalid_request" {
			t.Errorf("%.60q: %d %v", headers, w.Code, w.Header())
		}
	}
}

// TestStepUp holds RFC 9470 §3 and §4: a sign-in that is too weak or too old is asked for again.
func TestStepUp(t *testing.T) {
	t.Parallel()
	s := newIssuer(t)
	g := s.guard()
	strong := g.With(resource.Requirement{Scopes: []string{"read"}, ACR: []string{"aal2", "aal3"}})(inside())
	w := call(strong, "Authorization: Bearer "+s.token())
	if w.Code != http.StatusUnauthorized || challenge(w, "Bearer", "error") != "insufficient_user_authentication" || challenge(w, "Bearer", "acr_values") != "aal2 aal3" {
		t.Errorf("too weak: %d %v", w.Code, w.Header())
	}
	if w := call(strong, "Authorization: Bearer "+s.token("acr", "aal2")); w.Code != http.StatusOK {
		t.Errorf("strong enough: %d %s", w.Code, w.Body)
	}
	// In the handler, which knows best.
	pay := g.Protect()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.Require(w, r, resource.Requirement{MaxAge: 30 * time.Second}) {
			_, _ = w.Write([]byte("paid"))
		}
	}))
	for _, token := range []string{s.token(), s.token("auth_time", nil)} {
		w = call(pay, "Authorization: Bearer "+token)
		if w.Code != http.StatusUnauthorized || challenge(w, "Bearer", "error") != "insufficient_user_authentication" || challenge(w, "Bearer", "max_age") != "30" {
			t.Errorf("too old: %d %v %s", w.Code, w.Header(), w.Body)
		}
	}
	if w := call(pay, "Authorization: Bearer "+s.token("auth_time", time.Now().Unix())); w.Body.String() != "paid" {
		t.Errorf("fresh: %d %s", w.Code, w.Body)
	}
	naked := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.Require(w, r, resource.Requirement{}) })
	if w := call(naked); w.Code != http.StatusUnauthorized {
		t.Errorf("Require where nothing protects: %d", w.Code)
	}
}

// TestMetadata holds RFC 9728 §2 and §3: what the document says and where it lies.
func TestMetadata(t *testing.T) {
	t.Parallel()
	for identifier, path := range map[string]string{
		"https://api.example":        "/.well-known/oauth-protected-resource",
		"https://api.example/":       "/.well-known/oauth-protected-resource",
		"https://api.example/v1":     "/.well-known/oauth-protected-resource/v1",
		"https://api.example/v1/":    "/.well-known/oauth-protected-resource/v1/",
		"http://localhost:8080/mcp":  "/.well-known/oauth-protected-resource/mcp",
		"https://api.example/a%20b/": "/.well-known/oauth-protected-resource/a%20b/",
	} {
		g, err := resource.New(resource.Config{Resource: identifier, Issuers: []string{"https://id.example"}, Scopes: []string{"read"}, Name: "API"})
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		g.Mount(mux)
		r := httptest.NewRequest(http.MethodGet, path, nil)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		var m struct {
			Resource string   `json:"resource"`
			Servers  []string `json:"authorization_servers"`
			Scopes   []string `json:"scopes_supported"`
			Methods  []string `json:"bearer_methods_supported"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil || w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", identifier, w.Code, w.Body)
			continue
		}
		if m.Resource != identifier || len(m.Servers) != 1 || len(m.Scopes) != 1 || m.Methods[0] != "header" || w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %+v %v", identifier, m, w.Header())
		}
	}
}

// TestAttackTokens holds RFC 9068 §4 and the table of claims that must be there: each token lacks one thing.
func TestAttackTokens(t *testing.T) {
	t.Parallel()
	s, other := newIssuer(t), newIssuer(t)
	h := s.guard().Protect()(inside())
	good := s.token()
	for name, token := range map[string]string{
		"no issuer":           s.token("iss", nil),
		"another issuer":      s.token("iss", other.URL),
		"of another issuer":   other.token(),
		"by another's key":    other.token("iss", s.URL),
		"no audience":         s.token("aud", nil),
		"another audience":    s.token("aud", api+"/"),
		"the audience begun":  s.token("aud", "https://api.example"),
		"no end":              s.token("exp", nil),
		"expired":             s.token("exp", time.Now().Add(-2*time.Minute).Unix()),
		"end as text":         s.token("exp", "soon"),
		"not yet":             s.token("nbf", time.Now().Add(time.Hour).Unix()),
		"issued later":        s.token("iat", time.Now().Add(time.Hour).Unix()),
		"an ID token":         s.sign("JWT", s.claims()),
		"no type":             s.sign("", s.claims()),
		"a logout token":      s.sign("logout+jwt", s.claims()),
		"scope is no list":    s.token("scope", []any{"read", 1}),
		"scope of two in one": s.token("scope", []string{"read write"}),
		"cut short":           good[:len(good)-2],
		"another signature":   good[:strings.LastIndex(good, ".")+1] + s.token("sub", "bob")[strings.LastIndex(good, ".")+1:],
		"nothing signed":      "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0." + strings.Split(good, ".")[1] + ".",
		"opaque":              "opaque",
		"three dots":          "a.b.c.d",
	} {
		if w := call(h, "Authorization: Bearer "+token); w.Code != http.StatusUnauthorized || challenge(w, "Bearer", "error") != "invalid_token" {
			t.Errorf("%s: %d %v %s", name, w.Code, w.Header(), w.Body)
		}
	}
	secretKey := []byte(strings.Repeat("k", 32))
	forged, err := jose.SignSecret(encode(t, s.claims()), jose.Header{Alg: jose.HS256, Kid: "1", Typ: "at+jwt"}, secretKey)
	if err != nil {
		t.Fatal(err)
	}
	if w := call(h, "Authorization: Bearer "+forged); w.Code != http.StatusUnauthorized {
		t.Errorf("symmetric: %d", w.Code)
	}
}

// TestAttackTokenPlaces holds RFC 9700 §4.3.2: the query and the body are no places for a token.
func TestAttackTokenPlaces(t *testing.T) {
	t.Parallel()
	s := newIssuer(t)
	h := s.guard().Protect()(inside())
	form := url.Values{"access_token": {s.token()}}
	inBody := httptest.NewRequest(http.MethodPost, api, strings.NewReader(form.Encode()))
	inBody.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, r := range map[string]*http.Request{"query": httptest.NewRequest(http.MethodGet, api+"?"+form.Encode(), nil), "body": inBody} {
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}

// TestIntrospection holds RFC 7662 §2.2: opaque tokens are put to the endpoint, and must be for us.
func TestIntrospection(t *testing.T) {
	t.Parallel()
	s := newIssuer(t)
	h := s.guard(introspecting(s)).Protect("read")(inside())
	s.says("good", `{"active":true,"sub":"ann","aud":"`+api+`","scope":"read","client_id":"web"}`)
	if w := call(h, "Authorization: Bearer good"); w.Code != http.StatusOK {
		t.Errorf("good: %d %s", w.Code, w.Body)
	}
	for _, scheme := range []string{"bearer", "dpop"} { // RFC 6749 §7.1: in whatever case
		s.says(scheme, `{"active":true,"token_type":"`+scheme+`","aud":"`+api+`","scope":"read"}`)
		if w := call(h, "Authorization: Bearer "+scheme); w.Code != http.StatusOK {
			t.Errorf("token_type %s: %d %s", scheme, w.Code, w.Body)
		}
	}
	for token, answer := range map[string]string{
		"inactive":       `{"active":false,"aud":"` + api + `","scope":"read"}`,
		"for-another":    `{"active":true,"aud":"https://other.example","scope":"read"}`,
		"for-nobody":     `{"active":true,"scope":"read"}`,
		"of-another":     `{"active":true,"iss":"https://other.example","aud":"` + api + `","scope":"read"}`,
		"expired":        `{"active":true,"aud":"` + api + `","scope":"read","exp":1}`,
		"refresh-token":  `{"active":true,"aud":"` + api + `","scope":"read","token_type":"refresh_token"}`,
		"bound":          `{"active":true,"aud":"` + api + `","scope":"read","cnf":{"jkt":"x"}}`,
		"bound-by-other": `{"active":true,"aud":"` + api + `","scope":"read","cnf":{"kid":"x"}}`,
	} {
		s.says(token, answer)
		if w := call(h, "Authorization: Bearer "+token); w.Code != http.StatusUnauthorized || challenge(w, "Bearer", "error") != "invalid_token" {
			t.Errorf("%s: %d %s", token, w.Code, w.Body)
		}
	}
	// Who asks the endpoint of one of several issuers cannot tell whose an answer is that does not say so.
	several := s.guard(introspecting(s), func(c *resource.Config) { c.Issuers = append(c.Issuers, "https://other.example") }).Protect("read")(inside())
	if w := call(several, "Authorization: Bearer good"); w.Code != http.StatusUnauthorized {
		t.Errorf("of nobody in particular: %d %s", w.Code, w.Body)
	}
	before := s.asked
	if w := call(h, "Authorization: Bearer "+s.token()); w.Code != http.StatusOK || s.asked != before {
		t.Errorf("a JWT: %d, asked %d times", w.Code, s.asked-before)
	}
	every := s.guard(introspecting(s), func(c *resource.Config) { c.Introspection.EveryToken = true }).Protect()(inside())
	if w := call(every, "Authorization: Bearer "+s.token()); w.Code != http.StatusUnauthorized {
		t.Errorf("a JWT that the endpoint does not know: %d", w.Code)
	}
}

// TestUnavailable: an issuer, or a memory of proofs, that does not answer is "not now", never "no" and never "yes".
func TestUnavailable(t *testing.T) {
	t.Parallel()
	s := newIssuer(t)
	byKeys, byAsking := s.guard().Protect()(inside()), s.guard(introspecting(s)).Protect()(inside())
	for _, answer := range []string{"", "no JSON", `{"active":true`, `{"active":true,"active":false}`, `[]`, strings.Repeat(" ", 300<<10) + "{}"} {
		s.says("opaque", answer)
		if w := call(byAsking, "Authorization: Bearer opaque"); w.Code != http.StatusServiceUnavailable {
			t.Errorf("an answer %.20q: %d", answer, w.Code)
		}
	}
	good := `{"active":true,"aud":"` + api + `"}`
	s.says("opaque", good+strings.Repeat(" ", 300<<10))
	if w := call(byAsking, "Authorization: Bearer opaque"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("an answer without end: %d", w.Code)
	}
	for _, status := range []int{http.StatusCreated, http.StatusFound, http.StatusUnauthorized, http.StatusInternalServerError} {
		s.says("opaque", good)
		s.answers(status)
		if w := call(byAsking, "Authorization: Bearer opaque"); w.Code != http.StatusServiceUnavailable {
			t.Errorf("an answer with status %d: %d", status, w.Code)
		}
	}
	s.fails()
	broken := s.guard(func(c *resource.Config) { c.Verifier = brokenVerifier{} }).Protect()(inside())
	for name, h := range map[string]http.Handler{"keys": byKeys, "endpoint": byAsking, "verifier": broken} {
		token := "opaque"
		if name == "keys" {
			token = s.token()
		}
		w := call(h, "Authorization: Bearer "+token)
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || w.Header().Get("WWW-Authenticate") != "" {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
	}
	p := newProver(t)
	forgetful := s.guard(func(c *resource.Config) {
		c.Verifier, c.Replays = vouching(s.claims("cnf", map[string]string{"jkt": p.jkt()})), brokenVerifier{}
	})
	w := call(forgetful.Protect()(inside()), "Authorization: DPoP token", "DPoP: "+p.proof(http.MethodGet, api+"/orders", "token"))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("replays: %d %s", w.Code, w.Body)
	}
}

// brokenVerifier knows nothing.
type brokenVerifier struct{}

func (brokenVerifier) VerifyAccessToken(context.Context, string) (json.RawMessage, error) {
	return nil, errors.New("broken")
}

func (brokenVerifier) UseProof(context.Context, string, time.Time, time.Time) (bool, error) {
	return false, errors.New("broken")
}

// vouching is a Verifier for which every token has these claims.
type vouching map[string]any

func (v vouching) VerifyAccessToken(context.Context, string) (json.RawMessage, error) {
	return json.Marshal(v)
}

// TestVerifier holds that what a Verifier vouches for is judged all the same.
func TestVerifier(t *testing.T) {
	t.Parallel()
	s := newIssuer(t)
	for name, c := range map[string]struct {
		claims map[string]any
		status int
	}{
		"good":             {s.claims(), http.StatusOK},
		"another audience": {s.claims("aud", "https://other.example"), http.StatusUnauthorized},
		"another issuer":   {s.claims("iss", "https://other.example"), http.StatusUnauthorized},
		"no end":           {s.claims("exp", nil), http.StatusUnauthorized},
		"no issuer":        {s.claims("iss", nil), http.StatusUnauthorized},
		"not yet":          {s.claims("nbf", time.Now().Add(2*time.Minute).Unix()), http.StatusUnauthorized},
		"nearly":           {s.claims("nbf", time.Now().Add(30*time.Second).Unix()), http.StatusOK},
		"a scope of none":  {s.claims("scope", []string{"read", ""}), http.StatusUnauthorized},
		"two in one scope": {s.claims("scope", []string{"read write"}), http.StatusUnauthorized},
		"bound":            {s.claims("cnf", map[string]string{"jkt": "x"}), http.StatusUnauthorized},
	} {
		h := s.guard(func(g *resource.Config) { g.Verifier = vouching(c.claims) }).Protect()(inside())
		if w := call(h, "Authorization: Bearer token"); w.Code != c.status {
			t.Errorf("%s: %d, want %d", name, w.Code, c.status)
		}
	}
}

// TestAttackBoundTokens holds RFC 9449 §7.1: a bound token comes with a proof by its key, for this token and request, once.
func TestAttackBoundTokens(t *testing.T) {
	t.Parallel()
	s := newIssuer(t)
	p, thief := newProver(t), newProver(t)
	h := s.guard().Protect("read")(inside())
	token, bearer := s.token("cnf", map[string]string{"jkt": p.jkt()}), s.token()
	const at = api + "/orders"
	for name, headers := range map[string][]string{
		"as a bearer token":              {"Authorization: Bearer " + token},
		"as a bearer token, with proof":  {"Authorization: Bearer " + token, "DPoP: " + p.proof("GET", at, token)},
		"as a bearer token, with empty":  {"Authorization: Bearer " + token, "DPoP: "},
		"without a proof":                {"Authorization: DPoP " + token},
		"with an empty proof":            {"Authorization: DPoP " + token, "DPoP: "},
		"with two proofs":                {"Authorization: DPoP " + token, "DPoP: " + p.proof("GET", at, token), "DPoP: " + p.proof("GET", at, token)},
		"by another key":                 {"Authorization: DPoP " + token, "DPoP: " + thief.proof("GET", at, token)},
		"for another token":              {"Authorization: DPoP " + token, "DPoP: " + p.proof("GET", at, bearer)},
		"for no token":                   {"Authorization: DPoP " + token, "DPoP: " + p.proof("GET", at, "")},
		"for another method":             {"Authorization: DPoP " + token, "DPoP: " + p.proof("POST", at, token)},
		"for another path":               {"Authorization: DPoP " + token, "DPoP: " + p.proof("GET", at+"/1", token)},
		"for another host":               {"Authorization: DPoP " + token, "DPoP: " + p.proof("GET", "https://evil.example/v1/orders", token)},
		"a bearer token with a proof":    {"Authorization: DPoP " + bearer, "DPoP: " + p.proof("GET", at, bearer)},
		"a proof in the place of tokens": {"Authorization: DPoP", "DPoP: " + p.proof("GET", at, token)},
	} {
		if w := call(h, headers...); w.Code != http.StatusUnauthorized && w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	proof := p.proof("GET", at, token)
	if w := call(h, "Authorization: DPoP "+token, "DPoP: "+proof); w.Code != http.StatusOK {
		t.Errorf("with its proof: %d %s", w.Code, w.Body)
	}
	w := call(h, "Authorization: DPoP "+token, "DPoP: "+proof)
	if w.Code != http.StatusUnauthorized || challenge(w, "DPoP", "error") != "invalid_dpop_proof" || len(w.Header().Values("WWW-Authenticate")) != 1 {
		t.Errorf("with a used proof: %d %v", w.Code, w.Header())
	}
	only := s.guard(func(c *resource.Config) { c.RequireDPoP = true }).Protect()(inside())
	if w := call(only, "Authorization: DPoP "+token, "DPoP: "+p.proof("GET", at, token)); w.Code != http.StatusOK {
		t.Errorf("a bound token where no others are taken: %d %s", w.Code, w.Body)
	}
	w = call(only, "Authorization: Bearer "+bearer)
	if w.Code != http.StatusUnauthorized || challenge(w, "Bearer", "resource_metadata") != "" || challenge(w, "DPoP", "algs") == "" {
		t.Errorf("a bearer token where none is taken: %d %v", w.Code, w.Header())
	}
}

// TestAttackProofInParallel holds RFC 9449 §11.1: of 64 requests with one proof, one gets in.
func TestAttackProofInParallel(t *testing.T) {
	t.Parallel()
	s := newIssuer(t)
	p := newProver(t)
	h := s.guard().Protect()(inside())
	token := s.token("cnf", map[string]string{"jkt": p.jkt()})
	proof := p.proof("GET", api+"/orders", token)
	var wins atomic.Int32
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if call(h, "Authorization: DPoP "+token, "DPoP: "+proof).Code == http.StatusOK {
				wins.Add(1)
			}
		})
	}
	wg.Wait()
	if wins.Load() != 1 {
		t.Errorf("%d got in", wins.Load())
	}
}

// TestNonce holds RFC 9449 §9: the resource has nonces of its own.
func TestNonce(t *testing.T) {
	t.Parallel()
	s := newIssuer(t)
	p := newProver(t)
	h := s.guard(func(c *resource.Config) { c.RequireNonce = true }).Protect()(inside())
	token := s.token("cnf", map[string]string{"jkt": p.jkt()})
	send := func() *httptest.ResponseRecorder {
		return call(h, "Authorization: DPoP "+token, "DPoP: "+p.proof("GET", api+"/orders", token))
	}
	if w := call(h); w.Code != http.StatusUnauthorized || w.Header().Get("DPoP-Nonce") == "" { // whoever comes for the first time learns it
		t.Errorf("without a token: %d %v", w.Code, w.Header())
	}
	w := send()
	if w.Code != http.StatusUnauthorized || challenge(w, "DPoP", "error") != "use_dpop_nonce" || len(w.Header().Values("WWW-Authenticate")) != 1 ||
		len(w.Header().Values("DPoP-Nonce")) != 1 {
		t.Fatalf("without: %d %v", w.Code, w.Header())
	}
	p.nonce = w.Header().Get("DPoP-Nonce")
	if w := send(); w.Code != http.StatusOK || w.Header().Get("DPoP-Nonce") != "" {
		t.Errorf("with: %d %v", w.Code, w.Header())
	}
	p.nonce = secret.Hash("made up")
	if w := send(); challenge(w, "DPoP", "error") != "use_dpop_nonce" {
		t.Errorf("made up: %d %v", w.Code, w.Header())
	}
	optional := s.guard().Protect()(inside())
	if w := call(optional); w.Header().Get("DPoP-Nonce") != "" {
		t.Errorf("where none is demanded: %v", w.Header())
	}
	made := call(optional, "Authorization: DPoP "+token, "DPoP: "+p.proof("GET", api+"/orders", token))
	if challenge(made, "DPoP", "error") != "use_dpop_nonce" {
		t.Errorf("made up, where none is demanded: %d %v", made.Code, made.Header())
	}
}

// Nodes with one NonceKey know each other's nonces; one of the period before is good, and comes with the next (RFC 9449 §8.2). Without a key
// each Guard has its own, which nobody can guess.
func TestNonceKey(t *testing.T) {
	t.Parallel()
	s := newIssuer(t)
	p, now := newProver(t), time.Now()
	token := s.token("cnf", map[string]string{"jkt": p.jkt()})
	node := func(key []byte, at time.Time) http.Handler {
		return s.guard(func(c *resource.Config) {
			c.RequireNonce, c.NonceKey, c.Now = true, key, func() time.Time { return at }
		}).Protect()(inside())
	}
	shared := []byte("a key of at least thirty-two bytes")
	for name, c := range map[string]struct {
		key    []byte
		ago    time.Duration
		status int
		next   bool
	}{
		"another node":      {shared, 0, http.StatusOK, false},
		"the period before": {shared, 2 * time.Minute, http.StatusOK, true},
		"long ago":          {shared, 4 * time.Minute, http.StatusUnauthorized, true},
		"a key of its own":  {nil, 0, http.StatusUnauthorized, true},
		"not even an empty": {make([]byte, 32), 0, http.StatusUnauthorized, true},
	} {
		p.nonce = call(node(c.key, now.Add(-c.ago))).Header().Get("DPoP-Nonce")
		mine := shared
		if c.key == nil || name == "not even an empty" {
			mine = nil
		}
		w := call(node(mine, now), "Authorization: DPoP "+token, "DPoP: "+p.proof("GET", api+"/orders", token))
		if w.Code != c.status || w.Header().Get("DPoP-Nonce") != "" != c.next {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
	}
}

// holding is an issuer whose tokens are bound to the browser with a cookie.
type holding struct{ vouching }

func (holding) HeldBy(r *http.Request, claims json.RawMessage) bool {
	c, err := r.Cookie("browser")
	return err == nil && strings.Contains(string(claims), `"`+c.Value+`"`)
}

// A token that is bound to a browser counts from that one alone, where the issuer's cookies come: on its host, by its scheme.
func TestAttackTokenOfAnotherBrowser(t *testing.T) {
	t.Parallel()
	s := newIssuer(t)
	for issuer, comes := range map[string]bool{
		"https://api.example": true, "https://API.example:8443/t": true, "http://api.example": false, "https://id.example": false, "https://api.example/%zz": false,
	} {
		h := s.guard(func(c *resource.Config) {
			c.Issuers, c.Verifier = []string{issuer}, holding{vouching(s.claims("iss", issuer, "browser", "ann's"))}
		}).Protect()(inside())
		for cookie, held := range map[string]bool{"": false, "Cookie: browser=eve's": false, "Cookie: browser=ann's": true} {
			want := http.StatusOK
			if comes && !held {
				want = http.StatusUnauthorized
			}
			headers := []string{"Authorization: Bearer token"}
			if cookie != "" {
				headers = append(headers, cookie)
			}
			if w := call(h, headers...); w.Code != want {
				t.Errorf("issuer %s, %q: %d, want %d: %s", issuer, cookie, w.Code, want, w.Body)
			}
		}
	}
}

// remembering is a Verifier that knows which proofs were used.
type remembering struct {
	vouching
	used *atomic.Int32
}

func (v remembering) UseProof(context.Context, string, time.Time, time.Time) (bool, error) {
	return v.used.Add(1) == 1, nil
}

// A Verifier that remembers proofs is asked for every one of them, so that all nodes have one memory.
func TestReplaysOfTheVerifier(t *testing.T) {
	t.Parallel()
	s := newIssuer(t)
	p := newProver(t)
	verifier := remembering{vouching(s.claims("cnf", map[string]string{"jkt": p.jkt()})), new(atomic.Int32)}
	h := s.guard(func(c *resource.Config) { c.Verifier = verifier }).Protect()(inside())
	for i, want := range []int{http.StatusOK, http.StatusUnauthorized} {
		if w := call(h, "Authorization: DPoP token", "DPoP: "+p.proof("GET", api+"/orders", "token")); w.Code != want || int(verifier.used.Load()) != i+1 {
			t.Errorf("%d: %d %s", i, w.Code, w.Body)
		}
	}
}

// The log has why, for whoever runs the API, and never a token.
func TestLog(t *testing.T) {
	t.Parallel()
	s := newIssuer(t)
	var log strings.Builder
	h := s.guard(introspecting(s), func(c *resource.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) }).Protect()(inside())
	call(h, "Authorization: Bearer secret-opaque")
	if got := log.String(); !strings.Contains(got, "level=INFO") || !strings.Contains(got, "code=invalid_token") || !strings.Contains(got, "path=/v1/orders") {
		t.Errorf("refused: %s", got)
	}
	s.fails()
	call(h, "Authorization: Bearer secret-opaque")
	if got := log.String(); !strings.Contains(got, "level=ERROR") || !strings.Contains(got, `cause="resource: the introspection endpoint answers with status 500"`) ||
		strings.Contains(got, "opaque") || strings.Contains(got, "page=2") {
		t.Errorf("not judged: %s", got)
	}
}

// TestAttackCertificates holds RFC 8705 §3: a token that is bound to a certificate counts with that one alone, and one that is
// bound to a key as well needs both.
func TestAttackCertificates(t *testing.T) {
	t.Parallel()
	s := newIssuer(t)
	p, own, other := newProver(t), certificate(t), certificate(t)
	h := s.guard().Protect()(inside())
	send := func(token string, c *x509.Certificate, headers ...string) int {
		r := httptest.NewRequest(http.MethodGet, api+"/orders", nil)
		if r.TLS = nil; c != nil {
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}}
		}
		r.Header.Set("Authorization", "Bearer "+token)
		for _, line := range headers {
			name, value, _ := strings.Cut(line, ": ")
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	x5t := clientcert.Thumbprint(own)
	token := s.token("cnf", map[string]string{"x5t#S256": x5t})
	both := s.token("cnf", map[string]string{"x5t#S256": x5t, "jkt": p.jkt()})
	for name, got := range map[string]int{
		"none": send(token, nil), "another": send(token, other), "from a header": send(token, nil, "Client-Cert: :"+x5t+":"),
		"both, without the proof": send(both, own),
		"both, without the certificate": send(both, nil, "Authorization: DPoP "+both,
			"DPoP: "+p.proof("GET", api+"/orders", both)),
		"bound to what nobody knows": send(s.token("cnf", map[string]string{"x5t": "x"}), own),
		"cnf is no text":             send(s.token("cnf", map[string]any{"x5t#S256": 1}), own),
		"cnf is empty text":          send(s.token("cnf", map[string]any{"x5t#S256": ""}), nil),
	} {
		if got != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, got)
		}
	}
	if got := send(token, own); got != http.StatusOK {
		t.Errorf("its own: %d", got)
	}
	if got := send(both, own, "Authorization: DPoP "+both, "DPoP: "+p.proof("GET", api+"/orders", both)); got != http.StatusOK {
		t.Errorf("both: %d", got)
	}
}

func certificate(t *testing.T) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTargetBehindAMux: what a mux takes off the path is still part of the URL that a proof is for.
func TestTargetBehindAMux(t *testing.T) {
	t.Parallel()
	s := newIssuer(t)
	p := newProver(t)
	h := http.StripPrefix("/v1", s.guard().Protect()(inside()))
	token := s.token("cnf", map[string]string{"jkt": p.jkt()})
	if w := call(h, "Authorization: DPoP "+token, "DPoP: "+p.proof("GET", api+"/orders", token)); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// FuzzAuthorization: whatever is presented, a token without the scope gets nowhere.
func FuzzAuthorization(f *testing.F) {
	s := newIssuer(f)
	h := s.guard(func(c *resource.Config) { c.Verifier = vouching(s.claims("scope", "none")) }).Protect("read")(inside())
	for _, seed := range []string{"Bearer a", "DPoP a.b.c", "bearer", "Bearer  a", "Basic x", "\x00", "Bearer " + s.token()} {
		f.Add(seed, "")
	}
	f.Fuzz(func(t *testing.T, authorization, proof string) {
		r := httptest.NewRequest(http.MethodGet, api, nil)
		r.Header["Authorization"] = []string{authorization}
		if proof != "" {
			r.Header["Dpop"] = []string{proof}
		}
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code < 400 || w.Code >= 500 || w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%q, %q: %d", authorization, proof, w.Code)
		}
	})
}
