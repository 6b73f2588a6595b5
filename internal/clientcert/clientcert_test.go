package clientcert_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/signet-idp/signet/internal/clientcert"
)

const (
	proxy    = "192.0.2.1:4711"
	stranger = "198.51.100.7:4711"
)

var proxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28"), netip.MustParsePrefix("::1/128")}

func request(from string, own *x509.Certificate, headers ...string) *http.Request {
	r := &http.Request{RemoteAddr: from, Header: http.Header{}}
	if own != nil {
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{own}}
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func binary(c *x509.Certificate) string {
	return ":" + base64.StdEncoding.EncodeToString(c.Raw) + ":"
}

func pemOf(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

func xfcc(c *x509.Certificate, rest string) string {
	sum := sha256.Sum256(c.Raw)
	return "By=spiffe://a;Hash=" + hex.EncodeToString(sum[:]) + `;Cert="` + url.PathEscape(pemOf(c)) + `"` + rest
}

func TestCertificateFromEverySource(t *testing.T) {
	t.Parallel()
	client, ca, own := certificate(t, subject(t, one(oidCN, "client"))), certificate(t, subject(t, one(oidCN, "ca"))), certificate(t, subject(t, one(oidCN, "own")))
	lines := strings.ReplaceAll(strings.TrimSpace(pemOf(client)), "\n", " ")
	for name, row := range map[string]struct {
		source clientcert.Source
		r      *http.Request
		want   *x509.Certificate
		chain  int
	}{
		"connection":           {clientcert.Source{}, request(stranger, own), own, 0},
		"connection, proxies":  {clientcert.Source{Proxies: proxies}, request(stranger, own), own, 0},
		"nothing":              {clientcert.Source{}, request(stranger, nil), nil, 0},
		"proxy's own":          {clientcert.Source{Proxies: proxies}, request(proxy, own), nil, 0},
		"RFC 9440":             {clientcert.Source{Proxies: proxies}, request(proxy, own, "Client-Cert", binary(client)), client, 0},
		"RFC 9440, IPv6":       {clientcert.Source{Proxies: proxies}, request("[::1]:1", own, "Client-Cert", binary(client)), client, 0},
		"RFC 9440, mapped":     {clientcert.Source{Proxies: proxies}, request("[::ffff:192.0.2.1]:1", own, "Client-Cert", binary(client)), client, 0},
		"RFC 9440, chain":      {clientcert.Source{Proxies: proxies}, request(proxy, nil, "Client-Cert", binary(client), "Client-Cert-Chain", binary(ca)+", "+binary(ca)), client, 2},
		"RFC 9440, lines":      {clientcert.Source{Proxies: proxies}, request(proxy, nil, "Client-Cert", binary(client), "Client-Cert-Chain", binary(ca), "Client-Cert-Chain", binary(ca)), client, 2},
		"RFC 9440, no padding": {clientcert.Source{Proxies: proxies}, request(proxy, nil, "Client-Cert", strings.ReplaceAll(binary(client), "=", "")), client, 0},
		"escaped PEM":          {clientcert.Source{Proxies: proxies, Header: "x-wso2-mtls-cert"}, request(proxy, nil, "X-Wso2-Mtls-Cert", url.PathEscape(pemOf(client))), client, 0},
		"escaped PEM, query":   {clientcert.Source{Proxies: proxies, Header: "x-wso2-mtls-cert"}, request(proxy, nil, "X-Wso2-Mtls-Cert", strings.ReplaceAll(url.QueryEscape(pemOf(client)), "+", "%20")), client, 0},
		"folded PEM":           {clientcert.Source{Proxies: proxies, Header: "x-wso2-mtls-cert"}, request(proxy, nil, "X-Wso2-Mtls-Cert", lines), client, 0},
		"DER":                  {clientcert.Source{Proxies: proxies, Header: "X-Cert"}, request(proxy, nil, "X-Cert", base64.StdEncoding.EncodeToString(client.Raw)), client, 0},
		"empty":                {clientcert.Source{Proxies: proxies, Header: "X-Cert"}, request(proxy, nil, "X-Cert", " "), nil, 0},
		"Envoy":                {clientcert.Source{Proxies: proxies, Header: "x-forwarded-client-cert"}, request(proxy, nil, "X-Forwarded-Client-Cert", xfcc(client, `;Subject="CN=a,\"b;";URI=spiffe://c`)), client, 0},
		"Envoy, chain":         {clientcert.Source{Proxies: proxies, Header: "x-forwarded-client-cert"}, request(proxy, nil, "X-Forwarded-Client-Cert", xfcc(client, `;Chain="`+url.PathEscape(pemOf(client)+pemOf(ca))+`"`)), client, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := row.source.Find(row.r)
			switch {
			case err != nil:
				t.Fatal(err)
			case row.want == nil && got != nil:
				t.Errorf("found %v", got.Leaf.Subject)
			case row.want != nil && (got == nil || !got.Leaf.Equal(row.want) || len(got.Intermediates) != row.chain):
				t.Errorf("found %+v", got)
			}
		})
	}
}

// A header from anybody but a listed proxy is not read, whatever else says that it came from one.
func TestAttackHeaderFromUntrustedPeer(t *testing.T) {
	t.Parallel()
	victim, own := certificate(t, subject(t, one(oidCN, "victim"))), certificate(t, subject(t, one(oidCN, "own")))
	for _, from := range []string{stranger, "192.0.2.16:1", "@", "", "[::2]:1", "192.0.2.1.evil:1"} {
		for _, source := range []clientcert.Source{
			{}, {Proxies: proxies}, {Proxies: proxies, Header: "X-Cert"}, {Proxies: proxies, Header: "X-Forwarded-Client-Cert"}, {Header: "X-Cert"},
		} {
			r := request(from, own, "Client-Cert", binary(victim), "X-Cert", url.PathEscape(pemOf(victim)), "X-Forwarded-Client-Cert", xfcc(victim, ""),
				"X-Forwarded-For", "192.0.2.1", "X-Real-Ip", "192.0.2.1", "Forwarded", "for=192.0.2.1")
			got, err := source.Find(r)
			if err != nil || got == nil || !got.Leaf.Equal(own) {
				t.Errorf("%q with %+v: %v, %v", from, source, got, err)
			}
		}
	}
}

// Headers that two readers would read differently are refused, and with them what somebody smuggled past a proxy.
func TestAttackHeadersThatAreNotOne(t *testing.T) {
	t.Parallel()
	client, victim := certificate(t, subject(t, one(oidCN, "client"))), certificate(t, subject(t, one(oidCN, "victim")))
	escaped := func(c *x509.Certificate) string { return url.PathEscape(pemOf(c)) }
	rows := []struct{ header, value string }{
		{"Client-Cert", "x"},
		{"Client-Cert", ":"},
		{"Client-Cert", "::"},
		{"Client-Cert", ":AAAA:"},
		{"Client-Cert", binary(client) + "," + binary(victim)},
		{"Client-Cert", binary(client) + ";a=1"},
		{"Client-Cert", escaped(client)},
		{"Client-Cert", ":" + strings.Repeat("A", 40_000) + ":"},
		{"X-Cert", escaped(client) + escaped(victim)},
		{"X-Cert", escaped(client) + "," + escaped(victim)},
		{"X-Cert", "%zz"},
		{"X-Cert", "AAAA"},
		{"X-Cert", "-----BEGIN CERTIFICATE-----"},
		{"X-Cert", url.PathEscape(pemOf(client)[:200])},
		{"X-Forwarded-Client-Cert", "By=a"},
		{"X-Forwarded-Client-Cert", `Cert="` + escaped(victim) + `"`}, // without the Hash of the connection
		{"X-Forwarded-Client-Cert", xfcc(client, `,`+xfcc(victim, ""))},
		{"X-Forwarded-Client-Cert", xfcc(client, `;Cert="`+escaped(victim)+`"`)},
		{"X-Forwarded-Client-Cert", xfcc(client, `;Subject="CN=a`)},
		{"X-Forwarded-Client-Cert", xfcc(client, `;`)},
		{"X-Forwarded-Client-Cert", strings.Replace(xfcc(client, ""), escaped(client), escaped(victim), 1)},
		{"X-Forwarded-Client-Cert", `Hash=00;Subject="x";Cert=` + escaped(victim)},
		{"X-Forwarded-Client-Cert", xfcc(client, `;Chain="%zz"`)},
	}
	for _, row := range rows {
		source := clientcert.Source{Proxies: proxies, Header: row.header}
		if got, err := source.Find(request(proxy, nil, row.header, row.value)); !errors.Is(err, clientcert.ErrMalformed) {
			t.Errorf("%s: %.80s: %v, %v", row.header, row.value, got, err)
		}
		if got, err := source.Find(request(proxy, nil, row.header, binary(client), row.header, binary(victim))); !errors.Is(err, clientcert.ErrMalformed) {
			t.Errorf("%s twice: %v, %v", row.header, got, err)
		}
	}
	// What the client chose to be called is no pair of the header.
	quoted := xfcc(client, `;Subject="CN=a\";Cert=\"`+escaped(victim)+`"`)
	got, err := clientcert.Source{Proxies: proxies, Header: "X-Forwarded-Client-Cert"}.Find(request(proxy, nil, "X-Forwarded-Client-Cert", quoted))
	if err != nil || !got.Leaf.Equal(client) {
		t.Errorf("a subject that looks like pairs: %v, %v", got, err)
	}
}

func FuzzHeader(f *testing.F) {
	c := certificate(f, subject(f, one(oidCN, "client")))
	for _, seed := range []string{binary(c), url.PathEscape(pemOf(c)), base64.StdEncoding.EncodeToString(c.Raw), xfcc(c, `;Chain="`+url.PathEscape(pemOf(c))+`"`), `a="\`, "::"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, value, chain string) {
		for _, header := range []string{"", "X-Cert", "X-Forwarded-Client-Cert"} {
			name := header
			if name == "" {
				name = clientcert.DefaultHeader
			}
			r := request(proxy, nil, name, value, "Client-Cert-Chain", chain)
			got, err := clientcert.Source{Proxies: proxies, Header: header}.Find(r)
			if err != nil && (got != nil || !errors.Is(err, clientcert.ErrMalformed)) {
				t.Errorf("%v, %v", got, err)
			}
			if err == nil && got != nil && clientcert.Thumbprint(got.Leaf) == "" {
				t.Error("a certificate without a thumbprint")
			}
		}
	})
}
