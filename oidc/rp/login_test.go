package rp_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc/rp"
)

// OpenID Connect Core §3.1, RFC 7636 §4, RFC 9207.
func TestLogin(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.claims["email"], u.claims["email_verified"] = "ann@example.com", true
	hash, err := jose.HalfHash(jose.ES256, "the access token")
	if err != nil {
		t.Fatal(err)
	}
	u.claims["at_hash"] = hash
	u.claims["amr"] = []string{"pwd"}
	id, err := u.login(rp.Request{Prompt: []string{"login"}, LoginHint: "ann", Locales: []string{"de", "en"}})
	if err != nil {
		t.Fatal(err)
	}
	if id.Issuer != u.URL || id.Subject != "248289761001" || id.Name != "Ann" || id.Email != "ann@example.com" || !id.EmailVerified ||
		id.SessionID != "s1" || !id.AuthTime.Equal(u.Now()) || !slices.Equal(id.AMR, []string{"pwd"}) {
		t.Errorf("identity %+v", id)
	}
	if id.Token.AccessToken != "the access token" || id.IDToken == "" {
		t.Error("the tokens are missing")
	}
	for name, want := range map[string]string{
		"response_type": "code", "client_id": "client", "redirect_uri": "https://rp.example/callback", "scope": "openid profile email",
		"code_challenge_method": "S256", "prompt": "login", "login_hint": "ann", "ui_locales": "de en",
	} {
		if got := u.asked.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	r := u.redeemed[0]
	if got := challengeOf(r.PostForm.Get("code_verifier")); got != u.asked.Get("code_challenge") {
		t.Errorf("the verifier gives %q, the challenge was %q", got, u.asked.Get("code_challenge"))
	}
	if id, secret, _ := r.BasicAuth(); id != "client" || secret != url.QueryEscape("s3cr3t of the client") {
		t.Errorf("authenticated as %q, %q (RFC 6749 §2.3.1)", id, secret)
	}
	if r.PostForm.Get("redirect_uri") != "https://rp.example/callback" || r.PostForm.Get("client_secret") != "" {
		t.Errorf("redeemed with %v", r.PostForm)
	}
	delete(u.metadata, "userinfo_endpoint")
	if id, err := u.login(rp.Request{}); err != nil || id.Name != "" || id.Subject != "248289761001" {
		t.Errorf("without UserInfo: %+v, %v", id, err)
	}
}

// OpenID Connect Core §9: private_key_jwt.
func TestPrivateKeyJWT(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	key := u.newKey(jose.PS256)
	u.config.ClientSecret, u.config.Key = "", &rp.ClientKey{ID: "k", Algorithm: "PS256", Signer: key}
	if _, err := u.login(rp.Request{}); err != nil {
		t.Fatal(err)
	}
	form := u.redeemed[0].Form
	if form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || form.Get("client_secret") != "" {
		t.Errorf("redeemed with %v", form)
	}
	_, payload, err := jose.Verifier{}.Verify(form.Get("client_assertion"), func(jose.Header) (jose.PublicKey, error) {
		return jose.PublicKey{Algorithm: jose.PS256, Key: key.Public()}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Iss, Sub, Aud, JTI string
		Iat, Exp           int64
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Iss != "client" || claims.Sub != "client" || claims.Aud != u.URL || claims.JTI == "" || claims.Exp-claims.Iat > 300 {
		t.Errorf("assertion %s", payload)
	}
	u.config.Key.Audience = u.URL + "/token"
	if _, err := u.login(rp.Request{}); err != nil {
		t.Fatal(err)
	}
	_, payload, err = jose.Verifier{}.Verify(u.redeemed[1].Form.Get("client_assertion"), func(jose.Header) (jose.PublicKey, error) {
		return jose.PublicKey{Algorithm: jose.PS256, Key: key.Public()}, nil
	})
	if err != nil || json.Unmarshal(payload, &claims) != nil || claims.Aud != u.URL+"/token" {
		t.Errorf("assertion for another audience %s, %v", payload, err)
	}
}

// OpenID Connect Core §3.1.2.6: what the provider answers is neither a failure nor a forgery.
func TestErrorResponse(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	_, err := u.login(rp.Request{}, func(v url.Values) { v.Del("code"); v.Set("error", "access_denied") })
	answer, ok := errors.AsType[*rp.ResponseError](err)
	if !ok || !answer.Denied() || len(u.redeemed) > 0 {
		t.Errorf("got %v", err)
	}
	u.tokens = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		writeJSON(w, map[string]string{"error": "invalid_grant"})
	}
	_, err = u.login(rp.Request{})
	if answer, ok := errors.AsType[*rp.ResponseError](err); !ok || answer.Code != "invalid_grant" {
		t.Errorf("got %v", err)
	}
	_, err = u.login(rp.Request{}, func(v url.Values) { v.Del("code"); v.Set("error", strings.Repeat("x", 10_000)) })
	if err == nil || len(err.Error()) > 1000 { // it goes into logs
		t.Errorf("got %.50v…", err)
	}
}

// RFC 6749 §5.1, §7.1: what is no answer of a token endpoint is that the provider is away, and a token that nobody can use is refused.
func TestTokenAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		edit   func(map[string]any)
		want   error
		lives  time.Duration
	}{
		"ordinary":               {200, func(map[string]any) {}, nil, time.Minute},
		"a lifetime as a text":   {200, func(a map[string]any) { a["expires_in"] = "90" }, nil, 90 * time.Second},
		"a lifetime of nothing":  {200, func(a map[string]any) { a["expires_in"] = nil }, nil, 0},
		"no lifetime":            {200, func(a map[string]any) { delete(a, "expires_in") }, nil, 0},
		"a lifetime in the past": {200, func(a map[string]any) { a["expires_in"] = -5 }, nil, 0},
		"a lifetime of words":    {200, func(a map[string]any) { a["expires_in"] = "soon" }, rp.ErrUnavailable, 0},
		"no type":                {200, func(a map[string]any) { delete(a, "token_type") }, nil, time.Minute},
		"another type":           {200, func(a map[string]any) { a["token_type"] = "mac" }, rp.ErrInvalid, 0},
		"no access token":        {200, func(a map[string]any) { delete(a, "access_token") }, rp.ErrUnavailable, 0},
		"no ID token":            {200, func(a map[string]any) { delete(a, "id_token") }, rp.ErrInvalid, 0},
		"created":                {201, func(map[string]any) {}, rp.ErrUnavailable, 0},
		"moved":                  {302, func(map[string]any) {}, rp.ErrUnavailable, 0},
		"broken, with an error":  {500, func(a map[string]any) { a["error"] = "invalid_grant" }, rp.ErrUnavailable, 0},
	} {
		u := newUpstream(t)
		u.config.NoUserInfo = true
		u.answer(func(w http.ResponseWriter, _ *http.Request) {
			said := map[string]any{"access_token": "the access token", "token_type": "Bearer", "expires_in": 60, "id_token": u.idToken()}
			c.edit(said)
			w.Header().Set("Location", u.URL+"/token")
			w.WriteHeader(c.status)
			writeJSON(w, said)
		}, nil)
		id, err := u.login(rp.Request{})
		switch {
		case c.want != nil:
			if id != nil || !errors.Is(err, c.want) {
				t.Errorf("%s: %v, %v", name, id, err)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case c.lives == 0 && !id.Token.Expiry.IsZero() || c.lives > 0 && !id.Token.Expiry.Equal(u.Now().Add(c.lives)):
			t.Errorf("%s: it lives until %v", name, id.Token.Expiry)
		}
	}
}

// OpenID Connect Core §5.3.2: UserInfo as a JWT.
func TestSignedUserInfo(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	audience := "client"
	u.info = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwt")
		_, _ = w.Write([]byte(u.signed(map[string]any{"iss": u.URL, "aud": audience, "sub": "248289761001", "name": "Signed"}, "JWT")))
	}
	id, err := u.login(rp.Request{})
	if err != nil || id.Name != "Signed" {
		t.Errorf("got %+v, %v", id, err)
	}
	audience = "another"
	u.refused(u.login(rp.Request{}))
}

// OpenID Connect Core §10.1.1: a key that is not known has the set read again.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	p := u.provider()
	login := func() error {
		_, err := p.Finish(t.Context(), u.begin(p, rp.Request{}), u.response())
		return err
	}
	if err := login(); err != nil {
		t.Fatal(err)
	}
	u.key, u.kid = u.newKey(jose.ES256), "two"
	u.keys = []jose.PublicKey{{ID: "two", Algorithm: jose.ES256, Key: u.key.Public()}}
	u.advance(2 * time.Minute)
	if err := login(); err != nil {
		t.Error(err)
	}
	if n := u.fetched("/jwks"); n != 2 {
		t.Errorf("the key set was read %d times", n)
	}
}

// What cannot be had stands in for itself for a day, and no longer.
func TestProviderIsAway(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	p := u.provider()
	if _, _, err := p.Begin(t.Context(), rp.Request{}); err != nil {
		t.Fatal(err)
	}
	u.metadata = map[string]any{"issuer": "https://elsewhere.example"}
	u.advance(2 * time.Hour)
	if _, _, err := p.Begin(t.Context(), rp.Request{}); err != nil {
		t.Errorf("metadata of two hours ago: %v", err)
	}
	u.advance(24 * time.Hour)
	if _, _, err := p.Begin(t.Context(), rp.Request{}); !errors.Is(err, rp.ErrUnavailable) {
		t.Errorf("metadata of yesterday: %v", err)
	}
}

// Keys that cannot be had say nothing about a token.
func TestKeysAreAway(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.routes["/jwks"] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	if id, err := u.login(rp.Request{}); id != nil || !errors.Is(err, rp.ErrUnavailable) || errors.Is(err, rp.ErrInvalid) {
		t.Errorf("got %v, %v", id, err)
	}
}

// How often a provider is asked for its metadata is not for whoever signs in to say: once an hour, once a minute while it is away, every five
// seconds while it was never there. Whoever goes away while waiting leaves no mark.
func TestProviderIsAskedSeldom(t *testing.T) {
	t.Parallel()
	const at = "/.well-known/openid-configuration"
	u := newUpstream(t)
	p := u.provider()
	begins := func(want bool, asked int) {
		t.Helper()
		for range 3 {
			if _, _, err := p.Begin(t.Context(), rp.Request{}); (err == nil) != want || err != nil && !errors.Is(err, rp.ErrUnavailable) {
				t.Errorf("began with %v", err)
			}
		}
		if n := u.fetched(at); n != asked {
			t.Errorf("asked %d times, want %d", n, asked)
		}
	}
	good := u.metadata
	u.metadata = map[string]any{"issuer": "https://elsewhere.example"}
	begins(false, 1)
	u.advance(4 * time.Second)
	begins(false, 1)
	u.advance(time.Second)
	begins(false, 2)
	u.advance(5 * time.Second)
	gone, leave := context.WithCancel(t.Context())
	u.mu.Lock()
	u.routes[at] = func(http.ResponseWriter, *http.Request) { leave(); <-gone.Done() }
	u.mu.Unlock()
	if _, _, err := p.Begin(gone, rp.Request{}); err == nil {
		t.Error("began without metadata")
	}
	u.mu.Lock()
	delete(u.routes, at)
	u.metadata = good
	u.mu.Unlock()
	begins(true, 4)
	u.advance(time.Hour - time.Second)
	begins(true, 4)
	u.metadata = map[string]any{"issuer": "https://elsewhere.example"}
	u.advance(time.Second)
	begins(true, 5)
	u.advance(59 * time.Second)
	begins(true, 5)
	u.advance(time.Second)
	begins(true, 6)
}

// The cookies of Start and Callback: two tabs, another browser, a form that comes without a cookie.
func TestStartAndCallback(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	p := u.provider()
	start := func() (*http.Cookie, url.Values) {
		w := httptest.NewRecorder()
		if err := p.Start(w, httptest.NewRequest(http.MethodGet, "/login", nil), rp.Request{}); err != nil {
			t.Fatal(err)
		}
		to, err := url.Parse(w.Header().Get("Location"))
		if err != nil || w.Code != http.StatusSeeOther {
			t.Fatal(w.Code, err)
		}
		return w.Result().Cookies()[0], to.Query()
	}
	first, asked := start()
	second, _ := start()
	if first.Name == second.Name || !strings.HasPrefix(first.Name, "__Host-") || !first.HttpOnly || !first.Secure || first.SameSite != http.SameSiteLaxMode {
		t.Errorf("cookies %v and %v", first, second)
	}
	u.asked = asked
	back := func(method string, cookies ...*http.Cookie) (*rp.Identity, *httptest.ResponseRecorder, error) {
		r := httptest.NewRequest(http.MethodGet, "/callback?"+u.response().Encode(), nil)
		if method == http.MethodPost {
			r = httptest.NewRequest(http.MethodPost, "/callback", strings.NewReader(u.response().Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		for _, c := range cookies {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
		w := httptest.NewRecorder()
		id, err := p.Callback(w, r)
		return id, w, err
	}
	if id, _, err := back(http.MethodGet); id != nil || !errors.Is(err, rp.ErrInvalid) {
		t.Errorf("another browser: %v, %v", id, err)
	}
	if id, _, err := back(http.MethodGet, second); id != nil || !errors.Is(err, rp.ErrInvalid) {
		t.Errorf("the cookie of another tab: %v, %v", id, err)
	}
	if id, _, err := back(http.MethodGet, first, first); id != nil || !errors.Is(err, rp.ErrInvalid) {
		t.Errorf("two cookies of one name: %v, %v", id, err)
	}
	id, w, err := back(http.MethodPost)
	if id != nil || err != nil || w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/callback?") {
		t.Errorf("a form without the cookie: %v, %v, %d", id, err, w.Code)
	}
	id, w, err = back(http.MethodGet, first, second)
	if err != nil || id.Subject != "248289761001" {
		t.Fatal(err)
	}
	if gone := w.Result().Cookies(); len(gone) != 1 || gone[0].MaxAge >= 0 || gone[0].Name != first.Name {
		t.Errorf("after the login: %v", gone)
	}
}

// OpenID Connect RP-Initiated Logout 1.0 §2.
func TestLogout(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	p := u.provider()
	got, pending, err := p.BeginLogout(t.Context(), rp.LogoutRequest{IDToken: "x.y.z", Hint: "s1", RedirectURL: "https://rp.example/bye", State: "s&t"})
	want := u.URL + "/logout?client_id=client&id_token_hint=x.y.z&logout_hint=s1&post_logout_redirect_uri=https%3A%2F%2Frp.example%2Fbye&state=s%26t"
	if err != nil || got != want {
		t.Errorf("got %s, %v", got, err)
	}
	if err := p.FinishLogout(pending, url.Values{"state": {"s&t"}}); err != nil {
		t.Errorf("back: %v", err)
	}
	got, _, err = p.BeginLogout(t.Context(), rp.LogoutRequest{})
	if err != nil || got != u.URL+"/logout?client_id=client" {
		t.Errorf("one that leads nowhere: %s, %v", got, err)
	}
	got, _, err = p.BeginLogout(t.Context(), rp.LogoutRequest{IDToken: "x.y.z"})
	if err != nil || got != u.URL+"/logout?client_id=client&id_token_hint=x.y.z" {
		t.Errorf("one that says who it is about: %s, %v", got, err)
	}
	u.metadata["end_session_endpoint"] = u.URL + "/logout?tenant=1&post_logout_redirect_uri=https://evil.example&state=x&id_token_hint=y#f"
	got, pending, err = u.provider().BeginLogout(t.Context(), rp.LogoutRequest{RedirectURL: "https://rp.example/bye"})
	at, bad := url.Parse(got)
	if err != nil || bad != nil {
		t.Fatal(got, err, bad)
	}
	made := at.Query().Get("state")
	if q := at.Query(); len(made) < 22 || q.Has("id_token_hint") || q.Get("tenant") != "1" || q.Get("post_logout_redirect_uri") != "https://rp.example/bye" || at.Fragment != "" {
		t.Errorf("an endpoint with a query: %s", got)
	}
	if text := fmt.Sprintf("%+v", pending); strings.Contains(text, made) {
		t.Errorf("what is kept says the state: %s", text)
	}
	delete(u.metadata, "end_session_endpoint")
	if _, _, err := u.provider().BeginLogout(t.Context(), rp.LogoutRequest{}); !errors.Is(err, rp.ErrNoLogout) {
		t.Errorf("got %v", err)
	}
}

// Attack: somebody is brought back from a logout that they have not begun, or not here, or not now (OpenID Connect RP-Initiated Logout 1.0 §3).
func TestAttackReturnFromAnotherLogout(t *testing.T) {
	t.Parallel()
	u, other := newUpstream(t), newUpstream(t)
	p := u.provider()
	begin := func(p *rp.Provider) rp.PendingLogout {
		t.Helper()
		_, pending, err := p.BeginLogout(t.Context(), rp.LogoutRequest{RedirectURL: "https://rp.example/bye", State: "right"})
		if err != nil {
			t.Fatal(err)
		}
		return pending
	}
	pending := begin(p)
	for name, c := range map[string]struct {
		pending  rp.PendingLogout
		response url.Values
	}{
		"another state":      {pending, url.Values{"state": {"wrong"}}},
		"no state":           {pending, nil},
		"two states":         {pending, url.Values{"state": {"right", "right"}}},
		"the hash":           {pending, url.Values{"state": {pending.StateHash}}},
		"nothing begun":      {rp.PendingLogout{Issuer: pending.Issuer, Began: pending.Began}, url.Values{"state": {""}}},
		"of another issuer":  {begin(other.provider()), url.Values{"state": {"right"}}},
		"begun long ago":     {rp.PendingLogout{Issuer: pending.Issuer, StateHash: pending.StateHash}, url.Values{"state": {"right"}}},
		"nothing is pending": {rp.PendingLogout{}, url.Values{"state": {"right"}}},
	} {
		if err := p.FinishLogout(c.pending, c.response); !errors.Is(err, rp.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Attack: metadata that send people to a script, or in clear text, when they sign out: the provider is not available.
func TestAttackHostileEndSessionEndpoint(t *testing.T) {
	t.Parallel()
	for _, hostile := range []string{
		"http://provider.example/logout", "javascript:alert(1)", "data:text/html,x", "//provider.example/logout", "/logout", "https://user@provider.example/logout", "https:logout", ":",
	} {
		u := newUpstream(t)
		u.metadata["end_session_endpoint"] = hostile
		if to, _, err := u.provider().BeginLogout(t.Context(), rp.LogoutRequest{}); !errors.Is(err, rp.ErrUnavailable) || to != "" {
			t.Errorf("%s: %q, %v", hostile, to, err)
		}
	}
}

// New names every problem at once.
func TestNewNamesEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := rp.New(rp.Config{
		Issuer: "http://issuer.example", RedirectURL: "/callback", ClientSecret: "short", Algorithms: []string{"HS256", "RS256", "none"},
		Key: &rp.ClientKey{}, Scopes: []string{"email"}, Skew: time.Hour, Tenants: &rp.Tenants{},
	})
	for _, field := range []string{"Issuer", "ClientID", "RedirectURL", "ClientSecret", "Key", "Scopes", "Algorithms", "Tenants", "Skew"} {
		if err == nil || !strings.Contains(err.Error(), "Config."+field) {
			t.Errorf("%s is not named in: %v", field, err)
		}
	}
}

// Each is a problem by itself.
func TestNewNamesEachProblem(t *testing.T) {
	t.Parallel()
	key := newUpstream(t).newKey(jose.ES256)
	good := rp.Endpoints{Authorization: "https://id.example/a", Token: "https://id.example/t", JWKS: "https://id.example/k"}
	for name, c := range map[string]struct {
		field string
		edit  func(*rp.Config)
	}{
		"an issuer with a query":    {"Issuer", func(c *rp.Config) { c.Issuer += "?x" }},
		"an issuer with a fragment": {"Issuer", func(c *rp.Config) { c.Issuer += "#x" }},
		"a profile from nowhere": {"Endpoints", func(c *rp.Config) {
			c.Profile = func(context.Context, *rp.API) (map[string]any, error) { return nil, nil }
		}},
		"no endpoint for tokens": {"Endpoints", func(c *rp.Config) { c.Endpoints = &rp.Endpoints{Authorization: good.Authorization, JWKS: good.JWKS} }},
		"no keys":                {"Endpoints.JWKS", func(c *rp.Config) { c.Endpoints = &rp.Endpoints{Authorization: good.Authorization, Token: good.Token} }},
		"keys in clear text": {"Endpoints", func(c *rp.Config) {
			c.Endpoints = &rp.Endpoints{Authorization: good.Authorization, Token: good.Token, JWKS: "http://id.example/k"}
		}},
		"a skew into the past":       {"Skew", func(c *rp.Config) { c.Skew = -1 }},
		"a skew of hours":            {"Skew", func(c *rp.Config) { c.Skew = time.Hour }},
		"a template for one":         {"Tenants.Template", func(c *rp.Config) { c.Tenants = &rp.Tenants{Template: "https://id.example"} }},
		"no algorithms":              {"Algorithms", func(c *rp.Config) { c.Algorithms = []string{} }},
		"an algorithm of nobody's":   {"Algorithms", func(c *rp.Config) { c.Algorithms = []string{"RS1"} }},
		"secrets and keys":           {"Algorithms", func(c *rp.Config) { c.Algorithms = []string{"HS256", "RS256"} }},
		"a secret of 31 bytes":       {"ClientSecret", func(c *rp.Config) { c.Algorithms, c.ClientSecret = []string{"HS256"}, longSecret[:31] }},
		"a secret of 31 in a JWT":    {"SecretInJWT", func(c *rp.Config) { c.SecretInJWT, c.ClientSecret = true, longSecret[:31] }},
		"a secret in two places":     {"SecretInJWT", func(c *rp.Config) { c.SecretInJWT, c.SecretInBody = true, true }},
		"a secret and a key":         {"ClientSecret", func(c *rp.Config) { c.Key = &rp.ClientKey{Algorithm: "ES256", Signer: key} }},
		"a key of no signer":         {"Key", func(c *rp.Config) { c.ClientSecret, c.Key = "", &rp.ClientKey{Algorithm: "ES256"} }},
		"a proof by nobody":          {"DPoP", func(c *rp.Config) { c.DPoP = &rp.ProofKey{Algorithm: "ES256"} }},
		"a certificate of no key":    {"Certificate", func(c *rp.Config) { c.ClientSecret, c.Certificate = "", &tls.Certificate{Certificate: [][]byte{{1}}} }},
		"a key of no certificate":    {"Certificate", func(c *rp.Config) { c.ClientSecret, c.Certificate = "", &tls.Certificate{PrivateKey: key} }},
		"a certificate and a secret": {"Certificate", func(c *rp.Config) { c.Certificate = &tls.Certificate{Certificate: [][]byte{{1}}, PrivateKey: key} }},
	} {
		config := rp.Config{Issuer: "https://id.example", ClientID: "client", ClientSecret: longSecret}
		c.edit(&config)
		_, err := rp.New(config)
		if err == nil || !strings.Contains(err.Error(), "Config."+c.field+":") {
			t.Errorf("%s: %v", name, err)
		}
	}
	config := rp.Config{Issuer: "https://id.example", ClientID: "client", ClientSecret: longSecret[:32], Algorithms: []string{"HS256"}, Endpoints: &good, Skew: 10 * time.Minute}
	if _, err := rp.New(config); err != nil {
		t.Errorf("as much as may be: %v", err)
	}
}

// A Pending says nothing of its secrets when it is printed or logged.
func TestPendingIsNotPrinted(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	pending := u.begin(u.provider(), rp.Request{})
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "pending", pending)
	text := log.String() + fmt.Sprintf("%v %+v %#v %s", pending, pending, pending, pending)
	for _, secret := range []string{pending.State, pending.Nonce, pending.Verifier} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in %s", secret, text)
		}
	}
}

// The Verifier that an API uses (RFC 9068 §4).
func TestVerifier(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	v, err := rp.NewVerifier(rp.VerifierConfig{Issuer: u.URL, Audience: "https://api.example", Types: []string{"at+jwt"}, Now: u.Now, Client: u.Client()})
	if err != nil {
		t.Fatal(err)
	}
	good := func() map[string]any {
		return map[string]any{
			"iss": u.URL, "sub": "ann", "aud": []string{"https://api.example"}, "exp": u.Now().Add(time.Minute).Unix(), "scope": "read",
		}
	}
	claims, err := v.Verify(t.Context(), u.signed(good(), "at+jwt"))
	if err != nil || claims.Subject != "ann" {
		t.Fatal(claims, err)
	}
	var more struct {
		Scope string `json:"scope"`
	}
	if err := claims.Decode(&more); err != nil || more.Scope != "read" {
		t.Errorf("%+v, %v", more, err)
	}
	for name, edit := range map[string]func(map[string]any) string{
		"ID token":       func(map[string]any) string { return "JWT" },
		"other audience": func(c map[string]any) string { c["aud"] = "https://other.example"; return "at+jwt" },
		"other issuer":   func(c map[string]any) string { c["iss"] = "https://other.example"; return "at+jwt" },
		"expired":        func(c map[string]any) string { c["exp"] = u.Now().Add(-time.Hour).Unix(); return "at+jwt" },
		"without end":    func(c map[string]any) string { delete(c, "exp"); return "at+jwt" },
		"of tomorrow":    func(c map[string]any) string { c["nbf"] = u.Now().Add(time.Hour).Unix(); return "at+jwt" },
		"made tomorrow":  func(c map[string]any) string { c["iat"] = u.Now().Add(time.Hour).Unix(); return "at+jwt" },
	} {
		c := good()
		typ := edit(c)
		if _, err := v.Verify(t.Context(), u.signed(c, typ)); !errors.Is(err, rp.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	forged := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`)) + ".e30."
	if _, err := v.Verify(t.Context(), forged); !errors.Is(err, rp.ErrInvalid) {
		t.Errorf("unsigned: %v", err)
	}
	for name, c := range map[string]rp.VerifierConfig{
		"for nobody": {Issuer: u.URL}, "of nobody": {Audience: "api"}, "by a secret": {Issuer: u.URL, Audience: "api", Algorithms: []string{"HS256"}},
	} {
		if _, err := rp.NewVerifier(c); err == nil {
			t.Errorf("a Verifier %s was made", name)
		}
	}
}

// A Verifier that knows where the keys are reads no metadata, and with MaxAge a token says when it was made, and need not say until when it is good.
func TestVerifierOfAnswers(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	v, err := rp.NewVerifier(rp.VerifierConfig{Issuer: u.URL, JWKSURI: u.URL + "/jwks", Audience: "api", MaxAge: time.Minute, Skew: time.Second, Now: u.Now, Client: u.Client()})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		claims map[string]any
		good   bool
	}{
		"just made":    {map[string]any{"iat": u.Now().Unix()}, true},
		"nearly old":   {map[string]any{"iat": u.Now().Add(-time.Minute).Unix()}, true},
		"old":          {map[string]any{"iat": u.Now().Add(-time.Minute - time.Second).Unix()}, false},
		"of no time":   {map[string]any{}, false},
		"good, no iat": {map[string]any{"exp": u.Now().Add(time.Hour).Unix()}, false},
		"expired":      {map[string]any{"iat": u.Now().Unix(), "exp": u.Now().Add(-time.Second).Unix()}, false},
		"made later":   {map[string]any{"iat": u.Now().Add(2 * time.Second).Unix()}, false},
	} {
		c.claims["iss"], c.claims["aud"] = u.URL, "api"
		if _, err := v.Verify(t.Context(), u.signed(c.claims, "JWT")); (err == nil) != c.good || err != nil && !errors.Is(err, rp.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := u.fetched("/.well-known/openid-configuration"); n > 0 {
		t.Errorf("metadata were read %d times", n)
	}
}
