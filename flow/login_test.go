package flow_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

func TestPasswordSignsIn(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann, b := w.user("ann"), w.browser()
		p := b.get(w.request(directory.Interaction{ApplicationName: "App"}))
		if p.step() != "password" || p.View.ApplicationName != "App" || p.View.Submit != "/t/login?flow="+p.View.Flow {
			t.Fatalf("got %v %+v", p, p.View)
		}
		if b.cookie("session") != "" {
			t.Error("a session cookie before anybody has signed in")
		}
		result := b.login(p, "Ann", goodPassword).answer(t)
		if result.Subject != ann.Ref() || result.SubjectVersion == 0 || result.SessionVersion == 0 {
			t.Errorf("result: %+v", result)
		}
		if len(result.Evidence) != 1 || result.Evidence[0].Method != "password" || !result.Evidence[0].Time.Equal(w.Now()) {
			t.Errorf("evidence: %+v", result.Evidence)
		}
		if b.cookie("session") == "" || b.cookie("device") == "" {
			t.Error("no session or device cookie")
		}
		if again := b.get(w.request(directory.Interaction{})).answer(t); again.Session != result.Session {
			t.Errorf("single sign-on: got session %v, want %v", again.Session, result.Session)
		}
	})
}

// The budget of writes: one to open the flow, one before the password is judged, one with its consequences.
func TestLoginCommits(t *testing.T) {
	t.Parallel()
	w := together(t) // each placement has a number of its own: this is that of the databases
	w.user("ann")
	b := w.browser()
	w.faults.Forget()
	b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword).answer(t)
	if got := count(w.faults.Calls(), storetest.MethodApply); got != 3 {
		t.Errorf("%d commits, want 3", got)
	}
	w.faults.Forget()
	b.get(w.request(directory.Interaction{})).answer(t)
	if got := count(w.faults.Calls(), storetest.MethodApply); got != 0 {
		t.Errorf("%d commits for a single sign-on within the minute, want none", got)
	}
}

func count(calls []storetest.Call, method storetest.Method) int {
	n := 0
	for _, c := range calls {
		if c.Method == method {
			n++
		}
	}
	return n
}

func TestWrongPassword(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		p := b.submit(b.get(w.request(directory.Interaction{})), "username", "ann", "password", "wrong", "remember", "true")
		if p.Status != 422 || p.message() != "password.wrong" {
			t.Fatalf("got %v", p)
		}
		if got := p.View.Prompt.Fields; got[0].Value != "ann" || got[1].Value != "" || got[2].Value != "true" {
			t.Errorf("what stands in the fields: %+v", got)
		}
		b.login(p, "ann", goodPassword).answer(t)
	})
}

// A name that nobody has, a wrong password, a disabled and a locked account differ in nothing: not in the answer, nor in what
// is asked of the store and written to it.
func TestNoEnumeration(t *testing.T) {
	t.Parallel()
	type work struct {
		page  string
		calls []string
	}
	// attempt is one of somebody in a world of its own, by placement.
	attempt := func(name, pass string, prepare func(*world)) map[string]work {
		all := map[string]work{}
		storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
			w := newWorld(t, place)
			w.user("ann")
			prepare(w)
			b := w.browser()
			p := b.get(w.request(directory.Interaction{}))
			w.advance(2 * time.Second) // settings that were read before are read again
			w.faults.Forget()
			p = b.login(p, name, pass)
			done := work{page: p.String()}
			for _, c := range w.faults.Calls() {
				text := string(c.Method) + " " + c.Kind.Name
				for _, op := range c.Ops {
					text += " " + op.Verb.String() + ":" + op.Record.Kind.Name
				}
				done.calls = append(done.calls, text)
			}
			all[place.Name] = done
		})
		return all
	}
	nothing := func(*world) {}
	// The first guess in a while makes the record that later ones write over.
	first, second := attempt("ann", "wrong", nothing), attempt("ann", "wrong", func(w *world) { w.guess("ann", 1) })
	for name, attempts := range map[string]map[string]work{
		"unknown": attempt("nobody", "wrong", nothing),
		"disabled": attempt("ann", goodPassword, func(w *world) {
			u, err := w.FindUser(t.Context(), "", "ann")
			w.must(err)
			w.must(w.Subjects.Disable(t.Context(), u.Ref()))
		}),
		"locked": attempt("ann", goodPassword, func(w *world) { w.guess("ann", 5) }),
	} {
		for place, got := range attempts {
			want := first[place]
			if name == "locked" {
				want = second[place]
			}
			if !strings.Contains(want.page, "password.wrong") || got.page != want.page || !slices.Equal(got.calls, want.calls) {
				t.Errorf("%s, %s:\n%s\n%s\nwrong password:\n%s\n%s", name, place,
					got.page, strings.Join(got.calls, "\n"), want.page, strings.Join(want.calls, "\n"))
			}
		}
	}
}

// guess makes wrong guesses at somebody's password from another place.
func (w *world) guess(name string, times int) {
	w.Helper()
	b := w.browser()
	b.address = "198.51.100.7"
	p := b.get(w.request(directory.Interaction{}))
	for range times {
		if p = b.login(p, name, "wrong"); p.message() != "password.wrong" {
			w.Fatalf("got %v", p)
		}
	}
}

func TestOddNames(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		for _, name := range []string{"", " ", "a\x01b", strings.Repeat("x", 5000), "ann@", "@@", "ann\u202e", "ı", "../../x", "ann|totp"} {
			b := w.browser()
			b.address = "2001:db8::1"
			if p := b.login(b.get(w.request(directory.Interaction{})), name, "wrong"); p.message() != "password.wrong" {
				t.Errorf("name %.20q: got %v", name, p)
			}
		}
		b := w.browser()
		if p := b.login(b.get(w.request(directory.Interaction{})), "ann", strings.Repeat("x", 5000)); p.message() != "password.wrong" {
			t.Errorf("long password: got %v", p)
		}
	})
}

func TestHintStandsInTheField(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		p := w.browser().get(w.request(directory.Interaction{Hint: "ann@example.com"}))
		if f := p.View.Prompt.Fields; f[0].Value != "ann@example.com" || f[0].Focus || !f[1].Focus {
			t.Errorf("fields: %+v", f)
		}
	})
}

func TestRemember(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		remembered, forgotten := w.browser(), w.browser()
		p := remembered.get(w.request(directory.Interaction{}))
		p = remembered.do(http.MethodPost, p.View.Submit, fill(p.View, "username", "ann", "password", goodPassword, "remember", "true"))
		if c := setCookie(p, "session"); c == nil || c.MaxAge != 14*24*60*60 {
			t.Errorf("cookie of a remembered session: %v", c)
		}
		p = forgotten.get(w.request(directory.Interaction{}))
		p = forgotten.do(http.MethodPost, p.View.Submit, fill(p.View, "username", "ann", "password", goodPassword))
		if c := setCookie(p, "session"); c == nil || c.MaxAge != 0 || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("cookie of another: %v", c)
		}
		w.advance(time.Hour)
		remembered.get(w.request(directory.Interaction{})).answer(t)
		if p := forgotten.get(w.request(directory.Interaction{})); p.step() != "password" {
			t.Errorf("a session that went idle: got %v", p)
		}
	})
}

// setCookie is the cookie that an answer sets, by purpose.
func setCookie(p page, purpose string) *http.Cookie {
	for _, c := range (&http.Response{Header: p.Header}).Cookies() {
		if strings.HasSuffix(c.Name, "-"+purpose) {
			return c
		}
	}
	return nil
}

// What a request claims about where it comes from is believed only of a trusted proxy.
func TestAddress(t *testing.T) {
	t.Parallel()
	for want, proxies := range map[string][]netip.Prefix{
		"192.0.2.1": nil, "203.0.113.5": {netip.MustParsePrefix("192.0.2.0/24")},
	} {
		storetest.Placements(t, func(t *testing.T, place storetest.Placement) {
			w := newWorld(t, place, func(c *flow.Config, _ *directory.Config) { c.TrustedProxies = proxies })
			w.user("ann")
			b := w.browser()
			p := b.get(w.request(directory.Interaction{}))
			p = b.follow(b.do(http.MethodPost, p.View.Submit, fill(p.View, "username", "ann", "password", goodPassword), func(r *http.Request) {
				r.Header.Set("X-Forwarded-For", "203.0.113.5")
				r.Header.Set("X-Forwarded-Host", "evil.example")
				r.Host = "evil.example"
			}))
			session, err := w.Sessions.Get(t.Context(), p.answer(t).Session)
			w.must(err)
			if session.Address != want {
				t.Errorf("address %q, want %q", session.Address, want)
			}
		})
	}
}

// The page may post to where the browser will finally be sent, and says in which languages.
func TestViewCarriesTheRequest(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		app := w.app("")
		app.Logo, app.TermsURL = "/logo.svg", "https://app.example/terms"
		w.must(w.Applications.Replace(t.Context(), app))
		w.must(directory.Set(t.Context(), w.Settings, w.Settings.Branding, "", app.ID, directory.Branding{Name: "Branded"}))
		seen := make(chan flow.View, 1)
		w.engine = w.rebuild(func(c *flow.Config) { c.Transport = spy{jsonTransport{}, seen} })
		b := w.browser()
		rec := httptest.NewRecorder()
		in := directory.Interaction{
			ID: "x", Purpose: directory.SignIn, Resume: "/x", Application: app.Ref(), Restart: "sealed",
			RedirectOrigins: []string{"https://app.example"}, Locales: []string{"de"},
		}
		if result, err := w.engine.Interact(rec, httptest.NewRequest(http.MethodGet, "/x", nil), in); result != nil || err != nil {
			t.Fatal(result, err)
		}
		for _, c := range rec.Result().Cookies() {
			b.cookies[c.Name] = c.Value
		}
		r := httptest.NewRequest(http.MethodGet, rec.Header().Get("Location"), nil)
		for name, value := range b.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		w.engine.ServeHTTP(httptest.NewRecorder(), r)
		v := <-seen
		if v.RedirectOrigins[0] != "https://app.example" || v.Locales[0] != "de" || v.Branding.Name != "Branded" ||
			v.ApplicationLogo != "/logo.svg" || v.ApplicationLinks.Terms != "https://app.example/terms" || v.Restart != "sealed" || v.Expires.IsZero() {
			t.Errorf("view: %+v", v)
		}
	})
}

// spy shows a test what the Transport was given.
type spy struct {
	flow.Transport
	seen chan<- flow.View
}

func (s spy) Show(_ http.ResponseWriter, _ *http.Request, v flow.View) { s.seen <- v }

func TestCancel(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		b := w.browser()
		p := b.get(w.request(directory.Interaction{Cancelable: true}))
		if p = b.submit(p, "action", "cancel"); p.Result == nil || p.Result.Refusal != directory.Denied {
			t.Errorf("got %v", p)
		}
		p = b.get(w.request(directory.Interaction{}))
		if p = b.submit(p, "action", "cancel"); p.Status != 400 {
			t.Errorf("where the application does not let them: got %v", p)
		}
	})
}

// The secret of the session is a new one at each login and step-up, and the old one is dead.
func TestSessionSecretRotates(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		b.signIn("ann")
		for name := range b.cookies {
			b.cookies[name] = "planted.secret"
		}
		first := b.signIn("ann")
		if b.cookie("session") == "planted.secret" || b.cookie("flow") == "planted.secret" {
			t.Fatal("a cookie that somebody planted was kept")
		}
		stolen := b.clone()
		second := b.login(b.get(w.request(directory.Interaction{Reauthenticate: true})), "ann", goodPassword).answer(t)
		if first.Session != second.Session || stolen.cookie("session") == b.cookie("session") {
			t.Errorf("sessions %v, %v; the secret must change and the session stay", first.Session, second.Session)
		}
		if p := stolen.get(w.request(directory.Interaction{})); p.step() != "password" {
			t.Errorf("the old secret: got %v", p)
		}
		b.get(w.request(directory.Interaction{})).answer(t)
	})
}

// Somebody else signs in with the same browser: the sessions are two, and the first has ended.
func TestAnotherPerson(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		bob, b := w.user("bob"), w.browser()
		first := b.signIn("ann")
		p := b.submit(b.get(w.request(directory.Interaction{SelectAccount: true})), "action", "other_account")
		second := b.login(p, "bob", goodPassword).answer(t)
		if second.Subject != bob.Ref() || second.Session == first.Session || len(second.Evidence) != 1 {
			t.Errorf("got %+v", second)
		}
		session, err := w.Sessions.Get(t.Context(), first.Session)
		w.must(err)
		if session.Status != directory.Ended {
			t.Errorf("ann's session is %s", session.Status)
		}
	})
}

func TestNoSecretIsLogged(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		seed := w.totp(w.user("ann"))
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		b.login(p, "ann", "wrong-password-typed")
		w.faults.FailAll(nil)
		b.login(p, "ann", goodPassword)
		w.faults.Heal()
		b.submit(b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword), "otp", w.code(seed)).answer(t)
		log := w.logged()
		if !strings.Contains(log, "temporarily_unavailable") {
			t.Fatalf("the failure is not in the log: %s", log)
		}
		for _, secret := range append(slices.Collect(maps.Values(b.cookies)), goodPassword, "wrong-password-typed", w.code(seed)) {
			if _, key, ok := strings.Cut(secret, "."); ok {
				secret = key
			}
			if strings.Contains(log, secret) {
				t.Errorf("the log holds %q", secret)
			}
		}
	})
}
