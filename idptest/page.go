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
// begun on another device: a passkey where it will do and they have one (EnrollPasskey), else name and password; a one-time code, from the
// Mailbox or an authenticator app, which is set up where one is demanded; a yes on their phone (EnrollPush); and consent to all that is
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
		p = p.reply(u, question, consent)
	}
	return p
}

// reply answers one question as the person does.
func (p *Page) reply(u *directory.User, question, consent string) *Page {
	p.browser.server.t.Helper()
	device := p.browser.server.securityKey(u)
	switch question {
	case "webauthn":
		if device == nil {
			p.browser.server.t.Fatalf("idptest: %s has no passkey; EnrollPasskey gives one", u.Username)
		}
		return p.UsePasskey(device)
	case "password":
		if device != nil && device.Verifies && p.Has("webauthn") {
			return p.UsePasskey(device)
		}
		return p.Fill("username", u.Username).Fill("password", Password).Submit("login")
	case "manual_key":
		return p.Fill("otp", p.enroll(u).Code()).Submit("login")
	case "otp":
		return p.Fill("otp", p.code(u)).Submit("login")
	case "poll":
		phone := p.browser.server.phone(u)
		if phone == nil {
			p.browser.server.t.Fatalf("idptest: %s has no phone; EnrollPush gives one", u.Username)
		}
		phone.Approve(p.PushNumber())
		return p.Submit("login")
	}
	return p.Submit(consent)
}

// code is what the person reads where the page says that it is: in a message, or in their authenticator app.
func (p *Page) code(u *directory.User) string {
	p.browser.server.t.Helper()
	switch p.step() {
	case "email-code":
		return p.browser.server.mailbox.Code(u.Email)
	case "sms-code":
		return p.browser.server.mailbox.Code(u.Phone)
	}
	return p.authenticator(u).Code()
}

// step is the kind of the page.
func (p *Page) step() string {
	for _, e := range p.all {
		if e.name == "main" {
			return e.attrs["data-step"]
		}
	}
	return ""
}

// question is the id of what a page asks for; "" when that is nothing that a person could answer.
func (p *Page) question() string {
	for _, id := range []string{"password", "manual_key", "otp", "webauthn", "consent_allow"} {
		if p.Has(id) {
			return id
		}
	}
	if p.PushNumber() != "" {
		return "poll"
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
