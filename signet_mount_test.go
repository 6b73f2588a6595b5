package signet_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
)

// metadata reads a discovery document.
func metadata(t *testing.T, h http.Handler, target string) map[string]any {
	t.Helper()
	answer := request(t, h, http.MethodGet, target)
	var document map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&document); answer.StatusCode != http.StatusOK || err != nil {
		t.Fatalf("%s: %d, %v", target, answer.StatusCode, err)
	}
	return document
}

// Everything that the metadata names is served, at the root of a host and below a path.
func TestServeHTTP(t *testing.T) {
	t.Parallel()
	for _, issuer := range []string{issuer, issuer + "/tenant", issuer + "/a/b"} {
		t.Run(issuer, func(t *testing.T) {
			t.Parallel()
			p := open(t, func(c *signet.Config) { c.Issuer = issuer })
			document := metadata(t, p, issuer+"/.well-known/openid-configuration")
			served := 0
			for name, value := range document {
				address, _ := value.(string)
				if name == "issuer" || !strings.HasPrefix(address, "https://") {
					continue
				}
				served++
				if got := request(t, p, http.MethodGet, address); got.StatusCode == http.StatusNotFound || !strings.HasPrefix(address, issuer+"/") {
					t.Errorf("%s %s: %d", name, address, got.StatusCode)
				}
			}
			if served < 7 || document["issuer"] != issuer {
				t.Errorf("issuer %v with %d endpoints", document["issuer"], served)
			}
			if got := request(t, p, http.MethodGet, issuer+"/nothing"); got.StatusCode != http.StatusNotFound {
				t.Errorf("what is not there: %d", got.StatusCode)
			}
		})
	}
}

// Below a path, the well-known names stand where each specification has them, and nothing else stands at the root: that is
// the host's.
func TestMount(t *testing.T) {
	t.Parallel()
	const issuer = issuer + "/tenant"
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the host's") })
	open(t, func(c *signet.Config) { c.Issuer = issuer }).Mount(mux)
	for _, place := range []string{
		"/tenant/.well-known/openid-configuration",       // OpenID Connect Discovery §4
		"/.well-known/oauth-authorization-server/tenant", // RFC 8414 §3.1
		"/.well-known/openid-configuration/tenant",
		"/tenant/.well-known/oauth-authorization-server",
	} {
		if got := metadata(t, mux, "https://id.example.com"+place)["issuer"]; got != issuer {
			t.Errorf("%s is of issuer %v", place, got)
		}
	}
	for _, place := range []string{"/", "/login", "/oauth2/token", "/oauth2/jwks", "/.well-known/openid-configuration", "/tenant"} {
		body, err := io.ReadAll(request(t, mux, http.MethodGet, "https://id.example.com"+place).Body)
		if err != nil || string(body) != "the host's" {
			t.Errorf("%s is answered with %q, %v", place, body, err)
		}
	}
}

var link = regexp.MustCompile(`<link rel="stylesheet" href="([^"]+)">`)

// A whole sign-in below a path, with the style sheet that its pages refer to.
func TestSignInBelowAPath(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, func(c *signet.Config) { c.Issuer += "/tenant" })
	app := idp.App(callback)
	page := idp.Browser().Open(app.Request().URL)
	style := link.FindStringSubmatch(page.Body)
	if style == nil || !strings.HasPrefix(style[1], "/tenant/") {
		t.Fatalf("the page refers to %q", style)
	}
	sheet := request(t, idp.Provider, http.MethodGet, style[1])
	if sheet.StatusCode != http.StatusOK || !strings.HasPrefix(sheet.Header.Get("Content-Type"), "text/css") {
		t.Errorf("the style sheet: %d %s", sheet.StatusCode, sheet.Header.Get("Content-Type"))
	}
	if !strings.HasPrefix(page.URL.Path, "/tenant/") {
		t.Errorf("the page is at %s", page.URL)
	}
	b := idp.Browser()
	tokens := b.SignIn(idp.User("ann"), app)
	if got := status(t, idp, userInfo, tokens); got != http.StatusOK {
		t.Errorf("userinfo: %d", got)
	}
	if got := b.SignOut(tokens).URL.String(); got != "https://shop.example.com/" {
		t.Errorf("logout ends at %s", got)
	}
}

// What is not there, and what is there by another method alone, is a page that says so, with a line in the log (RFC 9110
// §15.5.5, §15.5.6).
func TestMissed(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	p := open(t, func(c *signet.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	for _, c := range []struct {
		method, path, code, allow string
		status                    int
	}{
		{http.MethodGet, "/", "not_found", "", http.StatusNotFound},
		{http.MethodGet, "/.well-known/", "not_found", "", http.StatusNotFound},
		{http.MethodPost, "/oauth2", "not_found", "", http.StatusNotFound},
		{http.MethodGet, "/oauth2/token", "method_not_allowed", "POST", http.StatusMethodNotAllowed},
		{http.MethodOptions, "/oauth2/revoke", "method_not_allowed", "POST", http.StatusMethodNotAllowed},
		{http.MethodPost, "/oauth2/jwks", "method_not_allowed", "GET, HEAD", http.StatusMethodNotAllowed},
		{http.MethodDelete, "/oauth2/userinfo", "method_not_allowed", "GET, HEAD, POST", http.StatusMethodNotAllowed},
		{http.MethodPut, "/login", "method_not_allowed", "GET, HEAD, POST", http.StatusMethodNotAllowed},
		{"get", "/oidc/logout", "method_not_allowed", "GET, HEAD, POST", http.StatusMethodNotAllowed},
	} {
		log.Reset()
		got := request(t, p, c.method, issuer+c.path)
		body, err := io.ReadAll(got.Body)
		if err != nil {
			t.Fatal(err)
		}
		if got.StatusCode != c.status || got.Header.Get("Allow") != c.allow || !strings.Contains(string(body), c.code) {
			t.Errorf("%s %s: %d, Allow %q\n%s", c.method, c.path, got.StatusCode, got.Header.Get("Allow"), body)
		}
		_, logged, _ := strings.Cut(log.String(), "correlation=")
		id, _, _ := strings.Cut(logged, " ")
		if !strings.Contains(log.String(), "code="+c.code) || len(id) != 12 || !strings.Contains(string(body), id) {
			t.Errorf("%s %s: the log has %q", c.method, c.path, &log)
		}
	}
}
