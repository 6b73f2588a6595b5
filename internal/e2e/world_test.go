package e2e_test

import (
	"context"
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store/directory"
)

// world is a provider at 127.0.0.1, and an application that is another site to it.
type world struct {
	idp  *idptest.Server
	site *site
	app  *idptest.App
	ann  *directory.User
}

func newWorld(t *testing.T, edits ...func(*idptest.App)) *world {
	t.Helper()
	return newWorldOf(t, func(*signet.Config) {}, edits...)
}

// newWorldOf is newWorld with another wiring of the provider.
func newWorldOf(t *testing.T, edit func(*signet.Config), edits ...func(*idptest.App)) *world {
	t.Helper()
	w := &world{idp: idptest.New(t, edit), site: newSite(t)}
	w.app = w.idp.App(w.site.as("localhost")+"/callback", edits...)
	w.ann = w.idp.User("ann")
	return w
}

// trusted applications do not ask for consent, so that a sign-in is one page.
func trusted(a *idptest.App) { a.Application.SkipConsent = true }

// site is an application's web server. It says of every browser that it arrived, and keeps what was posted.
type site struct {
	server *httptest.Server

	mu     sync.Mutex
	front  http.HandlerFunc // the page at "/", if there is one
	posted url.Values
	origin string   // of the post
	seen   []string // what browsers asked for
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{}
	s.server = httptest.NewServer(s)
	t.Cleanup(s.server.Close)
	return s
}

// as is the site's origin under a host name of the machine.
func (s *site) as(host string) string {
	return strings.Replace(s.server.URL, "127.0.0.1", host, 1)
}

// serve puts a page at "/".
func (s *site) serve(front http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.front = front
}

// asked are the requests for a path, with their queries.
func (s *site) asked(path string) (found []url.Values) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, uri := range s.seen {
		if u, err := url.Parse(uri); err == nil && u.Path == path {
			found = append(found, u.Query())
		}
	}
	return found
}

// received is the last post, and its origin.
func (s *site) received() (form url.Values, origin string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.posted, s.origin
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, r.URL.RequestURI())
	if r.Method == http.MethodPost && r.ParseForm() == nil {
		s.posted, s.origin = r.PostForm, r.Header.Get("Origin")
	}
	answer := page(arrivedPage, nil)
	if r.URL.Path == "/" && s.front != nil {
		answer = s.front
	}
	answer(w, r)
}

func page(content *template.Template, data any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = content.Execute(w, data)
	}
}

var (
	arrivedPage = template.Must(template.New("arrived").Parse(`<!doctype html><html lang="en">
<title>Application</title><link rel="icon" href="data:,"><main><h1 id="arrived">Application</h1></main></html>`))
	autoPostPage = template.Must(template.New("auto-post").Parse(`<!doctype html><html lang="en">
<title>Application</title><link rel="icon" href="data:,"><main><h1>Application</h1><form method="post" action="{{.Action}}">
{{range $name, $values := .Fields}}<input type="hidden" name="{{$name}}" value="{{index $values 0}}">{{end}}
</form></main><script>document.forms[0].submit()</script></html>`))
)

// login fills in the page that asks for name and password.
func login(t *testing.T, tab context.Context, password string) {
	t.Helper()
	enter(t, tab, "username", "ann", "password", password)
}

// signIn answers the page that asks for name and password, and gets to the application.
func signIn(t *testing.T, tab context.Context, r *idptest.Request) *idptest.Tokens {
	t.Helper()
	login(t, tab, idptest.Password)
	press(t, tab, "login")
	return arrive(t, tab, r)
}

// arrive waits for the application's page and redeems the code that brought the browser there.
func arrive(t *testing.T, tab context.Context, r *idptest.Request) *idptest.Tokens {
	t.Helper()
	await(t, tab, "arrived")
	tokens, err := r.Redeem(&idptest.Page{URL: location(t, tab)})
	if err != nil {
		t.Fatalf("redeem: %v %s", err, describe(tab))
	}
	return tokens
}

func location(t *testing.T, tab context.Context) *url.URL {
	t.Helper()
	u, err := url.Parse(evaluate[string](t, tab, "location.href"))
	if err != nil {
		t.Fatal(err)
	}
	return u
}
