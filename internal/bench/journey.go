package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"net/url"
	"strings"

	"github.com/signet-idp/signet/internal/authenticator"
)

// journey is what one connection does again and again.
type journey interface {
	// once does it once.
	once(c *connection) error
}

// work describes the journeys of all connections, so that one process can ask another to go on them.
type work struct {
	// Request is sent as it is, Repeat times for each journey, when there is none of what follows.
	Request []byte
	Repeat  int
	// Once are requests that count once: each journey sends one, and when there is none left the slice ends. They are answered with
	// Status; zero is 200.
	Once   [][]byte
	Status int
	// Basic is the Authorization header of the client, for all that follows.
	Basic string
	// Refresh holds a refresh token for each connection: each journey trades the last for the next.
	Refresh []string
	// Codes are authorization codes: each journey redeems one, and when there is none left the slice ends.
	Codes []string
	// Login has a person for each connection: each journey signs them in, in a browser that knows them from before.
	Login []person
	// Factored are people with an authenticator app: each journey signs another in, and when there is none left the slice ends.
	Factored []factored
	// Unredeemed ends sign-ins with the code.
	Unredeemed bool
	// Native has those of Login sign in without a browser.
	Native bool
	// Signed is what the client signs for the sign-ins, when they begin with a pushed request; when there is none left the slice ends.
	Signed []pair
	// ClientID and RedirectURI are those of the authorization request.
	ClientID, RedirectURI string
}

// usedUp reports whether each journey spends something of its own.
func (w *work) usedUp() bool { return len(w.Once)+len(w.Codes)+len(w.Factored) > 0 }

// person is somebody who signs in.
type person struct {
	Username, Password string
	// Device is the cookie of the browser that knows the person; "" before the first login.
	Device string
	// Passkey, when it is not nil, signs in rather than the password.
	Passkey *authenticator.Authenticator `json:",omitempty"`
}

// errNoMore ends a slice early: what it consumes is used up.
var errNoMore = errors.New("used up")

// journeys returns one for each connection.
func (w *work) journeys(connections int) []journey {
	codes, requests, signed, factored := queue(w.Codes), queue(w.Once), queue(w.Signed), queue(w.Factored)
	all := make([]journey, connections)
	for i := range all {
		switch {
		case len(w.Signed) > 0:
			all[i] = &pushedLogin{login: login{work: w, person: w.Login[i]}, signed: signed}
		case w.Native:
			all[i] = &nativeLogin{work: w, person: w.Login[i]}
		case len(w.Factored) > 0:
			all[i] = &factoredLogin{login: login{work: w}, people: factored}
		case len(w.Login) > 0:
			all[i] = &login{work: w, person: w.Login[i]}
		case len(w.Refresh) > 0:
			all[i] = &refresh{work: w, token: w.Refresh[i]}
		case len(w.Codes) > 0:
			all[i] = &redemption{work: w, codes: codes}
		case len(w.Once) > 0:
			all[i] = &sending{status: cmp.Or(w.Status, 200), requests: requests}
		default:
			all[i] = fixed{w}
		}
	}
	return all
}

// queue hands out all of them, one by one.
func queue[T any](all []T) <-chan T {
	q := make(chan T, len(all))
	for _, one := range all {
		q <- one
	}
	close(q)
	return q
}

// sending sends requests that count once.
type sending struct {
	status   int
	requests <-chan []byte
}

func (s *sending) once(c *connection) error {
	request, ok := <-s.requests
	if !ok {
		return errNoMore
	}
	a, err := c.exchange(request)
	if err == nil && a.status != s.status {
		err = fmt.Errorf("%v", a)
	}
	return err
}

// fixed sends the same bytes.
type fixed struct{ *work }

func (f fixed) once(c *connection) error {
	for range max(1, f.Repeat) {
		a, err := c.exchange(f.Request)
		if err != nil {
			return err
		}
		if a.status != 200 {
			return fmt.Errorf("%v", a)
		}
	}
	return nil
}

const (
	tokenPath = "/oauth2/token"
	// verifier is the PKCE verifier of all authorization requests (RFC 7636 §4.1).
	verifier = "the-verifier-of-everybody-who-is-measured-here"
)

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// token sends a token request.
func (w *work) token(c *connection, form string) (answer, error) {
	a, err := c.exchange(c.request("POST", tokenPath, []string{w.Basic}, form))
	if err == nil && a.status != 200 {
		err = fmt.Errorf("%v", a)
	}
	return a, err
}

// refresh trades refresh tokens.
type refresh struct {
	*work
	token string
}

func refreshForm(token string) string { return "grant_type=refresh_token&refresh_token=" + token }

func (r *refresh) once(c *connection) error {
	a, err := r.work.token(c, refreshForm(r.token))
	r.token = between(string(a.body), `"refresh_token":"`, `"`)
	return err
}

// redemption redeems codes.
type redemption struct {
	*work
	codes <-chan string
}

func (w *work) codeForm(code string) string {
	return "grant_type=authorization_code&code=" + code + "&redirect_uri=" + url.QueryEscape(w.RedirectURI) + "&code_verifier=" + verifier
}

func (r *redemption) once(c *connection) error {
	code, ok := <-r.codes
	if !ok {
		return errNoMore
	}
	_, err := r.work.token(c, r.codeForm(code))
	return err
}

// login is a whole sign-in, from the authorization request to the tokens.
type login struct {
	*work
	person  person
	cookies map[string]string
	pages   []string // those that the last one showed, by what they are about
	tokens  string
	// code is what an authenticator app shows, for those who have one.
	code func() string
}

// parameters are those of the authorization request.
func (l *login) parameters() url.Values {
	return url.Values{
		"client_id": {l.ClientID}, "redirect_uri": {l.RedirectURI}, "response_type": {"code"}, "scope": {scopes},
		"state": {"the-state-of-the-client"}, "nonce": {"the-nonce-of-the-client"},
		"code_challenge": {challenge()}, "code_challenge_method": {"S256"},
	}
}

// scopes are what people are asked for.
const scopes = "openid profile email"

func (l *login) once(c *connection) error {
	l.reset()
	code, err := l.authorized(c, l.parameters())
	if err != nil || l.Unredeemed {
		return err
	}
	a, err := l.token(c, l.codeForm(code))
	l.tokens = string(a.body)
	return err
}

// reset is the browser as it was before.
func (l *login) reset() {
	l.cookies, l.pages = map[string]string{}, nil
	l.keep(l.person.Device)
}

// authorized goes from the authorization request to the code.
func (l *login) authorized(c *connection, parameters url.Values) (code string, err error) {
	a, err := l.get(c, "/oauth2/authorize?"+parameters.Encode())
	for err == nil {
		switch {
		case a.status == 200:
			l.pages = append(l.pages, between(string(a.body), `data-step="`, `"`))
			a, err = l.submit(c, string(a.body))
		case a.status != 303:
			return "", fmt.Errorf("%v", a)
		case strings.HasPrefix(a.location, l.RedirectURI):
			return between(a.location+"&", "code=", "&"), nil
		default:
			a, err = l.get(c, a.location)
		}
	}
	return "", err
}

func (l *login) get(c *connection, target string) (answer, error) {
	return l.visit(c, c.request("GET", target, []string{l.cookie(), "Sec-Fetch-Site: none"}, ""))
}

// submit fills in the form of a page: name and password, and every box of a consent.
func (l *login) submit(c *connection, page string) (answer, error) {
	form, target := url.Values{}, html.UnescapeString(between(page, `action="`, `"`))
	for rest, _, _ := strings.Cut(page, "</form>"); ; { // what follows is the choice of a language
		_, after, ok := strings.Cut(rest, "<input ")
		if !ok {
			break
		}
		input, _, _ := strings.Cut(after, ">")
		name, value := between(input, ` name="`, `"`), html.UnescapeString(between(input, ` value="`, `"`))
		switch name {
		case "username":
			value = l.person.Username
		case "password":
			value = l.person.Password
		case "otp":
			value = l.code()
		}
		if name != "remember" {
			form.Add(name, value)
		}
		rest = after
	}
	for _, action := range []string{"login", "consent_allow"} {
		if strings.Contains(page, `id="`+action+`"`) {
			form.Set("action", action)
		}
	}
	if l.person.Passkey != nil && strings.Contains(page, `id="webauthn"`) {
		if err := l.sign(form, page); err != nil {
			return answer{}, err
		}
	}
	headers := []string{l.cookie(), "Origin: http://" + c.host, "Sec-Fetch-Site: same-origin"}
	return l.visit(c, c.request("POST", target, headers, form.Encode()))
}

// sign answers with the passkey, as the script of the page does.
func (l *login) sign(form url.Values, page string) error {
	signed, err := l.person.Passkey.Get([]byte(html.UnescapeString(between(page, `data-options="`, `"`))))
	form.Set("credential", string(signed))
	form.Set("action", between(page, `data-action="`, `"`))
	form.Del("password")
	return err
}

func (l *login) visit(c *connection, request []byte) (answer, error) {
	a, err := c.exchange(request)
	for _, cookie := range a.cookies {
		l.keep(cookie)
	}
	return a, err
}

// keep takes a cookie into the browser.
func (l *login) keep(cookie string) {
	if name, value, ok := strings.Cut(cookie, "="); ok {
		l.cookies[name] = value
	}
}

// cookie is the Cookie header.
func (l *login) cookie() string {
	var all []string
	for name, value := range l.cookies {
		all = append(all, name+"="+value)
	}
	return "Cookie: " + strings.Join(all, "; ")
}

// device is the cookie by which the browser is known from now on.
func (l *login) device() string {
	for name, value := range l.cookies {
		if strings.HasSuffix(name, "-device") {
			return name + "=" + value
		}
	}
	return ""
}
