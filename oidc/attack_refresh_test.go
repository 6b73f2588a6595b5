package oidc_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/storetest"
)

// Refresh TOCTOU and family fork (CVE-2026-1035, CVE-2026-53517; RFC 9700 §4.14.2): of any number of parallel uses every one
// that is answered is answered with the same successor, and as many as the grace has room for all are.
func TestAttackRefreshInParallel(t *testing.T) {
	t.Parallel()
	const grace = 6 // the first use and five replays
	for _, clientID := range []string{web, mail, spa, vault} {
		t.Run(clientID, func(t *testing.T) {
			t.Parallel()
			placements(t, func(t *testing.T, h *harness) {
				old := h.tokens(clientID)
				answers := atOnce(grace, func(int) *answer { return h.refresh(clientID, old.RefreshToken) })
				successors := map[string]bool{}
				var last issued
				for _, a := range answers {
					last = h.issued(a)
					successors[last.RefreshToken] = true
				}
				if len(successors) != 1 {
					t.Fatalf("%d live branches", len(successors))
				}
				if next := h.issued(h.refresh(clientID, last.RefreshToken)); next.RefreshToken == last.RefreshToken {
					t.Error("the successor did not rotate")
				}
			})
		})
	}
}

// The same with more uses than the grace has room for, on two nodes: never two live branches, and once somebody has come
// too often the one branch is dead.
func TestAttackRefreshInParallelBeyondTheGrace(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		t.Parallel()
		h := newHarness(t, p)
		nodes := []*harness{h, h.secondNode()}
		old := h.tokens(web)
		answers := atOnce(16, func(i int) *answer { return nodes[i%2].refresh(web, old.RefreshToken) })
		successors := map[string]issued{}
		good := 0
		for _, a := range answers {
			switch {
			case a.Status == http.StatusOK:
				got := h.issued(a)
				successors[got.RefreshToken] = got
				good++
			case a.errorCode() != "invalid_grant":
				t.Errorf("a refusal: %s", a)
			}
		}
		if len(successors) != 1 || good > 6 {
			t.Fatalf("%d live branches, %d answers", len(successors), good)
		}
		for _, got := range successors {
			h.demandDead(web, got)
		}
		if !slices.Contains(h.observations(), "refresh_token.reused") {
			t.Error("nobody was told")
		}
	})
}

// Replay in the grace: a lost answer costs nothing for thirty seconds and five times. One more, or later, and the family is
// revoked (RFC 9700 §4.14.2).
func TestAttackRefreshReplayed(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, clientID := range []string{web, spa, vault} {
			old := h.tokens(clientID)
			first := h.issued(h.refresh(clientID, old.RefreshToken))
			h.clock.advance(29 * time.Second)
			for range 5 {
				again := h.issued(h.refresh(clientID, old.RefreshToken))
				if again.RefreshToken != first.RefreshToken {
					t.Fatalf("%s: another successor", clientID)
				}
			}
			if a := h.refresh(clientID, old.RefreshToken); a.errorCode() != "invalid_grant" {
				t.Errorf("%s: the sixth replay: %s", clientID, a)
			}
			h.demandDead(clientID, first)

			old = h.tokens(clientID)
			first = h.issued(h.refresh(clientID, old.RefreshToken))
			h.clock.advance(30 * time.Second)
			if a := h.refresh(clientID, old.RefreshToken); a.errorCode() != "invalid_grant" {
				t.Errorf("%s: after the window: %s", clientID, a)
			}
			h.demandDead(clientID, first)
		}
	})
}

// Child use closes the window (RFC 9700 §4.14.2): whoever uses the successor has it, so the token before is stolen.
func TestAttackRefreshReplayedAfterItsChild(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		old := h.tokens(web)
		child := h.issued(h.refresh(web, old.RefreshToken))
		grandchild := h.issued(h.refresh(web, child.RefreshToken))
		if a := h.refresh(web, old.RefreshToken); a.errorCode() != "invalid_grant" {
			t.Errorf("the old token: %s", a)
		}
		h.demandDead(web, child)
		h.demandDead(web, grandchild)
	})
}

// Refresh by another client or by another client authentication (CVE-2026-53512; RFC 6749 §6, §10.4).
func TestAttackRefreshByAnother(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		got := h.tokens(web)
		for _, thief := range []string{mail, spa, vault} {
			if a := h.refresh(thief, got.RefreshToken); a.errorCode() != "invalid_grant" {
				t.Errorf("%s: %s", thief, a)
			}
		}
		if a := h.refresh(robot, got.RefreshToken); a.errorCode() != "unauthorized_client" {
			t.Errorf("a machine: %s", a)
		}
		for name, pairs := range map[string][]string{
			"nobody":                   nil,
			"client_id alone":          {"client_id", web},
			"wrong secret":             {"client_id", web, "client_secret", clientSecret(mail)},
			"secret in the body":       {"client_id", web, "client_secret", clientSecret(web)},
			"empty secret in the body": {"client_id", web, "client_secret", ""},
		} {
			form := values(append([]string{"grant_type", "refresh_token", "refresh_token", got.RefreshToken}, pairs...)...)
			if a := h.post(pathToken, "", form); a.Status != http.StatusUnauthorized || a.errorCode() != "invalid_client" {
				t.Errorf("%s: %s", name, a)
			}
		}
		h.issued(h.refresh(web, got.RefreshToken)) // none of it did any harm
	})
}

// A replay by another client authentication than that of the use is no lost answer: the family is revoked.
func TestAttackRefreshReplayedByAnotherMethod(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		old := h.tokens(web)
		child := h.issued(h.refresh(web, old.RefreshToken))
		c := h.client(web)
		c.AuthMethod = oidc.ClientSecretPost
		h.must(h.Clients.Replace(t.Context(), c))
		form := values("grant_type", "refresh_token", "refresh_token", old.RefreshToken, "client_id", web, "client_secret", clientSecret(web))
		if a := h.post(pathToken, "", form); a.errorCode() != "invalid_grant" {
			t.Errorf("replay by client_secret_post: %s", a)
		}
		form.Set("refresh_token", child.RefreshToken)
		if a := h.post(pathToken, "", form); a.errorCode() != "invalid_grant" {
			t.Errorf("the child: %s", a)
		}
	})
}

// Scope widened on refresh (CVE-2026-86073; RFC 6749 §6): less may be asked for, more never, not even of a replay or of a
// narrowed token's successor, and the client's present policy is read each time.
func TestAttackRefreshScope(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		old := h.tokens(web, "scope", "openid profile offline_access")
		for _, wide := range []string{"openid email", "openid profile offline_access address", "admin", "OPENID", "openid\tprofile email"} {
			if a := h.refresh(web, old.RefreshToken, "scope", wide); a.errorCode() != "invalid_scope" {
				t.Errorf("scope %q: %s", wide, a)
			}
		}
		narrow := h.issued(h.refresh(web, old.RefreshToken, "scope", "openid openid"))
		if narrow.Scope != "openid" {
			t.Errorf("narrowed scope is %q", narrow.Scope)
		}
		if a := h.userInfo(narrow.AccessToken); a.member("name") != "" || a.member("sub") == "" {
			t.Errorf("userinfo of the narrowed token: %s", a)
		}
		if a := h.refresh(web, old.RefreshToken, "scope", "openid profile"); a.errorCode() != "invalid_scope" {
			t.Errorf("a replay with more scope than the use: %s", a)
		}
		if again := h.issued(h.refresh(web, old.RefreshToken)); again.Scope != "openid" || again.RefreshToken != narrow.RefreshToken {
			t.Errorf("a replay without scope: %q", again.Scope)
		}
		full := h.issued(h.refresh(web, narrow.RefreshToken)) // RFC 6749 §6: the refresh token itself keeps its scope
		if full.Scope != "openid profile offline_access" {
			t.Errorf("the successor's scope is %q", full.Scope)
		}
		c := h.client(web)
		c.Scopes = []string{"openid", "offline_access"}
		h.must(h.Clients.Replace(t.Context(), c))
		less := h.issued(h.refresh(web, full.RefreshToken))
		if less.Scope != "openid offline_access" {
			t.Errorf("scope after the client's policy changed is %q", less.Scope)
		}
		c.Scopes = []string{"email"}
		h.must(h.Clients.Replace(t.Context(), c))
		if a := h.refresh(web, less.RefreshToken); a.errorCode() != "invalid_scope" {
			t.Errorf("nothing is left: %s", a)
		}
		c.GrantTypes = []oidc.GrantType{oidc.AuthorizationCode}
		h.must(h.Clients.Replace(t.Context(), c))
		if a := h.refresh(web, less.RefreshToken); a.errorCode() != "unauthorized_client" {
			t.Errorf("a client that may no longer refresh: %s", a)
		}
	})
}

// Deprovisioned user, disabled application, revocation, logout (CVE-2026-16103; RFC 9700 §4.14.2): whichever parent falls,
// every token below dies at once, opaque or JWT, and comes back with nothing.
func TestAttackChainBroken(t *testing.T) {
	t.Parallel()
	online := []string{"scope", "openid profile"}
	for name, attack := range map[string]struct {
		pairs []string
		end   func(h *harness, clientID string, t issued) error
		back  func(h *harness, clientID string) error
	}{
		"subject disabled and enabled": {nil, func(h *harness, _ string, _ issued) error {
			return h.people.Subjects.Disable(h.tb.Context(), h.subject(ann).Ref())
		}, func(h *harness, _ string) error {
			return h.people.Subjects.Enable(h.tb.Context(), h.subject(ann).Ref())
		}},
		"subject revoked": {nil, func(h *harness, _ string, _ issued) error {
			return h.people.Subjects.Revoke(h.tb.Context(), h.subject(ann).Ref())
		}, nil},
		"subject disabled, without offline_access": {online, func(h *harness, _ string, _ issued) error {
			return h.people.Subjects.Disable(h.tb.Context(), h.subject(ann).Ref())
		}, nil},
		"user deleted": {nil, func(h *harness, _ string, _ issued) error {
			u, err := h.people.FindUser(h.tb.Context(), "", ann)
			if err != nil {
				return err
			}
			return h.people.DeleteUser(h.tb.Context(), u)
		}, nil},
		"password changed": {online, func(h *harness, _ string, _ issued) error {
			u, err := h.people.FindUser(h.tb.Context(), "", ann)
			if err != nil {
				return err
			}
			return h.people.SetPassword(h.tb.Context(), u, "a long enough new password")
		}, nil},
		"application disabled and enabled": {nil, func(h *harness, id string, _ issued) error {
			return h.people.Applications.Disable(h.tb.Context(), h.client(id).Application)
		}, func(h *harness, id string) error {
			return h.people.Applications.Enable(h.tb.Context(), h.client(id).Application)
		}},
		"application revoked": {nil, func(h *harness, id string, _ issued) error {
			return h.people.Applications.Revoke(h.tb.Context(), h.client(id).Application)
		}, nil},
		"session ended": {online, func(h *harness, _ string, _ issued) error {
			return h.people.Sessions.End(h.tb.Context(), h.persona.lastSession().Ref(), "test")
		}, nil},
		"logout": {online, func(h *harness, _ string, got issued) error {
			b := h.newBrowser()
			if a := b.follow(b.get(pathLogout + "?" + values("id_token_hint", got.IDToken).Encode())); a.Status != http.StatusOK {
				h.tb.Errorf("logout: %s", a)
			}
			return nil
		}, nil},
		"refresh token revoked": {nil, func(h *harness, id string, got issued) error {
			if a := h.revoke(id, got.RefreshToken); a.Status != http.StatusOK {
				h.tb.Errorf("revocation: %s", a)
			}
			return nil
		}, nil},
		"consent revoked": {nil, func(h *harness, id string, _ issued) error {
			return h.RevokeConsent(h.tb.Context(), h.subject(ann).Ref(), id)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			placements(t, func(t *testing.T, h *harness) {
				for _, clientID := range []string{web, vault} {
					if name == "user deleted" && clientID == vault {
						continue // she is gone already
					}
					parent := h.tokens(clientID, attack.pairs...)
					got := h.issued(h.refresh(clientID, parent.RefreshToken))
					h.must(attack.end(h, clientID, got))
					h.demandDead(clientID, got)
					h.demandDead(clientID, parent)
					if attack.back != nil {
						h.must(attack.back(h, clientID))
						h.demandDead(clientID, got)
					}
					if strings.HasPrefix(name, "subject disabled, ") {
						h.must(h.people.Subjects.Enable(t.Context(), h.subject(ann).Ref()))
					}
				}
			})
		})
	}
}

// A code whose session, subject or application ended before it was redeemed gives nothing (DESIGN's chain of authority).
func TestAttackCodeAfterTheEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*harness) error{
		"session": func(h *harness) error {
			return h.people.Sessions.End(h.tb.Context(), h.persona.lastSession().Ref(), "test")
		},
		"subject":     func(h *harness) error { return h.people.Subjects.Revoke(h.tb.Context(), h.subject(ann).Ref()) },
		"application": func(h *harness) error { return h.people.Applications.Revoke(h.tb.Context(), h.client(web).Application) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			placements(t, func(t *testing.T, h *harness) {
				code := h.code(web, "scope", "openid")
				h.must(end(h))
				if a := h.redeem(web, code); a.errorCode() != "invalid_grant" {
					t.Errorf("redeem: %s", a)
				}
			})
		})
	}
}

// Staleness based on the start of the process, or on a clock that only runs forward (CVE-2026-9802): a restart changes
// nothing, a clock set back neither revokes nor forks, and a clock set forward expires what has expired.
func TestAttackRefreshRestartAndClock(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		old := h.tokens(web)
		first := h.issued(h.refresh(web, old.RefreshToken))
		restarted := h.secondNode()
		if again := h.issued(restarted.refresh(web, old.RefreshToken)); again.RefreshToken != first.RefreshToken {
			t.Error("after a restart: another successor")
		}
		h.clock.advance(-10 * time.Minute)
		if again := h.issued(h.refresh(web, old.RefreshToken)); again.RefreshToken != first.RefreshToken {
			t.Error("after the clock was set back: another successor")
		}
		second := h.issued(h.refresh(web, first.RefreshToken))
		h.clock.advance(10*time.Minute + 23*time.Hour)
		third := h.issued(restarted.refresh(web, second.RefreshToken))
		if a := h.refresh(web, second.RefreshToken); a.Status != http.StatusOK {
			t.Errorf("replay in the window: %s", a)
		}
		h.clock.advance(24*time.Hour + time.Second)
		if a := h.refresh(web, third.RefreshToken); a.errorCode() != "invalid_grant" {
			t.Errorf("a token that lay unused for a day: %s", a)
		}
		if a := h.introspect(web, third.RefreshToken); a.active() {
			t.Errorf("introspection of it: %s", a)
		}
	})
}

// A refresh token with an unknown family secret is anybody's invention and revokes nothing; neither does one that was cut,
// flipped or padded, or that is of another Grant.
func TestAttackRefreshForged(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		got, other := h.tokens(web), h.tokens(web)
		parts, foreign := strings.Split(got.RefreshToken, "."), strings.Split(other.RefreshToken, ".")
		forged := []string{
			parts[0] + "." + foreign[1] + "." + foreign[2], parts[0] + "." + foreign[1] + "." + parts[2], foreign[0] + "." + parts[1] + "." + parts[2],
			parts[0] + "." + strings.Repeat("A", 22) + "." + strings.Repeat("A", 43), parts[0] + ".." + parts[2], parts[0] + "." + parts[1] + ".", parts[0],
			parts[0] + "." + parts[1] + "." + parts[2][:42], parts[0] + "." + parts[1] + "." + parts[2] + "A", parts[0] + "." + parts[2] + "." + parts[1],
			"sgrt_", "sgrt_..", "sgat_" + parts[1], strings.ToUpper(got.RefreshToken), got.AccessToken, got.IDToken,
		}
		for i := range len(parts[0] + "." + parts[1]) { // every byte before the member
			forged = append(forged, got.RefreshToken[:i]+string(rune(got.RefreshToken[i]^1))+got.RefreshToken[i+1:], got.RefreshToken[:i])
		}
		for _, token := range forged {
			if a := h.refresh(web, token); a.errorCode() != "invalid_grant" && a.errorCode() != "invalid_request" {
				t.Errorf("%q: %s", token, a)
			}
			if a := h.introspect(web, token); token != got.AccessToken && a.active() {
				t.Errorf("%q is active: %s", token, a)
			}
		}
		for name, token := range map[string]string{"one": got.RefreshToken, "other": other.RefreshToken} {
			if a := h.refresh(web, token); a.Status != http.StatusOK {
				t.Errorf("%s was harmed: %s", name, a)
			}
		}
	})
}

// A lost answer to COMMIT is never taken for reuse: after ErrUncertain on the rotation the client tries again and gets the
// successor that was made, once.
func TestAttackRefreshUncertain(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, clientID := range []string{web, vault} {
			old := h.tokens(clientID)
			h.faults.Uncertain()
			if a := h.refresh(clientID, old.RefreshToken); a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
				t.Errorf("%s: uncertain: %s", clientID, a)
			}
			first := h.issued(h.refresh(clientID, old.RefreshToken))
			again := h.issued(h.refresh(clientID, old.RefreshToken))
			if first.RefreshToken != again.RefreshToken {
				t.Errorf("%s: two successors", clientID)
			}
			h.issued(h.refresh(clientID, first.RefreshToken))
			if slices.Contains(h.observations(), "refresh_token.reused") {
				t.Errorf("%s: taken for reuse", clientID)
			}
		}
	})
}

// A parent that ends between the reading of the chain and the minting leaves no token behind: the Check in the batch sees it.
func TestAttackRevocationRacesMinting(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		ends := map[string]func() error{
			"subject":     func() error { return h.people.Subjects.Revoke(t.Context(), h.subject(ann).Ref()) },
			"application": func() error { return h.people.Applications.Revoke(t.Context(), h.client(web).Application) },
			"session":     func() error { return h.people.Sessions.End(t.Context(), h.persona.lastSession().Ref(), "test") },
		}
		for name, end := range ends {
			old := h.tokens(web, "scope", "openid")
			a := h.midway("oidc.refresh", end, func() *answer { return h.refresh(web, old.RefreshToken) })
			if a.errorCode() != "invalid_grant" {
				t.Errorf("%s, refresh: %s", name, a)
			}
			code := h.code(web, "scope", "openid")
			a = h.midway("oidc.refresh", end, func() *answer { return h.redeem(web, code) })
			if a.errorCode() != "invalid_grant" {
				t.Errorf("%s, redeem: %s", name, a)
			}
		}
	})
}

// The same for a machine's opaque token, which hangs on its application alone; and an application that merely changed costs
// nobody a token.
func TestAttackDisablingRacesMachine(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		ref := h.client(safe).Application
		mint := func() *answer { return h.token(safe, "grant_type", "client_credentials") }
		a := h.midway("oidc.token", func() error {
			app, err := h.people.Applications.Get(t.Context(), ref)
			if err != nil {
				return err
			}
			app.Name = "Renamed"
			return h.people.Applications.Replace(t.Context(), app)
		}, mint)
		h.issued(a)
		a = h.midway("oidc.token", func() error { return h.people.Applications.Disable(t.Context(), ref) }, mint)
		if a.errorCode() != "unauthorized_client" {
			t.Errorf("%s", a)
		}
	})
}

// midway does use, and end just before the first step of it that writes the kind.
func (h *harness) midway(kind string, end func() error, use func() *answer) *answer {
	h.tb.Helper()
	done := false
	h.faults.Hook(func(c storetest.Call) error {
		writes := slices.ContainsFunc(c.Ops, func(op store.Op) bool { return op.Record.Kind.Name == kind })
		if !writes || done {
			return nil
		}
		done = true
		return end()
	})
	defer h.faults.Hook(nil)
	a := use()
	if !done {
		h.tb.Errorf("nothing of %s was written", kind)
	}
	return a
}
