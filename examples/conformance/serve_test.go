package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serveTests serves all profiles over TLS until the test ends.
func serveTests(t *testing.T, clients string) (base string, client *http.Client) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	o := options{base: "https://" + server.Listener.Addr().String()}
	if clients != "" {
		o.clients = write(t, "clients.json", clients)
	}
	house, err := furnish(t.Context(), o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = house.handler()
	server.StartTLS()
	t.Cleanup(func() {
		server.Close()
		if err := house.close(); err != nil {
			t.Error(err)
		}
	})
	return o.base, server.Client()
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// program is the program as a person runs it, with two doors.
type program struct {
	base  string
	trust *x509.CertPool
	// issuer signs certificates of clients.
	issuer identity
}

// runProgram runs it until the test ends.
func runProgram(t *testing.T, clients string) *program {
	t.Helper()
	server, issuer := newIdentity(t, "127.0.0.1", nil), newIdentity(t, "issuer of clients", nil)
	key, err := x509.MarshalECPrivateKey(server.key)
	if err != nil {
		t.Fatal(err)
	}
	o, err := parse([]string{
		"-address", "127.0.0.1:0", "-mtls", "127.0.0.1:0", "-clients", write(t, "clients.json", clients),
		"-client-roots", write(t, "roots.pem", pemOf("CERTIFICATE", issuer.leaf.Raw)),
		"-cert", write(t, "server.pem", pemOf("CERTIFICATE", server.leaf.Raw)), "-key", write(t, "server.key", pemOf("EC PRIVATE KEY", key)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	said, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, o, out)
		_ = out.CloseWithError(io.EOF)
		ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	p := &program{trust: x509.NewCertPool(), issuer: issuer}
	p.trust.AddCert(server.leaf)
	for lines := bufio.NewScanner(said); lines.Scan(); {
		if _, at, ok := strings.Cut(lines.Text(), "Begin at a client      GET  "); ok {
			p.base, _, _ = strings.Cut(at, "/test/")
			go func() { _, _ = io.Copy(io.Discard, said) }()
			return p
		}
	}
	t.Fatal("it ended before it began to serve")
	return nil
}

// client is a client with a certificate, or with none; asked is called when the server asks for one.
func (p *program) client(of *identity, asked func()) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: p.trust, MinVersion: tls.VersionTLS12,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked()
			if of == nil {
				return &tls.Certificate{}, nil
			}
			return &tls.Certificate{Certificate: [][]byte{of.leaf.Raw}, PrivateKey: of.key}, nil
		},
	}}}
}

// metadata is the discovery document of a profile.
type metadata struct {
	Issuer  string   `json:"issuer"`
	Token   string   `json:"token_endpoint"`
	CIBA    string   `json:"backchannel_authentication_endpoint"`
	Methods []string `json:"token_endpoint_auth_methods_supported"`
	Aliases struct {
		Token string `json:"token_endpoint"`
		CIBA  string `json:"backchannel_authentication_endpoint"`
	} `json:"mtls_endpoint_aliases"`
}

func (p *program) discover(t *testing.T, profile string) metadata {
	t.Helper()
	var m metadata
	if err := json.Unmarshal([]byte(get(t, p.client(nil, func() {}), p.base+"/"+profile+"/.well-known/openid-configuration")), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// answer is what an endpoint has answered.
type answer struct {
	status int
	body   map[string]any
}

func post(t *testing.T, client *http.Client, at string, form url.Values) answer {
	t.Helper()
	response, err := client.PostForm(at, form)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	a := answer{status: response.StatusCode}
	if err := json.NewDecoder(response.Body).Decode(&a.body); err != nil && response.ContentLength != 0 {
		a.body = map[string]any{"text": err.Error()}
	}
	return a
}

// identity is a certificate and its key.
type identity struct {
	leaf *x509.Certificate
	key  *ecdsa.PrivateKey
}

// newIdentity makes one for a host or a client, signed by the issuer, or by itself for an issuer.
func newIdentity(t *testing.T, name string, issuer *identity) identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.leaf, issuer.key
	} else {
		template.IsCA, template.BasicConstraintsValid = true, true
		template.KeyUsage |= x509.KeyUsageCertSign
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return identity{leaf, key}
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
