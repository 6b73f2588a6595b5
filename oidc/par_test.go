package oidc_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

const pathPAR = "/oauth2/par"

func withPAR(c *oidc.Config) { c.Features.PAR = &oidc.PAR{} }

// push pushes a good request of the client and returns its reference.
func (h *harness) push(clientID string, pairs ...string) string {
	h.tb.Helper()
	a := h.post(pathPAR, clientID, authorization(clientID, pairs...))
	reference := a.member("request_uri")
	if a.Status != http.StatusCreated || reference == "" {
		h.tb.Fatalf("not pushed: %s", a)
	}
	h.noteSecret("request_uri", reference[strings.LastIndex(reference, ".")+1:])
	return reference
}

// refer is what a browser brings for a pushed request.
func refer(clientID, reference string) url.Values {
	return values("client_id", clientID, "request_uri", reference)
}

// RFC 9126 §2.2, §4: the answer to a push, and the request that is loaded by its reference; what stands beside that does not count.
func TestPushedRequest(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for _, clientID := range []string{web, mail, spa} {
			a := h.post(pathPAR, clientID, authorization(clientID))
			var got struct {
				RequestURI string `json:"request_uri"`
				ExpiresIn  int    `json:"expires_in"`
			}
			if err := json.Unmarshal([]byte(a.Body), &got); err != nil || a.Status != http.StatusCreated || a.Header.Get("Cache-Control") != "no-store" {
				t.Fatalf("%s: %s", clientID, a)
			}
			if got.ExpiresIn != 60 || !strings.HasPrefix(got.RequestURI, "urn:ietf:params:oauth:request_uri:") {
				t.Errorf("%s: %+v", clientID, got)
			}
			request := refer(clientID, got.RequestURI)
			for name, value := range map[string]string{"state": "evil", "redirect_uri": "https://evil.example", "scope": "openid email", "nonce": "other", "response_mode": "form_post"} {
				request.Set(name, value)
			}
			b := h.newBrowser()
			answer := b.authorize(request)
			if answer.returned().Get("state") != "xyz" || !strings.HasPrefix(answer.Header.Get("Location"), callback+"?") {
				t.Fatalf("%s: %s", clientID, answer)
			}
			tokens := h.issued(h.redeem(clientID, answer.returned().Get("code")))
			if claims(t, tokens.IDToken)["nonce"] != "n-0S6" || tokens.Scope != "openid profile offline_access" {
				t.Errorf("%s: what stood beside the reference counted: %+v", clientID, tokens)
			}
		}
		document := h.send(h.request(http.MethodGet, "/.well-known/openid-configuration", nil)).Body
		if !strings.Contains(document, `"pushed_authorization_request_endpoint":"https://id.example/oauth2/par"`) {
			t.Errorf("metadata: %s", document)
		}
	}, withPAR)
}

// A page may be loaded again, in this browser and in another, until the request was answered; then never (RFC 9126 §7.3).
func TestAttackPushedRequestUsedAgain(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.persona.acts(script{Page: true})
		request := refer(web, h.push(web))
		first, second := h.newBrowser(), h.newBrowser()
		open := func(b *browser) *answer { return b.get(pathAuthorize + "?" + request.Encode()) }
		page := open(first)
		if again := open(first); again.Status != http.StatusSeeOther || again.location().Path != page.location().Path {
			t.Errorf("loaded again: %s", again)
		}
		if other := second.follow(open(second)); other.returned().Get("code") == "" {
			t.Fatalf("another browser: %s", other)
		}
		if stale := first.get(page.Header.Get("Location")); stale.returned().Has("code") || stale.Status < 400 {
			t.Errorf("the first browser went on with what another has taken over: %s", stale)
		}
		for _, b := range []*browser{first, second, h.newBrowser()} {
			if a := open(b); a.Status != http.StatusBadRequest || a.errorCode() != "invalid_request_uri" || a.location() != nil {
				t.Errorf("after it was answered: %s", a)
			}
		}
	}, withPAR)
}

// 64 loads and resumptions of one pushed request at once: one of them is answered.
func TestAttackPushedRequestInParallel(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.skipConsent(web)
		request := refer(web, h.push(web))
		browsers := make([]*browser, 64)
		for i := range browsers {
			browsers[i] = h.newBrowser()
		}
		answers := atOnce(64, func(i int) *answer { return browsers[i].get(pathAuthorize + "?" + request.Encode()) })
		codes := 0
		for _, a := range answers {
			switch {
			case a.returned().Has("code"):
				codes++
			case a.Status == http.StatusBadRequest && slices.Contains([]string{"invalid_request_uri", "request_finished"}, a.errorCode()):
			case a.Status == http.StatusServiceUnavailable: // overtaken too often
			default:
				t.Errorf("a loser: %s", a)
			}
		}
		if codes != 1 {
			t.Errorf("%d codes, want 1", codes)
		}
	}, withPAR)
}

// A reference belongs to the client that pushed it, for as long as it was told, byte for byte (RFC 9126 §2.2, §4, §7.1, §7.2). None is
// redirected for.
func TestAttackPushedRequestInOtherHands(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		reference := h.push(web)
		refused := func(what string, request url.Values) {
			t.Helper()
			if a := h.newBrowser().authorize(request); a.Status != http.StatusBadRequest || a.errorCode() != "invalid_request_uri" || a.location() != nil {
				t.Errorf("%s: %s", what, a)
			}
		}
		refused("another client", refer(mail, reference))
		prefix := "urn:ietf:params:oauth:request_uri:"
		refused("in capitals", refer(web, prefix+strings.ToUpper(reference[len(prefix):])))
		refused("cut off", refer(web, reference[:len(reference)-1]))
		refused("longer", refer(web, reference+"A"))
		refused("without its secret", refer(web, reference[:strings.LastIndex(reference, ".")]))
		refused("the bare prefix", refer(web, "urn:ietf:params:oauth:request_uri:"))
		refused("with a redirect of one's own", func() url.Values {
			request := refer(web, reference+"x")
			request.Set("redirect_uri", callback)
			return request
		}())
		plain := h.newBrowser()
		h.persona.acts(script{Page: true})
		id := plain.get(pathAuthorize + "?" + authorization(web).Encode()).location().Query().Get("id")
		h.persona.acts(script{})
		refused("the id of a request that was not pushed", refer(web, "urn:ietf:params:oauth:request_uri:"+id+".x"))
		h.clock.advance(61 * time.Second)
		refused("expired", refer(web, reference))
	}, withPAR)
}

// What is wrong with a request is told to whoever pushes it, and nothing is kept; nobody pushes without authenticating, or for another
// client (RFC 9126 §2.1, §2.3).
func TestAttackPushRefused(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		for name, c := range map[string]struct {
			pairs  []string
			status int
			code   string
		}{
			"unregistered redirect URI": {[]string{"redirect_uri", "https://evil.example/cb"}, 400, "invalid_request"},
			"no redirect URI":           {[]string{"redirect_uri", ""}, 400, "invalid_request"},
			"no response type":          {[]string{"response_type", ""}, 400, "invalid_request"},
			"unknown response type":     {[]string{"response_type", "token"}, 400, "unsupported_response_type"},
			"unknown scope":             {[]string{"scope", "teapot"}, 400, "invalid_scope"},
			"no challenge":              {[]string{"code_challenge", ""}, 400, "invalid_request"},
			"a reference":               {[]string{"request_uri", "urn:ietf:params:oauth:request_uri:x.y"}, 400, "invalid_request"},
			"another client":            {[]string{"client_id", spa}, 400, "invalid_request"},
			"an object":                 {[]string{"request", "x.y.z"}, 400, "request_not_supported"},
		} {
			if a := h.post(pathPAR, web, authorization(web, c.pairs...)); a.Status != c.status || a.errorCode() != c.code || a.location() != nil {
				t.Errorf("%s: %s", name, a)
			}
		}
		for name, a := range map[string]*answer{
			"nobody":     h.post(pathPAR, "", authorization(web)),
			"by GET":     h.send(h.request(http.MethodGet, pathPAR+"?"+authorization(web).Encode(), nil)),
			"in the URL": h.send(h.request(http.MethodPost, pathPAR+"?client_secret="+clientSecret(web), authorization(web))),
		} {
			if a.Status < 400 || a.member("request_uri") != "" {
				t.Errorf("%s: %s", name, a)
			}
		}
	}, withPAR)
}

// Who must push is told so otherwise, provider and client alike (RFC 9126 §5, §6), and a provider without PAR knows no reference.
func TestAttackUnpushedRequest(t *testing.T) {
	t.Parallel()
	required := func(c *oidc.Config) { c.Features.PAR = &oidc.PAR{Required: true, Lifetime: 10 * time.Minute} }
	placements(t, func(t *testing.T, h *harness) {
		if got := h.respond(spa, "code"); got.Get("error") != "invalid_request" || got.Has("code") {
			t.Errorf("where the provider demands it: %v", got)
		}
		h.clock.advance(time.Second)
		reference := h.push(spa)
		h.clock.advance(9 * time.Minute)
		if a := h.newBrowser().authorize(refer(spa, reference)); !a.returned().Has("code") {
			t.Errorf("pushed: %s", a)
		}
	}, required)
	placements(t, func(t *testing.T, h *harness) {
		c := h.client(web)
		c.RequirePAR = true
		h.must(h.Clients.Replace(t.Context(), c))
		h.clock.advance(2 * time.Second)
		if got := h.respond(web, "code"); got.Get("error") != "invalid_request" || got.Has("code") {
			t.Errorf("where the client demands it: %v", got)
		}
		if got := h.respond(mail, "code"); !got.Has("code") {
			t.Errorf("another client: %v", got)
		}
	}, withPAR)
	h := together(t)
	if a := h.newBrowser().authorize(refer(web, "urn:ietf:params:oauth:request_uri:x.y")); a.errorCode() != "request_uri_not_supported" || a.location() != nil {
		t.Errorf("without PAR: %s", a)
	}
	for _, lifetime := range []time.Duration{-1, time.Second, time.Hour} {
		config := oidc.Config{Issuer: issuer, DB: h.db, Directory: h.people, Keys: staticKeys{}, Interact: h.persona.Interact}
		config.Features.PAR = &oidc.PAR{Lifetime: lifetime}
		if _, err := oidc.New(config); err == nil {
			t.Errorf("a lifetime of %v", lifetime)
		}
	}
}

// A client that was changed, or whose application was disabled, after the push gets nothing (RFC 9126 §7.4).
func TestAttackPushedRequestOfAChangedClient(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		reference, another := h.push(web), h.push(mail)
		c := h.client(web)
		c.RedirectURIs = []string{"https://elsewhere.example/cb"}
		h.must(h.Clients.Replace(t.Context(), c))
		h.must(h.people.Applications.Disable(t.Context(), h.client(mail).Application))
		h.clock.advance(2 * time.Second)
		if a := h.newBrowser().authorize(refer(web, reference)); a.Status != http.StatusBadRequest || a.location() != nil {
			t.Errorf("the redirect URI was withdrawn: %s", a)
		}
		if a := h.newBrowser().authorize(refer(mail, another)); a.returned().Get("error") != "unauthorized_client" {
			t.Errorf("the application was disabled: %s", a)
		}
	}, withPAR)
}

// The code of a pushed request is bound to the key of the proof that came with it, or that dpop_jkt names (RFC 9449 §10.1).
func TestAttackPushedRequestBoundToAKey(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		p, thief := h.newProver(), h.newProver()
		push := func(pairs ...string) *answer {
			return p.post(pathPAR, web, authorization(web, pairs...), p.proof(http.MethodPost, pathPAR, ""))
		}
		if a := push("dpop_jkt", thief.jkt()); a.errorCode() != "invalid_dpop_proof" {
			t.Errorf("a proof of another key than dpop_jkt names: %s", a)
		}
		for _, pairs := range [][]string{nil, {"dpop_jkt", p.jkt()}} {
			a := push(pairs...)
			code := h.newBrowser().authorize(refer(web, a.member("request_uri"))).returned().Get("code")
			if a := thief.redeem(web, code); a.errorCode() != "invalid_grant" && a.errorCode() != "invalid_dpop_proof" {
				t.Errorf("redeemed with another key: %s", a)
			}
			if got := h.issued(p.redeem(web, code)); got.TokenType != "DPoP" {
				t.Errorf("token type %s", got.TokenType)
			}
		}
	}, withPAR, withDPoP)
}

func parDoors() []door {
	created := func(a *answer) bool { return a.Status == http.StatusCreated && a.member("request_uri") != "" }
	return []door{
		{name: "push", config: withPAR, done: created, open: func(h *harness) attempt {
			return attempt{send: func() *answer { return h.post(pathPAR, web, authorization(web)) }}
		}},
		{name: "pushed request", config: withPAR, done: gotCode, lost: func(a *answer) bool {
			return gotCode(a) || refusedWith("invalid_request_uri")(a)
		}, open: func(h *harness) attempt {
			request := refer(web, h.push(web))
			b := h.newBrowser()
			return attempt{send: func() *answer { return b.get(pathAuthorize + "?" + request.Encode()) }}
		}},
		{name: "pushed request refused by the person", config: withPAR, open: func(h *harness) attempt {
			h.persona.acts(script{Refusal: directory.Denied})
			request := refer(web, h.push(web))
			b := h.newBrowser()
			return attempt{send: func() *answer { return b.get(pathAuthorize + "?" + request.Encode()) }}
		}, done: func(a *answer) bool { return a.returned().Get("error") == "access_denied" }},
	}
}

func FuzzPushedReference(f *testing.F) {
	h := together(f, withPAR)
	good := h.push(web)
	for _, seed := range []string{good, good + "x", "urn:ietf:params:oauth:request_uri:", "urn:ietf:params:oauth:request_uri:" + store.NewID() + ".x", "urn:ietf:params:oauth:request_uri:~.~", ""} {
		f.Add(seed)
	}
	h.persona.acts(script{Refusal: directory.Denied})
	f.Fuzz(func(t *testing.T, reference string) {
		a := h.send(h.request(http.MethodGet, pathAuthorize+"?"+refer(web, reference).Encode(), nil))
		if a.location() != nil && reference != good {
			t.Fatalf("%q is redirected for: %s", reference, a)
		}
	})
}
