package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/signet-idp/signet/oidc"
)

// Every profile has a discovery document in both places, whose endpoints are its own, and keys without private parts (OpenID Connect
// Discovery §4.2, RFC 8414 §3.1, RFC 7517 §9.3).
func TestProfilesAreServed(t *testing.T) {
	t.Parallel()
	base, client := serveTests(t, "")
	for _, p := range profiles {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			issuer := base + "/" + p.name
			for _, at := range []string{issuer + "/.well-known/openid-configuration", base + "/.well-known/oauth-authorization-server/" + p.name} {
				var found map[string]any
				if err := json.Unmarshal([]byte(get(t, client, at)), &found); err != nil || found["issuer"] != issuer {
					t.Fatalf("%s: %v, %v", at, found["issuer"], err)
				}
				for name, value := range found {
					if text, ok := value.(string); ok && strings.HasSuffix(name, "_endpoint") && !strings.HasPrefix(text, issuer+"/") {
						t.Errorf("%s is %s", name, text)
					}
				}
			}
			keys := get(t, client, issuer+"/oauth2/jwks")
			for _, private := range []string{`"d":`, `"p":`, `"q":`, `"k":`} {
				if strings.Contains(keys, private) {
					t.Errorf("the key set has %s", private)
				}
			}
		})
	}
}

// A client of coreos/go-oidc, registered by a file, signs the person in, without JavaScript; the ID token still verifies when keys were
// replaced, and the next has another key.
func TestSignInAndRotate(t *testing.T) {
	t.Parallel()
	const secret = "a secret of more than 22 characters"
	base, client := serveTests(t, `[{"profile": "op", "name": "Suite", "client_secret": "`+secret+`", "client": {"client_id": "suite", "redirect_uris": ["https://suite.example/cb"]}}]`)
	ctx := goidc.ClientContext(t.Context(), client)
	upstream, err := goidc.NewProvider(ctx, base+"/op")
	if err != nil {
		t.Fatal(err)
	}
	app := oauth2.Config{
		ClientID: "suite", ClientSecret: secret, Endpoint: upstream.Endpoint(), RedirectURL: "https://suite.example/cb",
		Scopes: []string{"openid", "profile", "email", "address", "phone"},
	}
	verifier := upstream.Verifier(&goidc.Config{ClientID: "suite"})
	first := signIn(ctx, t, client, &app)
	token, err := verifier.Verify(ctx, first)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Post(base+"/test/op/rotate-keys", "", nil)
	if err != nil || response.StatusCode != http.StatusNoContent {
		t.Fatalf("replacing keys: %v, %v", response, err)
	}
	_ = response.Body.Close()
	if _, err := verifier.Verify(ctx, first); err != nil {
		t.Errorf("a token from before: %v", err)
	}
	second := signIn(ctx, t, client, &app)
	again, err := verifier.Verify(ctx, second)
	if err != nil || again.Subject != token.Subject || header(second) == header(first) {
		t.Errorf("with the next key: %v; headers %s and %s", err, header(first), header(second))
	}
}

// header is the encoded header of a JWT.
func header(token string) string { text, _, _ := strings.Cut(token, "."); return text }

var (
	hidden  = regexp.MustCompile(`<input type="hidden" name="(\w+)" value="([^"]*)">`)
	boxes   = regexp.MustCompile(`<input type="checkbox" name="(consent)" value="([^"]*)"`)
	buttons = regexp.MustCompile(`id="(login|consent_allow)"`)
)

// signIn goes through the pages and returns the ID token.
func signIn(ctx context.Context, t *testing.T, client *http.Client, app *oauth2.Config) string {
	t.Helper()
	proof := oauth2.GenerateVerifier()
	code, _ := press(t, client, app.AuthCodeURL("state", oauth2.S256ChallengeOption(proof)))
	tokens, err := app.Exchange(ctx, code, oauth2.VerifierOption(proof))
	if err != nil {
		t.Fatal(err)
	}
	text, _ := tokens.Extra("id_token").(string)
	return text
}

// press goes through the pages as the suite's automation does, by their frozen ids, in a browser of its own, and returns the code and
// how many pages there were.
func press(t *testing.T, client *http.Client, begin string) (code string, pages int) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Transport: client.Transport, Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host == "suite.example" {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	answer, err := browser.Get(begin)
	for ; err == nil && answer.StatusCode == http.StatusOK; pages++ {
		var page []byte
		if page, err = io.ReadAll(answer.Body); err != nil {
			break
		}
		_ = answer.Body.Close()
		button := buttons.FindSubmatch(page)
		if button == nil {
			t.Fatalf("a page with nothing to press: %s", page)
		}
		form := url.Values{"action": {string(button[1])}}
		if string(button[1]) == "login" {
			form.Set("username", personName)
			form.Set("password", personPassword)
		}
		for _, field := range append(hidden.FindAllSubmatch(page, -1), boxes.FindAllSubmatch(page, -1)...) {
			form.Add(string(field[1]), string(field[2]))
		}
		answer, err = browser.PostForm(answer.Request.URL.String(), form)
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	location, err := answer.Location()
	if err != nil {
		t.Fatalf("%s answers %d: %v", answer.Request.URL.Path, answer.StatusCode, err)
	}
	return location.Query().Get("code"), pages
}

func get(t *testing.T, client *http.Client, address string) string {
	t.Helper()
	answer, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", address, answer.StatusCode, err)
	}
	return string(text)
}

// A client that registers itself as the plan for Dynamic does needs no other setting: no PKCE, no nonce, no consent, and the request
// object is unsigned where it did not say (OpenID Connect Core §3.1.2.1, §6.1, Registration §2). A third party can begin at it (Core §4).
func TestSuiteRegisters(t *testing.T) {
	t.Parallel()
	base, client := serveTests(t, "")
	const callback = "https://suite.example/cb"
	answer, err := client.Post(base+"/op/oauth2/register", "application/json", strings.NewReader(`{
		"redirect_uris": ["`+callback+`"], "grant_types": ["authorization_code", "implicit"], "application_type": "web", "contacts": ["suite@example.com"],
		"response_types": ["code"], "initiate_login_uri": "https://suite.example/begin"}`))
	if err != nil {
		t.Fatal(err)
	}
	var made map[string]any
	err = json.NewDecoder(answer.Body).Decode(&made)
	_ = answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusCreated || made["client_secret"] == nil || made["client_secret_expires_at"] != 0.0 {
		t.Fatalf("%d %v %v", answer.StatusCode, made, err)
	}
	id, _ := made["client_id"].(string)
	secret, _ := made["client_secret"].(string)
	for name, want := range map[string]any{
		"token_endpoint_auth_method": "client_secret_basic", "id_token_signed_response_alg": "RS256", "application_type": "web",
		"registration_client_uri": base + "/op/oauth2/register/" + id,
	} {
		if made[name] != want {
			t.Errorf("%s is %v", name, made[name])
		}
	}
	ctx := goidc.ClientContext(t.Context(), client)
	upstream, err := goidc.NewProvider(ctx, base+"/op")
	if err != nil {
		t.Fatal(err)
	}
	object := unsignedObject(t, map[string]any{"redirect_uri": callback, "client_id": id, "response_type": "code"})
	for name, app := range map[string]oauth2.Config{
		"bare":   {Endpoint: upstream.Endpoint(), RedirectURL: callback},
		"object": {Endpoint: withParameter(upstream.Endpoint(), "request", object), RedirectURL: "https://elsewhere.example/"},
	} {
		app.ClientID, app.ClientSecret, app.Scopes = id, secret, []string{"openid", "profile"}
		code, pages := press(t, client, app.AuthCodeURL("state"))
		if pages != 1 || code == "" {
			t.Fatalf("%s: %d pages, code %q", name, pages, code)
		}
		app.RedirectURL = callback
		if _, err := app.Exchange(ctx, code); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	blind := &http.Client{Transport: client.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err = blind.Get(base + "/test/op/initiate?client_id=" + id)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if at := answer.Header.Get("Location"); at != "https://suite.example/begin?iss="+url.QueryEscape(base+"/op") {
		t.Errorf("a sign-in begins at %q", at)
	}
}

// The first page of a sign-in shows the logo of a client that registered itself, which the browser may load, and leads to its policy and
// its terms: people are asked for screenshots of them (OpenID Connect Registration 1.0 §2).
func TestSuiteSeesTheClient(t *testing.T) {
	t.Parallel()
	base, client := serveTests(t, "")
	const callback, logo = "https://suite.example/cb", "https://suite.example/images/logo.png"
	answer, err := client.Post(base+"/op/oauth2/register", "application/json", strings.NewReader(`{"redirect_uris": ["`+callback+`"],
		"logo_uri": "`+logo+`", "policy_uri": "https://suite.example/policy", "tos_uri": "https://suite.example/tos"}`))
	if err != nil {
		t.Fatal(err)
	}
	var made oidc.Client
	err = json.NewDecoder(answer.Body).Decode(&made)
	_ = answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusCreated {
		t.Fatalf("%d %v", answer.StatusCode, err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Transport: client.Transport, Jar: jar}
	answer, err = browser.Get(base + "/op/oauth2/authorize?" + url.Values{
		"client_id": {made.ClientID}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid"},
	}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%d %v", answer.StatusCode, err)
	}
	for _, shown := range []string{`src="` + logo + `"`, `href="https://suite.example/policy"`, `href="https://suite.example/tos"`} {
		if !strings.Contains(string(page), shown) {
			t.Errorf("the page has no %s: %s", shown, page)
		}
	}
	if policy := answer.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "https://suite.example") {
		t.Errorf("the browser may not load the logo: %s", policy)
	}
}

// unsignedObject is a request object with the algorithm none (RFC 7519 §6).
func unsignedObject(t *testing.T, claims map[string]any) string {
	t.Helper()
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(text) + "."
}

func withParameter(e oauth2.Endpoint, name, value string) oauth2.Endpoint {
	e.AuthURL += "?" + url.Values{name: {value}}.Encode()
	return e
}
