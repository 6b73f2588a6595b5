// Testing is an API that takes access tokens from an identity provider, and, in main_test.go, how it is tested with one.
//
//	go test ./examples/testing
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// audience is the API's own name: a token for another API, or an ID token, is not for it.
const audience = "https://api.shop.example.com"

func main() {
	ctx := context.Background()
	shop, err := newShop(ctx, "http://127.0.0.1:8080", time.Now)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:8081", shop))
}

// newShop returns the API. It knows the provider by its issuer alone.
func newShop(ctx context.Context, issuer string, now func() time.Time) (http.Handler, error) {
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, err
	}
	verifier := provider.VerifierContext(ctx, &oidc.Config{ClientID: audience, Now: now})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders", func(w http.ResponseWriter, r *http.Request) {
		person, err := authenticate(r, verifier)
		if err != nil {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			http.Error(w, "the access token is missing, expired or not for us", http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, "no orders of %s yet\n", person)
	})
	return mux, nil
}

// authenticate returns whom the request's access token is about (RFC 9068 §4).
func authenticate(r *http.Request, verifier *oidc.IDTokenVerifier) (string, error) {
	scheme, raw, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", errors.New("no bearer token")
	}
	token, err := verifier.Verify(r.Context(), raw)
	if err != nil {
		return "", err
	}
	return token.Subject, nil
}
