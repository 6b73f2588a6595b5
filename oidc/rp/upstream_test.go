package rp_test

import (
	"crypto"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc/rp"
)

// upstream is a provider that does as the test says.
type upstream struct {
	*testing.T
	*httptest.Server
	mu  sync.Mutex
	now time.Time
	key crypto.Signer
	kid string
	alg jose.Algorithm

	metadata map[string]any
	keys     []jose.PublicKey
	// claims are those of the ID token; edit changes them, and the answers, before they are sent.
	claims   map[string]any
	userInfo map[string]any
	edit     func(idToken map[string]any)
	sign     func(claims []byte) string
	tokens   http.HandlerFunc // nil is the ordinary endpoint
	info     http.HandlerFunc
	routes   map[string]http.HandlerFunc // further endpoints, or others
	config   rp.Config

	sent     url.Values      // the parameters that the browser was sent with last
	asked    url.Values      // the last authorization request, also one that did not go through the browser
	redeemed []*http.Request // at the token endpoint, with their forms parsed
	fetches  map[string]int
}

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	u := &upstream{
		T: t, now: time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC), alg: jose.ES256, kid: "one",
		fetches: map[string]int{}, routes: map[string]http.HandlerFunc{}, userInfo: map[string]any{"sub": "248289761001", "name": "Ann"},
	}
	u.key = u.newKey(u.alg)
	u.keys = []jose.PublicKey{{ID: u.kid, Algorithm: u.alg, Key: u.key.Public()}}
	u.Server = httptest.NewServer(http.HandlerFunc(u.serve))
	t.Cleanup(u.Close)
	u.metadata = map[string]any{
		"issuer": u.URL, "authorization_endpoint": u.URL + "/authorize", "token_endpoint": u.URL + "/token",
		"userinfo_endpoint": u.URL + "/userinfo", "jwks_uri": u.URL + "/jwks", "end_session_endpoint": u.URL + "/logout",
		"authorization_response_iss_parameter_supported": true,
	}
	u.claims = map[string]any{"iss": u.URL, "sub": "248289761001", "aud": "client", "sid": "s1"}
	u.config = rp.Config{
		Issuer: u.URL, ClientID: "client", ClientSecret: "s3cr3t of the client", RedirectURL: "https://rp.example/callback",
		Now: u.Now, Client: u.Client(),
	}
	return u
}

func (u *upstream) newKey(a jose.Algorithm) crypto.Signer {
	u.Helper()
	key, err := jose.GenerateKey(a)
	if err != nil {
		u.Fatal(err)
	}
	return key
}

func (u *upstream) Now() time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.now
}

func (u *upstream) advance(d time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.now = u.now.Add(d)
}

// answer sets the endpoints, also while a request is under way that nobody waits for any more.
func (u *upstream) answer(tokens, info http.HandlerFunc) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.tokens, u.info = tokens, info
}

func (u *upstream) fetched(path string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.fetches[path]
}

func (u *upstream) serve(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	u.fetches[r.URL.Path]++
	tokens, info := u.tokens, u.info
	route := u.routes[r.URL.Path]
	u.mu.Unlock()
	if route != nil {
		_ = r.ParseForm()
		route(w, r)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		writeJSON(w, u.metadata)
	case "/jwks":
		set, err := jose.Set(u.keys)
		if err != nil {
			u.Error(err)
		}
		_, _ = w.Write(set)
	case "/token":
		_ = r.ParseForm()
		u.mu.Lock()
		u.redeemed = append(u.redeemed, r)
		u.mu.Unlock()
		if tokens != nil {
			tokens(w, r)
			return
		}
		writeJSON(w, map[string]any{
			"access_token": "the access token", "token_type": "Bearer", "expires_in": 60, "id_token": u.idToken(),
		})
	case "/userinfo":
		if r.Header.Get("Authorization") != "Bearer the access token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if info != nil {
			info(w, r)
			return
		}
		writeJSON(w, u.userInfo)
	default:
		http.NotFound(w, r)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// idToken is the ID token for the last authorization request.
func (u *upstream) idToken() string {
	claims := map[string]any{
		"iat": u.Now().Unix(), "exp": u.Now().Add(5 * time.Minute).Unix(), "nonce": u.asked.Get("nonce"), "auth_time": u.Now().Unix(),
	}
	maps.Copy(claims, u.claims)
	if u.edit != nil {
		u.edit(claims)
	}
	return u.signed(claims, "JWT")
}

// signed is a JWT by the provider's present key.
func (u *upstream) signed(claims map[string]any, typ string) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		u.Error(err)
	}
	if u.sign != nil {
		return u.sign(payload)
	}
	token, err := jose.Sign(payload, jose.Header{Alg: u.alg, Kid: u.kid, Typ: typ}, u.key)
	if err != nil {
		u.Error(err)
	}
	return token
}

// provider is what the test signs in at.
func (u *upstream) provider() *rp.Provider {
	u.Helper()
	p, err := rp.New(u.config)
	if err != nil {
		u.Fatal(err)
	}
	return p
}

// begin starts a login and keeps what was asked.
func (u *upstream) begin(p *rp.Provider, r rp.Request) rp.Pending {
	u.Helper()
	to, pending, err := p.Begin(u.Context(), r)
	if err != nil {
		u.Fatal(err)
	}
	parsed, err := url.Parse(to)
	if err != nil {
		u.Fatal(err)
	}
	u.sent, u.asked = parsed.Query(), parsed.Query()
	u.asked.Set("state", pending.State)
	u.asked.Set("nonce", pending.Nonce)
	return pending
}

// response is a good answer to the login.
func (u *upstream) response() url.Values {
	return url.Values{"code": {"the code"}, "state": {u.asked.Get("state")}, "iss": {u.URL}}
}

// login is a whole login, with the response as the test leaves it.
func (u *upstream) login(r rp.Request, edit ...func(url.Values)) (*rp.Identity, error) {
	u.Helper()
	p := u.provider()
	pending := u.begin(p, r)
	response := u.response()
	for _, e := range edit {
		e(response)
	}
	return p.Finish(u.Context(), pending, response)
}

// refused wants ErrInvalid.
func (u *upstream) refused(id *rp.Identity, err error) {
	u.Helper()
	if id != nil || !errors.Is(err, rp.ErrInvalid) {
		u.Errorf("got %v, %v; want ErrInvalid", id, err)
	}
}

// verifierOf is the S256 challenge of a verifier.
func challengeOf(verifier string) string { return oauth2.S256ChallengeFromVerifier(verifier) }
