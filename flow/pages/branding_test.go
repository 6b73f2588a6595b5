package pages_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/signet-idp/signet/flow/pages"
	"github.com/signet-idp/signet/store/directory"
)

func TestBranding(t *testing.T) {
	t.Parallel()
	v := passwordView()
	v.Branding = directory.Branding{
		Name: "Acme", Logo: "https://cdn.acme.example/logo.svg?v=1", Favicon: "/favicon.png",
		Light:        map[string]string{"accent": "#ffb000", "radius": "4px", "canvas": "oklch(98% 0.01 80)"},
		Dark:         map[string]string{"surface": "#000"},
		SupportEmail: "help@acme.example", PrivacyURL: "https://acme.example/privacy", TermsURL: "/terms",
	}
	res, page := show(t, newPages(t, nil), v)
	contain(t, page,
		`<title>Sign in to Demo App · Acme</title>`,
		`<img class="logo" src="https://cdn.acme.example/logo.svg?v=1" alt="Acme">`,
		`<link rel="icon" href="/favicon.png">`,
		`{:root{--accent:#ffb000;--canvas:oklch(98% 0.01 80);--radius:4px;--on-accent:#000000;--focus:var(--text);}}`,
		`@media (prefers-color-scheme:dark){:root{--accent:#ffb000;--radius:4px;--surface:#000;--on-accent:#000000;}}`,
		`href="mailto:help@acme.example"`, `href="https://acme.example/privacy"`, `href="/terms"`,
	)
	nonce := regexp.MustCompile(`<style nonce="([A-Za-z0-9_-]{22})">`).FindStringSubmatch(page)
	if nonce == nil {
		t.Fatal("the style has no nonce")
	}
	csp := res.Header.Get("Content-Security-Policy")
	for _, want := range []string{"style-src 'self' 'nonce-" + nonce[1] + "';", "img-src 'self' data: https://cdn.acme.example;"} {
		if !strings.Contains(csp, want) {
			t.Errorf("Content-Security-Policy lacks %s: %s", want, csp)
		}
	}
	if _, again := show(t, newPages(t, nil), v); strings.Contains(again, nonce[1]) {
		t.Error("two pages have the same nonce")
	}
}

func TestBrandingIsCheckedAgain(t *testing.T) {
	t.Parallel()
	v := passwordView()
	v.Branding = directory.Branding{
		Name: "Acme", Logo: "javascript:alert(1)", Favicon: "//evil.example/x.png", PrivacyURL: "javascript:alert(1)",
		TermsURL: "data:text/html,x", SupportEmail: `x"><script>`,
		Light: map[string]string{
			"accent": "red;}</style><script>alert(1)</script>", "canvas": "url(https://evil.example)", "--x": "red", "A": "red",
			"text": "expression(alert(1))", "muted": "var(--accent)", "line": "#12345", "font": `"x"`, "glow": "rgb(0,0,0);x:1",
			"focus": "red\n", "danger": "/**/red",
		},
	}
	res, page := show(t, newPages(t, nil), v)
	for _, bad := range []string{"<script", "javascript:", "evil.example", "data:text", "<style", "ZgotmplZ"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %s", bad)
		}
	}
	if csp := res.Header.Get("Content-Security-Policy"); strings.Contains(csp, "evil") || strings.Contains(csp, "nonce") {
		t.Error(csp)
	}
	if t.Failed() {
		t.Log(page)
	}
}

func TestApplicationLogo(t *testing.T) {
	t.Parallel()
	const picture = "data:image/png;base64,iVBORw0KGgo="
	tests := []struct {
		logo    string
		origins []string
		shown   bool
		origin  string
	}{
		{"https://cdn.example.com/a.png", nil, false, ""},
		{"https://cdn.example.com/a.png", []string{"https://cdn.example.com"}, true, "https://cdn.example.com"},
		{"https://cdn.example.com/a.png", []string{"https:"}, true, "https://cdn.example.com"},
		{"http://cdn.example.com/a.png", []string{"https:"}, false, ""},
		{"https://cdn.example.com.evil.example/a.png", []string{"https://cdn.example.com"}, false, ""},
		{"/logos/a.png", nil, true, ""},
		{"//evil.example/a.png", nil, false, ""},
		{`/\evil.example/a.png`, nil, false, ""},
		{picture, nil, true, ""},
		{"data:text/html;base64,iVBORw0KGgo=", nil, false, ""},
		{"data:image/png;base64,x\" onerror=\"alert(1)", nil, false, ""},
		{"data:image/png;base64," + strings.Repeat("AAAA", 20_000), nil, false, ""},
		{"javascript:alert(1)", []string{"https:"}, false, ""},
		{"https://user@cdn.example.com/a.png", []string{"https:"}, false, ""},
		{"https://cdn.example.com;script-src/a.png", []string{"https:"}, false, ""},
	}
	for _, test := range tests {
		p := newPages(t, func(c *pages.Config) { c.ImageOrigins = test.origins })
		v := passwordView()
		v.ApplicationLogo = test.logo
		res, page := show(t, p, v)
		if shown := strings.Contains(page, `<img class="logo"`); shown != test.shown {
			t.Errorf("%.60s with %v: shown %v", test.logo, test.origins, shown)
		}
		want := strings.TrimSpace("img-src 'self' data: "+test.origin) + ";"
		if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, want) {
			t.Errorf("%.60s: %s", test.logo, csp)
		}
		if !test.shown && !strings.Contains(page, `<span class="monogram" aria-hidden="true">D</span>`) {
			t.Errorf("%.60s: no monogram", test.logo)
		}
	}
}

// OpenID Connect Registration §2: people see the pages of the application, and where it belongs when it has named itself; nothing but
// https and paths of our own is linked.
func TestApplicationLinks(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)
	v := passwordView()
	v.ApplicationLinks = directory.ApplicationLinks{Site: "app.example", URL: "https://app.example/", Policy: "https://app.example/policy", Terms: "https://app.example/terms?a=1&b=2"}
	_, page := show(t, p, v)
	for _, want := range []string{
		`id="application_site"><bdi>app.example</bdi>`, `id="client_uri" href="https://app.example/"`, `id="policy_uri" href="https://app.example/policy"`,
		`id="tos_uri" href="https://app.example/terms?a=1&amp;b=2"`, `rel="noopener noreferrer nofollow"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%s does not stand in %s", want, page)
		}
	}
	for _, bad := range []string{"javascript:alert(1)", "data:text/html,x", "//evil.example", `/\evil.example`, "https://u@app.example", "https://app.example/\" onclick=\"x"} {
		v.ApplicationLinks = directory.ApplicationLinks{URL: bad, Policy: bad, Terms: bad}
		if _, page := show(t, p, v); strings.Contains(page, "onclick=\"x") || strings.Contains(page, `href="`+bad) || strings.Contains(page, "application_site") {
			t.Errorf("%q is linked: %s", bad, page)
		}
	}
}

// TestContrast holds the built-in tokens to WCAG 2.2 §1.4.3 (text) and §1.4.11 (controls and focus), and every accent that
// Branding may bring.
func TestContrast(t *testing.T) {
	t.Parallel()
	css, err := os.ReadFile("assets/pages.css")
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`)
	read := func(css string, into map[string]string) map[string]string {
		for _, m := range declared.FindAllStringSubmatch(css, -1) {
			into[m[1]] = m[2]
		}
		return into
	}
	light, rest, _ := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	dark, _, _ := strings.Cut(rest, "*, ::before")
	schemes := map[string]map[string]string{"light": read(light, map[string]string{}), "dark": read(dark, read(light, map[string]string{}))}
	if schemes["light"]["surface"] != pages.LightSurface || schemes["dark"]["surface"] != pages.DarkSurface {
		t.Error("branding.go knows other surfaces than pages.css")
	}
	pairs := []struct {
		ink, ground string
		least       float64
	}{
		{"text", "surface", 4.5},
		{"text", "subtle", 4.5},
		{"text", "canvas", 4.5},
		{"muted", "surface", 4.5},
		{"muted", "subtle", 4.5},
		{"muted", "canvas", 4.5},
		{"muted", "glow", 4.5},
		{"on-accent", "accent", 4.5},
		{"accent", "surface", 3},
		{"control", "surface", 3},
		{"danger", "surface", 4.5},
		{"danger", "danger-subtle", 4.5},
		{"warning", "warning-subtle", 4.5},
		{"success", "success-subtle", 4.5},
	}
	for name, scheme := range schemes {
		for _, pair := range pairs {
			if got := pages.Contrast(scheme[pair.ink], scheme[pair.ground]); got < pair.least {
				t.Errorf("%s: %s on %s has contrast %.2f, below %.1f", name, pair.ink, pair.ground, got, pair.least)
			}
		}
	}
	for _, accent := range []string{"#ffb000", "#000", "#ffffff", "#777777", "#00ff00", "#e11d48"} {
		style := string(pages.Style(map[string]string{"accent": accent}, nil))
		ink := regexp.MustCompile(`--on-accent:(#[0-9a-f]{6});`).FindStringSubmatch(style)
		if ink == nil || pages.Contrast(ink[1], accent) < 4.5 {
			t.Errorf("%s: %s", accent, style)
		}
	}
}

func FuzzStyle(f *testing.F) {
	f.Add("accent", "#fff")
	f.Add("accent", "#12")
	f.Add("radius", "12px")
	f.Add("font", "system-ui, sans-serif")
	f.Add("glow", "rgb(1 2 3 / 50%)")
	f.Add("x", "url(x)}</style>")
	f.Fuzz(func(t *testing.T, name, value string) {
		set := map[string]string{name: value}
		style := string(pages.Style(set, set))
		if style == "" {
			return
		}
		if strings.ContainsAny(style, "<>\"'\\\n@"+"\x00") && strings.Count(style, "@") != 2 || strings.Contains(style, "url") && strings.Contains(value, "(") {
			t.Errorf("%q", style)
		}
		if strings.Count(style, "{") != 4 || strings.Count(style, "}") != 4 || strings.ContainsAny(style, "<>\"'\\") {
			t.Errorf("%q", style)
		}
	})
}
