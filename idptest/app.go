package idptest

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/directory"
)

// App is a registered application.
type App struct {
	ClientID, ClientSecret, RedirectURL string
	// Application and Client are what is registered.
	Application *directory.Application
	Client      *oidc.Client

	server *Server
}

// App registers an application that is answered at redirectURL: a confidential client for authorization codes and refresh
// tokens, to which people go back after logout at the root of the same host. Each edit may change Application and Client
// before they are written. Nothing has to listen at redirectURL.
func (s *Server) App(redirectURL string, edits ...func(*App)) *App {
	s.t.Helper()
	s.mu.Lock()
	s.apps++
	number := strconv.Itoa(s.apps)
	s.mu.Unlock()
	a := &App{
		RedirectURL: redirectURL,
		Application: &directory.Application{Name: "App " + number},
		Client:      &oidc.Client{ClientID: "app-" + number, RedirectURIs: []string{redirectURL}},
		server:      s,
	}
	if u, err := url.Parse(redirectURL); err == nil && u.Host != "" {
		a.Client.PostLogoutRedirectURIs = []string{u.Scheme + "://" + u.Host + "/"}
	}
	for _, edit := range edits {
		edit(a)
	}
	ctx := s.t.Context()
	s.must("register the application", s.Provider.Directory.Applications.Create(ctx, a.Application))
	a.Client.Application = a.Application.Ref()
	var err error
	a.ClientSecret, err = s.Provider.Clients.Create(ctx, a.Application.Name, a.Client)
	s.must("register the client", err)
	a.ClientID = a.Client.ClientID
	return a
}

// OAuth2Config is the application as x/oauth2 knows it, asking for openid, profile and email.
func (a *App) OAuth2Config() *oauth2.Config {
	endpoint := a.server.metadata.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if a.Client.AuthMethod != oidc.ClientSecretBasic {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{
		ClientID: a.ClientID, ClientSecret: a.ClientSecret, RedirectURL: a.RedirectURL, Endpoint: endpoint,
		Scopes: []string{goidc.ScopeOpenID, "profile", "email"},
	}
}

// Request is one sign-in as the application sees it: an authorization request with all that protects the way back.
type Request struct {
	// URL is where the application sends the browser.
	URL string
	// State, Nonce and Verifier are what the application keeps until it is answered (RFC 6749 §4.1.1, OpenID Connect
	// Core §3.1.2.1, RFC 7636 §4.1).
	State, Nonce, Verifier string

	app *App
}

// Request begins a sign-in. Parameters are added to the request, in place of any of the same name, for example
// oauth2.SetAuthURLParam("prompt", "none").
func (a *App) Request(parameters ...oauth2.AuthCodeOption) *Request {
	r := &Request{
		State: oauth2.GenerateVerifier(), Nonce: oauth2.GenerateVerifier(), Verifier: oauth2.GenerateVerifier(), app: a,
	}
	own := []oauth2.AuthCodeOption{goidc.Nonce(r.Nonce), oauth2.S256ChallengeOption(r.Verifier)}
	r.URL = a.OAuth2Config().AuthCodeURL(r.State, append(own, parameters...)...)
	return r
}

// Tokens are what a sign-in gave the application. The embedded Token holds AccessToken and RefreshToken, and puts itself
// into a request with SetAuthHeader.
type Tokens struct {
	*oauth2.Token
	// IDToken is as it was issued; "" where there is none.
	IDToken string
	// Claims are those of the IDToken, which has been verified.
	Claims map[string]any

	app *App
}

// Redeem takes the answer with which the browser came back, checks what an application must check, and trades the code for
// tokens. An error response is an *oidc.Error, and a refusal of the token endpoint an *oauth2.RetrieveError.
func (r *Request) Redeem(page *Page) (*Tokens, error) {
	answer := page.URL.Query()
	switch {
	case answer.Get("state") != r.State:
		return nil, fmt.Errorf("idptest: no answer to this request: %v", page)
	case answer.Get("iss") != r.app.server.URL: // RFC 9207 §2.4
		return nil, fmt.Errorf("idptest: the answer is from issuer %q", answer.Get("iss"))
	case answer.Get("error") != "":
		return nil, &oidc.Error{Code: answer.Get("error"), Description: answer.Get("error_description")}
	}
	token, err := r.app.OAuth2Config().Exchange(r.app.server.context(), answer.Get("code"), oauth2.VerifierOption(r.Verifier))
	if err != nil {
		return nil, err
	}
	return r.app.verify(token, r.Nonce)
}

// Refresh trades the refresh token for new tokens (RFC 6749 §6). A refusal is an *oauth2.RetrieveError.
func (t *Tokens) Refresh() (*Tokens, error) {
	old := &oauth2.Token{RefreshToken: t.RefreshToken}
	token, err := t.app.OAuth2Config().TokenSource(t.app.server.context(), old).Token()
	if err != nil {
		return nil, err
	}
	nonce, _ := t.Claims["nonce"].(string) // OpenID Connect Core §12.2: the same, or none
	return t.app.verify(token, nonce)
}

// verify checks the ID token that came with an access token (OpenID Connect Core §3.1.3.7).
func (a *App) verify(token *oauth2.Token, nonce string) (*Tokens, error) {
	tokens := &Tokens{Token: token, app: a}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return tokens, nil
	}
	verifier := a.server.metadata.Verifier(&goidc.Config{ClientID: a.ClientID, Now: a.server.Now})
	id, err := verifier.Verify(a.server.context(), raw)
	if err != nil {
		return nil, err
	}
	if id.Nonce != "" && id.Nonce != nonce {
		return nil, errors.New("idptest: the ID token belongs to another sign-in")
	}
	if id.AccessTokenHash != "" {
		if err := id.VerifyAccessToken(token.AccessToken); err != nil {
			return nil, err
		}
	}
	tokens.IDToken = raw
	return tokens, id.Claims(&tokens.Claims)
}
