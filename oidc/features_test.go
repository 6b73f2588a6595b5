package oidc_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/signet-idp/signet/oidc"
)

// features are what a transcript turns on by "!feature NAME", before its first request.
var features = map[string]func(*oidc.Config){
	"device":                withDevices,
	"ciba":                  withBindingMessages,
	"exchange":              exchanging(),
	"password":              withPasswords,
	"dpop":                  withDPoP,
	"dpop nonce":            withNonces,
	"assertions":            withAssertions,
	"mutual tls":            func(c *oidc.Config) { c.Features.MutualTLS = &oidc.MutualTLS{Aliases: "https://mtls.id.example"} },
	"legacy response types": legacy,
	"impersonation":         impersonating,
	"jarm":                  withJARM,
	"logout":                withLogout,
	"par":                   withPAR,
	"wso2 registration":     withWSO2,
	"token binding":         withTokenBinding,
	"agents":                withAgents,
	"secret signatures":     withSecretSignatures,
	"jar":                   withJAR,
	"web_message":           func(c *oidc.Config) { c.Features.WebMessage = &oidc.WebMessage{} },
	"cors":                  sharing,
	"webfinger":             func(c *oidc.Config) { c.Features.WebFinger = &oidc.WebFinger{} },
	"open registration":     openly,
	"registration":          registering(oidc.Registration{}),
	"protected answers":     protected,
	"pairwise":              pairwise,
	"rar":                   richly,
	"resources":             resources,
}

// A setting that only a feature gives a meaning is refused while the feature is off: a client that demands certificate-bound tokens
// must not get others (RFC 8705 §3.4), nor one that pushes its requests be taken by other requests (RFC 9126 §6).
func TestSettingWithoutItsFeature(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		c := &oidc.Client{RedirectURIs: []string{callback}, CertificateBoundTokens: true, RequirePAR: true}
		_, err := h.Clients.Create(t.Context(), "Bound", c)
		want := []string{"require_pushed_authorization_requests", "tls_client_certificate_bound_access_tokens"}
		if !slices.Equal(fields(err), want) {
			t.Errorf("problems with %v, want %v", fields(err), want)
		}
	})
}

// A DPoP proof that nobody looks at must not be answered with a bearer token (RFC 9449 §5).
func TestProofWithoutDPoP(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		r := h.request(http.MethodPost, pathToken, values("grant_type", "client_credentials"))
		r.SetBasicAuth(robot, clientSecret(robot))
		r.Header.Set("DPoP", "proof")
		if a := h.send(r); a.Status != http.StatusBadRequest || a.member("error") != "invalid_dpop_proof" {
			t.Errorf("a token request with a proof is answered with %d %s", a.Status, a.Body)
		}
	})
}
