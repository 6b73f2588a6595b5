package signet_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow/me"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// self is somebody who looks after their account from an application.
type self struct {
	*testing.T
	idp    *idptest.Server
	app    *idptest.App
	user   *directory.User
	tokens *idptest.Tokens
}

func withMe(c *signet.Config) { c.Me = &me.Settings{} }

// mine is an App of the operator's own that may call for the person.
func mine(a *idptest.App) { a.Client.Scopes = []string{"openid", "offline_access", me.Scope} }

var scopeOfMe = oauth2.SetAuthURLParam("scope", "openid "+me.Scope)

func newSelf(t *testing.T, p storetest.Placement, edits ...func(*signet.Config)) *self {
	t.Helper()
	idp := idptest.New(t, append([]func(*signet.Config){placed(p), withMe}, edits...)...)
	s := &self{T: t, idp: idp, app: idp.App(callback, mine), user: idp.User("ann")}
	s.signIn()
	return s
}

// everySelf runs a test of the API in both placements.
func everySelf(t *testing.T, test func(s *self), edits ...func(*signet.Config)) {
	t.Helper()
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		t.Parallel()
		test(newSelf(t, p, edits...))
	})
}

// signIn signs the person in anew, in a browser of its own.
func (s *self) signIn() *idptest.Browser {
	s.Helper()
	b := s.idp.Browser()
	s.signInWith(b)
	return b
}

// signInWith does so in a browser.
func (s *self) signInWith(b *idptest.Browser, options ...oauth2.AuthCodeOption) {
	s.Helper()
	s.tokens = b.SignIn(s.user, s.app, append([]oauth2.AuthCodeOption{scopeOfMe}, options...)...)
}

// told is what the API has answered.
type told struct {
	status int
	header http.Header
	text   string
}

// into decodes the answer.
func (a told) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.text), v); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.text, err)
	}
}

// code is that of an error.
func (a told) code() string {
	var e struct {
		Code  string `json:"code"`
		Error string `json:"error"`
	}
	_ = json.Unmarshal([]byte(a.text), &e)
	return e.Code + e.Error
}

// request is a call that was not made.
func (s *self) request(method, path string, body any) *http.Request {
	s.Helper()
	var content io.Reader
	if body != nil {
		text, ok := body.(string)
		if !ok {
			encoded, err := json.Marshal(body)
			if err != nil {
				s.Fatal(err)
			}
			text = string(encoded)
		}
		content = strings.NewReader(text)
	}
	r, err := http.NewRequestWithContext(s.Context(), method, s.idp.URL+path, content)
	if err != nil {
		s.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	s.tokens.SetAuthHeader(r)
	return r
}

func (s *self) send(r *http.Request) told {
	s.Helper()
	response, err := s.idp.Client().Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(response.Body); err != nil {
		s.Fatal(err)
	}
	if len(response.Cookies()) > 0 {
		s.Errorf("cookies: %v", response.Cookies())
	}
	if response.Header.Get("Cache-Control") != "no-store" {
		s.Errorf("%s %s may be kept: %v", r.Method, r.URL.Path, response.Header)
	}
	return told{response.StatusCode, response.Header, body.String()}
}

// call calls the API below /api/users/v1/me.
func (s *self) call(method, path string, body any) told {
	s.Helper()
	return s.send(s.request(method, "/api/users/v1/me"+path, body))
}

// want calls and compares the status.
func (s *self) want(status int, method, path string, body any) told {
	s.Helper()
	a := s.call(method, path, body)
	if a.status != status {
		s.Fatalf("%s %s: %d %s, want %d", method, path, a.status, a.text, status)
	}
	return a
}

func (s *self) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *self) ref() store.Ref { return s.idp.Provider.Directory.SubjectRef(s.user) }

// The sessions of the person are listed with what took part, and end with everything that hangs on them.
func TestMeSessions(t *testing.T) {
	everySelf(t, func(s *self) {
		first := s.tokens
		s.idp.Advance(time.Minute)
		s.signIn()
		var list struct {
			UserID   string `json:"userId"`
			Sessions []struct {
				ID           string `json:"id"`
				LoginTime    string `json:"loginTime"`
				IDPName      string `json:"idpName"`
				Applications []struct {
					AppName string `json:"appName"`
					Subject string `json:"subject"`
				} `json:"applications"`
			} `json:"sessions"`
		}
		s.want(200, "GET", "/sessions", nil).into(t, &list)
		if len(list.Sessions) != 2 || list.UserID != s.user.ID {
			t.Fatalf("got %+v", list)
		}
		older := list.Sessions[0]
		if older.IDPName != "LOCAL" || len(older.Applications) != 1 || older.Applications[0].AppName != "App 1" || older.Applications[0].Subject != "ann" {
			t.Errorf("got %+v", older)
		}
		s.want(204, "DELETE", "/sessions/"+older.ID, nil)
		if a := s.as(first).call("GET", "/sessions", nil); a.status != 401 || a.code() != "invalid_token" {
			t.Errorf("the token of a session that was ended: %d %s", a.status, a.text)
		}
		s.want(204, "DELETE", "/sessions", nil)
		if a := s.call("GET", "/sessions", nil); a.status != 401 {
			t.Errorf("after all were ended: %d", a.status)
		}
	})
}

// as is the person with other tokens.
func (s *self) as(tokens *idptest.Tokens) *self {
	other := *s
	other.tokens = tokens
	return &other
}
