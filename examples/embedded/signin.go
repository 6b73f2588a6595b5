package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// door signs people in to the shop with OpenID Connect, as an application elsewhere would, and remembers them by a cookie of the
// shop's own. Being in the same program spares it one thing: it asks the directory who a token is about.
type door struct {
	issuer, home string
	directory    *directory.Directory
	oauth        oauth2.Config
	verifier     *oidc.IDTokenVerifier

	mu     sync.Mutex
	visits map[string]visit // by cookie; a real shop would forget them some day
}

// visit is a browser at the shop: on its way through the provider, or of a customer.
type visit struct {
	state, nonce, verifier string
	name, idToken          string
}

// newDoor returns the door of the shop at home, which is a client of the provider.
func newDoor(ctx context.Context, people *directory.Directory, home string, client credentials) *door {
	issuer := home + "/auth"
	endpoints := oidc.ProviderConfig{
		IssuerURL: issuer, AuthURL: issuer + "/oauth2/authorize", TokenURL: issuer + "/oauth2/token", JWKSURL: issuer + "/oauth2/jwks",
	}
	provider := endpoints.NewProvider(ctx)
	return &door{
		issuer: issuer, home: home, directory: people,
		oauth: oauth2.Config{
			ClientID: client.id, ClientSecret: client.secret, Endpoint: provider.Endpoint(),
			RedirectURL: home + "/callback", Scopes: []string{oidc.ScopeOpenID},
		},
		verifier: provider.Verifier(&oidc.Config{ClientID: client.id}),
		visits:   map[string]visit{},
	}
}

// customer is the name of who is signed in, "" for nobody.
func (d *door) customer(r *http.Request) string { return d.visit(r).name }

// open sends the browser to the provider, with everything that protects the way back: state, nonce and PKCE.
func (d *door) open(w http.ResponseWriter, r *http.Request) {
	v := visit{state: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier()}
	d.remember(w, r, v)
	http.Redirect(w, r, d.oauth.AuthCodeURL(v.state, oidc.Nonce(v.nonce), oauth2.S256ChallengeOption(v.verifier)), http.StatusSeeOther)
}

// enter receives the answer.
func (d *door) enter(w http.ResponseWriter, r *http.Request) {
	v, answer := d.visit(r), r.URL.Query()
	switch {
	case v.state == "" || subtle.ConstantTimeCompare([]byte(answer.Get("state")), []byte(v.state)) != 1 || answer.Get("iss") != d.issuer:
		http.Error(w, "this answer belongs to no sign-in of this browser", http.StatusBadRequest)
		return
	case answer.Has("error"):
		http.Redirect(w, r, "/", http.StatusSeeOther) // changed their mind
		return
	}
	entered, err := d.redeem(r.Context(), v, answer.Get("code"))
	if err != nil {
		http.Error(w, "the sign-in failed: "+err.Error(), http.StatusBadGateway)
		return
	}
	d.remember(w, r, entered)
	http.Redirect(w, r, "/orders", http.StatusSeeOther)
}

// redeem trades the code for an ID token, and that for a person.
func (d *door) redeem(ctx context.Context, v visit, code string) (visit, error) {
	token, err := d.oauth.Exchange(ctx, code, oauth2.VerifierOption(v.verifier))
	if err != nil {
		return visit{}, err
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := d.verifier.Verify(ctx, raw)
	if err != nil {
		return visit{}, err
	}
	if id.Nonce != v.nonce {
		return visit{}, errors.New("the ID token belongs to another sign-in")
	}
	subject, err := d.directory.Subjects.Get(ctx, store.Ref{ID: id.Subject})
	if err != nil {
		return visit{}, err
	}
	user, err := d.directory.UserOf(ctx, subject)
	if err != nil {
		return visit{}, err
	}
	return visit{name: user.Name, idToken: raw}, nil
}

// leave signs out of the shop, and of the provider (OpenID Connect RP-Initiated Logout 1.0 §2).
func (d *door) leave(w http.ResponseWriter, r *http.Request) {
	query := url.Values{"client_id": {d.oauth.ClientID}, "post_logout_redirect_uri": {d.home + "/"}}
	if hint := d.visit(r).idToken; hint != "" {
		query.Set("id_token_hint", hint)
	}
	d.remember(w, r, visit{})
	http.Redirect(w, r, d.issuer+"/oidc/logout?"+query.Encode(), http.StatusSeeOther)
}

const visitCookie = "shop-visit"

func (d *door) visit(r *http.Request) visit {
	c, err := r.Cookie(visitCookie)
	if err != nil {
		return visit{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.visits[c.Value]
}

// remember begins a visit under a new cookie, so that nobody can have known it before.
func (d *door) remember(w http.ResponseWriter, r *http.Request, v visit) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if old, err := r.Cookie(visitCookie); err == nil {
		delete(d.visits, old.Value)
	}
	id := rand.Text()
	d.visits[id] = v
	http.SetCookie(w, &http.Cookie{
		Name: visitCookie, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Expires: time.Now().Add(24 * time.Hour),
	})
}
