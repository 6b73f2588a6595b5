package signet_test

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// people is a table of user names that Signet reads, by number from 1. Everybody's password is idptest.Password.
type people struct {
	directory.Users // what a reader is not asked
	name            string
	names           []string
	down            atomic.Bool
}

var errPeople = errors.New("no route to host")

func (p *people) Capabilities() directory.Capabilities { return directory.Capabilities{Name: p.name} }

func (p *people) Find(_ context.Context, _ string, by directory.Identifier) (*directory.User, error) {
	if p.down.Load() {
		return nil, errPeople
	}
	i := slices.IndexFunc(p.names, func(name string) bool {
		return by.Name == directory.ByUsername && directory.Fold(by.Value) == directory.Fold(name)
	})
	if n, err := strconv.Atoi(by.Value); by.Name == directory.ByID && err == nil && n <= len(p.names) {
		i = n - 1
	}
	if i < 0 {
		return nil, store.ErrNotFound
	}
	return &directory.User{Meta: store.Meta{ID: strconv.Itoa(i + 1)}, Username: p.names[i], Name: p.names[i] + " of " + p.name}, nil
}

func (p *people) VerifyPassword(_ context.Context, u *directory.User, pass string) (bool, error) {
	if p.down.Load() {
		return false, errPeople
	}
	derive := func(pass string) []byte {
		key, _ := pbkdf2.Key(sha256.New, pass, []byte(p.name), 10, 32)
		return key
	}
	return hmac.Equal(derive(pass), derive(idptest.Password)) && u != nil, nil
}

// known is somebody in a table, as a login names them.
func known(login string) *directory.User { return &directory.User{Username: login} }

// withPeople is a provider with two tables and the default store behind them.
func withPeople(t *testing.T) (idp *idptest.Server, crm, hr *people) {
	t.Helper()
	crm, hr = &people{name: "crm", names: []string{"ann", "both"}}, &people{name: "hr", names: []string{"bob", "both"}}
	idp = idptest.New(t, func(c *signet.Config) {
		c.UserStores = []directory.UserStore{{Users: crm}, {Users: hr}, {Users: nil}}
	})
	return idp, crm, hr
}

// People of three stores sign in to one application, each as one subject, whichever way they write their name.
func TestUserStores(t *testing.T) {
	t.Parallel()
	idp, _, _ := withPeople(t)
	app, dan := idp.App(callback), idp.User("dan")
	subjects := map[string]string{}
	for login, want := range map[string]string{
		"ann": "crm/1", "CRM/Ann": "crm/1", "primary/ann": "crm/1", "bob": "hr/1", "hr/bob": "hr/1",
		"both": "crm/2", "crm/both": "crm/2", "HR/both": "hr/2", "dan": dan.ID, "default/dan": dan.ID,
	} {
		tokens := idp.SignIn(known(login), app)
		sub, _ := tokens.Claims["sub"].(string)
		u, err := idp.Provider.Directory.Users.Find(t.Context(), "", directory.Identifier{Name: directory.ByID, Value: want})
		if err != nil || idp.Provider.Directory.SubjectRef(u).ID != sub {
			t.Errorf("%s: %v, %v; want %s", login, tokens.Claims, err, want)
		}
		if subjects[sub] != "" && subjects[sub] != want {
			t.Errorf("%s and %s are both %s", subjects[sub], want, sub)
		}
		subjects[sub] = want
		var claims map[string]any
		answer := request(t, idp.Provider, http.MethodGet, idp.URL+userInfo, func(r *http.Request) { tokens.SetAuthHeader(r) })
		if err := json.NewDecoder(answer.Body).Decode(&claims); err != nil || claims["sub"] != sub || claims["preferred_username"] != u.Username {
			t.Errorf("%s: userinfo: %v, %v", login, claims, err)
		}
		if _, err := tokens.Refresh(); err != nil {
			t.Errorf("%s: refresh: %v", login, err)
		}
	}
	if len(subjects) != 5 {
		t.Errorf("five people are %v", subjects)
	}
}

// attempt posts a login in a new browser.
func attempt(idp *idptest.Server, app *idptest.App, login, pass string) *idptest.Page {
	return idp.Browser().Open(app.Request().URL).Fill("username", login).Fill("password", pass).Submit("login")
}

// A store that is down is 503 for its own people, never a wrong password, and nothing to the others.
func TestUserStoreThatIsDown(t *testing.T) {
	t.Parallel()
	idp, crm, _ := withPeople(t)
	app := idp.App(callback)
	ann, dan := known("ann"), idp.User("dan")
	tokens := idp.SignIn(ann, app)
	was := map[string]any{}
	for _, login := range []string{"bob", "dan"} {
		was[login] = idp.SignIn(known(login), app).Claims["sub"]
	}
	crm.down.Store(true)
	for login, sub := range was {
		if got := idp.SignIn(known(login), app).Claims["sub"]; got != sub {
			t.Errorf("%s is %v, was %v", login, got, sub)
		}
		if page := attempt(idp, app, login, "a guess"); page.Status != http.StatusUnprocessableEntity {
			t.Errorf("%s with a wrong password: %v", login, page)
		}
	}
	idp.SignIn(known("hr/both"), app)
	for _, login := range []string{"ann", "crm/ann", "both", "nobody"} {
		for _, pass := range []string{idptest.Password, "a guess"} {
			page := attempt(idp, app, login, pass)
			if page.Status != http.StatusServiceUnavailable || !strings.Contains(page.Text("error"), "temporarily_unavailable") {
				t.Errorf("%s: %v", login, page)
			}
		}
	}
	if got := status(t, idp, userInfo, tokens); got != http.StatusServiceUnavailable {
		t.Errorf("userinfo of ann: %d", got)
	}
	if !strings.Contains(idp.Log(), errPeople.Error()) || !strings.Contains(idp.Log(), "crm") {
		t.Error("the log does not say which store is down, and why")
	}
	crm.down.Store(false)
	if again := idp.SignIn(ann, app); again.Claims["sub"] != tokens.Claims["sub"] {
		t.Errorf("ann is %v, was %v", again.Claims["sub"], tokens.Claims["sub"])
	}
	idp.SignIn(dan, app, oauth2.SetAuthURLParam("prompt", "login"))
}

func TestUserStoresProblems(t *testing.T) {
	t.Parallel()
	p, err := signet.New(wiring(t, func(c *signet.Config) {
		c.Users = &people{name: "crm"}
		c.UserStores = []directory.UserStore{{Users: &people{name: "a/b"}}, {}, {}}
	}))
	if p != nil || err == nil {
		t.Fatalf("New = %v, %v", p, err)
	}
	for _, want := range []string{"signet: directory: directory: Config.UserStores takes the place", `UserStores[0]: the name "a/b"`, "UserStores[2]: a store before"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not among %v", want, err)
		}
	}
}

// The page after a wrong password is the same for people of every store, and for nobody.
func TestUserStoresTellNothing(t *testing.T) {
	t.Parallel()
	idp, _, _ := withPeople(t)
	app := idp.App(callback)
	idp.User("dan")
	shown := func(login, pass string) string {
		page := attempt(idp, app, login, pass)
		return strconv.Itoa(page.Status) + ownToAFlow.ReplaceAllString(page.Body, "")
	}
	want := shown("nobody", idptest.Password)
	for _, login := range []string{"ann", "bob", "dan", "hr/both", "hr/nobody", "default/dan", "moon/ann"} {
		if got := shown(login, "a guess"); got != want {
			t.Errorf("%s:\n%s\nnobody:\n%s", login, got, want)
		}
	}
}

// ownToAFlow is what differs on the pages of any two sign-ins: ids, and the name that was typed.
var ownToAFlow = regexp.MustCompile(`(value|action|href|nonce)="[^"]*"`)
