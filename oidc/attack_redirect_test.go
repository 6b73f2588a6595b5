package oidc_test

import (
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/storetest"
)

// redirectTricks are URIs that are not https://app.example/cb, whatever some reader of URIs makes of them.
var redirectTricks = []string{
	// nearly the registered one
	"https://app.example/cb/", "https://app.example/cb?", "https://app.example/cb#", "https://app.example/cb#x",
	"https://app.example/cb?x=1", "https://app.example/cb&x=1", "https://app.example/cb;x", "https://app.example/c",
	"https://app.example/cbx", "https://app.example/CB", "https://APP.EXAMPLE/cb", "HTTPS://app.example/cb",
	"http://app.example/cb", "https://app.example:443/cb", "https://app.example:8443/cb", "https://app.example./cb",
	"https://app.example//cb", "https://app.example/./cb", "https://app.example/x/../cb", "https://app.example/cb/..",
	"https://app.example/cb/../../evil", "https://app.example/%63b", "https://app.example/cb%00", "https://app.example/cb%20",
	"https://app.example/cb%0d%0aLocation:%20https://evil.example", "https://app.example/cb%2f..%2f..%2fevil",
	"https://app.example/cb%252e%252e", "https://app.example/cb\t", "https://app.example/cb ", " https://app.example/cb",
	"\thttps://app.example/cb", "https://app.example/cb\r\n", "https://app.example/cb\x00", "https://app.example/cb\u200b",
	// another host
	"https://evil.example/cb", "https://app.example.evil.example/cb", "https://evil.example/?https://app.example/cb",
	"https://evil.example/#https://app.example/cb", "https://app.example@evil.example/cb", "https://app.example:x@evil.example/cb",
	"https://evil.example\\@app.example/cb", "https://app.example\\.evil.example/cb", "https://app.example%2eevil.example/cb",
	"https://app.example%00.evil.example/cb", "https://app.example%0a.evil.example/cb", "https://app.example%40evil.example/cb",
	"https://app.example\\evil.example/cb", "https://evil.example/app.example/cb", "https://sub.app.example/cb",
	"https://xapp.example/cb", "https://app-example/cb", "https://app.example,evil.example/cb", "https://app．example/cb",
	"https://аpp.example/cb", "https://app.example\u3002evil.example/cb", "https://[app.example]/cb", "https://*.example/cb",
	// no host, another scheme
	"//app.example/cb", "//evil.example/cb", "/cb", "cb", "?", "#", "https:app.example/cb", "https:/app.example/cb",
	"https:///app.example/cb", "https:\\\\app.example\\cb", "javascript:alert(1)//https://app.example/cb",
	"JaVaScRiPt:alert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:x", "file:///etc/passwd", "blob:https://app.example/cb",
	"view-source:https://app.example/cb", "intent://app.example/cb#Intent;scheme=https;end", "urn:ietf:wg:oauth:2.0:oob", "about:blank",
	"https://app.example/cb\",\"https://evil.example", "https://app.example/cb https://evil.example", "https://app.example/cb,https://evil.example",
}

// Traversal, user information, wildcards, case, homographs and parser differentials in redirect_uri (CVE-2024-8883,
// CVE-2023-6134, CVE-2023-6927, CVE-2020-15234 and their kin; RFC 9700 §4.1.3): bytes are compared, and nobody is sent
// anywhere. The same for the redirect URI of a logout.
func TestAttackRedirectURITricks(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		if len(redirectTricks) < 60 {
			t.Fatalf("%d tricks are too few", len(redirectTricks))
		}
		h := newHarness(t, place)
		for _, clientID := range []string{web, mail} {
			for _, trick := range redirectTricks {
				for _, pairs := range [][]string{nil, {"response_mode", "form_post"}, {"prompt", "none"}, {"scope", "\\"}, {"response_type", ""}} {
					request := authorization(clientID, append([]string{"redirect_uri", trick}, pairs...)...)
					a := h.newBrowser().get(pathAuthorize + "?" + request.Encode())
					h.demandStays(a, trick)
				}
				a := h.newBrowser().get(pathLogout + "?" + values("client_id", clientID, "post_logout_redirect_uri", strings.Replace(trick, "cb", "bye", 1)).Encode())
				h.demandStays(a, trick)
			}
		}
	})
}

// demandStays demands an error page that leads nowhere.
func (h *harness) demandStays(a *answer, what string) {
	h.tb.Helper()
	if a.Status < 400 || a.Header.Get("Location") != "" || a.Header.Get("Refresh") != "" || strings.Contains(a.Body, "<form") ||
		strings.Contains(a.Body, "http-equiv") || strings.Contains(a.Body, "<script") {
		h.tb.Errorf("%q leads somewhere: %s", what, a)
	}
}

// The same tricks at registration: what is no plain https URI, loopback or private-use scheme cannot be registered
// (RFC 6749 §3.1.2, RFC 8252 §7, RFC 9700 §4.1).
func TestAttackRedirectURIRegistered(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, uri := range []string{
			"", "https://", "https:///cb", "https://:443/cb", "https://app.example/cb#", "https://user@app.example/cb", "https://user:pw@app.example/cb",
			"https://app.example/a/../cb", "https://app.example/a/%2e%2e/cb", "https://app.example/a/%2E./cb", "https://*.app.example/cb",
			"https://app.example/*", "http://app.example/cb", "http://10.0.0.1/cb", "http://localhost.evil.example/cb", "http://127.0.0.1.evil.example/cb",
			"http://0.0.0.0/cb", "http://2130706433/cb", "http://0x7f.1/cb", "ftp://app.example/cb", "javascript:alert(1)", "data:text/html,x", "app:/cb",
			"myapp://cb", "https://app.example/\"><script>", "https://app.example/<x>", "https://app.example/{x}", "https://app.example/a b", "https://app.example/\u00fc",
			"com.example.app", ":/cb",
		} {
			for name, c := range map[string]*oidc.Client{
				"redirect_uris":             {RedirectURIs: []string{callback, uri}},
				"post_logout_redirect_uris": {RedirectURIs: []string{callback}, PostLogoutRedirectURIs: []string{uri}},
			} {
				if _, err := h.Clients.Create(t.Context(), "Trick", c); err == nil || !strings.Contains(err.Error(), name) {
					t.Errorf("%s %q was registered: %v", name, uri, err)
				}
			}
		}
	})
}

// Loopback override (CVE-2020-15233; RFC 8252 §7.3, §8.3): of a loopback address only the port may differ; a name is
// compared whole, and a client without loopback URIs gets nowhere near one.
func TestAttackLoopbackRedirect(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, good := range []string{
			"http://127.0.0.1/cb", "http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb", "http://[::1]/cb", "http://[::1]:51004/cb", "http://localhost/cb",
			"com.example.app:/cb",
		} {
			a := h.newBrowser().authorize(authorization(spa, "redirect_uri", good))
			if got := a.Header.Get("Location"); !strings.HasPrefix(got, good+"?") || !a.returned().Has("code") {
				t.Errorf("%s: %s", good, a)
			}
		}
		for _, bad := range []string{
			"http://localhost:8080/cb", "http://localhost./cb", "http://LOCALHOST/cb", "https://127.0.0.1/cb", "http://127.0.0.2/cb", "http://127.1/cb",
			"http://127.0.0.1/cb/", "http://127.0.0.1/CB", "http://127.0.0.1/cb?x=1", "http://127.0.0.1/", "http://127.0.0.1", "http://127.0.0.1:80/cb#x",
			"http://127.0.0.1:80a/cb", "http://127.0.0.1:/cb", "http://127.0.0.1:-1/cb", "http://127.0.0.1:123456/cb", "http://127.0.0.1:80:80/cb",
			"http://127.0.0.1@evil.example/cb", "http://127.0.0.1:80@evil.example/cb", "http://user@127.0.0.1/cb", "http://127.0.0.1.evil.example/cb",
			"http://127.0.0.1%2eevil.example/cb", "http://127.0.0.1\\.evil.example/cb", "http://[::1].evil.example/cb", "http://[::1%25lo]/cb",
			"http://::1/cb", "http://[0:0:0:0:0:0:0:1]/cb", "http://[::ffff:127.0.0.1]/cb", "http://0.0.0.0/cb", "http://0x7f000001/cb", "http://2130706433/cb",
			"http://127.0.0.1:80/x/../cb", "http://127.0.0.1:80//cb", "HTTP://127.0.0.1/cb", "com.example.app:/cb/", "com.example.app://cb", "COM.example.app:/cb",
			"com.example.app:/cb?x", "com.example.app2:/cb",
		} {
			a := h.newBrowser().get(pathAuthorize + "?" + authorization(spa, "redirect_uri", bad).Encode())
			h.demandStays(a, bad)
		}
		for _, other := range []string{"http://127.0.0.1/cb", "http://127.0.0.1:8080/cb", "http://localhost/cb"} {
			h.demandStays(h.newBrowser().get(pathAuthorize+"?"+authorization(web, "redirect_uri", other).Encode()), other)
		}
	})
}

// Error redirect before client and URI are resolved (CVE-2026-44681, CVE-2026-41479, zitadel/oidc#627; RFC 6749 §4.1.2.1):
// however many things are wrong, nothing is sent to an address that nobody has proven.
func TestAttackErrorRedirectBeforeProof(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		wrongs := [][]string{
			nil,
			{"response_type", "token"},
			{"response_type", ""},
			{"scope", ""},
			{"scope", "\x01"},
			{"prompt", "none"},
			{"prompt", "none login"},
			{"response_mode", "fragment"},
			{"request", "x.y.z"},
			{"request_uri", "https://evil.example"},
			{"max_age", "x"},
			{"claims", "{"},
			{"code_challenge", ""},
			{"id_token_hint", "x"},
			{"registration", "{}"},
		}
		for name, unproven := range map[string][]string{
			"no client":                   {"client_id", ""},
			"unknown client":              {"client_id", "nobody"},
			"client that is no id":        {"client_id", "web/../web"},
			"client in capitals":          {"client_id", "WEB"},
			"no redirect URI":             {"redirect_uri", ""},
			"foreign redirect URI":        {"redirect_uri", "https://evil.example/cb"},
			"another client's URI":        {"client_id", server},
			"unknown client, foreign URI": {"client_id", "nobody", "redirect_uri", "https://evil.example/cb"},
		} {
			for _, wrong := range wrongs {
				request := authorization(web, append(slices.Clone(wrong), unproven...)...)
				h.demandStays(h.newBrowser().get(pathAuthorize+"?"+request.Encode()), name)
				h.demandStays(h.newBrowser().do(http.MethodPost, pathAuthorize, request), name)
			}
		}
		if len(h.persona.interactions()) != 0 {
			t.Error("a page was shown before client and URI were proven")
		}
	})
}

// Repeated parameters (RFC 6749 §3.1; the pollution of CVE-2026-3872): whichever is repeated, and whether or not the values
// agree, the request is refused on a page, and at the token endpoint as invalid_request.
func TestAttackParametersRepeated(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for name := range authorization(web) {
			for _, again := range []string{authorization(web).Get(name), "", "https://evil.example/cb"} {
				query := authorization(web).Encode() + "&" + name + "=" + url.QueryEscape(again)
				h.demandStays(h.newBrowser().get(pathAuthorize+"?"+query), name)
			}
		}
		for _, odd := range []string{"redirect_uri[]=https://evil.example/cb", "redirect_uri%5B1%5D=https://evil.example/cb", "Redirect_uri=https://evil.example/cb"} {
			a := h.newBrowser().authorizeRaw(authorization(web).Encode() + "&" + odd)
			if got := a.Header.Get("Location"); !strings.HasPrefix(got, callback+"?") {
				t.Errorf("%s: %s", odd, a)
			}
		}
		code := h.code(mail)
		form := values("grant_type", "authorization_code", "code", code, "redirect_uri", callback, "code_verifier", verifier,
			"client_id", mail, "client_secret", clientSecret(mail))
		for name := range form {
			twice := url.Values{}
			for n, v := range form {
				twice[n] = v
			}
			twice[name] = append(slices.Clone(form[name]), "other")
			if a := h.post(pathToken, "", twice); a.Status != http.StatusBadRequest || a.errorCode() != "invalid_request" {
				t.Errorf("%s twice: %s", name, a)
			}
		}
		h.issued(h.post(pathToken, "", form))
	})
}

func (b *browser) authorizeRaw(query string) *answer {
	return b.follow(b.get(pathAuthorize + "?" + query))
}

// Mix-up (RFC 9207 §2, RFC 9700 §4.4): iss stands in success and in every error, in every response mode.
func TestAttackMixUpIssuerInEveryResponse(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, mode := range []string{"", "query", "fragment", "form_post"} {
			for want, pairs := range map[string][]string{
				"":                           nil,
				"unsupported_response_type":  {"response_type", "token"},
				"invalid_request":            {"response_type", ""},
				"invalid_scope":              {"scope", "unheard-of"},
				"request_not_supported":      {"request", "x.y.z"},
				"request_uri_not_supported":  {"request_uri", "https://app.example/r"},
				"registration_not_supported": {"registration", "{}"},
			} {
				a := h.newBrowser().authorize(authorization(web, append([]string{"response_mode", mode}, pairs...)...))
				got := a.returned()
				if mode == "form_post" {
					got = postedFields(a.Body)
				}
				if got.Get("iss") != issuer || got.Get("state") != "xyz" || got.Get("error") != want || got.Has("code") != (want == "") {
					t.Errorf("mode %q, %v: %v %s", mode, pairs, got, a)
				}
			}
			h.persona.acts(script{Refusal: "denied"})
			a := h.newBrowser().authorize(authorization(web, "response_mode", mode))
			got := a.returned()
			if mode == "form_post" {
				got = postedFields(a.Body)
			}
			if got.Get("iss") != issuer || got.Get("error") != "access_denied" {
				t.Errorf("mode %q, refused by the person: %s", mode, a)
			}
			h.persona.acts(script{})
		}
		for _, mode := range []string{"smoke_signal", "jwt", "web_message", "QUERY", "query "} {
			a := h.newBrowser().authorize(authorization(web, "response_mode", mode))
			if a.errorCode() != "invalid_request" || a.returned().Get("iss") != issuer {
				t.Errorf("mode %q: %s", mode, a)
			}
		}
	})
}

// postedFields are the fields of a form_post page.
func postedFields(page string) url.Values {
	fields := url.Values{}
	for _, line := range strings.Split(page, "\n") {
		_, rest, ok := strings.Cut(line, `<input type="hidden" name="`)
		if !ok {
			continue
		}
		name, rest, _ := strings.Cut(rest, `" value="`)
		value, _, _ := strings.Cut(rest, `">`)
		fields.Add(html.UnescapeString(name), html.UnescapeString(value))
	}
	return fields
}

// A redirect URI with a query of its own keeps it, and the answer is added behind (RFC 6749 §3.1.2).
func TestAttackRedirectQueryPollution(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		a := h.newBrowser().authorize(authorization(web, "redirect_uri", callback+"?tenant=7", "state", "a&code=evil&iss=https://evil.example#x"))
		got := a.returned()
		if got.Get("tenant") != "7" || len(got["code"]) != 1 || len(got["iss"]) != 1 || got.Get("iss") != issuer || a.location().Fragment != "" {
			t.Errorf("%s", a)
		}
	})
}

// Request objects are refused with the specification's error, never half read (OpenID Connect Core §6.1, §6.2, §7.2.1): what
// an unsigned copy beside them says does not count.
func TestAttackRequestObjectRefused(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for name, want := range map[string]string{
			"request": "request_not_supported", "request_uri": "request_uri_not_supported", "registration": "registration_not_supported",
		} {
			a := h.newBrowser().authorize(authorization(web, name, "https://evil.example/x"))
			if a.errorCode() != want || a.returned().Has("code") {
				t.Errorf("%s: %s", name, a)
			}
		}
		if len(h.persona.interactions()) != 0 {
			t.Error("a page was shown")
		}
	})
}
