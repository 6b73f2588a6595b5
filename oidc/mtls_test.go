package oidc_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/clientcert"
	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc"
)

// authority issues certificates to clients.
type authority struct {
	tb    testing.TB
	cert  *x509.Certificate
	key   crypto.Signer
	roots *x509.CertPool
}

// certified is a certificate with its key.
type certified struct {
	*x509.Certificate
	key crypto.Signer
}

func newAuthority(tb testing.TB) *authority {
	tb.Helper()
	a := &authority{tb: tb, roots: x509.NewCertPool()}
	root := a.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "root"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	a.cert, a.key = root.Certificate, root.key
	a.roots.AddCert(root.Certificate)
	return a
}

// issue makes a certificate, self-signed while the authority has none.
func (a *authority) issue(template *x509.Certificate) certified {
	a.tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.tb.Fatal(err)
	}
	return a.certify(template, key)
}

func (a *authority) certify(template *x509.Certificate, key crypto.Signer) certified {
	a.tb.Helper()
	template.SerialNumber = big.NewInt(1)
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.tb.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		a.tb.Fatal(err)
	}
	return certified{parsed, key}
}

// named is a certificate for a common name and a host of the same name.
func (a *authority) named(name string) certified {
	return a.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: name, Organization: []string{"Example, Inc."}}, DNSNames: []string{name + ".example"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// withMutualTLS trusts an authority.
func withMutualTLS(a *authority, edit ...func(*oidc.MutualTLS)) func(*oidc.Config) {
	return func(c *oidc.Config) {
		f := &oidc.MutualTLS{Roots: a.roots, Aliases: "https://mtls.id.example"}
		for _, e := range edit {
			e(f)
		}
		c.Features.MutualTLS = f
	}
}

// present makes the request come over a connection on which the certificate was proven.
func present(r *http.Request, c certified) *http.Request {
	if c.Certificate != nil {
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c.Certificate}}
	}
	return r
}

// postWith sends a form over a connection with a certificate.
func (h *harness) postWith(c certified, path string, pairs ...string) *answer {
	return h.send(present(h.request(http.MethodPost, path, values(pairs...)), c))
}

func (h *harness) userInfoWith(c certified, token string) *answer {
	r := present(h.request(http.MethodGet, pathUserInfo, nil), c)
	r.Header.Set("Authorization", "Bearer "+token)
	return h.send(r)
}

// tlsMachine registers a machine that authenticates by tls_client_auth.
func (h *harness) tlsMachine(id string, edit func(*oidc.Client)) {
	h.tb.Helper()
	c := &oidc.Client{
		ClientID: id, AuthMethod: oidc.TLSClientAuth, GrantTypes: []oidc.GrantType{oidc.ClientCredentials}, Scopes: []string{"read"},
		Audience: []string{api}, Resources: []string{api},
	}
	edit(c)
	h.register(c)
}

// selfSignedSet is a key set with a certificate, or with its key alone.
func selfSignedSet(tb testing.TB, c certified, withCertificate bool) json.RawMessage {
	tb.Helper()
	document, err := jose.Set([]jose.PublicKey{{ID: "k", Algorithm: jose.ES256, Key: c.key.Public()}})
	if err != nil {
		tb.Fatal(err)
	}
	if !withCertificate {
		return document
	}
	x5c := `{"x5c":["` + base64.StdEncoding.EncodeToString(c.Raw) + `"],`
	return json.RawMessage(strings.Replace(string(document), `{"use"`, x5c+`"use"`, 1))
}

// TestTLSClientAuth is RFC 8705 §2.1: each of the five names, and everything that a certificate of somebody else can look like.
func TestTLSClientAuth(t *testing.T) {
	t.Parallel()
	ca, stranger := newAuthority(t), newAuthority(t)
	placements(t, func(t *testing.T, h *harness) {
		mine := ca.issue(&x509.Certificate{
			Subject:  pkix.Name{CommonName: "c", Organization: []string{"Example, Inc."}, Country: []string{"DE"}},
			DNSNames: []string{"c.example"}, URIs: []*url.URL{{Scheme: "spiffe", Host: "example", Path: "/c"}}, IPAddresses: []net.IP{net.ParseIP("192.0.2.7")},
			EmailAddresses: []string{"c@example.com"},
		})
		for id, edit := range map[string]func(*oidc.Client){
			"by-dn":    func(c *oidc.Client) { c.TLSClientAuthSubjectDN = `CN=c, O=Example\, Inc., C=DE` },
			"by-dns":   func(c *oidc.Client) { c.TLSClientAuthSANDNS = "c.example" },
			"by-uri":   func(c *oidc.Client) { c.TLSClientAuthSANURI = "spiffe://example/c" },
			"by-ip":    func(c *oidc.Client) { c.TLSClientAuthSANIP = "192.0.2.7" },
			"by-email": func(c *oidc.Client) { c.TLSClientAuthSANEmail = "c@example.com" },
		} {
			h.tlsMachine(id, edit)
			form := []string{"grant_type", "client_credentials", "client_id", id}
			token := h.issued(h.postWith(mine, pathToken, form...)).AccessToken
			if claims(t, token)["cnf"] != nil {
				t.Errorf("%s: a token is bound that nobody asked to bind", id)
			}
			if a := h.postWith(mine, pathIntrospect, "client_id", id, "token", token); !a.active() {
				t.Errorf("%s: introspection: %s", id, a)
			}
			if a := h.postWith(mine, pathRevoke, "client_id", id, "token", token); a.Status != http.StatusOK {
				t.Errorf("%s: revocation: %s", id, a)
			}
			for name, other := range map[string]certified{
				"none":                 {},
				"another's":            ca.named("d"),
				"of another authority": stranger.issue(&x509.Certificate{Subject: mine.Subject, DNSNames: mine.DNSNames, URIs: mine.URIs, IPAddresses: mine.IPAddresses, EmailAddresses: mine.EmailAddresses}),
				"expired":              ca.issue(&x509.Certificate{Subject: mine.Subject, DNSNames: mine.DNSNames, URIs: mine.URIs, IPAddresses: mine.IPAddresses, EmailAddresses: mine.EmailAddresses, NotBefore: time.Unix(1, 0), NotAfter: time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)}),
				"for servers":          ca.issue(&x509.Certificate{Subject: mine.Subject, DNSNames: mine.DNSNames, URIs: mine.URIs, IPAddresses: mine.IPAddresses, EmailAddresses: mine.EmailAddresses, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}),
				"with names inside":    ca.issue(&x509.Certificate{Subject: pkix.Name{CommonName: `c,O=Example\, Inc.,C=DE`}, DNSNames: []string{"c.example.evil"}}),
			} {
				if a := h.postWith(other, pathToken, form...); a.errorCode() != "invalid_client" || a.Status != http.StatusUnauthorized {
					t.Errorf("%s: certificate %s: %s", id, name, a)
				}
			}
			if a := h.postWith(mine, pathToken, "grant_type", "client_credentials", "client_id", id, "client_secret", clientSecret(web)); a.errorCode() != "invalid_client" {
				t.Errorf("%s: with a secret: %s", id, a)
			}
		}
		if a := h.postWith(mine, pathToken, "grant_type", "client_credentials", "client_id", robot); a.errorCode() != "invalid_client" {
			t.Errorf("a certificate in place of a secret: %s", a)
		}
	}, withMutualTLS(ca))
}

// TestTLSClientAuthChains: intermediates come with the certificate or from the configuration, and Check has the last word.
func TestTLSClientAuthChains(t *testing.T) {
	t.Parallel()
	root := newAuthority(t)
	middle := root.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "middle"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	issuer := &authority{tb: t, cert: middle.Certificate, key: middle.key}
	mine := issuer.named("c")
	register := func(h *harness) { h.tlsMachine("c", func(c *oidc.Client) { c.TLSClientAuthSANDNS = "c.example" }) }
	form := []string{"grant_type", "client_credentials", "client_id", "c"}

	var revoked error
	h := together(t, withMutualTLS(root, func(f *oidc.MutualTLS) {
		f.Check = func(_ context.Context, chain []*x509.Certificate) error {
			if len(chain) != 3 || !chain[0].Equal(mine.Certificate) || !chain[2].Equal(root.cert) {
				t.Errorf("Check sees a chain of %d", len(chain))
			}
			return revoked
		}
	}))
	register(h)
	if a := h.postWith(mine, pathToken, form...); a.errorCode() != "invalid_client" {
		t.Errorf("without the intermediate: %s", a)
	}
	with := func() *answer {
		r := h.request(http.MethodPost, pathToken, values(form...))
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{mine.Certificate, middle.Certificate}}
		return h.send(r)
	}
	h.issued(with())
	if revoked = errors.New("revoked"); with().errorCode() != "invalid_client" {
		t.Error("a revoked certificate passes")
	}
	if revoked = (&oidc.Error{Code: "temporarily_unavailable", Status: 503}); with().Status != http.StatusServiceUnavailable {
		t.Error("an error of Check is not sent as it is")
	}
	pool := x509.NewCertPool()
	pool.AddCert(middle.Certificate)
	h = together(t, withMutualTLS(root, func(f *oidc.MutualTLS) { f.Intermediates = pool }))
	register(h)
	h.issued(h.postWith(mine, pathToken, form...))
}

// TestSelfSignedTLSClientAuth is RFC 8705 §2.2: the certificate that is registered (x5c), or one of the key that is.
func TestSelfSignedTLSClientAuth(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	p, outbound := publishKeys(t)
	h := together(t, withMutualTLS(ca), outbound)
	fresh := func() certified {
		return (&authority{tb: t}).issue(&x509.Certificate{Subject: pkix.Name{CommonName: "self"}})
	}
	mine, next := fresh(), fresh()
	renewed := (&authority{tb: t}).certify(&x509.Certificate{Subject: pkix.Name{CommonName: "renewed"}}, mine.key)
	forged := (&authority{tb: t}).issue(&x509.Certificate{Subject: pkix.Name{CommonName: "self"}})
	register := func(id string, edit func(*oidc.Client)) {
		h.tlsMachine(id, func(c *oidc.Client) { c.AuthMethod = oidc.SelfSignedTLSClientAuth; edit(c) })
	}
	register("by-cert", func(c *oidc.Client) { c.JWKS = selfSignedSet(t, mine, true) })
	register("by-key", func(c *oidc.Client) { c.JWKS = selfSignedSet(t, mine, false) })
	register("by-uri", func(c *oidc.Client) { c.JWKSURI = publishedAt })
	p.set(selfSignedSet(t, mine, true))
	for _, row := range []struct {
		id   string
		cert certified
		want bool
	}{
		{"by-cert", mine, true},
		{"by-cert", renewed, false},
		{"by-cert", forged, false},
		{"by-cert", next, false},
		{"by-cert", certified{}, false},
		{"by-key", mine, true},
		{"by-key", renewed, true},
		{"by-key", forged, false},
		{"by-key", certified{}, false},
		{"by-uri", mine, true},
		{"by-uri", renewed, false},
		{"by-uri", next, false},
	} {
		if a := h.postWith(row.cert, pathToken, "grant_type", "client_credentials", "client_id", row.id); (a.Status == http.StatusOK) != row.want {
			t.Errorf("%s: %s", row.id, a)
		}
	}
	p.set(selfSignedSet(t, next, true))
	h.clock.advance(time.Minute)
	h.issued(h.postWith(next, pathToken, "grant_type", "client_credentials", "client_id", "by-uri"))
	c := &oidc.Client{AuthMethod: oidc.SelfSignedTLSClientAuth, JWKS: json.RawMessage(strings.Replace(string(selfSignedSet(t, mine, true)),
		base64.StdEncoding.EncodeToString(mine.Raw), base64.StdEncoding.EncodeToString(next.Raw), 1)), RedirectURIs: []string{callback}}
	if _, err := h.Clients.Create(t.Context(), "another key's certificate", c); !slices.Equal(fields(err), []string{"jwks"}) {
		t.Errorf("a key with the certificate of another (RFC 7517 §4.7): %v", err)
	}
}

// TestCertificateBoundTokens is RFC 8705 §3: a token and the refresh token of a public client are of no use without the certificate,
// at every endpoint of ours, whatever form the token has.
func TestCertificateBoundTokens(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	placements(t, func(t *testing.T, h *harness) {
		mine, theirs := ca.named("mine"), ca.named("theirs")
		for _, format := range []oidc.TokenFormat{oidc.JWT, oidc.Opaque} {
			id := "public-" + string(format)
			h.register(&oidc.Client{
				ClientID: id, AuthMethod: oidc.NoAuth, RedirectURIs: []string{callback}, AccessTokenFormat: format, CertificateBoundTokens: true,
			})
			redeem := func(c certified, code string) *answer {
				return h.postWith(c, pathToken, "grant_type", "authorization_code", "client_id", id, "code", code, "redirect_uri", callback, "code_verifier", verifier)
			}
			code := h.code(id)
			if a := redeem(certified{}, code); a.errorCode() != "invalid_request" {
				t.Errorf("%s: without a certificate: %s", id, a)
			}
			got := h.issued(redeem(mine, code))
			if got.TokenType != "Bearer" {
				t.Errorf("%s: token_type %s", id, got.TokenType)
			}
			if format == oidc.JWT {
				if cnf, _ := claims(t, got.AccessToken)["cnf"].(map[string]any); cnf["x5t#S256"] != clientcert.Thumbprint(mine.Certificate) {
					t.Errorf("cnf: %v", cnf)
				}
			}
			for name, row := range map[string]struct {
				cert certified
				want int
			}{"own": {mine, 200}, "another": {theirs, 401}, "none": {certified{}, 401}} {
				if a := h.userInfoWith(row.cert, got.AccessToken); a.Status != row.want || row.want != 200 && !strings.Contains(a.Header.Get("WWW-Authenticate"), "invalid_token") {
					t.Errorf("%s: userinfo with %s certificate: %s", id, name, a)
				}
			}
			refresh := func(c certified) *answer {
				return h.postWith(c, pathToken, "grant_type", "refresh_token", "client_id", id, "refresh_token", got.RefreshToken)
			}
			if a := refresh(theirs); a.errorCode() != "invalid_grant" {
				t.Errorf("%s: refresh with another certificate: %s", id, a)
			}
			if a := refresh(certified{}); a.errorCode() != "invalid_request" {
				t.Errorf("%s: refresh without: %s", id, a)
			}
			h.issued(refresh(mine)) // nobody's attempt has revoked it
		}
		// A confidential client authenticates, and may present another certificate when it renews its own.
		h.register(&oidc.Client{ClientID: "shop", RedirectURIs: []string{callback}, CertificateBoundTokens: true})
		ask := func(c certified, pairs ...string) *answer {
			r := present(h.request(http.MethodPost, pathToken, values(pairs...)), c)
			r.SetBasicAuth("shop", clientSecret("shop"))
			return h.send(r)
		}
		got := h.issued(ask(mine, "grant_type", "authorization_code", "code", h.code("shop"), "redirect_uri", callback, "code_verifier", verifier))
		again := h.issued(ask(theirs, "grant_type", "refresh_token", "refresh_token", got.RefreshToken))
		if a := h.userInfoWith(theirs, again.AccessToken); a.Status != http.StatusOK {
			t.Errorf("the renewed certificate: %s", a)
		}
		if a := h.userInfoWith(mine, again.AccessToken); a.Status != http.StatusUnauthorized {
			t.Errorf("the old certificate with the new token: %s", a)
		}
		a := h.post(pathIntrospect, "shop", values("token", again.AccessToken))
		if !strings.Contains(a.Body, `"cnf":{"x5t#S256":"`+clientcert.Thumbprint(theirs.Certificate)+`"}`) {
			t.Errorf("introspection: %s", a)
		}
	}, withMutualTLS(ca))
}

// A header with a certificate counts only from listed proxies (RFC 9440 §4), whose own certificate is not the client's.
func TestAttackCertificateHeader(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	h := together(t, withMutualTLS(ca, func(f *oidc.MutualTLS) {
		f.Proxies, f.Header = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}, "x-wso2-mtls-cert"
	}))
	h.tlsMachine("c", func(c *oidc.Client) { c.TLSClientAuthSANDNS = "c.example" })
	mine, proxys := ca.named("c"), ca.named("proxy")
	send := func(from string, own certified, header string) *answer {
		r := present(h.request(http.MethodPost, pathToken, values("grant_type", "client_credentials", "client_id", "c")), own)
		r.RemoteAddr = from
		if header != "" {
			r.Header.Set("X-Wso2-Mtls-Cert", header)
		}
		r.Header.Set("X-Forwarded-For", "192.0.2.1")
		return h.send(r)
	}
	good := base64.StdEncoding.EncodeToString(mine.Raw)
	for name, row := range map[string]struct {
		from   string
		own    certified
		header string
		want   string
	}{
		"listed proxy":                      {"192.0.2.1:99", certified{}, good, ""},
		"listed proxy with its certificate": {"192.0.2.1:99", proxys, good, ""},
		"listed proxy without a header":     {"192.0.2.1:99", mine, "", "invalid_client"},
		"listed proxy with nonsense":        {"192.0.2.1:99", certified{}, "nonsense", "invalid_request"},
		"stranger":                          {"192.0.2.2:99", certified{}, good, "invalid_client"},
		"stranger with a certificate":       {"192.0.2.2:99", proxys, good, "invalid_client"},
		"the client itself":                 {"192.0.2.2:99", mine, "", ""},
		"loopback":                          {"127.0.0.1:99", certified{}, good, "invalid_client"},
	} {
		if a := send(row.from, row.own, row.header); a.errorCode() != row.want {
			t.Errorf("%s: %s", name, a)
		}
	}
}

// Without the feature no certificate is looked at, and no header.
func TestAttackCertificateWithoutTheFeature(t *testing.T) {
	t.Parallel()
	h := together(t)
	mine := newAuthority(t).named("c")
	r := present(h.request(http.MethodPost, pathToken, values("grant_type", "client_credentials", "client_id", robot)), mine)
	r.Header.Set("Client-Cert", ":"+base64.StdEncoding.EncodeToString(mine.Raw)+":")
	if a := h.send(r); a.errorCode() != "invalid_client" {
		t.Errorf("%s", a)
	}
	_, err := h.Clients.Create(t.Context(), "x", &oidc.Client{AuthMethod: oidc.TLSClientAuth, TLSClientAuthSANDNS: "x", RedirectURIs: []string{callback}})
	if got := fields(err); !slices.Equal(got, []string{"tls_client_auth_san_dns", "token_endpoint_auth_method"}) {
		t.Errorf("problems with %v", got)
	}
}

// The settings of clients with certificates (RFC 8705 §2.1.2), and of the feature.
func TestMutualTLSSettings(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	h := together(t, withMutualTLS(ca))
	for name, row := range map[string]struct {
		client oidc.Client
		want   []string
	}{
		"no name":         {oidc.Client{AuthMethod: oidc.TLSClientAuth}, []string{"tls_client_auth_subject_dn"}},
		"two names":       {oidc.Client{AuthMethod: oidc.TLSClientAuth, TLSClientAuthSANDNS: "a", TLSClientAuthSANIP: "192.0.2.1"}, []string{"tls_client_auth_subject_dn"}},
		"broken name":     {oidc.Client{AuthMethod: oidc.TLSClientAuth, TLSClientAuthSubjectDN: "client"}, []string{"tls_client_auth_subject_dn"}},
		"broken address":  {oidc.Client{AuthMethod: oidc.TLSClientAuth, TLSClientAuthSANIP: "300.0.0.1"}, []string{"tls_client_auth_subject_dn"}},
		"name of another": {oidc.Client{TLSClientAuthSANDNS: "a", RedirectURIs: []string{callback}}, []string{"tls_client_auth_subject_dn"}},
		"no keys":         {oidc.Client{AuthMethod: oidc.SelfSignedTLSClientAuth}, []string{"jwks"}},
	} {
		row.client.RedirectURIs = []string{callback}
		if _, err := h.Clients.Create(t.Context(), name, &row.client); !slices.Equal(fields(err), row.want) {
			t.Errorf("%s: problems with %v, want %v", name, fields(err), row.want)
		}
	}
	for name, f := range map[string]oidc.MutualTLS{
		"header of anybody":    {Header: "X-Cert"},
		"Intermediates":        {Intermediates: x509.NewCertPool()},
		"aliases in clear":     {Aliases: "http://mtls.id.example"},
		"aliases with a slash": {Aliases: "https://mtls.id.example/"},
	} {
		if err := newError(t, func(c *oidc.Config) { c.Features.MutualTLS = &f }); err == nil || !strings.Contains(err.Error(), "MutualTLS") {
			t.Errorf("%s: %v", name, err)
		}
	}
	without := together(t, func(c *oidc.Config) { c.Features.MutualTLS = &oidc.MutualTLS{} })
	_, err := without.Clients.Create(t.Context(), "x", &oidc.Client{AuthMethod: oidc.TLSClientAuth, TLSClientAuthSANDNS: "x", RedirectURIs: []string{callback}})
	if !slices.Equal(fields(err), []string{"token_endpoint_auth_method"}) {
		t.Errorf("without Roots: %v", err)
	}
}

func mutualTLSDoors() []door {
	config := func(c *oidc.Config) { c.Features.MutualTLS = &oidc.MutualTLS{} }
	return []door{
		{name: "certificate", config: config, done: gotTokens, open: func(h *harness) attempt {
			mine := (&authority{tb: h.tb}).issue(&x509.Certificate{Subject: pkix.Name{CommonName: "c"}})
			h.tlsMachine("c", func(c *oidc.Client) {
				c.AuthMethod, c.JWKS, c.CertificateBoundTokens = oidc.SelfSignedTLSClientAuth, selfSignedSet(h.tb, mine, true), true
			})
			return attempt{send: func() *answer {
				return h.postWith(mine, pathToken, "grant_type", "client_credentials", "client_id", "c")
			}}
		}},
	}
}
