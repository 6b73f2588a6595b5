package redis_test

import (
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/redis"
	"github.com/signet-idp/signet/store/sqlstore/sqlite"
)

const callback = "https://shop.example.com/callback"

func silent() oauth2.AuthCodeOption { return oauth2.SetAuthURLParam("prompt", "none") }

// losses are the ways in which Redis forgets everything.
var losses = map[string]func(*testing.T, *testenv.RedisServer){
	"flush": func(t *testing.T, server *testenv.RedisServer) { t.Helper(); server.Flush(t) },
	"restart": func(t *testing.T, server *testenv.RedisServer) {
		t.Helper()
		server.Kill(t)
		server.Restart(t)
	},
}

// everyLoss runs a test over each durable store and each loss, with an identity provider of its own.
func everyLoss(t *testing.T, test func(t *testing.T, idp *idptest.Server, lose func())) {
	t.Parallel()
	drivers := map[string]func(*testing.T) store.Driver{
		"memory": func(*testing.T) store.Driver { return memory.New() },
		"sqlite": func(t *testing.T) store.Driver {
			t.Helper()
			driver, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), sqlite.Config{})
			if err != nil {
				t.Fatal(err)
			}
			return driver
		},
	}
	for name, driver := range drivers {
		for loss, lose := range losses {
			t.Run(name+"/"+loss, func(t *testing.T) {
				t.Parallel()
				server := testenv.Redis(t)
				idp := provider(t, driver(t), single(server))
				test(t, idp, func() {
					lose(t, server)
					await(t, idp)
				})
			})
		}
	}
}

func provider(t *testing.T, driver store.Driver, config redis.Config) *idptest.Server {
	t.Helper()
	s := open(t, config)
	return idptest.New(t, func(c *signet.Config) { c.Store, c.Ephemeral = driver, s })
}

// await waits until the provider is ready again, without a restart of its own.
func await(t *testing.T, idp *idptest.Server) {
	t.Helper()
	until(t, func() error { return idp.Provider.Ready(t.Context()) })
}

func refusedWith(err error, code string) bool {
	refusal, ok := errors.AsType[*oauth2.RetrieveError](err)
	return ok && refusal.ErrorCode == code
}

// A sign-in that was under way when Redis forgot starts over; sessions, tokens and accounts are as they were.
func TestLossInTheMiddleOfSignIn(t *testing.T) {
	everyLoss(t, func(t *testing.T, idp *idptest.Server, lose func()) {
		ann, app, b := idp.User("ann"), idp.App(callback), idp.Browser()
		idp.EnrollTOTP(ann)
		tokens := b.SignIn(ann, app)
		request := app.Request()
		page := idp.Browser().Open(request.URL)
		for range 2 { // before the password, and between it and the second factor
			lose()
			page = page.Fill("username", "ann").Fill("password", idptest.Password).Submit("login")
			if page.Has("otp") {
				t.Fatalf("a lost flow went on: %v", page)
			}
			page = page.Fill("username", "ann").Fill("password", idptest.Password).Submit("login")
			if !page.Has("otp") {
				t.Fatalf("no second factor: %v", page)
			}
			lose()
			if page = page.Fill("otp", "000000").Submit("login"); !page.Has("password") {
				t.Fatalf("what was proven outlived its loss: %v", page)
			}
		}
		if _, err := request.Redeem(page.SignIn(ann)); err != nil {
			t.Errorf("the sign-in does not start over: %v", err)
		}
		if _, err := tokens.Refresh(); err != nil {
			t.Errorf("the refresh token: %v", err)
		}
		if again := b.SignIn(ann, app, silent()); again.Claims["sid"] != tokens.Claims["sid"] {
			t.Error("the session is another")
		}
		page = idp.Browser().Open(app.Request().URL)
		lose()
		if page = page.Fill("username", "ann").Fill("password", "wrong").Submit("login"); !page.Has("password") {
			t.Errorf("after a loss: %v", page)
		}
	})
}

// A code that was redeemed is refused after every loss, and what it had brought is revoked as after any reuse; one that
// was lost brings nothing.
func TestCodesAreUsedOnce(t *testing.T) {
	everyLoss(t, func(t *testing.T, idp *idptest.Server, lose func()) {
		ann, app, b := idp.User("ann"), idp.App(callback), idp.Browser()
		b.SignIn(ann, app)
		used, unused := app.Request(silent()), app.Request(silent())
		usedAnswer, unusedAnswer := b.Open(used.URL), b.Open(unused.URL)
		tokens, err := used.Redeem(usedAnswer)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			lose()
			if _, err := used.Redeem(usedAnswer); !refusedWith(err, "invalid_grant") {
				t.Errorf("a used code: %v", err)
			}
			if _, err := unused.Redeem(unusedAnswer); !refusedWith(err, "invalid_grant") {
				t.Errorf("a lost code: %v", err)
			}
		}
		if _, err := tokens.Refresh(); !refusedWith(err, "invalid_grant") {
			t.Errorf("a code was presented twice, and what it had brought still works: %v", err)
		}
	})
}

// Many redeem one code at once while Redis forgets again and again: at most one of them gets tokens.
func TestRacesThroughLosses(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	idp := provider(t, memory.New(), single(server))
	ann, app, b := idp.User("ann"), idp.App(callback), idp.Browser()
	b.SignIn(ann, app)
	var redeemed, refused, failed int64
	for range 25 {
		request := app.Request(silent())
		answer := b.Open(request.URL)
		var winners, losers, others atomic.Int64
		var all sync.WaitGroup
		for n := range 8 {
			all.Go(func() {
				if n == 4 {
					server.Flush(t)
					return
				}
				switch _, err := request.Redeem(answer); {
				case err == nil:
					winners.Add(1)
				case refusedWith(err, "invalid_grant"):
					losers.Add(1)
				default:
					others.Add(1)
				}
			})
		}
		all.Wait()
		if winners.Load() > 1 {
			t.Errorf("one code brought tokens %d times", winners.Load())
		}
		redeemed, refused, failed = redeemed+winners.Load(), refused+losers.Load(), failed+others.Load()
	}
	t.Logf("25 codes: %d redeemed, %d times refused, %d times failed", redeemed, refused, failed)
}

// A locked account stays locked, whatever Redis forgets.
func TestLossUnlocksNobody(t *testing.T) {
	everyLoss(t, func(t *testing.T, idp *idptest.Server, lose func()) {
		ann, app := idp.User("ann"), idp.App(callback)
		subject, err := idp.Provider.Directory.Subjects.Get(t.Context(), ann.Ref())
		if err != nil {
			t.Fatal(err)
		}
		locked := func() bool {
			t.Helper()
			locks, err := idp.Provider.Directory.Locks.Of(t.Context(), subject.Ref())
			if err != nil {
				t.Fatal(err)
			}
			for _, lock := range locks {
				if lock.Until.After(idp.Now()) {
					return true
				}
			}
			return false
		}
		b := idp.Browser()
		for n := range 20 {
			if locked() {
				break
			}
			if n%2 == 1 { // guesses are counted through losses
				lose()
			}
			page := b.Open(app.Request().URL)
			page.Fill("username", "ann").Fill("password", "wrong").Submit("login")
		}
		if !locked() {
			t.Fatal("twenty wrong guesses lock nothing")
		}
		for range 2 {
			lose()
			request := app.Request()
			page := idp.Browser().Open(request.URL).Fill("username", "ann").Fill("password", idptest.Password).Submit("login")
			if _, err := request.Redeem(page); err == nil || !locked() {
				t.Errorf("a loss unlocked the account: %v", page)
			}
		}
	})
}

// While Redis is down everyone is told to come back, and nothing durable is lost by it; when it is back nobody restarts
// anything.
func TestRedisDown(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	idp := provider(t, memory.New(), single(server))
	ann, app, b := idp.User("ann"), idp.App(callback), idp.Browser()
	tokens := b.SignIn(ann, app)
	granted := app.Request(silent())
	answer := b.Open(granted.URL)
	page := idp.Browser().Open(app.Request().URL)

	server.Kill(t)
	if err := idp.Provider.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("ready without Redis: %v", err)
	}
	for range 30 { // more than there are connections
		_, err := granted.Redeem(answer)
		refusal, ok := errors.AsType[*oauth2.RetrieveError](err)
		if !ok || refusal.Response.StatusCode != http.StatusServiceUnavailable || refusal.Response.Header.Get("Retry-After") == "" ||
			refusal.ErrorCode != "temporarily_unavailable" {
			t.Fatalf("a code without Redis: %v", err)
		}
	}
	for name, p := range map[string]*idptest.Page{
		"a new sign-in": idp.Browser().Open(app.Request().URL),
		"a password":    page.Fill("username", "ann").Fill("password", idptest.Password).Submit("login"),
	} {
		if p.Status != http.StatusServiceUnavailable || p.Header.Get("Retry-After") == "" || !strings.Contains(p.Text("error"), "temporarily_unavailable") {
			t.Errorf("%s without Redis: %v", name, p)
		}
	}
	if _, err := tokens.Refresh(); err != nil {
		t.Errorf("a refresh needs nothing of Redis: %v", err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, idp.URL+"/oauth2/userinfo", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	tokens.SetAuthHeader(r)
	if answer, err := idp.Client().Do(r); err != nil || answer.Body.Close() != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("userinfo needs nothing of Redis: %v, %v", answer, err)
	}
	if log := idp.Log(); !strings.Contains(log, "connection refused") {
		t.Error("the log does not say what is wrong")
	}

	server.Restart(t)
	await(t, idp)
	b.SignIn(ann, app)
	if _, err := granted.Redeem(answer); !refusedWith(err, "invalid_grant") {
		t.Errorf("a code from before: %v", err)
	}
}

// An answer of Redis that was lost is no reuse: the code it was about still brings its tokens, once.
func TestLostAnswerIsNoReuse(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	proxy := testenv.Proxy(t, server.Addr())
	idp := provider(t, memory.New(), redis.Config{Addresses: []string{proxy.Addr()}})
	ann, app, b := idp.User("ann"), idp.App(callback), idp.Browser()
	first := b.SignIn(ann, app)
	cut := proxy.CutAfter("evalsha")
	request := app.Request(silent())
	page := b.Open(request.URL)
	<-cut
	if page.Status == http.StatusServiceUnavailable {
		page = b.Open(request.URL)
	}
	if _, err := request.Redeem(page); err != nil {
		if _, wrong := errors.AsType[*oidc.Error](err); !wrong {
			t.Fatal(err)
		}
		t.Logf("the request must be begun anew: %v", err)
	}
	if _, err := first.Refresh(); err != nil {
		t.Errorf("what was there before: %v", err)
	}
	if reused := strings.Contains(idp.Log(), "reuse"); reused {
		t.Error("a lost answer was taken for reuse")
	}
}
