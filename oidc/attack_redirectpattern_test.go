package oidc_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/signet-idp/signet/oidc"
)

func withPatterns(c *oidc.Config) {
	c.Features.Legacy = &oidc.Legacy{RedirectPatterns: true, ResponseTypes: []string{"token"}}
	c.Features.PairwiseSubjects = &oidc.PairwiseSubjects{}
}

// migrated is a client with patterns from another product.
const migrated = "migrated"

func registerPatterns(h *harness) {
	h.register(&oidc.Client{ClientID: migrated, RedirectURIs: []string{callback}, InsecureRedirectPatterns: []string{
		`regexp=(https://(one|two)\.example/cb|https://three\.example/app/[a-z]+/cb)`, `https://four\.example/.*`,
	}})
}

// Who is sent where a pattern says gets codes there, and nowhere else, for the one client (RFC 9700 §4.1.3).
func TestRedirectPatterns(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		registerPatterns(h)
		for _, uri := range []string{
			"https://one.example/cb", "https://two.example/cb", "https://three.example/app/shop/cb", "https://four.example/", "https://four.example/a/b?c=d", callback,
		} {
			a := h.newBrowser().authorize(authorization(migrated, "redirect_uri", uri))
			if code := a.returned().Get("code"); code == "" || !strings.HasPrefix(a.Header.Get("Location"), uri) {
				t.Errorf("%s: %s", uri, a)
			} else if a := h.redeem(migrated, code, "redirect_uri", uri); a.Status != http.StatusOK {
				t.Errorf("%s: %s", uri, a)
			}
			if a := h.newBrowser().authorize(authorization(web, "redirect_uri", uri)); uri != callback && a.location() != nil {
				t.Errorf("%s of another client: %s", uri, a)
			}
		}
	}, withPatterns)
}

// TestAttackRedirectPatterns: what a pattern matches must be an honest URI, from its first byte to its last, on a host that is written out
// (RFC 9700 §4.1.3).
func TestAttackRedirectPatterns(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		registerPatterns(h)
		tricks := []string{
			"https://one.example.evil.example/cb", "https://one.example/cb.evil.example", "https://one.example/cb/", "https://one.example/cb?x", "https://one.example/cb#x",
			"https://oneXexample/cb", "https://evil.example/https://one.example/cb", "https://evil.example/?https://four.example/", "http://one.example/cb",
			"https://user@one.example/cb", "https://four.example@evil.example/", "https://four.example:443/x", "https://FOUR.example/x", "HTTPS://four.example/x",
			"https://four.example./x", "https://four.example/../x", "https://four.example/x/..", "https://four.example/%2e%2e/x", "https://four.example/x%2F..%2fy",
			"https://four.example/x%5c..", "https://four.example/%252e%252e", "https://four.example/x%0d%0aSet-Cookie:a=b", "https://four.example/x%00", "https://four.example/x\r\ny",
			"https://four.example/x\n", "\nhttps://four.example/x", "https://four.example/x\x00", "https://four.example/x y", "https://four.example//evil.example", "https://four.example/x//y",
			"https://four.example/x;y", "https://four.example/x#y", "https://four.example/x\\y", "https://four.example\\@evil.example/", "https://four.example", "https://four.example?x=/",
			"https://four.example%2eevil.example/", "https://four.example%00.evil.example/", "https://four.exämple/", "javascript://four.example/%0aalert(1)",
			"https://three.example/app/a/b/cb", "https://three.example/app//cb", "https://three.example/app/A/cb", "https://four.example/" + strings.Repeat("x", 4096),
		}
		for _, uri := range tricks {
			if a := h.newBrowser().get(pathAuthorize + "?" + authorization(migrated, "redirect_uri", uri).Encode()); a.location() != nil || a.Status < 400 {
				t.Errorf("%q: %s", uri, a)
			}
		}
	}, withPatterns)
}

// TestAttackRedirectPatternsRegistered: a pattern whose host is left open, that is no pattern, or that costs too much is refused, and so is any where
// tokens travel in front, where people have names by sector, under a profile, and while nothing gives it a meaning.
func TestAttackRedirectPatternsRegistered(t *testing.T) {
	t.Parallel()
	h := together(t, withPatterns)
	create := func(h *harness, edit func(*oidc.Client), patterns ...string) []string {
		c := &oidc.Client{RedirectURIs: []string{callback}, InsecureRedirectPatterns: patterns}
		edit(c)
		_, err := h.Clients.Create(t.Context(), "x", c)
		return fields(err)
	}
	none := func(*oidc.Client) {}
	for _, pattern := range []string{
		"", "regexp=", ".*", "https://.*", `https://[a-z]+\.example/cb`, `https://app.example/cb`, `https?://app\.example/cb`, `(?i)https://app\.example/cb`,
		`https://app\.example.*`, `https://app\.example`, `https://app\.example(/.*)?`, `https://app\.example/cb|.*`, `https://app\.example/cb|`, `a)|(b`, `https://app\.example/cb)|(.*`,
		`http://app\.example/cb`, `https://user@app\.example/cb`, `https://app\.example:443/cb`, `https://\.example/cb`, `https://(|evil)/x`, `com\.example:/cb`, `(`, `\xff\C`, `https://APP\.example/`,
		`(https://){2}app\.example/`, `https://app\.example/` + strings.Repeat("x", 500), `https://app\.example/(x{1000}){1000}`, `https://app\.example/((x{9}){9}){9}x{999}x{999}`,
		`https://[a-z][a-z]\.example/`, `^https://.*`, `https://app\.example\b.*/`, "https://app\\.example\n/",
	} {
		if got := create(h, none, pattern); !slices.Equal(got, []string{"insecure_redirect_patterns"}) {
			t.Errorf("%q: problems with %v", pattern, got)
		}
	}
	good := `https://app\.example/cb[0-9]`
	for what, got := range map[string][]string{
		"good":      create(h, none, good),
		"many":      create(h, none, good, good, good, good, good),
		"in front":  create(h, func(c *oidc.Client) { c.GrantTypes = []oidc.GrantType{oidc.AuthorizationCode, oidc.Implicit} }, good),
		"by sector": create(h, func(c *oidc.Client) { c.SubjectType = "pairwise" }, good),
		"off":       create(together(t), none, good),
	} {
		if (what == "good") != (len(got) == 0) || len(got) > 0 && !slices.Equal(got, []string{"insecure_redirect_patterns"}) {
			t.Errorf("%s: problems with %v", what, got)
		}
	}
	for _, profile := range []oidc.Profile{oidc.FAPI1Advanced, oidc.FAPI2Security, oidc.FAPI2MessageSigning, oidc.FAPICIBA, oidc.MCP} {
		got := create(h, func(c *oidc.Client) { c.Profile = profile }, good)
		if !slices.Contains(got, "profile") {
			t.Errorf("%s: problems with %v", profile, got)
		}
	}
}

// A feature that is turned off takes what was registered with it along.
func TestAttackRedirectPatternsTurnedOff(t *testing.T) {
	t.Parallel()
	h := together(t, withPatterns)
	registerPatterns(h)
	off, err := oidc.New(oidc.Config{Issuer: issuer, DB: h.db, Directory: h.people, Keys: staticKeys{}, Interact: h.persona.Interact})
	h.must(err)
	h.Provider = off
	if a := h.newBrowser().get(pathAuthorize + "?" + authorization(migrated, "redirect_uri", "https://one.example/cb").Encode()); a.location() != nil {
		t.Errorf("%s", a)
	}
}
