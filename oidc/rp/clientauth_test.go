package rp_test

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc/rp"
)

const longSecret = "a client secret of thirty-two bytes or more"

// client_secret_jwt: the secret signs, and goes nowhere (OpenID Connect Core §9, RFC 7523 §3).
func TestClientSecretJWT(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.config.ClientSecret, u.config.SecretInJWT = longSecret, true
	if _, err := u.login(rp.Request{}); err != nil {
		t.Fatal(err)
	}
	r := u.redeemed[0]
	if _, _, basic := r.BasicAuth(); basic || strings.Contains(r.PostForm.Encode(), "thirty-two") {
		t.Errorf("the secret was sent: %v", r.PostForm)
	}
	_, payload, err := jose.Verifier{Algorithms: []jose.Algorithm{jose.HS256}}.Verify(r.PostForm.Get("client_assertion"), func(jose.Header) (jose.PublicKey, error) {
		return jose.PublicKey{Algorithm: jose.HS256, Key: []byte(longSecret)}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Iss, Sub, Aud, JTI string
		Iat, Exp           int64
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Iss != "client" || claims.Sub != "client" || claims.Aud != u.URL || claims.JTI == "" || claims.Exp-claims.Iat != 60 {
		t.Errorf("assertion %s", payload)
	}
}

// selfSigned is a certificate of a client.
func selfSigned(t *testing.T, key crypto.Signer) *tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// certifying is a server at which the upstream asks for certificates, and counts those that were shown, by path.
func (u *upstream) certifying(ask tls.ClientAuthType) (s *httptest.Server, shown func(path string) int) {
	u.Helper()
	var mu sync.Mutex
	seen := map[string]int{}
	s = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen[r.URL.Path] += len(r.TLS.PeerCertificates)
		mu.Unlock()
		u.serve(w, r)
	}))
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: ask}
	s.StartTLS()
	u.Cleanup(s.Close)
	return s, func(path string) int {
		mu.Lock()
		defer mu.Unlock()
		return seen[path]
	}
}

// A client that authenticates with its certificate shows it at the aliases, and nowhere else (RFC 8705 §2, §5).
func TestTLSClientAuth(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	aliases, shown := u.certifying(tls.RequireAnyClientCert)
	u.metadata["mtls_endpoint_aliases"] = map[string]any{"token_endpoint": aliases.URL + "/token", "userinfo_endpoint": aliases.URL + "/userinfo"}
	u.config.Client, u.config.ClientSecret = aliases.Client(), ""
	u.config.Certificate = selfSigned(t, u.newKey(jose.ES256))
	if _, err := u.login(rp.Request{}); err != nil {
		t.Fatal(err)
	}
	if shown("/token") != 1 || shown("/userinfo") != 1 {
		t.Error("the certificate was not shown")
	}
	r := u.redeemed[0]
	if r.PostForm.Get("client_id") != "client" || r.PostForm.Has("client_secret") || r.Header.Get("Authorization") != "" {
		t.Errorf("redeemed with %v", r.PostForm)
	}
}

// A certificate is for the provider's endpoints: whoever serves the metadata or the keys is not shown who asks (RFC 8705 §5).
func TestAttackCertificateIsNotShownElsewhere(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	everywhere, shown := u.certifying(tls.RequestClientCert)
	for name, path := range map[string]string{
		"authorization_endpoint": "/authorize", "token_endpoint": "/token", "userinfo_endpoint": "/userinfo", "jwks_uri": "/jwks",
	} {
		u.metadata[name] = everywhere.URL + path
	}
	u.metadata["issuer"], u.config.Issuer, u.claims["iss"] = everywhere.URL, everywhere.URL, everywhere.URL
	u.URL = everywhere.URL
	u.config.Client, u.config.ClientSecret = everywhere.Client(), ""
	u.config.Certificate = selfSigned(t, u.newKey(jose.ES256))
	if _, err := u.login(rp.Request{}); err != nil {
		t.Fatal(err)
	}
	if shown("/token") != 1 {
		t.Error("the token endpoint did not see the certificate")
	}
	if n := shown("/.well-known/openid-configuration") + shown("/jwks"); n != 0 {
		t.Errorf("the certificate was shown %d times where nobody needs it", n)
	}
}

// What does not authenticate is named by New.
func TestNewNamesWhatDoesNotAuthenticate(t *testing.T) {
	t.Parallel()
	key := newUpstream(t).newKey(jose.ES256)
	for field, edit := range map[string]func(*rp.Config){
		"SecretInJWT": func(c *rp.Config) { c.SecretInJWT, c.ClientSecret = true, "short" },
		"Certificate": func(c *rp.Config) { c.Certificate = &tls.Certificate{} },
		"Client": func(c *rp.Config) {
			c.ClientSecret, c.Certificate, c.Client = "", selfSigned(t, key), &http.Client{Transport: opaque{}}
		},
		"DPoP":           func(c *rp.Config) { c.DPoP = &rp.ProofKey{Algorithm: "none", Signer: key} },
		"RequestKey":     func(c *rp.Config) { c.RequestKey = &rp.ClientKey{Algorithm: "HS256", Signer: key} },
		"DecryptionKeys": func(c *rp.Config) { c.DecryptionKeys = []rp.DecryptionKey{{Algorithm: "RSA-OAEP", Key: key}} },
		"Endpoints.PAR": func(c *rp.Config) {
			c.PAR, c.Endpoints = true, &rp.Endpoints{Authorization: c.Issuer, Token: c.Issuer, JWKS: c.Issuer}
		},
	} {
		c := rp.Config{Issuer: "https://id.example", ClientID: "client", ClientSecret: longSecret}
		edit(&c)
		if _, err := rp.New(c); err == nil || !strings.Contains(err.Error(), "Config."+field+":") {
			t.Errorf("%s is not named in: %v", field, err)
		}
	}
}

type opaque struct{ http.RoundTripper }
