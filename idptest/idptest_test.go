package idptest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

const callback = "http://127.0.0.1/callback"

// everywhere runs a test over one store for everything, and with a separate one for what is ephemeral.
func everywhere(t *testing.T, test func(t *testing.T, idp *idptest.Server)) {
	t.Helper()
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		t.Parallel()
		test(t, idptest.New(t, func(c *signet.Config) { c.Store, c.Ephemeral = p.Driver, p.Ephemeral }))
	})
}

func prompt(value string) oauth2.AuthCodeOption { return oauth2.SetAuthURLParam("prompt", value) }

// get does a request with an access token and returns the status of the answer.
func get(t *testing.T, idp *idptest.Server, path string, tokens *idptest.Tokens) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, idp.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	tokens.SetAuthHeader(r)
	response, err := idp.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	return response.StatusCode
}

const userInfo = "/oauth2/userinfo"

// An edit changes the wiring: a path, TLS, a store of its own, a clock that starts elsewhere.
func TestEdits(t *testing.T) {
	t.Parallel()
	began := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	for name, start := range map[string]func(testing.TB, ...func(*signet.Config)) *idptest.Server{"http": idptest.New, "https": idptest.NewTLS} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			driver := &closing{Driver: memory.New()}
			t.Cleanup(func() {
				if !driver.closed {
					t.Error("the store was not closed")
				}
			})
			idp := start(t, func(c *signet.Config) {
				c.Issuer += "/tenant"
				c.Store, c.Ephemeral = driver, memory.New()
				c.Now = func() time.Time { return began }
			})
			if !strings.HasPrefix(idp.URL, name+"://") || !strings.HasSuffix(idp.URL, "/tenant") {
				t.Errorf("issuer %s", idp.URL)
			}
			tokens := idp.SignIn(idp.User("ann"), idp.App("https://shop.example.com/callback"))
			if got := int64(tokens.Claims["iat"].(float64)); got != began.Unix() || !idp.Now().Equal(began) {
				t.Errorf("issued at %d, now %v, want %v", got, idp.Now(), began)
			}
			if !driver.used.Load() {
				t.Error("the store was not used")
			}
		})
	}
}

// closing is a store that notices whether it is used and closed.
type closing struct {
	store.Driver
	used   atomic.Bool
	closed bool
}

func (c *closing) Apply(ctx context.Context, now time.Time, ops ...store.Op) ([]store.Result, error) {
	c.used.Store(true)
	return c.Driver.Apply(ctx, now, ops...)
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

// Servers that run beside one another know nothing of one another's people, clients, clocks and failures.
func TestServersAreApart(t *testing.T) {
	t.Parallel()
	var all [8]*idptest.Server
	for i := range all {
		all[i] = idptest.New(t)
	}
	for i, idp := range all {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			idp.Advance(time.Duration(i) * time.Hour)
			tokens := idp.SignIn(idp.User("ann"), idp.App(callback))
			if i%2 == 1 {
				idp.Fail(nil)
			}
			want := map[bool]int{true: http.StatusOK, false: http.StatusServiceUnavailable}[i%2 == 0]
			if got := get(t, idp, userInfo, tokens); got != want {
				t.Errorf("its own token: %d, want %d", got, want)
			}
			idp.Heal()
			if got := get(t, all[(i+1)%len(all)], userInfo, tokens); got == http.StatusOK {
				t.Error("a neighbour takes the token")
			}
		})
	}
}

func TestConcurrentUse(t *testing.T) {
	everywhere(t, func(t *testing.T, idp *idptest.Server) {
		app := idp.App(callback)
		var wg sync.WaitGroup
		for i := range 8 {
			user := idp.User(fmt.Sprint("user", i))
			wg.Go(func() {
				defer idp.Advance(time.Second)
				r := app.Request()
				tokens, err := r.Redeem(idp.Browser().Open(r.URL).SignIn(user))
				if err != nil || tokens.Claims["sub"] != user.ID {
					t.Errorf("got %v, %v", tokens, err)
				}
			})
		}
		wg.Wait()
	})
}

// A store that is down is 503 everywhere, never somebody refused and never somebody let in.
func TestFail(t *testing.T) {
	everywhere(t, func(t *testing.T, idp *idptest.Server) {
		ann, app := idp.User("ann"), idp.App(callback)
		tokens := idp.SignIn(ann, app)
		page := idp.Browser().Open(app.Request().URL)

		idp.Fail(nil)
		if got := page.Fill("username", "ann").Fill("password", idptest.Password).Submit("login"); got.Status != http.StatusServiceUnavailable ||
			!strings.Contains(got.Text("error"), "temporarily_unavailable") || got.Header.Get("Retry-After") == "" {
			t.Errorf("login: %v", got)
		}
		if got := idp.Browser().Open(app.Request().URL); got.Status != http.StatusServiceUnavailable {
			t.Errorf("authorize: %v", got)
		}
		if got := get(t, idp, userInfo, tokens); got != http.StatusServiceUnavailable {
			t.Errorf("userinfo: %d", got)
		}
		if _, err := tokens.Refresh(); status(err) != http.StatusServiceUnavailable {
			t.Errorf("refresh: %v", err)
		}
		if !strings.Contains(idp.Log(), storetest.ErrInjected.Error()) {
			t.Error("the cause is not in the log")
		}

		idp.Heal()
		page.Fill("username", "ann").Fill("password", idptest.Password).Submit("login")
		if _, err := tokens.Refresh(); err != nil {
			t.Errorf("after Heal: %v", err)
		}
	})
}

// Faults fails what a test chooses, with the error it chooses.
func TestFaults(t *testing.T) {
	everywhere(t, func(t *testing.T, idp *idptest.Server) {
		app := idp.App(callback)
		idp.Faults.FailNext(storetest.MethodApply, context.DeadlineExceeded)
		if got := idp.Browser().Open(app.Request().URL); got.Status != http.StatusServiceUnavailable {
			t.Errorf("the write that fails: %v", got)
		}
		if got := idp.Browser().Open(app.Request().URL); got.Status != http.StatusOK {
			t.Errorf("the one after: %v", got)
		}
	})
}

// status is the HTTP status of a refusal by the token endpoint.
func status(err error) int {
	refusal, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		return 0
	}
	return refusal.Response.StatusCode
}

// The log holds what happened and no secret.
func TestLogHoldsNoSecret(t *testing.T) {
	everywhere(t, func(t *testing.T, idp *idptest.Server) {
		ann, app := idp.User("ann"), idp.App(callback)
		code := idp.EnrollTOTP(ann).Code()
		tokens := idp.SignIn(ann, app)
		idp.Browser().Open(app.Request().URL).Fill("username", "ann").Fill("password", "wrong password").Submit("login")
		idp.Fail(nil)
		idp.Browser().Open(app.Request().URL)
		log := idp.Log()
		if log == "" {
			t.Error("nothing was logged")
		}
		for name, secret := range map[string]string{
			"password": idptest.Password, "wrong password": "wrong password", "one-time code": code, "client secret": app.ClientSecret,
			"access token": tokens.AccessToken, "refresh token": tokens.RefreshToken, "ID token": tokens.IDToken,
		} {
			if strings.Contains(log, secret) {
				t.Errorf("the log holds the %s:\n%s", name, log)
			}
		}
	})
}

// What goes wrong ends the test, and says where.
func TestFatal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		want string
		do   func(idp *idptest.Server)
	}{
		"wrong wiring":     {"Config.Keys", func(idp *idptest.Server) { idptest.New(idp.TB(), func(c *signet.Config) { c.Keys = nil }) }},
		"no store":         {"Config.Store", func(idp *idptest.Server) { idptest.New(idp.TB(), func(c *signet.Config) { c.Store = nil }) }},
		"name taken":       {"username", func(idp *idptest.Server) { idp.User("ann"); idp.User("Ann") }},
		"bad redirect URI": {"redirect_uris", func(idp *idptest.Server) { idp.App("http://shop.example.com/callback") }},
		"wrong person": {"ann gets no further", func(idp *idptest.Server) {
			ann := idp.User("ann")
			if err := idp.Provider.Directory.SetPassword(idp.TB().Context(), ann, "another password"); err != nil {
				return
			}
			idp.SignIn(ann, idp.App(callback))
		}},
		"nothing to answer": {"gets no further", func(idp *idptest.Server) { idp.Browser().Open(idp.URL + "/login").SignIn(idp.User("ann")) }},
		"no field": {`no field "otp"`, func(idp *idptest.Server) {
			idp.Browser().Open(idp.App(callback).Request().URL).Fill("otp", "1")
		}},
		"no button": {`no button "logout"`, func(idp *idptest.Server) {
			idp.Browser().Open(idp.App(callback).Request().URL).Submit("logout")
		}},
		"refused request": {"cannot sign ann in: oidc: login_required", func(idp *idptest.Server) {
			idp.SignIn(idp.User("ann"), idp.App(callback), prompt("none"))
		}},
		"consent not asked": {"was not asked", func(idp *idptest.Server) {
			_ = idp.Deny(idp.User("ann"), idp.App(callback, func(a *idptest.App) { a.Application.SkipConsent = true }))
		}},
		"lost authenticator": {"no authenticator app", func(idp *idptest.Server) {
			ann := idp.User("ann")
			idp.EnrollTOTP(ann)
			idp.Lose(ann)
			idp.SignIn(ann, idp.App(callback))
		}},
		"lost phone": {"ann has no phone", func(idp *idptest.Server) {
			ann := idp.User("ann")
			idp.EnrollPush(ann)
			idp.Lose(ann)
			idp.SignIn(ann, idp.App(callback))
		}},
		"a phone that nobody asks": {"nothing has arrived", func(idp *idptest.Server) { idp.EnrollPush(idp.User("ann")).Deny() }},
		"a phone that answers twice": {"not taken", func(idp *idptest.Server) {
			ann := idp.User("ann")
			phone := idp.EnrollPush(ann)
			idp.SignIn(ann, idp.App(callback))
			phone.Deny()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := fatal(t, c.do); !strings.Contains(got, c.want) {
				t.Errorf("the test ends with %q, want %q in it", got, c.want)
			}
		})
	}
}

// fatal runs a test that must end by Fatal, and returns how it ended.
func fatal(t *testing.T, do func(idp *idptest.Server)) string {
	t.Helper()
	tb := &recorder{TB: t}
	var wg sync.WaitGroup
	wg.Go(func() { do(idptest.New(tb)) })
	wg.Wait()
	return tb.said
}

// recorder is a test that may fail.
type recorder struct {
	testing.TB
	said string
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Failed() bool { return r.said != "" }
