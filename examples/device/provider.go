package main

import (
	"context"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
)

// clientID is what the command line calls itself. A program that people have on their machines keeps no secret.
const clientID = "cli"

// newProvider is a provider in memory with ann and the command line.
func newProvider(ctx context.Context, issuer string) (*signet.Provider, error) {
	keys, err := store.NewKeyRing(store.GenerateRingKey())
	if err != nil {
		return nil, err
	}
	idp, err := signet.New(signet.Config{
		Issuer: issuer, Store: memory.New(), Keys: keys,
		OIDC: oidc.Features{Device: &oidc.Device{}}, // this is what turns the device grant on
	})
	if err != nil {
		return nil, err
	}
	if err := idp.Directory.CreateUser(ctx, &directory.User{Username: "ann", Name: "Ann Example"}, demoPassword); err != nil {
		return nil, err
	}
	return idp, register(ctx, idp)
}

// register makes the command line known.
func register(ctx context.Context, idp *signet.Provider) error {
	_, err := idp.Clients.Create(ctx, "The command line", &oidc.Client{
		ClientID: clientID, AuthMethod: oidc.NoAuth, GrantTypes: []oidc.GrantType{oidc.DeviceCode, oidc.RefreshToken},
	})
	return err
}
