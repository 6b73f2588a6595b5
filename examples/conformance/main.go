// Conformance serves every profile of Signet over TLS, for the conformance suite of the OpenID Foundation and for whoever tests clients:
// one provider for each profile, below one host, with people who have every standard claim.
//
//	go run ./examples/conformance -clients clients.json
//
// Pages need no JavaScript, and their elements keep their ids. It has calls that no provider for people may have, below /test: one
// replaces signing keys at once, one answers for the person whom a back channel asks, one begins a sign-in as a third party. docs/conformance.md says how the suite is run.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"sync"
	"time"
)

// options are the flags.
type options struct {
	address, base, cert, key, clients, trust string
	private                                  bool

	networks []netip.Prefix
	roots    *x509.CertPool
}

func main() {
	var o options
	flag.StringVar(&o.address, "address", "127.0.0.1:8443", "where to listen")
	flag.StringVar(&o.base, "base", "", "the `URL` that clients reach it at; https and the address unless set")
	flag.StringVar(&o.cert, "cert", "", "`file` of the certificate chain; one is made for the host of -base unless set")
	flag.StringVar(&o.key, "key", "", "`file` of its key")
	flag.BoolVar(&o.private, "private", false, "call clients on private networks too, where a suite of one's own runs")
	flag.StringVar(&o.trust, "trust", "", "`file` of certificates to trust when clients are called")
	flag.StringVar(&o.clients, "clients", "", "`file` of clients to register besides the built-in ones; see clients.go")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx is done.
func run(ctx context.Context, o options, out io.Writer) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", o.address)
	if err != nil {
		return err
	}
	defer listener.Close()
	if o.base == "" {
		o.base = "https://" + listener.Addr().String()
	}
	if err := o.reach(); err != nil {
		return err
	}
	certificate, err := o.certificate()
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	house, err := furnish(ctx, o, logger)
	if err != nil {
		return err
	}
	defer house.close()
	fmt.Fprintf(out, "\n  Person    %s, password %s\n\n", personName, personPassword)
	for _, p := range house.providers {
		fmt.Fprintf(out, "  %-8s  %s/.well-known/openid-configuration\n            %s\n", p.name, p.issuer, p.about)
	}
	fmt.Fprintf(out, "\n  Replace signing keys   POST %s/test/{profile}/rotate-keys\n  Answer a back channel  POST %s/test/{profile}/ciba?auth_req_id=…&action=allow|deny\n  Begin at a client      GET  %s/test/{profile}/initiate?client_id=…\n\n", o.base, o.base, o.base)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var maintained sync.WaitGroup
	defer maintained.Wait()
	for _, p := range house.providers {
		maintained.Go(func() { _ = p.idp.Run(ctx) }) // it returns the context's error
	}
	return serve(ctx, tls.NewListener(listener, &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		ClientAuth: tls.RequestClientCert, // who shows one is judged by the client's registration (RFC 8705)
		CipherSuites: []uint16{ // FAPI 1.0 Advanced §8.5; TLS 1.3 has its own
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		},
	}), house.handler())
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

// reach says which clients can be called.
func (o *options) reach() error {
	if o.private {
		for _, network := range []string{"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"} {
			o.networks = append(o.networks, netip.MustParsePrefix(network))
		}
	}
	if o.trust == "" {
		return nil
	}
	certificates, err := os.ReadFile(o.trust)
	if err != nil {
		return err
	}
	o.roots = x509.NewCertPool()
	if !o.roots.AppendCertsFromPEM(certificates) {
		return fmt.Errorf("%s has no certificates", o.trust)
	}
	return nil
}
