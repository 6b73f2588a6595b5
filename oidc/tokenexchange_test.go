package oidc_test

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// The world of exchanges: front signs people in for api; broker is api, and calls orders in their name; stranger is nobody to both.
const (
	front    = "front"
	broker   = "broker"
	stranger = "stranger"
	orders   = "https://orders.example"

	exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeAccess    = "urn:ietf:params:oauth:token-type:access_token"
	typeRefresh   = "urn:ietf:params:oauth:token-type:refresh_token"
	typeID        = "urn:ietf:params:oauth:token-type:id_token"
	typeJWT       = "urn:ietf:params:oauth:token-type:jwt"
)

// exchangeClients are the clients of that world.
func exchangeClients() []*oidc.Client {
	person := []oidc.GrantType{oidc.AuthorizationCode, oidc.RefreshToken, oidc.TokenExchangeGrant}
	return []*oidc.Client{
		{
			ClientID: front, RedirectURIs: []string{callback}, Audience: []string{api}, GrantTypes: person,
			Scopes: []string{"openid", "profile", "offline_access", "read", "write"},
		},
		{
			ClientID: broker, Resources: []string{api}, Audience: []string{orders}, Scopes: []string{"openid", "read", "ship"},
			GrantTypes: []oidc.GrantType{oidc.TokenExchangeGrant, oidc.ClientCredentials, oidc.RefreshToken},
		},
		{ClientID: stranger, Audience: []string{orders}, GrantTypes: []oidc.GrantType{oidc.TokenExchangeGrant, oidc.ClientCredentials}},
	}
}

// exchanging opens token exchange, with a trusted issuer.
func exchanging(edit ...func(*oidc.TokenExchange)) func(*oidc.Config) {
	return func(c *oidc.Config) {
		f := &oidc.TokenExchange{Issuers: []oidc.TrustedIssuer{otherIssuer()}}
		for _, e := range edit {
			e(f)
		}
		c.Features.TokenExchange = f
	}
}

// registerExchange registers the clients of that world.
func (h *harness) registerExchange() *harness {
	for _, c := range exchangeClients() {
		h.register(c)
	}
	return h
}

// exchangesIn runs test over both placements.
func exchangesIn(t *testing.T, test func(t *testing.T, h *harness), edit ...func(*oidc.TokenExchange)) {
	t.Helper()
	placements(t, func(t *testing.T, h *harness) { test(t, h.registerExchange()) }, exchanging(edit...))
}

// exchange sends a token exchange as the client.
func (h *harness) exchange(clientID, token, typ string, pairs ...string) *answer {
	form := values("grant_type", exchangeGrant, "subject_token", token, "subject_token_type", typ)
	override(form, pairs)
	return h.post(pathToken, clientID, form)
}

// fronts are tokens of ann at front, with the scopes read and write.
func (h *harness) fronts(pairs ...string) issued {
	h.tb.Helper()
	return h.tokens(front, append([]string{"scope", "openid read write"}, pairs...)...)
}

const other = "https://other.example"

var otherKey = sync.OnceValue(func() crypto.Signer { return generateKey(jose.ES256) })

// otherIssuer is an issuer that is trusted, and knows people by the e-mail addresses that they have here.
func otherIssuer() oidc.TrustedIssuer {
	set, err := jose.Set([]jose.PublicKey{{ID: "o", Algorithm: jose.ES256, Key: otherKey().Public()}})
	if err != nil {
		panic(err)
	}
	return oidc.TrustedIssuer{Issuer: other, Alias: "the-provider", JWKS: set, Match: []oidc.AccountMatch{oidc.MatchEmail}}
}

// foreign is a JWT of the other issuer about ann, of now; further claims override, nil removes.
func (h *harness) foreign(edit map[string]any) string { return h.foreignTyped("JWT", edit) }

func (h *harness) foreignTyped(typ string, edit map[string]any) string {
	h.tb.Helper()
	now := h.clock.Now()
	all := map[string]any{
		"iss": other, "sub": "a-17", "aud": issuer, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "jti": store.NewID(),
		"email": "ann@example.com", "email_verified": true, "scope": "admin",
	}
	maps.Copy(all, edit)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	payload, err := json.Marshal(all)
	h.must(err)
	token, err := jose.Sign(payload, jose.Header{Alg: jose.ES256, Kid: "o", Typ: typ}, otherKey())
	h.must(err)
	return token
}

// members decodes a JSON answer.
func (a *answer) members() map[string]any {
	all := map[string]any{}
	_ = json.Unmarshal([]byte(a.Body), &all)
	return all
}

// TestTokenExchange is an API that calls another in the person's name (RFC 8693 §2.1, §2.2.1).
func TestTokenExchange(t *testing.T) {
	t.Parallel()
	exchangesIn(t, func(t *testing.T, h *harness) {
		subject := h.fronts()
		a := h.exchange(broker, subject.AccessToken, typeAccess, "audience", orders, "scope", "read")
		got := h.issued(a)
		if got.TokenType != "Bearer" || got.RefreshToken != "" || got.IDToken != "" || got.Scope != "read" || a.member("issued_token_type") != typeAccess {
			t.Errorf("answer: %s", a)
		}
		c := claims(t, got.AccessToken)
		if c["sub"] != h.subject(ann).ID || c["aud"] != orders || c["client_id"] != broker || c["act"] != nil || c["acr"] != "aal1" {
			t.Errorf("claims: %v", c)
		}
		if c["exp"] != claims(t, subject.AccessToken)["exp"] {
			t.Errorf("the token lives until %v, that of the subject until %v", c["exp"], claims(t, subject.AccessToken)["exp"])
		}
		if !h.introspect(broker, got.AccessToken).active() || !h.introspect(front, subject.AccessToken).active() {
			t.Error("an exchange has hurt one of the tokens")
		}
		// Without a target it is for the APIs of the client, with all scopes that both may have.
		if c := claims(t, h.issued(h.exchange(broker, subject.AccessToken, typeAccess)).AccessToken); c["aud"].([]any)[0] != orders || c["scope"] != "openid read" {
			t.Errorf("claims: %v", c)
		}
	})
}

// TestExchangedTypes asks for each type of token (RFC 8693 §3).
func TestExchangedTypes(t *testing.T) {
	t.Parallel()
	exchangesIn(t, func(t *testing.T, h *harness) {
		subject := h.fronts()
		for _, c := range []struct{ requested, tokenType string }{
			{typeAccess, "Bearer"}, {typeJWT, "Bearer"}, {typeID, "N_A"}, {typeRefresh, "N_A"},
		} {
			a := h.exchange(broker, subject.AccessToken, typeAccess, "requested_token_type", c.requested)
			h.noteSecret("issued", a.member("access_token"))
			if a.member("issued_token_type") != c.requested || a.member("token_type") != c.tokenType || a.member("refresh_token") != "" {
				t.Errorf("%s: %s", c.requested, a)
			}
			switch token := a.member("access_token"); c.requested {
			case typeID:
				if c := claims(t, token); c["aud"] != broker || c["sub"] != h.subject(ann).ID || c["at_hash"] != nil || h.introspect(broker, token).active() {
					t.Errorf("ID token: %v", c)
				}
			case typeRefresh:
				if got := h.issued(h.refresh(broker, token)); claims(t, got.AccessToken)["client_id"] != broker {
					t.Errorf("refreshed: %v", got)
				}
			}
		}
		if a := h.exchange(stranger, subject.AccessToken, typeAccess, "requested_token_type", typeRefresh); a.errorCode() != "unauthorized_client" {
			t.Errorf("a refresh token for a client that may have none: %s", a)
		}
	})
}

// TestExchangedOf exchanges each type of token of the provider (RFC 8693 §2.1): none is used up.
func TestExchangedOf(t *testing.T) {
	t.Parallel()
	exchangesIn(t, func(t *testing.T, h *harness) {
		subject := h.fronts()
		for range 2 {
			for typ, token := range map[string]string{
				typeAccess: subject.AccessToken, typeJWT: subject.AccessToken, typeRefresh: subject.RefreshToken, typeID: subject.IDToken,
			} {
				if c := claims(t, h.issued(h.exchange(front, token, typ, "scope", "read")).AccessToken); c["sub"] != h.subject(ann).ID || c["scope"] != "read" {
					t.Errorf("%s: %v", typ, c)
				}
			}
		}
		if h.issued(h.refresh(front, subject.RefreshToken)).RefreshToken == "" {
			t.Error("the refresh token was used up")
		}
	})
}

// TestDelegation: whoever acts stands in act, a second actor with the first nested; who acts already is not nested again, and nobody is
// forgotten (RFC 8693 §4.1).
func TestDelegation(t *testing.T) {
	t.Parallel()
	exchangesIn(t, func(t *testing.T, h *harness) {
		subject, machine := h.fronts(), h.machineToken(broker)
		h.persona.acts(script{User: bob})
		agent := h.tokens(front, "scope", "openid")
		acting := []string{"actor_token", machine, "actor_token_type", typeAccess}
		first := h.issued(h.exchange(broker, subject.AccessToken, typeAccess, append([]string{"audience", api}, acting...)...))
		again := h.issued(h.exchange(broker, first.AccessToken, typeAccess, append([]string{"audience", api}, acting...)...))
		kept := h.issued(h.exchange(broker, again.AccessToken, typeAccess, "audience", api))
		for _, token := range []string{again.AccessToken, kept.AccessToken} {
			if act, _ := claims(t, token)["act"].(map[string]any); act["sub"] != broker || act["act"] != nil {
				t.Errorf("act = %v", act)
			}
		}
		h.change(broker, func(c *oidc.Client) { c.Resources = append(c.Resources, front) })
		a := h.exchange(front, kept.AccessToken, typeAccess, "actor_token", agent.IDToken, "actor_token_type", typeID)
		if a.errorCode() != "invalid_request" { // kept is neither front's nor for it
			t.Errorf("another's token: %s", a)
		}
		h.change(front, func(c *oidc.Client) { c.Resources = []string{api} })
		got := h.issued(h.exchange(front, kept.AccessToken, typeAccess, "actor_token", agent.IDToken, "actor_token_type", typeID))
		act, _ := claims(t, got.AccessToken)["act"].(map[string]any)
		before, _ := act["act"].(map[string]any)
		if act["sub"] != h.subject(bob).ID || before["sub"] != broker {
			t.Errorf("act = %v", act)
		}
		if a := h.introspect(front, got.AccessToken); !a.active() || a.members()["act"] == nil {
			t.Errorf("introspection: %s", a)
		}
	})
}

// change edits a registered client.
func (h *harness) change(clientID string, edit func(*oidc.Client)) {
	h.tb.Helper()
	c := h.client(clientID)
	edit(c)
	h.must(h.Clients.Replace(h.tb.Context(), c))
	h.clock.advance(2 * time.Second)
}

// TestExchangeOfForeignToken: of the token of a trusted issuer only who it is about is taken over.
func TestExchangeOfForeignToken(t *testing.T) {
	t.Parallel()
	exchangesIn(t, func(t *testing.T, h *harness) {
		for _, typ := range []string{typeJWT, typeID} {
			got := h.issued(h.exchange(broker, h.foreign(nil), typ, "scope", "read admin"))
			c := claims(t, got.AccessToken)
			if c["sub"] != h.subject(ann).ID || c["scope"] != "read" || c["auth_time"] != nil || c["email"] != nil || c["acr"] != nil {
				t.Errorf("%s: %v", typ, c)
			}
		}
		if got := h.issued(h.exchange(broker, h.foreign(map[string]any{"aud": "the-provider"}), typeJWT)); got.Scope != "" {
			t.Errorf("nothing was asked for, and granted is %q", got.Scope)
		}
	})
}

// TestOutsiders: who has no account here is refused, or taken as an outsider, as the issuer's policy says.
func TestOutsiders(t *testing.T) {
	t.Parallel()
	policy := func(edit func(*oidc.TrustedIssuer)) func(*oidc.TokenExchange) {
		return func(f *oidc.TokenExchange) { edit(&f.Issuers[0]) }
	}
	nobody := map[string]any{"sub": "z", "email": "zoe@example.com"}
	t.Run("required", func(t *testing.T) {
		t.Parallel()
		exchangesIn(t, func(t *testing.T, h *harness) {
			if a := h.exchange(broker, h.foreign(nobody), typeJWT); a.errorCode() != "invalid_request" {
				t.Errorf("somebody unknown: %s", a)
			}
		})
	})
	t.Run("preferred", func(t *testing.T) {
		t.Parallel()
		exchangesIn(t, func(t *testing.T, h *harness) {
			got := h.issued(h.exchange(broker, h.foreign(nobody), typeJWT, "scope", "openid"))
			sub, _ := claims(t, got.AccessToken)["sub"].(string)
			if sub == "z" || sub == h.subject(ann).ID || sub == "" {
				t.Errorf("sub = %q", sub)
			}
			again := h.issued(h.exchange(broker, h.foreign(nobody), typeJWT, "requested_token_type", typeID, "scope", "openid"))
			if claims(t, again.AccessToken)["sub"] != sub {
				t.Error("the outsider has two names")
			}
			if c := claims(t, h.issued(h.exchange(broker, h.foreign(nil), typeJWT)).AccessToken); c["sub"] != h.subject(ann).ID {
				t.Errorf("ann is an outsider: %v", c)
			}
			h.must(h.people.Subjects.Disable(t.Context(), store.Ref{ID: sub}))
			if a := h.exchange(broker, h.foreign(nobody), typeJWT); a.errorCode() != "invalid_request" {
				t.Errorf("a disabled outsider: %s", a)
			}
		}, policy(func(i *oidc.TrustedIssuer) { i.Accounts = oidc.AccountPreferred }))
	})
	t.Run("ignored", func(t *testing.T) {
		t.Parallel()
		exchangesIn(t, func(t *testing.T, h *harness) {
			if c := claims(t, h.issued(h.exchange(broker, h.foreign(nil), typeJWT)).AccessToken); c["sub"] == h.subject(ann).ID {
				t.Errorf("ann is known: %v", c)
			}
		}, policy(func(i *oidc.TrustedIssuer) { i.Accounts, i.Match = oidc.AccountIgnored, nil }))
	})
	t.Run("linked", func(t *testing.T) {
		t.Parallel()
		storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
			var linked store.Ref
			h := newHarness(t, p, exchanging(policy(func(i *oidc.TrustedIssuer) {
				i.Linked = func(context.Context, string, string) (store.Ref, error) {
					if linked.IsZero() {
						return linked, errors.New("down")
					}
					return linked, nil
				}
			}))).registerExchange()
			linked = h.subject(bob).Ref()
			if c := claims(t, h.issued(h.exchange(broker, h.foreign(nil), typeJWT)).AccessToken); c["sub"] != linked.ID {
				t.Errorf("what was linked does not go before what was found: %v", c)
			}
			linked = store.Ref{}
			if a := h.exchange(broker, h.foreign(nil), typeJWT); a.Status != http.StatusServiceUnavailable {
				t.Errorf("links that cannot be read: %s", a)
			}
		})
	})
}

// TestExchangePolicy: the host's policy narrows and refuses, and cannot widen.
func TestExchangePolicy(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		var seen oidc.Exchange
		var decide func(e *oidc.Exchange) error
		h := newHarness(t, p, exchanging(func(f *oidc.TokenExchange) {
			f.Policy = func(_ context.Context, e *oidc.Exchange) error { return decide(e) }
		})).registerExchange()
		subject := h.fronts()
		decide = func(e *oidc.Exchange) error {
			seen, e.Scopes = *e, []string{"read"}
			return nil
		}
		if got := h.issued(h.exchange(broker, subject.AccessToken, typeAccess, "audience", orders)); got.Scope != "read" {
			t.Errorf("scope = %q", got.Scope)
		}
		if seen.SubjectClient != front || seen.Client.ClientID != broker || seen.Subject.ID != h.subject(ann).ID || !slices.Equal(seen.Audience, []string{orders}) {
			t.Errorf("the policy saw %+v", seen)
		}
		for name, c := range map[string]struct {
			decide func(e *oidc.Exchange) error
			code   string
		}{
			"refuses":       {func(*oidc.Exchange) error { return &oidc.Error{Code: "invalid_target", Status: 400} }, "invalid_target"},
			"fails":         {func(*oidc.Exchange) error { return errors.New("down") }, "temporarily_unavailable"},
			"adds a scope":  {func(e *oidc.Exchange) error { e.Scopes = append(e.Scopes, "ship"); return nil }, "temporarily_unavailable"},
			"adds a target": {func(e *oidc.Exchange) error { e.Audience = append(e.Audience, "x"); return nil }, "temporarily_unavailable"},
			"takes all":     {func(e *oidc.Exchange) error { e.Audience = nil; return nil }, "invalid_target"},
		} {
			decide = c.decide
			if a := h.exchange(broker, subject.AccessToken, typeAccess, "audience", orders); a.errorCode() != c.code {
				t.Errorf("a policy that %s: %s", name, a)
			}
		}
	})
}

// TestExchangeParameters: what is missing, contradicts, or is not of its form (RFC 8693 §2.1, §2.2.2).
func TestExchangeParameters(t *testing.T) {
	t.Parallel()
	exchangesIn(t, func(t *testing.T, h *harness) {
		subject := h.fronts()
		for _, c := range []struct {
			pairs []string
			code  string
		}{
			{[]string{"subject_token", ""}, "invalid_request"},
			{[]string{"subject_token_type", ""}, "invalid_request"},
			{[]string{"subject_token_type", "urn:x"}, "invalid_request"},
			{[]string{"subject_token_type", typeRefresh}, "invalid_request"},
			{[]string{"actor_token", "x"}, "invalid_request"},
			{[]string{"actor_token_type", typeAccess}, "invalid_request"},
			{[]string{"actor_token", subject.RefreshToken, "actor_token_type", typeRefresh}, "invalid_request"},
			{[]string{"requested_token_type", "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"},
			{[]string{"requested_token_type", "urn:ietf:params:oauth:token-type:id-jag"}, "invalid_request"},
			{[]string{"scope", "read \"x"}, "invalid_scope"},
			{[]string{"scope", "ship"}, "invalid_scope"},
			{[]string{"scope", "read", "requested_token_type", typeID}, "invalid_scope"},
			{[]string{"resource", "orders"}, "invalid_target"},
			{[]string{"resource", orders + "#x"}, "invalid_target"},
			{[]string{"resource", "https://elsewhere.example"}, "invalid_target"},
			{[]string{"audience", "elsewhere"}, "invalid_target"},
			{[]string{"grant_type", "urn:x"}, "unsupported_grant_type"},
		} {
			if a := h.exchange(broker, subject.AccessToken, typeAccess, c.pairs...); a.errorCode() != c.code || a.Status != http.StatusBadRequest {
				t.Errorf("%v: %s", c.pairs, a)
			}
		}
		form := url.Values{
			"grant_type": {exchangeGrant}, "subject_token": {subject.AccessToken}, "subject_token_type": {typeAccess}, "resource": {orders, api}, "audience": {orders},
		}
		if c := claims(t, h.issued(h.post(pathToken, broker, form)).AccessToken); !slices.Equal(c["aud"].([]any), []any{api, orders}) {
			t.Errorf("aud = %v", c["aud"])
		}
		if a := h.exchange(web, subject.AccessToken, typeAccess); a.errorCode() != "unauthorized_client" {
			t.Errorf("a client that is not registered for it: %s", a)
		}
		_, err := h.Clients.Create(t.Context(), "Public", &oidc.Client{AuthMethod: oidc.NoAuth, GrantTypes: []oidc.GrantType{oidc.TokenExchangeGrant}})
		if !slices.Equal(fields(err), []string{"grant_types"}) {
			t.Errorf("a public client: %v", err)
		}
	})
}

// TestTrustedIssuerConfig: every problem is named at once.
func TestTrustedIssuerConfig(t *testing.T) {
	t.Parallel()
	good := otherIssuer()
	for name, edit := range map[string]func(*oidc.TrustedIssuer){
		"no issuer":         func(i *oidc.TrustedIssuer) { i.Issuer = "" },
		"itself":            func(i *oidc.TrustedIssuer) { i.Issuer = issuer },
		"no keys":           func(i *oidc.TrustedIssuer) { i.JWKS = nil },
		"two places":        func(i *oidc.TrustedIssuer) { i.JWKSURI = "https://other.example/jwks" },
		"no key set":        func(i *oidc.TrustedIssuer) { i.JWKS = []byte(`{}`) },
		"an empty key set":  func(i *oidc.TrustedIssuer) { i.JWKS = []byte(`{"keys":[]}`) },
		"an inside place":   func(i *oidc.TrustedIssuer) { i.JWKS, i.JWKSURI = nil, "file:///etc/passwd" },
		"HS256":             func(i *oidc.TrustedIssuer) { i.Algorithms = []string{"HS256"} },
		"none":              func(i *oidc.TrustedIssuer) { i.Algorithms = []string{"none"} },
		"no such policy":    func(i *oidc.TrustedIssuer) { i.Accounts = "any" },
		"no such way":       func(i *oidc.TrustedIssuer) { i.Match = []oidc.AccountMatch{"phone"} },
		"nobody is found":   func(i *oidc.TrustedIssuer) { i.Match = nil },
		"found and ignored": func(i *oidc.TrustedIssuer) { i.Accounts = oidc.AccountIgnored },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := good
			edit(&bad)
			h := together(t)
			_, err := oidc.New(oidc.Config{
				Issuer: issuer, DB: h.db, Directory: h.people, Keys: staticKeys{}, Interact: h.persona.Interact,
				Features: oidc.Features{TokenExchange: &oidc.TokenExchange{Issuers: []oidc.TrustedIssuer{bad}}},
			})
			if err == nil {
				t.Error("taken")
			}
		})
	}
}

// exchangeDoors are exchanges, to be met by failures.
func exchangeDoors() []door {
	exchange := func(name string, open func(h *harness) func() *answer) door {
		return door{name: "exchange " + name, config: exchanging(), done: gotTokens, open: func(h *harness) attempt {
			return attempt{send: open(h.registerExchange())}
		}}
	}
	return []door{
		exchange("an access token", func(h *harness) func() *answer {
			subject, actor := h.fronts(), h.machineToken(broker)
			return func() *answer {
				return h.exchange(broker, subject.AccessToken, typeAccess, "actor_token", actor, "actor_token_type", typeAccess)
			}
		}),
		exchange("an ID token for a refresh token", func(h *harness) func() *answer {
			subject := h.fronts()
			return func() *answer { return h.exchange(front, subject.IDToken, typeID, "requested_token_type", typeRefresh) }
		}),
		exchange("a refresh token", func(h *harness) func() *answer {
			subject := h.fronts()
			return func() *answer { return h.exchange(front, subject.RefreshToken, typeRefresh) }
		}),
		exchange("a foreign token", func(h *harness) func() *answer {
			token := h.foreign(nil)
			return func() *answer { return h.exchange(broker, token, typeJWT) }
		}),
		exchange("an exchanged token with an actor", func(h *harness) func() *answer {
			subject, actor := h.fronts(), h.machineToken(broker)
			first := h.issued(h.exchange(broker, subject.AccessToken, typeAccess, "actor_token", actor, "actor_token_type", typeAccess))
			return func() *answer { return h.exchange(broker, first.AccessToken, typeAccess) }
		}),
	}
}

// TestPublishedKeys: the key set of a trusted issuer is fetched where it is published, remembered, and fetched anew for a key that is
// not in it; where it cannot be fetched nobody is refused for good.
func TestPublishedKeys(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	var published atomic.Pointer[[]byte]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		set := published.Load()
		if set == nil {
			http.Error(w, "down", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_, _ = w.Write(*set)
	}))
	t.Cleanup(server.Close)
	publish := func(ids ...string) {
		var keys []jose.PublicKey
		for _, id := range ids {
			keys = append(keys, jose.PublicKey{ID: id, Algorithm: jose.ES256, Key: otherKey().Public()})
		}
		set, err := jose.Set(keys)
		if err != nil {
			t.Fatal(err)
		}
		published.Store(&set)
	}
	i := otherIssuer()
	i.JWKS, i.JWKSURI = nil, server.URL+"/jwks"
	h := together(t, func(c *oidc.Config) {
		c.Features.TokenExchange = &oidc.TokenExchange{Issuers: []oidc.TrustedIssuer{i}}
		c.Outbound.InsecureNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}).registerExchange()
	if a := h.exchange(broker, h.foreign(nil), typeJWT); a.Status != http.StatusServiceUnavailable {
		t.Errorf("while the keys cannot be fetched: %s", a)
	}
	h.clock.advance(time.Minute)
	publish("n")
	if a := h.exchange(broker, h.foreign(nil), typeJWT); a.errorCode() != "invalid_request" {
		t.Errorf("a key that is not published: %s", a)
	}
	publish("n", "o")
	h.clock.advance(time.Minute)
	before := asked.Load()
	for range 3 {
		if a := h.exchange(broker, h.foreign(nil), typeJWT); !gotTokens(a) {
			t.Errorf("a key that is published by now: %s", a)
		}
	}
	if asked.Load() != before+1 {
		t.Errorf("fetched %d times", asked.Load()-before)
	}
}

// linkedBob says that bob has linked the account of one name at the other issuer.
type linkedBob struct {
	people *directory.Directory
	name   string
}

func (l linkedBob) Linked(ctx context.Context, issuer, name string) (store.Ref, error) {
	if issuer != other || name != l.name {
		return store.Ref{}, store.ErrNotFound
	}
	u, err := l.people.FindUser(ctx, "", bob)
	if err != nil {
		return store.Ref{}, err
	}
	s, err := l.people.SubjectOf(ctx, u)
	if err != nil {
		return store.Ref{}, err
	}
	return s.Ref(), nil
}

// TestLinks: whom an issuer knows is who has linked the account here, where the issuer has no way of its own to say so, and nobody else.
func TestLinks(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.registerExchange()
		got := h.issued(h.exchange(broker, h.foreign(map[string]any{"sub": "robert"}), typeJWT))
		if sub := claims(t, got.AccessToken)["sub"]; sub != h.subject(bob).ID {
			t.Errorf("about %v", sub)
		}
		if a := h.exchange(broker, h.foreign(map[string]any{"sub": "stranger"}), typeJWT); a.errorCode() != "invalid_request" {
			t.Errorf("about nobody here: %s", a)
		}
	}, exchanging(func(f *oidc.TokenExchange) { f.Issuers[0].Match = nil }), func(c *oidc.Config) { c.Links = linkedBob{c.Directory, "robert"} })
}
