// MCP is a server of the Model Context Protocol, made with the official SDK, and the authorization server that protects it, in one
// program. provider.go and guard.go are all that protecting takes; notes.go is the server as it would be without.
//
//	go run ./examples/mcp
//
// A client that is given nothing but the URL of the server finds the rest by itself: the 401 names the resource metadata (RFC 9728), that
// the authorization server, whose metadata says that a client may come with a metadata document of its own (CIMD) or register (RFC 7591).
// The person signs in and consents once; a tool that needs more sends the client back for it.
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

// demoPassword is ann's: the program listens on loopback alone.
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

// run serves until ctx is done.
func run(ctx context.Context, address string, out io.Writer) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer listener.Close()
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	h, err := open(ctx, "http://"+listener.Addr().String(), logger, nil)
	if err != nil {
		return err
	}
	defer h.idp.Close()
	fmt.Fprintf(out, `
  MCP server          %s   <- give this to an MCP client
  Its metadata        %s

  Person              ann
  Password            %s

`, h.server, h.metadata, demoPassword)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	maintained := make(chan error, 1)
	go func() { maintained <- h.idp.Run(ctx) }() // purges, and rotates signing keys
	err = serve(ctx, listener, h.mux)
	cancel()
	<-maintained
	return err
}

// serve answers requests until ctx is done, and then lets those that are under way end. Answers of an MCP server may stream for long.
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
