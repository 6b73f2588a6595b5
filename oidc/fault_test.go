package oidc_test

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// door is one request to an endpoint, with everything behind it.
type door struct {
	name string
	// config opens what the request needs; nil is nothing.
	config func(*oidc.Config)
	// open prepares what the request needs and returns the request, to be sent again and again.
	open func(h *harness) attempt
	// done judges the answer of a store that works.
	done func(a *answer) bool
	// lost judges the answer to a repetition after a write whose answer was lost; nil is done.
	lost func(a *answer) bool
}

// harness is the world of the request.
func (d door) harness(t *testing.T, p storetest.Placement) *harness {
	t.Helper()
	if d.config == nil {
		return newHarness(t, p)
	}
	return newHarness(t, p, d.config)
}

// attempt is a prepared request.
type attempt struct {
	send func() *answer
	// after judges what is left when the request has been answered; nil is nothing.
	after func(t *testing.T)
}

func gotCode(a *answer) bool {
	return a.Status == http.StatusSeeOther && a.returned().Get("code") != ""
}

func gotTokens(a *answer) bool { return a.Status == http.StatusOK && a.member("access_token") != "" }
func gotOK(a *answer) bool     { return a.Status == http.StatusOK }
func gotActive(a *answer) bool { return a.Status == http.StatusOK && a.active() }

func goesTo(target string) func(*answer) bool {
	return func(a *answer) bool {
		return a.Status == http.StatusSeeOther && strings.HasPrefix(a.Header.Get("Location"), target)
	}
}

func refusedWith(code string) func(*answer) bool {
	return func(a *answer) bool { return a.Status == http.StatusBadRequest && a.errorCode() == code }
}

// eventually is an answer that may take a person another round: a code, or the finding that there was one.
func eventually(a *answer) bool { return gotCode(a) || refusedWith("request_finished")(a) }

// doors are all requests that touch the store.
func doors() []door {
	return slices.Concat(
		browserDoors(),
		scopeDoors(),
		frontDoors(),
		tokenDoors(),
		presentingDoors(),
		logoutDoors(),
		exchangeDoors(),
		bearerDoors(),
		passwordDoors(),
		customDoors(),
		dpopDoors(),
		decoupledDoors(),
		parDoors(),
		assertionDoors(),
		mutualTLSDoors(),
		jarmDoors(),
		resourceDoors(),
		detailDoors(),
		agentDoors(),
		pairwiseDoors(),
		protectedDoors(),
		claimSourceDoors(),
	)
}

func browserDoors() []door {
	return []door{
		{name: "authorize", done: gotCode, open: func(h *harness) attempt {
			b := h.newBrowser()
			return attempt{send: func() *answer { return b.get(pathAuthorize + "?" + authorization(web).Encode()) }}
		}},
		{name: "authorize with consent given before", done: gotCode, open: func(h *harness) attempt {
			h.code(web)
			b := h.newBrowser()
			return attempt{send: func() *answer { return b.get(pathAuthorize + "?" + authorization(web).Encode()) }}
		}},
		{name: "authorize with consent skipped", done: gotCode, open: func(h *harness) attempt {
			h.skipConsent(web)
			b := h.newBrowser()
			return attempt{send: func() *answer { return b.get(pathAuthorize + "?" + authorization(web).Encode()) }}
		}},
		{name: "authorize with a hint", done: gotCode, open: func(h *harness) attempt {
			request := authorization(web, "id_token_hint", h.tokens(web).IDToken)
			b := h.newBrowser()
			return attempt{send: func() *answer { return b.get(pathAuthorize + "?" + request.Encode()) }}
		}},
		{name: "posted authorize", done: goesTo(pathResume), open: func(h *harness) attempt {
			b := h.newBrowser()
			return attempt{send: func() *answer { return b.do(http.MethodPost, pathAuthorize, authorization(web)) }}
		}},
		{name: "resume of a post", done: gotCode, lost: eventually, open: func(h *harness) attempt {
			b := h.newBrowser()
			next := b.do(http.MethodPost, pathAuthorize, authorization(web)).Header.Get("Location")
			return attempt{send: func() *answer { return b.get(next) }}
		}},
		{name: "resume of a page", done: gotCode, lost: eventually, open: func(h *harness) attempt {
			h.persona.acts(script{Page: true})
			b := h.newBrowser()
			next := b.get(pathAuthorize + "?" + authorization(web).Encode()).Header.Get("Location")
			h.persona.acts(script{})
			return attempt{send: func() *answer { return b.get(next) }}
		}},
		{name: "refused sign-in", open: func(h *harness) attempt {
			h.persona.acts(script{Refusal: directory.Denied})
			b := h.newBrowser()
			return attempt{send: func() *answer { return b.get(pathAuthorize + "?" + authorization(web).Encode()) }}
		}, done: func(a *answer) bool { return a.returned().Get("error") == "access_denied" }},
	}
}

// frontDoors are the response types that hand out tokens, or nothing.
func frontDoors() []door {
	in := func(responseType string, clientID string) func(h *harness) attempt {
		return func(h *harness) attempt {
			h.receives(clientID, responseType)
			b := h.newBrowser()
			return attempt{send: func() *answer {
				return b.get(pathAuthorize + "?" + authorization(clientID, "response_type", responseType).Encode())
			}}
		}
	}
	gave := func(names ...string) func(a *answer) bool {
		return func(a *answer) bool {
			return a.Status == http.StatusSeeOther && !slices.ContainsFunc(names, func(n string) bool { return !a.returned().Has(n) })
		}
	}
	return []door{
		{name: "front id_token", config: legacy, open: in("id_token", web), done: gave("id_token")},
		{name: "front id_token token", config: legacy, open: in("id_token token", web), done: gave("id_token", "access_token")},
		{name: "front opaque token", config: legacy, open: in("token", vault), done: gave("access_token")},
		{name: "front code id_token token", config: legacy, open: in("code id_token token", web), done: gave("code", "id_token", "access_token")},
		{name: "front none", config: legacy, open: in("none", web), done: gave("iss", "state")},
	}
}

func tokenDoors() []door {
	redeem := func(clientID, scope string) func(h *harness) attempt {
		return func(h *harness) attempt {
			code := h.code(clientID, "scope", scope)
			return attempt{send: func() *answer { return h.redeem(clientID, code) }}
		}
	}
	refresh := func(clientID, scope string) func(h *harness) attempt {
		return func(h *harness) attempt {
			token := h.tokens(clientID, "scope", scope).RefreshToken
			return attempt{send: func() *answer { return h.refresh(clientID, token) }}
		}
	}
	// A code whose answer was lost is a used code (RFC 6749 §4.1.2); a refresh token has its grace.
	used := refusedWith("invalid_grant")
	return []door{
		{name: "code", open: redeem(web, "openid profile"), done: gotTokens, lost: used},
		{name: "code offline", open: redeem(mail, "openid offline_access"), done: gotTokens, lost: used},
		{name: "code of a public client", open: redeem(spa, "openid"), done: gotTokens, lost: used},
		{name: "code for an opaque token", open: redeem(vault, "openid"), done: gotTokens, lost: used},
		{name: "code with claims", done: gotTokens, lost: used, open: func(h *harness) attempt {
			code := h.code(web, "claims", `{"id_token":{"email":null}}`)
			return attempt{send: func() *answer { return h.redeem(web, code) }}
		}},
		{name: "code a second time", done: used, open: func(h *harness) attempt {
			code := h.code(web)
			token := h.issued(h.redeem(web, code)).AccessToken
			return attempt{func() *answer { return h.redeem(web, code) }, h.dead(web, token)}
		}},
		{name: "code a second time and late", done: used, open: func(h *harness) attempt {
			code := h.code(web)
			token := h.issued(h.redeem(web, code)).AccessToken
			h.clock.advance(10 * time.Minute)
			return attempt{func() *answer { return h.redeem(web, code) }, h.dead(web, token)}
		}},
		{name: "refresh", open: refresh(web, "openid profile"), done: gotTokens},
		{name: "refresh offline", open: refresh(spa, "openid offline_access"), done: gotTokens},
		{name: "refresh for an opaque token", open: refresh(vault, "openid offline_access"), done: gotTokens},
		{name: "refresh again", done: gotTokens, open: func(h *harness) attempt {
			token := h.tokens(web).RefreshToken
			successor := h.issued(h.refresh(web, token)).RefreshToken
			return attempt{func() *answer { return h.refresh(web, token) }, func(t *testing.T) {
				if h.refresh(web, token).member("refresh_token") != successor {
					t.Error("another successor")
				}
			}}
		}},
		{name: "refresh too late", done: used, open: func(h *harness) attempt {
			first := h.tokens(web)
			h.issued(h.refresh(web, first.RefreshToken))
			h.clock.advance(time.Minute)
			return attempt{func() *answer { return h.refresh(web, first.RefreshToken) }, h.dead(web, first.AccessToken)}
		}},
		{name: "client credentials", done: gotTokens, open: func(h *harness) attempt {
			return attempt{send: func() *answer { return h.token(robot, "grant_type", "client_credentials") }}
		}},
		{name: "client credentials for an opaque token", done: gotTokens, open: func(h *harness) attempt {
			return attempt{send: func() *answer { return h.token(safe, "grant_type", "client_credentials") }}
		}},
	}
}

// dead judges that the token opens nothing any more.
func (h *harness) dead(clientID, token string) func(t *testing.T) {
	return func(t *testing.T) {
		t.Helper()
		if a := h.introspect(clientID, token); a.Status != http.StatusOK || a.active() {
			t.Errorf("the request was answered, but the token is not dead: %s", a)
		}
	}
}

func presentingDoors() []door {
	userInfo := func(clientID string) func(h *harness) attempt {
		return func(h *harness) attempt {
			token := h.tokens(clientID).AccessToken
			return attempt{send: func() *answer { return h.userInfo(token) }}
		}
	}
	introspect := func(clientID string, token func(h *harness) string) func(h *harness) attempt {
		return func(h *harness) attempt {
			presented := token(h)
			return attempt{send: func() *answer { return h.introspect(clientID, presented) }}
		}
	}
	revoke := func(clientID string, token func(h *harness) string) func(h *harness) attempt {
		return func(h *harness) attempt {
			presented := token(h)
			return attempt{func() *answer { return h.revoke(clientID, presented) }, h.dead(clientID, presented)}
		}
	}
	access := func(clientID string) func(h *harness) string {
		return func(h *harness) string { return h.tokens(clientID).AccessToken }
	}
	refresh := func(clientID string) func(h *harness) string {
		return func(h *harness) string { return h.tokens(clientID).RefreshToken }
	}
	machine := func(clientID string) func(h *harness) string {
		return func(h *harness) string { return h.machineToken(clientID) }
	}
	return []door{
		{name: "userinfo", open: userInfo(web), done: gotOK},
		{name: "userinfo by an opaque token", open: userInfo(vault), done: gotOK},
		{name: "introspect a JWT", open: introspect(web, access(web)), done: gotActive},
		{name: "introspect an opaque token", open: introspect(vault, access(vault)), done: gotActive},
		{name: "introspect a refresh token", open: introspect(web, refresh(web)), done: gotActive},
		{name: "introspect a machine's JWT", open: introspect(server, machine(robot)), done: gotActive},
		{name: "introspect a machine's opaque token", open: introspect(server, machine(safe)), done: gotActive},
		{name: "revoke a JWT", open: revoke(web, access(web)), done: gotOK},
		{name: "revoke an opaque token", open: revoke(vault, access(vault)), done: gotOK},
		{name: "revoke a refresh token", open: revoke(web, refresh(web)), done: gotOK},
		{name: "revoke a machine's JWT", open: revoke(robot, machine(robot)), done: gotOK},
		{name: "revoke a machine's opaque token", open: revoke(safe, machine(safe)), done: gotOK},
	}
}

func logoutDoors() []door {
	leave := func(h *harness, b *browser, hint string) string {
		query := values("client_id", web, "id_token_hint", hint, "post_logout_redirect_uri", bye)
		return b.get(pathLogout + "?" + query.Encode()).Header.Get("Location")
	}
	return []door{
		{name: "logout", done: goesTo(pathLogout), open: func(h *harness) attempt {
			query := values("client_id", web, "id_token_hint", h.tokens(web).IDToken, "post_logout_redirect_uri", bye)
			b := h.newBrowser()
			return attempt{send: func() *answer { return b.get(pathLogout + "?" + query.Encode()) }}
		}},
		{name: "resume of a logout", done: goesTo(bye), open: func(h *harness) attempt {
			tokens := h.tokens(web, "scope", "openid")
			b := h.newBrowser()
			next := leave(h, b, tokens.IDToken)
			return attempt{func() *answer { return b.get(next) }, h.dead(web, tokens.AccessToken)}
		}},
		{name: "resume of a logout with frames", config: withLogout, done: func(a *answer) bool {
			return a.Status == http.StatusOK && strings.Contains(a.Body, "<iframe src=")
		}, open: func(h *harness) attempt {
			h.framed(web, "https://app.example/out")
			tokens := h.tokens(web, "scope", "openid")
			b := h.newBrowser()
			next := leave(h, b, tokens.IDToken)
			return attempt{func() *answer { return b.get(next) }, h.dead(web, tokens.AccessToken)}
		}},
		{name: "resume of a posted logout", done: gotOK, open: func(h *harness) attempt {
			h.tokens(web)
			b := h.newBrowser()
			next := b.do(http.MethodPost, pathLogout, values("client_id", web)).Header.Get("Location")
			return attempt{send: func() *answer { return b.get(next) }}
		}},
	}
}

// TestFailingStore fails each call to the store of each request, one at a time. The answer is 503, never an answer that
// means something, and the same request succeeds when the store has recovered.
func TestFailingStore(t *testing.T) {
	t.Parallel()
	for _, d := range doors() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			for n, met := 1, true; met; n++ {
				met = false
				t.Run(fmt.Sprintf("call %d", n), func(t *testing.T) {
					storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
						h := d.harness(t, p)
						failed := d.fail(t, h, func() { h.faults.FailCall(n, nil) }, func() bool { return h.calls() >= n })
						met = met || failed
					})
				})
				if n == 1 && !met {
					t.Error("the request does not touch the store")
				}
			}
		})
	}
}

// TestStoreDown has no store at all, for a while.
func TestStoreDown(t *testing.T) {
	t.Parallel()
	for _, d := range doors() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
				h := d.harness(t, p)
				d.fail(t, h, func() { h.faults.FailAll(nil) }, func() bool { return true })
			})
		})
	}
}

// calls counts the calls to the store since the last Forget.
func (h *harness) calls() int { return len(h.faults.Calls()) }

// fail sends the request to a store that is broken on the way and, if the failure was met, once more when it has recovered.
func (d door) fail(t *testing.T, h *harness, breaks func(), met func() bool) bool {
	t.Helper()
	try := d.open(h)
	h.forget()
	breaks()
	a := try.send()
	if !met() {
		h.faults.Heal()
		if !d.done(a) {
			t.Errorf("with a store that works: %s", a)
		}
		try.check(t)
		return false
	}
	refusesForNow(t, a)
	h.faults.Heal()
	if again := try.send(); !d.done(again) {
		t.Errorf("after %s\nthe store recovered, and then: %s", a, again)
	}
	try.check(t)
	return true
}

func (a attempt) check(t *testing.T) {
	t.Helper()
	if a.after != nil {
		a.after(t)
	}
}

// forget lets caches forget what was read, and the store what was asked.
func (h *harness) forget() {
	h.clock.advance(2 * time.Second)
	h.searchForSecrets()
	h.faults.Forget()
}

// refusesForNow demands an answer that says "not now" and nothing else.
func refusesForNow(t *testing.T, a *answer) {
	t.Helper()
	const code = "temporarily_unavailable"
	switch {
	case a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "" && a.errorCode() == code && a.location() == nil:
	case a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "" && a.member("code") == "ABA-65001": // to an app
	case a.Status == http.StatusSeeOther && a.returned().Get("error") == code && !a.returned().Has("code"): // RFC 6749 §4.1.2.1
	default:
		t.Errorf("the answer of a failing store: %s", a)
	}
}

// TestUncertainStore loses the answer to each write of each request. Nobody is told that it was done; whoever repeats the
// request is neither refused for what the lost write did nor given a second thing, where the specifications permit.
func TestUncertainStore(t *testing.T) {
	t.Parallel()
	for _, d := range doors() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			for n, met := 1, true; met; n++ {
				met = false
				t.Run(fmt.Sprintf("write %d", n), func(t *testing.T) {
					storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
						h := d.harness(t, p)
						if d.lose(t, h, n) {
							met = true
						}
					})
				})
			}
		})
	}
}

// lose sends the request to a store that loses the answer to the nth write, and once more.
func (d door) lose(t *testing.T, h *harness, n int) bool {
	t.Helper()
	try := d.open(h)
	h.forget()
	writes := 0
	if n == 1 {
		h.faults.Uncertain()
	}
	h.faults.Hook(func(c storetest.Call) error {
		if c.Method == storetest.MethodApply {
			if writes++; writes == n-1 {
				h.faults.Uncertain() // the next
			}
		}
		return nil
	})
	a := try.send()
	if writes < n {
		return false
	}
	if a.Status != http.StatusBadRequest || !d.done(a) { // a refusal may come of a conflict, which is not lost
		refusesForNow(t, a)
	}
	h.faults.Heal()
	again := try.send()
	if !d.done(again) && (d.lost == nil || !d.lost(again)) {
		t.Errorf("after %s\nthe store recovered, and then: %s", a, again)
	}
	try.check(t)
	return true
}

// TestLostRefresh holds that a refresh whose answer was lost yields one successor, however often it is repeated, and that
// the successor works.
func TestLostRefresh(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		token := h.tokens(web).RefreshToken
		h.faults.Uncertain()
		refusesForNow(t, h.refresh(web, token))
		first := h.issued(h.refresh(web, token))
		second := h.issued(h.refresh(web, token))
		if first.RefreshToken != second.RefreshToken || first.RefreshToken == token {
			t.Error("repeating the request yields different successors")
		}
		next := h.issued(h.refresh(web, first.RefreshToken))
		if !h.introspect(web, next.RefreshToken).active() {
			t.Error("the family did not survive the lost answer")
		}
	})
}

// TestPublicDocumentsNeedNoStore holds that a broken database does not keep others from verifying tokens.
func TestPublicDocumentsNeedNoStore(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.faults.FailAll(nil)
		for _, path := range []string{pathJWKS, "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
			if a := h.send(h.request(http.MethodGet, path, nil)); a.Status != http.StatusOK {
				t.Errorf("%s: %s", path, a)
			}
		}
	})
}

// TestFailingStoreIsLogged holds that the cause of a 503 is in the log, with the correlation that the page shows, and not
// in the answer.
func TestFailingStoreIsLogged(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.faults.FailAll(nil)
		a := h.newBrowser().get(pathAuthorize + "?" + authorization(web).Encode())
		cause := storetest.ErrInjected.Error()
		if strings.Contains(a.String(), cause) {
			t.Errorf("the answer tells the cause: %s", a)
		}
		_, rest, _ := strings.Cut(a.Body, "</code> ")
		correlation, _, _ := strings.Cut(rest, "<")
		if log := h.logs.String(); len(correlation) != 12 || !strings.Contains(log, cause) || !strings.Contains(log, correlation) {
			t.Errorf("correlation %q and cause do not stand in the log: %s", correlation, log)
		}
	})
}

// faultyKeys are keys behind a service that can be away.
type faultyKeys struct {
	staticKeys
	away atomic.Bool
}

func (k *faultyKeys) Signer(ctx context.Context, algorithm string) (string, crypto.Signer, error) {
	if k.away.Load() {
		return "", nil, errors.New("the key service is away")
	}
	return k.staticKeys.Signer(ctx, algorithm)
}

func (k *faultyKeys) Public(ctx context.Context, algorithm string) (map[string]crypto.PublicKey, error) {
	if k.away.Load() {
		return nil, errors.New("the key service is away")
	}
	return k.staticKeys.Public(ctx, algorithm)
}

// TestFailingKeys holds that a key service that is away costs nobody a code or a token: nothing is consumed, and no token
// counts as forged.
func TestFailingKeys(t *testing.T) {
	t.Parallel()
	for _, d := range []struct {
		name string
		open func(h *harness) attempt
		done func(*answer) bool
	}{
		{"code", func(h *harness) attempt {
			code := h.code(web)
			return attempt{send: func() *answer { return h.redeem(web, code) }}
		}, gotTokens},
		{"code for an opaque token", func(h *harness) attempt {
			code := h.code(vault)
			return attempt{send: func() *answer { return h.redeem(vault, code) }}
		}, gotTokens},
		{"refresh", func(h *harness) attempt {
			token := h.tokens(web).RefreshToken
			return attempt{send: func() *answer { return h.refresh(web, token) }}
		}, gotTokens},
		{"client credentials", func(h *harness) attempt {
			return attempt{send: func() *answer { return h.token(robot, "grant_type", "client_credentials") }}
		}, gotTokens},
		{"userinfo", func(h *harness) attempt {
			token := h.tokens(web).AccessToken
			return attempt{send: func() *answer { return h.userInfo(token) }}
		}, gotOK},
		{"introspection", func(h *harness) attempt {
			token := h.tokens(web).AccessToken
			return attempt{send: func() *answer { return h.introspect(web, token) }}
		}, gotActive},
		{"revocation", func(h *harness) attempt {
			token := h.tokens(web).AccessToken
			return attempt{send: func() *answer { return h.revoke(web, token) }}
		}, gotOK},
		{"logout", func(h *harness) attempt {
			query := values("id_token_hint", h.tokens(web).IDToken)
			b := h.newBrowser()
			return attempt{send: func() *answer { return b.get(pathLogout + "?" + query.Encode()) }}
		}, goesTo(pathLogout)},
		{"keys", func(h *harness) attempt {
			return attempt{send: func() *answer { return h.send(h.request(http.MethodGet, pathJWKS, nil)) }}
		}, gotOK},
	} {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
				keys := &faultyKeys{}
				h := newHarness(t, p, func(c *oidc.Config) { c.Keys = keys })
				try := d.open(h)
				h.clock.advance(10 * time.Second) // longer than a node works with what it has read
				keys.away.Store(true)
				refusesForNow(t, try.send())
				keys.away.Store(false)
				if a := try.send(); !d.done(a) {
					t.Errorf("the keys are back, and then: %s", a)
				}
			})
		})
	}
}
