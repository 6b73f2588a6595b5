package sqlite_test

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/sqlstore"
	"github.com/signet-idp/signet/store/sqlstore/sqlite"
)

// trouble is what can happen to a file in use.
type trouble struct {
	// cause is in the log while it lasts.
	cause string
	// begin lets it happen and returns what ends it.
	begin func(t *testing.T, u *used) (end func())
}

// used is a database file that a provider works with.
type used struct {
	home   string
	driver *sqlstore.Driver
	writer *writer
}

func (u *used) path() string { return filepath.Join(u.home, "test.db") }

var troubles = map[string]trouble{
	"locked": {"is locked", func(t *testing.T, u *used) func() {
		t.Helper()
		other := raw(t, u.path())
		other.SetMaxOpenConns(1)
		execute(t, other, "BEGIN IMMEDIATE")
		return func() { execute(t, other, "ROLLBACK") }
	}},
	"full": {"no room", func(t *testing.T, u *used) func() {
		t.Helper()
		pages, err := sqlite.QueryPragma(t.Context(), u.writer.conn, "page_count")
		if err != nil {
			t.Fatal(err)
		}
		u.writer.set(t, u.driver, "max_page_count", pages)
		for _, size := range []int{20_000, 1000, 10} {
			for n := 0; ; n++ {
				r := record(fmt.Sprintf("%d-%d", size, n))
				r.Body = fmt.Appendf(nil, "%q", strings.Repeat("x", size))
				if _, err := u.driver.Apply(t.Context(), now, store.Insert(r)); err != nil {
					break
				}
			}
		}
		return func() { u.writer.allow(t, "max_page_count", "100000") }
	}},
	"read-only": {"cannot be written", func(t *testing.T, u *used) func() {
		t.Helper()
		u.writer.set(t, u.driver, "query_only", "1")
		return func() { u.writer.allow(t, "query_only", "0") }
	}},
	"gone": {"moved or deleted", func(t *testing.T, u *used) func() {
		t.Helper()
		rename(t, u.home, u.home+"-away")
		return func() { rename(t, u.home+"-away", u.home) }
	}},
}

// allow is set where nothing can be written: if the failures have closed the connection, the next one gets the setting.
func (w *writer) allow(t *testing.T, name, value string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.name, w.value = name, value
	if !w.conn.(driver.Validator).IsValid() {
		return
	}
	if err := sqlite.SetPragma(t.Context(), w.conn, name, value, value); err != nil {
		t.Fatal(err)
	}
}

func execute(t *testing.T, db *sql.DB, text string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// TestProviderInTrouble has people and applications at a provider whose file is locked, full, read-only or gone: they are
// told to come back, the log has the cause, and when it is over nothing that they had is lost.
func TestProviderInTrouble(t *testing.T) {
	t.Parallel()
	for name, trouble := range troubles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			providerIn(t, trouble, nil)
		})
		t.Run(name+" beside another store", func(t *testing.T) { // that has no trouble
			t.Parallel()
			providerIn(t, trouble, memory.New())
		})
	}
}

// providerIn is a provider whose database gets into trouble; what is ephemeral may be kept elsewhere.
func providerIn(t *testing.T, trouble trouble, ephemeral store.Ephemeral) {
	t.Helper()
	u := &used{home: filepath.Join(t.TempDir(), "home"), writer: new(writer)}
	if err := os.Mkdir(u.home, 0o700); err != nil {
		t.Fatal(err)
	}
	var err error
	u.driver, err = sqlite.OpenBetween(t.Context(), u.path(), sqlite.Config{BusyTimeout: 20 * time.Millisecond}, u.writer.between)
	if err != nil {
		t.Fatal(err)
	}
	newVisit(t, u, ephemeral).through(t, trouble, u)
}

// visit is what is under way at a provider when trouble begins.
type visit struct {
	idp     *idptest.Server
	ann     *directory.User
	app     *idptest.App
	browser *idptest.Browser // signed in
	tokens  *idptest.Tokens  // of that sign-in
	granted *idptest.Request // answered with a code that is not redeemed yet
	answer  *idptest.Page
	asked   *idptest.Request // answered with a page that nobody has filled in yet
	page    *idptest.Page
}

func newVisit(t *testing.T, u *used, ephemeral store.Ephemeral) *visit {
	t.Helper()
	v := &visit{idp: idptest.New(t, func(c *signet.Config) { c.Store, c.Ephemeral = u.driver, ephemeral })}
	v.ann = v.idp.User("ann")
	v.app, v.browser = v.idp.App("https://shop.example.com/callback"), v.idp.Browser()
	v.tokens = v.browser.SignIn(v.ann, v.app)
	v.granted, v.asked = v.app.Request(oauth2.SetAuthURLParam("prompt", "none")), v.app.Request()
	v.answer = v.browser.Open(v.granted.URL)
	v.page = v.idp.Browser().Open(v.asked.URL).Fill("username", "ann").Fill("password", idptest.Password)
	return v
}

func (v *visit) through(t *testing.T, trouble trouble, u *used) {
	t.Helper()
	end := trouble.begin(t, u)
	refused := 0
	tokens := func(what string, result *idptest.Tokens, err error) *idptest.Tokens {
		if err != nil {
			refused++
			refusesTokens(t, what, err)
		}
		return result
	}
	page := func(what string, p *idptest.Page, done bool) bool {
		if !done {
			refused++
			v.refusesPage(t, what, trouble.cause, p)
		}
		return done
	}
	again, errAgain := v.tokens.Refresh()
	refreshed := tokens("a refresh", again, errAgain)
	first, errFirst := v.granted.Redeem(v.answer)
	redeemed := tokens("a code", first, errFirst)
	filled := v.page.Submit("login")
	in := page("a password", filled, filled.Status != http.StatusServiceUnavailable)
	begun := v.idp.Browser().Open(v.app.Request().URL)
	page("a new sign-in", begun, begun.Has("password"))
	out := v.browser.Open(v.idp.URL + "/oidc/logout")
	page("a logout", out, out.Has("logout_confirm"))
	if refused == 0 {
		t.Error("nothing has failed: the test has lost its point")
	}
	if log := v.idp.Log(); !strings.Contains(log, trouble.cause) || !strings.Contains(log, "level=ERROR") {
		t.Errorf("the log lacks %q:\n%s", trouble.cause, log)
	}

	end()
	if refreshed == nil {
		if _, err := v.tokens.Refresh(); err != nil {
			t.Errorf("the refresh token was lost: %v", err)
		}
	}
	if redeemed == nil {
		if _, err := v.granted.Redeem(v.answer); err != nil {
			t.Errorf("the code was lost: %v", err)
		}
	}
	if !in {
		v.idp.Advance(10 * time.Second) // what an attempt that nobody finished holds up
		if _, err := v.asked.Redeem(v.page.Submit("login").SignIn(v.ann)); err != nil {
			t.Errorf("the page was lost: %v", err)
		}
	}
	t.Logf("while it lasted %d of 5 requests were answered 503 with Retry-After; used twice 0, lost 0", refused)
	silent := v.app.Request(oauth2.SetAuthURLParam("prompt", "none"))
	if _, err := silent.Redeem(v.browser.Open(silent.URL)); err != nil {
		t.Errorf("the session was lost: %v", err)
	}
}

// refusesTokens demands the answer that lets a client try again.
func refusesTokens(t *testing.T, what string, err error) {
	t.Helper()
	refusal, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || refusal.Response.StatusCode != http.StatusServiceUnavailable || refusal.ErrorCode != "temporarily_unavailable" ||
		refusal.Response.Header.Get("Retry-After") == "" {
		t.Errorf("%s: %v", what, err)
	}
}

// refusesPage demands the page that lets a person try again, with an id that leads to the cause.
func (v *visit) refusesPage(t *testing.T, what, cause string, p *idptest.Page) {
	t.Helper()
	shown := p.Text("error")
	if p.Status != http.StatusServiceUnavailable || p.Header.Get("Retry-After") == "" || len(shown) < 12 || !strings.Contains(shown, "temporarily_unavailable") {
		t.Errorf("%s: %v", what, p)
		return
	}
	for line := range strings.Lines(v.idp.Log()) {
		if strings.Contains(line, "correlation="+shown[len(shown)-12:]) && strings.Contains(line, cause) {
			return
		}
	}
	t.Errorf("%s: %v leads to no line of the log", what, p)
}
