package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow/account"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/sqlstore/sqlite"
)

// The demo account. It is for this machine: both servers listen on loopback alone.
const (
	demoUser     = "demo"
	demoPassword = "correct horse battery staple"
)

// openProvider opens the identity provider over the files in folder. What it sends to people it writes to messages.
func openProvider(ctx context.Context, folder, issuer string, messages io.Writer, logger *slog.Logger) (*signet.Provider, error) {
	keys, err := store.OpenKeyFile(filepath.Join(folder, "signet.keys"))
	if err != nil {
		return nil, err
	}
	driver, err := sqlite.Open(ctx, filepath.Join(folder, "signet.db"), sqlite.Config{})
	if err != nil {
		return nil, err
	}
	sender := &notify.Writer{W: messages} // a real one is smtp.New
	return signet.New(signet.Config{
		Issuer: issuer, Store: driver, Keys: keys, Logger: logger,
		Messages: &notify.Senders{Email: sender, SMS: sender, From: "no-reply@example.com"},
		Branding: directory.Branding{Name: "Signet Quickstart"},
		Account:  &account.Settings{},
		Accounts: directory.AccountPolicies{
			Registration: directory.RegistrationPolicy{Enabled: true, SignIn: true, Welcome: true},
		},
	})
}

// clientID is the application's name at the provider.
const clientID = "quickstart-app"

// credentials is what the application needs to know of itself.
type credentials struct{ id, secret string }

// furnish makes the demo account and registers the application, unless an earlier run has. The client's secret is kept
// nowhere in the clear, so each run makes a new one.
func furnish(ctx context.Context, idp *signet.Provider, appURL string) (credentials, error) {
	demo := &directory.User{
		Username: demoUser, Name: "Dana Demo", GivenName: "Dana", FamilyName: "Demo",
		Email: "demo@example.com", EmailVerified: true, Locale: "en",
	}
	taken := (*directory.TakenError)(nil)
	if err := idp.Directory.CreateUser(ctx, demo, demoPassword); err != nil && !errors.As(err, &taken) {
		return credentials{}, err
	}
	client, err := idp.Clients.Find(ctx, clientID)
	if errors.Is(err, store.ErrNotFound) {
		return register(ctx, idp, appURL)
	}
	if err != nil {
		return credentials{}, err
	}
	client.RedirectURIs = []string{appURL + "/callback"}
	client.PostLogoutRedirectURIs = []string{appURL + "/"}
	secret, err := idp.Clients.RotateSecret(ctx, client)
	return credentials{clientID, secret}, err
}

func register(ctx context.Context, idp *signet.Provider, appURL string) (credentials, error) {
	app := &directory.Application{Name: "Quickstart App", URL: appURL, SecondFactor: directory.SecondFactorRequired}
	if err := idp.Directory.Applications.Create(ctx, app); err != nil {
		return credentials{}, err
	}
	secret, err := idp.Clients.Create(ctx, app.Name, &oidc.Client{
		ClientID:               clientID,
		Application:            app.Ref(),
		RedirectURIs:           []string{appURL + "/callback"},
		PostLogoutRedirectURIs: []string{appURL + "/"},
	})
	return credentials{clientID, secret}, err
}
