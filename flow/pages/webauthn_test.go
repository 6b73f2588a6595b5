package pages_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/signet-idp/signet/flow"
)

// TestWebAuthn holds that a page which asks for passkeys runs the one script file and nothing else, and that what it asks cannot leave
// its attribute.
func TestWebAuthn(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)
	prompt := flow.Prompt{
		Step: "passkey", Title: flow.Message{ID: "passkey.title"}, Actions: []flow.Action{{Name: "passkey", Label: "passkey.use"}},
		WebAuthn: &flow.WebAuthn{
			Ceremony: flow.WebAuthnGet, Options: []byte(`{"rpId":"\"><script>alert(1)</script>"}`), Button: "passkey", Action: "passkey",
			Unknown: []byte(`{"credentialId":"AA"}`),
		},
	}
	response, body := show(t, p, flow.View{Prompt: prompt})
	found := regexp.MustCompile(`<script src="(/id/flow/assets/[0-9a-f]+\.js)" defer></script>`).FindStringSubmatch(body)
	if found == nil || strings.Count(body, "<script") != 1 || strings.Contains(body, "alert(1)<") {
		t.Fatalf("scripts of the page: %s", body)
	}
	if csp := response.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "script-src https://login.example.com"+found[1]+";") {
		t.Errorf("Content-Security-Policy %q", csp)
	}
	for _, want := range []string{`data-ceremony="get"`, `data-button="passkey"`, `data-unknown="`, `name="credential"`, `<noscript>`, `id="webauthn_failed" hidden`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	rec := httptest.NewRecorder()
	p.ServeHTTP(rec, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: found[1]}})
	if rec.Code != http.StatusOK || !strings.HasPrefix(rec.Header().Get("Content-Type"), "text/javascript") {
		t.Errorf("the script: %d %v", rec.Code, rec.Header())
	}
	prompt.WebAuthn = nil
	response, body = show(t, p, flow.View{Prompt: prompt})
	if strings.Contains(body, "<script") || !strings.Contains(response.Header.Get("Content-Security-Policy"), "script-src 'none'") {
		t.Errorf("a page that asks for none: %s", body)
	}
}
