package oidc_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/directory"
)

// TestAttackExchangeBySomebodyElse: a token that was found is exchanged by nobody but the client that it was issued to and the API that
// it is for (RFC 8693 §5).
func TestAttackExchangeBySomebodyElse(t *testing.T) {
	t.Parallel()
	exchangesIn(t, func(t *testing.T, h *harness) {
		subject := h.fronts()
		for typ, token := range map[string]string{
			typeAccess: subject.AccessToken, typeJWT: subject.AccessToken, typeRefresh: subject.RefreshToken, typeID: subject.IDToken,
		} {
			if a := h.exchange(stranger, token, typ); a.errorCode() != "invalid_request" {
				t.Errorf("%s by a stranger: %s", typ, a)
			}
			if typ == typeRefresh || typ == typeID { // an API is shown access tokens alone
				if a := h.exchange(broker, token, typ); a.errorCode() != "invalid_request" {
					t.Errorf("%s by the API: %s", typ, a)
				}
			}
		}
		a := h.exchange(broker, subject.AccessToken, typeAccess, "actor_token", h.machineToken(stranger), "actor_token_type", typeAccess)
		if a.errorCode() != "invalid_request" {
			t.Errorf("an actor's token that was found: %s", a)
		}
	})
}

// TestAttackExchangeOfDeadToken: what is exchanged must be worth something itself, with everything that it hangs on (RFC 8693 §2.2.2).
func TestAttackExchangeOfDeadToken(t *testing.T) {
	t.Parallel()
	for name, kill := range map[string]func(h *harness, subject issued){
		"expired":         func(h *harness, _ issued) { h.clock.advance(2 * time.Hour) },
		"revoked":         func(h *harness, s issued) { h.revoke(front, s.AccessToken) },
		"refresh revoked": func(h *harness, s issued) { h.revoke(front, s.RefreshToken) },
		"consent revoked": func(h *harness, _ issued) { h.must(h.RevokeConsent(h.tb.Context(), h.subject(ann).Ref(), front)) },
		"session ended": func(h *harness, _ issued) {
			h.must(h.people.Sessions.End(h.tb.Context(), h.persona.lastSession().Ref(), "test"))
		},
		"person disabled": func(h *harness, _ issued) { h.must(h.people.Subjects.Disable(h.tb.Context(), h.subject(ann).Ref())) },
		"person revoked":  func(h *harness, _ issued) { h.must(h.people.Subjects.Revoke(h.tb.Context(), h.subject(ann).Ref())) },
		"application disabled": func(h *harness, _ issued) {
			h.must(h.people.Applications.Disable(h.tb.Context(), h.client(front).Application))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			exchangesIn(t, func(t *testing.T, h *harness) {
				subject := h.fronts()
				exchanged := h.issued(h.exchange(broker, subject.AccessToken, typeAccess))
				kill(h, subject)
				clientID := front
				if name == "application disabled" {
					clientID = broker
				}
				for typ, token := range map[string]string{
					typeAccess: subject.AccessToken, typeJWT: subject.AccessToken, typeRefresh: subject.RefreshToken, typeID: subject.IDToken,
				} {
					if name == "expired" && typ == typeRefresh { // lives longer
						continue
					}
					if a := h.exchange(clientID, token, typ); a.errorCode() != "invalid_request" || a.Status != http.StatusBadRequest {
						t.Errorf("%s: %s", typ, a)
					}
				}
				// What came of it hangs on the person and the session.
				switch name {
				case "expired", "session ended", "person disabled", "person revoked":
					if h.introspect(broker, exchanged.AccessToken).active() {
						t.Error("what came of the token lives on")
					}
				}
			})
		})
	}
}

// TestAttackExchangeOfAnotherToken: whatever is no token of the type that it is called is none.
func TestAttackExchangeOfAnotherToken(t *testing.T) {
	t.Parallel()
	exchangesIn(t, func(t *testing.T, h *harness) {
		subject := h.fronts()
		forged := h.foreign(map[string]any{"iss": issuer, "sub": h.subject(ann).ID, "client_id": front, "gid": claims(t, subject.AccessToken)["gid"]})
		for name, c := range map[string]struct{ token, typ string }{
			"ID token as access token":      {subject.IDToken, typeAccess},
			"ID token as JWT":               {subject.IDToken, typeJWT},
			"access token as ID token":      {subject.AccessToken, typeID},
			"access token as refresh token": {subject.AccessToken, typeRefresh},
			"refresh token as access token": {subject.RefreshToken, typeAccess},
			"our issuer, another's key":     {forged, typeJWT},
			"the same as access token":      {forged, typeAccess},
			"the same as ID token":          {forged, typeID},
			"foreign as access token":       {h.foreign(nil), typeAccess},
			"nothing":                       {"..", typeJWT},
			"damaged":                       {subject.AccessToken[:len(subject.AccessToken)-8] + "AAAAAAAA", typeAccess},
			"unsigned":                      {unsigned(subject.AccessToken), typeJWT},
			"a machine's":                   {h.machineToken(broker), typeAccess},
		} {
			for _, clientID := range []string{front, broker} {
				if a := h.exchange(clientID, c.token, c.typ); a.errorCode() != "invalid_request" {
					t.Errorf("%s by %s: %s", name, clientID, a)
				}
			}
		}
	})
}

// unsigned is a JWT with alg none.
func unsigned(token string) string {
	parts := strings.Split(token, ".")
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`)) + "." + parts[1] + "."
}

// TestAttackExchangeEscalates: no exchange, nor a chain of them, yields more scope, other APIs or a longer life than the first token
// had and the client is registered for.
func TestAttackExchangeEscalates(t *testing.T) {
	t.Parallel()
	exchangesIn(t, func(t *testing.T, h *harness) {
		subject := h.tokens(front, "scope", "openid read")
		for _, c := range []struct {
			pairs []string
			code  string
		}{
			{[]string{"scope", "read write"}, "invalid_scope"}, // front may, the token may not
			{[]string{"scope", "ship"}, "invalid_scope"},       // broker may, the token may not
			{[]string{"scope", "READ"}, "invalid_scope"},
			{[]string{"audience", issuer}, ""}, // of the token's own audience: it opens userinfo there as well
			{[]string{"audience", orders + "/"}, "invalid_target"},
			{[]string{"audience", "https://ORDERS.example"}, "invalid_target"},
			{[]string{"audience", front}, "invalid_target"},
		} {
			a := h.exchange(broker, subject.AccessToken, typeAccess, c.pairs...)
			if a.errorCode() != c.code {
				t.Errorf("%v: %s", c.pairs, a)
			}
		}
		expires := claims(t, subject.AccessToken)["exp"]
		token := subject.AccessToken
		for range 3 {
			h.clock.advance(10 * time.Minute)
			token = h.issued(h.exchange(broker, token, typeAccess, "scope", "read")).AccessToken
			if c := claims(t, token); c["exp"] != expires || c["scope"] != "read" {
				t.Errorf("exchanged: %v", c)
			}
			if a := h.exchange(broker, token, typeAccess, "scope", "openid"); a.errorCode() != "invalid_scope" {
				t.Errorf("a scope comes back: %s", a)
			}
			id := h.exchange(broker, subject.AccessToken, typeAccess, "requested_token_type", typeID).member("access_token")
			h.noteSecret("ID token", id)
			if c := claims(t, id); c["exp"].(float64) > expires.(float64) {
				t.Errorf("the ID token lives until %v", c["exp"])
			}
		}
		h.clock.advance(31 * time.Minute)
		if a := h.exchange(broker, token, typeAccess); a.errorCode() != "invalid_request" {
			t.Errorf("after its end: %s", a)
		}
	})
}

// TestAttackExchangeForgetsTheClient: the refreshed tokens of an exchange keep its audience, scopes and actor, and follow what the
// client may have by now.
func TestAttackExchangeForgetsTheClient(t *testing.T) {
	t.Parallel()
	exchangesIn(t, func(t *testing.T, h *harness) {
		subject := h.fronts()
		refresh := h.exchange(broker, subject.AccessToken, typeAccess, "audience", api, "requested_token_type", typeRefresh,
			"actor_token", h.machineToken(broker), "actor_token_type", typeAccess).member("access_token")
		h.noteSecret("refresh token", refresh)
		got := h.issued(h.refresh(broker, refresh))
		if c := claims(t, got.AccessToken); c["aud"] != api || c["act"].(map[string]any)["sub"] != broker || c["scope"] != "openid read" {
			t.Errorf("refreshed: %v", c)
		}
		if a := h.refresh(broker, got.RefreshToken, "scope", "write"); a.errorCode() != "invalid_scope" {
			t.Errorf("wider: %s", a)
		}
		h.change(broker, func(c *oidc.Client) { c.Scopes = []string{"openid"} })
		if got := h.issued(h.refresh(broker, got.RefreshToken)); got.Scope != "openid" {
			t.Errorf("scope = %q", got.Scope)
		}
	})
}

// TestAttackActorBlocked: who is blocked does not begin to act, and whoever acts is stopped when they are.
func TestAttackActorBlocked(t *testing.T) {
	t.Parallel()
	exchangesIn(t, func(t *testing.T, h *harness) {
		subject := h.fronts()
		h.persona.acts(script{User: bob})
		agent := h.fronts()
		pairs := []string{"actor_token", agent.AccessToken, "actor_token_type", typeAccess}
		acting := h.issued(h.exchange(broker, subject.AccessToken, typeAccess, append([]string{"audience", api}, pairs...)...))
		after := h.issued(h.exchange(broker, acting.AccessToken, typeAccess, "actor_token", h.machineToken(broker), "actor_token_type", typeAccess))
		if act := claims(t, after.AccessToken)["act"].(map[string]any); act["sub"] != broker || act["act"].(map[string]any)["sub"] != h.subject(bob).ID {
			t.Errorf("act = %v", act)
		}
		// Whoever acts for somebody is not that one: their own part would be forgotten.
		asAnn := h.exchange(broker, h.fronts().AccessToken, typeAccess, "actor_token", acting.AccessToken, "actor_token_type", typeAccess)
		if asAnn.errorCode() != "invalid_request" {
			t.Errorf("an actor who acts for another: %s", asAnn)
		}
		h.must(h.people.Subjects.Disable(t.Context(), h.subject(bob).Ref()))
		for name, token := range map[string]string{"the actor's": acting.AccessToken, "who acts after them": after.AccessToken} {
			if h.introspect(broker, token).active() {
				t.Errorf("the token of %s lives on", name)
			}
			if a := h.exchange(broker, token, typeAccess); a.errorCode() != "invalid_request" {
				t.Errorf("exchange of that of %s: %s", name, a)
			}
		}
		if a := h.exchange(broker, subject.AccessToken, typeAccess, pairs...); a.errorCode() != "invalid_request" {
			t.Errorf("a blocked actor: %s", a)
		}
	})
}

// TestAttackActorChain: the chain of those who acted is bounded.
func TestAttackActorChain(t *testing.T) {
	t.Parallel()
	exchangesIn(t, func(t *testing.T, h *harness) {
		for _, clientID := range []string{front, broker} { // each may show the tokens of the other
			h.change(clientID, func(c *oidc.Client) { c.Resources, c.Audience = []string{api}, []string{api} })
		}
		h.persona.acts(script{User: bob})
		agent := h.fronts()
		h.persona.acts(script{})
		token := h.fronts().AccessToken
		for n := range 5 {
			actor := []string{"actor_token", agent.AccessToken, "actor_token_type", typeAccess}
			if n%2 == 1 {
				actor[1] = h.machineToken(broker)
			}
			a := h.exchange(broker, token, typeAccess, actor...)
			if n < 4 {
				token = h.issued(a).AccessToken
			} else if a.errorCode() != "invalid_request" {
				t.Fatalf("actor %d: %s", n, a)
			}
		}
	})
}

// TestAttackMayAct: a token that names who may act is of use to nobody else, nor without them (RFC 8693 §4.4).
func TestAttackMayAct(t *testing.T) {
	t.Parallel()
	exchangesIn(t, func(t *testing.T, h *harness) {
		machine := []string{"actor_token", h.machineToken(broker), "actor_token_type", typeAccess}
		for name, c := range map[string]struct {
			mayAct any
			actor  []string
			ok     bool
		}{
			"named":             {map[string]any{"sub": broker}, machine, true},
			"named of ours":     {map[string]any{"sub": broker, "iss": issuer}, machine, true},
			"without an actor":  {map[string]any{"sub": broker}, nil, false},
			"another":           {map[string]any{"sub": front}, machine, false},
			"another's":         {map[string]any{"sub": broker, "iss": other}, machine, false},
			"another client":    {map[string]any{"sub": broker, "client_id": front}, machine, false},
			"nobody":            {map[string]any{}, machine, false},
			"no object":         {broker, machine, false},
			"null":              {json.RawMessage("null"), machine, false},
			"unknown condition": {map[string]any{"sub": broker, "weekday": "sunday"}, machine, false},
			"not a text":        {map[string]any{"sub": []string{broker}}, machine, false},
		} {
			a := h.exchange(broker, h.foreign(map[string]any{"may_act": c.mayAct}), typeJWT, c.actor...)
			if gotTokens(a) != c.ok || !c.ok && a.errorCode() != "invalid_request" {
				t.Errorf("%s: %s", name, a)
			}
		}
	})
}

// TestAttackForeignToken: a token of a trusted issuer that is not for us, not of now, not signed by its key, or of another type
// (RFC 7523 §3, RFC 8725 §3).
func TestAttackForeignToken(t *testing.T) {
	t.Parallel()
	exchangesIn(t, func(t *testing.T, h *harness) {
		now := h.clock.Now()
		good := h.foreign(nil)
		public, err := jose.Set([]jose.PublicKey{{ID: "o", Algorithm: jose.ES256, Key: otherKey().Public()}})
		h.must(err)
		for name, token := range map[string]string{
			"for somebody else":      h.foreign(map[string]any{"aud": "https://third.example"}),
			"for nobody":             h.foreign(map[string]any{"aud": nil}),
			"for what we begin with": h.foreign(map[string]any{"aud": issuer + ".example"}),
			"expired":                h.foreign(map[string]any{"exp": now.Add(-time.Minute).Unix()}),
			"without an end":         h.foreign(map[string]any{"exp": nil}),
			"not yet":                h.foreign(map[string]any{"nbf": now.Add(time.Minute).Unix()}),
			"of tomorrow":            h.foreign(map[string]any{"iat": now.Add(24 * time.Hour).Unix()}),
			"about nobody":           h.foreign(map[string]any{"sub": nil}),
			"of another issuer":      h.foreign(map[string]any{"iss": "https://third.example"}),
			"a logout token":         h.foreignTyped("logout+jwt", nil),
			"a DPoP proof":           h.foreignTyped("dpop+jwt", nil),
			"an ID-JAG":              h.foreignTyped("oauth-id-jag+jwt", nil),
			"bound to a key":         h.foreign(map[string]any{"cnf": map[string]any{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}),
			"bound in another way":   h.foreign(map[string]any{"cnf": map[string]any{"jwk": map[string]any{}}}),
			"bound to nothing":       h.foreign(map[string]any{"cnf": map[string]any{}}),
			"signed with its public key": func() string {
				token, err := jose.Sign([]byte(decoded(good)), jose.Header{Alg: jose.ES256, Kid: "o", Typ: "JWT"}, generatedKeys["ES256"]())
				h.must(err)
				return token
			}(),
			"HMAC with its key set": hmacToken(good, public),
			"unsigned":              unsigned(good),
			"a broken signature":    good[:len(good)-4] + "AAAA",
		} {
			if a := h.exchange(broker, token, typeJWT); a.errorCode() != "invalid_request" || a.Status != http.StatusBadRequest {
				t.Errorf("%s: %s", name, a)
			}
		}
		if !gotTokens(h.exchange(broker, good, typeJWT)) {
			t.Error("a good one is refused")
		}
	})
}

func decoded(token string) string {
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		panic(err)
	}
	return string(payload)
}

func macOf(secret []byte, input string) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return mac.Sum(nil)
}

func hmacToken(token string, secret []byte) string {
	input := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","kid":"o","typ":"JWT"}`)) + "." + strings.Split(token, ".")[1]
	return input + "." + base64.RawURLEncoding.EncodeToString(macOf(secret, input))
}

// TestAttackLinkByUnverified: an address leads to an account when both sides have seen it verified, and never to two
// (the same attack as linking by e-mail at sign-in).
func TestAttackLinkByUnverified(t *testing.T) {
	t.Parallel()
	exchangesIn(t, func(t *testing.T, h *harness) {
		for name, edit := range map[string]map[string]any{
			"unverified there":  {"email_verified": false},
			"verified unsaid":   {"email_verified": nil},
			"verified as text":  {"email_verified": "true"},
			"no address":        {"email": nil},
			"two people":        {"preferred_username": bob},
			"an address of two": {"email": "shared@example.com"},
		} {
			if a := h.exchange(broker, h.foreign(edit), typeJWT); a.errorCode() != "invalid_request" {
				t.Errorf("%s: %s", name, a)
			}
		}
		if got := h.issued(h.exchange(broker, h.foreign(map[string]any{"preferred_username": ann}), typeJWT)); claims(t, got.AccessToken)["sub"] != h.subject(ann).ID {
			t.Error("two ways to one person")
		}
		u, err := h.people.FindUser(t.Context(), "", ann)
		h.must(err)
		u.EmailVerified = false
		h.must(h.people.ReplaceUser(t.Context(), u))
		if a := h.exchange(broker, h.foreign(nil), typeJWT); a.errorCode() != "invalid_request" {
			t.Errorf("unverified here: %s", a)
		}
	}, func(f *oidc.TokenExchange) {
		f.Issuers[0].Match = []oidc.AccountMatch{oidc.MatchEmail, oidc.MatchUsername}
	})
}

// TestAttackOutsiderIsSomebody: an issuer that calls somebody by the sub of a person here gets no token about that person.
func TestAttackOutsiderIsSomebody(t *testing.T) {
	t.Parallel()
	exchangesIn(t, func(t *testing.T, h *harness) {
		sub := h.subject(ann).ID
		got := h.issued(h.exchange(broker, h.foreign(map[string]any{"sub": sub}), typeJWT, "scope", "openid"))
		if c := claims(t, got.AccessToken); c["sub"] == sub {
			t.Errorf("claims: %v", c)
		}
		if a := h.userInfo(got.AccessToken); a.Status == http.StatusOK && strings.Contains(a.Body, "Ann") {
			t.Errorf("userinfo: %s", a)
		}
		s, err := h.people.Subjects.Outsider(t.Context(), "", other, sub)
		if err != nil || s.Kind != directory.Outsider {
			t.Errorf("%+v, %v", s, err)
		}
	}, func(f *oidc.TokenExchange) { f.Issuers[0].Accounts, f.Issuers[0].Match = oidc.AccountIgnored, nil })
}

// TestAttackExchangeDropsBinding: a bound token is exchanged by who proves what it is bound to, and what comes of it is bound too; a chain
// of exchanges makes no bearer token of it (RFC 8693 §5, RFC 9449 §7.2).
func TestAttackExchangeDropsBinding(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.registerExchange()
		owner, thief := h.newProver(), h.newProver()
		bound := h.issued(owner.redeem(front, h.code(front, "scope", "openid read")))
		exchange := []string{"grant_type", exchangeGrant, "subject_token", bound.AccessToken, "subject_token_type", typeAccess}
		for typ, token := range map[string]string{typeAccess: bound.AccessToken, typeJWT: bound.AccessToken} {
			for _, clientID := range []string{front, broker} {
				if a := h.exchange(clientID, token, typ); a.errorCode() != "invalid_request" {
					t.Errorf("%s by %s without a proof: %s", typ, clientID, a)
				}
			}
		}
		if a := thief.token(front, exchange...); a.errorCode() != "invalid_request" {
			t.Errorf("with another key: %s", a)
		}
		got := h.issued(owner.token(front, exchange...))
		cnf, _ := claims(t, got.AccessToken)["cnf"].(map[string]any)
		if got.TokenType != "DPoP" || cnf["jkt"] != owner.jkt() {
			t.Errorf("exchanged: %s, %v", got.TokenType, cnf)
		}
		if a := h.exchange(front, got.AccessToken, typeAccess); a.errorCode() != "invalid_request" {
			t.Errorf("the exchanged one without a proof: %s", a)
		}
		actor := append([]string{"actor_token", bound.AccessToken, "actor_token_type", typeAccess}, "audience", api)
		if a := h.exchange(front, h.fronts().AccessToken, typeAccess, actor...); a.errorCode() != "invalid_request" {
			t.Errorf("an actor's bound token without a proof: %s", a)
		}
		// What was bound to nothing is bound when it is exchanged with a proof.
		free := h.issued(owner.token(front, "grant_type", exchangeGrant, "subject_token", h.fronts().AccessToken, "subject_token_type", typeAccess))
		if free.TokenType != "DPoP" {
			t.Errorf("token_type = %q", free.TokenType)
		}
		foreign := h.foreign(map[string]any{"cnf": map[string]any{"jkt": owner.jkt()}})
		if a := thief.token(broker, "grant_type", exchangeGrant, "subject_token", foreign, "subject_token_type", typeJWT); a.errorCode() != "invalid_request" {
			t.Errorf("a foreign one with another key: %s", a)
		}
		h.issued(owner.token(broker, "grant_type", exchangeGrant, "subject_token", foreign, "subject_token_type", typeJWT))
	}, func(c *oidc.Config) {
		exchanging()(c)
		withDPoP(c)
	})
}
