package signet_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
)

func prompt(value string) oauth2.AuthCodeOption { return oauth2.SetAuthURLParam("prompt", value) }

// forgetful is an Ephemeral that can lose everything, and complains of durable kinds.
type forgetful struct {
	t    *testing.T
	kept atomic.Pointer[memory.Driver]
	used atomic.Int64
}

func newForgetful(t *testing.T) *forgetful {
	t.Helper()
	f := &forgetful{t: t}
	f.forget()
	return f
}

func (f *forgetful) forget() { f.kept.Store(memory.New()) }

func (f *forgetful) Get(ctx context.Context, now time.Time, kind store.Kind, org, id string) (store.Record, error) {
	f.note(kind)
	return f.kept.Load().Get(ctx, now, kind, org, id)
}

func (f *forgetful) Apply(ctx context.Context, now time.Time, ops ...store.Op) ([]store.Result, error) {
	for _, op := range ops {
		f.note(op.Record.Kind)
	}
	return f.kept.Load().Apply(ctx, now, ops...)
}

func (f *forgetful) note(kind store.Kind) {
	f.used.Add(1)
	if !kind.Ephemeral {
		f.t.Errorf("%v is kept where it may be lost", kind)
	}
}

// Everything works with what may be lost in a place of its own, and losing it costs what is under way and no more.
func TestSeparateEphemeral(t *testing.T) {
	t.Parallel()
	ephemeral := newForgetful(t)
	idp := idptest.New(t, func(c *signet.Config) { c.Ephemeral = ephemeral })
	ann, app, b := idp.User("ann"), idp.App(callback), idp.Browser()
	idp.EnrollTOTP(ann)
	tokens := b.SignIn(ann, app)
	if ephemeral.used.Load() == 0 {
		t.Error("the separate store is not used")
	}
	underWay, redeemable := app.Request(), app.Request(prompt("none"))
	page := idp.Browser().Open(underWay.URL)
	answer := b.Open(redeemable.URL)

	ephemeral.forget()
	page = page.Fill("username", "ann").Fill("password", idptest.Password).Submit("login")
	if _, err := underWay.Redeem(page.SignIn(ann)); err != nil {
		t.Errorf("a sign-in that was under way does not start over: %v at %v", err, page)
	}
	var refusal *oauth2.RetrieveError
	if _, err := redeemable.Redeem(answer); !errors.As(err, &refusal) || refusal.ErrorCode != "invalid_grant" {
		t.Errorf("a code that was lost: %v", err)
	}
	if got := status(t, idp, userInfo, tokens); got != http.StatusOK {
		t.Errorf("the access token: %d", got)
	}
	if _, err := tokens.Refresh(); err != nil {
		t.Errorf("the refresh token: %v", err)
	}
	if again := b.SignIn(ann, app, prompt("none")); again.Claims["sid"] != tokens.Claims["sid"] {
		t.Error("the session is another")
	}
}

// closing is an Ephemeral that can be closed, and has its own mind about being ready.
type closing struct {
	store.Ephemeral
	ready  error
	closed int
}

func (c *closing) Ready(context.Context, time.Time) error { return c.ready }

func (c *closing) Close() error {
	c.closed++
	return nil
}

// What keeps the separate store from being relied on keeps the provider from being ready, and Close closes it.
func TestSeparateEphemeralIsOwned(t *testing.T) {
	t.Parallel()
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	if err != nil {
		t.Fatal(err)
	}
	ephemeral := &closing{Ephemeral: memory.New(), ready: errors.New("it evicts")}
	p, err := signet.New(signet.Config{Issuer: "https://id.example.com", Store: memory.New(), Ephemeral: ephemeral, Keys: ring})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Ready(t.Context()); !errors.Is(err, ephemeral.ready) {
		t.Errorf("ready: %v", err)
	}
	ephemeral.ready = nil
	if err := p.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	if err := p.Close(); err != nil || ephemeral.closed != 1 {
		t.Errorf("closed %d times, %v", ephemeral.closed, err)
	}
}

// Two nodes over one store are one provider: a sign-in whose every request goes to the other node works, and what is ended at one
// is ended at both.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	var nodes [2]atomic.Pointer[signet.Provider]
	var turn atomic.Uint64
	var served [2]atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := turn.Add(1) % 2
		if nodes[n].Load() == nil {
			n = 1 // the first is not there yet
		}
		served[n].Add(1)
		nodes[n].Load().ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	var clock atomic.Pointer[idptest.Server]
	idp := idptest.New(t, func(c *signet.Config) {
		began := time.Now()
		c.Issuer, c.SigningKeys = front.URL, nil
		c.Now = func() time.Time { return began }
		second := *c
		second.Now = func() time.Time {
			if idp := clock.Load(); idp != nil {
				return idp.Now()
			}
			return began
		}
		node, err := signet.New(second)
		if err != nil {
			t.Error(err)
		}
		nodes[1].Store(node)
	})
	clock.Store(idp)
	nodes[0].Store(idp.Provider)

	ann, app, b := idp.User("ann"), idp.App(front.URL+"/callback"), idp.Browser()
	idp.EnrollTOTP(ann)
	tokens := b.SignIn(ann, app)
	if tokens.Claims["acr"] != "aal2" || served[0].Load() < 3 || served[1].Load() < 3 {
		t.Fatalf("signed in with %v by %d and %d requests", tokens.Claims, served[0].Load(), served[1].Load())
	}
	for range 3 { // an odd number of requests each time: every node has every part
		tokens = b.SignIn(ann, app, prompt("none"))
	}
	tokens, err := tokens.Refresh()
	if err != nil {
		t.Fatal(err)
	}
	use := func() (got [2]int) {
		for n := range nodes {
			answer := request(t, nodes[n].Load(), http.MethodGet, front.URL+userInfo, func(r *http.Request) { tokens.SetAuthHeader(r) })
			got[n] = answer.StatusCode
		}
		return got
	}
	if got := use(); got != [2]int{http.StatusOK, http.StatusOK} {
		t.Errorf("the access token at each node: %d", got)
	}
	b.SignOut(tokens)
	if got := use(); got != [2]int{http.StatusUnauthorized, http.StatusUnauthorized} {
		t.Errorf("after logout: %d", got)
	}
}
