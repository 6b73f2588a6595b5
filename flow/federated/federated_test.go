package federated_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// Somebody comes for the first time, and then again: one account, one link.
func TestFirstContact(t *testing.T) {
	everywhere(t, func(w *world) {
		b := w.browser()
		p := b.signIn()
		u := b.isIn(p)
		if u.Username != "ann@example.com" || u.Email != "ann@example.com" || !u.EmailVerified || u.Name != "Ann Upstream" {
			t.Errorf("account %+v", u)
		}
		evidence := p.result().Evidence
		if len(evidence) != 1 || evidence[0].Method != directory.Federated || evidence[0].Issuer != w.up.URL || evidence[0].IssuerSession != "session-1" {
			t.Errorf("evidence %+v", evidence)
		}
		if a := directory.Assess(evidence); a.ACR != directory.ACR1 {
			t.Errorf("worth %+v", a)
		}
		again := w.browser()
		if second := again.isIn(again.signIn()); second.ID != u.ID || second.Version != u.Version {
			t.Errorf("the second time it is %+v", second)
		}
		links, err := w.connections.Links(t.Context(), u.Ref())
		if err != nil || len(links) != 1 || links[0].ExternalID != "upstream-1" || links[0].Label != "ann@example.com" {
			t.Errorf("links %v, %v", links, err)
		}
		if who, err := w.connections.Linked(t.Context(), links[0].Issuer, "upstream-1"); err != nil || who != links[0].Subject {
			t.Errorf("linked with %v, %v", who, err)
		}
		if _, err := w.connections.Linked(t.Context(), links[0].Issuer, "upstream-2"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("somebody else is linked: %v", err)
		}
		if p := b.begin(); p.result() == nil { // the session that it has begun
			t.Errorf("asked again: %s", p.body)
		}
	})
}

// A browser that says that the provider has sent it here goes on from a page of ours, with its session: a redirect would be held to the form-action
// of the provider's page, which knows nothing of the application.
func TestWayOnFromAPage(t *testing.T) {
	everywhere(t, func(w *world) {
		for _, site := range []string{"cross-site", "same-site"} {
			b := w.browser()
			r, err := http.NewRequest(http.MethodGet, b.leave(b.begin()), nil)
			w.must(err)
			r.Header.Set("Sec-Fetch-Site", site)
			p := b.answer(b.Do(r))
			if p.status != http.StatusOK || p.at.Path != flow.CallbackPath+"up" {
				t.Fatalf("%s: %d at %s", site, p.status, p.at)
			}
			to, ok := strings.CutPrefix(p.header.Get("Refresh"), "0;url=/")
			if !ok || !strings.Contains(p.body, `href="/`+strings.ReplaceAll(to, "&", "&amp;")+`"`) {
				t.Fatalf("%s: it does not go on: %q\n%s", site, p.header.Get("Refresh"), p.body)
			}
			b.isIn(b.open(b.URL + "/" + to))
		}
	})
}

// Somebody who chooses another way, refuses, or whose provider fails, is where they were.
func TestWaysBack(t *testing.T) {
	everywhere(t, func(w *world) {
		w.user("ann", "", false)
		b := w.browser()
		p := b.begin()
		if !strings.Contains(p.body, "Continue with Upstream Inc.") && !strings.Contains(p.body, "Upstream Inc.") {
			t.Fatalf("not offered: %s", p.body)
		}
		w.up.refuse = "access_denied"
		p = b.open(b.leave(p))
		b.isOut(p, "did not sign you in")
		w.up.refuse = "temporarily_unavailable"
		p = b.press(p, "federated")
		p = b.open(strings.TrimPrefix(p.header.Get("Refresh"), "0;url="))
		b.isOut(p, "Something went wrong")
		p = b.press(p, "method_password")
		p = b.press(p, "login", "username", "ann", "password", goodPassword)
		if u := b.isIn(p); u.Username != "ann" {
			t.Errorf("signed in as %s", u.Username)
		}
	})
}

// What an application demands is handed on, and what comes back must fulfil it (OpenID Connect Core §3.1.2.1).
func TestFreshProof(t *testing.T) {
	everywhere(t, func(w *world) {
		w.up.says("auth_time", w.Now().Add(-time.Hour).Unix())
		b := w.browser()
		p := b.signIn()
		b.isIn(p)
		if a := directory.Assess(p.result().Evidence); !a.AuthTime.Equal(w.Now().Add(-time.Hour)) {
			t.Errorf("auth_time %v", a.AuthTime)
		}
		w.in.Reauthenticate = true
		b.isOut(b.signIn(), "Something went wrong")
		if w.up.asked.Get("prompt") != "login" || w.up.asked.Get("max_age") != "0" {
			t.Errorf("asked %v", w.up.asked)
		}
		w.up.says("auth_time", w.Now().Unix())
		b.isIn(b.signIn())
		w.up.says("auth_time", nil)
		b.isOut(b.signIn(), "Something went wrong")
	})
}

// Two factors there are two here when the provider is trusted to have seen them.
func TestTrustedAMR(t *testing.T) {
	everywhere(t, func(w *world) {
		w.up.says("amr", []string{"pwd", "otp", "mfa"})
		w.in.ACR, w.in.EssentialACR = []string{directory.ACR2}, true
		b := w.browser()
		p := b.signIn()
		b.isIn(p)
		if a := directory.Assess(p.result().Evidence); a.ACR != directory.ACR2 || !slices.Contains(a.AMR, "otp") {
			t.Errorf("worth %+v", a)
		}
	}, func(c *federated.Connection) { c.TrustAMR = true })
}

// Linking by an address takes two verdicts.
func TestLinkByEmail(t *testing.T) {
	everywhere(t, func(w *world) {
		u := w.user("ann", "Ann@Example.com", true)
		b := w.browser()
		if who := b.isIn(b.signIn()); who.ID != u.ID {
			t.Errorf("signed in as %+v", who)
		}
	}, func(c *federated.Connection) { c.LinkByEmail = true })
}

// Without Create, only who is linked is let in.
func TestNobodyIsCreated(t *testing.T) {
	everywhere(t, func(w *world) {
		b := w.browser()
		b.isOut(b.signIn(), "Nobody here is connected")
	}, func(c *federated.Connection) { c.Create = false })
}

// A disabled person stays out; a deleted one comes for the first time.
func TestDisabledAndDeleted(t *testing.T) {
	everywhere(t, func(w *world) {
		b := w.browser()
		first := b.isIn(b.signIn())
		w.must(w.Subjects.Disable(t.Context(), first.Ref()))
		b = w.browser()
		b.isOut(b.signIn(), "cannot sign in")
		w.must(w.Subjects.Enable(t.Context(), first.Ref()))
		first, err := w.Users.Find(t.Context(), "", directory.Identifier{Name: directory.ByID, Value: first.ID})
		w.must(err)
		w.must(w.DeleteUser(t.Context(), first))
		if links, err := w.connections.Links(t.Context(), first.Ref()); err != nil || len(links) > 0 {
			t.Errorf("links of somebody who was deleted: %v (%v)", links, err)
		}
		if second := b.isIn(b.signIn()); second.ID == first.ID {
			t.Error("a deleted person has come back")
		}
	})
}

// The last way in stays.
func TestUnlink(t *testing.T) {
	everywhere(t, func(w *world) {
		b := w.browser()
		u := b.isIn(b.signIn())
		links, err := w.connections.Links(t.Context(), u.Ref())
		w.must(err)
		unlink := func(want error, s *directory.Subject, within *directory.Session) {
			t.Helper()
			if err := w.connections.Unlink(t.Context(), s, within, links[0]); !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
		}
		subject := func(u *directory.User) *directory.Subject {
			t.Helper()
			s, err := w.SubjectOf(t.Context(), u)
			w.must(err)
			return s
		}
		unlink(directory.ErrLastWayIn, subject(u), nil)
		before := subject(u)
		w.must(w.SetPassword(t.Context(), u, goodPassword)) // which ends all that was issued
		unlink(directory.ErrChainBroken, before, nil)
		unlink(store.ErrNotFound, subject(w.user("bob", "", false)), nil)
		unlink(nil, subject(u), nil)
		b = w.browser()
		b.isOut(b.signIn(), "An account with your email address is here already")
	})
}

// What a provider says that does not fit here is left out, and a name that is taken is not taken away.
func TestOddClaims(t *testing.T) {
	everywhere(t, func(w *world) {
		w.user("ann", "", false)
		w.up.says("preferred_username", "ann")
		w.up.says("email_verified", false)
		w.up.says("name", strings.Repeat("x", 300))
		w.up.says("picture", "javascript:alert(1)")
		w.up.says("locale", "not a language tag!")
		b := w.browser()
		u := b.isIn(b.signIn())
		if !strings.HasPrefix(u.Username, "up-") || u.Name != "" || u.Picture != "" || u.Locale != "" || u.Email != "" {
			t.Errorf("account %+v", u)
		}
	})
}

// A form from the provider comes without the Lax cookie, and is brought again by a request of the browser's own.
func TestFormPost(t *testing.T) {
	everywhere(t, func(w *world) {
		b := w.browser()
		to := b.leave(b.begin())
		b.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(r.URL.Path, "/flow/callback/") {
				return http.ErrUseLastResponse
			}
			return nil
		}
		back := b.open(to).header.Get("Location")
		b.CheckRedirect = nil
		callback, err := url.Parse(back)
		w.must(err)
		foreign := &http.Client{Transport: w.Client().Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		r, err := foreign.Post(w.URL+callback.Path, "application/x-www-form-urlencoded", strings.NewReader(callback.RawQuery))
		w.must(err)
		_ = r.Body.Close()
		if r.StatusCode != http.StatusSeeOther {
			t.Fatalf("status %d", r.StatusCode)
		}
		b.isIn(b.open(w.URL + r.Header.Get("Location")))
	})
}

// A provider that signs its responses brings a browser back into its flow, and into no other browser's.
func TestSignedResponse(t *testing.T) {
	everywhere(t, func(w *world) {
		b := w.browser()
		to := b.leave(b.begin())
		b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		back := b.open(to).header.Get("Location")
		b.CheckRedirect = nil
		if p := w.browser().open(back); p.result() != nil {
			t.Errorf("another browser: %s", p.body)
		}
		b.isIn(b.open(back))
	}, func(c *federated.Connection) { c.Provider.SignedResponse = true })
}

// So does one that encrypts them too (JARM §2.4, step 1). What is encrypted to another key leads to no flow.
func TestEncryptedResponse(t *testing.T) {
	key, other := curveKey(t), curveKey(t)
	everywhere(t, func(w *world) {
		w.up.encrypts(key.Public())
		b := w.browser()
		b.isIn(b.signIn())
		w.up.encrypts(other.Public())
		b = w.browser()
		b.isOut(b.open(b.leave(b.begin())), "This page is too old")
	}, func(c *federated.Connection) {
		c.Provider.SignedResponse = true
		c.Provider.DecryptionKeys = []rp.DecryptionKey{{ID: "c", Algorithm: "ECDH-ES", Key: key}}
	})
}

func curveKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// OpenID Connect Back-Channel Logout 1.0 §2.7: with a session that one ends, without one all that rest on the person's word there.
func TestUpstreamLogout(t *testing.T) {
	everywhere(t, func(w *world) {
		post := func(claims map[string]any) int {
			claims["jti"], claims["events"] = store.NewID(), map[string]any{rp.LogoutEvent: map[string]any{}}
			form := url.Values{"logout_token": {w.up.signed(claims, "logout+jwt")}}
			r, err := new(http.Client).PostForm(w.URL+federated.LogoutPath+"up", form)
			w.must(err)
			_ = r.Body.Close()
			if r.Header.Get("Cache-Control") != "no-store" {
				t.Error("the answer may be stored")
			}
			return r.StatusCode
		}
		one, two := w.browser(), w.browser()
		one.isIn(one.signIn())
		w.up.says("sid", "session-2")
		two.isIn(two.signIn())
		if status := post(map[string]any{"sid": "session-1"}); status != http.StatusOK {
			t.Errorf("status %d", status)
		}
		if one.begin().result() != nil || two.begin().result() == nil {
			t.Error("the logout of one session has ended another, or not its own")
		}
		if status := post(map[string]any{"sub": "upstream-1"}); status != http.StatusOK {
			t.Errorf("status %d", status)
		}
		if two.begin().result() != nil {
			t.Error("the logout of a person has left a session")
		}
		if status := post(map[string]any{"sub": "nobody"}); status != http.StatusOK {
			t.Errorf("status %d", status)
		}
		if status := post(map[string]any{"sub": "upstream-1", "nonce": "x"}); status != http.StatusBadRequest {
			t.Errorf("status %d", status)
		}
	})
}

// Somebody who clicks twice, or whose browser asks twice, is signed in once; the code is redeemed once.
func TestAnswerTwice(t *testing.T) {
	everywhere(t, func(w *world) {
		b := w.browser()
		to := b.leave(b.begin())
		b.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(r.URL.Path, "/flow/callback/") {
				return http.ErrUseLastResponse
			}
			return nil
		}
		back := b.open(to).header.Get("Location")
		b.CheckRedirect = nil
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				r, err := b.Get(back)
				if err != nil {
					t.Error(err)
					return
				}
				_ = r.Body.Close()
				if r.StatusCode != http.StatusOK {
					t.Errorf("status %d", r.StatusCode)
				}
			})
		}
		wg.Wait()
		u := b.isIn(b.open(back))
		subject, err := w.Subjects.Get(t.Context(), u.Ref())
		w.must(err)
		sessions, err := w.Sessions.ListBySubject(t.Context(), subject)
		if err != nil || len(sessions) != 1 || len(w.up.used) != 1 {
			t.Errorf("%d sessions, %d codes, %v", len(sessions), len(w.up.used), err)
		}
	})
}

// New names every problem.
func TestNew(t *testing.T) {
	t.Parallel()
	if _, err := federated.New(federated.Config{}); err == nil || !strings.Contains(err.Error(), "Config.DB") || !strings.Contains(err.Error(), "Issuer") {
		t.Errorf("got %v", err)
	}
	w := newWorld(t, storetest.Placement{Name: "together", Driver: memory.New()}, flow.Login("password", "up"))
	for _, names := range [][]string{{"password"}, {"magic"}, {"twice", "twice"}, {"one", "one-link"}, {"one-link", "one"}} {
		var made []federated.Connection
		for _, name := range names {
			made = append(made, federated.Connection{Name: name, Provider: rp.Google("id", "secret", "")})
		}
		_, err := federated.New(federated.Config{DB: w.db, Directory: w.Directory, Issuer: w.URL, Connections: made})
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("Connections[%d]", len(names)-1)) {
			t.Errorf("connections called %q: %v", names, err)
		}
	}
	unknown := federated.Connection{Name: "up", Provider: rp.Google("id", "secret", ""), Sync: federated.SyncNone + 1}
	_, err := federated.New(federated.Config{DB: w.db, Directory: w.Directory, Issuer: w.URL, Connections: []federated.Connection{unknown}})
	if err == nil || !strings.Contains(err.Error(), "Sync: 3") {
		t.Errorf("a Sync that there is not: %v", err)
	}
}
