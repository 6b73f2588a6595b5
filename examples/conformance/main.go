// Conformance serves every profile of Signet over TLS, for the conformance suite of the OpenID Foundation and for whoever tests clients:
// one provider for each profile, below one host, with people who have every standard claim.
//
//	go run ./examples/conformance -clients clients.json -mtls 127.0.0.1:8444
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
	mtls, mtlsBase, clientRoots              string
	private                                  bool

	networks       []netip.Prefix
	roots, issuers *x509.CertPool
}

// parse reads the flags.
func parse(arguments []string) (o options, err error) {
	flags := flag.NewFlagSet("conformance", flag.ContinueOnError)
	flags.StringVar(&o.address, "address", "127.0.0.1:8443", "where to listen")
	flags.StringVar(&o.base, "base", "", "the `URL` that clients reach it at; https and the address unless set")
	flags.StringVar(&o.cert, "cert", "", "`file` of the certificate chain; one is made for the hosts of -base and -mtls-base unless set")
	flags.StringVar(&o.key, "key", "", "`file` of its key")
	flags.StringVar(&o.mtls, "mtls", "", "`address` where clients with certificates are served: it stands in mtls_endpoint_aliases, and nobody else is asked for one")
	flags.StringVar(&o.mtlsBase, "mtls-base", "", "the `URL` that clients reach -mtls at; https and the address unless set")
	flags.StringVar(&o.clientRoots, "client-roots", "", "`file` of certificates that issue those of clients: turns on tls_client_auth")
	flags.BoolVar(&o.private, "private", false, "call clients on private networks too, where a suite of one's own runs")
	flags.StringVar(&o.trust, "trust", "", "`file` of certificates to trust when clients are called")
	flags.StringVar(&o.clients, "clients", "", "`file` of clients to register besides the built-in ones; see clients.go")
	return o, flags.Parse(arguments)
}

func main() {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err == nil {
		err = run(ctx, o, os.Stdout)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx is done.
func run(ctx context.Context, o options, out io.Writer) error {
	doors, err := o.listen(ctx)
	if err != nil {
		return err
	}
	defer func() {
		for _, d := range doors {
			_ = d.listener.Close()
		}
	}()
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
	house.announce(out, o.base)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var working sync.WaitGroup
	defer working.Wait()
	for _, p := range house.providers {
		working.Go(func() { _ = p.idp.Run(ctx) }) // it returns the context's error
	}
	ended, handler := make([]error, len(doors)), house.handler()
	var served sync.WaitGroup
	for i, d := range doors {
		served.Go(func() {
			defer cancel() // one without the other is of no use
			ended[i] = serve(ctx, d.secure(certificate), handler)
		})
	}
	served.Wait()
	cancel()
	return errors.Join(ended...)
}

// announce tells what is served.
func (h *house) announce(out io.Writer, base string) {
	fmt.Fprintf(out, "\n  Person    %s, password %s\n\n", personName, personPassword)
	for _, p := range h.providers {
		fmt.Fprintf(out, "  %-8s  %s/.well-known/openid-configuration\n            %s\n", p.name, p.issuer, p.about)
	}
	fmt.Fprintf(out, "\n  Replace signing keys   POST %s/test/{profile}/rotate-keys\n  Answer a back channel  POST %s/test/{profile}/ciba?auth_req_id=…&action=allow|deny\n  Begin at a client      GET  %s/test/{profile}/initiate?client_id=…\n\n", base, base, base)
}

// door is a listener, and whether it asks for certificates.
type door struct {
	listener net.Listener
	asks     tls.ClientAuthType
}

// listen opens the doors: one that asks everybody for a certificate, or with -mtls a second that does, so that no browser is asked.
// Who shows one is judged by the client's registration (RFC 8705).
func (o *options) listen(ctx context.Context) ([]door, error) {
	var lc net.ListenConfig
	front, err := lc.Listen(ctx, "tcp", o.address)
	if err != nil {
		return nil, err
	}
	if o.base == "" {
		o.base = "https://" + front.Addr().String()
	}
	if o.mtls == "" {
		return []door{{front, tls.RequestClientCert}}, nil
	}
	back, err := lc.Listen(ctx, "tcp", o.mtls)
	if err != nil {
		return nil, errors.Join(err, front.Close())
	}
	if o.mtlsBase == "" {
		o.mtlsBase = "https://" + back.Addr().String()
	}
	return []door{{front, tls.NoClientCert}, {back, tls.RequestClientCert}}, nil
}

// secure speaks TLS with everybody who comes.
func (d door) secure(certificate tls.Certificate) net.Listener {
	return tls.NewListener(d.listener, d.secured(certificate))
}

// secured is how TLS is spoken.
func (d door) secured(certificate tls.Certificate) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		ClientAuth: d.asks,
		CipherSuites: []uint16{ // FAPI 1.0 Advanced §8.5; TLS 1.3 has its own
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		},
	}
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

// reach says which clients can be called, and who issues their certificates.
func (o *options) reach() (err error) {
	if o.private {
		for _, network := range []string{"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"} {
			o.networks = append(o.networks, netip.MustParsePrefix(network))
		}
	}
	if o.roots, err = readPool(o.trust); err != nil {
		return err
	}
	o.issuers, err = readPool(o.clientRoots)
	return err
}

// readPool reads a file of certificates; nil without one.
func readPool(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	certificates, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(certificates) {
		return nil, fmt.Errorf("%s has no certificates", file)
	}
	return pool, nil
}
