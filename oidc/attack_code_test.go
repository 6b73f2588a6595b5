package oidc_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/storetest"
)

// at once calls f n times in parallel and returns what it returned.
func atOnce(n int, f func(i int) *answer) []*answer {
	answers := make([]*answer, n)
	var start, done sync.WaitGroup
	start.Add(1)
	for i := range n {
		done.Go(func() {
			start.Wait()
			answers[i] = f(i)
		})
	}
	start.Done()
	done.Wait()
	return answers
}

// demandDead demands that nothing works any more that the tokens gave.
func (h *harness) demandDead(clientID string, t issued) {
	h.tb.Helper()
	if a := h.introspect(vault, t.AccessToken); a.Status != http.StatusOK || a.active() {
		h.tb.Errorf("introspection by a stranger of a dead access token: %s", a)
	}
	if clientID != spa {
		if a := h.introspect(clientID, t.AccessToken); a.Status != http.StatusOK || a.active() {
			h.tb.Errorf("introspection of a dead access token: %s", a)
		}
		if a := h.introspect(clientID, t.RefreshToken); a.Status != http.StatusOK || a.active() {
			h.tb.Errorf("introspection of a dead refresh token: %s", a)
		}
	}
	if a := h.userInfo(t.AccessToken); a.Status != http.StatusUnauthorized || a.errorCode() != "invalid_token" {
		h.tb.Errorf("userinfo with a dead access token: %s", a)
	}
	if a := h.refresh(clientID, t.RefreshToken); t.RefreshToken != "" && a.errorCode() != "invalid_grant" {
		h.tb.Errorf("refresh with a dead token: %s", a)
	}
}

// Code redeemed twice in parallel (RFC 6749 §4.1.2, RFC 9700 §4.2.4): one of 32 wins, and a loser takes the winner's tokens
// down, whatever their format.
func TestAttackCodeRedeemedInParallel(t *testing.T) {
	t.Parallel()
	for _, clientID := range []string{web, mail, spa, vault} {
		t.Run(clientID, func(t *testing.T) {
			t.Parallel()
			placements(t, func(t *testing.T, h *harness) { raceForCode(h, h, clientID) })
		})
	}
}

// The same over two Providers on two nodes that share nothing but the store.
func TestAttackCodeRedeemedInParallelOnTwoNodes(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		t.Parallel()
		h := newHarness(t, p)
		raceForCode(h, h.secondNode(), web)
	})
}

// secondNode is another Provider over the same store.
func (h *harness) secondNode(edit ...func(*oidc.Config)) *harness {
	h.tb.Helper()
	config := oidc.Config{
		Issuer: h.issuer, DB: h.db, Directory: h.people, Keys: staticKeys{}, Interact: h.persona.Interact, Observer: h.observe,
	}
	for _, e := range edit {
		e(&config)
	}
	provider, err := oidc.New(config)
	h.must(err)
	return &harness{
		Provider: provider, tb: h.tb, issuer: h.issuer, db: h.db, people: h.people, faults: h.faults, clock: h.clock,
		logs: h.logs, persona: h.persona, secrets: map[string]string{},
	}
}

func raceForCode(one, two *harness, clientID string) {
	one.tb.Helper()
	code := one.code(clientID)
	answers := atOnce(32, func(i int) *answer {
		return []*harness{one, two}[i%2].redeem(clientID, code)
	})
	var won []issued
	for _, a := range answers {
		switch {
		case a.Status == http.StatusOK:
			won = append(won, one.issued(a))
		case a.errorCode() != "invalid_grant":
			one.tb.Errorf("a loser got %s", a)
		}
	}
	if len(won) != 1 {
		one.tb.Fatalf("%d of 32 redeemed the code", len(won))
	}
	one.demandDead(clientID, won[0])
}

// Code redeemed twice where the access token lives for less time than the code: the gate must outlive what it guards.
func TestAttackCodeOutlivesItsGrant(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		c := h.client(web)
		c.GrantTypes, c.AccessTokenLifetime = []oidc.GrantType{oidc.AuthorizationCode}, 5
		h.must(h.Clients.Replace(t.Context(), c))
		code := h.code(web)
		h.issued(h.redeem(web, code))
		h.clock.advance(10 * time.Second)
		if a := h.redeem(web, code); a.errorCode() != "invalid_grant" {
			t.Errorf("the code was redeemed again: %s", a)
		}
	})
}

// Code reused one after the other (RFC 6749 §4.1.2): at once, when its lifetime is over, and when the request that it was
// made of has been forgotten. The tokens of the first use die each time.
func TestAttackCodeReused(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]time.Duration{"at once": 0, "in its last moment": time.Minute - time.Millisecond, "when it has expired": time.Minute, "after five minutes": 5 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			placements(t, func(t *testing.T, h *harness) {
				for _, clientID := range []string{web, spa, vault} {
					code := h.code(clientID)
					first := h.issued(h.redeem(clientID, code))
					successor := h.issued(h.refresh(clientID, first.RefreshToken))
					h.clock.advance(wait)
					if a := h.redeem(clientID, code); a.errorCode() != "invalid_grant" {
						t.Errorf("%s: the second use: %s", clientID, a)
					}
					h.demandDead(clientID, first)
					h.demandDead(clientID, successor)
					if !slices.Contains(h.events(), "oidc.grant.revoked") || !slices.Contains(h.observations(), "code.reused") {
						t.Errorf("%s: nobody was told: %v %v", clientID, h.events(), h.observations())
					}
				}
			})
		})
	}
}

// Code of another client, expired, with another redirect URI or without the proof (CVE-2026-28513's class; RFC 6749 §4.1.3,
// RFC 7636 §4.6): refused, and the code remains for whom it was made.
func TestAttackCodeInOtherHands(t *testing.T) {
	t.Parallel()
	const wrong = "wrongwrongwrongwrongwrongwrongwrongwrongwrong"
	for name, attack := range map[string]struct {
		clientID string
		pairs    []string
		want     string
	}{
		"another confidential client":      {mail, nil, "invalid_grant"},
		"another confidential client, too": {vault, nil, "invalid_grant"},
		"a public client":                  {spa, nil, "invalid_grant"},
		"a machine":                        {robot, nil, "unauthorized_client"},
		"redirect URI left out":            {web, []string{"redirect_uri", ""}, "invalid_grant"},
		"redirect URI with a slash":        {web, []string{"redirect_uri", callback + "/"}, "invalid_grant"},
		"redirect URI in capitals":         {web, []string{"redirect_uri", "https://APP.example/cb"}, "invalid_grant"},
		"redirect URI that is registered":  {web, []string{"redirect_uri", callback + "?tenant=7"}, "invalid_grant"},
		"no verifier":                      {web, []string{"code_verifier", ""}, "invalid_grant"},
		"wrong verifier":                   {web, []string{"code_verifier", wrong}, "invalid_grant"},
		"challenge as verifier":            {web, []string{"code_verifier", challenge()}, "invalid_grant"},
		"verifier cut short":               {web, []string{"code_verifier", verifier[:42]}, "invalid_grant"},
		"verifier too long":                {web, []string{"code_verifier", verifier + strings.Repeat("a", 86)}, "invalid_grant"},
		"verifier with a space":            {web, []string{"code_verifier", verifier + " "}, "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			placements(t, func(t *testing.T, h *harness) {
				code := h.code(web)
				if a := h.redeem(attack.clientID, code, attack.pairs...); a.errorCode() != attack.want {
					t.Errorf("want %s, got %s", attack.want, a)
				}
				h.issued(h.redeem(web, code))
			})
		})
	}
	t.Run("expired", func(t *testing.T) {
		t.Parallel()
		placements(t, func(t *testing.T, h *harness) {
			code := h.code(web)
			h.clock.advance(time.Minute)
			if a := h.redeem(web, code); a.errorCode() != "invalid_grant" {
				t.Errorf("an expired code: %s", a)
			}
		})
	})
}

// PKCE downgrade (CVE-2024-23647, CVE-2025-4144, CVE-2026-26247; RFC 9700 §2.1.1, §4.8.2): there is no way around S256, and a
// verifier for a request without challenge is as bad as the reverse. What OpenID Connect Core §3.1.2.1 leaves optional is so by name only.
func TestAttackPKCEDowngrade(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, clientID := range []string{web, spa} {
			for name, pairs := range map[string][]string{
				"no challenge":              {"code_challenge", "", "code_challenge_method", ""},
				"method without challenge":  {"code_challenge", ""},
				"plain":                     {"code_challenge_method", "plain"},
				"no method, which is plain": {"code_challenge_method", ""},
				"s256 in small letters":     {"code_challenge_method", "s256"},
				"unknown method":            {"code_challenge_method", "S512"},
				"short challenge":           {"code_challenge", challenge()[:42]},
				"long challenge":            {"code_challenge", challenge() + "A"},
				"padded challenge":          {"code_challenge", challenge()[:42] + "="},
			} {
				a := h.newBrowser().authorize(authorization(clientID, pairs...))
				if a.errorCode() != "invalid_request" || a.returned().Has("code") {
					t.Errorf("%s, %s: %s", clientID, name, a)
				}
			}
		}
		trusting := h.client(web)
		trusting.InsecureOptionalPKCE = true
		h.must(h.Clients.Replace(t.Context(), trusting))
		without := []string{"code_challenge", "", "code_challenge_method", ""}
		for name, pairs := range map[string][]string{
			"without a nonce":                    append([]string{"nonce", ""}, without...),
			"without an ID token for the nonce":  append([]string{"scope", "profile"}, without...),
			"with a method and without anything": {"code_challenge", "", "code_challenge_method", "S256"},
		} {
			if a := h.newBrowser().authorize(authorization(web, pairs...)); a.errorCode() != "invalid_request" {
				t.Errorf("optional PKCE %s: %s", name, a)
			}
		}
		suite := h.client(web)
		suite.InsecureOptionalNonce = true
		h.must(h.Clients.Replace(t.Context(), suite))
		bare := append([]string{"nonce", ""}, without...) // OpenID Connect Core §3.1.2.1
		if a := h.newBrowser().authorize(authorization(web, bare...)); a.returned().Get("code") == "" {
			t.Errorf("optional PKCE, optional nonce: %s", a)
		}
		suite = h.client(web)
		suite.InsecureOptionalPKCE = false
		if err := h.Clients.Replace(t.Context(), suite); err == nil {
			t.Error("an optional nonce without optional PKCE means something")
		}
		code := h.code(web, without...)
		if a := h.redeem(web, code); a.errorCode() != "invalid_grant" {
			t.Errorf("a verifier without a challenge: %s", a)
		}
		h.issued(h.redeem(web, code, "code_verifier", ""))
	})
}

// Malleable code: every byte of it counts, and nothing can be cut off or added (CVE-2026-27840's class).
func TestAttackCodeMalleable(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		code := h.code(web)
		for name, forged := range mutations(code) {
			if a := h.redeem(web, forged); a.errorCode() != "invalid_grant" && a.errorCode() != "invalid_request" {
				t.Errorf("%s: %s", name, a)
			}
		}
		h.issued(h.redeem(web, code))
	})
}

// mutations are the values that differ from one by a flipped, removed or doubled byte, by a cut at either end, or by an
// addition.
func mutations(value string) map[string]string {
	all := map[string]string{}
	for i := range len(value) {
		for _, bit := range []byte{1, 2, 32} {
			all[fmt.Sprintf("bit %d of byte %d flipped", bit, i)] = value[:i] + string(rune(value[i]^bit)) + value[i+1:]
		}
		all[fmt.Sprintf("byte %d removed", i)] = value[:i] + value[i+1:]
		all[fmt.Sprintf("byte %d doubled", i)] = value[:i+1] + value[i:]
		all[fmt.Sprintf("cut before byte %d", i)] = value[:i]
		if i > 0 {
			all[fmt.Sprintf("begins at byte %d", i)] = value[i:]
		}
	}
	for _, more := range []string{"~", "~org", ".", ".x", "=", "==", " ", "\t", "\n", "\u2060", "%00", "/", "\U0001F600", strings.Repeat("A", 5000)} {
		all["followed by "+more[:1]+fmt.Sprint(len(more))] = value + more
		all["preceded by "+more[:1]+fmt.Sprint(len(more))] = more + value
	}
	for name, dot := range map[string]string{"~ before the first dot": "~.", "~org before the first dot": "~org.", "two dots": "..", "no dot": ""} {
		all[name] = strings.Replace(value, ".", dot, 1)
	}
	for name, forged := range all {
		if forged == value {
			delete(all, name)
		}
	}
	return all
}
