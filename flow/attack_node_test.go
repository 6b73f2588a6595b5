package flow_test

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// nodes serves the world by several engines over the same stores; a request says which of them it meets.
func (w *world) nodes(n int) (at func(i int) func(*http.Request)) {
	muxes := make([]*http.ServeMux, n)
	for i := range muxes {
		muxes[i] = http.NewServeMux()
		engine := w.rebuild(func(*flow.Config) {})
		for _, route := range engine.Routes() {
			muxes[i].Handle(route.Path, route.Handler)
		}
	}
	authorize := w.mux
	w.mux = http.NewServeMux()
	w.mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		if i, err := strconv.Atoi(r.Header.Get("X-Node")); err == nil {
			muxes[i].ServeHTTP(rw, r)
			return
		}
		authorize.ServeHTTP(rw, r)
	})
	return func(i int) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("X-Node", strconv.Itoa(i%n)) }
	}
}

// One post arrives at several nodes many times at once: it is judged once, there is one session, and one cookie, in the answer that
// completed it and in those to duplicates that came after.
func TestAttackCompletionAtTwoNodes(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann := w.user("ann")
		at := w.nodes(2)
		b := w.browser()
		path := w.request(directory.Interaction{})
		p := b.get(path)
		twins := make([]*browser, 20)
		var wg sync.WaitGroup
		for i := range twins {
			twins[i] = b.clone()
			wg.Go(func() {
				twins[i].do(http.MethodPost, p.View.Submit, fill(p.View, "username", "ann", "password", goodPassword), at(i))
			})
		}
		wg.Wait()
		if n := w.sessions(ann); n != 1 {
			t.Errorf("%d sessions", n)
		}
		cookies := map[string]bool{}
		for _, twin := range twins {
			if cookie := twin.cookie("session"); cookie != "" {
				cookies[cookie] = true
				twin.get(path).answer(t)
			}
		}
		if len(cookies) != 1 {
			t.Errorf("%d session cookies", len(cookies))
		}
	})
}

func (w *world) sessions(u *directory.User) int {
	w.Helper()
	subject, err := w.Subjects.Get(w.Context(), u.Ref())
	w.must(err)
	list, err := w.Sessions.ListBySubject(w.Context(), subject)
	w.must(err)
	return len(list)
}

// A node is so slow that its lease runs out, and another takes the post over: whichever comes first completes, and the other one
// changes nothing.
func TestAttackCompletionAfterTheLease(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann := w.user("ann")
		seed := w.totp(ann)
		at := w.nodes(2)
		b := w.browser()
		path := w.request(directory.Interaction{})
		p := b.login(b.get(path), "ann", goodPassword)
		form := fill(p.View, "otp", w.code(seed))
		fast := b.clone()
		w.faults.Hook(func(c storetest.Call) error {
			if c.Method == storetest.MethodApply && writes(c, "directory.session") {
				w.faults.Heal()
				w.advance(lease)
				fast.do(http.MethodPost, p.View.Submit, form, at(1))
			}
			return nil
		})
		b.do(http.MethodPost, p.View.Submit, form, at(0))
		if fast.cookie("session") == "" || b.cookie("session") != "" {
			t.Errorf("cookies %q and %q, want the first alone", fast.cookie("session"), b.cookie("session"))
		}
		if n := w.sessions(ann); n != 1 {
			t.Errorf("%d sessions", n)
		}
		fast.get(path).answer(t)
		if got := b.get(w.request(directory.Interaction{Passive: true})); got.Result.Refusal != directory.LoginRequired {
			t.Errorf("got %v", got)
		}
	})
}

// A crash leaves a session of one person behind, and the next one to use the page is another: they get a session of their own.
func TestAttackCrashThenAnotherPerson(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann, bob := w.user("ann"), w.user("bob")
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		w.crash()
		b.login(p, "ann", goodPassword)
		w.advance(lease)
		result := b.login(p, "bob", goodPassword).answer(t)
		session, err := w.Sessions.Get(t.Context(), result.Session)
		w.must(err)
		if result.Subject != bob.Ref() || session.Subject != bob.Ref() || slices.ContainsFunc(session.Evidence, func(e directory.Evidence) bool { return e.Subject == ann.ID }) {
			t.Errorf("got %+v in %+v", result, session)
		}
	})
}

// An account is disabled between the moment at which the password was found right and the one at which the session is written: there
// is no session.
func TestAttackDisabledDuringLogin(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		for name, end := range map[string]func(ref store.Ref) error{
			"disabled": func(ref store.Ref) error { return w.Subjects.Disable(t.Context(), ref) },
			"revoked":  func(ref store.Ref) error { return w.Subjects.Revoke(t.Context(), ref) },
		} {
			u := w.user(name)
			b := w.browser()
			p := b.get(w.request(directory.Interaction{}))
			w.faults.Hook(func(c storetest.Call) error {
				if c.Method == storetest.MethodApply && writes(c, "directory.session") {
					w.faults.Heal()
					return end(u.Ref())
				}
				return nil
			})
			if p = b.login(p, name, goodPassword); b.cookie("session") != "" || p.Result != nil && p.Result.Refusal == "" {
				t.Errorf("%s: got %v", name, p)
			}
			if n := w.sessions(u); n != 0 {
				t.Errorf("%s: %d sessions", name, n)
			}
		}
	})
}
