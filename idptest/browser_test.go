package idptest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet/idptest"
)

// site is a site of the test's own, with a page for everything that a browser does.
func site(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /form", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!DOCTYPE html><html><head><title>Form</title><style>p > b { color: red }</style></head><body>
<h1 id="title">Two &amp; <em>more</em>
	words</h1><img src="x"><br>
<form action="/search"><input name="q" value="old"><button id="search">Search</button></form>
<form method="POST" action="?again"><input type="hidden" name="token" value="t&quot;1">
<input type="checkbox" name="box" value="a" checked><input type="checkbox" name="box" value="b"><input type="checkbox" name="box" value="c" checked>
<input name="name" disabled><button id="save" name="action" value="save">Save</button><button id="drop" name="action" value="drop">Drop</button></form>
</body></html>`))
	})
	mux.HandleFunc("GET /search", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.RawQuery) })
	mux.HandleFunc("POST /form", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		fmt.Fprint(w, r.PostForm.Encode(), " ", r.Header.Get("Sec-Fetch-Site"), " ", r.Header.Get("Origin") == "http://"+r.Host, " ", r.URL.RawQuery)
	})
	mux.HandleFunc("GET /count", func(w http.ResponseWriter, r *http.Request) {
		count := 0
		if c, err := r.Cookie("count"); err == nil {
			_, _ = fmt.Sscan(c.Value, &count)
		}
		http.SetCookie(w, &http.Cookie{Name: "count", Value: fmt.Sprint(count + 1)})
		fmt.Fprint(w, count)
	})
	mux.HandleFunc("GET /to", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", r.URL.Query().Get("url"))
		w.WriteHeader(http.StatusSeeOther)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func TestForms(t *testing.T) {
	t.Parallel()
	shop, b := site(t), idptest.New(t).Browser()
	page := b.Open(shop.URL + "/form")
	if got := page.Text("title"); got != "Two & more words" {
		t.Errorf("text %q", got)
	}
	if page.Has("name") || !page.Has("save") || page.Text("nothing") != "" {
		t.Error("Has is wrong about ids")
	}
	if got := page.Fill("q", "a b").Submit("search"); got.Body != "q=a+b" || got.URL.Path != "/search" {
		t.Errorf("GET: %v: %s", got, got.Body)
	}
	if got, want := page.Submit("drop").Body, "action=drop&box=a&box=c&name=&token=t%221 same-origin true again"; got != want {
		t.Errorf("POST as it came: %s, want %s", got, want)
	}
	if got, want := page.Fill("box", "b").Fill("name", "ann").Submit("save").Body, "action=save&box=b&name=ann&token=t%221 same-origin true again"; got != want {
		t.Errorf("POST when filled: %s, want %s", got, want)
	}
}

func TestCookies(t *testing.T) {
	t.Parallel()
	idp, shop := idptest.New(t), site(t)
	one, two := idp.Browser(), idp.Browser()
	for _, want := range []string{"0", "1", "2"} {
		if got := one.Open(shop.URL + "/count").Body; got != want {
			t.Errorf("counted %s, want %s", got, want)
		}
	}
	if got := two.Open(shop.URL + "/count").Body; got != "0" {
		t.Errorf("another browser counted %s", got)
	}
}

// An application that signs people in is tested from its own front door.
func TestFrontDoor(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t)
	mux := http.NewServeMux()
	shop := httptest.NewServer(mux)
	t.Cleanup(shop.Close)
	config := idp.App(shop.URL + "/callback").OAuth2Config()
	verifier := oauth2.GenerateVerifier()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, config.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)), http.StatusFound)
	})
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		token, err := config.Exchange(r.Context(), r.URL.Query().Get("code"), oauth2.VerifierOption(verifier))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		fmt.Fprintf(w, `<body><p id="greeting">Hello, you granted %s</p></body>`, token.Extra("scope"))
	})
	b, ann := idp.Browser(), idp.User("ann")
	if page := b.Open(shop.URL + "/login").SignIn(ann); page.Text("greeting") != "Hello, you granted openid profile email" {
		t.Errorf("ann sees %v", page)
	}
	if page := b.Open(shop.URL + "/login"); page.Text("greeting") == "" {
		t.Errorf("the second time she is asked: %v", page)
	}
}

// A browser goes only where the test has been; it must not reach out of the test by a redirect.
func TestRedirects(t *testing.T) {
	t.Parallel()
	idp, shop, other := idptest.New(t), site(t), site(t)
	b := idp.Browser()
	if got := b.Open(shop.URL + "/to?url=/to?url=/count"); got.Status != http.StatusOK || got.URL.Path != "/count" {
		t.Errorf("on the same host: %v", got)
	}
	for _, address := range []string{other.URL + "/count", "https://signet.example/x?y=z", "com.example.app:/callback?code=1"} {
		if got := b.Open(shop.URL + "/to?url=" + address); got.Status != 0 || got.Body != "" || got.URL.String() != address {
			t.Errorf("to %s: %v", address, got)
		}
	}
	b.Open(other.URL + "/form")
	if got := b.Open(shop.URL + "/to?url=" + other.URL + "/count"); got.Status != http.StatusOK {
		t.Errorf("to a site that is known by now: %v", got)
	}
	if got := fatal(t, func(idp *idptest.Server) {
		idp.Browser().Open(shop.URL + "/to?url=/to%3Furl=/loop")
		idp.Browser().Open(endless(t).URL)
	}); got == "" {
		t.Error("redirects without end are followed")
	}
}

func endless(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }))
	t.Cleanup(server.Close)
	return server
}
