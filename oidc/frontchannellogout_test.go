package oidc_test

import (
	"errors"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// framed gives a client a front-channel logout URI.
func (h *harness) framed(clientID, uri string) {
	h.tb.Helper()
	c := h.client(clientID)
	c.FrontChannelLogoutURI, c.FrontChannelLogoutSession = uri, true
	h.must(h.Clients.Replace(h.tb.Context(), c))
	h.clock.advance(2 * store.Staleness)
}

var frameSource = regexp.MustCompile(`<iframe src="([^"]*)"`)

// The page frames each client that took part, with iss and sid, and nothing else may be framed by it; then it goes where the logout
// leads, without a script too (OpenID Connect Front-Channel Logout 1.0 §2, §3).
func TestFrontChannelLogout(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.framed(web, "https://app.example/out?tenant=7")
		h.framed(mail, "https://app.example/mail-out")
		for _, redirect := range []string{bye, ""} {
			h.persona.acts(script{})
			got := h.tokens(web, "scope", "openid")
			session := h.persona.lastSession()
			a := h.logout("id_token_hint", got.IDToken, "post_logout_redirect_uri", redirect, "state", "s&t")
			if a.Status != http.StatusOK {
				t.Fatalf("%s", a)
			}
			frames := frameSource.FindAllStringSubmatch(a.Body, -1)
			if len(frames) != 1 {
				t.Fatalf("%d frames in %s", len(frames), a)
			}
			frame, err := url.Parse(html.UnescapeString(frames[0][1]))
			h.must(err)
			query := frame.Query()
			if frame.Host != "app.example" || frame.Path != "/out" || query.Get("tenant") != "7" || query.Get("iss") != issuer || query.Get("sid") != session.ID {
				t.Errorf("frame %s", frame)
			}
			policy := a.Header.Get("Content-Security-Policy")
			if !strings.Contains(policy, "frame-src https://app.example;") && !strings.HasSuffix(policy, "frame-src https://app.example") ||
				!strings.Contains(policy, "frame-ancestors 'none'") || !strings.Contains(policy, "default-src 'none'") {
				t.Errorf("policy %s", policy)
			}
			next := a.Header.Get("Refresh")
			if redirect != "" && !strings.HasPrefix(next, "5;url="+bye+"?state=s%26t") || redirect == "" && !strings.HasPrefix(next, "5;url="+pathLogout+"/resume?id=") {
				t.Errorf("goes on with %q", next)
			}
			if h.alive() {
				t.Error("the session lives")
			}
		}
		h.persona.acts(script{}) // a session without such clients needs no page
		other := h.tokens(vault, "scope", "openid")
		if a := h.logout("id_token_hint", other.IDToken, "post_logout_redirect_uri", bye); a.Status != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), bye) {
			t.Errorf("%s", a)
		}
	}, withLogout)
}

// What a client may register: a page of its own, where it has a redirect URI (Front-Channel Logout §2).
func TestAttackFrontChannelURIs(t *testing.T) {
	t.Parallel()
	h := together(t, withLogout)
	for _, uri := range []string{
		"https://evil.example/out", "http://app.example/out", "https://app.example:8443/out", "https://app.example/out#x", "javascript:alert(1)",
		"data:text/html,x", "https://app.example.evil.example/out", "https://user@app.example/out", "/out", "https://app.example/out?sid=1", "com.example.app:/out",
		"https://app.example/out;script-src *", `https://app.example/"><script>`,
	} {
		c := h.client(web)
		c.FrontChannelLogoutURI = uri
		err := h.Clients.Replace(t.Context(), c)
		if uri == "https://app.example/out;script-src *" || err != nil {
			if problem, ok := errors.AsType[*oidc.InvalidClientError](err); ok && problem.Field == "frontchannel_logout_uri" {
				continue
			}
		}
		t.Errorf("%s: %v", uri, err)
	}
}

// A logout whose end fails reports no success: neither a redirect, nor frames, nor the page that says so.
func TestAttackLogoutThatFailedIsNoSuccess(t *testing.T) {
	t.Parallel()
	h := together(t, withLogout, func(c *oidc.Config) {
		c.EndSession = func(http.ResponseWriter, *http.Request, store.Ref, string) error {
			return errors.New("the store is away")
		}
	})
	h.framed(web, "https://app.example/out")
	got := h.tokens(web, "scope", "openid")
	a := h.logout("id_token_hint", got.IDToken, "post_logout_redirect_uri", bye)
	if a.Status != http.StatusServiceUnavailable || strings.Contains(a.Body, "iframe") || a.Header.Get("Location") != "" || a.Header.Get("Refresh") != "" {
		t.Errorf("%s", a)
	}
}

// Somebody who stays signed in gets no frames: clients would forget them.
func TestAttackRefusedLogoutFramesNobody(t *testing.T) {
	t.Parallel()
	h := together(t, withLogout)
	h.framed(web, "https://app.example/out")
	got := h.tokens(web, "scope", "openid")
	h.persona.acts(script{RefuseLogout: directory.Denied})
	a := h.logout("id_token_hint", got.IDToken, "post_logout_redirect_uri", bye)
	if a.Status != http.StatusSeeOther || !h.alive() {
		t.Errorf("%s", a)
	}
	one := h.listens(web)
	h.must(h.Maintain(t.Context()))
	if len(one.heard()) > 0 {
		t.Error("a client was told")
	}
}
