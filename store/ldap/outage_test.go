package ldap_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/ldap"
)

// annOn is ann as a server has her: the same person everywhere, under a family name that tells the servers apart.
func annOn(server string) string {
	return "dn: uid=ann,ou=people,dc=signet,dc=test\nobjectClass: inetOrgPerson\nuid: ann\ncn: Ann\nsn: " + server +
		"\nuserPassword: " + openSesame + "\nentryUUID: 11111111-2222-4333-8444-555555555555\n"
}

// clock is a clock that stands until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// unavailable holds that every method says that no server answers, which is not that somebody is absent.
func unavailable(t *testing.T, u *ldap.Users, ann *directory.User) {
	t.Helper()
	ctx := t.Context()
	_, byName := u.Find(ctx, "", directory.Identifier{Name: directory.ByUsername, Value: "ann"})
	_, list := u.List(ctx, store.Query{})
	right, verify := u.VerifyPassword(ctx, ann, openSesame)
	_, nobody := u.VerifyPassword(ctx, nil, openSesame)
	_, groups := u.GroupsOf(ctx, ann)
	_, members := u.Members(ctx, ann.ID)
	fresh := *ann
	for name, err := range map[string]error{
		"Find": byName, "List": list, "VerifyPassword": verify, "VerifyPassword of nobody": nobody, "GroupsOf": groups, "Members": members,
		"Create":      u.Create(ctx, nil, &directory.User{Username: "new"}),
		"Replace":     u.Replace(ctx, nil, &fresh),
		"Delete":      u.Delete(ctx, nil, &fresh),
		"SetPassword": u.SetPassword(ctx, nil, &fresh, openSesame),
	} {
		if !errors.Is(err, ldap.ErrUnavailable) || errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v; want ErrUnavailable", name, err)
		}
	}
	if right {
		t.Error("a password is right although no server answers")
	}
}

func TestServerDown(t *testing.T) {
	t.Parallel()
	server := testenv.Slapd(t, annOn("one"))
	config, c := openLDAP(server), &clock{now: time.Now()}
	config.Now = c.Now
	u := open(t, config)
	ann := find(t, u, directory.ByUsername, "ann")
	server.Kill(t)
	unavailable(t, u, ann)
	server.Restart(t)
	// The server is left alone until the cooldown is over, then it is found to be back.
	unavailable(t, u, ann)
	c.advance(11 * time.Second)
	if got := find(t, u, directory.ByUsername, "ann"); got.ID != ann.ID {
		t.Errorf("ann is %s and was %s", got.ID, ann.ID)
	}
	if right, err := u.VerifyPassword(t.Context(), ann, openSesame); !right || err != nil {
		t.Errorf("VerifyPassword = %v, %v", right, err)
	}
}

// A connection that died while nobody used it is replaced without anybody's noticing.
func TestServerRestarted(t *testing.T) {
	t.Parallel()
	server := testenv.Slapd(t, annOn("one"))
	proxy := testenv.Proxy(t, server.Addr())
	config := openLDAP(server)
	config.Servers = []string{"ldap://" + proxy.Addr()}
	u := open(t, config)
	for range 3 {
		find(t, u, directory.ByUsername, "ann")
		proxy.Drop()
		proxy.Heal()
	}
	ann := find(t, u, directory.ByUsername, "ann")
	proxy.Drop()
	proxy.Heal()
	ann.Name = "Ann Lee"
	if err := u.Replace(t.Context(), nil, ann); err != nil {
		t.Errorf("Replace over a connection that died: %v", err)
	}
}

func TestServerHangs(t *testing.T) {
	t.Parallel()
	server := testenv.Slapd(t, annOn("one"))
	config := openLDAP(server)
	config.DialTimeout, config.RequestTimeout = 200*time.Millisecond, 200*time.Millisecond
	u := open(t, config)
	ann := find(t, u, directory.ByUsername, "ann")
	server.Hang(t)
	t.Cleanup(func() { server.Resume(t) })
	began := time.Now()
	unavailable(t, u, ann)
	t.Logf("while the server hung all calls failed as unavailable, none as not found, in %v together", time.Since(began))
	// Three failures of 200 ms, at most, before the server is left alone; and a machine that is busy.
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("ten calls took %v", took)
	}
}

func TestCallerGivesUp(t *testing.T) {
	t.Parallel()
	server := testenv.Slapd(t, annOn("one"))
	config := openLDAP(server)
	config.DialTimeout, config.RequestTimeout = time.Hour, time.Hour
	u := open(t, config)
	find(t, u, directory.ByUsername, "ann")
	server.Hang(t)
	for _, connections := range []string{"a pooled one", "new ones", "new ones"} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err := u.Find(ctx, "", directory.Identifier{Name: directory.ByUsername, Value: "ann"})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrNotFound) {
			t.Errorf("over %s: %v", connections, err)
		}
	}
	server.Resume(t)
	// Those who gave up say nothing about the server: it is not left alone.
	find(t, u, directory.ByUsername, "ann")
}

// The time that a caller has is enough for the second server when the first one hangs, and the first one is left alone soon.
func TestFirstServerHangs(t *testing.T) {
	t.Parallel()
	one, two := testenv.Slapd(t, annOn("one")), testenv.Slapd(t, annOn("two"))
	config := openLDAP(one)
	config.Servers, config.DialTimeout, config.RequestTimeout = []string{one.URL(), two.URL()}, time.Hour, time.Hour
	config.BreakerFailures, config.BreakerCooldown = 2, time.Hour
	u := open(t, config)
	find(t, u, directory.ByUsername, "ann")
	one.Hang(t)
	t.Cleanup(func() { one.Resume(t) })
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		ann, err := u.Find(ctx, "", directory.Identifier{Name: directory.ByUsername, Value: "ann"})
		cancel()
		if err != nil || ann.FamilyName != "two" {
			t.Fatalf("found %+v, %v", ann, err)
		}
	}
	// From here on nobody waits for the first: without a deadline this would take an hour.
	for range 3 {
		if ann := find(t, u, directory.ByUsername, "ann"); ann.FamilyName != "two" {
			t.Errorf("server %q answered", ann.FamilyName)
		}
	}
}

// A server that keeps callers waiting beyond deadlines of their own is left alone too.
func TestOnlyServerHangs(t *testing.T) {
	t.Parallel()
	server := testenv.Slapd(t, annOn("one"))
	config := openLDAP(server)
	config.DialTimeout, config.RequestTimeout, config.BreakerFailures = time.Hour, time.Hour, 1
	u := open(t, config)
	server.Hang(t)
	t.Cleanup(func() { server.Resume(t) })
	ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
	defer cancel()
	if _, err := u.Find(ctx, "", directory.Identifier{Name: directory.ByUsername, Value: "ann"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("within 600 ms: %v", err)
	}
	if _, err := u.Find(t.Context(), "", directory.Identifier{Name: directory.ByUsername, Value: "ann"}); !errors.Is(err, ldap.ErrUnavailable) {
		t.Errorf("afterwards: %v", err)
	}
}

func TestFailover(t *testing.T) {
	t.Parallel()
	one, two := testenv.Slapd(t, annOn("one")), testenv.Slapd(t, annOn("two"))
	config, c := openLDAP(one), &clock{now: time.Now()}
	config.Servers, config.Now = []string{one.URL(), two.URL()}, c.Now
	u := open(t, config)
	expect := func(server string) {
		t.Helper()
		ann := find(t, u, directory.ByUsername, "ann")
		if ann.FamilyName != server {
			t.Errorf("server %q answered, want %q", ann.FamilyName, server)
		}
		if right, err := u.VerifyPassword(t.Context(), ann, openSesame); !right || err != nil {
			t.Errorf("VerifyPassword = %v, %v", right, err)
		}
	}
	expect("one")
	one.Kill(t)
	for range 5 {
		expect("two")
	}
	one.Restart(t)
	expect("two") // the first is still left alone
	c.advance(11 * time.Second)
	expect("one")
	two.Kill(t)
	expect("one")
	one.Kill(t)
	if _, err := u.Find(t.Context(), "", directory.Identifier{Name: directory.ByUsername, Value: "ann"}); !errors.Is(err, ldap.ErrUnavailable) ||
		!strings.Contains(err.Error(), one.URL()) || !strings.Contains(err.Error(), two.URL()) {
		t.Errorf("without servers: %v", err)
	}
}

// A server that is left alone is asked by one request when the cooldown is over, and by nobody else until that has its answer.
func TestBreaker(t *testing.T) {
	t.Parallel()
	c, gate := &clock{now: time.Now()}, make(chan struct{})
	asked := make(chan struct{}, 100)
	f := newFake(t, func(request) [][]byte {
		asked <- struct{}{}
		<-gate
		return [][]byte{result(bindResponse, 52, "unavailable")}
	})
	_, config := domain(t, nil)
	config.Servers, config.Now, config.BreakerFailures, config.BreakerCooldown = []string{f.url()}, c.Now, 2, time.Minute
	u := open(t, config)
	ask := func() error {
		_, err := u.Find(t.Context(), "", directory.Identifier{Name: directory.ByUsername, Value: "ann"})
		return err
	}
	dials := func(want int64) {
		t.Helper()
		if got := f.dials.Load(); got != want {
			t.Errorf("%d connections, want %d", got, want)
		}
	}
	close(gate)
	for range 5 {
		if err := ask(); !errors.Is(err, ldap.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	dials(2)
	for round := range int64(3) {
		c.advance(time.Minute)
		for range 3 {
			_ = ask()
		}
		dials(3 + round)
	}

	// One that tries and others meanwhile.
	for len(asked) > 0 {
		<-asked
	}
	gate = make(chan struct{})
	c.advance(time.Minute)
	done := make(chan error)
	go func() { done <- ask() }()
	<-asked
	for range 5 {
		if err := ask(); !errors.Is(err, ldap.ErrUnavailable) {
			t.Error(err)
		}
	}
	dials(6)
	close(gate)
	<-done
}

// A server that is slow to judge passwords is not left alone because many wait for a place at it, and finds its other work done.
func TestManyPasswordsAreNoFailure(t *testing.T) {
	t.Parallel()
	asked, gate := make(chan struct{}, 100), make(chan struct{})
	_, config := domain(t, func(dn, _ string) []byte {
		if strings.HasPrefix(dn, "CN=service,") {
			return result(bindResponse, 0, "")
		}
		asked <- struct{}{}
		<-gate
		return result(bindResponse, 49, "wrong")
	})
	config.PoolSize, config.RequestTimeout, config.BreakerFailures, config.BreakerCooldown = 1, time.Hour, 1, time.Hour
	u := open(t, config)
	ann := find(t, u, directory.ByUsername, "ann")
	first := make(chan error, 1)
	go func() {
		_, err := u.VerifyPassword(context.Background(), ann, "guess")
		first <- err
	}()
	<-asked
	var waiting sync.WaitGroup
	for range 8 {
		waiting.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond) // beyond the patience
			defer cancel()
			if _, err := u.VerifyPassword(ctx, ann, "guess"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("without a place: %v", err)
			}
		})
	}
	waiting.Wait()
	find(t, u, directory.ByUsername, "ann")
	close(gate)
	if err := <-first; err != nil {
		t.Errorf("who had the place: %v", err)
	}
	if right, err := u.VerifyPassword(t.Context(), ann, "guess"); right || err != nil {
		t.Errorf("afterwards: %v, %v", right, err)
	}
}

func TestTLSIsVerified(t *testing.T) {
	t.Parallel()
	server, other := testenv.Slapd(t, annOn("one")), testenv.Slapd(t)
	for name, change := range map[string]func(*ldap.Config){
		"StartTLS, another authority": func(c *ldap.Config) { c.TLS = &tls.Config{RootCAs: other.CA} },
		"StartTLS, the system's authorities": func(c *ldap.Config) {
			c.TLS = nil
		},
		"StartTLS, another name": func(c *ldap.Config) { c.TLS = &tls.Config{RootCAs: server.CA, ServerName: "ldap.example.com"} },
		"ldaps, another authority": func(c *ldap.Config) {
			c.Servers, c.StartTLS, c.TLS = []string{server.TLSURL()}, false, &tls.Config{RootCAs: other.CA}
		},
		"ldaps, another name": func(c *ldap.Config) {
			c.Servers, c.StartTLS, c.TLS = []string{server.TLSURL()}, false, &tls.Config{RootCAs: server.CA, ServerName: "ldap.example.com"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := openLDAP(server)
			config.StartTLS = true
			change(&config)
			u := open(t, config)
			_, err := u.Find(t.Context(), "", directory.Identifier{Name: directory.ByUsername, Value: "ann"})
			if !errors.Is(err, ldap.ErrUnavailable) || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("%v; want a certificate refused", err)
			}
		})
	}
	config := openLDAP(server)
	config.StartTLS = true
	find(t, open(t, config), directory.ByUsername, "ann")
}

// A server that does not offer TLS gets no password.
func TestStartTLSRefused(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var tags []byte
	f := newFake(t, func(r request) [][]byte {
		mu.Lock()
		defer mu.Unlock()
		tags = append(tags, r.tag)
		return [][]byte{result(0x78, 52, "no TLS here")}
	})
	_, config := domain(t, nil)
	config.Servers, config.StartTLS = []string{f.url()}, true
	if _, err := open(t, config).Find(t.Context(), "", directory.Identifier{Name: directory.ByUsername, Value: "ann"}); !errors.Is(err, ldap.ErrUnavailable) {
		t.Errorf("Find: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, tag := range tags {
		if tag == bindRequest {
			t.Error("a password was sent without TLS")
		}
	}
}

// A service account that the server refuses is not asked for again and again, which would lock it.
func TestServiceAccountRefused(t *testing.T) {
	t.Parallel()
	server := testenv.Slapd(t, annOn("one"))
	proxy := testenv.Proxy(t, server.Addr())
	config := openLDAP(server)
	config.Servers, config.BindPassword = []string{"ldap://" + proxy.Addr()}, "wrong"
	u := open(t, config)
	var err error
	for range 10 {
		_, err = u.Find(t.Context(), "", directory.Identifier{Name: directory.ByUsername, Value: "ann"})
		if !errors.Is(err, ldap.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if trips := proxy.Trips(); trips > 3 {
		t.Errorf("%d binds", trips)
	}
	if strings.Contains(fmt.Sprint(err), "wrong") {
		t.Errorf("the password is in %v", err)
	}
}

// A change whose answer was lost may have been made.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	server := testenv.Slapd(t)
	proxy := testenv.Proxy(t, server.Addr())
	config := openLDAP(server)
	config.Servers = []string{"ldap://" + proxy.Addr()}
	u := open(t, config)
	lost := proxy.CutAfter("organizationalPerson") // only the new entry says it
	err := u.Create(t.Context(), nil, &directory.User{Username: "ann"})
	<-lost
	if !errors.Is(err, store.ErrUncertain) || errors.Is(err, store.ErrNotFound) {
		t.Errorf("Create: %v; want store.ErrUncertain", err)
	}
	if taken, ok := errors.AsType[*directory.TakenError](u.Create(t.Context(), nil, &directory.User{Username: "ann"})); !ok {
		t.Errorf("once more: %v", taken)
	}
	ann := find(t, u, directory.ByUsername, "ann")
	lost = proxy.CutBefore("annie")
	ann.Nickname = "annie"
	err = u.Replace(t.Context(), nil, ann)
	<-lost
	if !errors.Is(err, store.ErrUncertain) {
		t.Errorf("Replace: %v; want store.ErrUncertain", err)
	}
}
