package flow_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// stops are pages at every step, each with the right answer.
func (w *world) stops() map[string]struct {
	browser *browser
	page    page
	answer  []string
} {
	w.Helper()
	stops := map[string]struct {
		browser *browser
		page    page
		answer  []string
	}{}
	add := func(name string, b *browser, p page, answer ...string) {
		if p.step() != name {
			w.Fatalf("%s: got %v", name, p)
		}
		stops[name] = struct {
			browser *browser
			page    page
			answer  []string
		}{b, p, answer}
	}
	seed := w.totp(w.user("ann"))
	for _, name := range []string{"bob", "cid", "dan", "eve"} {
		w.user(name)
	}
	both := directory.Interaction{ACR: []string{directory.ACR2}, EssentialACR: true}
	ann, bob, cid, dan, eve := w.browser(), w.browser(), w.browser(), w.browser(), w.browser()
	add("password", dan, dan.get(w.request(directory.Interaction{})), "username", "dan", "password", goodPassword)
	add("totp", ann, ann.login(ann.get(w.request(both)), "ann", goodPassword), "otp", w.code(seed))
	p := bob.login(bob.get(w.request(both)), "bob", goodPassword)
	add("totp-enroll", bob, p, "otp", w.code(decode(w.T, p.View.Prompt.QRText)))
	cid.signIn("cid")
	add("consent", cid, cid.get(w.request(directory.Interaction{
		Purpose: directory.ApproveConsent, Subject: w.mustFind("cid").Ref(), Consent: []directory.ConsentItem{{ID: "email"}},
	})), "action", "consent_allow", "consent", "email")
	eve.signIn("eve")
	add("logout", eve, eve.get(w.request(directory.Interaction{Purpose: directory.SignOut})), "action", "logout_confirm")
	return stops
}

// A form on another site can answer none of our pages, whatever it says about itself; and neither can a browser without the
// binding cookie, or with another's, which is all that an old browser without these headers would leave.
func TestAttackCrossSitePost(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		stranger := w.browser()
		stranger.get(w.request(directory.Interaction{}))
		for step, stop := range w.stops() {
			form := fill(stop.page.View, stop.answer...)
			for name, edit := range map[string]func(*http.Request){
				"cross-site":     func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
				"same-site":      func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
				"invented":       func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "Same-Origin") },
				"another origin": func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.example") },
				"no origin":      func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") },
				"another port": func(r *http.Request) {
					r.Header.Del("Sec-Fetch-Site")
					r.Header.Set("Origin", "https://id.example.com:8443")
				},
				"without TLS": func(r *http.Request) {
					r.Header.Set("Origin", "http://id.example.com")
					r.Header.Set("Sec-Fetch-Site", "cross-site")
				},
				"origin like ours": func(r *http.Request) {
					r.Header.Del("Sec-Fetch-Site")
					r.Header.Set("Origin", "https://id.example.com.evil.example")
				},
				"neither, and no cookie": func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Del("Cookie") },
				"neither, another's cookies": func(r *http.Request) {
					r.Header.Del("Sec-Fetch-Site")
					r.Header.Del("Cookie")
					for name, value := range stranger.cookies {
						r.AddCookie(&http.Cookie{Name: name, Value: value})
					}
				},
			} {
				if got := stop.browser.do(http.MethodPost, stop.page.View.Submit, form, edit); got.Status != 403 || len(got.Header["Set-Cookie"]) != 0 {
					t.Errorf("%s, %s: got %v", step, name, got)
				}
			}
			stop.browser.submit(stop.page, stop.answer...).answer(t) // nothing of that has counted
		}
	})
}

// Only what the protocol asked for can be allowed, and what is mandatory cannot be left out.
func TestAttackConsentTampering(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		items := []directory.ConsentItem{{ID: "openid", Mandatory: true}, {ID: "email"}, {ID: "phone"}}
		for name, c := range map[string]struct {
			tick []string
			want []string
		}{
			"nothing":           {nil, []string{"openid"}},
			"not offered":       {[]string{"admin", "email", "openid email"}, []string{"openid", "email"}},
			"twice":             {[]string{"email", "email", "openid"}, []string{"openid", "email"}},
			"in another case":   {[]string{"EMAIL", "email ", "e\u0301mail", "email,phone", "*"}, []string{"openid"}},
			"in other order":    {[]string{"phone", "email"}, []string{"openid", "email", "phone"}},
			"hundreds of ticks": {slices.Repeat([]string{"x"}, 900), []string{"openid"}},
		} {
			b := w.browser()
			login := b.signIn("ann")
			p := b.get(w.request(directory.Interaction{
				Purpose: directory.ApproveConsent, Subject: login.Subject, Session: login.Session, Consent: items,
			}))
			answer := []string{"action", "consent_allow"}
			for _, id := range c.tick {
				answer = append(answer, "consent", id)
			}
			if got := b.submit(p, answer...).answer(t); !slices.Equal(got.Approved, c.want) {
				t.Errorf("%s: approved %q, want %q", name, got.Approved, c.want)
			}
		}
	})
}

// What a page says, links to and records comes from the configuration: nothing that a request claims about the host is in it.
func TestAttackHostHeader(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		w := newWorld(t, place, func(c *flow.Config, _ *directory.Config) {
			c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
		})
		w.user("ann")
		lie := func(r *http.Request) {
			r.Host = "evil.example"
			for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Server", "X-Original-URL", "X-Rewrite-URL", "X-Host", "X-HTTP-Host-Override"} {
				r.Header.Set(name, "evil.example")
			}
			r.Header.Set("X-Forwarded-Proto", "http")
			r.Header.Set("X-Forwarded-Prefix", "/evil.example")
			r.Header.Set("Forwarded", `for=203.0.113.66;host=evil.example;proto=http`)
			r.Header.Set("X-Forwarded-For", "203.0.113.66")
			r.Header.Set("X-Real-IP", "203.0.113.66")
		}
		b := w.browser() // no trusted proxy
		clean := func(p page) page {
			t.Helper()
			text, err := json.Marshal(p)
			w.must(err)
			if strings.Contains(string(text), "evil") || p.Location != "" && !strings.HasPrefix(p.Location, "/t/") {
				t.Errorf("got %s", text)
			}
			for _, c := range (&http.Response{Header: p.Header}).Cookies() {
				if c.Domain != "" || !c.Secure {
					t.Errorf("cookie %v", c)
				}
			}
			return p
		}
		path := w.request(directory.Interaction{})
		p := clean(b.do(http.MethodGet, path, nil, lie))
		p = clean(b.do(http.MethodGet, p.Location, nil, lie))
		p = clean(b.do(http.MethodPost, p.View.Submit, fill(p.View, "username", "ann", "password", "wrong"), lie))
		clean(b.do(http.MethodGet, "/t/login?flow=evil", nil, lie))
		p = clean(b.do(http.MethodPost, p.View.Submit, fill(p.View, "username", "ann", "password", goodPassword), lie))
		result := clean(b.do(http.MethodGet, p.Location, nil, lie)).answer(t)
		session, err := w.Sessions.Get(t.Context(), result.Session)
		w.must(err)
		if session.Address != "192.0.2.1" {
			t.Errorf("recorded address %q", session.Address)
		}
	})
}

// Where a flow leads is the protocol's path and its own page, whatever stands in the query or the form.
func TestAttackOpenRedirect(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		for _, name := range []string{"resume", "Resume", "next", "return_to", "redirect_uri", "startOver", "location"} {
			for _, target := range []string{"https://evil.example", "//evil.example", "/\\evil.example", "\thttps://evil.example", "javascript:alert(1)"} {
				if got := b.do(http.MethodPost, p.View.Submit, fill(p.View, name, target)); got.Status != 400 || got.Location != "" {
					t.Errorf("%s=%s: got %v", name, target, got)
				}
				query := p.View.Submit + "&" + url.Values{name: {target}}.Encode()
				if got := b.do(http.MethodGet, query, nil); got.Location != "" || got.View.Submit != p.View.Submit {
					t.Errorf("%s=%s in the query: got %v", name, target, got)
				}
			}
		}
		done := b.do(http.MethodPost, p.View.Submit+"&resume=https://evil.example", fill(p.View, "username", "ann", "password", goodPassword))
		if !strings.HasPrefix(done.Location, "/t/authorize?id=") {
			t.Errorf("got %v", done)
		}
	})
}

// Pages of failure say what went wrong and not what was sent, nor what is in the store.
func TestAttackFailurePageReflectsNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		b := w.browser()
		p := b.get(w.request(directory.Interaction{ApplicationName: "Secret Project"}))
		const marker = "zzmarkerzz"
		for name, got := range map[string]page{
			"unknown flow":   b.do(http.MethodGet, "/t/login?flow="+marker, nil),
			"number":         b.do(http.MethodPost, p.View.Submit, url.Values{"flow": {p.View.Flow}, "seq": {marker}}),
			"action":         b.do(http.MethodPost, p.View.Submit, fill(p.View, "action", marker)),
			"field":          b.do(http.MethodPost, p.View.Submit, fill(p.View, marker, "x")),
			"value":          b.do(http.MethodPost, p.View.Submit, fill(p.View, "admin", marker)),
			"bytes":          b.do(http.MethodPost, p.View.Submit, fill(p.View, "username", marker+"\xff")),
			"another origin": b.do(http.MethodPost, p.View.Submit, fill(p.View, "username", marker), func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }),
			"content type":   b.do(http.MethodPost, p.View.Submit, fill(p.View), func(r *http.Request) { r.Header.Set("Content-Type", marker) }),
			"foreign":        w.browser().do(http.MethodGet, p.View.Submit, nil),
			"foreign answer": w.browser().do(http.MethodPost, p.View.Submit, fill(p.View, "username", marker)),
		} {
			text, err := json.Marshal(got.Failure)
			w.must(err)
			if got.Failure == nil || got.Status < 400 || got.Status >= 500 || strings.Contains(string(text), marker) || strings.Contains(string(text), "Secret") {
				t.Errorf("%s: %d %s", name, got.Status, text)
			}
			if len(got.Header["Set-Cookie"]) != 0 || got.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: header %v", name, got.Header)
			}
		}
	})
}

// The blob of an expired page begins the request anew and gives nothing else: it is opened for no live flow, for no other site,
// and holds nothing of what was proven.
func TestAttackRestartBlob(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
		var mu sync.Mutex
		var opened []string
		var w *world
		w = newWorld(t, place, func(c *flow.Config, _ *directory.Config) {
			c.Restart = func(_ context.Context, _ *http.Request, sealed string) (string, error) {
				mu.Lock()
				defer mu.Unlock()
				opened = append(opened, sealed)
				return w.request(directory.Interaction{Restart: sealed}), nil
			}
		})
		seed := w.totp(w.user("ann"))
		b := w.browser()
		p := b.get(w.request(directory.Interaction{Restart: "blob"}))
		half := b.login(p, "ann", goodPassword)
		swapped := *half.View
		swapped.Restart = "another"
		if got := b.submit(page{View: &swapped}, "otp", "000000"); got.step() != "totp" || len(opened) != 0 {
			t.Errorf("in a live flow: %v, opened %q", got, opened)
		}
		foreign := w.browser()
		if got := foreign.do(http.MethodPost, half.View.Submit, fill(half.View)); got.Status != 403 || len(opened) != 0 {
			t.Errorf("of a live flow in another browser: %v, opened %q", got, opened)
		}
		w.advance(31 * time.Minute)
		cross := func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }
		if got := b.do(http.MethodPost, half.View.Submit, fill(half.View), cross); got.Status != 403 || len(opened) != 0 {
			t.Errorf("from another site: %v, opened %q", got, opened)
		}
		for range 2 { // as often as they like: it is only the request
			fresh := b.submit(half, "otp", w.code(seed))
			if fresh.step() != "password" || fresh.View.Person != "" || b.cookie("session") != "" || fresh.View.Sequence != 1 {
				t.Errorf("got %v", fresh)
			}
		}
		if !slices.Equal(opened, []string{"blob", "blob"}) {
			t.Errorf("opened %q", opened)
		}
		large := b.get(w.request(directory.Interaction{Restart: strings.Repeat("x", 60_000)}))
		if got := b.login(large, "ann", goodPassword); got.step() != "totp" {
			t.Errorf("a blob that no form can carry: %v", got)
		}
	})
}

// One browser opens many flows: it needs two short cookies for them, and each is still its own.
func TestAttackManyFlows(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		const many = 50
		w := open(t, func(c *flow.Config, _ *directory.Config) { c.MaxFlows = many })
		w.user("ann")
		b := w.browser()
		first := b.get(w.request(directory.Interaction{Reauthenticate: true}))
		for range many - 1 {
			b.get(w.request(directory.Interaction{Reauthenticate: true}))
		}
		if len(b.cookies) != 2 || len(b.cookie("flows")) > 3000 {
			t.Errorf("cookies %v", b.cookies)
		}
		b.login(first, "ann", goodPassword).answer(t)
	})
}

// A flow that a newer node has begun, for a purpose or with a step that this one does not know, is gone here rather than a crash.
func TestAttackFlowOfAnotherPlan(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		step := func(name string) flow.Plan {
			plan, err := flow.Compile(flow.Step{Name: name, Options: []string{"password"}, When: func(_ context.Context, s *flow.State) (bool, error) {
				return s.Subject.IsZero(), nil
			}})
			w.must(err)
			return plan
		}
		other := w.rebuild(func(c *flow.Config) { c.Plans = map[string]flow.Plan{"login": step("name and password")} })
		rec := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "https://id.example.com/t/x", nil)
		if result, err := other.Interact(rec, r, directory.Interaction{ID: "x", Purpose: directory.SignIn, Resume: "/t/x"}); result != nil || err != nil {
			t.Fatal(result, err)
		}
		b := w.browser()
		for _, c := range rec.Result().Cookies() {
			b.cookies[c.Name] = c.Value
		}
		to := rec.Header().Get("Location")
		if got := b.do(http.MethodGet, to, nil); got.Status != 404 || got.Failure.Code != "flow_expired" {
			t.Errorf("got %v", got)
		}
		_, id, _ := strings.Cut(to, "flow=")
		form := url.Values{"flow": {id}, "seq": {"1"}, "username": {"ann"}, "password": {goodPassword}}
		if got := b.do(http.MethodPost, to, form); got.Status != 404 || b.cookie("session") != "" {
			t.Errorf("posted: got %v", got)
		}
	})
}
