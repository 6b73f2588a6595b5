package rp_test

import (
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc/rp"
)

// native is a login by an app of one of the clients, which brings an ID token by itself; none are those of "client".
func (u *upstream) native(r rp.Request, clients ...string) (*rp.Identity, error) {
	u.Helper()
	if clients == nil {
		clients = []string{"client"}
	}
	p := u.provider()
	pending := p.BeginNative(r)
	u.asked.Set("nonce", pending.Nonce)
	return p.FinishNative(u.Context(), pending, clients, u.idToken(), "the access token")
}

// An app brings an ID token that is for it or for the host's server, with an access token or without, and nothing else is asked of the provider.
func TestNative(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		aud any
		azp string
		ok  bool
	}{
		"for the app":                             {"android", "", true},
		"for the app, to the app":                 {"android", "android", true},
		"for the server, to the app":              {"server", "android", true},
		"for both":                                {[]string{"server", "android"}, "android", true},
		"for both, to nobody":                     {[]string{"server", "android"}, "", false},
		"for another client of the provider":      {"evil", "evil", false},
		"for the server, to somebody else":        {"server", "evil", false},
		"for somebody else, to the app":           {"evil", "android", false},
		"for others too":                          {[]string{"server", "evil"}, "android", false},
		"for the client of the browser, unlisted": {"client", "client", false},
	} {
		u := newUpstream(t)
		u.asked = map[string][]string{}
		u.claims["aud"] = test.aud
		if test.azp != "" {
			u.claims["azp"] = test.azp
		}
		id, err := u.native(rp.Request{}, "server", "android")
		switch {
		case !test.ok:
			u.refused(id, err)
		case err != nil || id.Subject != "248289761001" || id.Issuer != u.URL || id.Token != nil:
			t.Errorf("%s: %+v, %v", name, id, err)
		case u.fetched("/userinfo")+u.fetched("/token") != 0:
			t.Errorf("%s: the provider is asked more than for its keys", name)
		}
	}
}

// A token is good for the login that has made its nonce, while that lasts, and neither half of a login of a browser is one.
func TestAttackNativeReplay(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.asked = map[string][]string{}
	p := u.provider()
	finish := func(pending rp.Pending, token string) (*rp.Identity, error) {
		return p.FinishNative(t.Context(), pending, []string{"client"}, token, "")
	}
	one, two := p.BeginNative(rp.Request{}), p.BeginNative(rp.Request{})
	if one.Nonce == two.Nonce || len(one.Nonce) < 43 {
		t.Errorf("nonces %q and %q", one.Nonce, two.Nonce)
	}
	u.asked.Set("nonce", one.Nonce)
	token := u.idToken()
	u.refused(finish(two, token))
	u.refused(finish(rp.Pending{Issuer: u.URL, Began: u.Now()}, token)) // without a nonce
	elsewhere := one
	elsewhere.Issuer = "https://other.example"
	u.refused(finish(elsewhere, token))
	u.refused(p.FinishNative(t.Context(), one, nil, token, ""))
	u.refused(finish(one, ""))
	u.refused(p.Finish(t.Context(), one, map[string][]string{"code": {"x"}, "state": {""}, "iss": {u.URL}}))
	browser := u.begin(p, rp.Request{})
	u.refused(finish(browser, u.idToken()))
	if _, err := finish(one, token); err != nil {
		t.Errorf("its own: %v", err)
	}
	u.advance(61 * time.Minute)
	u.asked.Set("nonce", one.Nonce)
	u.refused(finish(one, u.idToken()))
}
