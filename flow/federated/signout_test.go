package federated_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/flow/service"
	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

const afterwards = "https://client.example/bye?state=1"

// bye is the logout of a protocol: it says where the browser goes.
func (w *world) bye(rw http.ResponseWriter, r *http.Request) {
	session, err := w.engine.CurrentSession(r)
	if err == nil {
		err = w.engine.EndSession(rw, r, session.Ref(), "logout")
	}
	to := ""
	if err == nil {
		to, err = w.connections.SignOut(rw, r, session.Ref(), afterwards)
	}
	if err != nil {
		http.Error(rw, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(rw, to)
}

// signedOut is where the provider sends people back: it says where they go on to.
func (w *world) signedOut(rw http.ResponseWriter, r *http.Request) {
	next, err := w.connections.FinishSignOut(r)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(rw, next)
}

// signsOut has people signed out upstream.
func signsOut(c *federated.Connection) { c.RPInitiatedLogout = true }

// hasLogout has the provider take people who sign out.
func (u *upstream) hasLogout(at string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.more = map[string]any{"end_session_endpoint": at}
}

// upConnection is the one that signs out, to the provider of the world.
func upConnection(w *world) federated.Connection {
	return federated.Connection{Name: "up", Provider: rp.Config{Issuer: w.up.URL, ClientID: "client", ClientSecret: "secret"}, RPInitiatedLogout: true}
}

// reconnect has the connections be others, as after a restart. The engine keeps the old ones.
func (w *world) reconnect(made federated.Connection) {
	w.Helper()
	var err error
	w.connections, err = federated.New(federated.Config{DB: w.db, Directory: w.Directory, Issuer: w.URL, Connections: []federated.Connection{made}})
	w.must(err)
}

// signedIn is a browser whose person has signed in upstream.
func (w *world) signedIn() *browser {
	w.Helper()
	b := w.browser()
	b.isIn(b.signIn())
	return b
}

// Who signs out here is signed out here first, then sent to the provider with our client_id, its session, and one registered place to come
// back to, and ends where the logout here would have led (OpenID Connect RP-Initiated Logout 1.0 §2, §3).
func TestSignOutUpstream(t *testing.T) {
	everywhere(t, func(w *world) {
		w.up.hasLogout(w.up.URL + "/logout?tenant=1")
		b := w.signedIn()
		to := b.open(w.URL + "/bye")
		if again := b.begin(); again.result() != nil {
			t.Error("still signed in here, before the provider was asked")
		}
		back := b.open(to.body)
		if back.status != http.StatusOK || back.body != afterwards {
			t.Errorf("ends with %d %q at %s", back.status, back.body, back.at)
		}
		want := url.Values{
			"tenant": {"1"}, "client_id": {"client"}, "logout_hint": {"session-1"}, "state": w.up.left["state"],
			"post_logout_redirect_uri": {w.connections.PostLogoutRedirectURL("up")},
		}
		if w.up.left.Encode() != want.Encode() || len(w.up.left.Get("state")) < 22 || !strings.HasPrefix(want.Get("post_logout_redirect_uri"), w.URL+federated.PostLogoutPath) {
			t.Errorf("the provider was told %v", w.up.left)
		}
		if w.connections.PostLogoutRedirectURL("other") != "" {
			t.Error("there is a place for a connection that there is not")
		}
	}, signsOut)
}

// Nobody is sent anywhere where the connection does not say so, the provider has no logout or none that is safe, or the session rests on nothing
// of its: the logout ends here.
func TestNoSignOutUpstream(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T, edit ...func(*federated.Connection)) *world {
		t.Helper()
		return newWorld(t, storetest.Placement{Name: "together", Driver: memory.New()}, flow.Login("password", "up"), edit...)
	}
	for name, run := range map[string]func(t *testing.T) (*world, *browser){
		"not set": func(t *testing.T) (*world, *browser) {
			w := open(t)
			w.up.hasLogout(w.up.URL + "/logout")
			return w, w.signedIn()
		},
		"no endpoint": func(t *testing.T) (*world, *browser) {
			w := open(t, signsOut)
			return w, w.signedIn()
		},
		"hostile endpoint": func(t *testing.T) (*world, *browser) {
			w := open(t, signsOut)
			b := w.signedIn()
			w.up.hasLogout("javascript:alert(1)")
			w.reconnect(upConnection(w))
			return w, b
		},
		"endpoint in clear text": func(t *testing.T) (*world, *browser) {
			w := open(t, signsOut)
			b := w.signedIn()
			w.up.hasLogout("http://provider.example/logout")
			w.reconnect(upConnection(w))
			return w, b
		},
		"provider that is away": func(t *testing.T) (*world, *browser) {
			w := open(t, signsOut)
			w.up.hasLogout(w.up.URL + "/logout")
			b := w.signedIn()
			w.reconnect(upConnection(w))
			w.up.Close()
			return w, b
		},
		"password": func(t *testing.T) (*world, *browser) {
			w := open(t, signsOut)
			w.up.hasLogout(w.up.URL + "/logout")
			w.user("bob", "", false)
			b := w.browser()
			b.isIn(b.press(b.begin(), "login", "username", "bob", "password", goodPassword))
			return w, b
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := run(t)
			if p := b.open(w.URL + "/bye"); p.status != http.StatusOK || p.body != "" {
				t.Errorf("sent to %q with %d", p.body, p.status)
			}
			if b.begin().result() != nil {
				t.Error("still signed in")
			}
		})
	}
}

// Attack: a connection that was removed, or is another provider's by now, signs out somebody who had signed in by it, or takes them back.
func TestAttackSignOutByRemovedConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.Placement{Name: "together", Driver: memory.New()}, flow.Login("password", "up"), signsOut)
	w.up.hasLogout(w.up.URL + "/logout")
	away, b := w.signedIn(), w.signedIn()
	to := away.open(w.URL + "/bye").body
	for _, made := range []federated.Connection{
		{Name: "other", Provider: rp.Google("id", "secret", ""), RPInitiatedLogout: true},
		{Name: "up", Provider: rp.Google("id", "secret", ""), RPInitiatedLogout: true},
		{Name: "up", Provider: rp.Config{Issuer: w.up.URL, ClientID: "client", ClientSecret: "secret"}},
	} {
		w.reconnect(made)
		if p := b.open(w.URL + "/bye"); p.status != http.StatusOK || p.body != "" {
			t.Errorf("%s of %s: sent to %q with %d", made.Name, made.Provider.Issuer, p.body, p.status)
		}
		b = w.signedIn()
		if made.Provider.Issuer != w.up.URL {
			if p := away.open(to); p.status != http.StatusOK || p.body != "" {
				t.Errorf("%s of %s: taken back to %q with %d", made.Name, made.Provider.Issuer, p.body, p.status)
			}
		}
	}
}

// Attack: a state that is forged, another browser's, another connection's, expired, repeated or used takes somebody anywhere (open redirect, RFC 9700 §4.11): it
// takes them to our own page, and the place to go to is never in the request.
func TestAttackReturnFromSignOut(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w := newWorld(t, p, flow.Login("password", "up"), signsOut)
		w.up.hasLogout(w.up.URL + "/logout")
		leave := func() (*browser, string) {
			b := w.signedIn()
			at, err := url.Parse(b.open(w.URL + "/bye").body)
			w.must(err)
			return b, at.Query().Get("state")
		}
		at := w.connections.PostLogoutRedirectURL("up")
		victim, state := leave()
		thief, other := leave()
		for name, to := range map[string]string{
			"no state":               at,
			"forged":                 at + "?state=" + strings.Repeat("x", 43),
			"of another browser":     at + "?state=" + other,
			"another connection's":   w.URL + federated.PostLogoutPath + "down?state=" + state,
			"twice":                  at + "?state=" + state + "&state=" + state,
			"first of two":           at + "?state=" + state + "&state=x",
			"a place in the request": at + "?state=x&next=https://evil.example&post_logout_redirect_uri=https://evil.example",
			"an id with a place":     at + "?state=https://evil.example",
			"broken":                 at + "?state=%zz",
		} {
			if p := victim.open(to); p.status != http.StatusOK || p.body != "" {
				t.Errorf("%s: %d %q", name, p.status, p.body)
			}
		}
		if p := thief.open(at + "?state=" + state); p.body != "" {
			t.Errorf("in another browser: %q", p.body)
		}
		if p := victim.open(at + "?state=" + state); p.body != afterwards {
			t.Errorf("the right one: %d %q", p.status, p.body)
		}
		if p := victim.open(at + "?state=" + state); p.status != http.StatusOK || p.body != "" {
			t.Errorf("replayed: %q", p.body)
		}
		w.advance(time.Hour + time.Second)
		if p := thief.open(at + "?state=" + other); p.status != http.StatusOK || p.body != "" {
			t.Errorf("an hour later: %q", p.body)
		}
	})
}

// Attack: a return is brought many times at once: one goes on.
func TestAttackReturnFromSignOutAtOnce(t *testing.T) {
	everywhere(t, func(w *world) {
		w.up.hasLogout(w.up.URL + "/logout")
		b := w.signedIn()
		to, err := url.Parse(b.open(w.URL + "/bye").body)
		w.must(err)
		back := w.connections.PostLogoutRedirectURL("up") + "?state=" + to.Query().Get("state")
		var on atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				r, err := b.Get(back)
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = r.Body.Close() }()
				body, err := io.ReadAll(r.Body)
				if err != nil || r.StatusCode != http.StatusOK {
					t.Errorf("%d, %v", r.StatusCode, err)
				}
				if string(body) == afterwards {
					on.Add(1)
				}
			})
		}
		wg.Wait()
		if on.Load() != 1 {
			t.Errorf("%d go on", on.Load())
		}
	}, signsOut)
}

// A store that fails at any call of a logout upstream, or of the way back, is 503, and nobody goes anywhere; who is back tries again.
func TestFailingStoreAtSignOutUpstream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.Placement{Name: "together", Driver: memory.New()}, flow.Login("password", "up"), signsOut)
	w.up.hasLogout(w.up.URL + "/logout")
	failing := func(n int, b *browser, to string) (p page, reached bool) {
		w.faults.FailCall(n, nil)
		p = b.open(to)
		reached = !w.faults.Waits()
		w.faults.Heal()
		return p, reached
	}
	for n := 1; ; n++ {
		p, reached := failing(n, w.signedIn(), w.URL+"/bye")
		if !reached {
			break
		}
		if p.status != http.StatusServiceUnavailable {
			t.Errorf("call %d on the way out: %d %q", n, p.status, p.body)
		}
	}
	for n := 1; ; n++ {
		b := w.signedIn()
		to := b.open(w.URL + "/bye").body
		p, reached := failing(n, b, to)
		if !reached {
			break
		}
		if p.status != http.StatusServiceUnavailable {
			t.Errorf("call %d on the way back: %d %q", n, p.status, p.body)
		}
		if p = b.open(p.at.String()); p.body != afterwards {
			t.Errorf("call %d on the way back, again: %d %q", n, p.status, p.body)
		}
	}
}

// What cannot sign anybody out is refused where that can be known.
func TestRPInitiatedLogoutProblems(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.Placement{Name: "together", Driver: memory.New()}, flow.Login("password", "up"))
	for _, made := range []federated.Connection{
		{Name: "service", Service: &service.Endpoint{URL: "https://service.example"}},
		{Name: "github", Provider: rp.GitHub("id", "secret", "")},
	} {
		made.RPInitiatedLogout = true
		_, err := federated.New(federated.Config{DB: w.db, Directory: w.Directory, Issuer: w.URL, Connections: []federated.Connection{made}})
		if err == nil || !strings.Contains(err.Error(), "RPInitiatedLogout") {
			t.Errorf("%s: %v", made.Name, err)
		}
	}
}

// A session that is no more leads nowhere, and is no failure.
func TestSignOutOfNoSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.Placement{Name: "together", Driver: memory.New()}, flow.Login("password", "up"), signsOut)
	if to, err := w.connections.SignOut(nil, new(http.Request).WithContext(t.Context()), store.Ref{ID: store.NewID()}, afterwards); to != "" || err != nil {
		t.Errorf("%q, %v", to, err)
	}
}
