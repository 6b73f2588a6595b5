package oidc_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/oidc/resource"
)

func withTokenBinding(c *oidc.Config) {
	c.Features.TokenBinding, c.Features.CORS, c.Features.TokenExchange = &oidc.TokenBinding{}, &oidc.CORS{}, &oidc.TokenExchange{}
}

// The clients whose tokens are bound.
const (
	pane     = "pane"     // a page on the provider's site, by cookie
	lodger   = "lodger"   // by session
	instance = "instance" // by what it calls itself
)

func registerBound(h *harness) {
	h.register(&oidc.Client{ClientID: pane, AuthMethod: oidc.NoAuth, RedirectURIs: []string{callback}, TokenBinding: oidc.BindCookie, AllowedOrigins: []string{shop}})
	h.register(&oidc.Client{ClientID: lodger, RedirectURIs: []string{callback}, TokenBinding: oidc.BindSession})
	h.register(&oidc.Client{
		ClientID: instance, RedirectURIs: []string{callback}, TokenBinding: oidc.BindRequest,
		GrantTypes: []oidc.GrantType{oidc.AuthorizationCode, oidc.RefreshToken, oidc.ClientCredentials},
	})
}

// ask sends a token request of pane from a browser.
func (b *browser) ask(pairs ...string) *answer {
	return b.do(http.MethodPost, pathToken, values(append(pairs, "client_id", pane)...))
}

// signedIn returns a browser in which ann has signed in to pane, and the code.
func (h *harness) signedIn() (*browser, string) {
	b := h.newBrowser()
	return b, b.authorize(authorization(pane)).returned().Get("code")
}

func redeeming(code string) []string {
	return []string{"grant_type", "authorization_code", "code", code, "redirect_uri", callback, "code_verifier", verifier}
}

// about asks for userinfo from a browser.
func (b *browser) about(token string) *answer {
	return b.do(http.MethodGet, pathUserInfo, nil, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
}

// Tokens say what they are bound to, by a name of the client's own (WSO2's binding_type and binding_ref), and are of use in that browser, that
// session and that instance.
func TestTokenBinding(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		registerBound(h)
		b, code := h.signedIn()
		got := h.issued(b.ask(redeeming(code)...))
		again := h.issued(b.ask("grant_type", "refresh_token", "refresh_token", got.RefreshToken))
		first, second := claims(t, got.AccessToken), claims(t, again.AccessToken)
		if first["binding_type"] != "cookie" || first["binding_ref"] == "" || first["binding_ref"] != second["binding_ref"] {
			t.Errorf("bound to %v %v, then %v", first["binding_type"], first["binding_ref"], second["binding_ref"])
		}
		if a := b.about(again.AccessToken); a.Status != http.StatusOK {
			t.Errorf("userinfo in its browser: %s", a)
		}
		own := h.issued(h.token(instance, "grant_type", "client_credentials", "tokenBindingId", "one"))
		other := h.issued(h.token(instance, "grant_type", "client_credentials", "tokenBindingId", "two"))
		if one, two := claims(t, own.AccessToken), claims(t, other.AccessToken); one["binding_type"] != "client-request" || one["binding_ref"] == two["binding_ref"] {
			t.Errorf("instances: %v, %v", one, two)
		}
		if a := h.introspect(instance, own.AccessToken); a.member("binding_type") != "client-request" || a.member("binding_ref") == "" {
			t.Errorf("introspection: %s", a)
		}
		// A script of the page may send the cookie; those of other clients may not.
		a := h.from(shop, http.MethodOptions, pathToken)
		if a.Header.Get("Access-Control-Allow-Credentials") != "true" || a.Header.Get("Access-Control-Allow-Origin") != shop {
			t.Errorf("a preflight: %s", a)
		}
		h.change(lodger, func(c *oidc.Client) { c.AllowedOrigins = []string{"https://lodger.example"} })
		if a := h.from("https://lodger.example", http.MethodOptions, pathToken); a.Header.Get("Access-Control-Allow-Credentials") != "" || a.Header.Get("Access-Control-Allow-Origin") == "" {
			t.Errorf("a preflight of a client without a cookie: %s", a)
		}
	}, withTokenBinding)
}

// The tokens of two devices of one client are bound to two codes, over renewals too.
func TestTokenBindingDevice(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.register(&oidc.Client{ClientID: "player", GrantTypes: []oidc.GrantType{oidc.DeviceCode, oidc.RefreshToken}, TokenBinding: oidc.BindDevice})
		enrol := func() issued {
			d := h.device("player")
			h.allow(d)
			return h.issued(h.poll("player", d.deviceCode))
		}
		first, second := enrol(), enrol()
		one, two := claims(t, first.AccessToken), claims(t, second.AccessToken)
		if one["binding_type"] != "device-flow" || one["binding_ref"] == "" || one["binding_ref"] == two["binding_ref"] {
			t.Errorf("two devices: %v, %v", one, two)
		}
		renewed := claims(t, h.issued(h.refresh("player", first.RefreshToken)).AccessToken)
		if renewed["binding_ref"] != one["binding_ref"] {
			t.Errorf("renewed, it is bound to %v, before to %v", renewed["binding_ref"], one["binding_ref"])
		}
	}, withTokenBinding, withDevices)
}

// Bound tokens in other hands: outside their browser, session or instance they are refused, nothing is used up, and the owner goes on.
func TestAttackBoundTokenElsewhere(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		registerBound(h)
		b, code := h.signedIn()
		thief := h.newBrowser()
		thief.get(pathAuthorize + "?" + authorization(pane).Encode()) // who has a cookie too, of their own
		for name, other := range map[string]*browser{"another browser": thief, "no browser": h.newBrowser()} {
			if a := other.ask(redeeming(code)...); a.errorCode() != "invalid_grant" {
				t.Errorf("the code in %s: %s", name, a)
			}
		}
		got := h.issued(b.ask(redeeming(code)...))
		for name, other := range map[string]*browser{"another browser": thief, "no browser": h.newBrowser()} {
			if a := other.ask("grant_type", "refresh_token", "refresh_token", got.RefreshToken); a.errorCode() != "invalid_grant" {
				t.Errorf("the refresh token in %s: %s", name, a)
			}
			if a := other.about(got.AccessToken); a.Status != http.StatusUnauthorized {
				t.Errorf("userinfo in %s: %s", name, a)
			}
		}
		h.register(&oidc.Client{ClientID: "api", Resources: []string{issuer}, Audience: []string{api}, GrantTypes: []oidc.GrantType{oidc.TokenExchangeGrant}})
		if a := h.exchange("api", got.AccessToken, typeAccess); a.errorCode() != "invalid_request" {
			t.Errorf("exchanged without the cookie: %s", a)
		}
		h.issued(b.ask("grant_type", "refresh_token", "refresh_token", got.RefreshToken))

		code = h.code(instance)
		for _, id := range []string{"", string(make([]byte, 300))} {
			if a := h.redeem(instance, code, "tokenBindingId", id); a.errorCode() != "invalid_request" {
				t.Errorf("an instance called %q: %s", id, a)
			}
		}
		mine := h.issued(h.redeem(instance, code, "tokenBindingId", "one"))
		for _, id := range []string{"two", ""} {
			if a := h.refresh(instance, mine.RefreshToken, "tokenBindingId", id); a.errorCode() != "invalid_grant" {
				t.Errorf("refreshed as %q: %s", id, a)
			}
		}
		h.issued(h.refresh(instance, mine.RefreshToken, "tokenBindingId", "one"))

		lodged := h.tokens(lodger, "scope", "openid offline_access")
		h.must(h.people.Sessions.End(t.Context(), h.persona.lastSession().Ref(), "logout"))
		if a := h.refresh(lodger, lodged.RefreshToken); a.errorCode() != "invalid_grant" {
			t.Errorf("after the session: %s", a)
		}
		if a := h.introspect(lodger, lodged.AccessToken); a.active() {
			t.Errorf("after the session: %s", a)
		}
	}, withTokenBinding)
}

// What a client may be bound to, by what it is registered for.
func TestTokenBindingSettings(t *testing.T) {
	t.Parallel()
	h := together(t, withTokenBinding, withDevices, legacy)
	person := []oidc.GrantType{oidc.AuthorizationCode}
	for name, c := range map[string]*oidc.Client{
		"unknown":               {TokenBinding: "ribbon"},
		"cookie and exchange":   {TokenBinding: oidc.BindCookie, GrantTypes: append(person, oidc.TokenExchangeGrant)},
		"session and exchange":  {TokenBinding: oidc.BindSession, GrantTypes: append(person, oidc.TokenExchangeGrant)},
		"device and code":       {TokenBinding: oidc.BindDevice, GrantTypes: append(person, oidc.DeviceCode)},
		"instance and implicit": {TokenBinding: oidc.BindRequest, GrantTypes: append(person, oidc.Implicit), ResponseTypes: []string{"code", "id_token"}},
	} {
		c.RedirectURIs = []string{callback}
		if _, err := h.Clients.Create(t.Context(), name, c); !slices.Equal(fields(err), []string{"token_binding"}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := together(t).Clients.Create(t.Context(), "", &oidc.Client{TokenBinding: oidc.BindCookie, RedirectURIs: []string{callback}}); !slices.Equal(fields(err), []string{"token_binding"}) {
		t.Errorf("without the feature: %v", err)
	}
}

// TestTokenBindingFaults breaks the store under tokens that are bound to a browser: nothing is used up.
func TestTokenBindingFaults(t *testing.T) {
	t.Parallel()
	faults(t, []door{{name: "bound code", done: gotTokens, lost: func(a *answer) bool { return a.errorCode() == "invalid_grant" }, open: func(h *harness) attempt {
		registerBound(h)
		b, code := h.signedIn()
		return attempt{send: func() *answer { return b.ask(redeeming(code)...) }}
	}}}, withTokenBinding)
}

// An API in the same program and on the host of the issuer takes a token that is bound to a browser from that browser alone; to one on another
// host no browser sends the cookie.
func TestAttackBoundTokenAtAnAPI(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		registerBound(h)
		here := issuer + "/api"
		h.change(pane, func(c *oidc.Client) { c.Audience = []string{here, api} })
		call := func(identifier string, b *browser, token string) int {
			g, err := resource.New(resource.Config{Resource: identifier, Issuers: []string{h.issuer}, Verifier: h.Provider, Now: h.clock.Now})
			h.must(err)
			r := h.request(http.MethodGet, identifier+"/orders", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			for _, c := range b.jar.Cookies(r.URL) {
				r.AddCookie(c)
			}
			w := httptest.NewRecorder()
			g.Protect()(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
			return w.Code
		}
		b, code := h.signedIn()
		token := h.issued(b.ask(redeeming(code)...)).AccessToken
		if got := call(here, b, token); got != http.StatusOK {
			t.Errorf("in its browser: %d", got)
		}
		thief := h.newBrowser()
		thief.get(pathAuthorize + "?" + authorization(pane).Encode())
		for name, other := range map[string]*browser{"none": h.newBrowser(), "another": thief} {
			if got := call(here, other, token); got != http.StatusUnauthorized {
				t.Errorf("browser: %s: %d", name, got)
			}
		}
		if got := call(api, thief, token); got != http.StatusOK {
			t.Errorf("on a host that sees no cookie: %d", got)
		}
		if got := call(api, thief, token+"x"); got != http.StatusUnauthorized {
			t.Errorf("another token: %d", got)
		}
	}, withTokenBinding)
}
