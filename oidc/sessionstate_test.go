package oidc_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/signet-idp/signet/oidc"
)

// stateCookie is the cookie of the browser state that an answer sets; nil when it sets none.
func stateCookie(a *answer) *http.Cookie {
	for _, c := range (&http.Response{Header: a.Header}).Cookies() {
		if strings.HasSuffix(c.Name, "-state") {
			return c
		}
	}
	return nil
}

// authorizes goes through a sign-in and returns the answer at its end.
func (h *harness) authorizes(clientID string, pairs ...string) *answer {
	h.tb.Helper()
	return h.newBrowser().authorize(authorization(clientID, pairs...))
}

// session_state is a salted hash of client, origin and browser state, whose cookie tells one session from the next and opens nothing
// (OpenID Connect Session Management 1.0 §2, §3.2).
func TestSessionState(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		a := h.authorizes(web, "scope", "openid")
		state, salt, _ := strings.Cut(a.returned().Get("session_state"), ".")
		c := stateCookie(a)
		if c == nil || c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteNoneMode || !strings.HasPrefix(c.Name, "__Host-") {
			t.Fatalf("cookie %v", c)
		}
		sum := sha256.Sum256([]byte(web + " https://app.example " + c.Value + " " + salt))
		if state != base64.RawURLEncoding.EncodeToString(sum[:]) || len(salt) < 16 {
			t.Errorf("session_state %s.%s", state, salt)
		}
		h.persona.acts(script{Session: h.persona.lastSession()})
		again := h.authorizes(web, "scope", "openid")
		if stateCookie(again).Value != c.Value || again.returned().Get("session_state") == a.returned().Get("session_state") {
			t.Error("the same session has another state, or another response the same salt")
		}
		h.persona.acts(script{User: bob})
		if other := h.authorizes(web, "scope", "openid"); stateCookie(other).Value == c.Value {
			t.Error("another session has the same state")
		}
		h.persona.acts(script{})
		got := h.tokens(web, "scope", "openid")
		b := h.newBrowser()
		left := b.follow(b.get(pathLogout + "?" + values("id_token_hint", got.IDToken).Encode()))
		if gone := stateCookie(left); gone == nil || gone.MaxAge >= 0 || gone.Value != "" {
			t.Errorf("after the logout: %v", gone)
		}
	}, withLogout)
}

// Without a page of the client's there is nobody to tell: a native client, a refusal, OAuth without OpenID.
func TestSessionStateOfNoPage(t *testing.T) {
	t.Parallel()
	h := together(t, withLogout)
	for name, a := range map[string]*answer{
		"native": h.authorizes(spa, "redirect_uri", "com.example.app:/cb", "scope", "openid"),
	} {
		if a.returned().Has("session_state") || stateCookie(a) != nil {
			t.Errorf("%s: %s", name, a)
		}
	}
	off := together(t)
	if a := off.authorizes(web, "scope", "openid"); a.returned().Has("session_state") || stateCookie(a) != nil {
		t.Errorf("switched off: %s", a)
	}
}

// The one page that may be framed has one script, whose hash is in its policy, and shows nothing; every other page refuses
// (OpenID Connect Session Management 1.0 §3.3, §5.1).
func TestAttackFraming(t *testing.T) {
	t.Parallel()
	h := together(t, withLogout)
	got := h.tokens(web, "scope", "openid")
	a := h.newBrowser().get("/oidc/checksession")
	script := regexp.MustCompile(`(?s)<script>(.*)</script>`).FindStringSubmatch(a.Body)
	if a.Status != http.StatusOK || script == nil {
		t.Fatalf("%s", a)
	}
	sum := sha256.Sum256([]byte(script[1]))
	policy := a.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "script-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") ||
		!strings.Contains(policy, "default-src 'none'") || a.Header.Get("X-Frame-Options") != "" || strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("policy %s", policy)
	}
	if strings.Contains(a.Body, "<form") || strings.Contains(a.Body, "<button") {
		t.Error("there is something to click")
	}
	h.framed(web, "https://app.example/out")
	for name, a := range map[string]*answer{
		"logout": h.logout("id_token_hint", got.IDToken),
		"error":  h.newBrowser().get(pathLogout + "?id_token_hint=x"),
		"authz":  h.newBrowser().get(pathAuthorize),
	} {
		if a.Header.Get("X-Frame-Options") != "DENY" || !strings.Contains(a.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: %s", name, a)
		}
	}
}

// The features stand in the metadata, and a client that asks for what is off is refused.
func TestLogoutFeatures(t *testing.T) {
	t.Parallel()
	h := together(t, withLogout)
	document := h.newBrowser().get("/.well-known/openid-configuration").Body
	for _, member := range []string{
		`"backchannel_logout_supported":true`, `"backchannel_logout_session_supported":true`, `"frontchannel_logout_supported":true`,
		`"frontchannel_logout_session_supported":true`, `"check_session_iframe":"` + issuer + `/oidc/checksession"`,
	} {
		if !strings.Contains(document, member) {
			t.Errorf("%s is not in %s", member, document)
		}
	}
	off := together(t)
	for _, edit := range []func(*oidc.Client){
		func(c *oidc.Client) { c.BackChannelLogoutURI = "https://app.example/out" },
		func(c *oidc.Client) { c.FrontChannelLogoutURI = "https://app.example/out" },
		func(c *oidc.Client) { c.RevokeWhenSessionEnded = true },
	} {
		c := off.client(web)
		edit(c)
		if err := off.Clients.Replace(t.Context(), c); err == nil {
			t.Error("a client may ask for what is off")
		}
	}
	for _, edit := range []func(*oidc.Client){
		func(c *oidc.Client) { c.BackChannelLogoutSession = true },
		func(c *oidc.Client) { c.FrontChannelLogoutSession = true },
	} {
		c := h.client(web)
		edit(c)
		if err := h.Clients.Replace(t.Context(), c); err == nil {
			t.Error("a session is required, and no URI is there")
		}
	}
}
