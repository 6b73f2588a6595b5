package oidc_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
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
		"iss": vendor, "aud": issuer, "iat": now, "nbf": now, "exp": now + 300, "jti": "j-1",
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
			"no iat": {"iat": nil}, "no jti": {"jti": nil}, "exp as a text": {"exp": "4102444800"}, "a list": {"scope": []string{"openid"}},
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

// FuzzCIBAObject reads signed requests: what is taken is for us, of the client, and alive.
func FuzzCIBAObject(f *testing.F) {
	const good = `{"iss":"vendor","aud":"https://id.example","iat":1000,"nbf":1000,"exp":1300,"jti":"j","scope":"openid","requested_expiry":5}`
	for _, seed := range []string{good, `{}`, ``, `[]`, strings.Replace(good, "1300", "1e99", 1), strings.Replace(good, `"openid"`, `null`, 1), strings.Replace(good, `5}`, `5e400}`, 1), good + good} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		form, err := oidc.ParseCIBAObject(payload, vendor, issuer, time.Unix(1100, 0))
		if err == nil && !strings.Contains(string(payload), "vendor") {
			t.Errorf("%s is taken as %s", payload, form.Encode())
		}
	})
}
