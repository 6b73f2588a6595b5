package flow_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/store/directory"
)

func TestAnotherBrowserGetsNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		ann, eve := w.browser(), w.browser()
		path := w.request(directory.Interaction{ApplicationName: "Secret"})
		p := ann.get(path)
		eve.get(w.request(directory.Interaction{})) // has a binding of her own
		stranger := w.browser()                     // has none
		for _, b := range []*browser{eve, stranger} {
			for name, got := range map[string]page{
				"page":   b.get(p.View.Submit),
				"post":   b.login(p, "ann", goodPassword),
				"resume": b.get(path),
			} {
				if got.Status != 403 || got.Failure == nil || got.Failure.Code != "flow_foreign" {
					t.Errorf("%s: got %v", name, got)
				}
			}
			if b.cookie("session") != "" {
				t.Error("a session for a foreign browser")
			}
		}
		ann.login(p, "ann", goodPassword).answer(t)
		if got := eve.get(path); got.Failure == nil || got.Failure.Code != "flow_foreign" {
			t.Errorf("the answer of a finished flow: %v", got)
		}
	})
}

// A flow per tab: two in one browser do not disturb each other, and one that nobody has answered goes on by itself once the
// other has signed in.
func TestTabs(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		one, two := b.get(w.request(directory.Interaction{})), b.get(w.request(directory.Interaction{}))
		fresh := b.get(w.request(directory.Interaction{Reauthenticate: true}))
		if one.View.Flow == two.View.Flow {
			t.Fatal("one flow for two requests")
		}
		first := b.login(one, "ann", goodPassword).answer(t)
		second := b.get(two.View.Submit).answer(t)
		if first.Session != second.Session {
			t.Errorf("sessions %v and %v", first.Session, second.Session)
		}
		if p := b.get(fresh.View.Submit); p.step() != "password" {
			t.Errorf("a request for a fresh proof: %v", p)
		}
	})
}

// Another tab cannot switch the person of a flow.
func TestTabCannotSwitchThePerson(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann, bob := w.user("ann"), w.user("bob")
		seed := w.totp(ann)
		b := w.browser()
		path := w.request(directory.Interaction{})
		p := b.login(b.get(path), "ann", goodPassword)
		if got := b.signIn("bob"); got.Subject != bob.Ref() {
			t.Fatal("bob did not sign in")
		}
		if again := b.get(path); again.step() != "totp" {
			t.Fatalf("ann's flow: %v", again)
		}
		if got := b.submit(p, "otp", w.code(seed)).answer(t); got.Subject != ann.Ref() {
			t.Errorf("got %v, want ann", got.Subject)
		}
	})
}

// Somebody clicks twice: the browser drops the first answer, and the second one leaves it signed in to the same session.
func TestDoubleClick(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann := w.user("ann")
		seed := w.totp(ann)
		b := w.browser()
		click := func(p page, pairs ...string) (first, second *browser) {
			first, second = b.clone(), b.clone()
			for _, each := range []*browser{first, second} {
				if got := each.do(http.MethodPost, p.View.Submit, fill(p.View, pairs...)); got.Status != 303 && got.step() != "totp" {
					t.Fatalf("got %v", got)
				}
			}
			return first, second
		}
		path := w.request(directory.Interaction{})
		first, second := click(b.get(path), "username", "ann", "password", goodPassword, "remember", "true")
		if first.cookie("session")+second.cookie("session") != "" {
			t.Fatal("a session before the code")
		}
		p := second.get(path)
		code := w.code(seed)
		first, second = click(p, "otp", code)
		if first.cookie("session") == "" || first.cookie("session") != second.cookie("session") || first.cookie("device") != second.cookie("device") {
			t.Errorf("cookies %v and %v", first.cookies, second.cookies)
		}
		if n := w.sessions(ann); n != 1 {
			t.Errorf("%d sessions", n)
		}
		second.get(path).answer(t)
		second.get(w.request(directory.Interaction{Passive: true})).answer(t)

		// Signed in, once more: the session gets a new secret, and both answers have it.
		b = second
		again := w.request(directory.Interaction{Reauthenticate: true})
		_, second = click(b.get(again), "username", "ann", "password", goodPassword)
		b = second
		w.advance(30 * time.Second)
		first, second = click(second.get(again), "otp", w.code(seed))
		if first.cookie("session") == b.cookie("session") || first.cookie("session") != second.cookie("session") || w.sessions(ann) != 1 {
			t.Errorf("cookies %v and %v, %d sessions", first.cookies, second.cookies, w.sessions(ann))
		}
	})
}

// Nothing but the duplicate of the post that signed somebody in, by the same browser and soon, is answered with their cookie.
func TestAttackDuplicateOfALogin(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		w.user("bob")
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		before := b.clone()
		b.login(p, "ann", goodPassword).answer(t)
		for what, pairs := range map[string][]string{
			"without the password": {"username", "ann", "password", "", "action", "login"},
			"another password":     {"username", "ann", "password", "wrong", "action", "login"},
			"nothing":              {},
			"another's":            {"username", "bob", "password", goodPassword, "action", "login"},
			"a field more":         {"username", "ann", "password", goodPassword, "action", "login", "remember", "true"},
		} {
			twin := before.clone()
			if got := twin.submit(p, pairs...); twin.cookie("session") != "" {
				t.Errorf("%s: got %v and a cookie", what, got)
			}
		}
		eve := w.browser()
		if got := eve.login(p, "ann", goodPassword); got.Status != 403 || eve.cookie("session") != "" {
			t.Errorf("another browser: %v", got)
		}
		other := before.clone() // has signed somebody else in meanwhile
		other.signIn("bob")
		cookie := other.cookie("session")
		if other.login(p, "ann", goodPassword); other.cookie("session") != cookie {
			t.Error("a browser that is signed in was given another session")
		}
		w.advance(time.Minute)
		late := before.clone()
		if late.login(p, "ann", goodPassword); late.cookie("session") != "" {
			t.Error("a minute later there is a cookie")
		}
	})
}

// Of wrong posts that race, one is counted.
func TestRacingDuplicatesCountOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		var wg sync.WaitGroup
		for range 20 {
			twin := b.clone()
			wg.Go(func() {
				if got := twin.login(p, "ann", "wrong"); got.step() != "password" {
					t.Errorf("got %v", got)
				}
			})
		}
		wg.Wait()
		for range 3 { // four in all: one less than leads to a lock
			p = b.get(p.View.Submit)
			p = b.login(p, "ann", "wrong")
		}
		b.login(b.get(p.View.Submit), "ann", goodPassword).answer(t)
	})
}

func TestStalePage(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		seed := w.totp(w.user("ann"))
		b := w.browser()
		first := b.get(w.request(directory.Interaction{}))
		p := b.login(first, "ann", goodPassword)
		// Back, and the password once more: the page as it stands.
		if got := b.login(first, "ann", "wrong"); got.step() != "totp" || got.message() != "" {
			t.Errorf("got %v", got)
		}
		wrong := b.submit(p, "otp", "000000")
		if got := b.submit(p, "otp", "111111"); got.message() != "totp.wrong" || got.View.Sequence != wrong.View.Sequence {
			t.Errorf("a stale post was judged: %v at %d", got, got.View.Sequence)
		}
		b.submit(wrong, "otp", w.code(seed)).answer(t)
		if got := b.submit(first, "username", "ann", "password", goodPassword); got.Result == nil {
			t.Errorf("a post after the end: %v", got)
		}
	})
}

func TestCrossSitePost(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		form := fill(p.View, "username", "ann", "password", goodPassword)
		for name, edit := range map[string]func(*http.Request){
			"fetch metadata": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
			"same site":      func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
			"origin": func(r *http.Request) {
				r.Header.Del("Sec-Fetch-Site")
				r.Header.Set("Origin", "https://evil.example")
			},
		} {
			if got := b.do(http.MethodPost, p.View.Submit, form, edit); got.Status != 403 || got.Failure.Code != "cross_origin" {
				t.Errorf("%s: got %v", name, got)
			}
		}
		behindProxy := func(r *http.Request) {
			r.Host = "backend:8080"
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "https://id.example.com")
		}
		b.follow(b.do(http.MethodPost, p.View.Submit, form, behindProxy)).answer(t)
	})
}

func TestMalformedPost(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		for name, c := range map[string]struct {
			form   url.Values
			status int
		}{
			"unknown field":    {fill(p.View, "admin", "true"), 400},
			"twice":            {fill(p.View, "username", "a", "username", "b"), 400},
			"unknown action":   {fill(p.View, "action", "consent_allow"), 400},
			"foreign consent":  {fill(p.View, "consent", "email"), 400},
			"no sequence":      {url.Values{"flow": {p.View.Flow}}, 400},
			"odd sequence":     {url.Values{"flow": {p.View.Flow}, "seq": {"1x"}}, 400},
			"no flow":          {url.Values{"seq": {"1"}}, 404},
			"unknown flow":     {url.Values{"flow": {strings.Repeat("A", 43)}, "seq": {"1"}}, 404},
			"impossible flow":  {url.Values{"flow": {"\x01\u202e"}, "seq": {"1"}}, 404},
			"oversize":         {fill(p.View, "username", strings.Repeat("x", 70_000)), 413},
			"foreign sequence": {url.Values{"flow": {p.View.Flow}, "seq": {"-4"}}, 200},
		} {
			if got := b.do(http.MethodPost, p.View.Submit, c.form); got.Status != c.status {
				t.Errorf("%s: got %v, want %d", name, got, c.status)
			}
		}
		wrongType := func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }
		if got := b.do(http.MethodPost, p.View.Submit, fill(p.View), wrongType); got.Status != 415 {
			t.Errorf("JSON: got %v", got)
		}
		if got := b.do(http.MethodDelete, p.View.Submit, nil); got.Status != 405 {
			t.Errorf("DELETE: got %v", got)
		}
		if got := b.get("/t/login"); got.Status != 404 || got.Failure.Code != "flow_expired" {
			t.Errorf("no flow: got %v", got)
		}
	})
}

// Looking changes nothing: neither GET nor HEAD of any page writes.
func TestLookingWritesNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		b := w.browser()
		p := b.get(w.request(directory.Interaction{ACR: []string{directory.ACR2}}))
		look := func() {
			t.Helper()
			w.faults.Forget()
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodGet} {
				if got := b.do(method, p.View.Submit, nil); got.Status != 200 {
					t.Errorf("%s: got %v", method, got)
				}
			}
			if n := count(w.faults.Calls(), "apply"); n != 0 {
				t.Errorf("%d writes at step %s", n, p.step())
			}
		}
		look()
		p = b.login(p, "ann", goodPassword)
		look()
	})
}
