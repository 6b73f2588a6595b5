package idptest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store/directory"
)

// newShop stands for the program under test: it takes access tokens of an issuer.
func newShop(issuer string, now func() time.Time) http.Handler { return http.NotFoundHandler() }

// newWebShop is another: it signs people in.
func newWebShop(config *oauth2.Config) http.Handler { return http.NotFoundHandler() }

// An API that takes access tokens.
func ExampleNew() {
	var t *testing.T // of the test

	idp := idptest.New(t)
	tokens := idp.SignIn(idp.User("ann"), idp.App("http://127.0.0.1/callback"))

	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/orders", nil)
	tokens.SetAuthHeader(r)
	newShop(idp.URL, idp.Now).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Errorf("ann is refused: %d %s", w.Code, w.Body)
	}
}

// A program that signs people in by itself, from its own front door and back.
func ExamplePage_SignIn() {
	var t *testing.T // of the test

	idp := idptest.New(t)
	mux := http.NewServeMux()
	shop := httptest.NewServer(mux)
	defer shop.Close()
	app := idp.App(shop.URL + "/callback")
	mux.Handle("/", newWebShop(app.OAuth2Config()))

	ann := idp.User("ann", func(u *directory.User) { u.Name = "Ann Example" })
	page := idp.Browser().Open(shop.URL + "/login").SignIn(ann)
	if page.Text("greeting") != "Hello, Ann Example" {
		t.Errorf("ann sees %v", page)
	}
}

// Step by step, with a second factor and a wrong code.
func ExamplePage() {
	var t *testing.T // of the test

	idp := idptest.New(t)
	ann, app := idp.User("ann"), idp.App("http://127.0.0.1/callback")
	phone := idp.EnrollTOTP(ann)

	request := app.Request(oauth2.SetAuthURLParam("prompt", "login"))
	page := idp.Browser().Open(request.URL)
	page = page.Fill("username", "ann").Fill("password", idptest.Password).Submit("login")
	page = page.Fill("otp", "000000").Submit("login")
	if page.Status != http.StatusUnprocessableEntity {
		t.Errorf("a wrong code: %v", page)
	}
	page = page.Fill("otp", phone.Code()).Submit("login").Submit("consent_allow")
	if tokens, err := request.Redeem(page); err != nil || tokens.Claims["acr"] != "aal2" {
		t.Errorf("got %v, %v", tokens, err)
	}
}

// Time passes when the test says so.
func ExampleServer_Advance() {
	var t *testing.T // of the test

	idp := idptest.New(t, func(c *signet.Config) { c.Tokens.Access = 5 * time.Minute })
	tokens := idp.SignIn(idp.User("ann"), idp.App("http://127.0.0.1/callback"))

	idp.Advance(6 * time.Minute)
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/orders", nil)
	tokens.SetAuthHeader(r)
	newShop(idp.URL, idp.Now).ServeHTTP(w, r)
	if w.Code != http.StatusUnauthorized {
		t.Errorf("an expired token: %d", w.Code)
	}
}
