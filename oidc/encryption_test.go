package oidc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc"
)

func protected(c *oidc.Config) {
	c.Features.SignedUserInfo = &oidc.SignedUserInfo{}
	c.Features.SignedIntrospection = &oidc.SignedIntrospection{}
	c.Features.Encryption = &oidc.Encryption{}
}

// recipient is a client with keys of its own to be encrypted to.
type recipient struct{ keys []jose.PrivateKey }

func newRecipient(t testing.TB) (recipient, json.RawMessage) {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey := generatedKeys["RS256"]()
	set, err := jose.Set(nil,
		jose.EncryptionKey{ID: "ec", Algorithm: jose.ECDHES, Key: ec.Public()},
		jose.EncryptionKey{ID: "rsa", Algorithm: jose.RSAOAEP256, Key: rsaKey.Public()},
	)
	if err != nil {
		t.Fatal(err)
	}
	return recipient{[]jose.PrivateKey{
		{ID: "ec", Algorithm: jose.ECDHES, Key: ec}, {ID: "rsa", Algorithm: jose.RSAOAEP256, Key: rsaKey},
	}}, set
}

// open decrypts a token.
func (r recipient) open(t testing.TB, token string) (jose.EncryptionHeader, string) {
	t.Helper()
	header, content, err := jose.Decrypter{}.Decrypt(token, func(jose.EncryptionHeader) ([]jose.PrivateKey, error) { return r.keys, nil })
	if err != nil {
		t.Fatalf("%v: %s", err, token)
	}
	return header, string(content)
}

func mediaType(a *answer) string { return a.Header.Get("Content-Type") }

// ID tokens and userinfo are signed, then encrypted, as the client is registered (OpenID Connect Core §10.2, §5.3.2, RFC 7519 §5.2).
func TestEncryptedToTheClient(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		keys, set := newRecipient(t)
		h.register(&oidc.Client{
			ClientID: "sealed", RedirectURIs: []string{callback}, JWKS: set, IDTokenEncryptedResponseAlg: "RSA-OAEP-256",
			UserInfoSignedResponseAlg: "ES256", UserInfoEncryptedResponseAlg: "ECDH-ES", UserInfoEncryptedResponseEnc: "A256GCM",
		})
		got := h.tokens("sealed")
		header, idToken := keys.open(t, got.IDToken)
		if header.Enc != jose.A128CBCHS256 || header.Alg != jose.RSAOAEP256 || header.Cty != "JWT" || header.Kid != "rsa" {
			t.Errorf("the ID token is encrypted by %+v", header)
		}
		if signed := claims(t, idToken); signed["sub"] != h.subject(ann).ID || signed["at_hash"] == "" {
			t.Errorf("the ID token says %v", signed)
		}
		a := h.userInfo(got.AccessToken)
		if mediaType(a) != "application/jwt" {
			t.Errorf("userinfo is %s", mediaType(a))
		}
		header, userInfo := keys.open(t, a.Body)
		if header.Enc != jose.A256GCM || header.Cty != "JWT" {
			t.Errorf("userinfo is encrypted by %+v", header)
		}
		inner, err := jose.Parse(userInfo)
		if said := claims(t, userInfo); err != nil || inner.Header().Alg != jose.ES256 || said["iss"] != issuer || said["aud"] != "sealed" || said["name"] != "Ann Example" {
			t.Errorf("userinfo says %v under %+v, %v", said, inner.Header(), err)
		}
	}, protected)
}

// Userinfo may be signed without being encrypted and the other way around (OpenID Connect Core §5.3.2). Signed, it is no ID token.
func TestProtectedUserInfo(t *testing.T) {
	t.Parallel()
	h := together(t, protected)
	keys, set := newRecipient(t)
	h.register(&oidc.Client{ClientID: "signed", RedirectURIs: []string{callback}, UserInfoSignedResponseAlg: "PS256"})
	h.register(&oidc.Client{ClientID: "closed", RedirectURIs: []string{callback}, JWKS: set, UserInfoEncryptedResponseAlg: "ECDH-ES"})
	a := h.userInfo(h.tokens("signed").AccessToken)
	signed, err := jose.Parse(a.Body)
	if err != nil || signed.Header().Alg != jose.PS256 || mediaType(a) != "application/jwt" {
		t.Errorf("signed userinfo: %s under %+v, %v", mediaType(a), signed.Header(), err)
	}
	if a := h.newBrowser().authorize(authorization("signed", "id_token_hint", a.Body)); a.errorCode() != "invalid_request" {
		t.Errorf("signed userinfo passes for an ID token: %v", a)
	}
	a = h.userInfo(h.tokens("closed").AccessToken)
	_, content := keys.open(t, a.Body)
	if !strings.Contains(content, `"name":"Ann Example"`) || mediaType(a) != "application/jwt" {
		t.Errorf("encrypted userinfo: %s %s", mediaType(a), content)
	}
}

// A client whose keys are gone costs itself nothing but the answer: the code can be redeemed once they are back.
func TestEncryptionKeyIsMissing(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		_, set := newRecipient(t)
		h.register(&oidc.Client{ClientID: "sealed", RedirectURIs: []string{callback}, JWKS: set, IDTokenEncryptedResponseAlg: "ECDH-ES"})
		c := h.client("sealed")
		only, err := jose.Set([]jose.PublicKey{{ID: "sig", Algorithm: jose.RS256, Key: generatedKeys["RS256"]().Public()}})
		h.must(err)
		c.JWKS = only
		h.must(h.Clients.Replace(t.Context(), c))
		h.clock.advance(2e9)
		code := h.code("sealed")
		if a := h.redeem("sealed", code); a.errorCode() != "invalid_request" {
			t.Errorf("answered with %v", a)
		}
		c.JWKS = set
		h.must(h.Clients.Replace(t.Context(), c))
		h.clock.advance(2e9)
		if a := h.redeem("sealed", code); a.Status != http.StatusOK {
			t.Errorf("the code was consumed: %v", a)
		}
	}, protected)
}

func TestEncryptionSettings(t *testing.T) {
	t.Parallel()
	h := together(t, protected)
	_, set := newRecipient(t)
	for name, test := range map[string]struct {
		client oidc.Client
		want   []string
	}{
		"no keys":     {oidc.Client{IDTokenEncryptedResponseAlg: "RSA-OAEP-256"}, []string{"id_token_encrypted_response_alg"}},
		"enc alone":   {oidc.Client{JWKS: set, UserInfoEncryptedResponseEnc: "A256GCM"}, []string{"userinfo_encrypted_response_alg"}},
		"old padding": {oidc.Client{JWKS: set, UserInfoEncryptedResponseAlg: "RSA1_5"}, []string{"userinfo_encrypted_response_alg"}},
		"symmetric":   {oidc.Client{JWKS: set, IntrospectionEncryptedResponseAlg: "dir"}, []string{"introspection_encrypted_response_alg"}},
		"enc":         {oidc.Client{JWKS: set, IDTokenEncryptedResponseAlg: "ECDH-ES", IDTokenEncryptedResponseEnc: "A128CBC+HS256"}, []string{"id_token_encrypted_response_enc"}},
		"none":        {oidc.Client{UserInfoSignedResponseAlg: "none"}, []string{"userinfo_signed_response_alg"}},
		"secret":      {oidc.Client{IntrospectionSignedResponseAlg: "HS256"}, []string{"introspection_signed_response_alg"}},
	} {
		test.client.RedirectURIs = []string{callback}
		if _, err := h.Clients.Create(t.Context(), "", &test.client); !slices.Equal(fields(err), test.want) {
			t.Errorf("%s: problems with %v, want %v", name, fields(err), test.want)
		}
	}
}

// introspectSigned asks for a JWT.
func (h *harness) introspectSigned(clientID, token, accept string) *answer {
	h.tb.Helper()
	r := h.request(http.MethodPost, pathIntrospect, values("token", token))
	r.SetBasicAuth(clientID, clientSecret(clientID))
	r.Header.Set("Accept", accept)
	return h.send(r)
}

// An API gets a JWT when it asks for one: for itself, signed as it is registered, also about tokens that are worth nothing
// (RFC 9701 §4, §5).
func TestSignedIntrospection(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		keys, set := newRecipient(t)
		h.register(&oidc.Client{
			ClientID: "api", GrantTypes: []oidc.GrantType{oidc.ClientCredentials}, Resources: []string{api}, JWKS: set,
			IntrospectionSignedResponseAlg: "ES256", IntrospectionEncryptedResponseAlg: "ECDH-ES",
		})
		token := h.machineToken(robot)
		for _, accept := range []string{"", "*/*", "application/json", "application/token-introspection+jwt;q=0", "text/html, x"} {
			if a := h.introspectSigned(server, token, accept); mediaType(a) != "application/json" || !a.active() {
				t.Errorf("Accept: %s is answered with %s %s", accept, mediaType(a), a.Body)
			}
		}
		a := h.introspectSigned(server, token, "application/json, application/token-introspection+jwt; q=0.9")
		signed, err := jose.Parse(a.Body)
		if header := signed.Header(); err != nil || header.Typ != "token-introspection+jwt" || header.Alg != jose.RS256 || mediaType(a) != "application/token-introspection+jwt" {
			t.Fatalf("%s under %+v, %v", mediaType(a), header, err)
		}
		said := claims(t, a.Body)
		about, _ := said["token_introspection"].(map[string]any)
		if said["iss"] != issuer || said["aud"] != server || said["iat"] == nil || said["sub"] != nil || said["exp"] != nil || about["active"] != true || about["client_id"] != robot {
			t.Errorf("it says %v", said)
		}
		_, inner := keys.open(t, h.introspectSigned("api", token, "application/token-introspection+jwt").Body)
		if signed, err := jose.Parse(inner); err != nil || signed.Header().Alg != jose.ES256 {
			t.Errorf("encrypted, it is signed under %+v, %v", signed.Header(), err)
		}
		for _, foreign := range []string{"nonsense", h.machineToken(safe)[:20], h.tokens(web).AccessToken} {
			a := h.introspectSigned(server, foreign, "application/token-introspection+jwt")
			about, _ := claims(t, a.Body)["token_introspection"].(map[string]any)
			if len(about) != 1 || about["active"] != false {
				t.Errorf("about another's token it says %v", about)
			}
		}
	}, protected)
}

// An answer about a token is not a token: none of ours takes it for one (RFC 9701 §8.1).
func TestAttackIntrospectionAnswerAsToken(t *testing.T) {
	t.Parallel()
	h := together(t, protected)
	a := h.introspectSigned(web, h.tokens(web).AccessToken, "application/token-introspection+jwt")
	if got := h.userInfo(a.Body); got.Status != http.StatusUnauthorized {
		t.Errorf("userinfo: %v", got)
	}
	if got := h.introspect(web, a.Body); got.active() {
		t.Errorf("introspection: %v", got)
	}
	if got := h.newBrowser().authorize(authorization(web, "id_token_hint", a.Body)); got.errorCode() != "invalid_request" {
		t.Errorf("as a hint: %v", got)
	}
}

// protectedDoors are the requests whose answers are signed or encrypted for the client.
func protectedDoors() []door {
	is := func(media string) func(a *answer) bool {
		return func(a *answer) bool { return a.Status == http.StatusOK && mediaType(a) == media }
	}
	person := func(h *harness) {
		_, set := newRecipient(h.tb)
		h.register(&oidc.Client{
			ClientID: "sealed", RedirectURIs: []string{callback}, JWKS: set, IDTokenEncryptedResponseAlg: "RSA-OAEP-256",
			UserInfoSignedResponseAlg: "ES256", UserInfoEncryptedResponseAlg: "ECDH-ES",
		})
	}
	machine := func(h *harness) {
		_, set := newRecipient(h.tb)
		h.register(&oidc.Client{
			ClientID: "api", GrantTypes: []oidc.GrantType{oidc.ClientCredentials}, Resources: []string{api}, JWKS: set,
			IntrospectionEncryptedResponseAlg: "ECDH-ES",
		})
	}
	answered := func(clientID string) func(h *harness) attempt {
		return func(h *harness) attempt {
			machine(h)
			token := h.machineToken(robot)
			return attempt{send: func() *answer { return h.introspectSigned(clientID, token, "application/token-introspection+jwt") }}
		}
	}
	return []door{
		{name: "code for an encrypted ID token", config: protected, done: gotTokens, lost: refusedWith("invalid_grant"), open: func(h *harness) attempt {
			person(h)
			code := h.code("sealed")
			return attempt{send: func() *answer { return h.redeem("sealed", code) }}
		}},
		{name: "refresh for an encrypted ID token", config: protected, done: gotTokens, open: func(h *harness) attempt {
			person(h)
			token := h.tokens("sealed").RefreshToken
			return attempt{send: func() *answer { return h.refresh("sealed", token) }}
		}},
		{name: "encrypted userinfo", config: protected, done: is("application/jwt"), open: func(h *harness) attempt {
			person(h)
			token := h.tokens("sealed").AccessToken
			return attempt{send: func() *answer { return h.userInfo(token) }}
		}},
		{name: "signed userinfo", config: protected, done: is("application/jwt"), open: func(h *harness) attempt {
			h.register(&oidc.Client{ClientID: "signed", RedirectURIs: []string{callback}, UserInfoSignedResponseAlg: "PS256"})
			token := h.tokens("signed").AccessToken
			return attempt{send: func() *answer { return h.userInfo(token) }}
		}},
		{name: "signed introspection", config: protected, done: is("application/token-introspection+jwt"), open: answered(server)},
		{name: "encrypted introspection", config: protected, done: is("application/token-introspection+jwt"), open: answered("api")},
	}
}

// An ID token that comes of an exchange is encrypted too (OpenID Connect Core §10.2).
func TestAttackExchangedIDTokenInTheClear(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		keys, set := newRecipient(t)
		h.register(&oidc.Client{
			ClientID: "sealed", RedirectURIs: []string{callback}, JWKS: set, IDTokenEncryptedResponseAlg: "ECDH-ES",
			GrantTypes: []oidc.GrantType{oidc.AuthorizationCode, oidc.RefreshToken, oidc.TokenExchangeGrant},
		})
		a := h.exchange("sealed", h.tokens("sealed").AccessToken, typeAccess, "requested_token_type", typeID)
		if _, signed := keys.open(t, a.member("access_token")); claims(t, signed)["sub"] != h.subject(ann).ID {
			t.Errorf("it says %v", claims(t, signed))
		}
	}, protected, exchanging())
}
