package rp

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/web"
)

// Start sends the browser to the provider. What Callback needs is kept in a cookie of this login, which no other tab overwrites.
func (p *Provider) Start(w http.ResponseWriter, r *http.Request, request Request) error {
	to, pending, err := p.Begin(r.Context(), request)
	if err != nil {
		return err
	}
	text, err := json.Marshal(pending)
	if err != nil {
		return err
	}
	http.SetCookie(w, loginCookie(pending.RedirectURL, pending.State, base64.RawURLEncoding.EncodeToString(text), int(patience/time.Second)))
	web.SeeOther(w, to)
	return nil
}

// Callback serves the redirect URL: it returns who has signed in, as Finish does. A browser that comes back by a form of the provider's
// does not show its cookie; it is sent here once more by a request of its own, and Callback returns nil.
func (p *Provider) Callback(w http.ResponseWriter, r *http.Request) (*Identity, error) {
	response, err := ReadResponse(w, r)
	if err != nil {
		return nil, err
	}
	state := p.StateOf(response)
	name := loginCookie(p.config.RedirectURL, state, "", 0).Name
	cookies := r.CookiesNamed(name)
	if r.Method == http.MethodPost && len(cookies) == 0 {
		web.SeeOther(w, r.URL.EscapedPath()+"?"+response.Encode())
		return nil, nil
	}
	if len(cookies) != 1 { // two: somebody below our host may have planted one
		return nil, invalid("this browser has not begun the login")
	}
	http.SetCookie(w, loginCookie(p.config.RedirectURL, state, "", -1))
	var pending Pending
	text, err := base64.RawURLEncoding.DecodeString(cookies[0].Value)
	if err != nil || json.Unmarshal(text, &pending) != nil {
		return nil, invalid("the cookie of the login is broken")
	}
	return p.Finish(r.Context(), pending, response)
}

// ReadResponse reads what a browser came back from a provider with: the query of a GET, or the form of a POST, of at most 64 KiB. Errors
// are ErrInvalid.
func ReadResponse(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.Method != http.MethodPost {
		response, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return nil, invalid("the query of the response: %v", err)
		}
		return response, nil
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		return nil, invalid("the form of the response: %v", err)
	}
	return r.PostForm, nil
}

// loginCookie is the cookie of one login. Lax lets it come along when the provider sends the browser back by a link.
func loginCookie(redirectURL, state, value string, maxAge int) *http.Cookie {
	c := &http.Cookie{
		Name: "rp-" + secret.Hash(state)[:16], Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if strings.HasPrefix(redirectURL, "https:") {
		c.Name, c.Secure = "__Host-"+c.Name, true
	}
	return c
}
