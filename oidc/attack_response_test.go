package oidc_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/signet-idp/signet/oidc"
)

// Response types that nobody has turned on, or that the client is not registered for, or that its other settings forbid, hand out
// nothing (RFC 6749 §3.1.1, RFC 9700 §2.1.2).
func TestAttackResponseTypeNotRegistered(t *testing.T) {
	t.Parallel()
	types := []string{"token", "id_token", "id_token token", "code token", "code id_token", "code id_token token", "none"}
	placements(t, func(t *testing.T, h *harness) {
		for _, responseType := range types {
			if got := h.respond(web, responseType); got.Get("error") != "unsupported_response_type" || len(got) > 5 {
				t.Errorf("%s without Legacy: %v", responseType, got)
			}
			c := h.client(web)
			c.ResponseTypes = []string{responseType}
			if err := h.Clients.Replace(t.Context(), c); !slices.Contains(fields(err), "response_types") {
				t.Errorf("%s registered without Legacy: %v", responseType, err)
			}
		}
	})
	placements(t, func(t *testing.T, h *harness) {
		for i, responseType := range types {
			h.receives(web, "code", types[(i+1)%len(types)])
			if got := h.respond(web, responseType); got.Get("error") != "unauthorized_client" || got.Has("access_token") || got.Has("id_token") || got.Has("code") {
				t.Errorf("%s: %v", responseType, got)
			}
		}
		for _, responseType := range []string{"CODE", "code code", "code  Token", "token code foo", "code,token"} {
			if got := h.respond(web, responseType); got.Get("error") != "unsupported_response_type" {
				t.Errorf("%q: %v", responseType, got)
			}
		}
		// RFC 7591 §2.1: the grant types must agree.
		c := h.client(web)
		c.GrantTypes, c.ResponseTypes = []oidc.GrantType{oidc.AuthorizationCode}, []string{"code id_token"}
		if err := h.Clients.Replace(t.Context(), c); !slices.Equal(fields(err), []string{"response_types"}) {
			t.Errorf("hybrid without the grant type implicit: %v", err)
		}
		h.receives(web, "token")
		if a := h.token(web, "grant_type", "implicit"); a.Status != http.StatusBadRequest || a.errorCode() != "unsupported_grant_type" {
			t.Errorf("a token request by the implicit grant: %s", a)
		}
	}, legacy)
}

// An ID token that travels through the browser without a nonce could be anybody's (OpenID Connect Core §3.2.2.1, §3.3.2.11).
func TestAttackIDTokenWithoutNonce(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, responseType := range []string{"id_token", "id_token token", "code id_token", "code id_token token"} {
			h.receives(web, responseType)
			if got := h.respond(web, responseType, "nonce", ""); got.Get("error") != "invalid_request" || got.Has("id_token") {
				t.Errorf("%s without nonce: %v", responseType, got)
			}
			if got := h.respond(web, responseType, "scope", "profile"); got.Get("error") != "invalid_request" {
				t.Errorf("%s without openid: %v", responseType, got)
			}
		}
		// A code in the response is protected as ever (RFC 7636, RFC 9700 §2.1.1).
		h.receives(web, "code id_token")
		if got := h.respond(web, "code id_token", "code_challenge", "", "code_challenge_method", ""); got.Get("error") != "invalid_request" {
			t.Errorf("hybrid without PKCE: %v", got)
		}
	}, legacy)
}

// Tokens in a query are logged by every server on the way: they are never sent there, nor are the errors of such requests (OAuth
// 2.0 Multiple Response Type Encoding Practices §3, §5).
func TestAttackTokensInQuery(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, responseType := range []string{"token", "id_token", "id_token token", "code token", "code id_token", "code id_token token"} {
			h.receives(web, responseType)
			for _, mode := range []string{"query", "", "bogus", "query.jwt", "jwt", "web_message"} {
				request := authorization(web, "response_type", responseType, "response_mode", mode)
				a := h.newBrowser().authorize(request)
				u := a.location()
				if u == nil || u.RawQuery != "" {
					t.Errorf("%s with response_mode %q: %s", responseType, mode, a)
				}
				if got := a.returned(); (got.Get("error") == "invalid_request") != (mode != "") {
					t.Errorf("%s with response_mode %q: %v", responseType, mode, got)
				}
			}
			request := authorization(web, "response_type", responseType, "response_mode", "form_post")
			a := h.newBrowser().authorize(request)
			if a.Status != http.StatusOK || !strings.Contains(a.Body, `<form method="post"`) {
				t.Errorf("%s by form_post: %s", responseType, a)
			}
		}
	}, legacy)
}

// One request is answered once, however many of its tabs come back at the same time: the others give out neither code nor token.
func TestAttackFrontChannelInParallel(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.receives(web, "code id_token token")
		h.skipConsent(web)
		h.persona.acts(script{Page: true})
		b := h.newBrowser()
		next := b.get(pathAuthorize + "?" + authorization(web, "response_type", "code id_token token").Encode()).Header.Get("Location")
		answers := atOnce(64, func(int) *answer {
			r := h.request(http.MethodGet, next, nil)
			for _, c := range b.jar.Cookies(r.URL) {
				r.AddCookie(c)
			}
			return h.send(r)
		})
		var won []url.Values
		for _, a := range answers {
			if got := a.returned(); got.Has("code") || got.Has("access_token") || got.Has("id_token") {
				won = append(won, got)
			} else if a.Status != http.StatusBadRequest || a.errorCode() != "request_finished" {
				t.Errorf("a loser: %s", a)
			}
		}
		if len(won) != 1 {
			t.Fatalf("%d answers, want 1", len(won))
		}
		// The code's gate is its own: redeeming it twice takes down what it gave, and the token in front stands by its own Grant.
		tokens := h.issued(h.redeem(web, won[0].Get("code")))
		if a := h.redeem(web, won[0].Get("code")); a.errorCode() != "invalid_grant" {
			t.Errorf("a second redemption: %s", a)
		}
		h.demandDead(web, tokens)
		if !h.introspect(web, won[0].Get("access_token")).active() {
			t.Error("the token in front fell with the code")
		}
		h.must(h.RevokeConsent(t.Context(), h.subject(ann).Ref(), web))
		h.dead(web, won[0].Get("access_token"))(t)
	}, legacy)
}

// A request that gave no code has none that could be guessed: not the empty one, nor that of another request.
func TestAttackCodeOfACodelessRequest(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.receives(web, "id_token", "code")
		h.skipConsent(web)
		h.respond(web, "id_token")
		id := h.persona.lastInteraction().ID
		secret := strings.SplitN(h.code(web), ".", 2)[1]
		for _, code := range []string{"sgac_" + id + ".", "sgac_" + id + "." + secret, "sgac_" + id + ".x"} {
			if a := h.redeem(web, code); a.Status != http.StatusBadRequest || a.errorCode() != "invalid_grant" {
				t.Errorf("%q: %s", code, a)
			}
		}
	}, legacy)
}

var dataAttribute = regexp.MustCompile(`data-(origin|message)="([^"]*)"`)

// Web message: the answer goes to the origin of the proven redirect URI alone, whatever state holds stays data, and no page of it can be
// framed but that of prompt=none, by that origin (draft-sakimura-oauth-wmrm §4.1, §5).
func TestAttackWebMessageFraming(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.skipConsent(web)
		const state = `"></p><script>alert(1)</script>'&\u2028`
		for _, prompt := range []string{"", "none"} {
			request := authorization(web, "response_mode", "web_message", "state", state, "prompt", prompt)
			a := h.newBrowser().authorize(request)
			data := map[string]string{}
			for _, found := range dataAttribute.FindAllStringSubmatch(a.Body, -1) {
				data[found[1]] = html.UnescapeString(found[2])
			}
			if a.Status != http.StatusOK || data["origin"] != "https://app.example" || !strings.Contains(data["message"], `"code":"sgac_`) ||
				!strings.HasPrefix(data["message"], `{"type":"authorization_response","response":{`) {
				t.Fatalf("prompt %q: %v in %s", prompt, data, a)
			}
			if strings.Count(a.Body, "<script>") != 1 || strings.Contains(a.Body, "alert(1)<") {
				t.Errorf("state became markup: %s", a.Body)
			}
			policy, want := a.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'"
			if prompt == "none" {
				want = "frame-ancestors https://app.example;"
			}
			if !strings.Contains(policy, want) || (a.Header.Get("X-Frame-Options") == "DENY") == (prompt == "none") || !strings.Contains(policy, "script-src 'sha256-") {
				t.Errorf("prompt %q: %q, X-Frame-Options %q", prompt, policy, a.Header.Get("X-Frame-Options"))
			}
		}
		// There is no origin behind a scheme of an application's own.
		a := h.newBrowser().authorize(authorization(spa, "response_mode", "web_message", "redirect_uri", "com.example.app:/cb"))
		if a.location() == nil || a.returned().Get("error") != "invalid_request" {
			t.Errorf("to an application: %s", a)
		}
	}, func(c *oidc.Config) { c.Features.WebMessage = &oidc.WebMessage{} })
}

func FuzzResponseType(f *testing.F) {
	for _, seed := range []string{"code", "token id_token", "code id_token token", "none", "", " code", "code\ttoken", "code none"} {
		f.Add(seed, "fragment")
		f.Add(seed, "query.jwt")
	}
	h := together(f, legacy)
	h.receives(web, "code", "token", "id_token", "none")
	h.skipConsent(web)
	f.Fuzz(func(t *testing.T, responseType, mode string) {
		request := authorization(web, "response_type", responseType, "response_mode", mode)
		a := h.send(h.request(http.MethodGet, pathAuthorize+"?"+request.Encode(), nil))
		got := a.returned()
		if u := a.location(); u != nil && u.RawQuery != "" && (got.Has("access_token") || got.Has("id_token")) {
			t.Fatal(fmt.Sprint("tokens in a query: ", a))
		}
		if got.Has("access_token") && orderless(responseType) != "token" || got.Has("id_token") && orderless(responseType) != "id_token" {
			t.Fatalf("%q gave %v", responseType, got)
		}
	})
}

func orderless(words string) string {
	list := strings.Fields(words)
	slices.Sort(list)
	return strings.Join(list, " ")
}
