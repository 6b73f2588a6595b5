package main

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
)

// The scopes of the server: a client gets the first when it asks for nothing, and is sent back for the second.
const (
	readNotes   = "notes:read"
	deleteNotes = "notes:delete"
)

// house is the program: an MCP server and its authorization server on one mux.
type house struct {
	idp              *signet.Provider
	mux              *http.ServeMux
	server, metadata string // URLs
}

// open makes the authorization server at base, and the MCP server below it. Edit changes the configuration; nil leaves it.
func open(ctx context.Context, base string, logger *slog.Logger, edit func(*signet.Config)) (*house, error) {
	keys, err := store.NewKeyRing(store.GenerateRingKey())
	if err != nil {
		return nil, err
	}
	h := &house{server: base + "/mcp", mux: http.NewServeMux()}
	scopes := []string{readNotes, deleteNotes}
	config := signet.Config{
		Issuer: base, Store: memory.New(), Keys: keys, Logger: logger,
		OIDC: oidc.Features{
			MetadataDocuments:  &oidc.MetadataDocuments{Scopes: scopes},
			Registration:       &oidc.Registration{Open: true, Scopes: scopes},
			ResourceIndicators: &oidc.ResourceIndicators{Resources: []oidc.Resource{{Identifier: h.server, Scopes: scopes}}},
		},
	}
	if edit != nil {
		edit(&config)
	}
	if h.idp, err = signet.New(config); err != nil {
		return nil, err
	}
	if err := h.idp.Directory.CreateUser(ctx, &directory.User{Username: "ann", Name: "Ann Example"}, demoPassword); err != nil {
		return nil, err
	}
	h.idp.Mount(h.mux)
	return h, h.protect(base, newNotes())
}
