package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/redis"
	"github.com/signet-idp/signet/store/sqlstore/postgres"
)

// runNode serves one node until ctx is done. It keeps nothing that another node does not have.
func runNode(ctx context.Context, c config, out io.Writer) error {
	pool, err := sql.Open("pgx", c.postgres)
	if err != nil {
		return err
	}
	defer pool.Close()
	pool.SetMaxOpenConns(20)
	pool.SetMaxIdleConns(20)
	idp, err := openProvider(ctx, c, pool)
	if err != nil {
		return err
	}
	defer idp.Close()
	if err := furnish(ctx, idp); err != nil {
		return err
	}

	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(out, listener.Addr())
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	running := make(chan error, 1)
	go func() { running <- idp.Run(ctx) }()
	err = serve(ctx, listener, withReadiness(idp))
	cancel()
	<-running
	return err
}

// openProvider is what a node is made of: PostgreSQL for what must last, Redis for what may be lost, and the key ring.
func openProvider(ctx context.Context, c config, pool *sql.DB) (*signet.Provider, error) {
	driver, err := postgres.Open(ctx, pool, postgres.Config{})
	if err != nil {
		return nil, err
	}
	ephemeral, err := redis.New(redis.Config{Addresses: []string{c.redis}})
	if err != nil {
		return nil, err
	}
	ring, err := store.OpenKeyFile(c.keys)
	if err != nil {
		return nil, err
	}
	return signet.New(signet.Config{
		Issuer: c.issuer, Store: driver, Ephemeral: ephemeral, Keys: ring,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Logger:         slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
}

// withReadiness lets the proxy ask whether the node can serve.
func withReadiness(idp *signet.Provider) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", idp)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := idp.Ready(r.Context()); err != nil {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	return mux
}

// The client of the demonstration. A real one gets its secret from Clients.Create.
const (
	demoClient = "robot"
	demoSecret = "a-secret-for-the-demonstration-alone"
)

// furnish registers the client; of several nodes that start at once one does.
func furnish(ctx context.Context, idp *signet.Provider) error {
	if _, err := idp.Clients.Find(ctx, demoClient); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	client := &oidc.Client{ClientID: demoClient, GrantTypes: []oidc.GrantType{oidc.ClientCredentials}, Scopes: []string{"read"}, AccessTokenFormat: oidc.Opaque}
	err := idp.Clients.Import(ctx, "Robot", client, demoSecret)
	if _, taken := errors.AsType[*oidc.InvalidClientError](err); taken {
		return nil
	}
	return err
}
