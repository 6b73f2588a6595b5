package oidc_test

import (
	"crypto"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc"
)

// A call to userinfo is answered with the name that the client has for it, or with one of ours, in profiles of FAPI and nowhere else
// (FAPI 1.0 Baseline §6.2.1-11).
func TestInteractionID(t *testing.T) {
	t.Parallel()
	const named = "c770aef3-6784-41f7-8e0e-ff5f97bddb3a"
	for profile, fapi := range map[oidc.Profile]bool{oidc.FAPI1Advanced: true, oidc.FAPI2Security: true, oidc.OAuth21: false} {
		provider, err := oidc.New(wiring(t, inProfile(profile)))
		if err != nil {
			t.Fatal(err)
		}
		for sent, want := range map[string]string{named: named, "": "", "no name of a call": "", strings.Repeat("x", 1000): ""} {
			r := httptest.NewRequest(http.MethodGet, issuer+pathUserInfo, nil)
			r.Header.Set("X-Fapi-Interaction-Id", sent)
			w := httptest.NewRecorder()
			provider.ServeHTTP(w, r)
			got := w.Header().Get("X-Fapi-Interaction-Id")
			switch {
			case w.Code != http.StatusUnauthorized:
				t.Errorf("%s: %d", profile, w.Code)
			case !fapi && got != "", fapi && want != "" && got != want, fapi && want == "" && len(got) != len(named):
				t.Errorf("%s: %.40q is answered with %q", profile, sent, got)
			}
		}
	}
}

// newBank registers a client of a FAPI profile with a key for ES256 and one for RS256, which no profile of FAPI takes.
func (h *harness) newBank(profile oidc.Profile) (a *asserter, weak crypto.Signer) {
	h.tb.Helper()
	weak = generateKey(jose.RS256)
	strong := generateKey(jose.ES256)
	jwks, err := jose.Set([]jose.PublicKey{
		{ID: "strong", Algorithm: jose.ES256, Key: strong.Public()}, {ID: "weak", Algorithm: jose.RS256, Key: weak.Public()},
	})
	h.must(err)
	h.register(&oidc.Client{ClientID: "bank", AuthMethod: oidc.PrivateKeyJWT, Profile: profile, JWKS: jwks, RedirectURIs: []string{callback}, InsecureOptionalPKCE: profile == oidc.FAPI1Advanced})
	return &asserter{h: h, clientID: "bank", key: strong, header: jose.Header{Alg: jose.ES256, Kid: "strong"}}, weak
}

// Clients of FAPI sign with PS256, ES256 or, in FAPI 2.0, EdDSA, also where they were not registered for one of them (FAPI 1.0 Advanced
// §8.6, FAPI 2.0 Security Profile §5.4.1).
func TestAttackWeakAlgorithmInFAPI(t *testing.T) {
	t.Parallel()
	for profile, on := range map[oidc.Profile]func(*oidc.Config){
		oidc.FAPI1Advanced: func(c *oidc.Config) {
			c.Features.JAR, c.Features.JARM, c.Features.MutualTLS = &oidc.JAR{MaxLifetime: time.Hour}, &oidc.JARM{}, &oidc.MutualTLS{}
			c.Features.PAR, c.Features.ClientAssertions = &oidc.PAR{}, &oidc.ClientAssertions{}
		},
		oidc.FAPI2MessageSigning: func(c *oidc.Config) {
			c.Features.JAR, c.Features.JARM, c.Features.DPoP = &oidc.JAR{MaxLifetime: time.Hour}, &oidc.JARM{}, &oidc.DPoP{}
			c.Features.PAR, c.Features.ClientAssertions = &oidc.PAR{}, &oidc.ClientAssertions{IssuerAudience: true}
		},
	} {
		t.Run(string(profile), func(t *testing.T) {
			t.Parallel()
			h := together(t, on)
			bank, weak := h.newBank(profile)
			object := h.objectOf("bank", map[string]any{"response_mode": "jwt"})
			forged := &asserter{h: h, clientID: "bank", key: weak, header: jose.Header{Alg: jose.RS256, Kid: "weak"}}
			good := bank.sign(bank.header, object)
			if a := bank.post(pathPAR, bank.assertion(), "request", good); a.Status != http.StatusCreated {
				t.Fatalf("ES256: %s", a)
			}
			if a := bank.post(pathPAR, forged.assertion(), "request", good); a.errorCode() != "invalid_client" {
				t.Errorf("an assertion with RS256: %s", a)
			}
			if a := bank.post(pathPAR, bank.assertion(), "request", forged.sign(forged.header, object)); a.errorCode() != "invalid_request_object" {
				t.Errorf("a request object with RS256: %s", a)
			}
		})
	}
}

// What a provider of FAPI says that clients may authenticate and sign with is what it takes (FAPI 1.0 Advanced §5.2.2-14, §8.6, FAPI 2.0
// Security Profile §5.3.2.1, §5.4.1).
func TestAlgorithmsInFAPI(t *testing.T) {
	t.Parallel()
	for profile, members := range map[oidc.Profile][]string{
		oidc.FAPI1Advanced: {
			`"token_endpoint_auth_methods_supported":["private_key_jwt","self_signed_tls_client_auth"]`,
			`"token_endpoint_auth_signing_alg_values_supported":["PS256","ES256"]`, `"request_object_signing_alg_values_supported":["PS256","ES256"]`,
		},
		oidc.FAPI2Security: {
			`"token_endpoint_auth_methods_supported":["private_key_jwt"]`, `"introspection_endpoint_auth_methods_supported":["private_key_jwt"]`,
			`"token_endpoint_auth_signing_alg_values_supported":["PS256","ES256","Ed25519","EdDSA"]`, `"dpop_signing_alg_values_supported":["PS256","ES256","Ed25519","EdDSA"]`,
		},
	} {
		provider, err := oidc.New(wiring(t, inProfile(profile)))
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		provider.ServeHTTP(w, httptest.NewRequest(http.MethodGet, issuer+"/.well-known/openid-configuration", nil))
		for _, member := range members {
			if !strings.Contains(w.Body.String(), member) {
				t.Errorf("%s: %s is not in %s", profile, member, w.Body)
			}
		}
	}
}

// Requests that are pushed use PKCE, also those of a client that may leave it out of others (FAPI 1.0 Advanced §5.2.2-18).
func TestAttackPushedWithoutPKCE(t *testing.T) {
	t.Parallel()
	h := together(t, func(c *oidc.Config) {
		c.Features.JAR, c.Features.JARM, c.Features.MutualTLS = &oidc.JAR{MaxLifetime: time.Hour}, &oidc.JARM{}, &oidc.MutualTLS{}
		c.Features.PAR, c.Features.ClientAssertions = &oidc.PAR{}, &oidc.ClientAssertions{}
	})
	bank, _ := h.newBank(oidc.FAPI1Advanced)
	bare := map[string]any{"response_mode": "jwt", "code_challenge": nil, "code_challenge_method": nil}
	object := bank.sign(bank.header, h.objectOf("bank", bare))
	if a := bank.post(pathPAR, bank.assertion(), "request", object); a.errorCode() != "invalid_request" || !strings.Contains(a.Body, "code_challenge") {
		t.Errorf("pushed: %s", a)
	}
	if a := h.present("bank", object); a.returned().Get("response") == "" || strings.Contains(a.location().RawQuery, "error=") {
		t.Errorf("by value: %s", a)
	}
}

// A request without a scope lacks a parameter that it needs, and is not one for a wrong scope, also where a scope stands beside what was
// signed (FAPI 1.0 Advanced §5.2.2-10).
func TestScopeMissingInFAPI1(t *testing.T) {
	t.Parallel()
	h := together(t, func(c *oidc.Config) {
		c.Features.JAR, c.Features.JARM, c.Features.MutualTLS = &oidc.JAR{MaxLifetime: time.Hour}, &oidc.JARM{}, &oidc.MutualTLS{}
		c.Features.PAR, c.Features.ClientAssertions = &oidc.PAR{}, &oidc.ClientAssertions{}
	})
	bank, _ := h.newBank(oidc.FAPI1Advanced)
	object := bank.sign(bank.header, h.objectOf("bank", map[string]any{"response_mode": "query", "scope": nil}))
	if a := bank.post(pathPAR, bank.assertion(), "request", object); a.Status != http.StatusBadRequest || a.errorCode() != "invalid_request" {
		t.Errorf("pushed: %s", a)
	}
	if a := h.present("bank", object, "scope", "openid"); a.returned().Get("error") != "invalid_request" {
		t.Errorf("by value: %s", a)
	}
	wrong := bank.sign(bank.header, h.objectOf("bank", map[string]any{"response_mode": "query", "scope": "nobody-has-it"}))
	if a := bank.post(pathPAR, bank.assertion(), "request", wrong); a.errorCode() != "invalid_scope" {
		t.Errorf("a scope that there is not: %s", a)
	}
}
