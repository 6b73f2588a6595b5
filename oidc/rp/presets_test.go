package rp_test

import (
	"crypto"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc/rp"
)

// pretend answers for the hosts of a provider on the Internet: by path, with what the test says.
type pretend map[string]any

// RoundTrip implements http.RoundTripper.
func (p pretend) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	answer, ok := p[r.URL.Host+r.URL.Path]
	switch answer := answer.(type) {
	case http.HandlerFunc:
		answer(w, r)
	default:
		if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		writeJSON(w, answer)
	}
	return w.Result(), nil
}

// signInAt goes through a login at a preset whose answers the test has written.
func signInAt(t *testing.T, config rp.Config, answers pretend, more url.Values) (*rp.Identity, url.Values, error) {
	t.Helper()
	config.Client = &http.Client{Transport: answers}
	p, err := rp.New(config)
	if err != nil {
		t.Fatal(err)
	}
	to, pending, err := p.Begin(t.Context(), rp.Request{})
	if err != nil {
		t.Fatal(err)
	}
	asked, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	response := url.Values{"code": {"c"}, "state": {pending.State}}
	for name, values := range more {
		response[name] = values
	}
	if set, ok := answers["nonce"].(func(string)); ok {
		set(pending.Nonce)
	}
	id, err := p.Finish(t.Context(), pending, response)
	return id, asked.Query(), err
}

var bearer = map[string]any{"access_token": "t", "token_type": "bearer"}

func TestGitHub(t *testing.T) {
	t.Parallel()
	answers := pretend{
		"github.com/login/oauth/access_token": bearer,
		"api.github.com/user":                 map[string]any{"id": 583231, "login": "octocat", "name": "The Octocat", "email": "public@example.com"},
		"api.github.com/user/emails": []map[string]any{
			{"email": "second@example.com", "primary": false, "verified": true},
			{"email": "first@example.com", "primary": true, "verified": true},
			{"email": "third@example.com", "primary": false, "verified": true},
		},
	}
	id, asked, err := signInAt(t, rp.GitHub("id", "secret", "https://rp.example/cb"), answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	if id.Issuer != "https://github.com/login/oauth" || id.Subject != "583231" || id.Username != "octocat" || id.Email != "first@example.com" || !id.EmailVerified {
		t.Errorf("%+v", id)
	}
	if asked.Get("code_challenge_method") != "S256" || asked.Get("scope") != "read:user user:email" || asked.Has("nonce") {
		t.Errorf("asked %v", asked)
	}
	answers["api.github.com/user/emails"] = []map[string]any{{"email": "first@example.com", "primary": true, "verified": false}}
	if id, _, err = signInAt(t, rp.GitHub("id", "secret", "https://rp.example/cb"), answers, nil); err != nil || id.Email != "" || id.EmailVerified {
		t.Errorf("not verified: %+v, %v", id, err)
	}
	answers["api.github.com/user"] = map[string]any{"login": "octocat"}
	if id, _, err = signInAt(t, rp.GitHub("id", "secret", "https://rp.example/cb"), answers, nil); err == nil {
		t.Errorf("without an id: %+v", id)
	}
}

func TestFacebook(t *testing.T) {
	t.Parallel()
	answers := pretend{"graph.facebook.com/v23.0/oauth/access_token": bearer, "graph.facebook.com/v23.0/me": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("appsecret_proof") == "" || strings.Contains(r.URL.String(), "access_token") {
			w.WriteHeader(http.StatusBadRequest)
		}
		writeJSON(w, map[string]any{"id": "10", "name": "Ann A", "first_name": "Ann", "email": "ann@example.com", "picture": map[string]any{"data": map[string]any{"url": "https://x.example/p"}}})
	})}
	id, _, err := signInAt(t, rp.Facebook("id", "secret", "https://rp.example/cb"), answers, nil)
	if err != nil || id.Subject != "10" || id.GivenName != "Ann" || id.Email != "ann@example.com" || id.EmailVerified || id.Picture != "https://x.example/p" {
		t.Errorf("%+v, %v", id, err)
	}
}

func TestLinkedIn(t *testing.T) {
	t.Parallel()
	answers := pretend{
		"www.linkedin.com/oauth/v2/accessToken": bearer,
		"api.linkedin.com/v2/userinfo":          map[string]any{"sub": "782bbtaQ", "name": "Ann", "email": "ann@example.com", "email_verified": true, "locale": map[string]any{"country": "US"}},
	}
	id, asked, err := signInAt(t, rp.LinkedIn("id", "secret", "https://rp.example/cb"), answers, nil)
	if err != nil || id.Subject != "782bbtaQ" || !id.EmailVerified || asked.Has("code_challenge") || asked.Get("scope") != "openid profile email" {
		t.Errorf("%+v, %v, %v", id, asked, err)
	}
	for name, sub := range map[string]any{"nobody": nil, "a number": 1, "empty": "", "endless": strings.Repeat("x", 256)} {
		answers["api.linkedin.com/v2/userinfo"] = map[string]any{"sub": sub, "name": "Ann"}
		if id, _, err := signInAt(t, rp.LinkedIn("id", "secret", "https://rp.example/cb"), answers, nil); id != nil || !errors.Is(err, rp.ErrInvalid) {
			t.Errorf("a profile of %s: %+v, %v", name, id, err)
		}
	}
}

func TestX(t *testing.T) {
	t.Parallel()
	answers := pretend{
		"api.x.com/2/oauth2/token": bearer,
		"api.x.com/2/users/me":     map[string]any{"data": map[string]any{"id": "2244994945", "name": "Dev", "username": "XDevelopers", "confirmed_email": "dev@example.com"}},
	}
	id, asked, err := signInAt(t, rp.X("id", "secret", "https://rp.example/cb"), answers, nil)
	if err != nil || id.Subject != "2244994945" || id.Username != "XDevelopers" || !id.EmailVerified || asked.Get("code_challenge_method") != "S256" {
		t.Errorf("%+v, %v, %v", id, asked, err)
	}
}

// openIDAnswers are those of an OpenID provider at a host, with the claims of its ID token.
func openIDAnswers(t *testing.T, host, issuer string, key crypto.Signer, claims map[string]any, check func(*http.Request)) pretend {
	t.Helper()
	set, err := jose.Set([]jose.PublicKey{{ID: "k", Algorithm: jose.RS256, Key: key.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	claims["iat"], claims["exp"] = time.Now().Unix(), time.Now().Add(time.Minute).Unix()
	return pretend{
		"nonce": func(nonce string) { claims["nonce"] = nonce },
		host + "/.well-known/openid-configuration": map[string]any{
			"issuer": issuer, "authorization_endpoint": issuer + "/a", "token_endpoint": "https://" + host + "/token", "jwks_uri": "https://" + host + "/jwks",
		},
		host + "/jwks": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) }),
		host + "/token": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			check(r)
			payload, _ := json.Marshal(claims)
			token, err := jose.Sign(payload, jose.Header{Alg: jose.RS256, Kid: "k"}, key)
			if err != nil {
				t.Error(err)
			}
			writeJSON(w, map[string]any{"access_token": "t", "token_type": "Bearer", "id_token": token})
		}),
	}
}

func TestGoogle(t *testing.T) {
	t.Parallel()
	key, _ := jose.GenerateKey(jose.RS256)
	answers := openIDAnswers(t, "accounts.google.com", "https://accounts.google.com", key,
		map[string]any{"iss": "https://accounts.google.com", "aud": "id", "sub": "1", "email": "a@gmail.com", "email_verified": true, "hd": "example.com"},
		func(r *http.Request) {
			if r.PostForm.Get("client_secret") != "secret" {
				t.Error("no secret in the body")
			}
		})
	id, _, err := signInAt(t, rp.Google("id", "secret", "https://rp.example/cb"), answers, nil)
	if err != nil || id.Subject != "1" || !id.EmailVerified || id.Claims["hd"] != "example.com" {
		t.Errorf("%+v, %v", id, err)
	}
}

// An address in somebody's own tenant is nobody's proof.
func TestAttackMicrosoftAddressOfATenant(t *testing.T) {
	t.Parallel()
	key, _ := jose.GenerateKey(jose.RS256)
	const tenant = "9188040d-6c67-4c5b-b112-36a304b66dad"
	claims := map[string]any{
		"iss": "https://login.microsoftonline.com/" + tenant + "/v2.0", "tid": tenant, "aud": "id", "sub": "1", "email": "victim@example.com", "email_verified": true,
	}
	answers := openIDAnswers(t, "login.microsoftonline.com", "https://login.microsoftonline.com/{tenantid}/v2.0", key, claims, func(*http.Request) {})
	answers["login.microsoftonline.com/common/v2.0/.well-known/openid-configuration"] = map[string]any{
		"issuer": "https://login.microsoftonline.com/{tenantid}/v2.0", "authorization_endpoint": "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
		"token_endpoint": "https://login.microsoftonline.com/token", "jwks_uri": "https://login.microsoftonline.com/jwks",
	}
	id, _, err := signInAt(t, rp.Microsoft("common", "id", "secret", "https://rp.example/cb"), answers, nil)
	if err != nil || id.Issuer != "https://login.microsoftonline.com/"+tenant+"/v2.0" || id.EmailVerified {
		t.Fatalf("%+v, %v", id, err)
	}
	for _, said := range []any{true, "1", "true", 1, false, "0", "false", 0, 2, nil, ""} {
		claims["xms_edov"] = said
		owned := said == true || said == "1" || said == "true" || said == 1
		id, _, err = signInAt(t, rp.Microsoft("common", "id", "secret", "https://rp.example/cb"), answers, nil)
		if err != nil || id.EmailVerified != owned {
			t.Errorf("by the owner of the domain, %#v: %+v, %v", said, id, err)
		}
	}
}

func TestApple(t *testing.T) {
	t.Parallel()
	key, _ := jose.GenerateKey(jose.RS256)
	own, _ := jose.GenerateKey(jose.ES256)
	claims := map[string]any{"iss": "https://appleid.apple.com", "aud": "com.example.web", "sub": "001", "email": "x@privaterelay.appleid.com", "email_verified": "true"}
	answers := openIDAnswers(t, "appleid.apple.com", "https://appleid.apple.com", key, claims, func(r *http.Request) {
		h, payload, err := jose.Verifier{}.Verify(r.PostForm.Get("client_secret"), func(jose.Header) (jose.PublicKey, error) {
			return jose.PublicKey{Algorithm: jose.ES256, Key: own.Public()}, nil
		})
		var c struct {
			Iss, Sub, Aud string
			Iat, Exp      int64
		}
		if err != nil || json.Unmarshal(payload, &c) != nil || h.Kid != "K" || c.Iss != "TEAM" || c.Sub != "com.example.web" ||
			c.Aud != "https://appleid.apple.com" || c.Exp <= c.Iat {
			t.Errorf("client secret %v %s, %v", h, payload, err)
		}
	})
	config := rp.Apple("com.example.web", rp.AppleKey{TeamID: "TEAM", KeyID: "K", Signer: own}, "https://rp.example/cb")
	id, asked, err := signInAt(t, config, answers, url.Values{"user": {`{"name":{"firstName":"Ann","lastName":"A"},"email":"victim@example.com"}`}})
	if err != nil || id.GivenName != "Ann" || id.FamilyName != "A" || id.Email != "x@privaterelay.appleid.com" || !id.EmailVerified {
		t.Errorf("%+v, %v", id, err)
	}
	if asked.Get("response_mode") != "form_post" || asked.Get("scope") != "openid name email" {
		t.Errorf("asked %v", asked)
	}
	if id, _, err = signInAt(t, config, answers, url.Values{"user": {`{"name":`}}); err != nil || id.GivenName != "" {
		t.Errorf("a broken form: %+v, %v", id, err)
	}
	long := `{"name":{"firstName":"Ann"},"x":"` + strings.Repeat("x", 4<<10) + `"}`
	if id, _, err = signInAt(t, config, answers, url.Values{"user": {long}}); err != nil || id.GivenName != "" {
		t.Errorf("a form without end: %+v, %v", id, err)
	}
	claims["given_name"] = "Anna" // what Apple has signed counts
	id, _, err = signInAt(t, config, answers, url.Values{"user": {`{"name":{"firstName":"Ann","lastName":""}}`}})
	if _, told := id.Claims["family_name"]; err != nil || id.GivenName != "Anna" || told {
		t.Errorf("a name that is told twice: %+v, %v", id, err)
	}
}
