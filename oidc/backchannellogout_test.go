package oidc_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// withLogout turns the ways of logout on, for clients on loopback.
func withLogout(c *oidc.Config) {
	c.Features.BackChannelLogout = &oidc.BackChannelLogout{}
	c.Features.FrontChannelLogout = &oidc.FrontChannelLogout{}
	c.Features.SessionManagement = &oidc.SessionManagement{}
	c.Outbound.InsecureNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	c.Outbound.Timeout = time.Minute
}

// ears are a client's back-channel logout endpoint.
type ears struct {
	*httptest.Server
	mu     sync.Mutex
	tokens []string
	status int
	stuck  chan struct{} // until it is closed nobody is answered, and who waited is cut off; nil answers at once
	tries  int           // how often somebody waited
	told   chan struct{} // hears of every token, unless it is nil
}

// listens gives a client a back-channel logout endpoint.
func (h *harness) listens(clientID string, edit ...func(*oidc.Client)) *ears {
	h.tb.Helper()
	e := &ears{status: http.StatusOK}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e.stuck != nil {
			e.mu.Lock()
			e.tries++
			e.mu.Unlock()
			select {
			case <-e.stuck:
			case <-r.Context().Done():
			}
			panic(http.ErrAbortHandler)
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			h.tb.Errorf("%s with %q", r.Method, r.Header.Get("Content-Type"))
		}
		e.tokens = append(e.tokens, r.FormValue("logout_token"))
		if e.told != nil {
			e.told <- struct{}{}
		}
		w.WriteHeader(e.status)
	}))
	h.tb.Cleanup(e.Close)
	c := h.client(clientID)
	c.BackChannelLogoutURI = e.URL + "/logout"
	for _, do := range edit {
		do(c)
	}
	h.must(h.Clients.Replace(h.tb.Context(), c))
	h.clock.advance(2 * store.Staleness)
	return e
}

func (e *ears) heard() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.tokens)
}

func (e *ears) answers(status int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status = status
}

// logoutToken is what a logout token says, verified as a client does (Back-Channel Logout §2.6).
type logoutToken struct {
	Iss, Sub, Aud, JTI, SID string
	Iat, Exp                int64
	Events                  map[string]map[string]any
	Nonce                   *string
}

func (h *harness) openLogoutToken(token, algorithm string) logoutToken {
	h.tb.Helper()
	key := generatedKeys[algorithm]().Public()
	v := jose.Verifier{Types: []string{"logout+jwt"}}
	_, payload, err := v.Verify(token, func(jose.Header) (jose.PublicKey, error) {
		return jose.PublicKey{Algorithm: jose.Algorithm(algorithm), Key: key}, nil
	})
	h.must(err)
	var t logoutToken
	h.must(json.Unmarshal(payload, &t))
	return t
}

// logout ends the session by the person's wish.
func (h *harness) logout(pairs ...string) *answer {
	h.tb.Helper()
	b := h.newBrowser()
	return b.follow(b.get(pathLogout + "?" + values(pairs...).Encode()))
}

// Each client that took part is told once, with what OpenID Connect Back-Channel Logout 1.0 §2.4 asks for, and nobody else.
func TestBackChannelLogout(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		one, two, offline, stranger := h.listens(web), h.listens(vault), h.listens(mail), h.listens(spa)
		got := h.tokens(web, "scope", "openid")
		session := h.persona.lastSession()
		h.persona.acts(script{Session: session})
		h.tokens(web, "scope", "openid email") // again, which makes no second debt
		h.tokens(vault, "scope", "openid")
		h.tokens(mail, "scope", "openid offline_access")
		h.logout("id_token_hint", got.IDToken)
		select {
		case <-h.Due():
		default:
			t.Error("nobody was woken")
		}
		h.must(h.Maintain(t.Context()))
		h.must(h.Maintain(t.Context()))
		for name, client := range map[string]struct {
			*ears
			id, algorithm string
		}{"web": {one, web, "RS256"}, "vault": {two, vault, "ES256"}, "offline": {offline, mail, "PS256"}} {
			heard := client.heard()
			if len(heard) != 1 {
				t.Fatalf("%s was told %d times", name, len(heard))
			}
			token := h.openLogoutToken(heard[0], client.algorithm)
			now := h.clock.Now().Unix()
			if token.Iss != issuer || token.Aud != client.id || token.Sub != session.Subject.ID || token.SID != session.ID || token.JTI == "" ||
				token.Iat != now || token.Exp != now+120 || token.Nonce != nil || token.Events["http://schemas.openid.net/event/backchannel-logout"] == nil {
				t.Errorf("%s: %+v", name, token)
			}
		}
		if len(stranger.heard()) > 0 {
			t.Error("a client was told that took no part")
		}
	}, withLogout)
}

// However a session ends, clients learn of it (Back-Channel Logout §2).
func TestBackChannelLogoutHoweverItEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(h *harness, s *directory.Session) error{
		"administrator": func(h *harness, s *directory.Session) error {
			return h.people.Sessions.End(h.tb.Context(), s.Ref(), "administrator")
		},
		"disabled": func(h *harness, s *directory.Session) error {
			return h.people.Subjects.Disable(h.tb.Context(), s.Subject)
		},
		"revoked": func(h *harness, s *directory.Session) error {
			return h.people.Subjects.Revoke(h.tb.Context(), s.Subject)
		},
		"deleted": func(h *harness, s *directory.Session) error {
			u, err := h.people.FindUser(h.tb.Context(), "", ann)
			h.must(err)
			return h.people.DeleteUser(h.tb.Context(), u)
		},
		"password": func(h *harness, s *directory.Session) error {
			u, err := h.people.FindUser(h.tb.Context(), "", ann)
			h.must(err)
			return h.people.SetPassword(h.tb.Context(), u, "a new password of hers")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			placements(t, func(t *testing.T, h *harness) {
				one := h.listens(web)
				h.tokens(web, "scope", "openid")
				session := h.persona.lastSession()
				h.must(end(h, session))
				for range 3 {
					h.must(h.Maintain(t.Context()))
				}
				if heard := one.heard(); len(heard) != 1 || h.openLogoutToken(heard[0], "RS256").SID != session.ID {
					t.Errorf("told %d times", len(heard))
				}
			}, withLogout)
		})
	}
}

// A change of password leaves the session in which it was made, and its clients.
func TestBackChannelLogoutSparesTheKeptSession(t *testing.T) {
	t.Parallel()
	h := together(t, withLogout)
	one := h.listens(web)
	h.tokens(web, "scope", "openid")
	u, err := h.people.FindUser(t.Context(), "", ann)
	h.must(err)
	_, err = h.people.ChangePassword(t.Context(), u, "a new password of hers", h.persona.lastSession())
	h.must(err)
	h.must(h.Maintain(t.Context()))
	if n := len(one.heard()); n != 0 {
		t.Errorf("told %d times", n)
	}
}

// What fails is tried again with growing waits, as the same logout, and at last given up.
func TestBackChannelLogoutIsRepeated(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		one := h.listens(web)
		one.answers(http.StatusServiceUnavailable)
		got := h.tokens(web, "scope", "openid")
		h.logout("id_token_hint", got.IDToken)
		h.must(h.Maintain(t.Context()))
		h.must(h.Maintain(t.Context()))
		if n := len(one.heard()); n != 1 {
			t.Fatalf("told %d times at once", n)
		}
		h.clock.advance(11 * time.Second)
		h.must(h.Maintain(t.Context()))
		h.clock.advance(11 * time.Second)
		h.must(h.Maintain(t.Context()))
		if n := len(one.heard()); n != 2 {
			t.Fatalf("told %d times after 22 seconds", n)
		}
		one.answers(http.StatusNoContent)
		h.clock.advance(time.Minute)
		h.must(h.Maintain(t.Context()))
		h.clock.advance(24 * time.Hour)
		h.must(h.Maintain(t.Context()))
		heard := one.heard()
		if len(heard) != 3 {
			t.Fatalf("told %d times", len(heard))
		}
		first, last := h.openLogoutToken(heard[0], "RS256"), h.openLogoutToken(heard[2], "RS256")
		if first.JTI != last.JTI || last.Iat <= first.Iat || last.Exp <= h.clock.Now().Add(-24*time.Hour).Unix() {
			t.Errorf("%+v and %+v", first, last)
		}
	}, withLogout)
}

// A client that never answers is given up after store.MaxAttempts.
func TestBackChannelLogoutIsGivenUp(t *testing.T) {
	t.Parallel()
	h := together(t, withLogout)
	one := h.listens(web)
	one.answers(http.StatusBadRequest)
	got := h.tokens(web, "scope", "openid")
	h.logout("id_token_hint", got.IDToken)
	for range store.MaxAttempts + 5 {
		h.must(h.Maintain(t.Context()))
		h.clock.advance(7 * time.Hour)
	}
	if n := len(one.heard()); n != store.MaxAttempts {
		t.Errorf("told %d times", n)
	}
}

// One slow client delays nobody but itself.
func TestBackChannelLogoutPastASlowClient(t *testing.T) {
	t.Parallel()
	h := together(t, withLogout)
	slow, quick := h.listens(web), h.listens(vault)
	slow.stuck, quick.told = make(chan struct{}), make(chan struct{}, 5)
	for range 5 {
		h.persona.acts(script{})
		h.tokens(web, "scope", "openid")
		h.persona.acts(script{Session: h.persona.lastSession()})
		h.tokens(vault, "scope", "openid")
		h.must(h.people.Sessions.End(t.Context(), h.persona.lastSession().Ref(), "administrator"))
	}
	ended := make(chan error, 1)
	go func() { ended <- h.Maintain(t.Context()) }()
	for range 5 {
		select {
		case <-quick.told:
		case err := <-ended:
			t.Fatalf("it ended before the quick client was told: %v", err)
		}
	}
	close(slow.stuck)
	h.must(<-ended)
	if slow.mu.Lock(); slow.tries != 1 {
		t.Errorf("the slow client was tried %d times in a round", slow.tries)
	}
	slow.mu.Unlock()
}

// Nodes that deliver at once tell each client once.
func TestBackChannelLogoutOnManyNodes(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		one, two := h.listens(web), h.listens(vault)
		got := h.tokens(web, "scope", "openid")
		h.persona.acts(script{Session: h.persona.lastSession()})
		h.tokens(vault, "scope", "openid")
		h.logout("id_token_hint", got.IDToken)
		var nodes sync.WaitGroup
		for range 64 {
			nodes.Go(func() {
				if err := h.Maintain(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		nodes.Wait()
		h.must(h.Maintain(t.Context()))
		if len(one.heard()) != 1 || len(two.heard()) != 1 {
			t.Errorf("told %d and %d times", len(one.heard()), len(two.heard()))
		}
	}, withLogout)
}

// A store that fails at any call of the delivery loses no logout, and makes none of it twice but for the one whose receipt was lost.
func TestBackChannelLogoutOverFaults(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		h := together(t, withLogout)
		one := h.listens(web)
		got := h.tokens(web, "scope", "openid")
		h.logout("id_token_hint", got.IDToken)
		h.faults.Forget()
		h.faults.FailCall(n, nil)
		_ = h.Maintain(t.Context())
		reached := h.calls() >= n
		h.faults.Heal()
		for range 3 {
			h.clock.advance(2 * time.Minute)
			h.must(h.Maintain(t.Context()))
		}
		heard := one.heard()
		if len(heard) == 0 || len(heard) > 2 || h.openLogoutToken(heard[0], "RS256").JTI != h.openLogoutToken(heard[len(heard)-1], "RS256").JTI {
			t.Errorf("call %d: told %d times", n, len(heard))
		}
		if !reached {
			break
		}
	}
}

// RevokeWhenSessionEnded takes down what outlives the session too.
func TestRevokeWhenSessionEnded(t *testing.T) {
	t.Parallel()
	placements(t, func(t *testing.T, h *harness) {
		h.listens(web, func(c *oidc.Client) { c.RevokeWhenSessionEnded = true })
		h.listens(mail)
		ends := h.tokens(web, "scope", "openid offline_access")
		h.persona.acts(script{Session: h.persona.lastSession()})
		stays := h.tokens(mail, "scope", "openid offline_access")
		h.logout("id_token_hint", ends.IDToken)
		h.must(h.Maintain(t.Context()))
		if a := h.refresh(web, ends.RefreshToken); a.errorCode() != "invalid_grant" {
			t.Errorf("what was to end: %s", a)
		}
		if a := h.refresh(mail, stays.RefreshToken); a.Status != http.StatusOK {
			t.Errorf("what was to stay: %s", a)
		}
	}, withLogout)
}

// SSRF by a logout URI: what cannot be called is not registered, what resolves to an address inside is not called, and a redirect is not
// followed.
func TestAttackLogoutURIs(t *testing.T) {
	t.Parallel()
	h := together(t, withLogout, func(c *oidc.Config) { c.Outbound.InsecureNetworks = nil })
	for _, uri := range []string{
		"http://rp.example/logout", "https://rp.example/logout#x", "https://user@rp.example/logout", "file:///etc/passwd", "/logout",
		"https://127.0.0.1/logout", "https://[::1]/logout", "https://169.254.169.254/latest/meta-data", "https://10.0.0.1/logout", "javascript:alert(1)",
	} {
		c := h.client(web)
		c.BackChannelLogoutURI = uri
		err := h.Clients.Replace(t.Context(), c)
		if problem, ok := errors.AsType[*oidc.InvalidClientError](err); !ok || problem.Field != "backchannel_logout_uri" {
			// An address is judged when it is dialled; then the client is not told.
			if strings.HasPrefix(uri, "https://") && !strings.ContainsAny(uri, "#@") {
				continue
			}
			t.Errorf("%s: %v", uri, err)
		}
	}
	inside := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the inside was called") }))
	t.Cleanup(inside.Close)
	c := h.client(vault)
	c.BackChannelLogoutURI = inside.URL
	if err := h.Clients.Replace(t.Context(), c); err == nil {
		h.tokens(vault, "scope", "openid")
		h.must(h.people.Sessions.End(t.Context(), h.persona.lastSession().Ref(), "administrator"))
		h.must(h.Maintain(t.Context()))
	}

	open := together(t, withLogout)
	target := open.listens(vault)
	redirect := httptest.NewServer(http.RedirectHandler(target.URL, http.StatusTemporaryRedirect))
	t.Cleanup(redirect.Close)
	open.listens(web, func(c *oidc.Client) { c.BackChannelLogoutURI = redirect.URL })
	open.tokens(web, "scope", "openid")
	open.must(open.people.Sessions.End(t.Context(), open.persona.lastSession().Ref(), "administrator"))
	open.must(open.Maintain(t.Context()))
	if n := len(target.heard()); n != 0 {
		t.Errorf("a redirect was followed %d times", n)
	}
}

// Without the consumers, nothing would ever be told: that is no configuration.
func TestBackChannelLogoutNeedsItsConsumers(t *testing.T) {
	t.Parallel()
	h := together(t)
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	h.must(err)
	db, err := store.Open(store.Config{Driver: h.faults, Keys: ring})
	h.must(err)
	dir, err := directory.New(directory.Config{DB: db, Hasher: cheapHasher()})
	h.must(err)
	_, err = oidc.New(oidc.Config{
		Issuer: issuer, DB: db, Directory: dir, Keys: staticKeys{}, Interact: h.persona.Interact,
		Features: oidc.Features{BackChannelLogout: &oidc.BackChannelLogout{TokenLifetime: time.Hour}},
	})
	if err == nil || !strings.Contains(err.Error(), "Features.Consumers") || !strings.Contains(err.Error(), "TokenLifetime") {
		t.Errorf("got %v", err)
	}
}
