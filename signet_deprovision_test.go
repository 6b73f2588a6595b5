package signet_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// staff is a host's own user store with one person, who can lose their place.
type staff struct {
	directory.ReadOnly
	mu    sync.Mutex
	state string // "", disabled, gone or down
}

func (s *staff) is(state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = state
}

func (s *staff) Capabilities() directory.Capabilities { return directory.Capabilities{Name: "staff"} }

func (s *staff) Find(_ context.Context, _ string, by directory.Identifier) (*directory.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == "down":
		return nil, errors.New("staff: the line is dead")
	case s.state == "gone" || by.Name != directory.ByID && by.Value != "ann" || by.Name == directory.ByID && by.Value != "7":
		return nil, store.ErrNotFound
	}
	u := &directory.User{Username: "ann", Disabled: s.state == "disabled"}
	u.ID = "7"
	return u, nil
}

func (s *staff) List(context.Context, store.Query) (store.Listing[directory.User], error) {
	return store.Listing[directory.User]{}, store.ErrUnindexed
}

func (s *staff) VerifyPassword(_ context.Context, u *directory.User, pass string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == "locked" && u != nil {
		return false, &directory.AccountError{State: directory.AccountLocked}
	}
	return u != nil && pass == idptest.Password, nil
}

// Attack class: a deprovisioned user keeps tokens. Who is disabled in, or gone from, the host's own store is nobody at once:
// not signed in by their session, not refreshed, not told about, whatever scopes were asked for. While the store is down
// nobody knows, which is 503 and consumes nothing.
func TestAttackDeprovisionedInTheHostsStore(t *testing.T) {
	t.Parallel()
	for _, side := range []string{"alone", "beside the default store"} {
		for _, scope := range []string{"openid offline_access", "openid profile email offline_access", "openid profile"} {
			t.Run(side+" "+scope, func(t *testing.T) {
				t.Parallel()
				people := &staff{}
				idp := idptest.New(t, func(c *signet.Config) {
					if side == "alone" {
						c.Users = people
						return
					}
					c.UserStores = []directory.UserStore{{}, {Users: people}}
				})
				deprovision(t, idp, people, oauth2.SetAuthURLParam("scope", scope))
			})
		}
	}
}

func deprovision(t *testing.T, idp *idptest.Server, people *staff, asked oauth2.AuthCodeOption) {
	app, browser, ann := idp.App(callback), idp.Browser(), &directory.User{Username: "ann"}
	tokens := browser.SignIn(ann, app, asked)
	silently := func() error {
		r := app.Request(asked, oauth2.SetAuthURLParam("prompt", "none"))
		_, err := r.Redeem(browser.Open(r.URL))
		return err
	}
	info := func() int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, idp.URL+"/oauth2/userinfo", nil)
		if err != nil {
			t.Fatal(err)
		}
		tokens.SetAuthHeader(r)
		response, err := idp.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.StatusCode
	}
	for state, want := range map[string]int{"disabled": http.StatusUnauthorized, "gone": http.StatusUnauthorized, "down": http.StatusServiceUnavailable} {
		people.is(state)
		if got := info(); got != want {
			t.Errorf("%s: userinfo %d, want %d", state, got, want)
		}
		_, err := tokens.Refresh()
		refused, ok := errors.AsType[*oauth2.RetrieveError](err)
		if !ok || (refused.Response.StatusCode == http.StatusServiceUnavailable) != (state == "down") {
			t.Errorf("%s: refresh %v", state, err)
		}
		if err := silently(); err == nil {
			t.Errorf("%s: single sign-on goes on", state)
		}
	}
	people.is("")
	if got := info(); got != http.StatusOK {
		t.Errorf("back again: userinfo %d", got)
	}
	if err := silently(); err != nil {
		t.Errorf("back again: %v", err)
	}
	if _, err := tokens.Refresh(); err != nil {
		t.Errorf("back again: refresh %v", err)
	}
}

// A user name that is somebody's e-mail address, and an e-mail address that is somebody's user name, are taken: whoever had
// them could not sign in by them any more.
func TestAttackLoginIsShadowed(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t)
	bob := idp.User("bob", func(u *directory.User) { u.Email = "bob@example.com" })
	carol := idp.User("carol@example.com", func(u *directory.User) { u.Email = "carol@example.com" })
	dir := idp.Provider.Directory
	for name, u := range map[string]*directory.User{
		"username": {Username: "Bob@example.com"},
		"email":    {Username: "mallory", Email: "CAROL@example.com"},
	} {
		err := dir.CreateUser(t.Context(), u, idptest.Password)
		if taken, ok := errors.AsType[*directory.TakenError](err); !ok || taken.Name != name {
			t.Errorf("%s of another: %v", name, err)
		}
	}
	mallory := idp.User("mallory")
	mallory.Username = "bob@example.com"
	if _, ok := errors.AsType[*directory.TakenError](dir.ReplaceUser(t.Context(), mallory)); !ok {
		t.Error("a user name was changed to the e-mail address of another")
	}
	for _, u := range []*directory.User{bob, carol} {
		u.Nickname = "b"
		if err := dir.ReplaceUser(t.Context(), u); err != nil {
			t.Errorf("%s: %v", u.Username, err)
		}
	}
}

// What a store that judges accounts itself has against somebody is told to nobody who types, and counts as a wrong password
// does: five of them lock the account here too.
func TestAttackAccountStateOfTheHostsStore(t *testing.T) {
	t.Parallel()
	people := &staff{}
	idp := idptest.New(t, func(c *signet.Config) { c.Users = people })
	app := idp.App(callback)
	try := func(name string) *idptest.Page {
		return idp.Browser().Open(app.Request().URL).Fill("username", name).Fill("password", idptest.Password).Submit("login")
	}
	people.is("locked")
	for range 5 {
		known, unknown := try("ann"), try("bob")
		if known.Status != unknown.Status || known.Text("messages") != unknown.Text("messages") || known.Text("messages") == "" {
			t.Fatalf("a locked person sees %d %q, nobody %d %q", known.Status, known.Text("messages"), unknown.Status, unknown.Text("messages"))
		}
	}
	people.is("")
	if page := try("ann"); page.Text("messages") == "" {
		t.Errorf("five refusals have not locked the account: %v", page)
	}
}
