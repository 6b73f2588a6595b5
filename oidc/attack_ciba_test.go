package oidc_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// ciba runs test over both placements with all of CIBA, and clients that poll.
func cibaWorld(t *testing.T, test func(t *testing.T, h *harness), edit ...func(*oidc.Config)) {
	t.Helper()
	placements(t, func(t *testing.T, h *harness) {
		h.registerCIBA("")
		test(t, h)
	}, append([]func(*oidc.Config){withCIBA(&people{})}, edit...)...)
}

// CIBA lockout bypass: user codes are guessed in the budget of passwords, a locked account takes none, and an account that is locked
// by guesses here is locked for passwords there (CVE-2026-9798; CIBA Core §7.1).
func TestAttackCIBALockout(t *testing.T) {
	t.Parallel()
	cibaWorld(t, func(t *testing.T, h *harness) {
		for range 5 {
			if a := h.askFor(kiosk, "login_hint", ann, "user_code", "1234"); a.errorCode() != "invalid_user_code" {
				t.Fatalf("a wrong code: %s", a)
			}
		}
		if a := h.askFor(kiosk, "login_hint", ann, "user_code", "4711"); a.errorCode() != "invalid_user_code" {
			t.Errorf("the right code of a locked account: %s", a)
		}
		key := directory.AttemptKey{Account: h.people.Locks.Account(h.subject(ann), "", ""), Factor: "password"}
		if attempt, err := h.people.Locks.Weigh(t.Context(), key); err != nil || attempt.Admitted() {
			t.Errorf("the account still takes passwords: %v", err)
		}
		if a := h.askFor(kiosk, "login_hint", bob, "user_code", "4711"); a.Status != http.StatusOK {
			t.Errorf("another account: %s", a)
		}
		h.clock.advance(10 * time.Minute)
		if a := h.askFor(kiosk, "login_hint", ann, "user_code", "4711"); a.Status != http.StatusOK {
			t.Errorf("after the lock: %s", a)
		}
	})
}

// 64 guesses at once get no more tries than five after another.
func TestAttackCIBAUserCodesAtOnce(t *testing.T) {
	t.Parallel()
	cibaWorld(t, func(t *testing.T, h *harness) {
		atOnce(64, func(int) *answer { return h.askFor(kiosk, "login_hint", ann, "user_code", "1234") })
		if a := h.askFor(kiosk, "login_hint", ann, "user_code", "4711"); a.Status == http.StatusOK {
			t.Errorf("after 64 guesses: %s", a)
		}
	})
}

// A client that registered no user code sends none, and one that did must (CIBA Core §7.1, §13).
func TestAttackCIBAUserCodeLeftOut(t *testing.T) {
	t.Parallel()
	cibaWorld(t, func(t *testing.T, h *harness) {
		for want, a := range map[string]*answer{
			"missing_user_code": h.askFor(kiosk, "login_hint", ann),
			"invalid_request":   h.askFor(till, "login_hint", ann, "user_code", "4711"),
		} {
			if a.errorCode() != want || a.Status != http.StatusBadRequest {
				t.Errorf("%s, want %s", a, want)
			}
		}
	})
}

// A request names one person by one hint, who is there, by a token of that very client (CIBA Core §7.1, §7.2).
func TestAttackCIBAHints(t *testing.T) {
	t.Parallel()
	cibaWorld(t, func(t *testing.T, h *harness) {
		id := h.ciba(till)
		h.must(h.ApproveCIBA(t.Context(), id, h.proofOf(ann), nil))
		own := h.issued(h.pollFor(till, id)).IDToken
		foreign := h.tokens(web).IDToken
		if a := h.askFor(till, "id_token_hint", own); a.Status != http.StatusOK {
			t.Errorf("an ID token of its own: %s", a)
		}
		access := h.tokens(web).AccessToken
		for _, tc := range []struct {
			want  string
			pairs []string
		}{
			{"invalid_request", nil},
			{"invalid_request", []string{"login_hint", ann, "id_token_hint", own}},
			{"invalid_request", []string{"login_hint", ann, "login_hint_token", "x"}},
			{"invalid_request", []string{"login_hint_token", "x"}},
			{"invalid_request", []string{"id_token_hint", foreign}},
			{"invalid_request", []string{"id_token_hint", access}},
			{"invalid_request", []string{"id_token_hint", own + "A"}},
			{"unknown_user_id", []string{"login_hint", "nobody"}},
			{"unknown_user_id", []string{"login_hint", strings.Repeat("x", 1000)}},
			{"invalid_scope", []string{"login_hint", ann, "scope", "profile"}},
			{"invalid_scope", []string{"login_hint", ann, "scope", ""}},
			{"invalid_request", []string{"login_hint", ann, "request", "e30.e30."}},
			{"invalid_binding_message", []string{"login_hint", ann, "binding_message", "a\nb"}},
			{"invalid_binding_message", []string{"login_hint", ann, "binding_message", "\u202eevil"}},
			{"invalid_binding_message", []string{"login_hint", ann, "binding_message", strings.Repeat("x", 101)}},
		} {
			if a := h.askFor(till, tc.pairs...); a.errorCode() != tc.want || a.Status != http.StatusBadRequest {
				t.Errorf("%v: %s, want %s", tc.pairs, a, tc.want)
			}
		}
		if a := h.askFor(web, "login_hint", ann); a.errorCode() != "unauthorized_client" {
			t.Errorf("a client that is not registered for it: %s", a)
		}
		if a := h.post(pathCIBA, "", values("client_id", till, "scope", "openid", "login_hint", ann)); a.Status != http.StatusUnauthorized || a.errorCode() != "invalid_client" {
			t.Errorf("without authentication: %s", a)
		}
		h.must(h.people.Subjects.Disable(t.Context(), h.subject(ann).Ref()))
		if a := h.askFor(till, "login_hint", ann); a.errorCode() != "unknown_user_id" {
			t.Errorf("a disabled account: %s", a)
		}
	})
}

// The person whom the client named decides, in whatever browser they open the page; somebody else, and whoever merely looked first,
// does not (CIBA Core §7.2).
func TestAttackCIBADecidedByAnother(t *testing.T) {
	t.Parallel()
	cibaWorld(t, func(t *testing.T, h *harness) {
		id := h.ciba(till)
		scanner := h.newBrowser()
		visit := scanner.get(pathCIBA + "?id=" + requestID(id)).Header.Get("Location")
		h.persona.acts(script{User: bob})
		if a := h.decideOn(id); a.errorCode() != "login_required" || allowed(a) {
			t.Errorf("bob decides for ann: %s", a)
		}
		if in := h.persona.lastInteraction(); in.HintSubject != h.subject(ann).ID {
			t.Errorf("the flow was asked for %q", in.HintSubject)
		}
		h.persona.acts(script{})
		if a := h.newBrowser().get(visit); a.Status != http.StatusForbidden {
			t.Errorf("a visit of another browser: %s", a)
		}
		if a := h.decideOn(id); !allowed(a) {
			t.Errorf("ann herself: %s", a)
		}
		if a := scanner.get(visit); a.errorCode() != "request_finished" {
			t.Errorf("the visit before: %s", a)
		}
		if a := h.decideOn("sgcr_nothing.x"); a.errorCode() != "request_expired" {
			t.Errorf("no request: %s", a)
		}
		h.issued(h.pollFor(till, id))
	})
}

// One decision stands, by page or by the host, and who proves to be somebody else, or nothing, decides nothing.
func TestAttackCIBADecidedTwice(t *testing.T) {
	t.Parallel()
	cibaWorld(t, func(t *testing.T, h *harness) {
		ctx := t.Context()
		id := h.ciba(till)
		for what, evidence := range map[string][]directory.Evidence{"nothing": nil, "bob": h.proofOf(bob), "both": append(h.proofOf(ann), h.proofOf(bob)...)} {
			if err := h.ApproveCIBA(ctx, id, evidence, nil); err == nil {
				t.Errorf("approved by %s", what)
			}
		}
		errs := make([]error, 16)
		atOnce(16, func(i int) *answer {
			if i%2 == 0 {
				errs[i] = h.ApproveCIBA(ctx, id, h.proofOf(ann), nil)
			} else {
				errs[i] = h.DenyCIBA(ctx, id)
			}
			return nil
		})
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if e, ok := err.(*oidc.Error); !ok || e.Code != "request_finished" {
				t.Errorf("a decision that came second: %v", err)
			}
		}
		if won != 1 {
			t.Errorf("%d of 16 decided", won)
		}
		if err := h.ApproveCIBA(ctx, "sgcr_x.y", h.proofOf(ann), nil); err == nil {
			t.Error("approved what is not there")
		}
	})
}

// What the person leaves out is not granted.
func TestCIBAScopesLeftOut(t *testing.T) {
	t.Parallel()
	cibaWorld(t, func(t *testing.T, h *harness) {
		id := h.ciba(till, "scope", "openid profile email")
		proof := []directory.Evidence{{Method: "app", AMR: []string{"hwk"}}} // hers, and now
		h.must(h.ApproveCIBA(t.Context(), requestID(id), proof, []string{"email"}))
		if got := h.issued(h.pollFor(till, id)); got.Scope != "openid email" {
			t.Errorf("granted %q", got.Scope)
		}
	})
}

// One of many polls at once redeems an auth_req_id; used again it takes the tokens down (CIBA Core §11).
func TestAttackAuthReqIDRedeemedInParallel(t *testing.T) {
	t.Parallel()
	cibaWorld(t, func(t *testing.T, h *harness) {
		other := h.secondNode(withCIBA(&people{}))
		id := h.ciba(till)
		h.must(h.ApproveCIBA(t.Context(), id, h.proofOf(ann), nil))
		nodes := []*harness{h, other}
		var won []issued
		for _, a := range atOnce(64, func(i int) *answer { return nodes[i%2].pollFor(till, id) }) {
			if a.Status == http.StatusOK {
				won = append(won, h.issued(a))
			} else if a.errorCode() != "invalid_grant" {
				t.Errorf("a loser got %s", a)
			}
		}
		if len(won) != 1 {
			t.Fatalf("%d of 64 redeemed it", len(won))
		}
		h.demandDead(till, won[0])
	})
}

// An auth_req_id of another client, damaged, expired, or of the device grant is refused (CIBA Core §11).
func TestAttackAuthReqIDInOtherHands(t *testing.T) {
	t.Parallel()
	cibaWorld(t, func(t *testing.T, h *harness) {
		id, other := h.ciba(till), h.ciba(till)
		h.must(h.ApproveCIBA(t.Context(), id, h.proofOf(ann), nil))
		prefix, own, _ := strings.Cut(id, ".")
		_, others, _ := strings.Cut(other, ".")
		for _, damaged := range []string{
			prefix + "." + others, prefix, prefix + ".", id[:len(id)-1], id + "A", id + ".", id + ".YQ", "sgdc_" + strings.TrimPrefix(id, "sgcr_"),
			strings.ToUpper(id), own,
		} {
			if a := h.pollFor(till, damaged); a.errorCode() != "invalid_grant" {
				t.Errorf("%q: %s", damaged, a)
			}
		}
		if a := h.pollFor(kiosk, id); a.errorCode() != "invalid_grant" {
			t.Errorf("another client: %s", a)
		}
		if a := h.token(till, "grant_type", string(oidc.BackchannelAuthentication)); a.errorCode() != "invalid_request" {
			t.Errorf("none: %s", a)
		}
		h.clock.advance(2 * time.Minute)
		if a := h.pollFor(till, id); a.errorCode() != "expired_token" {
			t.Errorf("expired: %s", a)
		}
		if err := h.ApproveCIBA(t.Context(), other, h.proofOf(ann), nil); err == nil {
			t.Error("approved after its time")
		}
	})
}

// An auth_req_id has the characters that CIBA Core §7.3 allows, also in an organization.
func TestAuthReqIDInAnOrganization(t *testing.T) {
	t.Parallel()
	for _, org := range []string{"", "a", "a/b"} {
		const own = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		text := oidc.AuthReqIDText(store.Ref{Org: org, ID: store.NewID()}, own)
		if strings.ContainsFunc(text, func(r rune) bool {
			return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._", r)
		}) {
			t.Errorf("%q", text)
		}
		if rewritten, grant, ok := oidc.RewriteAuthReqID(text); !ok || rewritten != text || grant.Org != org {
			t.Errorf("%q is read as %q of %v", text, rewritten, grant)
		}
	}
}

// A person is asked so often and no more: whoever is asked often enough allows it in the end.
func TestAttackCIBAFatigue(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, placement storetest.Placement) {
		t.Parallel()
		p := &people{}
		h := newHarness(t, placement, withCIBA(p), func(c *oidc.Config) {
			c.Features.CIBA.PerPerson = directory.Limit{Count: 3, Per: time.Minute}
		})
		h.registerCIBA("")
		for range 3 {
			h.ciba(till)
		}
		told := len(p.told)
		if a := h.askFor(till, "login_hint", ann); a.Status != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
			t.Errorf("the fourth request: %s", a)
		}
		if len(p.told) != told {
			t.Error("the person was told of it")
		}
		h.ciba(till, "login_hint", bob)
		h.clock.advance(time.Minute)
		h.ciba(till)
	})
}

// Notification SSRF: what is not public is not called, whatever the name says when it is dialled, and redirects are not followed (CIBA
// Core §10.2; CVE-2026-1180).
func TestAttackCIBANotificationSSRF(t *testing.T) {
	t.Parallel()
	cibaWorld(t, func(t *testing.T, h *harness) {
		for _, endpoint := range []string{"http://client.example/cb", "https://127.0.0.1/cb", "https://[::1]/cb", "https://169.254.169.254/cb", "gopher://client.example/"} {
			_, err := h.Clients.Create(t.Context(), "x", &oidc.Client{
				GrantTypes: []oidc.GrantType{oidc.BackchannelAuthentication}, TokenDeliveryMode: "ping", ClientNotificationEndpoint: endpoint,
			})
			if !slices.Contains(fields(err), "backchannel_client_notification_endpoint") {
				t.Errorf("%s: problems with %v", endpoint, fields(err))
			}
		}
		inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the inside was called") }))
		t.Cleanup(inside.Close)
		h.register(&oidc.Client{
			ClientID: bell, GrantTypes: []oidc.GrantType{oidc.BackchannelAuthentication}, TokenDeliveryMode: "ping",
			ClientNotificationEndpoint: "https://rebound.example/cb",
		})
		h.must(h.ApproveCIBA(t.Context(), h.ciba(bell), h.proofOf(ann), nil))
		h.must(h.Maintain(t.Context()))
		h.demandDelivered()
	}, func(c *oidc.Config) {
		c.Outbound.InsecureNetworks = nil
		c.Outbound.Resolve = func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}
	})
	cibaWorld(t, func(t *testing.T, h *harness) {
		in := newInbox(t)
		in.answers(http.StatusFound)
		h.register(&oidc.Client{
			ClientID: bell, GrantTypes: []oidc.GrantType{oidc.BackchannelAuthentication}, TokenDeliveryMode: "ping", ClientNotificationEndpoint: in.server.URL,
		})
		h.must(h.ApproveCIBA(t.Context(), h.ciba(bell), h.proofOf(ann), nil))
		h.must(h.Maintain(t.Context()))
		if got := in.all(); len(got) != 1 {
			t.Errorf("a redirect has led to %v", got)
		}
		h.demandDelivered()
	})
}

// demandDelivered demands that nothing is left in the outbox, now or later.
func (h *harness) demandDelivered() {
	h.tb.Helper()
	h.clock.advance(time.Hour)
	claimed, err := h.db.Claim(h.tb.Context(), "oidc.ciba", time.Minute, 10)
	if err != nil || len(claimed) != 0 {
		h.tb.Errorf("%d deliveries are left: %v", len(claimed), err)
	}
}

// A client that is down is called again until its request has expired, and one that is slow delays nobody (CIBA Core §10.2).
func TestAttackCIBASlowClient(t *testing.T) {
	t.Parallel()
	cibaWorld(t, func(t *testing.T, h *harness) {
		in := newInbox(t)
		slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-in.first })) // answers last
		t.Cleanup(slow.Close)
		for client, endpoint := range map[string]string{bell: in.server.URL, "slow": slow.URL} {
			h.register(&oidc.Client{
				ClientID: client, GrantTypes: []oidc.GrantType{oidc.BackchannelAuthentication}, TokenDeliveryMode: "ping", ClientNotificationEndpoint: endpoint,
			})
		}
		in.answers(http.StatusServiceUnavailable)
		for _, client := range []string{"slow", bell} {
			h.must(h.ApproveCIBA(t.Context(), h.ciba(client), h.proofOf(ann), nil))
		}
		h.must(h.Maintain(t.Context()))
		if got := in.all(); len(got) != 1 {
			t.Errorf("beside a slow client: %v", got)
		}
		in.answers(http.StatusOK)
		h.clock.advance(10 * time.Second)
		h.must(h.Maintain(t.Context()))
		if got := in.all(); len(got) != 2 {
			t.Errorf("after it was down: %v", got)
		}
		h.clock.advance(time.Hour)
		h.must(h.Maintain(t.Context()))
		if got := in.all(); len(got) != 2 {
			t.Errorf("after it was told: %v", got)
		}
		h.demandDelivered()
	})
}

// A decision leaves in the store and in its events neither what the client polls with nor what it is called with; the end of every
// harness looks for both. Here the tokens of a push are looked for too, while they wait to be delivered.
func TestAttackPushedTokensInTheStore(t *testing.T) {
	t.Parallel()
	cibaWorld(t, func(t *testing.T, h *harness) {
		in := newInbox(t)
		h.register(&oidc.Client{
			ClientID: herald, GrantTypes: []oidc.GrantType{oidc.BackchannelAuthentication, oidc.RefreshToken}, TokenDeliveryMode: "push",
			ClientNotificationEndpoint: in.server.URL,
		})
		h.must(h.ApproveCIBA(t.Context(), h.ciba(herald), h.proofOf(ann), nil))
		h.must(h.Maintain(t.Context()))
		for _, body := range in.all() {
			for name, value := range members(t, body) {
				if text, ok := value.(string); ok && strings.HasSuffix(name, "_token") {
					h.noteSecret(name, text)
				}
			}
		}
	})
}

// FuzzAuthReqID reads auth_req_ids: each has one spelling.
func FuzzAuthReqID(f *testing.F) {
	own := strings.Repeat("A", 43)
	for _, seed := range []string{"sgcr_id." + own, "sgcr_id." + own + ".YQ", "sgcr_id." + own + ".", "sgcr_." + own, "", "sgcr_id." + own + ".YR", "sgcr_a~b." + own, "sgcr_id." + own + ".YS9i"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if rewritten, grant, ok := oidc.RewriteAuthReqID(text); ok && (rewritten != text || grant.ID == "") {
			t.Errorf("%q is read as %q of %v", text, rewritten, grant)
		}
	})
}
