// Quickstart runs an identity provider on SQLite, and beside it, on another port, a small application that signs people in
// with it. Everything is kept in one folder and is there again after a restart.
//
//	go run ./examples/quickstart
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
	var c config
	flag.StringVar(&c.folder, "data", "signet-data", "folder for the database and the key ring")
	flag.StringVar(&c.providerAddress, "provider", "127.0.0.1:8080", "address of the identity provider")
	flag.StringVar(&c.appAddress, "app", "127.0.0.1:8081", "address of the application")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, c, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

type config struct {
	folder, providerAddress, appAddress string
}

// run serves both until ctx is done.
func run(ctx context.Context, c config, out io.Writer) error {
	if err := os.MkdirAll(c.folder, 0o700); err != nil {
		return err
	}
	providerListener, err := listen(ctx, c.providerAddress)
	if err != nil {
		return err
	}
	defer providerListener.Close()
	appListener, err := listen(ctx, c.appAddress)
	if err != nil {
		return err
	}
	defer appListener.Close()
	issuer, appURL := "http://"+providerListener.Addr().String(), "http://"+appListener.Addr().String()

	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	idp, err := openProvider(ctx, c.folder, issuer, out, logger)
	if err != nil {
		return err
	}
	defer idp.Close()
	client, err := furnish(ctx, idp, appURL)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, `
  Application         %s   <- open this in a browser
  Identity provider   %s
  Your account        %s/account

  User name           %s
  Password            %s

  The first sign-in sets up an authenticator app as second factor. E-mail is not sent: it is shown here. Ctrl-C ends the program; everything is
  remembered in %s.

`, appURL, issuer, issuer, demoUser, demoPassword, c.folder)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failures := make(chan error, 3)
	go func() { failures <- idp.Run(ctx) }()
	go func() { failures <- serve(ctx, providerListener, idp) }()
	go func() { failures <- serve(ctx, appListener, newApp(appURL, issuer, client)) }()
	err = <-failures
	cancel()
	<-failures
	<-failures
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w: choose another address with -provider or -app", err)
	}
	return l, nil
}

// serve answers requests until ctx is done, and then lets those that are under way end.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 64 << 10}
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(grace)
	})
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return ctx.Err()
}
