package oidc_test

import (
	"crypto/rsa"
	"html"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/directory"
)

func withJARM(c *oidc.Config) { c.Features.JARM = &oidc.JARM{} }

func withEveryMode(c *oidc.Config) {
	legacy(c)
	withJARM(c)
	c.Features.WebMessage = &oidc.WebMessage{}
}

var hiddenField = regexp.MustCompile(`name="response" value="([^"]*)"`)

// responseToken is the one parameter of a secured response, and how it travelled.
func responseToken(t *testing.T, a *answer) (token, transport string) {
	t.Helper()
	if u := a.location(); u != nil {
		if got := a.returned(); len(got) != 1 {
			t.Fatalf("more than the response: %v", got)
		}
		if u.Fragment != "" {
			return a.returned().Get("response"), "fragment"
		}
		return a.returned().Get("response"), "query"
	}
	if found := hiddenField.FindStringSubmatch(a.Body); found != nil && strings.Count(a.Body, "<input") == 1 {
		return found[1], "form_post"
	}
	for _, found := range dataAttribute.FindAllStringSubmatch(a.Body, -1) {
		if rest, ok := strings.CutPrefix(html.UnescapeString(found[2]), `{"type":"authorization_response","response":{"response":"`); ok {
			return strings.TrimSuffix(rest, `"}}`), "web_message"
		}
	}
	t.Fatalf("no secured response: %s", a)
	return "", ""
}

// openResponse verifies a secured response as a client does (JARM §4.4), and returns its claims.
func openResponse(t *testing.T, h *harness, clientID string, alg jose.Algorithm, token string) map[string]any {
	t.Helper()
	_, _, err := jose.Verifier{Algorithms: []jose.Algorithm{alg}}.Verify(token, func(jose.Header) (jose.PublicKey, error) {
		return jose.PublicKey{ID: "key-" + string(alg), Algorithm: alg, Key: generatedKeys[string(alg)]().Public()}, nil
	})
	if err != nil {
		t.Fatalf("not signed with %s: %v", alg, err)
	}
	got := claims(t, token)
	if got["iss"] != issuer || got["aud"] != clientID || got["exp"] != float64(h.clock.Now().Add(10*time.Minute).Unix()) || got["state"] != "xyz" {
		t.Errorf("claims: %v", got)
	}
	return got
}

// Each mode wraps what it carries, success and error alike, in one token (JARM §2.1, §2.3), signed with the client's algorithm (§3).
func TestSecuredResponseModes(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.receives(web, "code", "code id_token")
		c := h.client(web)
		c.AuthorizationSignedResponseAlg = "PS256"
		h.must(h.Clients.Replace(t.Context(), c))
		h.clock.advance(2 * time.Second)
		for _, m := range []struct{ responseType, mode, want string }{
			{"code", "jwt", "query"},
			{"code", "query.jwt", "query"},
			{"code", "fragment.jwt", "fragment"},
			{"code", "form_post.jwt", "form_post"},
			{"code", "web_message.jwt", "web_message"},
			{"code id_token", "jwt", "fragment"},
			{"code id_token", "form_post.jwt", "form_post"},
		} {
			h.persona.acts(script{})
			request := authorization(web, "response_type", m.responseType, "response_mode", m.mode)
			token, transport := responseToken(t, h.newBrowser().authorize(request))
			got := openResponse(t, h, web, jose.PS256, token)
			code, _ := got["code"].(string)
			if transport != m.want || code == "" || (got["id_token"] != nil) != (m.responseType != "code") {
				t.Errorf("%s by %s travelled by %s: %v", m.responseType, m.mode, transport, slices.Sorted(maps.Keys(got)))
			}
			h.noteSecret("code", code)
			h.issued(h.redeem(web, code))
			h.persona.acts(script{Refusal: directory.Denied})
			token, transport = responseToken(t, h.newBrowser().authorize(request))
			if got := openResponse(t, h, web, jose.PS256, token); transport != m.want || got["error"] != "access_denied" || got["code"] != nil {
				t.Errorf("%s, refused: %v by %s", m.mode, got, transport)
			}
			token, _ = responseToken(t, h.newBrowser().authorize(authorization(web, "response_type", m.responseType, "response_mode", m.mode, "scope", "teapot")))
			if got := openResponse(t, h, web, jose.PS256, token); got["error"] != "invalid_scope" {
				t.Errorf("%s, invalid: %v", m.mode, got)
			}
		}
		// RS256 where the client does not say (JARM §3).
		h.persona.acts(script{})
		token, _ := responseToken(t, h.newBrowser().authorize(authorization(mail, "response_mode", "jwt")))
		openResponse(t, h, mail, jose.RS256, token)
	}, withEveryMode)
}

// A secured response is for its client's keys alone where the client is registered so (JARM §2.2), and tokens go in a query only then
// (§2.3.1). A client without a key to encrypt to loses nothing but that answer.
func TestAttackSecuredResponseInTheClear(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.receives(web, "code", "id_token")
		a := h.newBrowser().authorize(authorization(web, "response_type", "id_token", "response_mode", "query.jwt"))
		token, transport := responseToken(t, a)
		if got := openResponse(t, h, web, jose.RS256, token); transport != "fragment" || got["error"] != "invalid_request" || got["id_token"] != nil {
			t.Errorf("an ID token in a query, not encrypted: %v by %s", got, transport)
		}
		key := generatedKeys["RS256"]().(*rsa.PrivateKey)
		set, err := jose.Set(nil, jose.EncryptionKey{ID: "e", Algorithm: jose.RSAOAEP256, Key: key.Public()})
		h.must(err)
		c := h.client(web)
		c.JWKS, c.AuthorizationEncryptedResponseAlg, c.AuthorizationEncryptedResponseEnc = set, "RSA-OAEP-256", "A256GCM"
		h.must(h.Clients.Replace(t.Context(), c))
		h.clock.advance(2 * time.Second)
		for _, responseType := range []string{"code", "id_token"} {
			sealed, transport := responseToken(t, h.newBrowser().authorize(authorization(web, "response_type", responseType, "response_mode", "query.jwt")))
			_, inner, err := jose.Decrypter{Nested: true, MaxSize: 1 << 16}.Decrypt(sealed, func(h jose.EncryptionHeader) ([]jose.PrivateKey, error) {
				return []jose.PrivateKey{{ID: h.Kid, Algorithm: h.Alg, Key: key}}, nil
			})
			if err != nil || transport != "query" {
				t.Fatalf("%s: %v by %s", responseType, err, transport)
			}
			if got := openResponse(t, h, web, jose.RS256, string(inner)); got[responseType] == nil {
				t.Errorf("%s: %v", responseType, got)
			}
		}
		// The client has taken its key out of the set: the person learns of it before anything was consumed.
		if set, err = jose.Set([]jose.PublicKey{{ID: "s", Algorithm: jose.ES256, Key: clientKey().Public()}}); err != nil {
			t.Fatal(err)
		}
		c = h.client(web)
		c.JWKS = set
		h.must(h.Clients.Replace(t.Context(), c))
		h.clock.advance(2 * time.Second)
		if a := h.newBrowser().authorize(authorization(web, "response_mode", "jwt")); a.location() != nil || a.Status != http.StatusBadRequest {
			t.Errorf("without a key to encrypt to: %s", a)
		}
		for name, edit := range map[string]func(*oidc.Client){
			"alg": func(c *oidc.Client) { c.AuthorizationEncryptedResponseAlg = "RSA1_5" },
			"enc": func(c *oidc.Client) { c.AuthorizationEncryptedResponseEnc = "zip" },
		} {
			c := h.client(web)
			edit(c)
			if err := h.Clients.Replace(t.Context(), c); !slices.Equal(fields(err), []string{"authorization_encrypted_response_" + name}) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}, withEveryMode)
}

// A secured response is no ID token: it opens nothing as a hint, nor as an access token.
func TestAttackSecuredResponseAsAnotherToken(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		token, _ := responseToken(t, h.newBrowser().authorize(authorization(web, "response_mode", "jwt")))
		if a := h.newBrowser().authorize(authorization(web, "id_token_hint", token)); a.returned().Get("error") != "invalid_request" {
			t.Errorf("as id_token_hint: %s", a)
		}
		if a := h.userInfo(token); a.Status != http.StatusUnauthorized {
			t.Errorf("as an access token: %s", a)
		}
		h.dead(web, token)(t)
	}, withJARM)
	h := together(t)
	for _, lifetime := range []time.Duration{-1, time.Second, time.Hour} {
		config := oidc.Config{Issuer: issuer, DB: h.db, Directory: h.people, Keys: staticKeys{}, Interact: h.persona.Interact}
		config.Features.JARM = &oidc.JARM{Lifetime: lifetime}
		if _, err := oidc.New(config); err == nil {
			t.Errorf("a lifetime of %v", lifetime)
		}
	}
}

// prompt=create reaches the flow, which refuses clearly where it cannot; without the feature it is unknown (Initiating User
// Registration §4.1).
func TestPromptCreate(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.code(web, "prompt", "create")
		if in := h.persona.interactions()[0]; !in.CreateAccount {
			t.Errorf("the flow was not told: %+v", in)
		}
		h.persona.acts(script{Refusal: directory.RegistrationUnavailable})
		for _, prompt := range []string{"create", "create none"} {
			if got := h.respond(web, "code", "prompt", prompt); got.Get("error") != "invalid_request" {
				t.Errorf("%s: %v", prompt, got)
			}
		}
	}, func(c *oidc.Config) { c.Features.CreateAccount = &oidc.CreateAccount{} })
	if got := together(t).respond(web, "code", "prompt", "create"); got.Get("error") != "invalid_request" {
		t.Errorf("without the feature: %v", got)
	}
}

func jarmDoors() []door {
	secured := func(a *answer) bool { return a.Status == http.StatusSeeOther && a.returned().Has("response") }
	open := func(request url.Values) func(h *harness) attempt {
		return func(h *harness) attempt {
			b := h.newBrowser()
			return attempt{send: func() *answer { return b.get(pathAuthorize + "?" + request.Encode()) }}
		}
	}
	return []door{
		{name: "secured response", config: withJARM, done: secured, open: open(authorization(web, "response_mode", "jwt"))},
		{name: "secured error", config: withJARM, done: secured, open: open(authorization(web, "response_mode", "jwt", "scope", "teapot"))},
	}
}
