package pages_test

import (
	"strings"
	"testing"

	"github.com/signet-idp/signet/flow"
)

// puzzled is a view with a puzzle on it.
func puzzled(sources ...string) flow.View {
	v := flow.View{Flow: "f", Submit: "/login", Prompt: flow.Prompt{
		Step: "password", Title: flow.Message{ID: "password.title"},
		Fields: []flow.Field{
			{Name: "username", Type: flow.TextField, Label: "password.username"},
			{Name: "solution", Type: flow.CaptchaField, Label: "captcha.label", Required: true},
		},
		Actions: []flow.Action{{Name: "login", Label: "password.login"}},
	}}
	v.Prompt.Captcha = &flow.Widget{
		SiteKey: `a"key`, Class: "puzzle", Field: "solution", Script: "https://captcha.example.com/api.js", Sources: sources,
	}
	return v
}

// A page with a puzzle admits its service and nothing more, and no other page does.
func TestCaptcha(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)
	res, body := show(t, p, puzzled("https://captcha.example.com", "https://*.captcha.example.com"))
	for _, want := range []string{
		`<script src="https://captcha.example.com/api.js" async defer></script>`, `<div class="puzzle" data-sitekey="a&#34;key"></div>`, "<noscript>",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is not in\n%s", want, body)
		}
	}
	const sources = " https://captcha.example.com https://*.captcha.example.com"
	policy := res.Header.Get("Content-Security-Policy")
	for _, want := range []string{"script-src" + sources + ";", "frame-src" + sources, "connect-src 'self'" + sources, "default-src 'none'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("%s is not in %s", want, policy)
		}
	}
	v := puzzled()
	v.Prompt.Captcha, v.Prompt.Fields = nil, v.Prompt.Fields[:1]
	if res, body := show(t, p, v); strings.Contains(body+res.Header.Get("Content-Security-Policy"), "captcha") {
		t.Errorf("a page without one: %s\n%s", res.Header.Get("Content-Security-Policy"), body)
	}
}

// What is no https origin widens no policy.
func TestAttackCaptchaSources(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		"*", "https:", "https://*", "https://*.com;", "'unsafe-inline'", "http://captcha.example.com", "https://a.example; script-src *", "data:", "https://*.*.example.com",
	} {
		res, _ := show(t, newPages(t, nil), puzzled(source))
		if policy := res.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'none'") || strings.Contains(policy, source+" ") {
			t.Errorf("%s: %s", source, policy)
		}
	}
}
