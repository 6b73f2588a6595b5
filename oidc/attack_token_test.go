package oidc_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc"
)

// Opaque token malleable, or valid when truncated (CVE-2026-27840, zitadel/oidc's AES-CFB): every byte of it counts, at the
// userinfo endpoint, at introspection, and at revocation, which must not revoke by a half of a token.
func TestAttackOpaqueTokenMalleable(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		got := h.tokens(vault)
		for name, forged := range mutations(got.AccessToken) {
			if a := h.introspect(vault, forged); a.active() || a.Status >= http.StatusInternalServerError {
				t.Errorf("introspection, %s: %s", name, a)
			}
			if a := h.revoke(vault, forged); a.Status >= http.StatusInternalServerError {
				t.Errorf("revocation, %s: %s", name, a)
			}
			if strings.ContainsAny(forged, "\n\x00") || strings.TrimSpace(forged) == got.AccessToken {
				continue // no header carries it
			}
			if a := h.userInfo(forged); a.Status != http.StatusUnauthorized {
				t.Errorf("userinfo, %s: %s", name, a)
			}
		}
		if a := h.userInfo(got.AccessToken); a.Status != http.StatusOK {
			t.Errorf("the token itself: %s", a)
		}
	})
}

// JWT tampering (RFC 8725 §2, §3): other algorithms, foreign and embedded keys, no signature, other claims, other headers.
func TestAttackJWTForged(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		got := h.tokens(web)
		head, payload, signature := cutJWT(got.AccessToken)
		other := h.tokens(web)
		_, otherPayload, otherSignature := cutJWT(other.AccessToken)
		foreign, err := jose.GenerateKey(jose.RS256)
		h.must(err)
		raw, err := base64.RawURLEncoding.DecodeString(payload)
		h.must(err)
		signed := func(header jose.Header, body string) string {
			token, err := jose.Sign([]byte(body), header, foreign)
			h.must(err)
			return token
		}
		segment := func(v any) string {
			text, err := json.Marshal(v)
			h.must(err)
			return base64.RawURLEncoding.EncodeToString(text)
		}
		forged := map[string]string{
			"no signature":             head + "." + payload + ".",
			"signature of another":     head + "." + payload + "." + otherSignature,
			"payload of another":       head + "." + otherPayload + "." + signature,
			"two segments":             head + "." + payload,
			"four segments":            got.AccessToken + ".x",
			"alg none":                 segment(map[string]string{"alg": "none", "typ": "at+jwt"}) + "." + payload + ".",
			"alg None":                 segment(map[string]string{"alg": "None", "typ": "at+jwt", "kid": "key-RS256"}) + "." + payload + "." + signature,
			"alg HS256":                segment(map[string]string{"alg": "HS256", "typ": "at+jwt", "kid": "key-RS256"}) + "." + payload + "." + signature,
			"alg PS256":                segment(map[string]string{"alg": "PS256", "typ": "at+jwt", "kid": "key-RS256"}) + "." + payload + "." + signature,
			"kid of another algorithm": segment(map[string]string{"alg": "RS256", "typ": "at+jwt", "kid": "key-ES256"}) + "." + payload + "." + signature,
			"kid that is a path":       segment(map[string]string{"alg": "RS256", "typ": "at+jwt", "kid": "../../dev/null"}) + "." + payload + "." + signature,
			"crit":                     segment(map[string]any{"alg": "RS256", "typ": "at+jwt", "kid": "key-RS256", "crit": []string{"exp"}}) + "." + payload + "." + signature,
			"foreign key":              signed(jose.Header{Alg: jose.RS256, Kid: "key-RS256", Typ: "at+jwt"}, string(raw)),
			"foreign key without kid":  signed(jose.Header{Alg: jose.RS256, Typ: "at+jwt"}, string(raw)),
			"another person":           head + "." + segment(map[string]any{"iss": issuer, "sub": "evil"}) + "." + signature,
			"padded":                   head + "." + payload + "=." + signature,
			"with line end":            head + "." + payload + "\n." + signature,
			"a JWE":                    strings.Repeat("e30.", 4) + "e30",
			"huge":                     head + "." + payload + "." + strings.Repeat("A", 100_000),
			"empty":                    "..",
		}
		for i := 0; i < len(got.AccessToken); i += 7 {
			flipped := []byte(got.AccessToken)
			flipped[i] = 'A' + (flipped[i]-'A'+1)%26
			if string(flipped) != got.AccessToken {
				forged[fmt.Sprintf("byte %d changed", i)] = string(flipped)
			}
			forged[fmt.Sprintf("cut before byte %d", i)] = got.AccessToken[:i] + "A"
		}
		for name, token := range forged {
			if a := h.introspect(web, token); a.active() || a.Status >= http.StatusInternalServerError {
				t.Errorf("introspection, %s: %s", name, a)
			}
			if !strings.Contains(token, "\n") {
				if a := h.userInfo(token); a.Status != http.StatusUnauthorized || a.errorCode() != "invalid_token" {
					t.Errorf("userinfo, %s: %s", name, a)
				}
			}
			if a := h.revoke(web, token); a.Status >= http.StatusInternalServerError {
				t.Errorf("revocation, %s: %s", name, a)
			}
		}
		if a := h.userInfo(got.AccessToken); a.Status != http.StatusOK {
			t.Errorf("the token itself: %s", a)
		}
	})
}

func cutJWT(token string) (header, payload, signature string) {
	parts := strings.Split(token, ".")
	return parts[0], parts[1], parts[2]
}

// Required claims (GHSA-wxg7-w2v3-w38g): a JWT of the right key and type that lacks one of what a token of ours always has,
// or has it in another form, is none.
func TestAttackJWTWithoutRequiredClaims(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		machine := claims(t, h.machineToken(robot))
		person := claims(t, h.tokens(web).AccessToken)
		key := generatedKeys["RS256"]()
		for owner, whole := range map[string]map[string]any{robot: machine, web: person} {
			sign := func(payload map[string]any) string {
				text, err := json.Marshal(payload)
				h.must(err)
				token, err := jose.Sign(text, jose.Header{Alg: jose.RS256, Kid: "key-RS256", Typ: "at+jwt"}, key)
				h.must(err)
				return token
			}
			if a := h.introspect(owner, sign(whole)); !a.active() {
				t.Fatalf("the whole token: %s", a)
			}
			for _, name := range []string{"iss", "exp", "client_id", "jti", "aep", "gid"} {
				if _, has := whole[name]; !has {
					continue
				}
				for what, value := range map[string]any{"missing": nil, "text": "evil", "negative": -1, "list": []string{"x"}} {
					changed := map[string]any{}
					for n, v := range whole {
						changed[n] = v
					}
					if changed[name] = value; value == nil {
						delete(changed, name)
					}
					if name == "jti" && what == "text" {
						continue // any will do
					}
					if a := h.introspect(owner, sign(changed)); a.active() || a.Status >= http.StatusInternalServerError {
						t.Errorf("%s: %s %s: %s", owner, name, what, a)
					}
				}
			}
		}
	})
}

// Token confusion (RFC 8725 §3.11, RFC 9068 §4): an ID token opens nothing, an access token is no hint, and nothing but a
// refresh token refreshes.
func TestAttackTokenConfusion(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, clientID := range []string{web, vault} {
			got := h.tokens(clientID)
			for _, token := range []string{got.IDToken, got.RefreshToken} {
				if a := h.userInfo(token); a.Status != http.StatusUnauthorized {
					t.Errorf("userinfo: %s", a)
				}
			}
			if a := h.introspect(clientID, got.IDToken); a.active() {
				t.Errorf("introspection of an ID token: %s", a)
			}
			for _, token := range []string{got.IDToken, got.AccessToken} {
				if a := h.refresh(clientID, token); a.errorCode() != "invalid_grant" {
					t.Errorf("refresh: %s", a)
				}
				if a := h.redeem(clientID, token); a.errorCode() != "invalid_grant" {
					t.Errorf("redeem: %s", a)
				}
			}
			for _, hint := range []string{got.AccessToken, got.RefreshToken} {
				if a := h.newBrowser().authorize(authorization(clientID, "id_token_hint", hint)); a.errorCode() != "invalid_request" {
					t.Errorf("id_token_hint: %s", a)
				}
				h.demandStays(h.newBrowser().get(pathLogout+"?"+values("id_token_hint", hint, "post_logout_redirect_uri", bye).Encode()), "logout hint")
			}
			if a := h.refresh(clientID, got.RefreshToken); a.Status != http.StatusOK {
				t.Errorf("the refresh token was harmed: %s", a)
			}
		}
		header, _, _ := cutJWT(h.tokens(web).AccessToken)
		text, err := base64.RawURLEncoding.DecodeString(header)
		h.must(err)
		if !strings.Contains(string(text), `"typ":"at+jwt"`) {
			t.Errorf("header of an access token: %s", text)
		}
	})
}

// Introspection of foreign tokens (CVE-2026-37979, CVE-2026-18208, CVE-2026-8922; RFC 7662 §2.2, §4): only the client that a
// token was issued to and the API that it is for learn that it exists, and a public client learns nothing at all.
func TestAttackIntrospectionOwnerRule(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		jwt, opaque, mine := h.machineToken(robot), h.machineToken(safe), h.tokens(vault)
		for name, test := range map[string]struct {
			token  string
			owners []string
		}{
			"JWT of a machine":    {jwt, []string{robot, server}},
			"opaque of a machine": {opaque, []string{safe, server}},
			"opaque of a person":  {mine.AccessToken, []string{vault}},
			"refresh token":       {mine.RefreshToken, []string{vault}},
		} {
			for _, caller := range []string{web, mail, vault, server, robot, safe} {
				want := strings.Contains(strings.Join(test.owners, " "), caller)
				a := h.introspect(caller, test.token)
				if a.Status != http.StatusOK || a.active() != want {
					t.Errorf("%s by %s: %s", name, caller, a)
				}
				if !want && a.Body != `{"active":false}` {
					t.Errorf("%s by %s says more than no: %s", name, caller, a)
				}
			}
			if a := h.introspect(spa, test.token); a.Status != http.StatusUnauthorized {
				t.Errorf("%s by a public client: %s", name, a)
			}
			if a := h.post(pathIntrospect, "", values("token", test.token)); a.Status != http.StatusUnauthorized {
				t.Errorf("%s by nobody: %s", name, a)
			}
			r := h.request(http.MethodGet, pathIntrospect+"?token="+url.QueryEscape(test.token), nil)
			r.SetBasicAuth(server, clientSecret(server))
			if a := h.send(r); a.Status != http.StatusMethodNotAllowed {
				t.Errorf("%s by GET: %s", name, a)
			}
		}
	})
}

// Revocation by another client (RFC 7009 §2.1): refused, and the token lives. By its owner it is dead, again and again.
func TestAttackRevocationByAnother(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		machine := map[string]string{robot: h.machineToken(robot), safe: h.machineToken(safe)}
		person := map[string]issued{web: h.tokens(web), vault: h.tokens(vault), spa: h.tokens(spa)}
		tokens := map[string][]string{}
		for owner, token := range machine {
			tokens[owner] = append(tokens[owner], token)
		}
		for owner, got := range person {
			tokens[owner] = append(tokens[owner], got.AccessToken, got.RefreshToken)
		}
		for owner, list := range tokens {
			for _, token := range list {
				for _, thief := range []string{web, mail, spa, vault, server, robot, safe} {
					if thief == owner {
						continue
					}
					if a := h.revoke(thief, token); a.Status != http.StatusBadRequest {
						t.Errorf("%s revokes of %s: %s", thief, owner, a)
					}
				}
				if a := h.post(pathRevoke, "", values("token", token)); a.Status != http.StatusUnauthorized {
					t.Errorf("nobody revokes: %s", a)
				}
			}
		}
		for owner, got := range person {
			if a := h.userInfo(got.AccessToken); a.Status != http.StatusOK {
				t.Errorf("%s: harmed: %s", owner, a)
			}
			for range 2 {
				if a := h.revoke(owner, got.AccessToken); a.Status != http.StatusOK {
					t.Errorf("%s: %s", owner, a)
				}
			}
			if a := h.userInfo(got.AccessToken); a.Status != http.StatusUnauthorized {
				t.Errorf("%s: alive: %s", owner, a)
			}
		}
		for owner, token := range machine {
			for range 2 {
				if a := h.revoke(owner, token); a.Status != http.StatusOK {
					t.Errorf("%s: %s", owner, a)
				}
			}
			if a := h.introspect(server, token); a.active() {
				t.Errorf("%s: alive: %s", owner, a)
			}
			if a := h.introspect(owner, h.machineToken(owner)); !a.active() {
				t.Errorf("%s: the next token: %s", owner, a)
			}
		}
	})
}

// The denial of a JWT holds in whichever organization its client lives.
func TestAttackRevocationInAnOrganization(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		c := &oidc.Client{
			ClientID: "branch", GrantTypes: []oidc.GrantType{oidc.ClientCredentials}, Scopes: []string{"read"}, Audience: []string{api},
		}
		c.Org = "acme"
		h.register(c)
		token := h.machineToken("branch")
		if a := h.introspect(server, token); !a.active() {
			t.Fatalf("before: %s", a)
		}
		if a := h.revoke("branch", token); a.Status != http.StatusOK {
			t.Errorf("revocation: %s", a)
		}
		if a := h.introspect(server, token); a.active() {
			t.Errorf("after: %s", a)
		}
	})
}

// Expired tokens give nothing at the very second in which they expire, and a machine's token dies with its application.
func TestAttackTokenExpired(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, clientID := range []string{web, vault} {
			got := h.tokens(clientID)
			h.clock.advance(time.Hour - time.Second)
			if a := h.userInfo(got.AccessToken); a.Status != http.StatusOK {
				t.Errorf("%s: in its last second: %s", clientID, a)
			}
			h.clock.advance(time.Second)
			if a := h.userInfo(got.AccessToken); a.Status != http.StatusUnauthorized {
				t.Errorf("%s: expired: %s", clientID, a)
			}
			if a := h.introspect(clientID, got.AccessToken); a.active() {
				t.Errorf("%s: expired: %s", clientID, a)
			}
		}
		for _, clientID := range []string{robot, safe} {
			token := h.machineToken(clientID)
			h.must(h.people.Applications.Disable(t.Context(), h.client(clientID).Application))
			if a := h.introspect(server, token); a.active() {
				t.Errorf("%s: its application is disabled: %s", clientID, a)
			}
			if a := h.token(clientID, "grant_type", "client_credentials"); a.errorCode() != "unauthorized_client" {
				t.Errorf("%s: its application is disabled: %s", clientID, a)
			}
			h.must(h.people.Applications.Enable(t.Context(), h.client(clientID).Application))
			if a := h.introspect(server, token); a.active() {
				t.Errorf("%s: what ended came back: %s", clientID, a)
			}
		}
	})
}

// Scopes that a machine may not have (RFC 6749 §3.3, §4.4): nobody's, a person's, another machine's.
func TestAttackMachineScopes(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for scope, want := range map[string]string{
			"openid": "invalid_scope", "profile email": "invalid_scope", "admin": "invalid_scope", "READ": "invalid_scope", "re\"ad": "invalid_scope",
			"read\\": "invalid_scope", "read admin": "", "read read": "", "write": "",
		} {
			a := h.token(robot, "grant_type", "client_credentials", "scope", scope)
			if a.errorCode() != want {
				t.Errorf("%q: %s", scope, a)
			}
			if got := a.member("scope"); want == "" && got != strings.Fields(scope)[0] {
				t.Errorf("%q gave %q", scope, got)
			}
			if a.member("refresh_token")+a.member("id_token") != "" {
				t.Errorf("%q: a machine got a token that is about a person: %s", scope, a)
			}
		}
		token := h.machineToken(robot)
		if a := h.userInfo(token); a.Status != http.StatusForbidden || a.errorCode() != "insufficient_scope" {
			t.Errorf("a machine at the userinfo endpoint: %s", a)
		}
	})
}

// Bearer token in more than one place, or in the wrong one (RFC 6750 §2, §3; RFC 9700 §4.3.2).
func TestAttackBearerTokenPlaces(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		token := h.tokens(web).AccessToken
		for name, test := range map[string]struct {
			edit func(*http.Request)
			form url.Values
			path string
			want int
		}{
			"in the query":             {nil, nil, "?access_token=" + token, http.StatusBadRequest},
			"in the query too":         {bearer(token), nil, "?access_token=" + token, http.StatusBadRequest},
			"in header and body":       {bearer(token), values("access_token", token), "", http.StatusBadRequest},
			"two headers":              {func(r *http.Request) { r.Header["Authorization"] = []string{"Bearer " + token, "Bearer " + token} }, nil, "", http.StatusBadRequest},
			"nothing":                  {nil, nil, "", http.StatusUnauthorized},
			"another scheme":           {func(r *http.Request) { r.Header.Set("Authorization", "DPoP "+token) }, nil, "", http.StatusUnauthorized},
			"scheme without a token":   {func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") }, nil, "", http.StatusUnauthorized},
			"no scheme":                {func(r *http.Request) { r.Header.Set("Authorization", token) }, nil, "", http.StatusUnauthorized},
			"two tokens in one header": {bearer(token + " " + token), nil, "", http.StatusUnauthorized},
			"in the body":              {nil, values("access_token", token), "", http.StatusOK},
			"in the header":            {bearer(token), nil, "", http.StatusOK},
		} {
			method := http.MethodGet
			if test.form != nil {
				method = http.MethodPost
			}
			r := h.request(method, pathUserInfo+test.path, test.form)
			if test.edit != nil {
				test.edit(r)
			}
			a := h.send(r)
			if a.Status != test.want {
				t.Errorf("%s: %s", name, a)
			}
			if challenge := a.Header.Get("WWW-Authenticate"); test.want != http.StatusOK && !strings.HasPrefix(challenge, "Bearer realm=") {
				t.Errorf("%s: challenge %q", name, challenge)
			}
			if name == "nothing" && (a.Body != "" || strings.Contains(a.Header.Get("WWW-Authenticate"), "error")) { // RFC 6750 §3.1
				t.Errorf("%s: %s", name, a)
			}
			if a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s may be cached", name)
			}
		}
	})
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

// An access token without openid says nothing about the person at the userinfo endpoint (OpenID Connect Core §5.3, RFC 6750
// §3.1), nor does one that was narrowed on refresh.
func TestAttackUserInfoWithoutOpenID(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, clientID := range []string{web, vault} {
			oauth, narrowed := h.tokens(clientID, "scope", "profile email"), h.tokens(clientID)
			narrowed = h.issued(h.refresh(clientID, narrowed.RefreshToken, "scope", "profile"))
			for name, got := range map[string]issued{"without": oauth, "narrowed": narrowed} {
				a := h.userInfo(got.AccessToken)
				if a.Status != http.StatusForbidden || a.errorCode() != "insufficient_scope" || got.IDToken != "" {
					t.Errorf("%s, %s: %s", clientID, name, a)
				}
			}
		}
	})
}

// What proves or grants something is refused in a URL, where it would be logged, whatever it is for (RFC 6749 §2.3.1, §3.2).
func TestAttackSecretsInTheQuery(t *testing.T) {
	t.Parallel()
	h := together(t)
	for _, name := range []string{
		"client_secret", "client_assertion", "code", "refresh_token", "password", "device_code", "auth_req_id", "assertion", "subject_token", "actor_token",
	} {
		r := h.request(http.MethodPost, pathToken+"?"+name+"=x", values("grant_type", "client_credentials"))
		r.SetBasicAuth(robot, clientSecret(robot))
		if a := h.send(r); a.errorCode() != "invalid_request" {
			t.Errorf("%s: %s", name, a)
		}
	}
}
