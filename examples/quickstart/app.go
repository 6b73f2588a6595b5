package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// app is an application as anybody would write it: it knows the provider by its issuer alone and speaks to it with x/oauth2
// and go-oidc.
type app struct {
	url, issuer string
	client      credentials

	mu       sync.Mutex
	sessions map[string]*session
}

// session is a browser at the application.
type session struct {
	state, nonce, verifier string // of the sign-in under way

	idToken string
	Claims  string // what the page shows
	Name    string
}

func newApp(appURL, issuer string, client credentials) http.Handler {
	a := &app{url: appURL, issuer: issuer, client: client, sessions: map[string]*session{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("GET /login", a.login)
	mux.HandleFunc("GET /callback", a.callback)
	mux.HandleFunc("GET /logout", a.logout)
	return mux
}

func (a *app) home(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = homePage.Execute(w, a.session(w, r))
}

// login sends the browser to the provider, with everything that protects the way back: state, nonce and PKCE.
func (a *app) login(w http.ResponseWriter, r *http.Request) {
	config, _, err := a.provider(r.Context())
	if err != nil {
		a.fail(w, err)
		return
	}
	s := a.session(w, r)
	s.state, s.nonce, s.verifier = rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	http.Redirect(w, r, config.AuthCodeURL(s.state, oidc.Nonce(s.nonce), oauth2.S256ChallengeOption(s.verifier)), http.StatusFound)
}

// callback receives the code and trades it for tokens.
func (a *app) callback(w http.ResponseWriter, r *http.Request) {
	s, query := a.session(w, r), r.URL.Query()
	if s.state == "" || subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(s.state)) != 1 || query.Get("iss") != a.issuer {
		http.Error(w, "this answer belongs to no sign-in of this browser", http.StatusBadRequest)
		return
	}
	s.state = ""
	if refusal := query.Get("error"); refusal != "" {
		http.Error(w, "not signed in: "+refusal+": "+query.Get("error_description"), http.StatusForbidden)
		return
	}
	if err := a.exchange(r.Context(), s, query.Get("code")); err != nil {
		a.fail(w, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a *app) exchange(ctx context.Context, s *session, code string) error {
	config, provider, err := a.provider(ctx)
	if err != nil {
		return err
	}
	token, err := config.Exchange(ctx, code, oauth2.VerifierOption(s.verifier))
	if err != nil {
		return err
	}
	raw, _ := token.Extra("id_token").(string)
	idToken, err := provider.Verifier(&oidc.Config{ClientID: a.client.id}).Verify(ctx, raw)
	if err != nil {
		return err
	}
	if idToken.Nonce != s.nonce {
		return errors.New("the ID token belongs to another sign-in")
	}
	info, err := provider.UserInfo(ctx, config.TokenSource(ctx, token))
	if err != nil {
		return err
	}
	shown := map[string]any{}
	if err := idToken.Claims(&shown); err != nil {
		return err
	}
	if err := info.Claims(&shown); err != nil {
		return err
	}
	claims, err := json.MarshalIndent(shown, "", "  ")
	s.idToken, s.Claims = raw, string(claims)
	s.Name, _ = shown["name"].(string)
	return err
}

// logout forgets the person here and asks the provider to do the same.
func (a *app) logout(w http.ResponseWriter, r *http.Request) {
	_, provider, err := a.provider(r.Context())
	if err != nil {
		a.fail(w, err)
		return
	}
	var metadata struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&metadata); err != nil {
		a.fail(w, err)
		return
	}
	s := a.session(w, r)
	query := url.Values{"post_logout_redirect_uri": {a.url + "/"}, "client_id": {a.client.id}}
	if s.idToken != "" {
		query.Set("id_token_hint", s.idToken)
	}
	*s = session{}
	http.Redirect(w, r, metadata.EndSession+"?"+query.Encode(), http.StatusSeeOther)
}

// provider reads the provider's metadata. A real application would keep it.
func (a *app) provider(ctx context.Context) (*oauth2.Config, *oidc.Provider, error) {
	provider, err := oidc.NewProvider(ctx, a.issuer)
	if err != nil {
		return nil, nil, err
	}
	return &oauth2.Config{
		ClientID: a.client.id, ClientSecret: a.client.secret, Endpoint: provider.Endpoint(),
		RedirectURL: a.url + "/callback", Scopes: []string{oidc.ScopeOpenID, "profile", "email"},
	}, provider, nil
}

// session returns the browser's session, and begins one when it has none.
func (a *app) session(w http.ResponseWriter, r *http.Request) *session {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c, err := r.Cookie("app-session"); err == nil && a.sessions[c.Value] != nil {
		return a.sessions[c.Value]
	}
	id := rand.Text()
	a.sessions[id] = &session{}
	http.SetCookie(w, &http.Cookie{
		Name: "app-session", Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Expires: time.Now().Add(24 * time.Hour),
	})
	return a.sessions[id]
}

func (a *app) fail(w http.ResponseWriter, err error) {
	http.Error(w, "the sign-in failed: "+err.Error(), http.StatusBadGateway)
}

var homePage = template.Must(template.New("home").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Quickstart App</title><style>
:root { color-scheme: light dark; font: 16px/1.6 system-ui, sans-serif }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; box-sizing: border-box }
main { width: min(42rem, 100%) }
h1 { font-size: 2rem; margin: 0 0 .5rem }
a.button { display: inline-block; padding: .7rem 1.4rem; border-radius: .6rem; background: #2f5bea; color: #fff; text-decoration: none; font-weight: 600 }
pre { padding: 1rem; border-radius: .6rem; background: light-dark(#f2f4f8, #1c2230); overflow: auto; font-size: .9rem }
</style></head><body><main>
{{if .Claims}}<h1>Hello, {{.Name}}</h1>
<p>This is what the identity provider says of you:</p>
<pre id="claims">{{.Claims}}</pre>
<p><a class="button" id="sign-out" href="/logout">Sign out</a></p>
{{else}}<h1>Quickstart App</h1>
<p>A small application on its own port. It knows who you are only from the identity provider.</p>
<p><a class="button" id="sign-in" href="/login">Sign in with Signet</a></p>{{end}}
</main></body></html>
`))
