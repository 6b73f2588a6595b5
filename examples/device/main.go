// Device is a command-line program that signs a person in by the device grant (RFC 8628), and the provider that it signs in at.
//
//	go run ./examples/device
//
// The program shows a code. Whoever has a browser, on any machine, opens the page, enters the code, signs in, and sees which program asks
// from where before they allow it. signin.go is all that the command line needs; provider.go is all that the provider does for it.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"
)

// demoPassword is ann's: the program listens on loopback alone.
const demoPassword = "correct horse battery staple"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, "127.0.0.1:8080", os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run serves the provider until the person has signed in, or ctx is done.
func run(ctx context.Context, address string, out io.Writer) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	issuer := "http://" + listener.Addr().String()
	idp, err := newProvider(ctx, issuer)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: idp, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // until it is closed
	defer server.Close()
	fmt.Fprintf(out, "The person is ann, and her password %q.\n\n", demoPassword)
	name, err := signIn(ctx, http.DefaultClient, issuer, out)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Signed in as %s.\n", name)
	return nil
}
