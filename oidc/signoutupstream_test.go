package oidc_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// leaving is who signs people out upstream, and what it was told.
type leaving struct {
	to    string
	err   error
	next  []string
	alive bool // whether a session that it was told of had not ended
}

func withUpstream(l *leaving, h **harness) func(*oidc.Config) {
	return func(c *oidc.Config) {
		c.SignOutUpstream = func(_ http.ResponseWriter, _ *http.Request, session store.Ref, next string) (string, error) {
			l.next = append(l.next, next)
			l.alive = l.alive || session != (*h).persona.lastSession().Ref() || (*h).alive()
			return l.to, l.err
		}
	}
}

// The browser goes upstream once the session has ended, from a page of its own, with what the client has registered as where to go on to, and nothing
// else; without a place upstream, the logout goes on as ever.
func TestSignOutUpstream(t *testing.T) {
	t.Parallel()
	l := &leaving{}
	var h *harness
	h = together(t, withUpstream(l, &h))
	for _, c := range []struct {
		to, uri, state, next string
		status               int
	}{
		{"https://up.example/logout?state=x&client_id=c", bye, "s", bye + "?state=s", http.StatusOK},
		{"https://up.example/logout", "", "s", "", http.StatusOK},
		{"", bye, "s", bye + "?state=s", http.StatusSeeOther},
		{"", "", "s", "", http.StatusOK},
	} {
		l.to, l.next = c.to, nil
		pairs := []string{"id_token_hint", h.tokens(web, "scope", "openid").IDToken, "state", c.state}
		if c.uri != "" {
			pairs = append(pairs, "post_logout_redirect_uri", c.uri)
		}
		a := h.logout(pairs...)
		if a.Status != c.status || l.alive || h.alive() || len(l.next) != 1 || l.next[0] != c.next {
			t.Errorf("%+v: next %q, %s", c, l.next, a)
		}
		if want := a.Header.Get("Refresh"); (c.to != "") != strings.HasSuffix(want, ";url="+c.to) || (c.to == "") != (want == "") {
			t.Errorf("%+v: Refresh %q", c, want)
		}
		if c.to != "" && strings.Contains(a.Body, `id="logged_out"`) {
			t.Errorf("%+v: says so before it is: %s", c, a)
		}
	}
}

// A logout that cannot tell where to go is no success, and who stays signed in goes nowhere.
func TestAttackSignOutUpstreamThatFails(t *testing.T) {
	t.Parallel()
	l := &leaving{to: "https://up.example/logout", err: errors.New("the store is away")}
	var h *harness
	h = together(t, withUpstream(l, &h))
	a := h.logout("id_token_hint", h.tokens(web, "scope", "openid").IDToken, "post_logout_redirect_uri", bye)
	if a.Status != http.StatusServiceUnavailable || a.Header.Get("Location") != "" || a.Header.Get("Refresh") != "" {
		t.Errorf("%s", a)
	}
	l.err, l.next = nil, nil
	got := h.tokens(web, "scope", "openid")
	h.persona.acts(script{RefuseLogout: directory.Denied})
	if a = h.logout("id_token_hint", got.IDToken, "post_logout_redirect_uri", bye); len(l.next) > 0 || a.Header.Get("Refresh") != "" || !h.alive() {
		t.Errorf("who stays: %s", a)
	}
}
