package idptest_test

import (
	"errors"
	"net/http"
	"reflect"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/directory"
)

func TestSignIn(t *testing.T) {
	everywhere(t, func(t *testing.T, idp *idptest.Server) {
		ann := idp.User("ann", func(u *directory.User) { u.Name = "Ann Example" })
		tokens := idp.SignIn(ann, idp.App(callback))
		for claim, want := range map[string]any{"iss": idp.URL, "sub": ann.ID, "aud": "app-1", "acr": "aal1", "amr": []any{"pwd"}} {
			if got := tokens.Claims[claim]; !reflect.DeepEqual(got, want) {
				t.Errorf("claim %s is %v, want %v", claim, got, want)
			}
		}
		if tokens.AccessToken == "" || tokens.RefreshToken == "" || tokens.IDToken == "" {
			t.Errorf("a token is missing: %v", tokens)
		}
		if got := get(t, idp, userInfo, tokens); got != http.StatusOK {
			t.Errorf("the access token is answered with %d", got)
		}
	})
}

func TestSignInWithTOTP(t *testing.T) {
	everywhere(t, func(t *testing.T, idp *idptest.Server) {
		ann, app := idp.User("ann"), idp.App(callback)
		began := idp.Now()
		idp.EnrollTOTP(ann)
		for range 3 { // a code is good for one sign-in, so the clock moves
			if tokens := idp.SignIn(ann, app); tokens.Claims["acr"] != "aal2" {
				t.Errorf("signed in with %v", tokens.Claims)
			}
		}
		if waited := idp.Now().Sub(began); waited <= 0 || waited > 90*time.Second {
			t.Errorf("three sign-ins took %v", waited)
		}
	})
}

// Where an application demands a second factor, it is set up on the way.
func TestSignInEnrolls(t *testing.T) {
	everywhere(t, func(t *testing.T, idp *idptest.Server) {
		ann := idp.User("ann")
		bank := idp.App(callback, func(a *idptest.App) { a.Application.SecondFactor = directory.SecondFactorRequired })
		for _, when := range []string{"the first time", "the second time"} {
			if tokens := idp.SignIn(ann, bank); tokens.Claims["acr"] != "aal2" {
				t.Errorf("%s: signed in with %v", when, tokens.Claims)
			}
		}
	})
}

func TestDeny(t *testing.T) {
	everywhere(t, func(t *testing.T, idp *idptest.Server) {
		ann, app := idp.User("ann"), idp.App(callback)
		b := idp.Browser()
		if refusal := b.Deny(ann, app); refusal.Code != "access_denied" {
			t.Errorf("the application is told %v", refusal)
		}
		// A refusal is not remembered: it is asked again, now that she is signed in.
		page := b.Open(app.Request().URL)
		if !page.Has("consent_allow") || page.Has("password") {
			t.Errorf("the next request: %v", page)
		}
	})
}

// A person may allow a part of what is asked for.
func TestPartialConsent(t *testing.T) {
	everywhere(t, func(t *testing.T, idp *idptest.Server) {
		ann, app := idp.User("ann"), idp.App(callback)
		r := app.Request()
		page := idp.Browser().Open(r.URL).Fill("username", ann.Username).Fill("password", idptest.Password).Submit("login")
		tokens, err := r.Redeem(page.Fill("consent", "email").Submit("consent_allow"))
		if err != nil {
			t.Fatal(err)
		}
		if got := tokens.Extra("scope"); got != "openid email" {
			t.Errorf("granted %v", got)
		}
	})
}

func TestPromptNone(t *testing.T) {
	everywhere(t, func(t *testing.T, idp *idptest.Server) {
		ann, app := idp.User("ann"), idp.App(callback)
		b := idp.Browser()
		silently := func(app *idptest.App) (*idptest.Tokens, error) {
			r := app.Request(prompt("none"))
			return r.Redeem(b.Open(r.URL))
		}
		if _, err := silently(app); !errors.Is(err, &oidc.Error{Code: "login_required"}) {
			t.Errorf("with nobody there: %v", err)
		}
		first := b.SignIn(ann, app)
		again, err := silently(app)
		if err != nil || again.Claims["sub"] != ann.ID || again.Claims["sid"] != first.Claims["sid"] {
			t.Errorf("signed in: %v, %v", again, err)
		}
		if _, err := silently(idp.App(callback)); !errors.Is(err, &oidc.Error{Code: "consent_required"}) {
			t.Errorf("an application that she does not know: %v", err)
		}
		if _, err := app.Request().Redeem(b.Open(app.Request(prompt("none")).URL)); err == nil {
			t.Error("an answer to another request was redeemed")
		}
	})
}

// prompt=login asks again, and the answer is a new proof in the same session.
func TestPromptLogin(t *testing.T) {
	everywhere(t, func(t *testing.T, idp *idptest.Server) {
		ann, app := idp.User("ann"), idp.App(callback)
		b := idp.Browser()
		first := b.SignIn(ann, app)
		idp.Advance(time.Minute)
		if page := b.Open(app.Request(prompt("login")).URL); !page.Has("password") {
			t.Fatalf("not asked: %v", page)
		}
		again := b.SignIn(ann, app, prompt("login"))
		if again.Claims["sid"] != first.Claims["sid"] || again.Claims["auth_time"] == first.Claims["auth_time"] {
			t.Errorf("at first %v, then %v", first.Claims, again.Claims)
		}
	})
}

// Consent that is given long after the password does not make the password younger (OpenID Connect Core §3.1.2.1).
func TestMaxAgeOverConsent(t *testing.T) {
	everywhere(t, func(t *testing.T, idp *idptest.Server) {
		ann, app := idp.User("ann"), idp.App(callback)
		r := app.Request(oauth2.SetAuthURLParam("max_age", "60"))
		page := idp.Browser().Open(r.URL).Fill("username", ann.Username).Fill("password", idptest.Password).Submit("login")
		idp.Advance(25 * time.Minute)
		if page = page.Submit("consent_allow"); !page.Has("password") {
			t.Fatalf("not asked again: %v", page)
		}
		tokens, err := r.Redeem(page.Fill("username", ann.Username).Fill("password", idptest.Password).Submit("login"))
		if err != nil {
			t.Fatal(err)
		}
		if got := int64(tokens.Claims["auth_time"].(float64)); got != idp.Now().Unix() {
			t.Errorf("auth_time is %d, and now %d", got, idp.Now().Unix())
		}
	})
}

func TestPublicClient(t *testing.T) {
	everywhere(t, func(t *testing.T, idp *idptest.Server) {
		app := idp.App("com.example.app:/callback", func(a *idptest.App) {
			a.Client.ClientID, a.Client.AuthMethod = "phone", oidc.NoAuth
		})
		tokens := idp.SignIn(idp.User("ann"), app)
		if app.ClientSecret != "" || tokens.Claims["aud"] != "phone" {
			t.Errorf("client %q with secret %q got %v", app.ClientID, app.ClientSecret, tokens.Claims)
		}
		if _, err := tokens.Refresh(); err != nil {
			t.Errorf("refresh: %v", err)
		}
	})
}

func TestRefresh(t *testing.T) {
	everywhere(t, func(t *testing.T, idp *idptest.Server) {
		first := idp.SignIn(idp.User("ann"), idp.App(callback))
		idp.Advance(2 * time.Hour)
		if got := get(t, idp, userInfo, first); got != http.StatusUnauthorized {
			t.Errorf("an expired access token: %d", got)
		}
		second, err := first.Refresh()
		if err != nil {
			t.Fatal(err)
		}
		if got := get(t, idp, userInfo, second); got != http.StatusOK || second.Claims["sub"] != first.Claims["sub"] {
			t.Errorf("the new access token of %v: %d", second.Claims["sub"], got)
		}
		idp.Advance(time.Minute)
		var refusal *oauth2.RetrieveError
		if _, err := first.Refresh(); !errors.As(err, &refusal) || refusal.ErrorCode != "invalid_grant" {
			t.Errorf("a refresh token used twice: %v", err)
		}
		if got := get(t, idp, userInfo, second); got != http.StatusUnauthorized {
			t.Errorf("its family afterwards: %d", got)
		}
	})
}

// A session that lies idle signs nobody in; one that is used does, and is asked for again only when it ends.
func TestIdle(t *testing.T) {
	everywhere(t, func(t *testing.T, idp *idptest.Server) {
		ann, app := idp.User("ann"), idp.App(callback)
		b := idp.Browser()
		b.SignIn(ann, app)
		for range 3 {
			idp.Advance(10 * time.Minute)
			b.SignIn(ann, app, prompt("none"))
		}
		idp.Advance(16 * time.Minute)
		if page := b.Open(app.Request().URL); !page.Has("password") {
			t.Errorf("after 16 idle minutes: %v", page)
		}
	})
}

func TestSignOut(t *testing.T) {
	everywhere(t, func(t *testing.T, idp *idptest.Server) {
		ann, app := idp.User("ann"), idp.App(callback)
		b := idp.Browser()
		tokens := b.SignIn(ann, app)
		if page := b.SignOut(tokens); page.URL.String() != "http://127.0.0.1/" {
			t.Errorf("ends at %v", page)
		}
		if got := get(t, idp, userInfo, tokens); got != http.StatusUnauthorized {
			t.Errorf("the access token after logout: %d", got)
		}
		if page := b.Open(app.Request().URL); !page.Has("password") {
			t.Errorf("signed out: %v", page)
		}
	})
}

// Without a place to go back to, a logout ends on a page of the provider.
func TestSignOutPage(t *testing.T) {
	everywhere(t, func(t *testing.T, idp *idptest.Server) {
		app := idp.App(callback, func(a *idptest.App) { a.Client.PostLogoutRedirectURIs = nil })
		b := idp.Browser()
		if page := b.SignOut(b.SignIn(idp.User("ann"), app)); !page.Has("logged_out") || page.Status != http.StatusOK {
			t.Errorf("ends at %v", page)
		}
	})
}

func TestSignOutByAdministrator(t *testing.T) {
	everywhere(t, func(t *testing.T, idp *idptest.Server) {
		ann, bob, app := idp.User("ann"), idp.User("bob"), idp.App(callback)
		hers, his := idp.SignIn(ann, app), idp.SignIn(bob, app)
		idp.SignOut(ann)
		if got := get(t, idp, userInfo, hers); got != http.StatusUnauthorized {
			t.Errorf("her access token: %d", got)
		}
		if _, err := hers.Refresh(); err == nil {
			t.Error("her refresh token works")
		}
		if got := get(t, idp, userInfo, his); got != http.StatusOK {
			t.Errorf("his access token: %d", got)
		}
	})
}
