package oidc_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc"
)

// Each preset has the grants of its kind of application, and is a client that can be registered as it stands.
func TestPresets(t *testing.T) {
	t.Parallel()
	code := []oidc.GrantType{oidc.AuthorizationCode, oidc.RefreshToken}
	h := together(t)
	for name, tc := range map[string]struct {
		client *oidc.Client
		grants []oidc.GrantType
		public bool
	}{
		"SPA":       {oidc.SPA(callback), code, true},
		"WebApp":    {oidc.WebApp(callback), code, false},
		"Native":    {oidc.Native("com.example.app:/cb", "http://127.0.0.1/cb"), code, true},
		"M2M":       {oidc.M2M("read"), []oidc.GrantType{oidc.ClientCredentials}, false},
		"MCPClient": {oidc.MCPClient(), code, true},
	} {
		secret, err := h.Clients.Create(t.Context(), name, tc.client)
		if err != nil || !slices.Equal(tc.client.GrantTypes, tc.grants) || tc.client.Public() != tc.public || (secret == "") != tc.public {
			t.Errorf("%s is %+v, %v", name, tc.client, err)
		}
		h.noteSecret("secret of "+name, secret)
	}
	fapi := oidc.FAPI([]byte(`{"keys":[]}`), callback)
	if !slices.Equal(fapi.GrantTypes, code) || fapi.AuthMethod != "private_key_jwt" || !fapi.RequirePAR || !fapi.DPoPBoundTokens || !fapi.KeepRefreshToken || fapi.IDTokenAlg != "PS256" {
		t.Errorf("FAPI is %+v", fapi)
	}
	if _, err := h.Clients.Create(t.Context(), "FAPI", fapi); err == nil {
		t.Error("a FAPI client was registered where nothing of it is on")
	}
	full := together(t, withAssertions, withDPoP, func(c *oidc.Config) { c.Features.PAR = &oidc.PAR{} })
	a := &asserter{h: full, clientID: "fapi", key: generateKey(jose.PS256), header: jose.Header{Alg: jose.PS256, Kid: "k1"}}
	if secret, err := full.Clients.Create(t.Context(), "FAPI", oidc.FAPI(a.jwks(), callback)); err != nil || secret != "" {
		t.Errorf("FAPI is refused where all of it is on: %v", err)
	}
	mcp := oidc.MCPClient()
	if mcp.RedirectURIs[0] = "x"; oidc.MCPClient().RedirectURIs[0] == "x" {
		t.Error("presets share what can be changed")
	}
}

// A machine does not sign people in, and a public client sends a verifier (RFC 7636 §4.4.1).
func TestPresetsAtWork(t *testing.T) {
	t.Parallel()
	h := together(t)
	machine, page := oidc.M2M("read"), oidc.SPA(callback)
	for _, c := range []*oidc.Client{machine, page} {
		secret, err := h.Clients.Create(t.Context(), "Preset", c)
		h.must(err)
		h.noteSecret("secret of a preset", secret)
	}
	if a := h.newBrowser().get(pathAuthorize + "?" + authorization(machine.ClientID).Encode()); a.Status != http.StatusBadRequest || a.location() != nil {
		t.Errorf("a machine signs people in: %s", a)
	}
	if a := h.newBrowser().get(pathAuthorize + "?" + authorization(page.ClientID, "code_challenge", "", "code_challenge_method", "").Encode()); gotCode(a) {
		t.Errorf("a page gets a code without a challenge: %s", a)
	}
}

// OpenID Connect Core §4: the URL says who the issuer is, where to go afterwards, and who is meant.
func TestInitiateLogin(t *testing.T) {
	t.Parallel()
	h := together(t)
	got, err := h.InitiateLogin(&oidc.Client{InitiateLoginURI: "https://app.example/login?tenant=7"}, "https://app.example/inbox?a=1", "ann")
	if want := "https://app.example/login?tenant=7&iss=https%3A%2F%2Fid.example&login_hint=ann&target_link_uri=https%3A%2F%2Fapp.example%2Finbox%3Fa%3D1"; err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := h.InitiateLogin(&oidc.Client{InitiateLoginURI: "https://app.example/login"}, "", ""); err != nil || got != "https://app.example/login?iss=https%3A%2F%2Fid.example" {
		t.Errorf("%s, %v", got, err)
	}
	for _, uri := range []string{"", "http://app.example/login", "javascript:alert(1)", "https://u@app.example/", "https://"} {
		if got, err := h.InitiateLogin(&oidc.Client{InitiateLoginURI: uri}, "", ""); err == nil {
			t.Errorf("%q becomes %s", uri, got)
		}
		if uri != "" {
			if _, err := h.Clients.Create(t.Context(), "App", &oidc.Client{RedirectURIs: []string{callback}, InitiateLoginURI: uri}); !slices.Equal(fields(err), []string{"initiate_login_uri"}) {
				t.Errorf("%q is registered: %v", uri, err)
			}
		}
	}
}

// RFC 7033 §4, OpenID Connect Discovery §2: whoever has an account at a host learns its issuer, and nobody learns who has one.
func TestWebFinger(t *testing.T) {
	t.Parallel()
	h := together(t, func(c *oidc.Config) {
		c.Features.WebFinger = &oidc.WebFinger{Hosts: []string{"example.com", "id.example"}}
	})
	ask := func(query string) *answer {
		return h.send(h.request(http.MethodGet, "/.well-known/webfinger?"+query, nil))
	}
	const rel = "http://openid.net/specs/connect/1.0/issuer"
	for _, resource := range []string{"acct:ann@example.com", "acct:nobody@example.com", "acct:a%40b@EXAMPLE.com", "https://example.com/ann", "https://id.example"} {
		a := ask(values("resource", resource, "rel", rel).Encode())
		want := `{"subject":"` + resource + `","links":[{"rel":"` + rel + `","href":"https://id.example"}]}`
		if a.Status != http.StatusOK || a.Body != want || a.Header.Get("Content-Type") != "application/jrd+json" || a.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s is answered with %s", resource, a)
		}
	}
	if a := ask("resource=acct:ann@example.com"); !strings.Contains(a.Body, rel) {
		t.Errorf("without rel: %s", a)
	}
	if a := ask("resource=acct:ann@example.com&rel=a&rel=b"); a.Status != http.StatusOK || strings.Contains(a.Body, "href") {
		t.Errorf("other relations: %s", a)
	}
	for query, status := range map[string]int{
		"": 400, "resource=": 400, "resource=ann": 400, "resource=acct:@example.com": 400, "resource=acct:ann@": 400, "resource=mailto:ann@example.com": 400,
		"resource=acct:a@example.com&resource=acct:b@example.com": 400, "resource=acct:ann@evil.example": 404, "resource=acct:ann@example.com.evil.example": 404,
		"resource=https://example.com@evil.example/": 404, "resource=%00": 400,
	} {
		if a := ask(query); a.Status != status {
			t.Errorf("%q is answered with %s", query, a)
		}
	}
	if a := together(t).send(h.request(http.MethodGet, "/.well-known/webfinger?resource=acct:ann@id.example", nil)); a.Status != http.StatusNotFound {
		t.Errorf("with the feature off: %s", a)
	}
}

// FuzzWebFinger holds that the answer names the issuer for known hosts alone.
func FuzzWebFinger(f *testing.F) {
	for _, seed := range []string{"acct:ann@example.com", "https://example.com/", "acct:a@b@example.com", "https://example.com@evil.example", "acct:ann@evil.example\x00@example.com"} {
		f.Add(seed)
	}
	h := together(f, func(c *oidc.Config) { c.Features.WebFinger = &oidc.WebFinger{Hosts: []string{"example.com"}} })
	f.Fuzz(func(t *testing.T, resource string) {
		a := h.send(h.request(http.MethodGet, "/.well-known/webfinger?"+values("resource", resource).Encode(), nil))
		lower := strings.ToLower(resource)
		known := strings.HasSuffix(lower, "@example.com") || strings.HasPrefix(lower, "https://") && strings.Contains(lower, "example.com") || strings.HasPrefix(lower, "http://") && strings.Contains(lower, "example.com")
		if a.Status == http.StatusOK && !known || a.Status >= 500 {
			t.Errorf("%q is answered with %s", resource, a)
		}
	})
}
