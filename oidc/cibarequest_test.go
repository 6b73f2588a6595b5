package oidc_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/oidc"
)

const vendor = "vendor" // a client that signs its requests with PS256

// registerVendor registers the client with the public half of a key.
func (h *harness) registerVendor() {
	h.tb.Helper()
	set, err := jose.Set([]jose.PublicKey{
		{ID: "ps", Algorithm: jose.PS256, Key: generatedKeys["PS256"]().Public()}, {ID: "es", Algorithm: jose.ES256, Key: generatedKeys["ES256"]().Public()},
	})
	h.must(err)
	h.register(&oidc.Client{
		ClientID: vendor, GrantTypes: []oidc.GrantType{oidc.BackchannelAuthentication}, BackChannelRequestSigningAlg: "PS256", JWKS: set,
	})
}

// object are the claims of a good signed request; a nil value takes one out.
func (h *harness) object(change map[string]any) map[string]any {
	now := h.clock.Now().Unix()
	claims := map[string]any{
		"iss": vendor, "aud": issuer, "iat": now, "nbf": now, "exp": now + 300, "jti": secret.UUID(),
		"scope": "openid profile", "login_hint": ann, "binding_message": "W4-SCT", "requested_expiry": 60,
		"request_context": map[string]any{"location": "here"},
	}
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

func (h *harness) signObject(claims map[string]any, header jose.Header) string {
	h.tb.Helper()
	payload, err := json.Marshal(claims)
	h.must(err)
	text, err := jose.Sign(payload, header, generatedKeys[string(header.Alg)]())
	h.must(err)
	return text
}

// A client that signs its requests is heard by what it has signed, and by nothing else (CIBA Core §7.1.1).
func TestCIBASignedRequest(t *testing.T) {
	t.Parallel()
	p := &people{}
	cibaWorld(t, func(t *testing.T, h *harness) {
		h.registerVendor()
		ps := jose.Header{Alg: jose.PS256, Kid: "ps"}
		for _, header := range []jose.Header{ps, {Alg: jose.PS256, Kid: "ps", Typ: "oauth-authz-req+jwt"}, {Alg: jose.PS256, Kid: "ps", Typ: "JWT"}} {
			a := h.post(pathCIBA, vendor, values("request", h.signObject(h.object(nil), header)))
			if a.Status != http.StatusOK || members(t, a.Body)["expires_in"] != 60.0 || p.last().BindingMessage != "W4-SCT" {
				t.Fatalf("%+v: %s", header, a)
			}
		}
		if a := h.post(pathCIBA, vendor, values("request", h.signObject(h.object(map[string]any{"requested_expiry": "90"}), ps))); members(t, a.Body)["expires_in"] != 90.0 {
			t.Errorf("requested_expiry as a text: %s", a)
		}
	}, withCIBA(p))
}

// A signed request that is expired, too long-lived, for another, by another, or with anything beside it, is refused (CIBA Core
// §7.1.1, FAPI-CIBA §5.2.2).
func TestAttackCIBASignedRequest(t *testing.T) {
	t.Parallel()
	cibaWorld(t, func(t *testing.T, h *harness) {
		h.registerVendor()
		ps, now := jose.Header{Alg: jose.PS256, Kid: "ps"}, h.clock.Now()
		in := func(d time.Duration) int64 { return now.Add(d).Unix() }
		for what, change := range map[string]map[string]any{
			"no iss": {"iss": nil}, "another's": {"iss": till}, "no aud": {"aud": nil}, "for another": {"aud": "https://other.example"},
			"no exp": {"exp": nil}, "expired": {"exp": in(-time.Minute)}, "long-lived": {"exp": in(70 * time.Minute)},
			"no nbf": {"nbf": nil}, "not yet": {"nbf": in(10 * time.Minute)}, "old": {"nbf": in(-70 * time.Minute)},
			"long in all": {"nbf": in(-50 * time.Minute), "exp": in(20 * time.Minute)},
			"no iat":      {"iat": nil}, "no jti": {"jti": nil}, "exp as a text": {"exp": "4102444800"}, "a list": {"scope": []string{"openid"}},
			"an object": {"login_hint": map[string]any{"a": "b"}},
		} {
			if a := h.post(pathCIBA, vendor, values("request", h.signObject(h.object(change), ps))); a.errorCode() != "invalid_request" || a.Status != http.StatusBadRequest {
				t.Errorf("%s: %s", what, a)
			}
		}
		good := h.signObject(h.object(nil), ps)
		head, rest, _ := strings.Cut(good, ".")
		for what, request := range map[string]string{
			"another algorithm": h.signObject(h.object(nil), jose.Header{Alg: jose.ES256, Kid: "es"}), "another key": h.signObject(h.object(nil), jose.Header{Alg: jose.PS256, Kid: "other"}),
			"none": "eyJhbGciOiJub25lIn0." + strings.Split(good, ".")[1] + ".", "damaged": head + "." + rest[:len(rest)-2] + "AA", "nonsense": "x",
			"another type": h.signObject(h.object(nil), jose.Header{Alg: jose.PS256, Kid: "ps", Typ: "at+jwt"}),
		} {
			if a := h.post(pathCIBA, vendor, values("request", request)); a.errorCode() != "invalid_request" {
				t.Errorf("%s: %s", what, a)
			}
		}
		for what, a := range map[string]*answer{
			"beside":          h.post(pathCIBA, vendor, values("request", good, "login_hint", bob)),
			"unsigned":        h.askFor(vendor, "login_hint", ann),
			"not registered":  h.post(pathCIBA, till, values("request", good)),
			"another's token": h.post(pathCIBA, kiosk, values("request", good)),
		} {
			if a.errorCode() != "invalid_request" {
				t.Errorf("%s: %s", what, a)
			}
		}
		for _, alg := range []string{"none", "HS256", "RS1"} {
			_, err := h.Clients.Create(t.Context(), "x", &oidc.Client{GrantTypes: []oidc.GrantType{oidc.BackchannelAuthentication}, BackChannelRequestSigningAlg: alg})
			if !slices.Contains(fields(err), "backchannel_authentication_request_signing_alg") {
				t.Errorf("%s: problems with %v", alg, fields(err))
			}
		}
	})
}

// A signed request counts once, however often it is sent at once, and whatever store its mark lives in (CIBA Core §7.1.1: jti); one of
// another client with the same jti is another.
func TestAttackCIBARequestReplayed(t *testing.T) {
	t.Parallel()
	cibaWorld(t, func(t *testing.T, h *harness) {
		h.registerVendor()
		ps := jose.Header{Alg: jose.PS256, Kid: "ps"}
		request := h.signObject(h.object(nil), ps)
		send := func(int) *answer { return h.post(pathCIBA, vendor, values("request", request)) }
		taken := 0
		for _, a := range atOnce(64, send) {
			switch {
			case a.Status == http.StatusOK:
				taken++
			case a.errorCode() != "invalid_request":
				t.Errorf("sent at once: %s", a)
			}
		}
		if taken != 1 {
			t.Errorf("%d of 64 were taken", taken)
		}
		h.clock.advance(5*time.Minute + 20*time.Second) // until the skew is almost over
		if a := send(0); a.errorCode() != "invalid_request" {
			t.Errorf("later: %s", a)
		}
		if !slices.Contains(h.observations(), "ciba_request.reused") {
			t.Errorf("observed: %v", h.observations())
		}
		wrong := h.object(map[string]any{"login_hint": "nobody"})
		if a := h.post(pathCIBA, vendor, values("request", h.signObject(wrong, ps))); a.errorCode() != "unknown_user_id" {
			t.Errorf("nobody: %s", a)
		}
		wrong["login_hint"] = ann // what was refused did not use its jti up
		if a := h.post(pathCIBA, vendor, values("request", h.signObject(wrong, ps))); a.Status != http.StatusOK {
			t.Errorf("put right: %s", a)
		}
	})
}

// A client of the profile signs its requests, and the person can tell them apart (FAPI-CIBA §5.2.2).
func TestFAPICIBAClient(t *testing.T) {
	t.Parallel()
	rich := func(c *oidc.Config) {
		richly(c)
		f := &c.Features
		f.ClientAssertions, f.MutualTLS, f.JAR, f.JARM = &oidc.ClientAssertions{}, &oidc.MutualTLS{}, &oidc.JAR{}, &oidc.JARM{}
	}
	cibaWorld(t, func(t *testing.T, h *harness) {
		key := generatedKeys["PS256"]()
		set, err := jose.Set([]jose.PublicKey{{ID: "ps", Algorithm: jose.PS256, Key: key.Public()}})
		h.must(err)
		client := func(edit func(*oidc.Client)) *oidc.Client {
			c := &oidc.Client{
				ClientID: vendor, Profile: oidc.FAPICIBA, GrantTypes: []oidc.GrantType{oidc.BackchannelAuthentication}, JWKS: set,
				AuthMethod: oidc.PrivateKeyJWT, BackChannelRequestSigningAlg: "PS256", AuthorizationDetailsTypes: []string{"payment"},
			}
			edit(c)
			return c
		}
		for problem, edit := range map[string]func(*oidc.Client){
			"§5.2.2-6": func(c *oidc.Client) { c.BackChannelRequestSigningAlg = "" },
			"§5.2.2-3": func(c *oidc.Client) {
				c.TokenDeliveryMode, c.ClientNotificationEndpoint = "push", "https://bank.example/cb"
			},
			"RS256": func(c *oidc.Client) { c.BackChannelRequestSigningAlg = "RS256" },
		} {
			if _, err := h.Clients.Create(t.Context(), "Bank", client(edit)); err == nil || !strings.Contains(err.Error(), problem) {
				t.Errorf("%s: %v", problem, err)
			}
		}
		h.register(client(func(*oidc.Client) {}))
		ps := jose.Header{Alg: jose.PS256, Kid: "ps"}
		signer := &asserter{h: h, clientID: vendor, key: key, header: ps}
		mine := (&authority{tb: t}).issue(&x509.Certificate{Subject: pkix.Name{CommonName: "bank"}})
		ask := func(change map[string]any) *answer {
			return h.postWith(mine, pathCIBA, "client_assertion", signer.assertion(), "client_assertion_type", assertionType,
				"request", h.signObject(h.object(change), ps))
		}
		if a := ask(nil); a.Status != http.StatusOK {
			t.Errorf("with a message: %s", a)
		}
		if a := ask(map[string]any{"binding_message": nil}); a.errorCode() != "invalid_binding_message" {
			t.Errorf("without one: %s", a)
		}
		details := json.RawMessage(array(pay))
		if a := ask(map[string]any{"binding_message": nil, "authorization_details": details}); a.Status != http.StatusOK {
			t.Errorf("with details: %s", a)
		}
	}, rich)
}

// FuzzCIBAObject reads signed requests: what is taken is for us, of the client, and alive.
func FuzzCIBAObject(f *testing.F) {
	const good = `{"iss":"vendor","aud":"https://id.example","iat":1000,"nbf":1000,"exp":1300,"jti":"j","scope":"openid","requested_expiry":5}`
	for _, seed := range []string{good, `{}`, ``, `[]`, strings.Replace(good, "1300", "1e99", 1), strings.Replace(good, `"openid"`, `null`, 1), strings.Replace(good, `5}`, `5e400}`, 1), good + good} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		form, _, err := oidc.ParseCIBAObject(payload, vendor, issuer, time.Unix(1100, 0))
		if err == nil && !strings.Contains(string(payload), "vendor") {
			t.Errorf("%s is taken as %s", payload, form.Encode())
		}
	})
}
