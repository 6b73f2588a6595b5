package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// serveTests serves all profiles over TLS until the test ends.
func serveTests(t *testing.T, clients string) (base string, client *http.Client) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	o := options{base: "https://" + server.Listener.Addr().String()}
	if clients != "" {
		o.clients = filepath.Join(t.TempDir(), "clients.json")
		if err := os.WriteFile(o.clients, []byte(clients), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	house, err := furnish(t.Context(), o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = house.handler()
	server.StartTLS()
	t.Cleanup(func() {
		server.Close()
		if err := house.close(); err != nil {
			t.Error(err)
		}
	})
	return o.base, server.Client()
}

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

// signIn goes through the pages as the suite's automation does, by their frozen ids, and returns the ID token.
func signIn(ctx context.Context, t *testing.T, client *http.Client, app *oauth2.Config) string {
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
	proof := oauth2.GenerateVerifier()
	answer, err := browser.Get(app.AuthCodeURL("state", oauth2.S256ChallengeOption(proof)))
	for err == nil && answer.StatusCode == http.StatusOK {
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
	tokens, err := app.Exchange(ctx, location.Query().Get("code"), oauth2.VerifierOption(proof))
	if err != nil {
		t.Fatalf("%s: %v", location, err)
	}
	text, _ := tokens.Extra("id_token").(string)
	return text
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
