package oidc_test

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/storetest"
)

// Expired and unsigned assertions, and audience confusion (RFC 7523 §3; CVE-2026-53431, CVE-2026-16093, CVE-2025-27370, CVE-2024-53861):
// what lacks any one thing is nobody's.
func TestAttackClientAssertionClaims(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		a := h.newAsserter("signer")
		now := h.clock.Now()
		for name, changes := range map[string][]any{
			"other issuer":            {"iss", web},
			"no issuer":               {"iss", nil},
			"our issuer":              {"iss", h.issuer},
			"other subject":           {"sub", web},
			"no subject":              {"sub", nil},
			"subject of nobody":       {"sub", "nobody", "iss", "nobody"},
			"subject that is no id":   {"sub", "a b", "iss", "a b"},
			"no audience":             {"aud", nil},
			"empty audience":          {"aud", ""},
			"empty list":              {"aud", []string{}},
			"list of empty":           {"aud", []string{""}},
			"audience null":           {"aud", json.RawMessage("null")},
			"audience number":         {"aud", 7},
			"another provider":        {"aud", "https://other.example"},
			"prefix":                  {"aud", h.issuer + ".evil.example"},
			"with a slash":            {"aud", h.issuer + "/"},
			"shorter":                 {"aud", strings.TrimSuffix(h.issuer, "e")},
			"in capitals":             {"aud", strings.ToUpper(h.issuer)},
			"us and another":          {"aud", []string{h.issuer, "https://other.example"}},
			"another and us":          {"aud", []string{"https://other.example/token", h.issuer}},
			"another endpoint":        {"aud", h.issuer + pathIntrospect},
			"the client":              {"aud", "signer"},
			"no exp":                  {"exp", nil},
			"exp null":                {"exp", json.RawMessage("null")},
			"exp as text":             {"exp", "9999999999"},
			"exp over":                {"exp", now.Add(-time.Minute).Unix(), "iat", now.Add(-2 * time.Minute).Unix()},
			"exp at zero":             {"exp", 0},
			"exp below zero":          {"exp", -1},
			"exp out of range":        {"exp", json.RawMessage("1e300")},
			"exp too far":             {"exp", now.Add(2 * time.Hour).Unix()},
			"nbf in 60 s":             {"nbf", now.Add(time.Minute).Unix()},
			"iat in 60 s":             {"iat", now.Add(time.Minute).Unix()},
			"no jti":                  {"jti", nil},
			"empty jti":               {"jti", ""},
			"jti number":              {"jti", 7},
			"member in other letters": {"AUD", h.issuer},
		} {
			if got := a.token(a.assertion(changes...)); got.errorCode() != "invalid_client" || got.Status != http.StatusUnauthorized {
				t.Errorf("%s: %s", name, got)
			}
		}
		h.issued(a.token(a.assertion()))
	}, withAssertions)
}

// FAPI 2.0 Security Profile §5.3.2.1: the audience is the issuer, as a string.
func TestAttackClientAssertionAudienceInFAPI(t *testing.T) {
	t.Parallel()
	h := together(t, withIssuerAudience)
	a := h.newAsserter("signer")
	for _, audience := range []any{
		h.issuer + pathToken, []string{h.issuer}, []string{h.issuer, h.issuer + pathToken}, "", nil,
	} {
		if got := a.token(a.assertion("aud", audience)); got.errorCode() != "invalid_client" {
			t.Errorf("%v: %s", audience, got)
		}
	}
	h.issued(a.token(a.assertion("aud", h.issuer)))
}

// The JOSE tricks (RFC 8725 §3.1, §3.10; CVE-2015-9235, CVE-2016-10555, CVE-2018-0114, CVE-2025-59420): unsigned tokens, a public key as
// secret, keys in the header, critical extensions, keys of others under the same name.
func TestAttackClientAssertionSignature(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		a, other := h.newAsserter("signer"), h.newAsserter("other")
		pinned := h.newAsserter("pinned", func(c *oidc.Client) { c.AuthSigningAlg = "PS256" })
		public, err := jose.Set([]jose.PublicKey{{ID: "k", Algorithm: jose.ES256, Key: other.key.Public()}})
		h.must(err)
		var embedded struct{ Keys []json.RawMessage }
		h.must(json.Unmarshal(public, &embedded))
		nobody := func([]byte) []byte { return nil }
		by := func(key crypto.Signer, header map[string]any, claims map[string]any) string {
			// The signature of a token with another header: what counts is that it is made with that key.
			signed, err := jose.Sign([]byte("{}"), jose.Header{Alg: jose.ES256}, key)
			h.must(err)
			last := signed[strings.LastIndexByte(signed, '.')+1:]
			signature, err := base64.RawURLEncoding.DecodeString(last)
			h.must(err)
			return rawJWT(header, claims, func([]byte) []byte { return signature })
		}
		good := a.assertion()
		swapped := strings.Split(a.assertion(), ".")
		swapped[1] = strings.Split(good, ".")[1]
		for name, text := range map[string]string{
			"none":                 rawJWT(map[string]any{"alg": "none"}, a.claims(), nobody),
			"None":                 rawJWT(map[string]any{"alg": "None"}, a.claims(), nobody),
			"no alg":               rawJWT(map[string]any{"kid": a.header.Kid}, a.claims(), nobody),
			"public key as secret": rawJWT(map[string]any{"alg": "HS256", "kid": a.header.Kid}, a.claims(), hs256(string(a.jwks()))),
			"secret hash as secret": rawJWT(map[string]any{"alg": "HS256"}, map[string]any{
				"iss": web, "sub": web, "aud": h.issuer, "jti": "1", "exp": h.clock.Now().Add(time.Minute).Unix(),
			}, hs256(h.client(web).SecretHash)),
			"empty secret":        rawJWT(map[string]any{"alg": "HS256"}, a.claims(), hs256("")),
			"jwk in the header":   by(other.key, map[string]any{"alg": "ES256", "jwk": embedded.Keys[0]}, a.claims()),
			"jku in the header":   by(other.key, map[string]any{"alg": "ES256", "jku": "https://evil.example/jwks"}, a.claims()),
			"x5u in the header":   by(other.key, map[string]any{"alg": "ES256", "x5u": "https://evil.example/cert"}, a.claims()),
			"x5c in the header":   by(other.key, map[string]any{"alg": "ES256", "x5c": []string{"AAAA"}}, a.claims()),
			"crit":                by(a.key, map[string]any{"alg": "ES256", "crit": []string{"b64"}, "b64": false}, a.claims()),
			"key of another":      other.sign(other.header, a.claims()),
			"kid of another":      other.sign(a.header, a.claims()),
			"unknown kid":         a.sign(jose.Header{Alg: jose.ES256, Kid: "unknown"}, a.claims()),
			"other claims":        strings.Join(swapped, "."),
			"cut":                 good[:len(good)-2],
			"without signature":   good[:strings.LastIndexByte(good, '.')+1],
			"two parts":           good[:strings.LastIndexByte(good, '.')],
			"with a line break":   good + "\n",
			"with a blank":        " " + good,
			"another alg":         pinned.assertion(),
			"typ of a token":      a.sign(jose.Header{Alg: jose.ES256, Kid: a.header.Kid, Typ: "at+jwt"}, a.claims()),
			"typ of a proof":      a.sign(jose.Header{Alg: jose.ES256, Kid: a.header.Kid, Typ: "dpop+jwt"}, a.claims()),
			"nothing":             "x.y.z",
			"giant":               strings.Repeat("a", 20_000),
			"twice in the claims": a.h.duplicated(a),
		} {
			if got := a.token(text); got.errorCode() != "invalid_client" {
				t.Errorf("%s: %s", name, got)
			}
		}
		h.issued(a.token(good))
	}, withAssertions)
}

// duplicated is an assertion whose payload has a member twice.
func (h *harness) duplicated(a *asserter) string {
	payload, err := json.Marshal(a.claims())
	h.must(err)
	text, err := jose.Sign([]byte(`{"sub":"web",`+string(payload[1:])), a.header, a.key)
	h.must(err)
	return text
}

// Two keys of one client under one kid, and a key for encryption (RFC 7517 §4.2): neither verifies anything.
func TestAttackClientKeySets(t *testing.T) {
	t.Parallel()
	h := together(t, withAssertions)
	a := h.newAsserter("signer")
	c := h.client("signer")
	set := func(edit func(keys []map[string]any) []map[string]any) json.RawMessage {
		var document struct {
			Keys []map[string]any `json:"keys"`
		}
		h.must(json.Unmarshal(a.jwks(), &document))
		document.Keys = edit(document.Keys)
		encoded, err := json.Marshal(document)
		h.must(err)
		return encoded
	}
	for name, jwks := range map[string]json.RawMessage{
		"twice under one kid": set(func(keys []map[string]any) []map[string]any { return append(keys, keys[0]) }),
		"use enc": set(func(keys []map[string]any) []map[string]any {
			keys[0]["use"] = "enc"
			delete(keys[0], "alg")
			return keys
		}),
		"another alg": set(func(keys []map[string]any) []map[string]any {
			keys[0]["alg"] = "ES384"
			return append(keys, strangersKey(h))
		}),
	} {
		c.JWKS = jwks
		h.must(h.Clients.Replace(t.Context(), c))
		c = h.client("signer")
		h.clock.advance(2 * time.Second)
		if got := a.token(a.assertion()); got.errorCode() != "invalid_client" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// strangersKey is a key of nobody, so that a set is not empty.
func strangersKey(h *harness) map[string]any {
	document, err := jose.Set([]jose.PublicKey{{ID: "other", Algorithm: jose.ES256, Key: generateKey(jose.ES256).Public()}})
	h.must(err)
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	h.must(json.Unmarshal(document, &set))
	return set.Keys[0]
}

// An assertion beside other credentials, or for somebody who is not registered for it (RFC 6749 §2.3, RFC 7521 §4.2).
func TestAttackClientAssertionBesideOthers(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		a := h.newAsserter("signer")
		for name, row := range map[string]struct {
			pairs []string
			want  string
		}{
			"other client_id": {[]string{"client_id", web}, "invalid_request"},
			"with a secret":   {[]string{"client_id", "signer", "client_secret", clientSecret(web)}, "invalid_request"},
			"no type":         {[]string{"client_assertion_type", ""}, "invalid_request"},
			"type of SAML":    {[]string{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}, "invalid_request"},
			"no assertion":    {[]string{"client_assertion", ""}, "invalid_request"},
		} {
			if got := a.token(a.assertion(), row.pairs...); got.errorCode() != row.want {
				t.Errorf("%s: %s", name, got)
			}
		}
		r := h.basicRequest(web, clientSecret(web))
		form := values("grant_type", "client_credentials", "client_assertion", a.assertion(), "client_assertion_type", assertionType)
		beside := h.request(http.MethodPost, pathToken, form)
		beside.Header.Set("Authorization", r.Header.Get("Authorization"))
		if got := h.send(beside); got.errorCode() != "invalid_request" {
			t.Errorf("beside Basic: %s", got)
		}
		c := h.client("signer")
		c.AuthMethod, c.SecretHash = oidc.ClientSecretBasic, h.client(web).SecretHash
		h.must(h.Clients.Replace(t.Context(), c))
		h.clock.advance(2 * time.Second)
		if got := a.token(a.assertion()); got.errorCode() != "invalid_client" {
			t.Errorf("registered for Basic: %s", got)
		}
	}, withAssertions)
}

// Replay of an assertion (OpenID Connect Core §9; CVE-2020-15222, CVE-2020-5300): of any number of uses at once, on two nodes, one counts.
func TestAttackClientAssertionReplayed(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		t.Parallel()
		h := newHarness(t, p, withAssertions)
		a := h.newAsserter("signer")
		nodes := []*harness{h, h.secondNode(withAssertions)}
		for range 5 {
			text := a.assertion()
			var won atomic.Int32
			var wg sync.WaitGroup
			for i := range 64 {
				wg.Go(func() {
					at := &asserter{h: nodes[i%2]}
					if at.token(text).Status == http.StatusOK {
						won.Add(1)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 {
				t.Errorf("%d of 64 uses of one assertion counted, want 1", won.Load())
			}
		}
		if !slices.Contains(h.observations(), "client_assertion.reused") {
			t.Errorf("observations: %v", h.observations())
		}
		// Another client may have chosen the same jti, and the first is remembered for as long as it could be accepted.
		b := h.newAsserter("other")
		h.issued(a.token(a.assertion("jti", "same")))
		h.issued(b.token(b.assertion("jti", "same")))
		long := a.assertion("exp", h.clock.Now().Add(time.Hour).Unix())
		h.issued(a.token(long))
		h.clock.advance(time.Hour + 29*time.Second)
		if got := a.token(long); got.errorCode() != "invalid_client" {
			t.Errorf("in its last second: %s", got)
		}
		h.clock.advance(time.Minute)
		if got := a.token(long); got.errorCode() != "invalid_client" {
			t.Errorf("when it is forgotten: %s", got)
		}
	})
}

// InsecureReuse is what its name says, and nothing else.
func TestClientAssertionReusedWhereTheHostSaysSo(t *testing.T) {
	t.Parallel()
	h := together(t, func(c *oidc.Config) { c.Features.ClientAssertions = &oidc.ClientAssertions{InsecureReuse: true} })
	a := h.newAsserter("signer")
	text := a.assertion("jti", nil)
	for range 3 {
		h.issued(a.token(text))
	}
	h.clock.advance(2 * time.Minute)
	if got := a.token(text); got.errorCode() != "invalid_client" {
		t.Errorf("expired: %s", got)
	}
}

// An assertion that was found wrong is not used up, nor is one whose request asks for a DPoP nonce: the nonce is judged first
// (RFC 9449 §8).
func TestAttackClientAssertionBurnt(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		a := h.newAsserter("signer")
		text := a.assertion("jti", "one")
		if got := a.token(a.assertion("jti", "one", "aud", "https://other.example")); got.errorCode() != "invalid_client" {
			t.Fatalf("%s", got)
		}
		p := h.newProver()
		form := values("grant_type", "client_credentials", "client_assertion", text, "client_assertion_type", assertionType)
		send := func() *answer {
			r := h.request(http.MethodPost, pathToken, form)
			r.Header.Set("DPoP", p.proof(http.MethodPost, pathToken, ""))
			got := h.send(r)
			p.nonce = got.Header.Get("DPoP-Nonce")
			return got
		}
		if got := send(); got.errorCode() != "use_dpop_nonce" {
			t.Fatalf("without a nonce: %s", got)
		}
		if got := send(); got.Status != http.StatusOK {
			t.Errorf("with the nonce and the same assertion: %s", got)
		}
		if got := send(); got.errorCode() == "" {
			t.Errorf("once more: %s", got)
		}
	}, withAssertions, withNonces)
}

// Unknown-kid refetch flood, and key sets at addresses of the inside (CVE-2026-48524, CVE-2026-1180).
func TestAttackClientKeysFlood(t *testing.T) {
	t.Parallel()
	p, outbound := publishKeys(t)
	h := together(t, withAssertions, outbound)
	a := h.newAsserter("signer", func(c *oidc.Client) { c.JWKS, c.JWKSURI = nil, publishedAt })
	p.set(a.jwks())
	for range 100 {
		stranger := &asserter{h: h, clientID: "signer", key: a.key, header: jose.Header{Alg: jose.ES256, Kid: "unknown"}}
		if got := a.token(stranger.assertion()); got.errorCode() != "invalid_client" {
			t.Fatalf("%s", got)
		}
	}
	if n := p.fetched.Load(); n != 1 {
		t.Errorf("fetched %d times, want 1", n)
	}
	h.issued(a.token(a.assertion()))
}
