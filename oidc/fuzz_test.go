package oidc_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	site "github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/oidc"
)

// loopback is http on a loopback address literal: host, port, rest. It is written without the code under test.
var loopback = regexp.MustCompile(`^http://([0-9.]+|\[[0-9A-Za-z:.%]+\])(:[0-9]{1,5})?((?:[/?].*)?)$`)

func FuzzMatchRedirectURI(f *testing.F) {
	for _, seed := range [][2]string{
		{"https://app.example/cb", "https://app.example/cb"},
		{"https://app.example/cb", "https://app.example/cb?x=1"},
		{"https://app.example/cb", "https://app.example:443/cb"},
		{"https://app.example/cb", "https://APP.example/cb"},
		{"http://127.0.0.1/cb", "http://127.0.0.1:49152/cb"},
		{"http://127.0.0.1:80/cb", "http://127.0.0.1/cb"},
		{"http://127.0.0.1/cb", "http://127.0.0.1:/cb"},
		{"http://127.0.0.1/cb", "http://127.0.0.1:1@evil.example/cb"},
		{"http://127.0.0.1", "http://127.0.0.1:1.evil.example"},
		{"http://127.0.0.1/cb", "http://127.1/cb"},
		{"http://[::1]/cb", "http://[::1]:8080/cb"},
		{"http://[::1]/cb", "http://::1/cb"},
		{"http://localhost/cb", "http://localhost:8080/cb"},
		{"http://127.0.0.1?x", "http://127.0.0.1:1?x"},
		{"com.example.app:/cb", "com.example.app:/cb#"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, registered, presented string) {
		if !oidc.MatchRedirectURI([]string{registered}, presented) {
			if registered == presented {
				t.Errorf("%q does not match itself", presented)
			}
			return
		}
		if registered == presented {
			return
		}
		r, p := loopback.FindStringSubmatch(registered), loopback.FindStringSubmatch(presented)
		if r == nil || p == nil || r[1] != p[1] || r[3] != p[3] {
			t.Fatalf("%q matches %q", presented, registered)
		}
		if addr, err := netip.ParseAddr(strings.Trim(r[1], "[]")); err != nil || !addr.IsLoopback() {
			t.Errorf("%q matches %q, which is no loopback address", presented, registered)
		}
	})
}

func FuzzCheckRedirectURI(f *testing.F) {
	for _, seed := range []string{
		"https://app.example/cb", "https://app.example/cb#f", "https://app.example/cb#", "https://u@app.example/", "https://@app.example/",
		"http://app.example/cb", "http://127.0.0.1/cb", "http://[::1]:1/cb", "http://localhost.evil.example/", "https:///cb", "https:cb",
		"com.example.app:/cb", "com.example.app://u:p@h/", "javascript:alert(1)", "data:text/html,x", "//app.example/cb", "/cb", "",
		"https://app.example/../cb", "https://app.example/%2e%2e/cb", "https://app.example\\@evil.example/", "https://*.example/",
		"https://app.example/cb;script-src", "https://a;b.example/", "HTTPS://app.example/", "https://app.example/\r\nX: y", "https://app.example/\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		if oidc.CheckRedirectURI(uri) != nil {
			return
		}
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatalf("%q is taken and cannot be parsed", uri)
		}
		switch {
		case u.Fragment != "" || strings.Contains(uri, "#"):
			t.Errorf("%q has a fragment", uri)
		case u.User != nil || strings.Contains(u.Host, "@"):
			t.Errorf("%q has user information", uri)
		case strings.ContainsAny(uri, " \t\r\n\x00\\*\"<>"):
			t.Errorf("%q has a character that ends a header, an attribute or a path", uri)
		case slices.Contains([]string{"javascript", "data", "vbscript", "file", "blob", "about"}, u.Scheme):
			t.Errorf("%q has a scheme that runs or reads", uri)
		case u.Scheme == "http" && !site.IsLoopback(u.Hostname()):
			t.Errorf("%q is neither https nor loopback", uri)
		case (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() == "":
			t.Errorf("%q has no host", uri)
		}
		if !oidc.MatchRedirectURI([]string{uri}, uri) {
			t.Errorf("%q is taken and does not match itself", uri)
		}
		policy := http.Header{}
		site.Policy{FormAction: []string{oidc.FormAction(uri)}}.Set(policy)
		if got := policy.Get("Content-Security-Policy"); strings.Count(got, ";") != 7 {
			t.Errorf("%q breaks out of the policy: %q", uri, got)
		}
	})
}

func FuzzBasic(f *testing.F) {
	for _, seed := range []string{
		"Basic " + base64.StdEncoding.EncodeToString([]byte("web:secret")),
		"basic " + base64.StdEncoding.EncodeToString([]byte("a%3Ab:c%20d+e")),
		"Basic " + base64.StdEncoding.EncodeToString([]byte("web")), "Basic " + base64.StdEncoding.EncodeToString([]byte("%zz:x")),
		"Basic d2ViOnNlY3JldA", "Basic d2ViOnNlY3JldB==", "Basic d2Vi\nOnNlY3JldA==", "Basic", "Basic  ", "Bearer x", "", ":", "Basic Og==",
	} {
		f.Add(seed, "")
		f.Add(seed, "client_id=web&client_secret=x")
	}
	f.Fuzz(func(t *testing.T, header, body string) {
		form, err := site.ParseForm(body)
		if err != nil {
			t.Skip()
		}
		id, secret, method, err := oidc.ReadCredentials(header, form)
		if err != nil {
			return
		}
		if header == "" {
			if method == oidc.ClientSecretBasic || id != form.Value("client_id") || secret != form.Value("client_secret") {
				t.Errorf("%q authenticates %q by %s without a header", body, id, method)
			}
			return
		}
		if method != oidc.ClientSecretBasic || form.Has("client_secret") || form.Has("client_id") && form.Value("client_id") != id {
			t.Errorf("%q and %q authenticate %q by %s", header, body, id, method)
		}
		again := "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
		if id2, secret2, _, err := oidc.ReadCredentials(again, site.Form{}); err != nil || id2 != id || secret2 != secret {
			t.Errorf("%q reads as %q, %q and then as %q, %q, %v", header, id, secret, id2, secret2, err)
		}
	})
}

func FuzzClaimsParameter(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"userinfo":{"email":null},"id_token":{"acr":{"essential":true,"values":["aal2"]}}}`, `{"id_token":{"sub":{"value":"x"}}}`,
		`{"userinfo":{"a":null,"a":null}}`, `{"USERINFO":{"email":null}}`, `{"userinfo":null}`, `{"userinfo":{"x":{"value":{"deep":[1,2]}}}}`,
		`{"id_token":{"":{}}}`, `[]`, `null`, `{`, `{} {}`, `"x"`, `{"userinfo":{"é":null}}`, strings.Repeat(`{"userinfo":`, 100),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		written, names, err := oidc.RewriteClaims(text)
		if err != nil {
			return
		}
		if len(names) > 200 {
			t.Errorf("%q asks for %d claims", text, len(names))
		}
		again, sameNames, err := oidc.RewriteClaims(written)
		if err != nil || again != written || !slices.Equal(names, sameNames) {
			t.Errorf("%q is understood as %q and then as %q, %v", text, written, again, err)
		}
	})
}

// FuzzCode and FuzzRefreshToken hold that a value has one spelling: what is taken is what would be handed out.
func FuzzCode(f *testing.F) {
	for _, seed := range []string{
		"sgac_a.b", "sgac_a~org/sub.b", "sgac_a~.b", "sgac_~org.b", "sgac_.b", "sgac_a.", "sgac_a~b~c.d", "sgrt_a.b", "sgac_", "", "sgac_a b.c", "sgac_a.b.c",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if written, grant, ok := oidc.RewriteCode(text); ok && (written != text || grant.ID == "") {
			t.Errorf("%q is taken for %q of grant %v", text, written, grant)
		}
	})
}

func FuzzRefreshToken(f *testing.F) {
	family, member := strings.Repeat("f", 22), strings.Repeat("m", 43)
	for _, seed := range []string{
		"sgrt_a." + family + "." + member, "sgrt_a~org." + family + "." + member, "sgrt_a~." + family + "." + member,
		"sgrt_a." + family + "." + member + "x", "sgrt_a." + family + "." + member[1:], "sgrt_." + family + "." + member, "sgrt_a.b.c", "sgac_a.b", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if written, grant, ok := oidc.RewriteRefreshToken(text); ok && (written != text || grant.ID == "") {
			t.Errorf("%q is taken for %q of grant %v", text, written, grant)
		}
	})
}

// FuzzAuthorize sends any query to the authorization endpoint. It never fails, and leads nowhere but to a registered
// redirect URI.
func FuzzAuthorize(f *testing.F) {
	f.Add(authorization(web).Encode())
	for _, pair := range [][2]string{
		{"response_mode", "form_post"},
		{"redirect_uri", "http://127.0.0.1:99999/cb"},
		{"redirect_uri", "https://app.example/cb?tenant=7"},
		{"client_id", "spa"},
		{"state", "\r\nSet-Cookie: a=b"},
		{"state", strings.Repeat("&", 1000)},
		{"max_age", "99999999999999999999"},
		{"max_age", "0"},
		{"prompt", "none"},
		{"claims", `{"id_token":{"acr":{"essential":true,"value":"aal9"}}}`},
		{"scope", "openid openid"},
		{"id_token_hint", "e30.e30.e30"},
		{"acr_values", "x"},
		{"ui_locales", "de-DE-u-co-phonebk \x01"},
		{"nonce", "\xff"},
		{"code_challenge", strings.Repeat("é", 43)},
		{"client_id", ""},
	} {
		f.Add(authorization(web, pair[0], pair[1]).Encode())
	}
	f.Add("client_id=web;redirect_uri=x")
	f.Add("client_id=web&client_id=web")
	f.Add("%")
	h := together(f)
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, issuer+pathAuthorize, nil)
		r.URL.RawQuery = query
		a := h.send(r)
		h.faults.Forget()
		switch {
		case a.Status >= http.StatusInternalServerError:
			t.Errorf("%q: %s", query, a)
		case a.Header.Get("Location") != "":
			registered := append([]string{"https://app.example/cb?tenant=7"}, callback, "com.example.app:/cb", "http://localhost/cb")
			target := a.Header.Get("Location")
			if !slices.ContainsFunc(registered, func(r string) bool { return strings.HasPrefix(target, r+"?") || strings.HasPrefix(target, r+"&") }) &&
				!regexp.MustCompile(`^http://(127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?/cb\?`).MatchString(target) {
				t.Errorf("%q leads to %q", query, target)
			}
			if got := a.returned(); got.Get("iss") != issuer || !got.Has("code") && !got.Has("error") {
				t.Errorf("%q is answered with %q", query, target)
			}
		}
		for _, line := range a.Header.Values("Set-Cookie") {
			if !strings.HasPrefix(line, "__Host-signet-") {
				t.Errorf("%q sets %q", query, line)
			}
		}
	})
}

// FuzzToken sends any body to the token endpoint. Nobody who does not know a secret gets anything, and it never fails.
func FuzzToken(f *testing.F) {
	f.Add("", "grant_type=refresh_token&refresh_token=sgrt_a.b.c&client_id=spa")
	f.Add("", "grant_type=authorization_code&code=sgac_a.b&client_id=spa&redirect_uri=x&code_verifier=y")
	f.Add("Basic d2ViOng=", "grant_type=client_credentials")
	f.Add("", "grant_type=client_credentials&client_id=robot&client_secret=x")
	f.Add("", "grant_type=refresh_token&refresh_token=sgrt_a~%00."+strings.Repeat("f", 22)+"."+strings.Repeat("m", 43)+"&client_id=spa")
	f.Add("", "grant_type=authorization_code&code=sgac_"+strings.Repeat("a", 1000)+".b&client_id=spa")
	f.Add("\xff", "\xff")
	h := together(f)
	f.Fuzz(func(t *testing.T, authorization, body string) {
		r := httptest.NewRequest(http.MethodPost, issuer+pathToken, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		a := h.send(r)
		h.faults.Forget()
		if a.Status < 400 || a.Status >= 500 || a.errorCode() == "" {
			t.Errorf("%q, %q: %s", authorization, body, a)
		}
		if description := a.member("error_description"); strings.ContainsFunc(description, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
			t.Errorf("%q: the description %q is not what RFC 6749 §5.2 permits", body, description)
		}
	})
}

// FuzzPresentedToken introspects and presents any text. It is worth nothing, which is no failure.
func FuzzPresentedToken(f *testing.F) {
	h := together(f)
	for _, clientID := range []string{web, vault} {
		got := h.tokens(clientID)
		for _, token := range []string{got.AccessToken, got.RefreshToken, got.IDToken} {
			for _, cut := range []int{0, 5, len(token) / 2, len(token) - 1} {
				f.Add(token[:cut])
				f.Add(token[:cut] + "A" + token[cut:])
			}
		}
	}
	f.Add("sgat_~")
	f.Add("sgat_a~\x00")
	f.Add("..")
	f.Add("e30.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		a := h.introspect(web, token)
		text := token != "" && utf8.ValidString(token) && !strings.Contains(token, "\x00")
		if text && a.Body != `{"active":false}` || !text && a.errorCode() != "invalid_request" {
			t.Errorf("introspection of %q: %s", token, a)
		}
		r := httptest.NewRequest(http.MethodGet, issuer+pathUserInfo, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		if a := h.send(r); a.Status != http.StatusUnauthorized {
			t.Errorf("userinfo by %q: %s", token, a)
		}
		h.faults.Forget()
	})
}
