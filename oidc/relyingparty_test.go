package oidc_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/oidc/rp"
)

// inProcess carries requests of a relying party to the provider of a harness.
type inProcess struct{ *harness }

// RoundTrip implements http.RoundTripper.
func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	var body io.Reader
	if r.Body != nil {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	arrived := httptest.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), body)
	arrived.Header = r.Header.Clone()
	w := httptest.NewRecorder()
	p.ServeHTTP(w, arrived)
	return w.Result(), nil
}

// relyingParty is a client of the harness's provider, as edit makes it.
func (h *harness) relyingParty(clientID string, edit func(*rp.Config)) *rp.Provider {
	h.tb.Helper()
	config := rp.Config{
		Issuer: h.issuer, ClientID: clientID, RedirectURL: callback, Now: h.clock.Now, Client: &http.Client{Transport: inProcess{h}},
		Scopes: []string{"openid", "profile", "email", "offline_access"},
	}
	edit(&config)
	p, err := rp.New(config)
	h.must(err)
	return p
}

// signsInAt goes through a login of a relying party, in a browser, and returns with what the browser was sent.
func (h *harness) signsInAt(p *rp.Provider, r rp.Request) (*rp.Identity, url.Values, error) {
	h.tb.Helper()
	to, pending, err := p.Begin(h.tb.Context(), r)
	if err != nil {
		return nil, nil, err
	}
	sent, err := url.Parse(to)
	h.must(err)
	b := h.newBrowser()
	id, err := p.Finish(h.tb.Context(), pending, b.follow(b.get(to)).returned())
	return id, sent.Query(), err
}

func signingSet(tb testing.TB, id string, key crypto.Signer) json.RawMessage {
	tb.Helper()
	set, err := jose.Set([]jose.PublicKey{{ID: id, Algorithm: jose.ES256, Key: key.Public()}})
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

// A relying party is the client that FAPI 2.0 demands: private_key_jwt for the issuer, requests that are pushed, and signed, tokens that are
// bound to a key by proofs with the provider's nonces, at the token endpoint, at UserInfo and when they are renewed; the browser carries a
// reference (FAPI 2.0 Security Profile §5.3.3, FAPI 2.0 Message Signing §5.3.2).
func TestRelyingPartyOfFAPI2(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		key := generateKey(jose.ES256)
		h.register(&oidc.Client{
			ClientID: "bank", AuthMethod: oidc.PrivateKeyJWT, Profile: oidc.FAPI2Security, JWKS: signingSet(t, "k", key), RedirectURIs: []string{callback},
			GrantTypes: []oidc.GrantType{oidc.AuthorizationCode, oidc.RefreshToken}, RequireSignedRequest: true, RequestObjectSigningAlg: "ES256",
		})
		edit := func(c *rp.Config) {
			c.Key = &rp.ClientKey{ID: "k", Algorithm: "ES256", Signer: key}
			c.Algorithms = []string{"PS256", "ES256", "EdDSA"}
			c.RequestKey, c.PAR, c.DPoP = c.Key, true, &rp.ProofKey{Algorithm: "ES256", Signer: generateKey(jose.ES256)}
		}
		p := h.relyingParty("bank", edit)
		id, sent, err := h.signsInAt(p, rp.Request{LoginHint: ann})
		if err != nil {
			t.Fatal(err)
		}
		if id.Subject != h.subject(ann).ID || id.Email != "ann@example.com" || id.Token.TokenType != "DPoP" {
			t.Errorf("identity %+v", id)
		}
		if len(sent) != 2 || sent.Get("client_id") != "bank" || !strings.HasPrefix(sent.Get("request_uri"), "urn:") {
			t.Errorf("the browser carries %v", sent)
		}
		h.noteSecret("access token", id.Token.AccessToken)
		if a := h.userInfo(id.Token.AccessToken); a.Status != http.StatusUnauthorized {
			t.Errorf("without a proof: %s", a)
		}
		renewed, err := p.Refresh(t.Context(), id)
		if err != nil || renewed.Token.AccessToken == id.Token.AccessToken || renewed.Subject != id.Subject {
			t.Errorf("renewed: %v, %v", renewed, err)
		}
		for name, without := range map[string]func(*rp.Config){
			"not pushed": func(c *rp.Config) { c.PAR = false },
			"unsigned":   func(c *rp.Config) { c.RequestKey = nil },
			"unbound":    func(c *rp.Config) { c.DPoP = nil },
			"by a key that is not the client's": func(c *rp.Config) {
				c.Key = &rp.ClientKey{ID: "k", Algorithm: "ES256", Signer: generateKey(jose.ES256)}
			},
		} {
			other := h.relyingParty("bank", func(c *rp.Config) { edit(c); without(c) })
			if id, _, err := h.signsInAt(other, rp.Request{}); id != nil || err == nil {
				t.Errorf("%s: %v", name, id)
			}
		}
	}, func(c *oidc.Config) {
		c.Features.PAR, c.Features.DPoP = &oidc.PAR{}, &oidc.DPoP{RequireNonce: true}
		c.Features.JAR, c.Features.ClientAssertions = &oidc.JAR{MaxLifetime: time.Hour}, &oidc.ClientAssertions{IssuerAudience: true}
	})
}

// A relying party takes what our provider has signed and, where it is registered so, encrypted (FAPI 2.0 Message Signing §5.4.2, JARM §2.4);
// what comes in the clear is not taken.
func TestRelyingPartyOfSignedResponses(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.register(&oidc.Client{
			ClientID: "signed", RedirectURIs: []string{callback}, AuthorizationSignedResponseAlg: "ES256", IDTokenAlg: "ES256",
		})
		edit := func(c *rp.Config) {
			c.ClientSecret, c.SignedResponse, c.Algorithms = clientSecret("signed"), true, []string{"ES256"}
		}
		p := h.relyingParty("signed", edit)
		id, sent, err := h.signsInAt(p, rp.Request{})
		if err != nil || id.Subject != h.subject(ann).ID || sent.Get("response_mode") != "jwt" {
			t.Errorf("%+v, %v, sent %v", id, err, sent)
		}
		to, pending, err := h.relyingParty("signed", func(c *rp.Config) { edit(c); c.SignedResponse = false }).Begin(t.Context(), rp.Request{})
		h.must(err)
		b := h.newBrowser()
		if id, err := p.Finish(t.Context(), pending, b.follow(b.get(to)).returned()); id != nil || !errors.Is(err, rp.ErrInvalid) {
			t.Errorf("in the clear: %+v, %v", id, err)
		}
	}, withJARM)
}

// A relying party proves its secret without sending it, and reads ID tokens that were encrypted to it (OpenID Connect Core §9, §10.2).
func TestRelyingPartyOfSecretsAndEncryption(t *testing.T) {
	t.Parallel()
	h := together(t, func(c *oidc.Config) {
		c.Features.ClientAssertions, c.Features.Encryption = &oidc.ClientAssertions{SharedSecrets: true}, &oidc.Encryption{}
	})
	key := generateKey(jose.ES256).(*ecdsa.PrivateKey)
	set, err := jose.Set(nil, jose.EncryptionKey{ID: "e", Algorithm: jose.ECDHES, Key: &key.PublicKey})
	h.must(err)
	c := &oidc.Client{
		ClientID: "sealed", AuthMethod: oidc.ClientSecretJWT, JWKS: set, RedirectURIs: []string{callback},
		IDTokenEncryptedResponseAlg: "ECDH-ES", IDTokenEncryptedResponseEnc: "A256GCM",
	}
	h.register(c)
	edit := func(c *rp.Config) {
		c.ClientSecret, c.SecretInJWT = clientSecret("sealed"), true
		c.DecryptionKeys = []rp.DecryptionKey{{ID: "e", Algorithm: "ECDH-ES", Key: key}}
	}
	id, _, err := h.signsInAt(h.relyingParty("sealed", edit), rp.Request{})
	if err != nil || id.Subject != h.subject(ann).ID || strings.Count(id.IDToken, ".") != 2 {
		t.Errorf("%+v, %v", id, err)
	}
	_, _, err = h.signsInAt(h.relyingParty("sealed", func(c *rp.Config) { edit(c); c.SecretInJWT = false }), rp.Request{})
	if refused, ok := errors.AsType[*rp.ResponseError](err); !ok || refused.Code != "invalid_client" {
		t.Errorf("a secret that is sent: %v", err)
	}
}

// A relying party authenticates with a certificate, at the address where the provider asks for one, and its tokens are bound to it (RFC 8705
// §2.1, §3, §5).
func TestRelyingPartyWithCertificate(t *testing.T) {
	t.Parallel()
	var h *harness
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) })
	front, aliases := httptest.NewTLSServer(serve), httptest.NewUnstartedServer(serve)
	aliases.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAnyClientCert}
	aliases.StartTLS()
	t.Cleanup(func() { front.Close(); aliases.Close() })
	ca := newAuthority(t)
	h = together(t, withMutualTLS(ca, func(f *oidc.MutualTLS) { f.Aliases = aliases.URL }), func(c *oidc.Config) { c.Issuer = front.URL })
	h.register(&oidc.Client{
		ClientID: "tls", AuthMethod: oidc.TLSClientAuth, TLSClientAuthSANDNS: "tls.example", CertificateBoundTokens: true, RedirectURIs: []string{callback},
	})
	mine, other := ca.named("tls"), ca.named("other")
	with := func(c certified) *rp.Provider {
		return h.relyingParty("tls", func(config *rp.Config) {
			config.Client = front.Client() // both servers have one certificate
			config.Certificate = &tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: c.key}
		})
	}
	p := with(mine)
	id, _, err := h.signsInAt(p, rp.Request{})
	if err != nil || id.Subject != h.subject(ann).ID || id.Name == "" {
		t.Fatalf("%+v, %v", id, err)
	}
	if a := h.userInfo(id.Token.AccessToken); a.Status != http.StatusUnauthorized {
		t.Errorf("without the certificate: %s", a)
	}
	_, _, err = h.signsInAt(with(other), rp.Request{})
	if refused, ok := errors.AsType[*rp.ResponseError](err); !ok || refused.Code != "invalid_client" {
		t.Errorf("another certificate: %v", err)
	}
}
