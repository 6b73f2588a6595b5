package oidc_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

const (
	importer  = "importer" // redeems assertions
	jwtGrant  = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	samlGrant = "urn:ietf:params:oauth:grant-type:saml2-bearer"
)

// bearing opens the assertion grants.
func bearing(c *oidc.Config) {
	c.Features.JWTBearer = &oidc.JWTBearer{Issuers: []oidc.TrustedIssuer{otherIssuer()}}
	c.Features.SAMLBearer = &oidc.SAMLBearer{Verifier: fakeSAML{}}
}

func (h *harness) registerImporter() *harness {
	h.register(&oidc.Client{
		ClientID: importer, Audience: []string{api}, Scopes: []string{"openid", "read", "offline_access"},
		GrantTypes: []oidc.GrantType{oidc.JWTBearerGrant, oidc.SAMLBearerGrant, oidc.RefreshToken},
	})
	return h
}

// bearingIn runs test over both placements.
func bearingIn(t *testing.T, test func(t *testing.T, h *harness)) {
	t.Helper()
	placements(t, func(t *testing.T, h *harness) { test(t, h.registerImporter()) }, bearing)
}

// assert redeems an assertion as importer.
func (h *harness) assert(assertion string, pairs ...string) *answer {
	form := values("grant_type", jwtGrant, "assertion", assertion)
	override(form, pairs)
	return h.post(pathToken, importer, form)
}

// TestJWTBearer redeems a JWT of a trusted issuer (RFC 7523 §2.1, RFC 7521 §4.1).
func TestJWTBearer(t *testing.T) {
	t.Parallel()
	bearingIn(t, func(t *testing.T, h *harness) {
		a := h.assert(h.foreign(nil), "scope", "openid read admin offline_access")
		got := h.issued(a)
		if got.Scope != "openid read" || got.RefreshToken != "" || a.member("issued_token_type") != "" {
			t.Errorf("answer: %s", a)
		}
		c := claims(t, got.AccessToken)
		if c["sub"] != h.subject(ann).ID || c["client_id"] != importer || c["auth_time"] != nil || c["acr"] != nil {
			t.Errorf("claims: %v", c)
		}
		if id := claims(t, got.IDToken); id["sub"] != h.subject(ann).ID || id["aud"] != importer || id["auth_time"] != nil {
			t.Errorf("ID token: %v", id)
		}
		for name, edit := range map[string]map[string]any{
			"for the token endpoint": {"aud": issuer + pathToken},
			"for the alias":          {"aud": []string{"the-provider", issuer}},
			"without iat":            {"iat": nil},
			"made a while ago":       {"iat": h.clock.Now().Add(-29 * time.Minute).Unix()},
			"without jti":            {"jti": nil},
		} {
			if a := h.assert(h.foreign(edit)); !gotTokens(a) {
				t.Errorf("%s: %s", name, a)
			}
		}
		if c := claims(t, h.issued(h.assert(h.foreign(nil), "resource", api)).AccessToken); c["aud"] != api {
			t.Errorf("aud = %v", c["aud"])
		}
		for name, c := range map[string]struct {
			pairs []string
			code  string
		}{
			"no assertion":        {[]string{"assertion", ""}, "invalid_request"},
			"scope it may not":    {[]string{"scope", "write"}, "invalid_scope"},
			"scope malformed":     {[]string{"scope", "\"read\""}, "invalid_scope"},
			"another's API":       {[]string{"resource", orders}, "invalid_target"},
			"no token":            {[]string{"assertion", "x"}, "invalid_grant"},
			"the other assertion": {[]string{"grant_type", samlGrant}, "invalid_grant"},
		} {
			if a := h.assert(h.foreign(nil), c.pairs...); a.errorCode() != c.code || a.Status != http.StatusBadRequest {
				t.Errorf("%s: %s", name, a)
			}
		}
	})
}

// TestAttackAssertion: an assertion that is not for us alone, not of now, not signed by its key, or of another type (RFC 7523 §3, §3.1).
func TestAttackAssertion(t *testing.T) {
	t.Parallel()
	bearingIn(t, func(t *testing.T, h *harness) {
		now := h.clock.Now()
		good := h.foreign(nil)
		for name, token := range map[string]string{
			"for somebody else":    h.foreign(map[string]any{"aud": "https://third.example"}),
			"for others too":       h.foreign(map[string]any{"aud": []string{issuer, "https://third.example"}}),
			"for nobody":           h.foreign(map[string]any{"aud": nil}),
			"expired":              h.foreign(map[string]any{"exp": now.Add(-time.Minute).Unix()}),
			"without an end":       h.foreign(map[string]any{"exp": nil}),
			"old":                  h.foreign(map[string]any{"iat": now.Add(-31 * time.Minute).Unix(), "exp": now.Add(time.Hour).Unix()}),
			"of no time":           h.foreign(map[string]any{"iat": nil, "exp": now.Add(time.Hour).Unix()}),
			"of tomorrow":          h.foreign(map[string]any{"iat": now.Add(time.Hour).Unix(), "exp": now.Add(2 * time.Hour).Unix()}),
			"about nobody":         h.foreign(map[string]any{"sub": nil}),
			"about a stranger":     h.foreign(map[string]any{"email": "zoe@example.com"}),
			"of another issuer":    h.foreign(map[string]any{"iss": "https://third.example"}),
			"of ourselves":         h.foreign(map[string]any{"iss": issuer}),
			"an access token":      h.foreignTyped("at+jwt", nil),
			"an ID-JAG":            h.foreignTyped("oauth-id-jag+jwt", map[string]any{"client_id": importer}),
			"a client's assertion": h.foreignTyped("client-authentication+jwt", nil),
			"bound to a key":       h.foreign(map[string]any{"cnf": map[string]any{"jkt": "x"}}),
			"unsigned":             unsigned(good),
			"our own access token": h.tokens(web).AccessToken,
			"our own ID token":     h.tokens(web).IDToken,
		} {
			if a := h.assert(token); a.errorCode() != "invalid_grant" || a.Status != http.StatusBadRequest {
				t.Errorf("%s: %s", name, a)
			}
		}
		if !gotTokens(h.assert(good)) {
			t.Error("a good one is refused")
		}
		_, err := h.Clients.Create(t.Context(), "Public", &oidc.Client{AuthMethod: oidc.NoAuth, GrantTypes: []oidc.GrantType{oidc.JWTBearerGrant, oidc.SAMLBearerGrant}})
		if !slices.Equal(fields(err), []string{"grant_types"}) {
			t.Errorf("a public client: %v", err)
		}
	})
}

// TestAttackAssertionReplayed: of any number who redeem one assertion at once, one gets tokens; nobody does later, by another client or
// with another signature (RFC 7523 §3, rule 7).
func TestAttackAssertionReplayed(t *testing.T) {
	t.Parallel()
	bearingIn(t, func(t *testing.T, h *harness) {
		h.register(&oidc.Client{ClientID: "second", GrantTypes: []oidc.GrantType{oidc.JWTBearerGrant}})
		named, unnamed := h.foreign(map[string]any{"jti": "j"}), h.foreign(map[string]any{"jti": nil})
		saml := base64.RawURLEncoding.EncodeToString([]byte(h.subject(ann).ID + " once"))
		for name, redeem := range map[string]func() *answer{
			"named":   func() *answer { return h.assert(named) },
			"unnamed": func() *answer { return h.assert(unnamed) },
			"SAML":    func() *answer { return h.assert(saml, "grant_type", samlGrant) },
		} {
			var wg sync.WaitGroup
			var won atomic.Int32
			for range 64 {
				wg.Go(func() {
					if a := redeem(); gotTokens(a) {
						won.Add(1)
					} else if a.errorCode() != "invalid_grant" {
						t.Errorf("%s: %s", name, a)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 {
				t.Errorf("%s was redeemed %d times", name, won.Load())
			}
			h.clock.advance(4 * time.Minute)
			if a := redeem(); a.errorCode() != "invalid_grant" {
				t.Errorf("%s later: %s", name, a)
			}
			h.clock.advance(-4 * time.Minute)
		}
		if a := h.post(pathToken, "second", values("grant_type", jwtGrant, "assertion", named)); a.errorCode() != "invalid_grant" {
			t.Errorf("another client: %s", a)
		}
		if a := h.assert(h.foreign(map[string]any{"jti": "j", "sub": "another"})); a.errorCode() != "invalid_grant" {
			t.Errorf("the same name: %s", a)
		}
		if !slices.Contains(h.observations(), "assertion.reused") {
			t.Error("nobody was told")
		}
		for range 5 {
			h.clock.advance(10 * time.Minute)
			if a := h.assert(named); a.errorCode() != "invalid_grant" {
				t.Errorf("long after: %s", a)
			}
		}
	})
}

// fakeSAML takes "NAME ID" for an assertion about a person.
type fakeSAML struct{}

// VerifyBearer implements oidc.SAMLVerifier.
func (fakeSAML) VerifyBearer(ctx context.Context, assertion []byte, audiences []string, recipient string) (*directory.BearerAssertion, error) {
	name, id, ok := strings.Cut(string(assertion), " ")
	switch {
	case !slices.Equal(audiences, []string{issuer, issuer + pathToken}) || recipient != issuer+pathToken:
		return nil, errors.New("asked for another")
	case name == "down":
		return nil, errors.New("down")
	case name == "endless":
		return &directory.BearerAssertion{Issuer: "idp", ID: id, Subject: store.Ref{ID: "x"}}, nil
	case name == "expired":
		return &directory.BearerAssertion{Issuer: "idp", ID: id, Subject: store.Ref{ID: "x"}, Expires: time.Unix(1, 0)}, nil
	case !ok:
		return nil, directory.ErrAssertion
	}
	return &directory.BearerAssertion{Issuer: "idp", ID: id, Subject: store.Ref{ID: name}, Expires: time.Date(2031, 5, 6, 12, 10, 0, 0, time.UTC)}, nil
}

// TestSAMLBearer redeems a SAML assertion (RFC 7522 §2.1, §3.1).
func TestSAMLBearer(t *testing.T) {
	t.Parallel()
	bearingIn(t, func(t *testing.T, h *harness) {
		redeem := func(text string, pairs ...string) *answer {
			return h.assert(base64.RawURLEncoding.EncodeToString([]byte(text)), append([]string{"grant_type", samlGrant}, pairs...)...)
		}
		sub := h.subject(ann).ID
		got := h.issued(redeem(sub+" 1", "scope", "read"))
		if c := claims(t, got.AccessToken); c["sub"] != sub || c["scope"] != "read" || got.RefreshToken != "" {
			t.Errorf("claims: %v", c)
		}
		padded := base64.URLEncoding.EncodeToString([]byte(sub + " 22"))
		if a := h.assert(padded, "grant_type", samlGrant); !gotTokens(a) {
			t.Errorf("with padding: %s", a)
		}
		for text, code := range map[string]string{
			sub + " 1": "invalid_grant", "nobody": "invalid_grant", "nobody 3": "invalid_grant", "expired 4": "invalid_grant",
			"down 5": "temporarily_unavailable", "endless 6": "temporarily_unavailable",
		} {
			if a := redeem(text); a.errorCode() != code {
				t.Errorf("%q: %s", text, a)
			}
		}
		for _, text := range []string{"<saml>", "PHNhbWw+", "abc\n", "a"} {
			if a := h.assert(text, "grant_type", samlGrant); a.errorCode() != "invalid_grant" {
				t.Errorf("%q: %s", text, a)
			}
		}
		h.must(h.people.Subjects.Disable(t.Context(), h.subject(ann).Ref()))
		if a := redeem(sub + " 7"); a.errorCode() != "invalid_grant" {
			t.Errorf("a disabled person: %s", a)
		}
	})
}

// TestAssertionGrantConfig: a missing safety part is an error of New.
func TestAssertionGrantConfig(t *testing.T) {
	t.Parallel()
	h := together(t)
	_, err := oidc.New(oidc.Config{
		Issuer: issuer, DB: h.db, Directory: h.people, Keys: staticKeys{}, Interact: h.persona.Interact,
		Features: oidc.Features{
			JWTBearer: &oidc.JWTBearer{}, SAMLBearer: &oidc.SAMLBearer{},
			Experimental: oidc.Experimental{IDJAG: &oidc.IDJAG{Lifetime: 2 * time.Hour, Audiences: []oidc.IDJAGAudience{{Issuer: "http://x"}}}},
		},
	})
	if err == nil {
		t.Fatal("taken")
	}
	for _, part := range []string{"JWTBearer.Issuers is required", "SAMLBearer.Verifier is required", "Lifetime must", "needs Config.Features.TokenExchange", "Audiences[0].Issuer"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing in %v", part, err)
		}
	}
}

// bearerDoors are assertions, to be met by failures. One whose answer was lost is a used one.
func bearerDoors() []door {
	used := refusedWith("invalid_grant")
	return []door{
		{name: "JWT bearer", config: bearing, done: gotTokens, lost: used, open: func(h *harness) attempt {
			h.registerImporter()
			token := h.foreign(nil)
			return attempt{send: func() *answer { return h.assert(token, "scope", "openid read") }}
		}},
		{name: "SAML bearer", config: bearing, done: gotTokens, lost: used, open: func(h *harness) attempt {
			h.registerImporter()
			token := base64.RawURLEncoding.EncodeToString([]byte(h.subject(ann).ID + " 1"))
			return attempt{send: func() *answer { return h.assert(token, "grant_type", samlGrant) }}
		}},
	}
}
