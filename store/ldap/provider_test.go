package ldap_test

import (
	"net/http"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store/directory"
)

const callback = "https://shop.example.com/callback"

// attempt posts a login in a new browser.
func attempt(idp *idptest.Server, app *idptest.App, login, pass string) *idptest.Page {
	return idp.Browser().Open(app.Request().URL).Fill("username", login).Fill("password", pass).Submit("login")
}

// People of a directory sign in at a whole provider, beside those of the default store, who do not notice when the directory is gone.
func TestSignIn(t *testing.T) {
	t.Parallel()
	server := testenv.Slapd(t, strings.Replace(annOn("Lee"), openSesame, idptest.Password, 1))
	config := openLDAP(server)
	config.StartTLS = true
	people := open(t, config)
	idp := idptest.New(t, func(c *signet.Config) {
		c.UserStores = []directory.UserStore{{Users: people}, {Users: nil, Registers: true}}
	})
	app, dan := idp.App(callback), idp.User("dan")
	ann := &directory.User{Username: "ann"}

	tokens := idp.SignIn(ann, app)
	sub, _ := tokens.Claims["sub"].(string)
	if want := idp.Provider.Directory.SubjectRef(ofProvider(t, idp, "ann")).ID; sub == "" || sub != want {
		t.Errorf("ann is %q, want %q", sub, want)
	}
	for _, login := range []string{"ann", "*", "ann)(uid=*", "nobody"} {
		for _, pass := range []string{"a guess", "*", " "} {
			if page := attempt(idp, app, login, pass); page.Status != http.StatusUnprocessableEntity {
				t.Errorf("%s with %q: %v", login, pass, page)
			}
		}
	}

	// Somebody new may live in the directory too.
	bob := idp.User("bob", func(u *directory.User) { u.Store, u.EmailVerified = "staff", false })
	idp.SignIn(bob, app)
	find(t, people, directory.ByUsername, "bob")

	// Under another name she is who she was.
	c := admin(t, server.URL(), config)
	if err := c.ModifyDN(goldap.NewModifyDNRequest("uid=ann,"+config.Base, "uid=anna", true, "")); err != nil {
		t.Fatal(err)
	}
	if again := idp.SignIn(&directory.User{Username: "anna"}, app); again.Claims["sub"] != sub {
		t.Errorf("anna is %v, was %v", again.Claims["sub"], sub)
	}

	eve := idp.User("eve")
	was := idp.SignIn(dan, app).Claims["sub"]
	server.Kill(t)
	if sub := idp.SignIn(dan, app).Claims["sub"]; sub != was {
		t.Errorf("dan is %v, was %v", sub, was)
	}
	idp.SignIn(&directory.User{Username: "default/" + eve.Username}, app) // nobody knows yet that the directory does not have her
	if page := attempt(idp, app, "anna", idptest.Password); page.Status != http.StatusServiceUnavailable {
		t.Errorf("anna without the directory: %v", page)
	}
}

// ofProvider finds somebody among all stores of a provider.
func ofProvider(t *testing.T, idp *idptest.Server, username string) *directory.User {
	t.Helper()
	u, err := idp.Provider.Directory.Users.Find(t.Context(), "", directory.Identifier{Name: directory.ByUsername, Value: username})
	if err != nil {
		t.Fatal(err)
	}
	return u
}
