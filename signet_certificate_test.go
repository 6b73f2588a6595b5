package signet_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store/directory"
)

// certificateOf is a certificate for clients that signs itself, and is its own root.
func certificateOf(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// A missing safety part is an error, named with its field.
func TestCertificatesNeedRoots(t *testing.T) {
	t.Parallel()
	_, err := signet.New(wiring(t, func(c *signet.Config) { c.Factors.Certificates = &flow.Certificates{} }))
	for _, want := range []string{"Certificates.Roots", "Revoked"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in %v", want, err)
		}
	}
}

// A person shows a certificate on another port of the same provider, by real handshakes, and is signed in at the pages of their account; who
// holds no key of that certificate is not.
func TestCertificateOverTLS(t *testing.T) {
	t.Parallel()
	var p *signet.Provider
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/home" {
			_, _ = io.WriteString(w, "at home")
			return
		}
		p.ServeHTTP(w, r)
	})
	pages := httptest.NewTLSServer(handler)
	defer pages.Close()
	cards := httptest.NewUnstartedServer(handler)
	cards.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	cards.StartTLS()
	defer cards.Close()
	card := certificateOf(t, "Ann")
	roots := x509.NewCertPool()
	roots.AddCert(card.Leaf)
	p = open(t, func(c *signet.Config) {
		c.Issuer, c.Home = pages.URL, pages.URL+"/home"
		c.Factors.Certificates = &flow.Certificates{Roots: roots, InsecureIgnoreRevocation: true, URL: cards.URL}
	})
	ann := &directory.User{Username: "ann"}
	if err := p.Directory.CreateUser(t.Context(), ann, "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	b := p.DB.Batch()
	bound := p.Directory.Credentials.NewCertificate(p.Directory.SubjectRef(ann), "card", flow.CertificateOf(card.Leaf))
	if err := p.Directory.Credentials.AddCertificate(t.Context(), b, bound); err != nil {
		t.Fatal(err)
	}
	if err := b.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		shown []tls.Certificate
		want  string
	}{
		"hers":    {[]tls.Certificate{card}, "at home"},
		"none":    {nil, "Your browser has shown no certificate"},
		"another": {[]tls.Certificate{certificateOf(t, "Ann")}, "That certificate is not accepted here"},
	} {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		transport := pages.Client().Transport.(*http.Transport).Clone()
		transport.TLSClientConfig.RootCAs.AddCert(cards.Certificate())
		transport.TLSClientConfig.Certificates = test.shown
		browser := &http.Client{Jar: jar, Transport: transport}
		body, _ := visit(t, browser, pages.URL+"/login", nil)
		form := url.Values{"action": {"method_x509"}}
		for _, field := range regexp.MustCompile(`name="(flow|seq|restart)" value="([^"]*)"`).FindAllStringSubmatch(body, -1) {
			form.Set(field[1], field[2])
		}
		_, refresh := visit(t, browser, pages.URL+"/login", form)
		to, ok := strings.CutPrefix(refresh, "0;url="+cards.URL)
		if !ok {
			t.Fatalf("led to %q", refresh)
		}
		if body, _ = visit(t, browser, cards.URL+to, nil); !strings.Contains(body, test.want) {
			t.Errorf("%s: %s", name, body)
		}
	}
}

// visit opens a page, or answers one, and returns what is there and where it leads.
func visit(t *testing.T, browser *http.Client, to string, form url.Values) (body, refresh string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to, nil)
	if form != nil {
		r, err = http.NewRequestWithContext(t.Context(), http.MethodPost, to, strings.NewReader(form.Encode()))
	}
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), answer.Header.Get("Refresh")
}
