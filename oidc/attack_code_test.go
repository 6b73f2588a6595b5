package oidc_test

import (
	"net/http"
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
