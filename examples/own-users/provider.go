package main

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"path/filepath"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/sqlstore/sqlite"
)

// openProvider makes the identity provider over the table. Customers stay in it; whoever is new lives in Signet's own store.
func openProvider(ctx context.Context, c config, issuer string, table *sql.DB, logger *slog.Logger) (*signet.Provider, error) {
	keys, err := store.OpenKeyFile(filepath.Join(c.folder, "signet.keys"))
	if err != nil {
		return nil, err
	}
	driver, err := sqlite.Open(ctx, filepath.Join(c.folder, "signet.db"), sqlite.Config{})
	if err != nil {
		return nil, err
	}
	people, err := newCustomers(table, c.cost)
	if err != nil {
		return nil, err
	}
	return signet.New(signet.Config{
		Issuer: issuer, Store: driver, Keys: keys, Logger: logger,
		UserStores: []directory.UserStore{
			{Users: people},               // a name that both have is the customer's
			{Users: nil, Registers: true}, // Signet's own, for those who are new
		},
	})
}

// furnish adds somebody new and registers the application, unless an earlier run has, and returns the secret of this run.
func furnish(ctx context.Context, idp *signet.Provider, home string) (secret string, err error) {
	newcomer := &directory.User{Username: "dave", Name: "Dave New", Email: "dave@example.com"}
	err = idp.Directory.CreateUser(ctx, newcomer, demoPassword)
	if _, taken := errors.AsType[*directory.TakenError](err); err != nil && !taken {
		return "", err
	}
	client, err := idp.Clients.Find(ctx, clientID)
	if err == nil {
		client.RedirectURIs = []string{home + "/callback"}
		return idp.Clients.RotateSecret(ctx, client)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	app := &directory.Application{Name: "Who am I?", URL: home + "/", SkipConsent: true}
	if err := idp.Directory.Applications.Create(ctx, app); err != nil {
		return "", err
	}
	return idp.Clients.Create(ctx, app.Name, &oidc.Client{
		ClientID: clientID, Application: app.Ref(), RedirectURIs: []string{home + "/callback"},
	})
}
