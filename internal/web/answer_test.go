package web_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signet-idp/signet/internal/web"
)

func TestPolicy(t *testing.T) {
	t.Parallel()
	const rest = "font-src 'self'; form-action 'self'%; frame-ancestors 'none'; base-uri 'none'"
	for _, tc := range []struct {
		what   string
		policy web.Policy
		want   string
	}{
		{"zero", web.Policy{}, "default-src 'none'; script-src 'none'; style-src 'self'; img-src 'self' data:; " + strings.Replace(rest, "%", "", 1)},
		{
			"everything",
			web.Policy{FormAction: []string{"https://app.example", "com.example.app:"}, ScriptHash: "sha256-x=", StyleNonce: "n0nce", Images: []string{"https://cdn.example/logo.png"}},
			"default-src 'none'; script-src 'sha256-x='; style-src 'self' 'nonce-n0nce'; img-src 'self' data: https://cdn.example/logo.png; " +
				strings.Replace(rest, "%", " https://app.example com.example.app:", 1),
		},
	} {
		h := http.Header{}
		tc.policy.Set(h)
		if got := h.Get("Content-Security-Policy"); got != tc.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tc.what, got, tc.want)
		}
		for name, want := range map[string]string{
			"Content-Type": "text/html; charset=utf-8", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Referrer-Policy": "same-origin", "Cache-Control": "no-store", "Pragma": "no-cache",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", tc.what, name, got, want)
			}
		}
	}
}

// TestPolicyInjection holds that a source cannot add a directive, a keyword or a header.
func TestPolicyInjection(t *testing.T) {
	t.Parallel()
	zero := http.Header{}
	web.Policy{}.Set(zero)
	for _, source := range []string{
		"", "https://a.example; script-src *", "https://a.example;", "'unsafe-inline'", "'unsafe-eval'", "https://a.example *", "https://a.example\r\nX-Evil: 1",
		"https://a.example\nX", "https://a.example\tx", "https://a.example, default-src *", `"x"`, "*", "https:", "http:", "data:", "javascript:", "blob:", "https://*",
		"https://a.example\x00", "https://a.example\u00a0x", "\u2028",
	} {
		h := http.Header{}
		web.Policy{FormAction: []string{source}, Images: []string{source}, FramedBy: source}.Set(h)
		if h.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%q may frame the page", source)
		}
		if got, want := h.Get("Content-Security-Policy"), zero.Get("Content-Security-Policy"); got != want {
			t.Errorf("%q:\ngot  %s\nwant %s", source, got, want)
		}
	}
	for _, value := range []string{"x'; script-src *; '", "x' 'unsafe-inline", "x\r\nX-Evil: 1", "x y"} {
		h := http.Header{}
		web.Policy{ScriptHash: value, StyleNonce: value}.Set(h)
		if got, want := h.Get("Content-Security-Policy"), zero.Get("Content-Security-Policy"); got != want {
			t.Errorf("hash and nonce %q:\ngot  %s\nwant %s", value, got, want)
		}
	}
}

func TestWriteJSON(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	web.WriteValue(w, http.StatusTeapot, map[string]string{"a": "</script>"})
	if w.Code != http.StatusTeapot || w.Body.String() != `{"a":"\u003c/script\u003e"}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Pragma": "no-cache", "Content-Length": "27",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	w = httptest.NewRecorder()
	web.WriteValue(w, http.StatusOK, func() {})
	if w.Code != http.StatusInternalServerError {
		t.Errorf("what cannot be encoded is answered with %d", w.Code)
	}
}

func TestSeeOther(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	web.SeeOther(w, "https://app.example/cb?code=x")
	if w.Code != http.StatusSeeOther || w.Body.Len() != 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for name, want := range map[string]string{
		"Location": "https://app.example/cb?code=x", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestNewCorrelationID(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		id := web.NewCorrelationID()
		if len(id) != 12 || seen[id] {
			t.Fatalf("%q is not a fresh id of 12 characters", id)
		}
		seen[id] = true
	}
}

func TestPolicyFramedBy(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	web.Policy{FramedBy: "https://app.example"}.Set(h)
	if got := h.Get("Content-Security-Policy"); !strings.Contains(got, "frame-ancestors https://app.example; ") || h.Get("X-Frame-Options") != "" {
		t.Errorf("%s, X-Frame-Options %q", got, h.Get("X-Frame-Options"))
	}
}
