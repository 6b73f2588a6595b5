package main

import (
	"context"
	"log/slog"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
)

// openProvider makes the identity provider, with a customer. All of it is lost with the program; with sqlite.Open and
// store.OpenKeyFile it would be kept.
func openProvider(ctx context.Context, issuer string, logger *slog.Logger) (*signet.Provider, error) {
	keys, err := store.NewKeyRing(store.GenerateRingKey())
	if err != nil {
		return nil, err
	}
	idp, err := signet.New(signet.Config{
		Issuer: issuer, Store: memory.New(), Keys: keys, Logger: logger, Branding: directory.Branding{Name: "The Shop"},
	})
	if err != nil {
		return nil, err
	}
	ann := &directory.User{Username: "ann", Name: "Ann Example", Email: "ann@example.com"}
	return idp, idp.Directory.CreateUser(ctx, ann, demoPassword)
}

// credentials is what the shop needs to know of itself as a client.
type credentials struct{ id, secret string }

// register makes the shop at home a client of the provider.
func register(ctx context.Context, idp *signet.Provider, home string) (credentials, error) {
	app := &directory.Application{Name: "The Shop", URL: home + "/", SkipConsent: true} // it is the shop that people came to
	if err := idp.Directory.Applications.Create(ctx, app); err != nil {
		return credentials{}, err
	}
	secret, err := idp.Clients.Create(ctx, app.Name, &oidc.Client{
		ClientID: "shop", Application: app.Ref(),
		RedirectURIs: []string{home + "/callback"}, PostLogoutRedirectURIs: []string{home + "/"},
	})
	return credentials{"shop", secret}, err
}
