package oidc_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/directory"
)

// What a login says of its person reaches those to whom it would be released if it were known of them, and says nothing of who they are, of
// what was verified, or of what others decide (OpenID Connect Core §5.1).
func TestAttackSignInClaims(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.register(&oidc.Client{
			ClientID: "risky", RedirectURIs: []string{callback}, Claims: []string{"risk", "groups"}, AccessTokenClaims: []string{"risk", "groups"},
		})
		said := directory.SignInClaims{
			"name": "Mallory", "givenName": "Mal", "email": "victim@example.com", "phone": "+15550199", "risk": "high", "secret": "of nobody's business",
			"sub": "somebody", "iss": "https://evil.example", "aud": "evil", "exp": "9999999999", "acr": "aal3", "amr": "hwk", "cnf": "x", "azp": "evil",
			"groups": "admins", "roles": "admin", "email_verified": "true", "emailVerified": "true", "phone_number_verified": "true",
			"preferred_username": "root", "nickname": "",
		}
		h.persona.acts(script{Claims: said})
		ask := `{"name":null,"given_name":null,"email":null,"email_verified":null,"phone_number":null,"phone_number_verified":null,"risk":null,"secret":null,` +
			`"groups":null,"roles":null,"preferred_username":null,"acr":null,"iss":null,"nickname":null}`
		got := h.tokens("risky", "scope", "openid profile email phone", "claims", `{"id_token":`+ask+`,"userinfo":`+ask+`}`)
		again := h.issued(h.refresh("risky", got.RefreshToken))
		for name, told := range map[string]map[string]any{
			"ID token": claims(t, got.IDToken), "refreshed": claims(t, again.IDToken), "userinfo": h.userInfo(got.AccessToken).all(t),
			"userinfo refreshed": h.userInfo(again.AccessToken).all(t),
		} {
			want := map[string]any{
				"name": "Mallory", "given_name": "Mal", "email": "victim@example.com", "email_verified": false, "phone_number": "+15550199",
				"phone_number_verified": false, "risk": "high", "preferred_username": ann, "sub": h.subject(ann).ID,
			}
			for claim, value := range want {
				if told[claim] != value {
					t.Errorf("%s: %s is %v", name, claim, told[claim])
				}
			}
			for _, claim := range []string{"secret", "groups", "roles", "cnf", "nickname"} {
				if told[claim] != nil {
					t.Errorf("%s: %s is %v", name, claim, told[claim])
				}
			}
			if told["acr"] == "aal3" || told["iss"] == "https://evil.example" || told["aud"] == "evil" {
				t.Errorf("%s: %v", name, told)
			}
		}
		if access := claims(t, got.AccessToken); access["risk"] != "high" || access["groups"] != nil || access["sub"] != h.subject(ann).ID {
			t.Errorf("access token: %v", access)
		}
	})
}

// What a login says is for its own answer: not for scopes that were not granted, for another application, or for a sign-in without a word.
func TestAttackSignInClaimsElsewhere(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		said := directory.SignInClaims{"name": "Mallory", "email": ann + "@example.com", "team": "red"}
		h.persona.acts(script{Claims: said})
		got := h.tokens(web, "scope", "openid email", "claims", `{"userinfo":{"team":null}}`)
		info := h.userInfo(got.AccessToken)
		if info.member("name") != "" || info.member("team") != "red" || info.all(t)["email_verified"] != true {
			t.Errorf("with fewer scopes: %s", info)
		}
		h.persona.acts(script{})
		for _, client := range []string{web, mail} {
			if info := h.userInfo(h.tokens(client, "scope", "openid profile").AccessToken); info.member("name") != "Ann Example" {
				t.Errorf("%s, the next time: %s", client, info)
			}
		}
		if info := h.userInfo(got.AccessToken); info.Status != http.StatusOK || info.member("team") != "red" {
			t.Errorf("of the first login: %s", info)
		}
	})
}

// The source of claims is not written into by what one login says, and a claim that a login has said has no translations.
func TestAttackSignInClaimsInTheSource(t *testing.T) {
	t.Parallel()
	source := map[string]any{"name": "Ann", "name#fr": "Anne", "email": "ann@example.com", "email_verified": true}
	placements(t, func(t *testing.T, h *harness) {
		h.persona.acts(script{Claims: directory.SignInClaims{"name": "Guest"}})
		told := h.userInfo(h.tokens(web, "scope", "openid profile email", "claims_locales", "fr").AccessToken).all(t)
		if told["name"] != "Guest" || told["name#fr"] != nil || told["email_verified"] != true {
			t.Errorf("got %v", told)
		}
		if len(source) != 4 || source["name"] != "Ann" {
			t.Errorf("the source: %v", source)
		}
	}, func(c *oidc.Config) { c.Claims = sourceOf(source) })
}

func sourceOf(claims map[string]any) oidc.ClaimsSource {
	return func(context.Context, *directory.Directory, *directory.Subject) (map[string]any, error) {
		return claims, nil
	}
}

// all are the members of a JSON answer.
func (a *answer) all(t *testing.T) (members map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.Body), &members); err != nil {
		t.Fatalf("%v in %s", err, a)
	}
	return members
}
