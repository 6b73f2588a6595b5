package idptest

import (
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"

	"golang.org/x/oauth2"

	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store/directory"
)

// Browser keeps cookies, follows redirects and fills in forms. It goes to the provider and to the sites that the test has
// opened in it; to any other place it is only shown the way.
type Browser struct {
	server *Server
	jar    http.CookieJar

	mu    sync.Mutex
	sites map[string]bool // by origin
}

// Browser returns a browser without cookies.
func (s *Server) Browser() *Browser {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	s.must("make a cookie jar", err)
	b := &Browser{server: s, jar: jar, sites: map[string]bool{}}
	b.visit(s.URL)
	return b
}

// SignIn signs a person in to an application, in a browser of its own; see Browser.SignIn.
func (s *Server) SignIn(u *directory.User, a *App, parameters ...oauth2.AuthCodeOption) *Tokens {
	s.t.Helper()
	return s.Browser().SignIn(u, a, parameters...)
}

// Deny has a person sign in and refuse what the application asks for, in a browser of its own; see Browser.Deny.
func (s *Server) Deny(u *directory.User, a *App, parameters ...oauth2.AuthCodeOption) *oidc.Error {
	s.t.Helper()
	return s.Browser().Deny(u, a, parameters...)
}

// SignIn signs a person in to an application: it begins a request with the parameters, answers every page as the person would,
// and redeems the code. Anything but success ends the test.
func (b *Browser) SignIn(u *directory.User, a *App, parameters ...oauth2.AuthCodeOption) *Tokens {
	b.server.t.Helper()
	r := a.Request(parameters...)
	tokens, err := r.Redeem(b.open(r.URL, a.RedirectURL).SignIn(u))
	b.server.must("sign "+u.Username+" in", err)
	return tokens
}

// Deny has a person sign in and refuse what the application asks for, and returns what the application is told. Anything
// else ends the test.
func (b *Browser) Deny(u *directory.User, a *App, parameters ...oauth2.AuthCodeOption) *oidc.Error {
	b.server.t.Helper()
	r := a.Request(parameters...)
	_, err := r.Redeem(b.open(r.URL, a.RedirectURL).Deny(u))
	refusal, ok := errors.AsType[*oidc.Error](err)
	if !ok {
		b.server.t.Fatalf("idptest: %s was not asked, or not heard: %v", u.Username, err)
	}
	return refusal
}

// SignOut signs out of the application that has the tokens, and of the provider (RP-Initiated Logout 1.0 §2), and confirms
// that when asked. It returns where that ends.
func (b *Browser) SignOut(tokens *Tokens) *Page {
	b.server.t.Helper()
	query := url.Values{"id_token_hint": {tokens.IDToken}, "client_id": {tokens.app.ClientID}}
	back := ""
	if list := tokens.app.Client.PostLogoutRedirectURIs; len(list) > 0 {
		back = list[0]
		query.Set("post_logout_redirect_uri", back)
	}
	page := b.open(b.server.endSession+"?"+query.Encode(), back)
	if page.Has("logout_confirm") {
		page = page.Submit("logout_confirm")
	}
	return page
}

// Open goes to an address, and from now on wherever a redirect leads to its host.
func (b *Browser) Open(address string) *Page {
	b.server.t.Helper()
	b.visit(address)
	return b.open(address, "")
}

// open goes to an address, and no further than to stop.
func (b *Browser) open(address, stop string) *Page {
	b.server.t.Helper()
	r, err := http.NewRequestWithContext(b.server.t.Context(), http.MethodGet, address, nil)
	b.server.must("open "+address, err)
	r.Header.Set("Sec-Fetch-Site", "none")
	return b.send(r, stop)
}

// send does a request and follows redirects, up to a place that the browser does not visit, or to stop.
func (b *Browser) send(r *http.Request, stop string) *Page {
	b.server.t.Helper()
	if !b.visits(r.URL) || isAt(r.URL, stop) {
		return &Page{URL: r.URL, browser: b, stop: stop}
	}
	client := *b.server.Client()
	client.Jar = b.jar
	client.CheckRedirect = func(next *http.Request, before []*http.Request) error {
		if len(before) >= 20 {
			return errors.New("redirects without end")
		}
		if !b.visits(next.URL) || isAt(next.URL, stop) {
			return http.ErrUseLastResponse
		}
		return nil
	}
	response, err := client.Do(r)
	b.server.must("open "+r.URL.String(), err)
	defer response.Body.Close()
	page := &Page{URL: response.Request.URL, browser: b, stop: stop}
	if away, err := response.Location(); err == nil && response.StatusCode/100 == 3 {
		page.URL = away
		return page
	}
	body, err := io.ReadAll(response.Body)
	b.server.must("read "+r.URL.String(), err)
	page.Status, page.Header, page.Body = response.StatusCode, response.Header, string(body)
	if strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") {
		page.parse()
	}
	return page
}

// isAt reports whether an address is the place, whatever its query.
func isAt(u *url.URL, place string) bool {
	p, err := url.Parse(place)
	return err == nil && place != "" && origin(u) == origin(p) && u.Path == p.Path && u.Opaque == p.Opaque
}

func (b *Browser) visit(address string) {
	if u, err := url.Parse(address); err == nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.sites[origin(u)] = true
	}
}

func (b *Browser) visits(u *url.URL) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sites[origin(u)]
}

func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }
