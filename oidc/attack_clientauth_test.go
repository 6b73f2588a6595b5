package oidc_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/signet-idp/signet/oidc"
)

// Client authentication (RFC 6749 §2.3, §3.2.1; "loose Basic decoding", "refresh without client authentication"): one way, the
// registered one, decoded strictly. What an attacker sends is refused the same way whether the client exists or not.
func TestAttackClientAuthentication(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
		good := clientSecret(robot)
		for name, test := range map[string]struct {
			header []string
			pairs  []string
			want   string
		}{
			"good":                       {[]string{basic(robot + ":" + good)}, nil, ""},
			"good, client_id repeated":   {[]string{basic(robot + ":" + good)}, []string{"client_id", robot}, ""},
			"scheme in small letters":    {[]string{"basic " + base64.StdEncoding.EncodeToString([]byte(robot+":"+good))}, nil, ""},
			"nothing":                    {nil, nil, "invalid_client"},
			"client_id alone":            {nil, []string{"client_id", robot}, "invalid_client"},
			"wrong secret":               {[]string{basic(robot + ":" + clientSecret(safe))}, nil, "invalid_client"},
			"no secret":                  {[]string{basic(robot + ":")}, nil, "invalid_client"},
			"no colon":                   {[]string{basic(robot)}, nil, "invalid_client"},
			"secret cut":                 {[]string{basic(robot + ":" + good[:len(good)-1])}, nil, "invalid_client"},
			"secret padded":              {[]string{basic(robot + ":" + good + " ")}, nil, "invalid_client"},
			"secret in other letters":    {[]string{basic(robot + ":" + strings.ToUpper(good))}, nil, "invalid_client"},
			"the stored hash as secret":  {[]string{basic(robot + ":" + h.client(robot).SecretHash)}, nil, "invalid_client"},
			"unknown client":             {[]string{basic("nobody:" + good)}, nil, "invalid_client"},
			"client in capitals":         {[]string{basic("ROBOT:" + good)}, nil, "invalid_client"},
			"client with NUL":            {[]string{basic(robot + "\x00:" + good)}, nil, "invalid_client"},
			"percent at the end":         {[]string{basic(robot + ":" + good + "%")}, nil, "invalid_client"},
			"percent that is none":       {[]string{basic(robot + ":" + good + "%zz")}, nil, "invalid_client"},
			"base64url":                  {[]string{strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(basic("?>" + robot + ":" + good))}, nil, "invalid_client"},
			"not base64":                 {[]string{"Basic !!!"}, nil, "invalid_client"},
			"base64 with a bit too many": {[]string{"Basic Zh=="}, nil, "invalid_client"},
			"empty Basic":                {[]string{"Basic "}, nil, "invalid_client"},
			"Bearer":                     {[]string{"Bearer " + good}, nil, "invalid_client"},
			"two headers":                {[]string{basic(robot + ":" + good), basic(robot + ":" + good)}, nil, "invalid_request"},
			"header and body":            {[]string{basic(robot + ":" + good)}, []string{"client_id", robot, "client_secret", good}, "invalid_request"},
			"header and secret":          {[]string{basic(robot + ":" + good)}, []string{"client_secret", good}, "invalid_request"},
			"header and another client":  {[]string{basic(robot + ":" + good)}, []string{"client_id", safe}, "invalid_request"},
			"by post, registered basic":  {nil, []string{"client_id", robot, "client_secret", good}, "invalid_client"},
			"assertion":                  {nil, []string{"client_id", robot, "client_assertion", "x.y.z", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "invalid_client"},
			"assertion beside a header":  {[]string{basic(robot + ":" + good)}, []string{"client_assertion", "x.y.z"}, "invalid_client"},
		} {
			r := h.request(http.MethodPost, pathToken, values(append([]string{"grant_type", "client_credentials"}, test.pairs...)...))
			if test.header != nil {
				r.Header["Authorization"] = test.header
			}
			a := h.send(r)
			if a.errorCode() != test.want {
				t.Errorf("%s: %s", name, a)
			}
			if test.want == "invalid_client" && (a.Status != http.StatusUnauthorized || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Basic ")) {
				t.Errorf("%s: %s", name, a)
			}
		}
		unknown, wrong := h.send(h.basicRequest("nobody", good)), h.send(h.basicRequest(robot, "wrong"))
		if unknown.Body != wrong.Body || unknown.Status != wrong.Status {
			t.Errorf("an unknown client and a wrong secret differ: %s and %s", unknown, wrong)
		}
	})
}

func (h *harness) basicRequest(id, value string) *http.Request {
	r := h.request(http.MethodPost, pathToken, values("grant_type", "client_credentials"))
	r.SetBasicAuth(id, value)
	return r
}

// A public client that brings a secret, and a confidential one that brings none, are both somebody else (RFC 6749 §2.1,
// §10.1).
func TestAttackPublicClientImpersonation(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		code := h.code(spa)
		form := func(pairs ...string) url.Values {
			return values(append([]string{"grant_type", "authorization_code", "code", code, "redirect_uri", callback, "code_verifier", verifier}, pairs...)...)
		}
		if a := h.post(pathToken, "", form("client_id", spa, "client_secret", "anything")); a.errorCode() != "invalid_client" {
			t.Errorf("a public client with a secret: %s", a)
		}
		r := h.request(http.MethodPost, pathToken, form())
		r.SetBasicAuth(spa, "")
		if a := h.send(r); a.errorCode() != "invalid_client" {
			t.Errorf("a public client by Basic: %s", a)
		}
		if a := h.post(pathToken, "", form("client_id", web)); a.errorCode() != "invalid_client" {
			t.Errorf("a confidential client as a public one: %s", a)
		}
		if a := h.token(spa, "grant_type", "client_credentials"); a.errorCode() != "unauthorized_client" {
			t.Errorf("client_credentials of a public client: %s", a)
		}
		if _, err := h.Clients.Create(t.Context(), "X", &oidc.Client{
			AuthMethod: oidc.NoAuth, RedirectURIs: []string{callback}, GrantTypes: []oidc.GrantType{oidc.ClientCredentials},
		}); err == nil {
			t.Error("a public client was registered for client_credentials")
		}
		h.issued(h.post(pathToken, "", form("client_id", spa)))
	})
}

// Secrets in URLs are logged by everybody on the way (RFC 6749 §2.3.1; CVE-2026-55221's class): refused, even beside a good
// body.
func TestAttackSecretsInURL(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, path := range []string{pathToken, pathIntrospect, pathRevoke} {
			for _, name := range []string{"client_secret", "code", "refresh_token", "token", "access_token", "password"} {
				a := h.post(path+"?"+name+"=x", robot, values("grant_type", "client_credentials", "token", "x"))
				if a.Status != http.StatusBadRequest || a.errorCode() != "invalid_request" {
					t.Errorf("%s?%s: %s", path, name, a)
				}
			}
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions} {
				if a := h.send(h.request(method, path, nil)); a.Status != http.StatusMethodNotAllowed {
					t.Errorf("%s %s: %s", method, path, a)
				}
			}
		}
	})
}

// Grants that OAuth 2.1 has done away with, or that nobody implements, are unsupported, and bodies that are no forms are
// refused (RFC 6749 §4.1.3, §5.2; RFC 9700 §2.1.2, §2.4).
func TestAttackUnsupportedGrants(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, grant := range []string{
			"password", "implicit", "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange",
			"urn:ietf:params:oauth:grant-type:jwt-bearer", "AUTHORIZATION_CODE", "authorization_code ", "refresh_token\x00",
		} {
			a := h.token(web, "grant_type", grant, "username", ann, "password", "x")
			if a.errorCode() != "unsupported_grant_type" && a.errorCode() != "invalid_request" {
				t.Errorf("%q: %s", grant, a)
			}
		}
		for contentType, status := range map[string]int{
			"application/json": 415, "multipart/form-data; boundary=x": 415, "text/plain": 415, "": 415, "application/x-www-form-urlencoded/": 415,
		} {
			r := h.basicRequest(robot, clientSecret(robot))
			r.Header.Set("Content-Type", contentType)
			if a := h.send(r); a.Status != status {
				t.Errorf("%q: %s", contentType, a)
			}
		}
		for name, body := range map[string]string{
			"huge": "grant_type=client_credentials&x=" + strings.Repeat("a", 1<<20), "many": "grant_type=client_credentials" + strings.Repeat("&a=b", 1000),
			"broken": "grant_type=client_credentials&x=%zz", "semicolon": "grant_type=client_credentials;x=y", "not UTF-8": "grant_type=client_credentials&x=%ff",
		} {
			r := h.basicRequest(robot, clientSecret(robot))
			r.Body = http.NoBody
			fresh := h.request(http.MethodPost, pathToken, url.Values{})
			fresh.Body = readCloser{strings.NewReader(body)}
			fresh.Header = r.Header
			if a := h.send(fresh); a.Status < 400 || a.Status >= 500 {
				t.Errorf("%s: %s", name, a)
			}
		}
	})
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// Descriptions of errors hold what RFC 6749 §5.2 allows and nothing of what an attacker put into a name.
func TestAttackErrorDescription(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, name := range []string{`a"b\`, "a\r\nSet-Cookie: x=y", "ü\u202e", "<script>"} {
			query := url.QueryEscape(name) + "=1&" + url.QueryEscape(name) + "=2"
			r := h.request(http.MethodPost, pathUserInfo, url.Values{})
			r.Body = readCloser{strings.NewReader(query)}
			r.ContentLength = int64(len(query))
			a := h.send(r)
			description := a.member("error_description")
			if a.Status != http.StatusBadRequest || description == "" || strings.ContainsFunc(description, func(r rune) bool {
				return r < ' ' || r > '~' || r == '"' || r == '\\'
			}) {
				t.Errorf("%q: %s", name, a)
			}
			if challenge := a.Header.Get("WWW-Authenticate"); strings.Contains(challenge, `\`) || strings.Count(challenge, `"`) != 6 {
				t.Errorf("%q: challenge %s", name, challenge)
			}
			page := h.newBrowser().get(pathAuthorize + "?" + query)
			if strings.Contains(page.Body, "<script") {
				t.Errorf("%q: %s", name, page)
			}
		}
	})
}
