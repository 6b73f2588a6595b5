package idptest

import (
	"encoding/base32"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/signet-idp/signet/store/directory"
)

// Page is what a Browser shows.
type Page struct {
	// URL is where the browser is.
	URL *url.URL
	// Status, Header and Body are the answer; zero when the browser was only shown the way there.
	Status int
	Header http.Header
	Body   string

	browser *Browser
	stop    string
	elements
}

// String describes the page for a failure.
func (p *Page) String() string {
	text := fmt.Sprintf("%d %s", p.Status, p.URL)
	if seen := strings.Join(strings.Fields(p.text()), " "); seen != "" {
		text += fmt.Sprintf(" %.300q", seen)
	}
	return text
}

// Has reports whether the page has an element with the id.
func (p *Page) Has(id string) bool { return p.byID[id] != nil }

// Text is the text of the element with the id, blanks collapsed; "" when there is none.
func (p *Page) Text(id string) string {
	e := p.byID[id]
	if e == nil {
		return ""
	}
	return strings.Join(strings.Fields(e.text.String()), " ")
}

// Fill puts values into the field with the name, in place of those that are in it, and returns the page. Of checkboxes it
// ticks those with one of the values and no others. A page without the field ends the test.
func (p *Page) Fill(field string, values ...string) *Page {
	p.browser.server.t.Helper()
	for _, f := range p.forms {
		if f.fill(field, values) {
			return p
		}
	}
	p.browser.server.t.Fatalf("idptest: no field %q on %v", field, p)
	return nil
}

// Submit presses the button with the id, or the only one when it is "", and returns the page that follows. A page without
// the button ends the test.
func (p *Page) Submit(button string) *Page {
	t := p.browser.server.t
	t.Helper()
	for _, f := range p.forms {
		values, ok := f.press(button)
		if !ok {
			continue
		}
		target, err := p.URL.Parse(f.action)
		p.browser.server.must("submit to "+f.action, err)
		return p.browser.send(p.submission(f, target, values), p.stop)
	}
	t.Fatalf("idptest: no button %q on %v", button, p)
	return nil
}

// submission is the request that submitting a form makes.
func (p *Page) submission(f *form, target *url.URL, values url.Values) *http.Request {
	s := p.browser.server
	s.t.Helper()
	method, body := http.MethodPost, strings.NewReader(values.Encode())
	if !strings.EqualFold(f.method, http.MethodPost) {
		method, body = http.MethodGet, strings.NewReader("")
		target.RawQuery = values.Encode()
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, target.String(), body)
	s.must("submit to "+f.action, err)
	site := "same-origin"
	if origin(target) != origin(p.URL) {
		site = "cross-site"
	}
	r.Header.Set("Sec-Fetch-Site", site)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", origin(p.URL))
	}
	return r
}

// SignIn answers every page of the provider as the person would, and returns the first that is not the provider's, or that ends what was
// begun on another device: name and password, a one-time code, for which an authenticator app is set up where one is demanded, and consent to all that is
// asked for. A page on which there is nothing to answer, or on which the answer did not help, ends the test.
func (p *Page) SignIn(u *directory.User) *Page {
	p.browser.server.t.Helper()
	return p.answer(u, "consent_allow")
}

// Deny is SignIn without the consent: what is asked for is refused.
func (p *Page) Deny(u *directory.User) *Page {
	p.browser.server.t.Helper()
	return p.answer(u, "consent_deny")
}

func (p *Page) answer(u *directory.User, consent string) *Page {
	t := p.browser.server.t
	t.Helper()
	var asked []string
	for p.Status != 0 && p.isProvider() && !p.Has("done") {
		question := p.question()
		if question == "" || slices.Contains(asked, question) {
			t.Fatalf("idptest: %s gets no further than %v", u.Username, p)
		}
		asked = append(asked, question)
		switch question {
		case "password":
			p = p.Fill("username", u.Username).Fill("password", Password).Submit("login")
		case "manual_key":
			p = p.Fill("otp", p.enroll(u).Code()).Submit("login")
		case "otp":
			p = p.Fill("otp", p.authenticator(u).Code()).Submit("login")
		case "consent_allow":
			p = p.Submit(consent)
		}
	}
	return p
}

// question is the id of what a page asks for; "" when that is nothing that a person could answer.
func (p *Page) question() string {
	for _, id := range []string{"password", "manual_key", "otp", "consent_allow"} {
		if p.Has(id) {
			return id
		}
	}
	return ""
}

func (p *Page) isProvider() bool {
	issuer, err := url.Parse(p.browser.server.URL)
	return err == nil && origin(issuer) == origin(p.URL)
}

// enroll types the key on the page into the person's authenticator app.
func (p *Page) enroll(u *directory.User) *Authenticator {
	s := p.browser.server
	s.t.Helper()
	key := strings.ReplaceAll(p.Text("manual_key"), " ", "")
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(key)
	s.must("read the TOTP key", err)
	return s.hand(u, seed)
}

func (p *Page) authenticator(u *directory.User) *Authenticator {
	s := p.browser.server
	s.t.Helper()
	a := s.authenticator(u)
	if a == nil {
		s.t.Fatalf("idptest: %s has no authenticator app; EnrollTOTP gives one", u.Username)
	}
	return a
}
