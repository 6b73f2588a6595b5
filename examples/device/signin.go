package main

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// signIn shows the person a code, waits until they have allowed it, and returns their name.
func signIn(ctx context.Context, client *http.Client, issuer string, out io.Writer) (string, error) {
	ctx = oidc.ClientContext(ctx, client)
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return "", err
	}
	config := oauth2.Config{ClientID: clientID, Endpoint: provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "profile"}}
	request, err := config.DeviceAuth(ctx)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(out, "Open %s and enter\n\n    %s\n\n", request.VerificationURI, request.UserCode)
	token, err := config.DeviceAccessToken(ctx, request) // polls, as slowly as it is told
	if err != nil {
		return "", err
	}
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return "", err
	}
	var claims struct{ Name string }
	err = info.Claims(&claims)
	return claims.Name, err
}
