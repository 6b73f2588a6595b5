package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
)

// profile is one configuration of Signet, below a path of its own.
type profile struct {
	name, about string
	configure   func(*signet.Config)
}

var profiles = []profile{
	{"op", "Basic, Implicit, Hybrid, Form Post, Config, Dynamic, third-party-initiated login, logout in all forms", func(c *signet.Config) {
		c.OIDC = oidc.Features{}
	}},
}

// provider is a profile that is served.
type provider struct {
	profile
	issuer string
	idp    *signet.Provider
}

// house is all of them.
type house struct{ providers []*provider }

// furnish makes a provider for each profile, with its person and clients. Everything is in memory: a test begins anew.
func furnish(ctx context.Context, o options, logger *slog.Logger) (*house, error) {
	clients, err := readClients(o.clients)
	if err != nil {
		return nil, err
	}
	h := &house{}
	for _, of := range profiles {
		p, err := of.open(ctx, o.base, logger)
		if err == nil {
			h.providers = append(h.providers, p)
			err = p.register(ctx, clients)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", of.name, err), h.close())
		}
	}
	return h, nil
}

func (of profile) open(ctx context.Context, base string, logger *slog.Logger) (*provider, error) {
	keys, err := store.NewKeyRing(store.GenerateRingKey())
	if err != nil {
		return nil, err
	}
	config := signet.Config{Issuer: base + "/" + of.name, Store: memory.New(), Keys: keys, Logger: logger}
	of.configure(&config)
	idp, err := signet.New(config)
	if err != nil {
		return nil, err
	}
	return &provider{of, config.Issuer, idp}, addPerson(ctx, idp)
}

func (h *house) close() error {
	var problems []error
	for _, p := range h.providers {
		problems = append(problems, p.idp.Close())
	}
	return errors.Join(problems...)
}

// handler serves the providers, and what only a test may do.
func (h *house) handler() http.Handler {
	mux := http.NewServeMux()
	for _, p := range h.providers {
		p.idp.Mount(mux)
		mux.HandleFunc("POST /test/"+p.name+"/rotate-keys", p.rotateKeys)
	}
	return mux
}

// rotateKeys replaces the signing keys at once: a test of clients that read key sets again (oidcc-server-rotate-keys).
func (p *provider) rotateKeys(w http.ResponseWriter, r *http.Request) {
	if err := p.idp.OIDC.RotateKeysNow(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
