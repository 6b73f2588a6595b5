package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// clientID is the application's name at the provider.
const clientID = "who-am-i"

// who is the smallest application: it signs a browser in and says whom it sees.
type who struct {
	issuer    string
	directory *directory.Directory
	oauth     oauth2.Config
	verifier  *oidc.IDTokenVerifier
}

// newWho configures the application by hand, because its provider begins to listen only later.
func newWho(ctx context.Context, people *directory.Directory, home, secret string) *who {
	issuer := home + "/auth"
	endpoints := oidc.ProviderConfig{
		IssuerURL: issuer, AuthURL: issuer + "/oauth2/authorize", TokenURL: issuer + "/oauth2/token", JWKSURL: issuer + "/oauth2/jwks",
	}
	provider := endpoints.NewProvider(ctx)
	return &who{
		issuer: issuer, directory: people,
		oauth: oauth2.Config{
			ClientID: clientID, ClientSecret: secret, Endpoint: provider.Endpoint(),
			RedirectURL: home + "/callback", Scopes: []string{oidc.ScopeOpenID},
		},
		verifier: provider.Verifier(&oidc.Config{ClientID: clientID}),
	}
}

func (a *who) mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", a.ask)
	mux.HandleFunc("GET /callback", a.tell)
}

const signInCookie = "sign-in"

// ask sends the browser to the provider, with everything that protects the way back: state, nonce and PKCE.
func (a *who) ask(w http.ResponseWriter, r *http.Request) {
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	http.SetCookie(w, &http.Cookie{
		Name: signInCookie, Value: strings.Join([]string{state, nonce, verifier}, "|"), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	http.Redirect(w, r, a.oauth.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), http.StatusSeeOther)
}

// tell receives the answer, and says who it is about.
func (a *who) tell(w http.ResponseWriter, r *http.Request) {
	subject, err := a.redeem(r)
	if err != nil {
		http.Error(w, "the sign-in failed: "+err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "You are %s in the user store %q, and %s to applications.\n", subject.ExternalID, subject.Store, subject.ID)
}

// redeem trades the code for an ID token, and that for the Subject: Store and ExternalID are the way back to the row.
func (a *who) redeem(r *http.Request) (*directory.Subject, error) {
	answer, began := r.URL.Query(), []string{"", "", ""}
	if c, err := r.Cookie(signInCookie); err == nil && strings.Count(c.Value, "|") == 2 {
		began = strings.Split(c.Value, "|")
	}
	state, nonce, verifier := began[0], began[1], began[2]
	if state == "" || subtle.ConstantTimeCompare([]byte(answer.Get("state")), []byte(state)) != 1 || answer.Get("iss") != a.issuer {
		return nil, errors.New("this answer belongs to no sign-in of this browser")
	}
	token, err := a.oauth.Exchange(r.Context(), answer.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, err
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := a.verifier.Verify(r.Context(), raw)
	if err != nil {
		return nil, err
	}
	if id.Nonce != nonce {
		return nil, errors.New("the ID token belongs to another sign-in")
	}
	return a.directory.Subjects.Get(r.Context(), store.Ref{ID: id.Subject})
}
