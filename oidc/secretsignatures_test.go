package oidc_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc"
)

const sealedWeb = "sealed-web" // a client that signs, and is signed for, by its secret

func withSecretSignatures(c *oidc.Config) {
	c.Features.SecretSignatures, c.Features.JAR, c.Features.JARM = &oidc.SecretSignatures{}, &oidc.JAR{}, &oidc.JARM{}
	c.Features.SignedUserInfo, c.Features.TokenExchange = &oidc.SignedUserInfo{}, &oidc.TokenExchange{}
}

// secretClient is a client for which everything is signed with its secret that can be.
func secretClient() *oidc.Client {
	return &oidc.Client{
		ClientID: sealedWeb, RedirectURIs: []string{callback}, PostLogoutRedirectURIs: []string{bye}, IDTokenAlg: "HS256", UserInfoSignedResponseAlg: "HS256",
		AuthorizationSignedResponseAlg: "HS256", RequestObjectSigningAlg: "HS256",
		GrantTypes: []oidc.GrantType{oidc.AuthorizationCode, oidc.RefreshToken, oidc.TokenExchangeGrant},
	}
}

// bySecret verifies what was signed with a client's secret.
func (h *harness) bySecret(clientID, token string) map[string]any {
	h.tb.Helper()
	_, payload, err := jose.Verifier{Algorithms: []jose.Algorithm{jose.HS256}, Types: []string{"JWT", "userinfo+jwt"}}.Verify(token, func(jose.Header) (jose.PublicKey, error) {
		return jose.PublicKey{Algorithm: jose.HS256, Key: []byte(clientSecret(clientID))}, nil
	})
	h.must(err)
	var all map[string]any
	h.must(json.Unmarshal(payload, &all))
	return all
}

// sealedObject signs a JWT with a secret.
func (h *harness) sealedObject(said map[string]any, typ, secret string) string {
	h.tb.Helper()
	text, err := json.Marshal(said)
	h.must(err)
	token, err := jose.SignSecret(text, jose.Header{Alg: jose.HS256, Typ: typ}, []byte(secret))
	h.must(err)
	return token
}

// OpenID Connect Core §10.1, §3.1.3.7, Registration §2: what a client is registered to have signed with its secret is, its request objects
// are taken, and an access token is signed with a key of ours all the same.
func TestSecretSignatures(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.register(secretClient())
		object := h.sealedObject(h.objectOf(sealedWeb, map[string]any{"response_mode": "jwt"}), "oauth-authz-req+jwt", clientSecret(sealedWeb))
		a := h.present(sealedWeb, object)
		response := h.bySecret(sealedWeb, a.returned().Get("response"))
		code, _ := response["code"].(string)
		if response["aud"] != sealedWeb || response["state"] != "xyz" || code == "" {
			t.Fatalf("%s: %v", a, response)
		}
		got := h.issued(h.redeem(sealedWeb, code))
		id := h.bySecret(sealedWeb, got.IDToken)
		want, err := jose.HalfHash(jose.HS256, got.AccessToken)
		if err != nil || id["nonce"] != "n-0S6" || id["at_hash"] != want || id["sub"] != h.subject(ann).ID {
			t.Errorf("%v, %v", id, err)
		}
		if access, err := jose.Parse(got.AccessToken); err != nil || access.Header().Alg != jose.RS256 {
			t.Errorf("the access token has %v, %v", access.Header(), err)
		}
		if about := h.userInfo(got.AccessToken); h.bySecret(sealedWeb, about.Body)["sub"] != h.subject(ann).ID {
			t.Errorf("userinfo: %s", about)
		}
		if again := h.issued(h.refresh(sealedWeb, got.RefreshToken)); h.bySecret(sealedWeb, again.IDToken)["sub"] != h.subject(ann).ID {
			t.Error("a refreshed ID token")
		}
		// It comes back as a hint, to begin and to end.
		request := url.Values{"id_token_hint": {got.IDToken}, "post_logout_redirect_uri": {bye}}
		if a := h.newBrowser().get(pathLogout + "?" + request.Encode()); a.Status != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), pathLogout+"/resume") {
			t.Errorf("logout by it: %s", a)
		}
		document := h.send(h.request(http.MethodGet, "/.well-known/openid-configuration", nil)).Body
		for _, member := range []string{"id_token", "userinfo", "request_object", "authorization"} {
			var all map[string]any
			h.must(json.Unmarshal([]byte(document), &all))
			if listed, _ := all[member+"_signing_alg_values_supported"].([]any); !slices.Contains(listed, any("HS256")) || !slices.Contains(listed, any("RS256")) {
				t.Errorf("%s: %v", member, listed)
			}
		}
	}, withSecretSignatures)
}

// OpenID Connect Core §10.1, §16.19, RFC 7518 §3.2: only a client with a secret that is long enough, and kept, may sign with it; profiles of
// FAPI let none (FAPI 1.0 Advanced §8.6).
func TestSecretSignatureSettings(t *testing.T) {
	t.Parallel()
	h := together(t, withSecretSignatures)
	ctx := t.Context()
	set, err := jose.Set([]jose.PublicKey{{ID: "c", Algorithm: jose.ES256, Key: clientKey().Public()}})
	h.must(err)
	for name, c := range map[string]struct {
		client oidc.Client
		wrong  []string
	}{
		"public":         {oidc.Client{AuthMethod: oidc.NoAuth, IDTokenAlg: "HS256"}, []string{"id_token_signed_response_alg"}},
		"HS512":          {oidc.Client{IDTokenAlg: "HS512"}, []string{"id_token_signed_response_alg"}},
		"access token":   {oidc.Client{AccessTokenAlg: "HS256"}, []string{"access_token_signed_response_alg"}},
		"by certificate": {oidc.Client{AuthMethod: oidc.NoAuth, JWKS: set, RequestObjectSigningAlg: "HS256"}, []string{"request_object_signing_alg"}},
		"FAPI":           {oidc.Client{Profile: oidc.FAPI2Security, IDTokenAlg: "HS256", AuthMethod: oidc.ClientSecretBasic}, nil},
	} {
		c.client.RedirectURIs = []string{callback}
		_, err := h.Clients.Create(ctx, name, &c.client)
		if got := fields(err); err == nil || c.wrong != nil && !slices.Equal(got, c.wrong) {
			t.Errorf("%s: problems with %v: %v", name, got, err)
		}
	}
	short := secretClient()
	short.ClientID = "short"
	if err := h.Clients.Import(ctx, "", short, strings.Repeat("x", 31)); !slices.Equal(fields(err), []string{"client_secret"}) {
		t.Errorf("a secret of 31 bytes: %v", err)
	}
	late := h.client(web)
	late.IDTokenAlg = "HS256"
	if err := h.Clients.Replace(ctx, late); !slices.Equal(fields(err), []string{"client_secret"}) {
		t.Errorf("a secret that is known by its hash alone: %v", err)
	}
	if _, err := h.Clients.RotateSecret(ctx, late); err != nil {
		t.Errorf("with a new secret: %v", err)
	}
	late.IDTokenAlg = "RS256"
	if h.must(h.Clients.Replace(ctx, late)); h.client(web).SealedSecret != "" {
		t.Error("the secret is kept although nothing is signed with it any more")
	}
	plain := together(t)
	if _, err := plain.Clients.Create(ctx, "", &oidc.Client{RedirectURIs: []string{callback}, IDTokenAlg: "HS256"}); !slices.Equal(fields(err), []string{"id_token_signed_response_alg"}) {
		t.Errorf("without the feature: %v", err)
	}
}

// HS/RS confusion, and what a client could have signed itself (RFC 8725 §3.1, OpenID Connect Core §10.1): the secret of a client speaks
// for that client's own people where it is registered so, and nowhere else.
func TestAttackSecretSignatures(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.register(secretClient())
		h.signs(vault)
		got, own := h.tokens(web), clientSecret(sealedWeb)
		// A public key is no secret, and a client that is registered for keys, or for nothing, signs with no secret.
		published := h.send(h.request(http.MethodGet, pathJWKS, nil)).Body
		for name, object := range map[string]string{
			"by the secret of a client that signs with a key": h.sealedObject(h.objectOf(vault, nil), "", clientSecret(vault)),
			"by a published key":                              h.sealedObject(h.objectOf(vault, nil), "", published),
		} {
			if a := h.present(vault, object); a.errorCode() != "invalid_request_object" && a.returned().Get("error") != "invalid_request_object" {
				t.Errorf("%s: %s", name, a)
			}
		}
		for name, object := range map[string]string{
			"by another's secret": h.sealedObject(h.objectOf(sealedWeb, nil), "", clientSecret(vault)),
			"by a key":            h.signedAs(h.objectOf(sealedWeb, nil), jose.Header{Alg: jose.ES256, Kid: "c"}, clientKey()),
		} {
			if a := h.present(sealedWeb, object); a.errorCode() != "invalid_request_object" && a.returned().Get("error") != "invalid_request_object" {
				t.Errorf("%s: %s", name, a)
			}
		}
		// An access token that the client has made opens nothing.
		access := claims(t, got.AccessToken)
		access["client_id"] = sealedWeb
		forged := h.sealedObject(access, "at+jwt", own)
		if a := h.userInfo(forged); a.Status != http.StatusUnauthorized {
			t.Errorf("userinfo: %s", a)
		}
		if a := h.introspect(sealedWeb, forged); a.active() {
			t.Errorf("introspection: %s", a)
		}
		// Nor does an ID token that it has made become another token.
		mine := h.tokens(sealedWeb, "request", h.sealedObject(h.objectOf(sealedWeb, nil), "", own))
		said := claims(t, mine.IDToken)
		if a := h.token(sealedWeb, "grant_type", string(oidc.TokenExchangeGrant), "subject_token", h.sealedObject(said, "JWT", own),
			"subject_token_type", "urn:ietf:params:oauth:token-type:id_token"); a.errorCode() != "invalid_request" && a.errorCode() != "invalid_grant" {
			t.Errorf("exchange: %s", a)
		}
		// And a hint is about its own people alone.
		theirs := claims(t, got.IDToken)
		for name, aud := range map[string]any{"another client": web, "it and another": []string{sealedWeb, web}, "nobody": "stranger", "no list": []string{}} {
			theirs["aud"] = aud
			request := url.Values{"id_token_hint": {h.sealedObject(theirs, "JWT", own)}, "client_id": {web}, "post_logout_redirect_uri": {bye}}
			if a := h.newBrowser().get(pathLogout + "?" + request.Encode()); a.Status != http.StatusBadRequest {
				t.Errorf("a hint for %s: %s", name, a)
			}
		}
	}, withSecretSignatures)
}

// A secret that cannot be read is a failure (503), and nothing is used up by it.
func TestSecretSignatureFaults(t *testing.T) {
	t.Parallel()
	h := together(t, withSecretSignatures)
	h.register(secretClient())
	code := h.code(sealedWeb, "request", h.sealedObject(h.objectOf(sealedWeb, nil), "", clientSecret(sealedWeb)))
	c := h.client(sealedWeb)
	intact := c.SealedSecret
	c.SealedSecret = "broken"
	h.must(h.Clients.Replace(t.Context(), c))
	h.clock.advance(2 * time.Second)
	if a := h.redeem(sealedWeb, code); a.Status != http.StatusServiceUnavailable {
		t.Fatalf("%s", a)
	}
	c.SealedSecret = intact
	h.must(h.Clients.Replace(t.Context(), c))
	h.clock.advance(2 * time.Second)
	if got := h.issued(h.redeem(sealedWeb, code)); h.bySecret(sealedWeb, got.IDToken)["sub"] == nil {
		t.Error("the code was used up")
	}
}
