// Own-users is a program whose people are in a table already: table.go is that table, with the bcrypt hashes it has always had,
// users.go shows it to Signet, and provider.go puts Signet's own store beside it, for people who are new. who.go signs them in and
// finds the way back to the row. docs/own-users.md explains it step by step.
//
//	go run ./examples/own-users
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
	"path/filepath"
	"time"
)

// demoPassword is everybody's: the program listens on loopback alone.
const demoPassword = "correct horse battery staple"

func main() {
	var c config
	flag.StringVar(&c.address, "address", "127.0.0.1:8080", "where to listen")
	flag.StringVar(&c.folder, "data", "own-users-data", "folder for the databases and the key ring")
	flag.IntVar(&c.cost, "cost", 12, "what a password hash in the table costs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, c, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

type config struct {
	address, folder string
	cost            int
}

// run serves until ctx is done.
func run(ctx context.Context, c config, out io.Writer) error {
	if err := os.MkdirAll(c.folder, 0o700); err != nil {
		return err
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", c.address)
	if err != nil {
		return err
	}
	defer listener.Close()
	home := "http://" + listener.Addr().String()

	table, err := openTable(ctx, filepath.Join(c.folder, "shop.db"), c.cost)
	if err != nil {
		return err
	}
	defer table.Close()
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	idp, err := openProvider(ctx, c, home+"/auth", table, logger)
	if err != nil {
		return err
	}
	defer idp.Close()
	secret, err := furnish(ctx, idp, home)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	idp.Mount(mux)
	newWho(ctx, idp.Directory, home, secret).mount(mux)

	fmt.Fprintf(out, `
  Who am I?   %s/   <- open this in a browser

  Customer    ann, from the table
  Newcomer    dave, from Signet's own store
  Password    %s

`, home, demoPassword)

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
