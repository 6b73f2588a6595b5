package oidc_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/directory"
)

// paymentType asks every time, and transferType knows what a part of what was granted is.
const paymentSchema = `{
	"type": "object", "required": ["type", "amount"], "additionalProperties": false,
	"properties": {"type": {"const": "payment"}, "amount": {"type": "integer", "minimum": 1}, "to": {"type": "string"}}
}`

// accounts is a type of a host's own: details are lists of accounts.
type accounts struct{ err error }

func (accounts) Type() string { return "accounts" }

func (a accounts) Validate(_ context.Context, detail json.RawMessage) error {
	if a.err == nil && accountsIn(detail) == nil {
		return &oidc.InvalidDetailError{Problem: "no \"accounts\" are named"}
	}
	return a.err
}

func (a accounts) IsEqualOrSubset(_ context.Context, requested, granted json.RawMessage) (bool, error) {
	have := accountsIn(granted)
	return !slices.ContainsFunc(accountsIn(requested), func(id string) bool { return !slices.Contains(have, id) }), a.err
}

func (a accounts) Enrich(_ context.Context, detail json.RawMessage) (oidc.DetailText, error) {
	return oidc.DetailText{Title: "Your accounts", Detail: strings.Join(accountsIn(detail), ", ")}, a.err
}

func accountsIn(detail json.RawMessage) []string {
	var d struct{ Accounts []string }
	if json.Unmarshal(detail, &d) != nil {
		return nil
	}
	return d.Accounts
}

func richly(c *oidc.Config) {
	payment, err := oidc.NewDetailType(oidc.SchemaDetailType{Identifier: "payment", Title: "A payment", Schema: json.RawMessage(paymentSchema), AskAlways: true})
	if err != nil {
		panic(err)
	}
	c.Features.RAR = &oidc.RAR{Types: []oidc.DetailType{payment, accounts{}}}
}

// rich registers clients that may ask for details.
func rich(h *harness) {
	types := []string{"payment", "accounts"}
	h.register(&oidc.Client{ClientID: "bank", RedirectURIs: []string{callback}, AuthorizationDetailsTypes: types})
	h.register(&oidc.Client{ClientID: "only", RedirectURIs: []string{callback}, AuthorizationDetailsTypes: []string{"accounts"}})
	h.register(&oidc.Client{ClientID: "batch", GrantTypes: []oidc.GrantType{oidc.ClientCredentials}, AuthorizationDetailsTypes: []string{"accounts"}})
}

const (
	pay  = `{"type":"payment","amount":7,"to":"<shop> & co"}`
	both = `{"type":"accounts","accounts":["a","b"]}`
	one  = `{"accounts":["b"],"type":"accounts"}`
	more = `{"type":"accounts","accounts":["a","c"]}`
)

func array(details ...string) string { return "[" + strings.Join(details, ",") + "]" }

// details are the authorization_details of a token response or an introspection answer.
func details(a *answer) int {
	var body struct {
		Details []json.RawMessage `json:"authorization_details"`
	}
	_ = json.Unmarshal([]byte(a.Body), &body)
	return len(body.Details)
}

// What a client asks for by authorization_details is validated, put to the person in words, granted in part or whole, and stands in
// the token response, the token and introspection; a refresh may ask for less (RFC 9396 §2, §5, §6, §7, §9).
func TestAuthorizationDetails(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		rich(h)
		code := h.code("bank", "authorization_details", array(pay, both))
		items := h.persona.lastInteraction().Consent
		texts := make([]string, 0, len(items))
		for _, item := range items {
			texts = append(texts, item.Params["title"]+": "+item.Params["text"])
		}
		if !slices.Contains(texts, "Your accounts: a, b") || !slices.ContainsFunc(texts, func(s string) bool { return strings.HasPrefix(s, "A payment: {") }) {
			t.Errorf("the person reads %q", texts)
		}
		a := h.redeem("bank", code)
		got := h.issued(a)
		said, _ := claims(t, got.AccessToken)["authorization_details"].([]any)
		if details(a) != 2 || len(said) != 2 || details(h.introspect("bank", got.AccessToken)) != 2 {
			t.Errorf("granted are %d, the token says %v", details(a), said)
		}
		a = h.refresh("bank", got.RefreshToken, "authorization_details", array(one))
		if details(a) != 1 {
			t.Errorf("a part of it: %s", a.Body)
		}
		if a = h.refresh("bank", h.issued(a).RefreshToken); details(a) != 2 {
			t.Errorf("all of it again: %s", a.Body)
		}
		if a := h.token("batch", "grant_type", "client_credentials", "authorization_details", array(both)); details(a) != 1 {
			t.Errorf("a client for itself: %s", a.Body)
		}
	}, richly)
}

// What was granted before is not asked for again, nor a part of it; a payment is, and so is what goes further (RFC 9396 §12).
func TestAuthorizationDetailsAreRemembered(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		rich(h)
		asked := func(details string) (titles []string) {
			t.Helper()
			before := len(h.persona.interactions())
			h.code("bank", "authorization_details", details)
			for _, in := range h.persona.interactions()[before:] {
				for _, item := range in.Consent {
					if item.Params["title"] != "" && !slices.Contains(titles, item.Params["title"]) {
						titles = append(titles, item.Params["title"])
					}
				}
			}
			return titles
		}
		for i, step := range []struct {
			details string
			want    int
		}{
			{array(pay, both), 2}, {array(pay, both), 1}, {array(one), 0}, {array(more), 1}, {array(pay), 1},
		} {
			if got := asked(step.details); len(got) != step.want {
				t.Errorf("step %d: asked for %q, want %d", i, got, step.want)
			}
		}
		h.must(h.RevokeConsent(t.Context(), h.subject(ann).Ref(), "bank"))
		if got := asked(array(one)); len(got) != 1 {
			t.Errorf("after the consent was revoked: asked for %q", got)
		}
	}, richly)
}

// A person may refuse a detail and grant the rest.
func TestAuthorizationDetailsInPart(t *testing.T) {
	t.Parallel()
	h := together(t, richly)
	rich(h)
	h.code("bank", "authorization_details", array(both), "scope", "openid")
	ids := h.persona.lastInteraction().Consent
	h.persona.acts(script{User: bob, Allow: []string{}})
	got := h.redeem("bank", h.code("bank", "authorization_details", array(both), "scope", "openid"))
	if len(ids) != 1 || details(got) != 0 || h.issued(got).AccessToken == "" {
		t.Errorf("refused, and granted is %s", got.Body)
	}
}

// Nothing gets a detail that was not granted, of no type that there is or that the client may not ask for, or that does not fit its
// type (RFC 9396 §5, §6).
func TestAttackAuthorizationDetails(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		rich(h)
		for name, wrong := range map[string]string{
			"no JSON": `[`, "no array": pay, "no objects": `["payment"]`, "empty": `[]`, "unknown": array(`{"type":"admin"}`), "no type": array(`{}`),
			"case": array(`{"type":"Payment","amount":1}`), "two types": array(`{"type":"accounts","type":"payment","amount":1}`),
			"schema": array(`{"type":"payment","amount":0}`), "further members": array(`{"type":"payment","amount":1,"from":"x"}`),
			"host's own": array(`{"type":"accounts"}`), "one of two": array(pay, `{"type":"payment"}`), "trailing": array(pay) + "x",
			"deep": array(`{"type":"accounts","accounts":["a"],"x":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "}"),
			"many": "[" + strings.Repeat(one+",", 20) + one + "]",
		} {
			if a := h.newBrowser().authorize(authorization("bank", "authorization_details", wrong)); a.errorCode() != "invalid_authorization_details" {
				t.Errorf("%s: %v", name, a)
			}
		}
		if a := h.newBrowser().authorize(authorization("only", "authorization_details", array(pay))); a.errorCode() != "invalid_authorization_details" {
			t.Errorf("another client's type: %v", a)
		}
		if a := h.token("batch", "grant_type", "client_credentials", "authorization_details", array(pay)); a.errorCode() != "invalid_authorization_details" {
			t.Errorf("another client's type for itself: %v", a)
		}
		code := h.code("bank", "authorization_details", array(one))
		if a := h.redeem("bank", code, "authorization_details", array(both)); a.errorCode() != "invalid_authorization_details" {
			t.Errorf("more at the redemption: %v", a)
		}
		got := h.issued(h.redeem("bank", code)) // it was not consumed
		for _, wider := range []string{both, more, pay} {
			if a := h.refresh("bank", got.RefreshToken, "authorization_details", array(one, wider)); a.errorCode() != "invalid_authorization_details" {
				t.Errorf("more at the refresh: %v", a)
			}
		}
		c := h.client("bank")
		c.AuthorizationDetailsTypes = []string{"payment"}
		h.must(h.Clients.Replace(t.Context(), c))
		h.clock.advance(2e9)
		if a := h.refresh("bank", got.RefreshToken); details(a) != 0 {
			t.Errorf("a type that the client may no longer have: %s", a.Body)
		}
	}, richly)
}

// A type that fails is a failure of ours, and consumes nothing.
func TestAuthorizationDetailsFail(t *testing.T) {
	t.Parallel()
	h := together(t, func(c *oidc.Config) {
		c.Features.RAR = &oidc.RAR{Types: []oidc.DetailType{accounts{err: errors.New("away")}}}
	})
	h.register(&oidc.Client{ClientID: "batch", GrantTypes: []oidc.GrantType{oidc.ClientCredentials}, AuthorizationDetailsTypes: []string{"accounts"}})
	if a := h.token("batch", "grant_type", "client_credentials", "authorization_details", array(both)); a.Status != http.StatusServiceUnavailable {
		t.Errorf("answered with %v", a)
	}
}

func TestAuthorizationDetailsAreChecked(t *testing.T) {
	t.Parallel()
	for _, schema := range []string{`[`, `{"$ref":"https://elsewhere.example/schema"}`, `{"type":7}`} {
		if _, err := oidc.NewDetailType(oidc.SchemaDetailType{Identifier: "x", Schema: json.RawMessage(schema)}); err == nil {
			t.Errorf("the schema %s was accepted", schema)
		}
	}
	h := together(t, richly)
	_, err := h.Clients.Create(t.Context(), "", &oidc.Client{RedirectURIs: []string{callback}, AuthorizationDetailsTypes: []string{"admin"}})
	if got := fields(err); !slices.Equal(got, []string{"authorization_details_types"}) {
		t.Errorf("problems with %v", got)
	}
	for _, types := range [][]oidc.DetailType{nil, {accounts{}, accounts{}}} {
		_, err := oidc.New(oidc.Config{
			Issuer: issuer, DB: h.db, Directory: h.people, Interact: h.persona.Interact, Keys: staticKeys{}, Features: oidc.Features{RAR: &oidc.RAR{Types: types}},
		})
		if err == nil || !strings.Contains(err.Error(), "Features.RAR.Types") {
			t.Errorf("%v: %v", types, err)
		}
	}
}

func richlyByAPIs(c *oidc.Config) { c.Features.RAR = &oidc.RAR{APIs: true} }

// typedAPI makes an API with the type "order" and lets the client "shop" use it, which then is one of two clients.
func typedAPI(h *harness) *directory.APIResource {
	h.tb.Helper()
	for _, id := range []string{"shop", "other"} {
		h.register(&oidc.Client{ClientID: id, RedirectURIs: []string{callback}, GrantTypes: []oidc.GrantType{oidc.AuthorizationCode, oidc.RefreshToken, oidc.ClientCredentials}})
	}
	api := &directory.APIResource{
		Name: "Orders", Identifier: "https://orders.example.com",
		AuthorizationDetailsTypes: []directory.AuthorizationDetailsType{
			{Type: "order", Name: "Place an order", Schema: json.RawMessage(`{"type":"object","required":["item"]}`)},
			{Type: "broken", Schema: json.RawMessage(`{"$ref":"https://elsewhere.example/schema"}`)},
		},
	}
	h.must(h.people.APIs.Create(h.tb.Context(), api))
	h.must(h.people.AuthorizedAPIs.Authorize(h.tb.Context(), &directory.AuthorizedAPI{
		Application: h.client("shop").Application, API: api.Ref(), AuthorizationDetailsTypes: []string{"order", "broken"},
	}))
	return api
}

const (
	anOrder      = `{"type":"order","item":"tea"}`
	anotherOrder = `{"type":"order","item":"coffee"}`
)

// Types that an API has serve the applications that were authorized to use them there, in the words and within the schema that the API has
// for them, for as long as they are (RFC 9396 §5, §6).
func TestAuthorizationDetailsOfAPIs(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		api := typedAPI(h)
		got := h.issued(h.redeem("shop", h.code("shop", "authorization_details", array(anOrder))))
		items := h.persona.lastInteraction().Consent
		if !slices.ContainsFunc(items, func(i directory.ConsentItem) bool { return i.Params["title"] == "Place an order" }) {
			t.Errorf("the person reads %v", items)
		}
		if details(h.introspect("shop", got.AccessToken)) != 1 {
			t.Error("what was granted is not in the token")
		}
		h.code("shop", "authorization_details", array(anOrder))
		if items := h.persona.lastInteraction().Consent; slices.ContainsFunc(items, func(i directory.ConsentItem) bool { return i.Params["title"] == "Place an order" }) {
			t.Errorf("the very same is asked again: %v", items)
		}
		if a := h.refresh("shop", got.RefreshToken, "authorization_details", array(anotherOrder)); a.errorCode() != "invalid_authorization_details" {
			t.Errorf("what was not granted: %v", a)
		}
		h.must(h.people.AuthorizedAPIs.Withdraw(t.Context(), h.client("shop").Application, api.Ref()))
		h.clock.advance(2e9)
		if a := h.refresh("shop", got.RefreshToken); a.Status != http.StatusOK || details(a) != 0 {
			t.Errorf("after the API was withdrawn from the application: %v", a)
		}
	}, richlyByAPIs)
}

// Nobody has a type of an API's without being authorized to use it there, whatever the client says of itself, and no type whose schema
// is none lets anything through (RFC 9396 §5).
func TestAttackDetailsOfAPIs(t *testing.T) {
	t.Parallel()
	h := together(t, richlyByAPIs)
	typedAPI(h)
	ask := func(client, detail string) *answer {
		return h.token(client, "grant_type", "client_credentials", "authorization_details", array(detail))
	}
	if a := ask("shop", anOrder); details(a) != 1 {
		t.Fatalf("the authorized one: %v", a)
	}
	for client, detail := range map[string]string{"other": anOrder, "shop": `{"type":"order"}`} {
		if a := ask(client, detail); a.errorCode() != "invalid_authorization_details" {
			t.Errorf("%s asks for %s: %v", client, detail, a)
		}
	}
	if a := ask("shop", `{"type":"broken","item":"tea"}`); a.errorCode() != "invalid_authorization_details" || !strings.Contains(h.logs.String(), "cannot be used") {
		t.Errorf("a type without a schema that is one: %v, and the log is silent", a)
	}
	if _, err := h.Clients.Create(t.Context(), "", &oidc.Client{RedirectURIs: []string{callback}, AuthorizationDetailsTypes: []string{"order"}}); !slices.Equal(fields(err), []string{"authorization_details_types"}) {
		t.Errorf("a client that registers itself for it: %v", err)
	}
}

// FuzzAuthorizationDetails: whatever stands there, the answer is a code or a refusal with the parameter's own error.
func FuzzAuthorizationDetails(f *testing.F) {
	for _, seed := range []string{array(pay), array(both, one), `[{}]`, `[{"type":1}]`, `{"type":"payment"}`, `[{"type":"payment","amount":1e400}]`, "[[[["} {
		f.Add(seed)
	}
	h := together(f, richly)
	h.register(&oidc.Client{ClientID: "batch", GrantTypes: []oidc.GrantType{oidc.ClientCredentials}, AuthorizationDetailsTypes: []string{"payment", "accounts"}})
	f.Fuzz(func(t *testing.T, text string) {
		a := h.token("batch", "grant_type", "client_credentials", "authorization_details", text)
		if a.Status != http.StatusOK && a.errorCode() != "invalid_authorization_details" && a.errorCode() != "invalid_request" {
			t.Errorf("%q is answered with %v", text, a)
		}
	})
}

func detailDoors() []door {
	granted := func(n int) func(a *answer) bool {
		return func(a *answer) bool { return gotTokens(a) && details(a) == n }
	}
	return []door{
		{name: "authorize for details", config: richly, done: gotCode, open: func(h *harness) attempt {
			rich(h)
			b := h.newBrowser()
			return attempt{send: func() *answer {
				return b.get(pathAuthorize + "?" + authorization("bank", "authorization_details", array(pay, both)).Encode())
			}}
		}},
		{name: "code for details", config: richly, done: granted(2), lost: refusedWith("invalid_grant"), open: func(h *harness) attempt {
			rich(h)
			code := h.code("bank", "authorization_details", array(pay, both))
			return attempt{send: func() *answer { return h.redeem("bank", code) }}
		}},
		{name: "refresh for a part of the details", config: richly, done: granted(1), open: func(h *harness) attempt {
			rich(h)
			token := h.tokens("bank", "authorization_details", array(pay, both)).RefreshToken
			return attempt{send: func() *answer { return h.refresh("bank", token, "authorization_details", array(one)) }}
		}},
		{name: "client credentials for details of an API", config: richlyByAPIs, done: granted(1), open: func(h *harness) attempt {
			typedAPI(h)
			return attempt{send: func() *answer {
				return h.token("shop", "grant_type", "client_credentials", "authorization_details", array(anOrder))
			}}
		}},
		{name: "client credentials for details", config: richly, done: granted(1), open: func(h *harness) attempt {
			rich(h)
			return attempt{send: func() *answer {
				return h.token("batch", "grant_type", "client_credentials", "authorization_details", array(one))
			}}
		}},
		{name: "introspect details", config: richly, open: func(h *harness) attempt {
			rich(h)
			token := h.tokens("bank", "authorization_details", array(both)).AccessToken
			return attempt{send: func() *answer { return h.introspect("bank", token) }}
		}, done: func(a *answer) bool { return gotActive(a) && details(a) == 1 }},
	}
}

// An exchanged token has the details of the subject token, as far as its client may have their types and asks for them, and none besides
// (RFC 9396 §6, RFC 8693 §2.1).
func TestAttackDetailsOfAnExchange(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.register(&oidc.Client{
			ClientID: "teller", RedirectURIs: []string{callback}, AuthorizationDetailsTypes: []string{"payment", "accounts"},
			GrantTypes: []oidc.GrantType{oidc.AuthorizationCode, oidc.RefreshToken, oidc.TokenExchangeGrant},
		})
		h.register(&oidc.Client{
			ClientID: "clerk", Resources: []string{issuer}, AuthorizationDetailsTypes: []string{"accounts"}, GrantTypes: []oidc.GrantType{oidc.TokenExchangeGrant},
		})
		held := h.issued(h.redeem("teller", h.code("teller", "authorization_details", array(pay, both))))
		narrow := h.issued(h.refresh("teller", held.RefreshToken, "authorization_details", array(one)))
		for _, c := range []struct {
			client, token string
			asked         []string
			want          int // details; -1 is a refusal
		}{
			{"teller", held.AccessToken, nil, 2},
			{"teller", held.AccessToken, []string{one}, 1},
			{"teller", held.AccessToken, []string{more}, -1},
			{"clerk", held.AccessToken, nil, 1},
			{"clerk", held.AccessToken, []string{pay}, -1},
			{"clerk", narrow.AccessToken, []string{both}, -1}, // the person granted it, and this token is narrower
			{"clerk", narrow.AccessToken, nil, 1},
		} {
			var pairs []string
			if c.asked != nil {
				pairs = []string{"authorization_details", array(c.asked...)}
			}
			a := h.exchange(c.client, c.token, typeAccess, pairs...)
			if c.want < 0 && a.errorCode() != "invalid_authorization_details" || c.want >= 0 && (!gotTokens(a) || details(a) != c.want || details(h.introspect(c.client, a.member("access_token"))) != c.want) {
				t.Errorf("%s asks for %v: %s", c.client, c.asked, a)
			}
		}
	}, richly, exchanging())
	placements(t, func(t *testing.T, h *harness) {
		h.register(&oidc.Client{
			ClientID: "teller", RedirectURIs: []string{callback}, AuthorizationDetailsTypes: []string{"payment", "accounts"},
			GrantTypes: []oidc.GrantType{oidc.AuthorizationCode, oidc.TokenExchangeGrant},
		})
		held := h.issued(h.redeem("teller", h.code("teller", "authorization_details", array(pay, both))))
		if a := h.exchange("teller", held.AccessToken, typeAccess); !gotTokens(a) || details(a) != 0 {
			t.Errorf("by a policy that takes them away: %s", a)
		}
	}, richly, exchanging(func(f *oidc.TokenExchange) {
		f.Policy = func(_ context.Context, e *oidc.Exchange) error {
			e.Details = slices.Delete(e.Details, 0, len(e.Details))
			return nil
		}
	}))
}
