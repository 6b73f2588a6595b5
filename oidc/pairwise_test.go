package oidc_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
)

func pairwise(c *oidc.Config) { c.Features.PairwiseSubjects = &oidc.PairwiseSubjects{} }

// pair registers two pairwise clients of one sector and one of another.
func pair(h *harness) {
	for id, uri := range map[string]string{"left": "https://shop.example/cb", "right": "https://shop.example/other", "far": "https://far.example/cb"} {
		h.register(&oidc.Client{ClientID: id, RedirectURIs: []string{uri}, SubjectType: "pairwise"})
	}
}

// pairTokens signs somebody in to one of them.
func (h *harness) pairTokens(clientID string, pairs ...string) issued {
	h.tb.Helper()
	uri := h.client(clientID).RedirectURIs[0]
	code := h.code(clientID, append([]string{"redirect_uri", uri}, pairs...)...)
	return h.issued(h.redeem(clientID, code, "redirect_uri", uri))
}

// A person has one name in each sector, everywhere in it and for ever, and none that says who they are elsewhere (OpenID Connect
// Core §8.1).
func TestPairwiseSubjects(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		pair(h)
		left, right, far := h.pairTokens("left"), h.pairTokens("right"), h.pairTokens("far")
		name := claims(t, left.IDToken)["sub"]
		if name == h.subject(ann).ID || name == claims(t, far.IDToken)["sub"] || name == "" {
			t.Errorf("the sectors know ann as %v and %v", name, claims(t, far.IDToken)["sub"])
		}
		if claims(t, right.IDToken)["sub"] != name {
			t.Error("two clients of one sector know different names")
		}
		renewed := h.issued(h.refresh("left", left.RefreshToken))
		for what, got := range map[string]any{
			"access token": claims(t, left.AccessToken)["sub"], "refreshed": claims(t, renewed.IDToken)["sub"],
			"userinfo": h.userInfo(left.AccessToken).member("sub"), "introspection": h.introspect("left", left.AccessToken).member("sub"),
			"refresh token": h.introspect("left", renewed.RefreshToken).member("sub"),
		} {
			if got != name {
				t.Errorf("%s: sub is %v, want %v", what, got, name)
			}
		}
		h.persona.acts(script{User: bob})
		if claims(t, h.pairTokens("left").IDToken)["sub"] == name {
			t.Error("two people have one name")
		}
	}, pairwise)
}

// What the client says about whom it wants is said in its sector's names (OpenID Connect Core §3.1.2.1, §5.5.1).
func TestPairwiseHints(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		pair(h)
		left, far := h.pairTokens("left"), h.pairTokens("far")
		name := fmt.Sprint(claims(t, left.IDToken)["sub"])
		uri := h.client("left").RedirectURIs[0]
		ask := func(pairs ...string) *answer {
			return h.newBrowser().authorize(authorization("left", append([]string{"redirect_uri", uri}, pairs...)...))
		}
		for _, hint := range []string{left.IDToken, far.IDToken} { // an ID token says whose name is in it
			if a := ask("id_token_hint", hint); a.returned().Get("code") == "" || h.persona.lastInteraction().HintSubject != h.subject(ann).ID {
				t.Errorf("with a hint: %v", a)
			}
		}
		sub := func(value string) string { return `{"id_token":{"sub":{"value":"` + value + `"}}}` }
		if a := ask("claims", sub(name)); a.returned().Get("code") == "" {
			t.Errorf("with claims: %v", a)
		}
		for _, other := range []string{h.subject(ann).ID, fmt.Sprint(claims(t, far.IDToken)["sub"]), "AAAAAAAAAAAAAAAAAAAAAA", "x"} {
			if a := ask("claims", sub(other)); a.errorCode() != "login_required" {
				t.Errorf("a name of another sector is known here: %v", a)
			}
		}
	}, pairwise)
}

// The salt is made once, whoever asks first, and a store that fails makes no other.
func TestPairwiseSalt(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		pair(h)
		var codes []string
		uri := h.client("left").RedirectURIs[0]
		for range 8 {
			codes = append(codes, h.code("left", "redirect_uri", uri))
		}
		names := make(chan any, len(codes))
		for _, code := range codes {
			go func() {
				names <- claims(t, h.issued(h.redeem("left", code, "redirect_uri", uri)).IDToken)["sub"]
			}()
		}
		first := <-names
		for range len(codes) - 1 {
			if got := <-names; got != first {
				t.Errorf("sub is %v and %v", first, got)
			}
		}
	}, pairwise)
}

// sectorHost serves sector documents at https://sector.example.
func sectorHost(t *testing.T, documents map[string]string) func(*oidc.Config) {
	t.Helper()
	site := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		document, ok := documents[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(document))
	}))
	site.StartTLS()
	t.Cleanup(site.Close)
	roots := x509.NewCertPool()
	roots.AddCert(site.Certificate())
	return func(c *oidc.Config) {
		pairwise(c)
		c.Outbound = oidc.Outbound{
			RootCAs: roots,
			Resolve: func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("93.184.216.34")}, nil
			},
			Dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp", site.Listener.Addr().String())
			},
		}
	}
}

// A sector is proven by its document, which lists every redirect URI (OpenID Connect Registration §5, Core §8.1).
func TestAttackSector(t *testing.T) {
	t.Parallel()
	uris := []string{"https://one.example.com/cb", "https://two.example.com/cb"}
	h := together(t, sectorHost(t, map[string]string{
		"/good": `["https://one.example.com/cb","https://two.example.com/cb"]`, "/bad": `["https://one.example.com/cb"]`, "/object": `{}`,
	}))
	h.clock.advance(time.Since(h.clock.Now())) // certificates are judged by the same clock
	for uri, want := range map[string][]string{
		"https://example.com/good": nil,
		"":                         {"sector_identifier_uri"}, "https://example.com/bad": {"sector_identifier_uri"},
		"https://example.com/object": {"sector_identifier_uri"}, "https://example.com/none": {"sector_identifier_uri"},
		"http://example.com/good": {"sector_identifier_uri"}, "https://127.0.0.1/good": {"sector_identifier_uri"},
	} {
		_, err := h.Clients.Create(t.Context(), "", &oidc.Client{RedirectURIs: uris, SubjectType: "pairwise", SectorIdentifierURI: uri})
		if got := fields(err); !slices.Equal(slices.Compact(got), want) {
			t.Errorf("%q: problems with %v, want %v (%v)", uri, got, want, err)
		}
	}
}

// pairwiseDoors are the requests that need the salt: the first of all makes it, and a provider that has it reads it no more.
func pairwiseDoors() []door {
	named := func(h *harness) (code, uri string) {
		pair(h)
		uri = h.client("left").RedirectURIs[0]
		return h.code("left", "redirect_uri", uri), uri
	}
	another := func(h *harness) func(a *answer) bool { // than the id by which everybody knows ann
		return func(a *answer) bool { return a.member("sub") != "" && a.member("sub") != h.subject(ann).ID }
	}
	return []door{
		{name: "code of the first pairwise client", config: pairwise, done: gotTokens, lost: refusedWith("invalid_grant"), open: func(h *harness) attempt {
			code, uri := named(h)
			first := ""
			return attempt{func() *answer {
				a := h.redeem("left", code, "redirect_uri", uri)
				if a.Status == http.StatusOK {
					first = fmt.Sprint(claims(h.tb, a.member("id_token"))["sub"])
				}
				return a
			}, func(t *testing.T) {
				name := fmt.Sprint(claims(t, h.pairTokens("right").IDToken)["sub"])
				if first != "" && first != name || name == h.subject(ann).ID {
					t.Errorf("the name was %q, and is %q: there are two salts", first, name)
				}
			}}
		}},
		{name: "refresh of a pairwise client", config: pairwise, done: gotTokens, open: func(h *harness) attempt {
			code, uri := named(h)
			token := h.issued(h.redeem("left", code, "redirect_uri", uri)).RefreshToken
			return attempt{send: func() *answer { return h.refresh("left", token) }}
		}},
		{name: "claims of the first pairwise client", config: pairwise, done: func(a *answer) bool { return a.errorCode() == "login_required" }, open: func(h *harness) attempt {
			pair(h)
			b := h.newBrowser()
			request := authorization("left", "redirect_uri", h.client("left").RedirectURIs[0], "claims", `{"id_token":{"sub":{"value":"AAAAAAAAAAAAAAAAAAAAAA"}}}`)
			return attempt{send: func() *answer { return b.get(pathAuthorize + "?" + request.Encode()) }}
		}},
		{name: "pairwise userinfo and introspection", config: pairwise, done: gotOK, open: func(h *harness) attempt {
			code, uri := named(h)
			token := h.issued(h.redeem("left", code, "redirect_uri", uri)).AccessToken
			other := another(h)
			return attempt{func() *answer { return h.userInfo(token) }, func(t *testing.T) {
				if a := h.introspect("left", token); !other(a) || !other(h.userInfo(token)) {
					t.Errorf("the client knows ann as everybody does: %s", a)
				}
			}}
		}},
	}
}

// Two sectors learn from nothing that is said of a session that it is one person's, and what a client says of it is understood all the
// same (OpenID Connect Core §8.1, Back-Channel Logout §2.4, RP-Initiated Logout §2).
func TestAttackPairwiseSessionsCompared(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		pair(h)
		ear := h.listens("left")
		left := h.pairTokens("left")
		session := h.persona.lastSession()
		h.persona.acts(script{Session: session})
		right, far := h.pairTokens("right"), h.pairTokens("far")
		sid := claims(t, left.IDToken)["sid"]
		if sid == nil || sid == session.ID || sid == claims(t, far.IDToken)["sid"] || sid != claims(t, right.IDToken)["sid"] {
			t.Errorf("of session %s: %v, %v, %v", session.ID, sid, claims(t, right.IDToken)["sid"], claims(t, far.IDToken)["sid"])
		}
		h.logout("id_token_hint", left.IDToken)
		if got := h.persona.lastInteraction().Session.ID; got != session.ID {
			t.Errorf("the hint means the session %q", got)
		}
		h.must(h.Maintain(t.Context()))
		heard := ear.heard()
		if len(heard) != 1 {
			t.Fatalf("told %d times", len(heard))
		}
		if token := h.openLogoutToken(heard[0], "RS256"); token.SID != sid || token.Sub != claims(t, left.IDToken)["sub"] {
			t.Errorf("the logout token says %+v", token)
		}
	}, pairwise, withLogout)
}

// Whoever registers as somebody of another's sector gets no names that are known there: where tokens come otherwise than by redirect
// URIs, the keys by which the client authenticates must be published in the sector (CIBA Core §4, OpenID Connect Core §8.1).
func TestAttackSectorClaimed(t *testing.T) {
	t.Parallel()
	h := together(t, pairwise, openly, func(c *oidc.Config) {
		c.Features.Device, c.Features.ClientAssertions = &oidc.Device{}, &oidc.ClientAssertions{}
	})
	const device = `"subject_type":"pairwise","grant_types":["urn:ietf:params:oauth:grant-type:device_code"]`
	for document, taken := range map[string]bool{
		`{` + device + `,"redirect_uris":["https://shop.example/cb"]}`:                                                                                       false,
		`{` + device + `,"jwks_uri":"https://shop.example/jwks"}`:                                                                                            false,
		`{` + device + `,"jwks_uri":"https://evil.example/jwks","token_endpoint_auth_method":"private_key_jwt","redirect_uris":["https://shop.example/cb"]}`: false,
		`{` + device + `,"jwks_uri":"https://shop.example/jwks","token_endpoint_auth_method":"private_key_jwt"}`:                                             true,
		`{"subject_type":"pairwise","redirect_uris":["https://shop.example/cb"]}`:                                                                            true,
		`{"grant_types":["urn:ietf:params:oauth:grant-type:device_code"],"redirect_uris":["https://shop.example/cb"]}`:                                       true,
	} {
		if a := h.manage(http.MethodPost, pathRegister, "", document); (a.Status == http.StatusCreated) != taken {
			t.Errorf("%s: %s", document, a)
		}
	}
}

// Loopback is nobody's sector: applications on one machine would know people by one name (OpenID Connect Core §8.1, Registration §5).
func TestAttackLoopbackSector(t *testing.T) {
	t.Parallel()
	h := together(t, pairwise)
	for _, uri := range []string{"http://127.0.0.1/cb", "http://[::1]/cb", "http://localhost/cb"} {
		_, err := h.Clients.Create(t.Context(), "", &oidc.Client{AuthMethod: oidc.NoAuth, RedirectURIs: []string{uri}, SubjectType: "pairwise"})
		if got := fields(err); !slices.Equal(got, []string{"sector_identifier_uri"}) {
			t.Errorf("%s: problems with %v", uri, got)
		}
	}
}

// A client that is pairwise still, when the feature is off, is given nobody's true id: nothing is issued to it, and nothing used up
// (OpenID Connect Core §8.1).
func TestAttackPairwiseTurnedOff(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		pair(h)
		uri, held := h.client("left").RedirectURIs[0], h.pairTokens("left")
		code := h.code("left", "redirect_uri", uri)
		off, err := oidc.New(oidc.Config{Issuer: issuer, DB: h.db, Directory: h.people, Keys: staticKeys{}, Interact: h.persona.Interact})
		h.must(err)
		on := h.Provider
		h.Provider = off
		for name, a := range map[string]*answer{
			"code": h.redeem("left", code, "redirect_uri", uri), "refresh": h.refresh("left", held.RefreshToken),
			"introspection": h.introspect("left", held.RefreshToken),
		} {
			if a.Status != http.StatusServiceUnavailable || strings.Contains(a.Body, h.subject(ann).ID) {
				t.Errorf("%s: %s", name, a)
			}
		}
		request := values("id_token_hint", held.IDToken, "post_logout_redirect_uri", bye)
		if a := h.newBrowser().get(pathLogout + "?" + request.Encode()); a.Status != http.StatusBadRequest && a.Status != http.StatusServiceUnavailable {
			t.Errorf("a hint: %s", a)
		}
		if a := h.newBrowser().authorize(authorization("left", "redirect_uri", uri, "id_token_hint", held.IDToken)); a.Status != http.StatusServiceUnavailable {
			t.Errorf("a sign-in with a hint: %s", a)
		}
		h.Provider = on
		if got := h.issued(h.redeem("left", code, "redirect_uri", uri)); claims(t, got.IDToken)["sub"] != claims(t, held.IDToken)["sub"] {
			t.Error("the name has changed")
		}
	}, pairwise)
}

// Whoever acted for a client of one sector is known to those of another by the name of theirs (OpenID Connect Core §8.1, RFC 8693 §4.1).
func TestAttackActorsAcrossSectors(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for id, host := range map[string]string{"left": "shop.example", "far": "far.example"} {
			h.register(&oidc.Client{
				ClientID: id, RedirectURIs: []string{"https://" + host + "/cb"}, SubjectType: "pairwise", Resources: []string{api}, Audience: []string{api},
				GrantTypes: []oidc.GrantType{oidc.AuthorizationCode, oidc.TokenExchangeGrant},
			})
		}
		subject := h.pairTokens("left", "scope", "openid")
		h.persona.acts(script{User: bob})
		actor := map[string]issued{"left": h.pairTokens("left", "scope", "openid"), "far": h.pairTokens("far", "scope", "openid")}
		name := func(clientID string) any { return claims(t, actor[clientID].IDToken)["sub"] }
		first := h.issued(h.exchange("left", subject.AccessToken, typeAccess, "actor_token", actor["left"].IDToken, "actor_token_type", typeID))
		if act, _ := claims(t, first.AccessToken)["act"].(map[string]any); act["sub"] != name("left") {
			t.Errorf("in the first sector: %v", act)
		}
		next := h.issued(h.exchange("far", first.AccessToken, typeAccess))
		if act, _ := claims(t, next.AccessToken)["act"].(map[string]any); act["sub"] != name("far") || act["sub"] == name("left") {
			t.Errorf("in the other sector: %v", act)
		}
		machine := h.issued(h.exchange("far", next.AccessToken, typeAccess, "actor_token", actor["far"].IDToken, "actor_token_type", typeID))
		if act, _ := claims(t, machine.AccessToken)["act"].(map[string]any); act["sub"] != name("far") || act["act"] != nil {
			t.Errorf("who acts already is nested again: %v", act)
		}
	}, pairwise, exchanging())
}
