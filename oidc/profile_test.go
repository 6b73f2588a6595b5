package oidc_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
)

// inProfile is the configuration of a provider that keeps to a profile, with nothing else set.
func inProfile(profile oidc.Profile) func(*oidc.Config) {
	return func(c *oidc.Config) { c.Profile = profile }
}

// wiring is the configuration of a provider without clients.
func wiring(t *testing.T, edit ...func(*oidc.Config)) oidc.Config {
	t.Helper()
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(store.Config{Driver: memory.New(), Keys: ring})
	if err != nil {
		t.Fatal(err)
	}
	people, err := directory.New(directory.Config{DB: db, Hasher: cheapHasher()})
	if err != nil {
		t.Fatal(err)
	}
	c := oidc.Config{
		Issuer: issuer, DB: db, Directory: people, Keys: staticKeys{},
		Interact: func(http.ResponseWriter, *http.Request, directory.Interaction) (*directory.Result, error) {
			return nil, nil
		},
	}
	for _, e := range edit {
		if e != nil {
			e(&c)
		}
	}
	return c
}

// A profile is one setting: a provider that says nothing else keeps to it (FAPI 2.0 Security Profile §5.3.2, FAPI 1.0 Advanced §5.2.2).
func TestProfileTurnsOnWhatItNeeds(t *testing.T) {
	t.Parallel()
	for profile, demanded := range map[oidc.Profile][]string{
		oidc.FAPI1Advanced: {
			`"require_signed_request_object":true`, `"pushed_authorization_request_endpoint":`, `"private_key_jwt"`,
			`"tls_client_certificate_bound_access_tokens":true`, `"query.jwt"`,
		},
		oidc.FAPI2Security:       {`"require_pushed_authorization_requests":true`, `"dpop_signing_alg_values_supported":`, `"private_key_jwt"`},
		oidc.FAPI2MessageSigning: {`"require_pushed_authorization_requests":true`, `"require_signed_request_object":true`, `"query.jwt"`},
		oidc.FAPICIBA:            {`"backchannel_authentication_endpoint":`, `"require_signed_request_object":true`},
		oidc.MCP:                 {`"client_id_metadata_document_supported":true`, `"authorization_response_iss_parameter_supported":true`, `"none"`},
	} {
		t.Run(string(profile), func(t *testing.T) {
			t.Parallel()
			ask := func(c *oidc.Config) {
				if profile == oidc.FAPICIBA { // how a person is told is the host's to know
					c.Features.CIBA = &oidc.CIBA{Notify: func(context.Context, oidc.CIBARequest) error { return nil }}
				}
			}
			provider, err := oidc.New(wiring(t, inProfile(profile), ask))
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			provider.ServeHTTP(w, httptest.NewRequest(http.MethodGet, issuer+"/.well-known/openid-configuration", nil))
			for _, member := range demanded {
				if !strings.Contains(w.Body.String(), member) {
					t.Errorf("the metadata lacks %s", member)
				}
			}
			report, err := provider.Report(t.Context(), profile)
			if err != nil {
				t.Fatal(err)
			}
			if !report.Met() || len(report.Findings) == 0 {
				t.Errorf("a provider of the profile does not keep to it: %+v", report.Findings)
			}
		})
	}
}

// What contradicts a profile is an error of New that names the clause: never a silent override.
func TestProfileRefusesContradictions(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		profile oidc.Profile
		edit    func(*oidc.Config)
		problem string
	}{
		"not a profile":            {"fapi3", nil, "is not a profile"},
		"long codes":               {oidc.FAPI2Security, func(c *oidc.Config) { c.CodeLifetime = 2 * time.Minute }, "CodeLifetime"},
		"optional PAR":             {oidc.FAPI2Security, func(c *oidc.Config) { c.Features.PAR = &oidc.PAR{} }, "Features.PAR"},
		"assertions for the token": {oidc.FAPI2Security, func(c *oidc.Config) { c.Features.ClientAssertions = &oidc.ClientAssertions{} }, "IssuerAudience"},
		"unsigned requests":        {oidc.FAPI1Advanced, func(c *oidc.Config) { c.Features.JAR = &oidc.JAR{MaxLifetime: time.Hour} }, "Features.JAR"},
		"objects for ever":         {oidc.FAPI2MessageSigning, func(c *oidc.Config) { c.Features.JAR = &oidc.JAR{Required: true} }, "MaxLifetime"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := oidc.New(wiring(t, inProfile(tc.profile), tc.edit))
			if err == nil || !strings.Contains(err.Error(), tc.problem) {
				t.Errorf("%v, want an error about %s", err, tc.problem)
			}
		})
	}
}

// A client of a profile gets what the profile leaves no choice about, and is refused when it contradicts it (FAPI 2.0 Security Profile
// §5.3.2.1, §5.3.2.2).
func TestProfileOfAClient(t *testing.T) {
	t.Parallel()
	key, err := jose.GenerateKey(jose.ES256)
	if err != nil {
		t.Fatal(err)
	}
	jwks, err := jose.Set([]jose.PublicKey{{ID: "bank", Algorithm: jose.ES256, Key: key.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	good := func() *oidc.Client {
		return &oidc.Client{RedirectURIs: []string{callback}, Profile: oidc.FAPI2Security, JWKS: jwks}
	}
	on := func(c *oidc.Config) {
		c.Features.PAR, c.Features.DPoP, c.Features.ClientAssertions = &oidc.PAR{}, &oidc.DPoP{}, &oidc.ClientAssertions{IssuerAudience: true}
	}
	placements(t, func(t *testing.T, h *harness) {
		c := good()
		if _, err := h.Clients.Create(t.Context(), "Bank", c); err != nil {
			t.Fatal(err)
		}
		if c.AuthMethod != oidc.PrivateKeyJWT || c.IDTokenAlg != "PS256" || !c.RequirePAR || !c.DPoPBoundTokens || !c.KeepRefreshToken {
			t.Errorf("the client is %+v", c)
		}
		for problem, spoil := range map[string]func(*oidc.Client){
			"private_key_jwt":  func(c *oidc.Client) { c.AuthMethod = oidc.ClientSecretBasic },
			"RS256":            func(c *oidc.Client) { c.IDTokenAlg = "RS256" },
			"not https":        func(c *oidc.Client) { c.RedirectURIs = []string{"http://127.0.0.1/cb"} },
			"is not a profile": func(c *oidc.Client) { c.Profile = "fapi3" },
		} {
			c := good()
			spoil(c)
			if _, err := h.Clients.Create(t.Context(), "Bank", c); err == nil || !strings.Contains(err.Error(), problem) {
				t.Errorf("%s: %v", problem, err)
			}
		}
	}, on)
}

// Report says of a running provider what would have to change, with clause and client, and what is kept.
func TestReport(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		report, err := h.Report(t.Context(), oidc.FAPI2Security)
		if err != nil {
			t.Fatal(err)
		}
		if report.Met() {
			t.Error("a provider without PAR meets FAPI 2.0")
		}
		broken := func(clientID, part string) bool {
			return slices.ContainsFunc(report.Findings, func(f oidc.Finding) bool {
				return f.ClientID == clientID && strings.Contains(f.Problem, part) && strings.Contains(f.Clause, "FAPI 2.0")
			})
		}
		if !broken("", "Features.PAR") || !broken(web, "private_key_jwt") || !broken(spa, "private_key_jwt") {
			t.Errorf("%+v", report.Findings)
		}
		if own, err := h.Report(t.Context(), oidc.OAuth21); err != nil || !own.Met() || len(own.Findings) == 0 {
			t.Errorf("RFC 9700: %+v, %v", own, err)
		}
		if _, err := h.Report(t.Context(), "fapi3"); err == nil {
			t.Error("there is a report against no profile")
		}
	})
}
