package oidc_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

func digestOf(value string) string { return secret.Hash(value) }

// alive reports whether the session that was used last has not ended.
func (h *harness) alive() bool {
	h.tb.Helper()
	s, err := h.people.Sessions.Get(h.tb.Context(), h.persona.lastSession().Ref())
	h.must(err)
	return s.Status == directory.Active
}

// Logout CSRF (dex#4734, dex#4945; OpenID Connect RP-Initiated Logout §2, §6): a request ends nothing by itself. The person is
// asked first, whoever made the browser come here, and may stay.
func TestAttackLogoutCSRF(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		got := h.tokens(web, "scope", "openid")
		for name, pairs := range map[string][]string{
			"nothing":                     nil,
			"client":                      {"client_id", web},
			"client and URI":              {"client_id", web, "post_logout_redirect_uri", bye},
			"hint":                        {"id_token_hint", got.IDToken},
			"hint, URI and hidden intent": {"id_token_hint", got.IDToken, "post_logout_redirect_uri", bye, "logout_hint", ann, "prompt", "none"},
		} {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodHead} {
				h.persona.acts(script{Page: true, RefuseLogout: directory.Denied})
				b := h.newBrowser()
				path, form := pathLogout+"?"+values(pairs...).Encode(), url.Values(nil)
				if method == http.MethodPost {
					path, form = pathLogout, values(pairs...)
				}
				a := b.do(method, path, form)
				if a.Status != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), pathLogout+"/resume?id=") {
					t.Fatalf("%s by %s: %s", name, method, a)
				}
				asked := len(h.persona.interactions())
				a = b.get(a.Header.Get("Location")) // the page
				if in := h.persona.lastInteraction(); len(h.persona.interactions()) != asked+1 || in.Purpose != directory.SignOut {
					t.Errorf("%s by %s: nobody was asked", name, method)
				}
				if !h.alive() {
					t.Fatalf("%s by %s ended the session before anybody answered", name, method)
				}
				b.follow(a) // the person stays
				if !h.alive() {
					t.Fatalf("%s by %s ended the session of a person who stays", name, method)
				}
			}
		}
		if a := h.userInfo(got.AccessToken); a.Status != http.StatusOK {
			t.Errorf("the tokens: %s", a)
		}
	})
}

// id_token_hint replay: the hint says which session is meant, and a hint of another session or person never ends the one that
// the browser has, nor the other way round: what ends is what the flow says the person confirmed.
func TestAttackLogoutHintOfAnotherSession(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		stolen := h.tokens(web, "scope", "openid")
		victims := h.persona.lastSession()
		h.persona.acts(script{User: bob})
		own := h.tokens(web, "scope", "openid")
		b := h.newBrowser()
		b.follow(b.get(pathLogout + "?" + values("id_token_hint", stolen.IDToken).Encode()))
		if in := h.persona.lastInteraction(); in.Session != victims.Ref() {
			t.Errorf("the flow was not told whose session the hint names: %+v", in)
		}
		if s, err := h.people.Sessions.Get(t.Context(), victims.Ref()); err != nil || s.Status != directory.Active {
			t.Errorf("the session of the stolen hint: %v %v", s, err)
		}
		if a := h.userInfo(stolen.AccessToken); a.Status != http.StatusOK {
			t.Errorf("the victim's token: %s", a)
		}
		if a := h.userInfo(own.AccessToken); a.Status != http.StatusUnauthorized {
			t.Errorf("the token of the session that was confirmed: %s", a)
		}
	})
}

// Logout with somebody else's hint, client or URI (RP-Initiated Logout §2, §3): refused on a page.
func TestAttackLogoutRequestRefused(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		hint := h.tokens(web).IDToken
		for name, pairs := range map[string][]string{
			"hint of another client":       {"id_token_hint", hint, "client_id", mail},
			"hint of another client, URI":  {"id_token_hint", hint, "client_id", mail, "post_logout_redirect_uri", bye},
			"URI without a client":         {"post_logout_redirect_uri", bye},
			"URI that is not registered":   {"id_token_hint", hint, "post_logout_redirect_uri", "https://evil.example/"},
			"redirect URI of sign-in":      {"id_token_hint", hint, "post_logout_redirect_uri", callback},
			"unknown client":               {"client_id", "nobody", "post_logout_redirect_uri", bye},
			"client without such URIs":     {"client_id", robot, "post_logout_redirect_uri", bye},
			"URI with more behind it":      {"client_id", web, "post_logout_redirect_uri", bye + "?x"},
			"javascript":                   {"client_id", web, "post_logout_redirect_uri", "javascript:alert(1)"},
			"a hint that is no token":      {"id_token_hint", "x.y.z", "client_id", web},
			"a refresh token for the hint": {"id_token_hint", h.tokens(web).RefreshToken},
		} {
			h.demandStays(h.newBrowser().get(pathLogout+"?"+values(pairs...).Encode()), name)
			h.demandStays(h.newBrowser().do(http.MethodPost, pathLogout, values(pairs...)), name)
		}
		twice := pathLogout + "?" + values("client_id", web, "post_logout_redirect_uri", bye).Encode() + "&post_logout_redirect_uri=https://evil.example"
		h.demandStays(h.newBrowser().get(twice), "URI twice")
		if !h.alive() {
			t.Error("a session ended")
		}
	})
}

// A logout that another browser began cannot be answered here, and one that came by a cross-site POST binds to the first
// browser that follows it.
func TestAttackLogoutOfAnotherBrowser(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.tokens(web)
		leave := h.newBrowser().get(pathLogout).Header.Get("Location")
		asked := len(h.persona.interactions())
		for name, a := range map[string]*answer{
			"another browser": h.newBrowser().get(leave), "unknown id": h.newBrowser().get(pathLogout + "/resume?id=x"), "no id": h.newBrowser().get(pathLogout + "/resume"),
		} {
			h.demandStays(a, name)
		}
		b := h.newBrowser()
		leave = b.do(http.MethodPost, pathLogout, values("client_id", web)).Header.Get("Location")
		if len(h.persona.interactions()) != asked || !h.alive() {
			t.Fatal("a foreign logout went on")
		}
		a := b.get(leave)
		if a.Status != http.StatusOK || h.alive() {
			t.Errorf("the browser itself: %s", a)
		}
		if a.Header.Get("X-Frame-Options") != "DENY" || !strings.Contains(a.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("the last page can be framed: %v", a.Header)
		}
		h.demandStays(h.newBrowser().get(leave), "another browser after a POST")
	})
}

// end_session never reports success when ending the session failed: the answer is 503, without a redirect, and doing it again
// completes it.
func TestAttackLogoutThatFails(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		t.Parallel()
		var fail bool
		var h *harness
		h = newHarness(t, p, func(c *oidc.Config) {
			c.EndSession = func(_ http.ResponseWriter, r *http.Request, session store.Ref, reason string) error {
				if fail {
					return errors.New("the session store is down")
				}
				return h.people.Sessions.End(r.Context(), session, reason)
			}
		})
		got := h.tokens(web, "scope", "openid")
		for _, pairs := range [][]string{{"id_token_hint", got.IDToken, "post_logout_redirect_uri", bye, "state", "s"}, {"id_token_hint", got.IDToken}} {
			fail = true
			b := h.newBrowser()
			leave := b.get(pathLogout + "?" + values(pairs...).Encode()).Header.Get("Location")
			a := b.get(leave)
			if a.Status != http.StatusServiceUnavailable || a.Header.Get("Location") != "" || strings.Contains(a.Body, "logged_out") || !h.alive() {
				t.Errorf("ending failed: %s", a)
			}
			fail = false
			if len(pairs) == 2 {
				break
			}
			a = b.get(leave)
			if a.Status != http.StatusSeeOther || a.Header.Get("Location") != bye+"?state=s" || h.alive() {
				t.Errorf("again: %s", a)
			}
			h.demandDead(web, got)
			got = h.tokens(web, "scope", "openid")
		}
		// The same when the store fails at any of its calls.
		for n := 1; n < 40; n++ {
			b := h.newBrowser()
			leave := b.get(pathLogout + "?" + values("id_token_hint", got.IDToken, "post_logout_redirect_uri", bye).Encode()).Header.Get("Location")
			h.faults.Forget()
			h.faults.FailCall(n, nil)
			a := b.get(leave)
			calls := len(h.faults.Calls())
			h.faults.Heal()
			if calls < n {
				return
			}
			if a.Status != http.StatusServiceUnavailable || a.Header.Get("Location") != "" {
				t.Errorf("call %d of the store failed: %s", n, a)
			}
		}
		t.Error("a logout never ends")
	})
}
