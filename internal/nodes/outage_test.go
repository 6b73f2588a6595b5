package nodes_test

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/testenv"
)

// outage is how a store fails and comes back.
type outage struct {
	name string
	// begin and end are called in the middle of requests, and afterwards.
	begin, end func()
}

// A store that is gone and comes back, in the middle of many redemptions and refreshes: while it is gone answers are 503 with
// Retry-After, afterwards the same nodes go on; nothing is used twice, nothing that was acknowledged is lost.
func surviveOutage(t *testing.T, h house, o outage) {
	t.Helper()
	here := h.serveHere(t)
	other := h.startNode(t, here.URL)
	app := here.App("http://127.0.0.1/callback")
	codes, refreshes := gamble(t, here, app, 100)
	storm(t, other.url, app, append(append([]*stake(nil), codes...), refreshes...), o.begin)
	refused := 0
	for _, s := range append(append([]*stake(nil), codes...), refreshes...) {
		switch {
		case s.first == nil:
			t.Error("a node did not answer while the store was gone")
		case s.first.status == http.StatusOK:
		case s.first.status == http.StatusServiceUnavailable && s.first.retryAfter != "":
			refused++
		default:
			t.Errorf("while the store was gone: %+v", *s.first)
		}
	}
	o.end()
	wellAgain(t, other.url)

	for i, s := range codes {
		if s.first != nil && s.first.status == http.StatusOK && !active(t, other.url, app, s.first.AccessToken) {
			t.Errorf("code %d: what was answered is lost", i)
		}
	}
	settle(t, other.url, app, refreshes)
	settle(t, other.url, app, codes)
	answered, lost, unused := judgeCodes(t, other.url, app, codes)
	renewed, asked := judgeRefreshes(t, refreshes)
	t.Logf("%s: %d answers were 503; of %d codes %d were answered, %d spent without an answer, %d redeemed later; of %d refresh tokens %d were answered and %d again later; used twice 0, lost 0",
		o.name, refused, len(codes), answered, lost, unused, len(refreshes), renewed, asked)
	if refused == 0 {
		t.Error("nothing was refused: the outage came too late to matter")
	}
}

// wellAgain waits until a node serves.
func wellAgain(t *testing.T, node string) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if status := knock(t, node); status == http.StatusUnauthorized || status == http.StatusBadRequest {
			return
		}
		select {
		case <-deadline.C:
			t.Fatal("the node has not recovered")
		case <-tick.C:
		}
	}
}

// knock asks for something that every node refuses, after a look at its store.
func knock(t *testing.T, node string) (status int) {
	t.Helper()
	form := "grant_type=refresh_token&client_id=nobody"
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, node+"/oauth2/token", strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := new(http.Client).Do(r)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	return response.StatusCode
}

// kill -9 of the database server in the middle of requests, and its restart.
func TestMariaDBIsKilled(t *testing.T) {
	t.Parallel()
	server := testenv.MariaDB(t)
	h := newHouse(t)
	h.MariaDB = server.NewDatabase(t)
	surviveOutage(t, h, outage{"MariaDB killed", func() { server.Kill(t) }, func() { server.Restart(t) }})
}

func TestPostgresIsKilled(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t)
	h := newHouse(t)
	h.Postgres = server.NewDatabase(t)
	surviveOutage(t, h, outage{"PostgreSQL killed", func() { server.Kill(t) }, func() { server.Restart(t) }})
}

// Redis is flushed and killed in the middle of requests: codes that were not redeemed are lost, and nothing else.
func TestRedisIsKilled(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	h := newHouse(t)
	h.SQLite, h.Redis = filepath.Join(filepath.Dir(h.Keys), "db"), server.Addr()
	surviveOutage(t, h, outage{"Redis killed, with all it held", func() { server.Kill(t) }, func() { server.Restart(t) }})
}

// The answer to a COMMIT is lost on its way: nobody knows, which is 503; and whoever asks again with the same refresh token
// gets one successor, whether the step was done or not.
func TestAnswerToCommitIsLost(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]struct {
		furnish func(t *testing.T) (house, *testenv.ProxyServer)
		last    string // what the driver says with the COMMIT
	}{
		"postgres": {func(t *testing.T) (house, *testenv.ProxyServer) {
			server := testenv.SharedPostgres(t)
			proxy := testenv.Proxy(t, server.Addr())
			h := newHouse(t)
			h.Postgres = strings.Replace(server.NewDatabase(t), server.Addr(), proxy.Addr(), 1)
			return h, proxy
		}, "member_hash"},
		"mariadb": {func(t *testing.T) (house, *testenv.ProxyServer) {
			server := testenv.SharedMariaDB(t)
			proxy := testenv.Proxy(t, server.Addr())
			h := newHouse(t)
			h.MariaDB = strings.Replace(server.NewDatabase(t), server.Addr(), proxy.Addr(), 1)
			return h, proxy
		}, "COMMIT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, proxy := at.furnish(t)
			here := h.serveHere(t)
			app := here.App("http://127.0.0.1/callback")
			token := here.SignIn(here.User("ann"), app).RefreshToken
			for round := range 5 {
				form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
				cut := proxy.CutAfter(at.last)
				a, err := try(t, here.URL, app, form)
				if err != nil || a.status != http.StatusServiceUnavailable || a.retryAfter == "" {
					t.Fatalf("round %d: the answer to COMMIT was lost: %+v, %v", round, a, err)
				}
				<-cut
				proxy.Heal()
				wellAgain(t, here.URL)
				again, err := try(t, here.URL, app, form)
				if err != nil || again.status != http.StatusOK {
					t.Fatalf("round %d: asked again: %+v, %v", round, again, err)
				}
				third, err := try(t, here.URL, app, form)
				if err != nil || third.RefreshToken != again.RefreshToken {
					t.Errorf("round %d: two successors: %+v, %v", round, third, err)
				}
				token = again.RefreshToken
			}
		})
	}
}

// A database that hangs, and says nothing at all, is a 503 in a time that clients wait for; afterwards everything goes on.
func TestDatabaseHangs(t *testing.T) {
	t.Parallel()
	server := testenv.SharedPostgres(t)
	proxy := testenv.Proxy(t, server.Addr())
	h := newHouse(t)
	h.Postgres = strings.Replace(server.NewDatabase(t), server.Addr(), proxy.Addr(), 1)
	here := h.serveHere(t)
	app := here.App("http://127.0.0.1/callback")
	token := here.SignIn(here.User("ann"), app).RefreshToken
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	proxy.Hang()
	began := time.Now()
	a, err := try(t, here.URL, app, form)
	if err != nil || a.status != http.StatusServiceUnavailable || a.retryAfter == "" {
		t.Errorf("while the database hangs: %+v, %v", a, err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the answer took %v", took)
	}
	proxy.Heal()
	wellAgain(t, here.URL)
	if a, err = try(t, here.URL, app, form); err != nil || a.status != http.StatusOK {
		t.Errorf("afterwards: %+v, %v", a, err)
	}
}
