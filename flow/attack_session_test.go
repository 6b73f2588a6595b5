package flow_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// A step-up page lies open while the session that it builds on goes idle or passes its limit: the code alone then signs nobody in,
// and the session does not come back.
func TestAttackStepUpOfAStaleSession(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		seed := w.totp(w.user("ann"))
		plain := w.app(directory.SecondFactorNever).Ref()
		for name, c := range map[string]struct {
			policy directory.SessionPolicy
			wait   time.Duration
		}{
			"idle":  {directory.SessionPolicy{Idle: 10 * time.Minute, Remember: time.Hour, Max: 24 * time.Hour}, 11 * time.Minute},
			"limit": {directory.SessionPolicy{Idle: time.Hour, Remember: time.Hour, Max: 10 * time.Minute}, 11 * time.Minute},
		} {
			w.must(directory.Set(t.Context(), w.Settings, w.Settings.Session, "", "", c.policy))
			w.advance(2 * time.Second)
			b := w.browser()
			b.login(b.get(w.request(directory.Interaction{Application: plain})), "ann", goodPassword).answer(t)
			p := b.get(w.request(directory.Interaction{ACR: []string{directory.ACR2}}))
			if p.step() != "totp" {
				t.Fatalf("%s: got %v", name, p)
			}
			w.advance(c.wait)
			if p = b.submit(p, "otp", w.code(seed)); p.Result == nil || p.Result.Refusal != directory.LoginRequired {
				t.Errorf("%s: got %v", name, p)
			}
			if p = b.get(w.request(directory.Interaction{Application: plain})); p.step() != "password" {
				t.Errorf("%s: the session signs in again: %v", name, p)
			}
		}
	})
}

// A consent page lies open while the session goes idle: whoever finds it cannot sign in by pressing a button.
func TestAttackConsentOfAnIdleSession(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		b.signIn("ann")
		p := b.get(w.request(directory.Interaction{Consent: []directory.ConsentItem{{ID: "email"}}}))
		if p.step() != "consent" {
			t.Fatalf("got %v", p)
		}
		w.advance(15 * time.Minute)
		if p = b.submit(p, "action", "consent_allow"); p.Result == nil || p.Result.Refusal != directory.LoginRequired {
			t.Errorf("got %v", p)
		}
	})
}

// A proof that was young enough when the page was opened and is too old when it is answered has to be shown again.
func TestAttackMaxAgeRunsOutOnAPage(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		seed := w.totp(w.user("ann"))
		b := w.browser()
		plain := w.app(directory.SecondFactorNever).Ref()
		b.login(b.get(w.request(directory.Interaction{Application: plain})), "ann", goodPassword).answer(t)
		w.advance(50 * time.Second)
		p := b.get(w.request(directory.Interaction{MaxAge: age(time.Minute), ACR: []string{directory.ACR2}}))
		if p.step() != "totp" {
			t.Fatalf("got %v", p)
		}
		w.advance(20 * time.Second)
		if p = b.submit(p, "otp", w.code(seed)); p.step() != "password" {
			t.Fatalf("got %v", p)
		}
		result := b.login(p, "ann", goodPassword).answer(t)
		if a := directory.Assess(result.Evidence); !a.AuthTime.Equal(w.Now()) || a.ACR != directory.ACR2 {
			t.Errorf("got %+v", a)
		}

		w.advance(50 * time.Second)
		items := []directory.ConsentItem{{ID: "email"}}
		p = b.get(w.request(directory.Interaction{MaxAge: age(time.Minute), Application: plain, Consent: items}))
		w.advance(20 * time.Second)
		if p = b.submit(p, "action", "consent_allow"); p.step() != "password" {
			t.Errorf("after a consent: %v", p)
		}
	})
}

// Nothing that a person had survives its revocation: neither the session, nor a flow that is halfway, nor one that is done.
func TestAttackSessionAfterRevocation(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		for name, revoke := range map[string]func(*directory.User){
			"disabled": func(u *directory.User) { w.must(w.Subjects.Disable(t.Context(), u.Ref())) },
			"disabled, again": func(u *directory.User) {
				w.must(w.Subjects.Disable(t.Context(), u.Ref()))
				w.must(w.Subjects.Enable(t.Context(), u.Ref()))
			},
			"revoked":          func(u *directory.User) { w.must(w.Subjects.Revoke(t.Context(), u.Ref())) },
			"password changed": func(u *directory.User) { w.must(w.SetPassword(t.Context(), u, "another good password")) },
			"deleted":          func(u *directory.User) { w.must(w.DeleteUser(t.Context(), u)) },
		} {
			who := strings.NewReplacer(" ", "", ",", "").Replace(name)
			u := w.user(who)
			b := w.browser()
			done := w.request(directory.Interaction{})
			b.login(b.get(done), who, goodPassword).answer(t)
			w.totp(u)
			half := b.get(w.request(directory.Interaction{ACR: []string{directory.ACR2}}))
			consent := b.get(w.request(directory.Interaction{
				Purpose: directory.ApproveConsent, Subject: u.Ref(), Session: b.session(), Consent: []directory.ConsentItem{{ID: "email"}},
			}))
			if half.step() != "totp" || consent.step() != "consent" {
				t.Fatalf("%s: got %v and %v", name, half, consent)
			}
			revoke(w.mustFind(who))
			for what, p := range map[string]page{
				"session":         b.get(w.request(directory.Interaction{Passive: true})),
				"the flow done":   b.get(done),
				"consent allowed": b.submit(consent, "action", "consent_allow"),
			} {
				if p.Result == nil || p.Result.Refusal != directory.LoginRequired {
					t.Errorf("%s, %s: got %v", name, what, p)
				}
			}
			if name == "deleted" {
				continue // there is no code to show any more
			}
			_, seed, err := w.Credentials.TOTP(t.Context(), u.Ref())
			w.must(err)
			if p := b.submit(half, "otp", w.code(seed)); p.Result != nil && p.Result.Refusal == "" {
				t.Errorf("%s, step-up: got %v", name, p)
			}
		}
	})
}

// session is the session of the browser's cookie.
func (b *browser) session() (ref store.Ref) {
	ref.ID, _, _ = strings.Cut(b.cookie("session"), ".")
	return ref
}

// Cookies from before a login mean nothing after it, and those after it were made by it.
func TestAttackSessionFixation(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("eve")
		w.user("ann")
		eve, ann := w.browser(), w.browser()
		eve.signIn("eve")
		for name, value := range eve.cookies { // eve has planted hers with ann
			ann.cookies[name] = value
		}
		p := ann.submit(ann.get(w.request(directory.Interaction{SelectAccount: true})), "action", "other_account")
		result := ann.login(p, "ann", goodPassword).answer(t)
		if ann.cookie("session") == eve.cookie("session") || ann.session().ID == eve.session().ID || ann.cookie("device") == eve.cookie("device") {
			t.Fatal("ann goes on with a cookie that eve knows")
		}
		for _, in := range []directory.Interaction{{Passive: true}, {Passive: true, HintSubject: result.Subject.ID}} {
			if got := eve.get(w.request(in)); got.Result == nil || got.Result.Refusal != directory.LoginRequired {
				t.Errorf("eve: got %v", got)
			}
		}
		// Before the password is right nothing is set that opens anything.
		stranger := w.browser()
		stranger.login(stranger.get(w.request(directory.Interaction{})), "ann", "wrong")
		if stranger.cookie("session")+stranger.cookie("device") != "" {
			t.Errorf("cookies: %v", stranger.cookies)
		}
	})
}

// What is in a cookie of another name, of another form, twice, or of another site is not believed.
func TestAttackCookies(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		b.signIn("ann")
		passive := func(edit func(*http.Request)) *directory.Result {
			p := b.do(http.MethodGet, w.request(directory.Interaction{Passive: true}), nil, edit)
			if p.Result == nil {
				t.Fatalf("got %v", p)
			}
			return p.Result
		}
		if got := passive(func(*http.Request) {}); got.Refusal != "" {
			t.Fatalf("got %+v", got)
		}
		name, value := "", ""
		for n, v := range b.cookies {
			if strings.HasSuffix(n, "-session") {
				name, value = n, v
			}
		}
		if !strings.HasPrefix(name, "__Host-signet-") {
			t.Fatalf("the session cookie is %q", name)
		}
		only := func(cookie string) func(*http.Request) {
			return func(r *http.Request) { r.Header.Set("Cookie", cookie) }
		}
		id, key, _ := strings.Cut(value, ".")
		for what, cookie := range map[string]string{
			"without its prefix":  strings.TrimPrefix(name, "__Host-") + "=" + value,
			"secure prefix":       strings.Replace(name, "__Host-", "__Secure-", 1) + "=" + value,
			"lower case":          strings.ToLower(name) + "=" + value,
			"twice":               name + "=" + value + "; " + name + "=" + value,
			"planted beside":      name + "=planted.secret; " + name + "=" + value,
			"another issuer's":    "__Host-signet-00000000-session=" + value,
			"as another purpose":  strings.Replace(name, "-session", "-device", 1) + "=" + value,
			"the id alone":        name + "=" + id,
			"without a secret":    name + "=" + id + ".",
			"the secret alone":    name + "=." + key,
			"a letter less":       name + "=" + value[:len(value)-1],
			"a letter more":       name + "=" + value + "A",
			"another separator":   name + "=" + id + ":" + key,
			"the device's secret": name + "=" + b.cookie("device"),
			"the binding":         name + "=" + b.cookie("flow"),
		} {
			if got := passive(only(cookie)); got.Refusal != directory.LoginRequired {
				t.Errorf("%s: got %+v", what, got)
			}
		}
	})
}

// Cookies are as narrow as they can be: on https bound to the host and to TLS; never readable by scripts, nor sent along by other
// sites' posts, nor shared with other hosts.
func TestAttackCookieAttributes(t *testing.T) {
	t.Parallel()
	for _, site := range []string{"https://id.example.com", "http://localhost:8080"} {
		storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
			w := newWorld(t, place, func(c *flow.Config, _ *directory.Config) { c.Issuer = site })
			w.user("ann")
			w.mux = http.NewServeMux()
			for _, route := range w.engine.Routes() {
				w.mux.Handle(route.Path, route.Handler)
			}
			w.mux.HandleFunc("/t/authorize", w.authorize)
			b := w.browser()
			first := b.do(http.MethodGet, w.request(directory.Interaction{}), nil)
			p := b.follow(first)
			last := b.do(http.MethodPost, p.View.Submit, fill(p.View, "username", "ann", "password", goodPassword, "remember", "true"))
			set := append((&http.Response{Header: first.Header}).Cookies(), (&http.Response{Header: last.Header}).Cookies()...)
			if len(set) != 5 {
				t.Fatalf("%s: cookies %v, want flow, flows, session and device, and flows without what is done", site, set)
			}
			for _, c := range set {
				secure := strings.HasPrefix(site, "https:")
				if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.Secure != secure ||
					strings.HasPrefix(c.Name, "__Host-signet-") != secure {
					t.Errorf("%s: %v", site, c)
				}
			}
		})
	}
}

// A device cookie is no proof of anything: it signs nobody in, in whatever place it stands, and a thief has the guesses of one
// device, for one account.
func TestAttackStolenDeviceCookie(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		w.user("bob")
		owner, thief := w.browser(), w.browser()
		owner.signIn("ann")
		for name, value := range owner.cookies {
			if strings.HasSuffix(name, "-device") {
				thief.cookies[name] = value
			}
		}
		if p := thief.get(w.request(directory.Interaction{Passive: true})); p.Result.Refusal != directory.LoginRequired {
			t.Fatalf("got %v", p)
		}
		p := thief.get(w.request(directory.Interaction{}))
		for range 5 {
			p = thief.login(p, "ann", "wrong")
		}
		if p = thief.login(p, "ann", goodPassword); p.message() != "password.wrong" {
			t.Errorf("a sixth guess was judged: %v", p)
		}
		elsewhere := w.browser()
		elsewhere.signIn("ann") // everybody else's budget is untouched
		w.guess("bob", 5)
		if p = thief.login(thief.get(p.View.Submit), "bob", goodPassword); p.message() != "password.wrong" {
			t.Errorf("another account: %v", p)
		}
	})
}

// A session is remembered when that was asked for in the post that proved the password, and no longer than the limits allow.
func TestAttackRemember(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		seed := w.totp(w.user("ann"))
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		p = b.submit(p, "username", "ann", "password", "wrong", "remember", "true")
		p = b.submit(p, "username", "ann", "password", goodPassword)
		if bad := b.do(http.MethodPost, p.View.Submit, fill(p.View, "otp", w.code(seed), "remember", "true")); bad.Status != 400 {
			t.Errorf("at the page for the code: %v", bad)
		}
		b.submit(p, "otp", w.code(seed)).answer(t)
		w.advance(15 * time.Minute)
		if p := b.get(w.request(directory.Interaction{Passive: true})); p.Result.Refusal != directory.LoginRequired {
			t.Errorf("remembered although the right answer did not ask for it: %v", p)
		}

		w.advance(time.Minute)
		p = b.submit(b.get(w.request(directory.Interaction{})), "username", "ann", "password", goodPassword, "remember", "true")
		b.submit(p, "otp", w.code(seed)).answer(t)
		w.advance(14*24*time.Hour - time.Second)
		b.get(w.request(directory.Interaction{Passive: true})).answer(t)
		w.advance(time.Second)
		if p := b.get(w.request(directory.Interaction{Passive: true})); p.Result.Refusal != directory.LoginRequired {
			t.Errorf("after 14 days: %v", p)
		}
	})
}

// A browser that is remembered after it lay idle proves no second factor, however it is used from then on, until the factor is shown
// again.
func TestAttackRememberedAfterIdle(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		seed := w.totp(w.user("ann"))
		plain, strict := w.app(directory.SecondFactorNever).Ref(), w.app(directory.SecondFactorRequired).Ref()
		essential := directory.Interaction{ACR: []string{directory.ACR2}, EssentialACR: true, Passive: true}
		b := w.browser()
		acr := func(in directory.Interaction) string {
			t.Helper()
			return directory.Assess(b.get(w.request(in)).answer(t).Evidence).ACR
		}
		weak := func(when string) {
			t.Helper()
			if got := acr(directory.Interaction{Passive: true}); got != directory.ACR1 {
				t.Errorf("%s: signed in with %s", when, got)
			}
			for what, in := range map[string]directory.Interaction{
				"essential": essential, "preferred": {ACR: []string{directory.ACR2, directory.ACR1}, Passive: true},
				"demanded by the application": {Application: strict, Passive: true},
			} {
				if got := b.get(w.request(in)); got.Result == nil || got.Result.Refusal != directory.InteractionRequired {
					t.Errorf("%s, %s: got %v", when, what, got)
				}
			}
		}
		p := b.submit(b.get(w.request(directory.Interaction{})), "username", "ann", "password", goodPassword, "remember", "true")
		b.submit(p, "otp", w.code(seed)).answer(t)
		for range 10 { // in use it stays what it was
			w.advance(14 * time.Minute)
			if got := acr(essential); got != directory.ACR2 {
				t.Fatalf("in use: %s", got)
			}
		}
		open := b.get(w.request(directory.Interaction{ACR: []string{directory.ACR2}, Consent: []directory.ConsentItem{{ID: "email"}}}))
		w.advance(15 * time.Minute)
		if got := b.submit(open, "action", "consent_allow"); got.Result == nil || got.Result.Refusal != directory.LoginRequired {
			t.Errorf("a page that lay open: %v", got)
		}
		weak("after idling")
		w.advance(2 * time.Minute)
		weak("in use again")
		b.login(b.get(w.request(directory.Interaction{Application: plain, Reauthenticate: true})), "ann", goodPassword).answer(t)
		weak("after the password")
		w.advance(time.Hour)
		b.login(b.get(w.request(directory.Interaction{Application: plain, Reauthenticate: true})), "ann", goodPassword).answer(t)
		weak("after idling and the password")
		p = b.get(w.request(directory.Interaction{Application: strict}))
		if p.step() != "totp" {
			t.Fatalf("got %v", p)
		}
		b.submit(p, "otp", w.code(seed)).answer(t)
		if got := acr(essential); got != directory.ACR2 {
			t.Errorf("after the factor: %s", got)
		}
	})
}

// A logout is confirmed after another tab has signed somebody else in: whoever presses the button is signed out, rather than told
// so.
func TestAttackLogoutOfWhoeverIsThere(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		w.user("bob")
		b := w.browser()
		b.signIn("ann")
		p := b.get(w.request(directory.Interaction{Purpose: directory.SignOut}))
		other := b.submit(b.get(w.request(directory.Interaction{SelectAccount: true})), "action", "other_account")
		bob := b.login(other, "bob", goodPassword).answer(t)
		if got := b.submit(p, "action", "logout_confirm").answer(t); got.Session != bob.Session {
			t.Errorf("got %+v, want session %v", got, bob.Session)
		}
	})
}

// Nobody is signed out by a page that they were led to: without the client's proof of the very session there is a question, and
// the answer to it comes from the own site.
func TestAttackLogoutCSRF(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b, eve := w.browser(), w.browser()
		login, hers := b.signIn("ann"), eve.signIn("ann")
		for name, in := range map[string]directory.Interaction{
			"without a hint":        {},
			"with another's hint":   {Session: hers.Session},
			"with an unknown one's": {Session: store.Ref{ID: "none"}},
		} {
			in.Purpose = directory.SignOut
			p := b.get(w.request(in))
			if p.step() != "logout" {
				t.Errorf("%s: got %v", name, p)
				continue
			}
			for _, site := range []string{"cross-site", "same-site"} {
				form := fill(p.View, "action", "logout_confirm")
				if got := b.do(http.MethodPost, p.View.Submit, form, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", site) }); got.Status != 403 {
					t.Errorf("%s, %s: got %v", name, site, got)
				}
			}
			if got := eve.submit(p, "action", "logout_confirm"); got.Status != 403 {
				t.Errorf("%s, from another browser: %v", name, got)
			}
		}
		if got := b.get(w.request(directory.Interaction{Passive: true})).answer(t); got.Session != login.Session {
			t.Errorf("got %+v", got)
		}
	})
}

// Who signs in over somebody else's session ends it, and gets nothing of it: no proofs, no consent, no flow that was under way.
func TestAttackDisplacedSession(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann, bob := w.user("ann"), w.user("bob")
		seed := w.totp(ann)
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		first := b.submit(p, "otp", w.code(seed)).answer(t)
		stolen := b.clone()
		w.advance(time.Minute)
		items := []directory.ConsentItem{{ID: "email"}}
		consent := b.get(w.request(directory.Interaction{Purpose: directory.ApproveConsent, Subject: first.Subject, Session: first.Session, Consent: items}))
		second := b.login(b.get(w.request(directory.Interaction{Reauthenticate: true})), "bob", goodPassword).answer(t)
		if second.Subject != bob.Ref() || slices.ContainsFunc(second.Evidence, func(e directory.Evidence) bool { return e.Subject != bob.ID }) {
			t.Errorf("got %+v", second)
		}
		if got := b.submit(consent, "action", "consent_allow"); got.Result == nil || got.Result.Refusal != directory.LoginRequired {
			t.Errorf("ann's consent: %v", got)
		}
		if got := stolen.get(w.request(directory.Interaction{Passive: true})); got.Result.Refusal != directory.LoginRequired {
			t.Errorf("ann's cookie: %v", got)
		}
		session, err := w.Sessions.Get(t.Context(), second.Session)
		w.must(err)
		if session.Subject != bob.Ref() || len(session.Evidence) != 1 {
			t.Errorf("bob's session: %+v", session)
		}
	})
}

// Signing in at another application of the same site asks it anew: one that is gone, or was never there, changes nothing about
// what must be shown, and the second factor of one is not spared by another that asks for none.
func TestAttackSingleSignOnBelowAnApplicationsDemand(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.totp(w.user("ann"))
		b := w.browser()
		lax, strict := w.app(directory.SecondFactorNever), w.app(directory.SecondFactorRequired)
		b.login(b.get(w.request(directory.Interaction{Application: lax.Ref()})), "ann", goodPassword).answer(t)
		for name, in := range map[string]directory.Interaction{
			"that demands it":        {Application: strict.Ref()},
			"that leaves it to them": {Application: w.app(directory.SecondFactorIfEnrolled).Ref()},
			"that does not exist":    {Application: store.Ref{ID: "none"}},
			"none":                   {},
		} {
			if p := b.get(w.request(in)); p.step() != "totp" {
				t.Errorf("an application %s: got %v", name, p)
			}
		}
	})
}

// HEAD is GET without a body: it neither posts nor signs in, and what it says about cookies is the same.
func TestAttackHead(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		r := httptest.NewRequest(http.MethodHead, "https://id.example.com"+p.View.Submit+"&"+fill(p.View, "username", "ann", "password", goodPassword).Encode(), nil)
		for name, value := range b.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		rec := httptest.NewRecorder()
		w.mux.ServeHTTP(rec, r)
		if rec.Code != 200 || len(rec.Result().Cookies()) != 0 {
			t.Errorf("got %d %v", rec.Code, rec.Header())
		}
		if now := b.get(p.View.Submit); now.View.Sequence != p.View.Sequence {
			t.Error("HEAD moves a flow")
		}
		for _, method := range []string{http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, "GET\x00", "post"} {
			r.Method = method
			rec := httptest.NewRecorder()
			w.engine.ServeHTTP(rec, r)
			if rec.Code != 405 || len(rec.Result().Cookies()) != 0 {
				t.Errorf("%q: got %d", method, rec.Code)
			}
		}
	})
}

// Whoever changes their password in a browser goes on in it, by another cookie; one that was stolen before is worth nothing.
func TestAttackPasswordChangeKeepsNoStolenCookie(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann := w.user("ann")
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		first := b.submit(p, "username", "ann", "password", goodPassword, "remember", "true").answer(t)
		thief := b.clone()

		session, err := w.Sessions.Get(t.Context(), first.Session)
		w.must(err)
		cookie, err := w.ChangePassword(t.Context(), ann, "another good password", session)
		w.must(err)
		rec := httptest.NewRecorder()
		w.must(w.engine.KeepSession(rec, httptest.NewRequest(http.MethodPost, "https://id.example.com/account", nil), session, cookie))
		for _, c := range rec.Result().Cookies() {
			if c.MaxAge <= 0 {
				t.Errorf("a remembered session has the cookie %v", c)
			}
			b.cookies[c.Name] = c.Value
		}
		if got := b.get(w.request(directory.Interaction{})).answer(t); got.Session != first.Session {
			t.Errorf("got %+v, want session %v", got, first.Session)
		}
		if p := thief.get(w.request(directory.Interaction{})); p.step() != "password" {
			t.Errorf("by the cookie of before: %v", p)
		}
	})
}
