package oidc_test

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/directory"
)

// saying is a claims source with further claims beside those of the directory.
func saying(further map[string]any) func(*oidc.Config) {
	return func(c *oidc.Config) {
		c.Claims = func(ctx context.Context, d *directory.Directory, s *directory.Subject) (map[string]any, error) {
			all, err := oidc.DirectoryClaims(ctx, d, s)
			for name, value := range further {
				if err == nil {
					all[name] = value
				}
			}
			return all, err
		}
	}
}

// said is the userinfo of a token.
func (h *harness) said(token string) map[string]any {
	h.tb.Helper()
	var all map[string]any
	h.must(json.Unmarshal([]byte(h.userInfo(token).Body), &all))
	return all
}

// Claims of others are referred to where they are wanted, and nowhere else: by their JWT or by where to fetch them, each source once
// (OpenID Connect Core §5.6.2).
func TestClaimsOfOthers(t *testing.T) {
	t.Parallel()
	const signed = "eyJhbGciOiJub25lIn0.e30.c2ln"
	h := together(t, saying(map[string]any{
		"team": oidc.AggregatedClaim{JWT: signed}, "salary": oidc.DistributedClaim{Endpoint: "https://pay.example/claims", AccessToken: "tok"},
		"nickname": oidc.AggregatedClaim{JWT: signed}, "secret": oidc.AggregatedClaim{JWT: signed}, "_claim_names": "forged",
	}))
	got := h.tokens(web, "claims", `{"userinfo":{"team":null,"salary":null,"secret":null,"_claim_names":null},"id_token":{"team":null}}`)
	all := h.said(got.AccessToken)
	names := map[string]any{"team": "src2", "nickname": "src2", "salary": "src1"}
	sources := map[string]any{
		"src1": map[string]any{"endpoint": "https://pay.example/claims", "access_token": "tok"}, "src2": map[string]any{"JWT": signed},
	}
	if _, plain := all["team"]; plain || len(all["_claim_names"].(map[string]any)) != 3 {
		t.Errorf("userinfo says %v", all)
	}
	want, have := map[any]any{}, map[any]any{}
	for claim, source := range names {
		want[claim] = sources[source.(string)]
	}
	for claim, source := range all["_claim_names"].(map[string]any) {
		have[claim] = all["_claim_sources"].(map[string]any)[source.(string)]
	}
	if !reflect.DeepEqual(want, have) || len(all["_claim_sources"].(map[string]any)) != 2 {
		t.Errorf("claims are at %v, want %v", have, want)
	}
	if said := claims(t, got.IDToken); said["_claim_names"] == nil || said["team"] != nil {
		t.Errorf("the ID token says %v", said)
	}
	if types := h.send(h.request(http.MethodGet, "/.well-known/openid-configuration", nil)).Body; !strings.Contains(types, `["normal","aggregated","distributed"]`) {
		t.Errorf("discovery: %s", types)
	}
}

// A source that refers to nothing fails, and consumes nothing.
func TestClaimsOfNobody(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]any{
		"no JWT": oidc.AggregatedClaim{}, "no endpoint": oidc.DistributedClaim{}, "http": oidc.DistributedClaim{Endpoint: "http://pay.example"},
	} {
		h := together(t, saying(map[string]any{"nickname": value}))
		if a := h.userInfo(h.tokens(web).AccessToken); a.Status != http.StatusServiceUnavailable {
			t.Errorf("%s is answered with %v", name, a)
		}
	}
}

// Claims come in the languages that the request would like, and one by one in the very language that is named (OpenID Connect Core
// §5.2), as far as the client may have them.
func TestClaimsLocales(t *testing.T) {
	t.Parallel()
	h := together(t, saying(map[string]any{
		"name#ja": "アン", "name#ja-Kana-JP": "アン・エグザンプル", "name#fr": "Anne", "website#de": "https://ann.example/de", "secret#ja": "x", "sub#ja": "x",
	}))
	for request, want := range map[string]map[string]bool{
		"":           {},
		"ja":         {"name#ja": true, "name#ja-Kana-JP": true},
		"JA-kana-jp": {"name#ja-Kana-JP": true},
		"fr xx":      {"name#fr": true},
		"j":          {},
	} {
		have := map[string]bool{}
		for name := range h.said(h.tokens(web, "claims_locales", request).AccessToken) {
			if strings.Contains(name, "#") {
				have[name] = true
			}
		}
		if !reflect.DeepEqual(have, want) {
			t.Errorf("%q: %v, want %v", request, have, want)
		}
	}
	one := h.said(h.tokens(web, "claims", `{"userinfo":{"website#de":null,"secret#ja":null,"sub#ja":null}}`).AccessToken)
	if one["website#de"] == nil || one["secret#ja"] != nil || one["sub#ja"] != nil {
		t.Errorf("one by one: %v", one)
	}
	if got := h.tokens(web, "claims_locales", strings.Repeat("x", 5000)); got.AccessToken == "" {
		t.Error("a wish that cannot be granted is an error")
	}
}

func claimSourceDoors() []door {
	config := saying(map[string]any{
		"nickname": oidc.AggregatedClaim{JWT: "eyJhbGciOiJub25lIn0.e30.c2ln"}, "salary": oidc.DistributedClaim{Endpoint: "https://pay.example/claims"},
	})
	const asked = `{"id_token":{"salary":null},"userinfo":{"salary":null}}`
	return []door{
		{name: "code for claims of others", config: config, done: gotTokens, lost: refusedWith("invalid_grant"), open: func(h *harness) attempt {
			code := h.code(web, "claims", asked)
			return attempt{send: func() *answer { return h.redeem(web, code) }}
		}},
		{name: "userinfo with claims of others", config: config, open: func(h *harness) attempt {
			token := h.tokens(web, "claims", asked).AccessToken
			return attempt{send: func() *answer { return h.userInfo(token) }}
		}, done: func(a *answer) bool { return gotOK(a) && strings.Contains(a.Body, "_claim_sources") }},
	}
}
