// Embedded is a shop that was there before, with a mux of its own, "/" and "/orders". Signet is added to it: provider.go mounts it
// under /auth on the same mux, and signin.go lets the shop sign people in with it, as any other application could now do as
// well. That its people are in a table already is another example: own-users.
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

// demoPassword is the customer's: the program listens on loopback alone.
const demoPassword = "correct horse battery staple"

func main() {
	address := flag.String("address", "127.0.0.1:8080", "where to listen")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *address, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run serves the shop until ctx is done.
func run(ctx context.Context, address string, out io.Writer) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer listener.Close()
	home := "http://" + listener.Addr().String()

	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	idp, err := openProvider(ctx, home+"/auth", logger)
	if err != nil {
		return err
	}
	defer idp.Close()
	client, err := register(ctx, idp, home)
	if err != nil {
		return err
	}
	shop := &shop{door: newDoor(ctx, idp.Directory, home, client)}
	mux := http.NewServeMux()
	shop.mount(mux)
	idp.Mount(mux)

	fmt.Fprintf(out, `
  Shop                %s/
  Orders              %s/orders   <- open this in a browser
  Identity provider   %s/auth
  Metadata            %s/auth/.well-known/openid-configuration

  Customer            ann
  Password            %s

`, home, home, home, home, demoPassword)

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
	server := &http.Server{Handler: handler, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 64 << 10}
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
