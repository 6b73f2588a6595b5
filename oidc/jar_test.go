package oidc_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/directory"
)

func withJAR(c *oidc.Config) { c.Features.JAR = &oidc.JAR{} }

// clientKey signs the requests of clients; strangerKey is nobody's.
var (
	clientKey   = sync.OnceValue(func() crypto.Signer { return generateKey(jose.ES256) })
	strangerKey = sync.OnceValue(func() crypto.Signer { return generateKey(jose.ES256) })
)

// signs registers clientKey for the client, with edit applied.
func (h *harness) signs(clientID string, edit ...func(*oidc.Client)) {
	h.tb.Helper()
	set, err := jose.Set([]jose.PublicKey{{ID: "c", Algorithm: jose.ES256, Key: clientKey().Public()}})
	h.must(err)
	c := h.client(clientID)
	c.JWKS = set
	for _, e := range edit {
		e(c)
	}
	h.must(h.Clients.Replace(h.tb.Context(), c))
	h.clock.advance(2 * time.Second)
}

// objectOf is what a client puts into a request object: a good request, with edits; nil removes.
func (h *harness) objectOf(clientID string, edit map[string]any) map[string]any {
	object := map[string]any{
		"iss": clientID, "aud": issuer, "nbf": h.clock.Now().Unix(), "exp": h.clock.Now().Add(5 * time.Minute).Unix(),
	}
	for name, value := range authorization(clientID) {
		object[name] = value[0]
	}
	maps.Copy(object, edit)
	maps.DeleteFunc(object, func(_ string, value any) bool { return value == nil })
	return object
}

// signedRequest signs an object with clientKey.
func (h *harness) signedRequest(object map[string]any) string {
	h.tb.Helper()
	return h.signedAs(object, jose.Header{Alg: jose.ES256, Kid: "c", Typ: "oauth-authz-req+jwt"}, clientKey())
}

func (h *harness) signedAs(object map[string]any, header jose.Header, key crypto.Signer) string {
	h.tb.Helper()
	claims, err := json.Marshal(object)
	h.must(err)
	token, err := jose.Sign(claims, header, key)
	h.must(err)
	return token
}

// present sends a request object by value, beside the parameters that OpenID Connect Core §6.1 wants there too.
func (h *harness) present(clientID, object string, pairs ...string) *answer {
	h.tb.Helper()
	request := values("client_id", clientID, "request", object)
	override(request, pairs)
	return h.newBrowser().authorize(request)
}

// RFC 9101 §5, §6: what the object says counts, and nothing beside it; numbers and objects are parameters too (§4).
func TestRequestObject(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.signs(web)
		for _, typ := range []string{"oauth-authz-req+jwt", "JWT", "", "application/oauth-authz-req+jwt"} {
			object := h.objectOf(web, map[string]any{
				"max_age": 300, "claims": map[string]any{"id_token": map[string]any{"email": nil}}, "aud": []string{"https://x.example", issuer},
			})
			token := h.signedAs(object, jose.Header{Alg: jose.ES256, Kid: "c", Typ: typ}, clientKey())
			a := h.present(web, token, "state", "evil", "scope", "openid phone", "nonce", "evil", "prompt", "none", "redirect_uri", "https://evil.example")
			if a.returned().Get("state") != "xyz" || !a.returned().Has("code") {
				t.Fatalf("typ %q: %s", typ, a)
			}
			got := h.issued(h.redeem(web, a.returned().Get("code")))
			if id := claims(t, got.IDToken); id["nonce"] != "n-0S6" || id["email"] != "ann@example.com" || got.Scope != "openid profile offline_access" {
				t.Errorf("typ %q: %v, scope %s", typ, id, got.Scope)
			}
			if in := h.persona.interactions(); in[len(in)-1].Passive || !slices.ContainsFunc(in, func(i directory.Interaction) bool { return i.MaxAge != nil }) {
				t.Errorf("typ %q: max_age did not arrive, or prompt did", typ)
			}
		}
		document := h.send(h.request(http.MethodGet, "/.well-known/openid-configuration", nil)).Body
		for _, want := range []string{`"request_parameter_supported":true`, `"request_uri_parameter_supported":false`, `"ES256"`} {
			if !strings.Contains(document, want) {
				t.Errorf("metadata lacks %s: %s", want, document)
			}
		}
	}, withJAR)
}

// Each condition on an object by itself (RFC 9101 §4, §5, §6, §10.8): what is wrong is invalid_request_object, told at the redirect URI only if
// that stands registered beside the object.
func TestAttackForgedRequestObject(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.signs(web)
		h.signs(mail)
		now := h.clock.Now()
		es256 := jose.Header{Alg: jose.ES256, Kid: "c", Typ: "JWT"}
		object := func(edit map[string]any) string { return h.signedRequest(h.objectOf(web, edit)) }
		good := object(nil)
		segment := strings.Split(good, ".")
		unsignedHeader := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))
		for name, token := range map[string]string{
			"stranger's key":          h.signedAs(h.objectOf(web, nil), es256, strangerKey()),
			"unknown kid":             h.signedAs(h.objectOf(web, nil), jose.Header{Alg: jose.ES256, Kid: "x"}, clientKey()),
			"signature of another":    segment[0] + "." + segment[1] + "." + strings.Split(object(map[string]any{"state": "b"}), ".")[2],
			"payload of another":      segment[0] + "." + strings.Split(object(map[string]any{"state": "b"}), ".")[1] + "." + segment[2],
			"cut off":                 good[:len(good)-2],
			"unsigned":                unsignedHeader + "." + segment[1] + ".",
			"unsigned, signed twice":  unsignedHeader + "." + segment[1] + "." + segment[2],
			"a token of another type": h.signedAs(h.objectOf(web, nil), jose.Header{Alg: jose.ES256, Kid: "c", Typ: "at+jwt"}, clientKey()),
			"a proof":                 h.signedAs(h.objectOf(web, nil), jose.Header{Alg: jose.ES256, Kid: "c", Typ: "dpop+jwt"}, clientKey()),
			"of another issuer":       object(map[string]any{"iss": mail}),
			"of another client":       object(map[string]any{"client_id": mail}),
			"of no client":            object(map[string]any{"client_id": nil}),
			"a client assertion":      object(map[string]any{"sub": web}),
			"for another audience":    object(map[string]any{"aud": "https://other.example"}),
			"for nearly us":           object(map[string]any{"aud": issuer + "/"}),
			"for us in a number":      object(map[string]any{"aud": 1}),
			"expired":                 object(map[string]any{"exp": now.Add(-time.Minute).Unix()}),
			"not valid yet":           object(map[string]any{"nbf": now.Add(time.Minute).Unix()}),
			"issued tomorrow":         object(map[string]any{"iat": now.Add(24 * time.Hour).Unix()}),
			"exp a string":            object(map[string]any{"exp": "4000000000"}),
			"an object inside":        object(map[string]any{"request": good}),
			"a reference inside":      object(map[string]any{"request_uri": "https://app.example/r"}),
			"a line break":            object(map[string]any{"state": "a\x00b"}),
			"encrypted":               good + ".x.y",
			"nothing":                 "x",
		} {
			if a := h.present(web, token); a.Status != http.StatusBadRequest || a.errorCode() != "invalid_request_object" || a.location() != nil {
				t.Errorf("%s: %s", name, a)
			}
			a := h.present(web, token, "redirect_uri", callback, "state", "s", "response_type", "code")
			if got := a.returned(); got.Get("error") != "invalid_request_object" || got.Get("state") != "s" || got.Has("code") {
				t.Errorf("%s, told to the client: %s", name, a)
			}
			if a := h.present(web, token, "redirect_uri", "https://evil.example/cb"); a.location() != nil {
				t.Errorf("%s, with another redirect URI: %s", name, a)
			}
		}
		if a := h.present(mail, good); a.errorCode() != "invalid_request_object" || a.location() != nil {
			t.Errorf("a good object, presented by another client: %s", a)
		}
		// A redirect URI inside a good object is judged like any other.
		if a := h.present(web, object(map[string]any{"redirect_uri": "https://evil.example/cb"}), "redirect_uri", callback); a.Status != http.StatusBadRequest || a.location() != nil {
			t.Errorf("an unregistered redirect URI inside: %s", a)
		}
		if a := h.present(web, good, "request_uri", "https://app.example/r"); a.errorCode() != "invalid_request" {
			t.Errorf("both at once: %s", a)
		}
		// Ten seconds are clocks, a minute is not.
		if a := h.present(web, object(map[string]any{"nbf": now.Add(10 * time.Second).Unix(), "iat": now.Add(10 * time.Second).Unix()})); !a.returned().Has("code") {
			t.Errorf("ten seconds early: %s", a)
		}
	}, withJAR)
}

// The algorithm is the one that the client has registered, and "none" is one only where client and provider both say so (OpenID Connect
// Registration §2, RFC 9101 §10.5).
func TestAttackRequestObjectAlgorithm(t *testing.T) {
	t.Parallel()
	none := func(c *oidc.Client) { c.RequestObjectSigningAlg = "none" }
	placements(t, func(t *testing.T, h *harness) {
		h.signs(web, func(c *oidc.Client) { c.RequestObjectSigningAlg = "PS256" })
		if a := h.present(web, h.signedRequest(h.objectOf(web, nil))); a.errorCode() != "invalid_request_object" {
			t.Errorf("ES256 where PS256 is registered: %s", a)
		}
		for name, edit := range map[string]func(*oidc.Client){
			"none": none, "unknown": func(c *oidc.Client) { c.RequestObjectSigningAlg = "HS256" },
			"no keys":    func(c *oidc.Client) { c.RequestObjectSigningAlg, c.JWKS = "ES256", nil },
			"encryption": func(c *oidc.Client) { c.RequestObjectEncryptionAlg = "RSA-OAEP" }, // staticKeys cannot decrypt
			"references": func(c *oidc.Client) { c.RequestURIs = []string{"https://app.example/r"} },
		} {
			c := h.client(web)
			edit(c)
			if err := h.Clients.Replace(t.Context(), c); len(fields(err)) != 1 || !strings.HasPrefix(fields(err)[0], "request_") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}, withJAR)
	placements(t, func(t *testing.T, h *harness) {
		h.signs(mail)
		h.signs(web, none)
		payload, err := json.Marshal(h.objectOf(web, nil))
		h.must(err)
		bare := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
		if a := h.present(web, bare); !a.returned().Has("code") {
			t.Errorf("an unsigned object of a client that is registered for it: %s", a)
		}
		if a := h.present(web, h.signedRequest(h.objectOf(web, nil))); a.errorCode() != "invalid_request_object" {
			t.Errorf("a signed object of a client that is registered for none: %s", a)
		}
		bareOf := func(clientID string) string {
			payload, err := json.Marshal(h.objectOf(clientID, nil))
			h.must(err)
			return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
		}
		if a := h.present(mail, bareOf(mail)); !a.returned().Has("code") {
			t.Errorf("an unsigned object of a client that is registered for nothing in particular: %s", a)
		}
		if a := h.present(mail, h.signedRequest(h.objectOf(mail, nil))); !a.returned().Has("code") {
			t.Errorf("a signed object of the same: %s", a)
		}
		for name, strict := range map[string]func(*oidc.Client){
			"signed objects alone": func(c *oidc.Client) { c.RequireSignedRequest = true },
			"ES256":                func(c *oidc.Client) { c.RequestObjectSigningAlg = "ES256" },
		} {
			h.register(&oidc.Client{ClientID: "strict-" + name[:2], RedirectURIs: []string{callback}})
			h.signs("strict-"+name[:2], strict)
			if a := h.present("strict-"+name[:2], bareOf("strict-"+name[:2])); a.errorCode() != "invalid_request_object" {
				t.Errorf("an unsigned object of a client that is registered for %s: %s", name, a)
			}
		}
		c := h.client(web)
		c.RequireSignedRequest = true
		if err := h.Clients.Replace(t.Context(), c); err == nil {
			t.Error("a client that requires signed objects and signs by none")
		}
	}, func(c *oidc.Config) { c.Features.JAR = &oidc.JAR{InsecureUnsigned: true} })
}

// Where a lifetime is demanded, an object without one, or with a longer or older one, is none (FAPI 1.0 Advanced §5.2.2, FAPI 2.0 Message
// Signing §5.3.1).
func TestAttackRequestObjectLifetime(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.signs(web)
		now := h.clock.Now()
		for name, edit := range map[string]map[string]any{
			"no exp": {"exp": nil}, "no nbf": {"nbf": nil}, "no aud": {"aud": nil},
			"61 minutes": {"exp": now.Add(61 * time.Minute).Unix()},
			"old":        {"nbf": now.Add(-2 * time.Hour).Unix(), "exp": now.Add(time.Minute).Unix()},
		} {
			if a := h.present(web, h.signedRequest(h.objectOf(web, edit))); a.errorCode() != "invalid_request_object" {
				t.Errorf("%s: %s", name, a)
			}
		}
		if a := h.present(web, h.signedRequest(h.objectOf(web, nil))); !a.returned().Has("code") {
			t.Errorf("a good one: %s", a)
		}
		if a := h.newBrowser().authorize(authorization(web)); a.returned().Get("error") != "invalid_request" {
			t.Errorf("a request without an object: %s", a)
		}
	}, func(c *oidc.Config) { c.Features.JAR = &oidc.JAR{Required: true, MaxLifetime: time.Hour} })
}

// OpenID Connect Core §6.1, where the host asks for it: what the object does not say may stand beside it, what it says counts, and the
// two must not disagree about client and response type.
func TestRequestObjectMerged(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.signs(web)
		small := h.signedRequest(map[string]any{"nonce": "inside", "state": "inside"})
		request := authorization(web, "request", small)
		a := h.newBrowser().authorize(request)
		if a.returned().Get("state") != "inside" || claims(t, h.issued(h.redeem(web, a.returned().Get("code"))).IDToken)["nonce"] != "inside" {
			t.Errorf("%s", a)
		}
		for name, edit := range map[string]map[string]any{"response type": {"response_type": "token"}, "client": {"client_id": mail}} {
			if a := h.newBrowser().authorize(authorization(web, "request", h.signedRequest(edit))); a.returned().Has("code") || a.errorCode() == "" {
				t.Errorf("another %s: %s", name, a)
			}
		}
	}, func(c *oidc.Config) { c.Features.JAR = &oidc.JAR{InsecureMerge: true} })
}

// decryptingKeys are staticKeys that others can encrypt to.
type decryptingKeys struct{ staticKeys }

func (decryptingKeys) Encryption(_ context.Context, algorithm string) (string, crypto.PublicKey, error) {
	if algorithm == "ECDH-ES" {
		return "enc-ec", generatedKeys["ES256"]().Public(), nil
	}
	return "enc-rsa", generatedKeys["RS256"]().Public(), nil
}

func (decryptingKeys) Decrypter(_ context.Context, algorithm, id string) (crypto.PrivateKey, error) {
	switch {
	case algorithm == "ECDH-ES" && id == "enc-ec":
		return generatedKeys["ES256"]().(*ecdsa.PrivateKey), nil
	case algorithm == "RSA-OAEP-256" && id == "enc-rsa":
		return generatedKeys["RS256"](), nil
	}
	return nil, jose.ErrKey
}

func withEncryption(c *oidc.Config) {
	withJAR(c)
	c.Keys = decryptingKeys{}
}

// RFC 9101 §4: signed, then encrypted to us; and nothing else inside (CVE-2026-29000), with one answer for all that fails.
func TestAttackEncryptedRequestObject(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.signs(web, func(c *oidc.Client) {
			c.RequestObjectEncryptionAlg, c.RequestObjectEncryptionEnc = "RSA-OAEP", "A256GCM"
		})
		// As a client finds them: published for encryption, and no use for signatures.
		document := []byte(h.send(h.request(http.MethodGet, pathJWKS, nil)).Body)
		published, err := jose.ParseEncryptionSet(document)
		if err != nil || len(published) != 2 || strings.Count(string(document), `"use":"enc"`) != 2 {
			t.Fatalf("published: %v in %s", err, document)
		}
		encrypt := func(content string, header jose.EncryptionHeader) string {
			key := published[1].Key
			if strings.HasPrefix(string(header.Alg), "RSA") {
				key = published[0].Key
			}
			token, err := jose.Encrypt([]byte(content), header, key)
			h.must(err)
			return token
		}
		signed := h.signedRequest(h.objectOf(web, nil))
		for _, header := range []jose.EncryptionHeader{
			{Alg: jose.RSAOAEP, Enc: jose.A256GCM, Kid: "enc-rsa", Cty: "JWT"},
			{Alg: jose.RSAOAEP256, Enc: jose.A128CBCHS256},
			{Alg: jose.ECDHES, Enc: jose.A256GCM, Kid: "enc-ec"},
			{Alg: jose.ECDHESA256KW, Enc: jose.A256CBCHS512, Cty: "JWT"},
		} {
			if a := h.present(web, encrypt(signed, header)); !a.returned().Has("code") {
				t.Errorf("%+v: %s", header, a)
			}
		}
		payload, err := json.Marshal(h.objectOf(web, nil))
		h.must(err)
		header := jose.EncryptionHeader{Alg: jose.RSAOAEP256, Enc: jose.A256GCM, Kid: "enc-rsa", Cty: "JWT"}
		good := strings.Split(encrypt(signed, header), ".")
		for name, token := range map[string]string{
			"claims":         encrypt(string(payload), jose.EncryptionHeader{Alg: jose.RSAOAEP256, Enc: jose.A256GCM}),
			"claims as JWT":  encrypt(string(payload), header),
			"unsigned":       encrypt(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))+"."+base64.RawURLEncoding.EncodeToString(payload)+".", header),
			"stranger's":     encrypt(h.signedAs(h.objectOf(web, nil), jose.Header{Alg: jose.ES256, Kid: "c"}, strangerKey()), header),
			"another key id": encrypt(signed, jose.EncryptionHeader{Alg: jose.RSAOAEP256, Enc: jose.A256GCM, Kid: "x"}),
			"RSA1_5":         encrypt(signed, jose.EncryptionHeader{Alg: jose.InsecureRSA15, Enc: jose.A256GCM, Kid: "enc-rsa"}),
			"damaged":        strings.Join(append(slices.Clone(good[:4]), "AAAAAAAAAAAAAAAAAAAAAA"), "."),
			"another key":    strings.Join([]string{good[0], base64.RawURLEncoding.EncodeToString(make([]byte, 256)), good[2], good[3], good[4]}, "."),
		} {
			a := h.present(web, token)
			if a.Status != http.StatusBadRequest || a.errorCode() != "invalid_request_object" {
				t.Errorf("%s: %s", name, a)
			}
			if name != "stranger's" && !strings.Contains(a.Body, "cannot be decrypted") {
				t.Errorf("%s is told apart: %s", name, a.Body)
			}
		}
	}, withEncryption)
}

// objectHost serves request objects at https://objects.example, whose address is said to be public.
func objectHost(t *testing.T, served *atomic.Value, asked *atomic.Int32) func(*oidc.Config) {
	t.Helper()
	site := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path != "/r" {
			http.Redirect(w, r, "/r", http.StatusFound)
			return
		}
		_, _ = w.Write([]byte(served.Load().(string)))
	}))
	site.StartTLS()
	t.Cleanup(site.Close)
	roots := x509.NewCertPool()
	roots.AddCert(site.Certificate())
	return func(c *oidc.Config) {
		c.Features.JAR = &oidc.JAR{ByReference: true}
		c.Outbound = oidc.Outbound{
			RootCAs: roots,
			Resolve: func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("93.184.216.34")}, nil
			},
			Dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp", site.Listener.Addr().String())
			},
		}
	}
}

// Objects are fetched from where the client has registered and from nowhere else (RFC 9101 §5.2, §10.4), and once fetched judged like any other.
func TestAttackRequestURI(t *testing.T) {
	t.Parallel()
	var served atomic.Value
	var asked atomic.Int32
	h := together(t, objectHost(t, &served, &asked))
	h.clock.advance(time.Since(h.clock.Now())) // certificates are judged by the same clock
	const registered = "https://example.com/r"
	h.signs(web, func(c *oidc.Client) { c.RequestURIs = []string{registered, "https://example.com/elsewhere"} })
	served.Store(h.signedRequest(h.objectOf(web, nil)) + "\n")
	refer := func(uri string) *answer {
		return h.newBrowser().authorize(values("client_id", web, "request_uri", uri))
	}
	if a := refer(registered); !a.returned().Has("code") {
		t.Fatalf("registered: %s", a)
	}
	before := asked.Load()
	for _, uri := range []string{
		"https://example.com/R", "https://example.com/r/", "https://example.com/r?x=1", "https://example.com/r#a", "http://example.com/r", "https://evil.example/r",
		"file:///etc/passwd", "https://169.254.169.254/latest", "https://localhost/r", "urn:ietf:params:oauth:request_uri:x.y",
	} {
		if a := refer(uri); a.Status != http.StatusBadRequest || a.errorCode() != "invalid_request_uri" || a.location() != nil {
			t.Errorf("%s: %s", uri, a)
		}
	}
	if asked.Load() != before {
		t.Error("something that is not registered was fetched")
	}
	if a := refer("https://example.com/elsewhere"); a.errorCode() != "invalid_request_uri" {
		t.Errorf("a redirect was followed: %s", a)
	}
	h.clock.advance(time.Minute)
	served.Store(h.signedAs(h.objectOf(web, nil), jose.Header{Alg: jose.ES256, Kid: "c"}, strangerKey()))
	if a := refer(registered); a.errorCode() != "invalid_request_object" {
		t.Errorf("a stranger's object at the registered place: %s", a)
	}
	for _, uri := range []string{"http://example.com/r", "https://127.0.0.1/r", "file:///r"} {
		c := h.client(web)
		c.RequestURIs = []string{uri}
		if err := h.Clients.Replace(t.Context(), c); !slices.Equal(fields(err), []string{"request_uris"}) {
			t.Errorf("%s registered: %v", uri, err)
		}
	}
}

// An object may be pushed (RFC 9126 §3): it is judged then, and what stands beside it does not count.
func TestAttackPushedRequestObject(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.signs(web, func(c *oidc.Client) { c.RequirePAR, c.RequireSignedRequest = true, true })
		a := h.post(pathPAR, web, values("request", h.signedRequest(h.objectOf(web, nil)), "state", "evil"))
		got := h.newBrowser().authorize(refer(web, a.member("request_uri"))).returned()
		if got.Get("state") != "xyz" || !got.Has("code") {
			t.Errorf("%s, then %v", a, got)
		}
		for name, form := range map[string]url.Values{
			"not signed":    authorization(web),
			"a stranger's":  values("request", h.signedAs(h.objectOf(web, nil), jose.Header{Alg: jose.ES256, Kid: "c"}, strangerKey())),
			"of another":    values("request", h.signedRequest(h.objectOf(mail, nil))),
			"for elsewhere": values("request", h.signedRequest(h.objectOf(web, map[string]any{"redirect_uri": "https://evil.example"}))),
		} {
			if a := h.post(pathPAR, web, form); a.Status != http.StatusBadRequest || a.errorCode() == "" || a.member("request_uri") != "" {
				t.Errorf("%s: %s", name, a)
			}
		}
	}, withPAR, withJAR)
}

func FuzzRequestObject(f *testing.F) {
	h := together(f, withJAR)
	h.signs(web)
	h.persona.acts(script{Refusal: "denied"})
	for _, seed := range []string{
		`{"client_id":"web","redirect_uri":"https://app.example/cb","response_type":"code","scope":"openid"}`, `{}`, `[]`, `null`, ``,
		`{"client_id":"web","aud":["https://id.example"],"exp":1e400}`, `{"client_id":"web","client_id":"web"}`, `{"client_id":"web","state":{"a":[1]}}`,
		`{"client_id":"web","redirect_uri":"https://evil.example/cb"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		token, err := jose.Sign(payload, jose.Header{Alg: jose.ES256, Kid: "c"}, clientKey())
		if err != nil {
			t.Fatal(err)
		}
		a := h.send(h.request(http.MethodGet, pathAuthorize+"?"+values("client_id", web, "request", token).Encode(), nil))
		if u := a.location(); u != nil && u.Host != "app.example" || a.Status >= 500 {
			t.Fatalf("%q: %s", payload, a)
		}
	})
}
