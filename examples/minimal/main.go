// Minimal is a whole identity provider: sign-in, second factor, consent, logout, and keys that rotate.
package main

import (
	"context"
	"log"
	"net/http"
	"time"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore/sqlite"
)

func main() { log.Fatal(run(context.Background())) }

func run(ctx context.Context) error {
	keys, err := store.OpenKeyFile("signet.keys") // made when missing; keep it, and keep it secret
	if err != nil {
		return err
	}
	driver, err := sqlite.Open(ctx, "signet.db", sqlite.Config{})
	if err != nil {
		return err
	}
	idp, err := signet.New(signet.Config{Issuer: "http://127.0.0.1:8080", Store: driver, Keys: keys})
	if err != nil {
		return err
	}
	defer idp.Close()
	go idp.Run(ctx) // purges, and rotates signing keys
	server := &http.Server{Addr: "127.0.0.1:8080", Handler: idp, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}
	return server.ListenAndServe()
}
