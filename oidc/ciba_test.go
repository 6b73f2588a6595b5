package oidc_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

const (
	pathCIBA = "/oauth2/ciba"

	till   = "till"   // polls
	kiosk  = "kiosk"  // polls, and sends user codes
	bell   = "bell"   // is pinged
	herald = "herald" // is pushed to

	notificationToken = "8d67dc78-7faa-4d41-aabd-67707b374255"
)

// people are told of requests.
type people struct {
	mu   sync.Mutex
	told []oidc.CIBARequest
	err  error
}

func (p *people) notify(_ context.Context, r oidc.CIBARequest) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, r)
	return p.err
}

func (p *people) last() oidc.CIBARequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.told[len(p.told)-1]
}

// withCIBA turns on all of CIBA, towards clients on loopback. Everybody's user code is 4711.
func withCIBA(p *people) func(*oidc.Config) {
	return func(c *oidc.Config) {
		c.Outbound.InsecureNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		c.Features.CIBA = &oidc.CIBA{
			Notify: p.notify, Ping: true, Push: true,
			UserCode: func(_ context.Context, _ *directory.Subject, code string) (bool, error) { return code == "4711", nil },
		}
	}
}

// withBindingMessages is CIBA by polling alone, where the person must be able to compare.
func withBindingMessages(c *oidc.Config) {
	c.Features.CIBA = &oidc.CIBA{Notify: (&people{}).notify, RequireBindingMessage: true}
}

// registerCIBA registers the clients; those that are called are called at the URL.
func (h *harness) registerCIBA(endpoint string) {
	h.tb.Helper()
	grants := []oidc.GrantType{oidc.BackchannelAuthentication, oidc.RefreshToken}
	h.register(&oidc.Client{ClientID: till, GrantTypes: grants})
	h.register(&oidc.Client{ClientID: kiosk, GrantTypes: grants, BackChannelUserCode: true})
	if endpoint != "" {
		h.register(&oidc.Client{ClientID: bell, GrantTypes: grants, TokenDeliveryMode: "ping", ClientNotificationEndpoint: endpoint})
		h.register(&oidc.Client{ClientID: herald, GrantTypes: grants, TokenDeliveryMode: "push", ClientNotificationEndpoint: endpoint})
	}
	h.noteSecret("notification token", notificationToken)
}

// askFor sends a backchannel authentication request for openid and profile.
func (h *harness) askFor(clientID string, pairs ...string) *answer {
	form := values("scope", "openid profile", "client_notification_token", notificationToken)
	override(form, pairs)
	a := h.post(pathCIBA, clientID, form)
	h.noteSecret("auth_req_id", a.member("auth_req_id"))
	return a
}

// ciba asks for ann and returns the auth_req_id.
func (h *harness) ciba(clientID string, pairs ...string) string {
	h.tb.Helper()
	a := h.askFor(clientID, append([]string{"login_hint", ann}, pairs...)...)
	if a.Status != http.StatusOK || a.member("auth_req_id") == "" {
		h.tb.Fatalf("no auth_req_id: %s", a)
	}
	return a.member("auth_req_id")
}

// requestID is the part of an auth_req_id that people may see.
func requestID(authReqID string) string {
	id, _, _ := strings.Cut(strings.TrimPrefix(authReqID, "sgcr_"), ".")
	return id
}

func (h *harness) pollFor(clientID, authReqID string) *answer {
	return h.token(clientID, "grant_type", string(oidc.BackchannelAuthentication), "auth_req_id", authReqID)
}

// decideOn opens the page of a request in a new browser and goes as far as it goes.
func (h *harness) decideOn(authReqID string) *answer {
	b := h.newBrowser()
	return b.follow(b.get(pathCIBA + "?id=" + requestID(authReqID)))
}

func (h *harness) proofOf(name string) []directory.Evidence {
	h.tb.Helper()
	return []directory.Evidence{{Method: "app", AMR: []string{"hwk"}, Subject: h.subject(name).ID, Time: h.clock.Now()}}
}

// inbox is a client's notification endpoint.
type inbox struct {
	server *httptest.Server

	mu       sync.Mutex
	status   int
	received []*http.Request
	bodies   []string
	first    chan struct{} // closed by the first
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	in := &inbox{status: http.StatusNoContent, first: make(chan struct{})}
	in.server = httptest.NewServer(in)
	t.Cleanup(in.server.Close)
	return in
}

func (in *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.received) == 0 {
		close(in.first)
	}
	in.received, in.bodies = append(in.received, r), append(in.bodies, string(body))
	if in.status == http.StatusFound {
		w.Header().Set("Location", in.server.URL+"/elsewhere")
	}
	w.WriteHeader(in.status)
}

func (in *inbox) answers(status int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.status = status
}

func (in *inbox) all() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.bodies)
}

// members decodes a JSON object.
func members(t *testing.T, text string) map[string]any {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return all
}

// A client that is registered for ping is told that the person has decided, and nothing else; it may fetch the tokens at once (CIBA
// Core §10.2).
func TestCIBAPing(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		in := newInbox(t)
		h.registerCIBA(in.server.URL + "/cb")
		id := h.ciba(bell)
		if a := h.pollFor(bell, id); a.errorCode() != "authorization_pending" {
			t.Fatalf("a pinged client may poll: %s", a)
		}
		h.must(h.Maintain(t.Context()))
		if got := in.all(); len(got) != 0 {
			t.Fatalf("told too early: %v", got)
		}
		if a := h.decideOn(id); !allowed(a) {
			t.Fatal(a)
		}
		select {
		case <-h.Due():
		default:
			t.Error("nobody is told that there is something to deliver")
		}
		h.must(h.Maintain(t.Context()))
		h.must(h.Maintain(t.Context()))
		got := in.all()
		if len(got) != 1 || len(members(t, got[0])) != 1 || members(t, got[0])["auth_req_id"] != id {
			t.Fatalf("the client was told %v", got)
		}
		r := in.received[0]
		if r.Header.Get("Authorization") != "Bearer "+notificationToken || r.Header.Get("Content-Type") != "application/json" || r.Method != http.MethodPost {
			t.Errorf("%s %v", r.Method, r.Header)
		}
		tokens := h.issued(h.pollFor(bell, id))
		if claims(t, tokens.IDToken)["sub"] != h.subject(ann).ID {
			t.Error("the tokens are somebody else's")
		}

		h.persona.acts(script{RefuseConsent: directory.Denied})
		id = h.ciba(bell)
		if a := h.decideOn(id); !denied(a) {
			t.Fatal(a)
		}
		h.must(h.Maintain(t.Context()))
		if got := in.all(); len(got) != 2 || members(t, got[1])["auth_req_id"] != id || len(members(t, got[1])) != 1 {
			t.Errorf("the client was told %v", got)
		}
		if a := h.pollFor(bell, id); a.errorCode() != "access_denied" {
			t.Error(a)
		}
	}, withCIBA(&people{}))
}

// A poll that arrives while the decision is written costs the person nothing, and the client hears of the decision once, wherever the
// request lives (CIBA Core §10.2).
func TestCIBAPollMeetsTheDecision(t *testing.T) {
	t.Parallel()
	for what, decide := range map[string]func(h *harness, id string) bool{
		"page":   func(h *harness, id string) bool { return allowed(h.decideOn(id)) },
		"app":    func(h *harness, id string) bool { return h.ApproveCIBA(h.tb.Context(), id, h.proofOf(ann), nil) == nil },
		"denied": func(h *harness, id string) bool { return h.DenyCIBA(h.tb.Context(), id) == nil },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			placements(t, func(t *testing.T, h *harness) {
				in := newInbox(t)
				h.registerCIBA(in.server.URL + "/cb")
				id := h.ciba(bell)
				polls := 0
				h.faults.Hook(func(c storetest.Call) error {
					writes := slices.ContainsFunc(c.Ops, func(op store.Op) bool { return op.Record.Kind.Name == "oidc.ciba" })
					if c.Method == storetest.MethodApply && writes && polls == 0 {
						polls++
						if a := h.pollFor(bell, id); a.errorCode() != "authorization_pending" {
							t.Errorf("the poll: %s", a)
						}
					}
					return nil
				})
				if !decide(h, id) {
					t.Error("the decision was not taken")
				}
				h.faults.Heal()
				decided := slices.DeleteFunc(h.events(), func(e string) bool { return e != "oidc.ciba.decided" })
				if polls != 1 || len(decided) != 1 {
					t.Errorf("after %d polls the decision is told %d times", polls, len(decided))
				}
				h.must(h.Maintain(t.Context()))
				if got := in.all(); len(got) != 1 {
					t.Errorf("the client was told %v", got)
				}
				if a := h.pollFor(bell, id); gotTokens(a) != (what != "denied") {
					t.Errorf("the next poll: %s", a)
				}
			}, withCIBA(&people{}))
		})
	}
}

// A client that is registered for push gets its tokens, bound to the request, or why there are none, and may not poll (CIBA Core
// §10.3, §11, §12).
func TestCIBAPush(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		in := newInbox(t)
		h.registerCIBA(in.server.URL + "/cb")
		a := h.askFor(herald, "login_hint", ann)
		id := a.member("auth_req_id")
		if _, ok := members(t, a.Body)["interval"]; ok || id == "" {
			t.Errorf("the acknowledgement: %s", a)
		}
		if a := h.pollFor(herald, id); a.errorCode() != "unauthorized_client" {
			t.Errorf("a poll: %s", a)
		}
		h.must(h.ApproveCIBA(t.Context(), id, h.proofOf(ann), nil))
		h.must(h.Maintain(t.Context()))
		got := in.all()
		if len(got) != 1 {
			t.Fatalf("the client was told %v", got)
		}
		body := members(t, got[0])
		token, _ := body["access_token"].(string)
		idToken, _ := body["id_token"].(string)
		refresh, _ := body["refresh_token"].(string)
		if body["auth_req_id"] != id || body["token_type"] != "Bearer" || body["expires_in"] != 3600.0 || refresh == "" {
			t.Errorf("pushed: %s", got[0])
		}
		c := claims(t, idToken)
		if c["urn:openid:params:jwt:claim:auth_req_id"] != id || c["at_hash"] != halfHash(token) || c["urn:openid:params:jwt:claim:rt_hash"] != halfHash(refresh) {
			t.Errorf("the ID token is not bound: %v", c)
		}
		if !h.introspect(herald, token).active() {
			t.Error("the access token does not work")
		}
		h.issued(h.refresh(herald, refresh))

		h.must(h.DenyCIBA(t.Context(), h.ciba(herald)))
		h.must(h.Maintain(t.Context()))
		if got := in.all(); len(got) != 2 || members(t, got[1])["error"] != "access_denied" || members(t, got[1])["auth_req_id"] == nil {
			t.Errorf("the client was told %v", got)
		}
	}, withCIBA(&people{}))
}

// What the host is told is what the person must see, and its page asks it again (CIBA Core §7.1).
func TestCIBANotify(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, placement storetest.Placement) {
		p := &people{}
		h := newHarness(t, placement, withCIBA(p))
		h.registerCIBA("")
		id := h.ciba(till, "binding_message", "W4-SCT 品川", "acr_values", "aal1", "requested_expiry", "300")
		told := p.last()
		if told.ID != requestID(id) || told.URL != issuer+"/oauth2/ciba?id="+told.ID || told.Subject.ID != h.subject(ann).ID || told.ClientID != till ||
			told.ApplicationName != "App till" || told.BindingMessage != "W4-SCT 品川" || !told.Expires.Equal(h.clock.Now().Add(5*time.Minute)) ||
			!slices.Equal(told.Scopes, []string{"openid", "profile"}) || !slices.Equal(told.ACR, []string{"aal1"}) {
			t.Errorf("told %+v", told)
		}
		if a := h.decideOn(id); !allowed(a) {
			t.Fatal(a)
		}
		item := h.persona.lastInteraction().Consent[0]
		if item.Params["message"] != "W4-SCT 品川" || !item.Mandatory {
			t.Errorf("asked %+v", item)
		}
		if c := claims(t, h.issued(h.pollFor(till, id)).IDToken); c["acr"] != "aal1" {
			t.Errorf("acr is %v", c["acr"])
		}

		p.err = io.ErrUnexpectedEOF
		if a := h.askFor(till, "login_hint", ann); a.Status != http.StatusServiceUnavailable {
			t.Errorf("nobody could be told: %s", a)
		}
		p.err = nil
	})
}

// The discovery document says what is served, and nothing while the features are off (RFC 8628 §4, CIBA Core §4).
func TestDecoupledMetadata(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		document := members(t, h.send(h.request(http.MethodGet, "/.well-known/openid-configuration", nil)).Body)
		for member, want := range map[string]string{
			"device_authorization_endpoint": issuer + pathDeviceAuthorization, "backchannel_authentication_endpoint": issuer + pathCIBA,
			"backchannel_token_delivery_modes_supported": "[poll ping push]", "backchannel_user_code_parameter_supported": "true",
		} {
			if got := fmt.Sprint(document[member]); got != want {
				t.Errorf("%s is %s, want %s", member, got, want)
			}
		}
		for _, grant := range []any{string(oidc.DeviceCode), string(oidc.BackchannelAuthentication)} {
			if grants, _ := document["grant_types_supported"].([]any); !slices.Contains(grants, grant) {
				t.Errorf("%s is not in %v", grant, grants)
			}
		}
	}, withDevices, withCIBA(&people{}))
	placements(t, func(t *testing.T, h *harness) {
		document := members(t, h.send(h.request(http.MethodGet, "/.well-known/openid-configuration", nil)).Body)
		for _, member := range []string{"device_authorization_endpoint", "backchannel_authentication_endpoint", "backchannel_token_delivery_modes_supported"} {
			if document[member] != nil {
				t.Errorf("%s is %v", member, document[member])
			}
		}
	})
}

// The times of a request are the client's wish within bounds (CIBA Core §7.1, §7.3).
func TestCIBARequestedExpiry(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.registerCIBA("")
		for asked, want := range map[string]float64{"": 120, "1": 1, "300": 300, "600": 600, "601": 600, "99999999999999999999": 600} {
			a := h.askFor(till, "login_hint", ann, "requested_expiry", asked)
			if got := members(t, a.Body); got["expires_in"] != want || got["interval"] != 2.0 {
				t.Errorf("%q: %s", asked, a)
			}
			h.clock.advance(5 * time.Minute)
		}
		for _, asked := range []string{"0", "-1", "1.5", "00", "x", "+1"} {
			if a := h.askFor(till, "login_hint", ann, "requested_expiry", asked); a.errorCode() != "invalid_request" {
				t.Errorf("%q: %s", asked, a)
			}
		}
	}, withCIBA(&people{}))
}

// Contradictions in the settings of provider and client are errors, all at once and by name (CIBA Core §4).
func TestCIBASettings(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		h := newHarness(t, p, withCIBA(&people{}))
		_, err := oidc.New(oidc.Config{
			Issuer: issuer, DB: h.db, Directory: h.people, Keys: staticKeys{}, Interact: h.persona.Interact,
			Features: oidc.Features{CIBA: &oidc.CIBA{Lifetime: time.Hour, Interval: time.Hour, PerPerson: directory.Limit{Count: -1, Per: time.Hour}}},
		})
		for _, field := range []string{"CIBA.Notify", "CIBA.Lifetime", "CIBA.Interval", "CIBA.PerPerson"} {
			if err == nil || !strings.Contains(err.Error(), field) {
				t.Errorf("%s is not in %v", field, err)
			}
		}
		_, err = h.Clients.Create(t.Context(), "x", &oidc.Client{
			AuthMethod: oidc.NoAuth, GrantTypes: []oidc.GrantType{oidc.BackchannelAuthentication}, TokenDeliveryMode: "pull",
		})
		if got := fields(err); !slices.Contains(got, "grant_types") || !slices.Contains(got, "backchannel_token_delivery_mode") {
			t.Errorf("problems with %v", got)
		}
		for _, endpoint := range []string{"", "http://example.com/cb", "file:///etc/passwd", "https://10.0.0.1/cb", "https://user@example.com/", "cb"} {
			_, err = h.Clients.Create(t.Context(), "x", &oidc.Client{
				GrantTypes: []oidc.GrantType{oidc.BackchannelAuthentication}, TokenDeliveryMode: "ping", ClientNotificationEndpoint: endpoint,
			})
			if !slices.Contains(fields(err), "backchannel_client_notification_endpoint") && endpoint != "http://example.com/cb" {
				t.Errorf("%q: problems with %v", endpoint, fields(err))
			}
		}
	})
}

// halfHash is the hash of a token as an ID token that is signed with RS256 has it (OpenID Connect Core §3.1.3.6).
func halfHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// What the tokens are for is asked with the request, of device grant and CIBA alike (RFC 8707 §2).
func TestDecoupledResources(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.registerDevices()
		h.registerCIBA("")
		h.register(&oidc.Client{ClientID: "apis", GrantTypes: []oidc.GrantType{oidc.ClientCredentials}, Resources: []string{files, ledger}})
		d := h.device(printer, "resource", files)
		h.allow(d)
		if got := h.audienceOf(h.issued(h.poll(printer, d.deviceCode)).AccessToken); !slices.Contains(got, files) {
			t.Errorf("the device's token is for %v", got)
		}
		id := h.ciba(till, "resource", files)
		h.must(h.ApproveCIBA(t.Context(), id, h.proofOf(ann), nil))
		if got := h.audienceOf(h.issued(h.pollFor(till, id)).AccessToken); !slices.Contains(got, files) {
			t.Errorf("the till's token is for %v", got)
		}
		for _, a := range []*answer{
			h.askAs(pathDeviceAuthorization, printer, "scope", "openid", "resource", "https://other.example"),
			h.askFor(till, "login_hint", ann, "resource", "https://other.example"),
		} {
			if a.errorCode() != "invalid_target" {
				t.Errorf("an unknown resource: %s", a)
			}
		}
	}, withDevices, withCIBA(&people{}), resources)
}

// Authorization details are asked of the person, and stand in the tokens (RFC 9396 §5, §7).
func TestDecoupledDetails(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.registerCIBA("")
		c := h.client(till)
		c.AuthorizationDetailsTypes = []string{"accounts"}
		h.must(h.Clients.Replace(t.Context(), c))
		detail := array(both)
		id := h.ciba(till, "authorization_details", detail)
		if a := h.decideOn(id); !allowed(a) {
			t.Fatal(a)
		}
		if items := h.persona.lastInteraction().Consent; !slices.ContainsFunc(items, func(i directory.ConsentItem) bool { return strings.HasPrefix(i.ID, "detail:") }) {
			t.Errorf("asked %+v", items)
		}
		if got := h.issued(h.pollFor(till, id)); !strings.Contains(string(mustJSON(t, claims(t, got.AccessToken)["authorization_details"])), "accounts") {
			t.Errorf("the token has %v", claims(t, got.AccessToken))
		}
		id = h.ciba(till, "authorization_details", detail)
		h.must(h.ApproveCIBA(t.Context(), id, h.proofOf(ann), nil))
		if got := h.issued(h.pollFor(till, id)); !strings.Contains(string(mustJSON(t, claims(t, got.AccessToken)["authorization_details"])), "accounts") {
			t.Errorf("the token has %v", claims(t, got.AccessToken))
		}
	}, withCIBA(&people{}), richly)
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
