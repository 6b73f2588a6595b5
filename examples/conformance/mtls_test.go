package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// With -mtls, clients with certificates have a host of their own, and only there anybody is asked for one; with -client-roots those that
// somebody has issued count (RFC 8705 §2.1, §5).
func TestMutualTLSHost(t *testing.T) {
	t.Parallel()
	p := runProgram(t, `[{"profile": "op", "name": "Suite", "client": {"client_id": "machine", "token_endpoint_auth_method": "tls_client_auth",
		"tls_client_auth_subject_dn": "CN=machine", "tls_client_certificate_bound_access_tokens": true, "grant_types": ["client_credentials"]}}]`)
	for _, profile := range profiles {
		m := p.discover(t, profile.name)
		if profile.name == "mcp" {
			if m.Aliases.Token != "" {
				t.Errorf("mcp has %s", m.Aliases.Token)
			}
			continue
		}
		if m.Aliases.Token == "" || m.Aliases.Token == m.Token || !strings.HasSuffix(m.Aliases.Token, "/"+profile.name+"/oauth2/token") || !slices.Contains(m.Methods, "tls_client_auth") {
			t.Errorf("%s: %+v", profile.name, m)
		}
	}
	m := p.discover(t, "op")
	machine, stranger := newIdentity(t, "machine", &p.issuer), newIdentity(t, "machine", nil)
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"machine"}}
	asked := false
	if a := post(t, p.client(&machine, func() { asked = true }), m.Token, form); a.status != http.StatusUnauthorized || asked {
		t.Errorf("at the host of browsers: %d, asked %t", a.status, asked)
	}
	if a := post(t, p.client(&stranger, func() {}), m.Aliases.Token, form); a.status != http.StatusUnauthorized {
		t.Errorf("with a certificate that anybody could make: %d", a.status)
	}
	a := post(t, p.client(&machine, func() {}), m.Aliases.Token, form)
	token, _ := a.body["access_token"].(string)
	if cnf, _ := claims(t, token)["cnf"].(map[string]any); a.status != http.StatusOK || cnf["x5t#S256"] != thumb(machine) {
		t.Errorf("%d %v", a.status, a.body)
	}
}

// The suite speaks TLS 1.2 with the cipher suites of FAPI 1.0 Advanced §8.5 alone, which are all for RSA: the certificate that is made
// serves each of those that Go knows, and TLS 1.1 is refused.
func TestCipherSuitesOfFAPI(t *testing.T) {
	t.Parallel()
	certificate, err := options{base: "https://127.0.0.1"}.certificate()
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	trust := x509.NewCertPool()
	trust.AddCert(leaf)
	speak := func(version, suite uint16) error {
		near, far := net.Pipe()
		client := tls.Client(near, &tls.Config{
			RootCAs: trust, ServerName: "127.0.0.1", MinVersion: version, MaxVersion: version, CipherSuites: []uint16{suite},
		})
		server := door{}.secured(certificate)
		ended := make(chan error, 1)
		go func() { ended <- errors.Join(tls.Server(far, server).Handshake(), far.Close()) }()
		return errors.Join(client.Handshake(), near.Close(), <-ended)
	}
	for _, suite := range []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384} {
		if err := speak(tls.VersionTLS12, suite); err != nil {
			t.Errorf("%s: %v", tls.CipherSuiteName(suite), err)
		}
	}
	if speak(tls.VersionTLS11, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA) == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

// The suite answers for the person whom a back channel asks (FAPI-CIBA §5.2.2, CIBA Core §11).
func TestBackChannelIsAnswered(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := runProgram(t, fill(t, documented(t, "The plans of FAPI and CIBA need two clients"), key))
	m := p.discover(t, "ciba")
	suite := newIdentity(t, "suite", nil)
	client := p.client(&suite, func() {})
	begin := func() string {
		form := assert(t, key, m.Issuer)
		form.Set("request", object(t, key, m.Issuer, map[string]any{"scope": "openid", "login_hint": personName, "binding_message": "1234"}))
		a := post(t, client, m.Aliases.CIBA, form)
		id, _ := a.body["auth_req_id"].(string)
		if a.status != http.StatusOK || id == "" {
			t.Fatalf("%d %v", a.status, a.body)
		}
		return id
	}
	poll := func(id string) answer {
		form := assert(t, key, m.Issuer)
		form.Set("grant_type", "urn:openid:params:grant-type:ciba")
		form.Set("auth_req_id", id)
		return post(t, client, m.Aliases.Token, form)
	}
	decide := func(id, action string) int {
		at := p.base + "/test/ciba/ciba?" + url.Values{"auth_req_id": {id}, "action": {action}}.Encode()
		return post(t, p.client(nil, func() {}), at, nil).status
	}
	allowed, denied := begin(), begin()
	for _, wrong := range []struct {
		id, action string
		status     int
	}{{allowed, "perhaps", http.StatusBadRequest}, {"nobody's", "allow", http.StatusNotFound}, {"", "deny", http.StatusNotFound}} {
		if status := decide(wrong.id, wrong.action); status != wrong.status {
			t.Errorf("%s of %q: %d", wrong.action, wrong.id, status)
		}
	}
	if status := decide(allowed, "allow"); status != http.StatusNoContent {
		t.Fatalf("allow: %d", status)
	}
	if status := decide(denied, "deny"); status != http.StatusNoContent {
		t.Fatalf("deny: %d", status)
	}
	a := poll(allowed)
	token, _ := a.body["access_token"].(string)
	if cnf, _ := claims(t, token)["cnf"].(map[string]any); a.status != http.StatusOK || cnf["x5t#S256"] != thumb(suite) {
		t.Errorf("allowed: %d %v", a.status, a.body)
	}
	if a := poll(denied); a.status != http.StatusBadRequest || a.body["error"] != "access_denied" {
		t.Errorf("denied: %d %v", a.status, a.body)
	}
}

// assert is a form with an assertion of the client one (RFC 7523 §2.2).
func assert(t *testing.T, key *rsa.PrivateKey, issuer string) url.Values {
	t.Helper()
	return url.Values{
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {object(t, key, issuer, map[string]any{"sub": "one"})},
	}
}

// object is what the client one has signed by PS256 (RFC 7518 §3.5).
func object(t *testing.T, key *rsa.PrivateKey, issuer string, said map[string]any) string {
	t.Helper()
	now := time.Now()
	said["iss"], said["aud"], said["jti"] = "one", issuer, rand.Text()
	said["iat"], said["nbf"], said["exp"] = now.Unix(), now.Unix(), now.Add(time.Minute).Unix()
	payload, err := json.Marshal(said)
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"PS256","kid":"1"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// publicKey is the public half as a plan's configuration has it (RFC 7517 §4).
func publicKey(key *rsa.PrivateKey) string {
	return `{"kty": "RSA", "kid": "1", "use": "sig", "e": "` + base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()) +
		`", "n": "` + base64.RawURLEncoding.EncodeToString(key.N.Bytes()) + `"}`
}

// claims are those of a JWT that came over TLS from who made it.
func claims(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Errorf("not a JWT: %q", token)
		return nil
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	var all map[string]any
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		t.Error(err)
	}
	return all
}

func thumb(of identity) string {
	sum := sha256.Sum256(of.leaf.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
