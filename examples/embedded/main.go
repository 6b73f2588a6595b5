// Embedded is a shop that was there before: a mux of its own with "/" and "/orders", and a table of customers with their
// passwords (customers.go). Signet is added to it: users.go shows it the table, provider.go mounts it under /auth on the same
// mux, and signin.go lets the shop sign people in with it, as any other application could now do as well.
//
//	go run ./examples/embedded
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"
)

func main() {
	address := flag.String("address", "127.0.0.1:8080", "where to listen")
	rounds := flag.Int("rounds", 600_000, "what a password hash costs, in rounds of PBKDF2")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *address, *rounds, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run serves the shop until ctx is done.
func run(ctx context.Context, address string, rounds int, out io.Writer) error {
	people := newCustomers(rounds)
	if err := people.signUp("ann", "Ann Example", "ann@example.com", "correct horse battery staple"); err != nil {
		return err
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer listener.Close()
	home := "http://" + listener.Addr().String()

	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	idp, err := openProvider(home+"/auth", people, logger)
	if err != nil {
		return err
	}
	defer idp.Close()
	client, err := register(ctx, idp, home)
	if err != nil {
		return err
	}
	shop := &shop{people: people, door: newDoor(ctx, idp.Directory, home, client)}
	mux := http.NewServeMux()
	shop.mount(mux)
	idp.Mount(mux)

	fmt.Fprintf(out, `
  Shop                %s/
  Orders              %s/orders   <- open this in a browser
  Identity provider   %s/auth
  Metadata            %s/auth/.well-known/openid-configuration

  Customer            ann
  Password            correct horse battery staple

`, home, home, home, home)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	maintained := make(chan error, 1)
	go func() { maintained <- idp.Run(ctx) }() // purges, and rotates signing keys
	err = serve(ctx, listener, mux)
	cancel()
	<-maintained
	return err
}

// serve answers requests until ctx is done, and then lets those that are under way end.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(grace)
	})
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
