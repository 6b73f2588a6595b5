package signet_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/tools/txtar"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// TestDirectTranscripts plays the conversations of testdata/direct to a whole provider and compares its answers. A conversation is an
// archive of pairs, "NAME request" and "NAME answer". A request is
//
//	!directive …          what happens before, see (*conversation).direct
//	POST /oauth2/authn    method and path
//	                      an empty line
//	{"flowId":"<flow>"…   the body, as JSON or as a form
//
// In an answer what differs each time stands as a name in angle brackets, by which later requests may use it.
func TestDirectTranscripts(t *testing.T) {
	t.Parallel()
	transcripts(t, "direct", func(t *testing.T, p storetest.Placement, archive *txtar.Archive) func(string) string {
		c := &conversation{values: map[string]string{}}
		c.native = newNative(t, p, func(config *signet.Config) {
			config.Now = func() time.Time { return time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC) }
			config.Plans = map[string]flow.Plan{"login": c.steps(archive.Comment).Plan()}
			if strings.Contains(string(archive.Comment), "One session") {
				config.Accounts.SessionLimit = directory.SessionLimitPolicy{Max: 1, Over: directory.AskSession}
			}
			if strings.Contains(string(archive.Comment), "upstream") {
				c.upstream = connectUpstream(t, config)
				if strings.Contains(string(archive.Comment), "native") {
					config.Connections[0].NativeClients = []string{c.upstream.app.ClientID}
				}
			}
		})
		c.idp.User("ann")
		return c.exchange
	})
}

// conversation is one of an app with the provider.
type conversation struct {
	*native
	values   map[string]string
	otp      *idptest.Authenticator
	phone    *idptest.Phone
	upstream *elsewhere
}

// elsewhere is a provider upstream at which somebody is.
type elsewhere struct {
	*idptest.Server
	app   *idptest.App
	there *directory.User
}

const appLink = "https://app.example.com/back"

// connectUpstream connects one, by the name "up".
func connectUpstream(t *testing.T, config *signet.Config) *elsewhere {
	t.Helper()
	p := &elsewhere{Server: idptest.New(t, func(c *signet.Config) { c.Now = config.Now })}
	p.there = p.User("there")
	p.app = p.App(appLink, func(a *idptest.App) { a.Application.SkipConsent = true })
	config.Connections = []federated.Connection{{
		Name: "up", Title: "Upstream", Create: true, ProgramURL: appLink,
		Provider: rp.Config{Issuer: p.URL, ClientID: p.app.ClientID, ClientSecret: p.app.ClientSecret},
	}}
	return p
}

// visit is what somebody comes back with to the app who opens the URL and signs in there.
func (p *elsewhere) visit(t *testing.T, to string) *idptest.Page {
	t.Helper()
	page := p.Browser().Open(to).Fill("username", p.there.Username).Fill("password", idptest.Password).Submit("login")
	if !strings.HasPrefix(page.URL.String(), appLink+"?") {
		t.Fatalf("the provider sends people to %s", page.URL)
	}
	return page
}

// steps are the ways to begin that a line "first: …" of the comment says.
func (*conversation) steps(comment []byte) flow.LoginSteps {
	for line := range strings.Lines(string(comment)) {
		if names, ok := strings.CutPrefix(line, "first: "); ok {
			return flow.LoginSteps{First: strings.Fields(names)}
		}
	}
	return flow.LoginSteps{}
}

// direct does what a directive says.
func (c *conversation) direct(line string) {
	c.Helper()
	switch verb, rest, more := strings.Cut(line, " "); verb {
	case "enroll": // ann has an authenticator app from here on
		c.otp = c.idp.EnrollTOTP(c.person())
	case "code": // is what it shows next
		c.values["otp"] = c.otp.Code()
	case "phone": // ann has one that confirms sign-ins from here on
		c.phone = c.idp.EnrollPush(c.person())
	case "approve": // on it, with the number that the program shows
		c.phone.Approve(c.values["number"])
	case "deny":
		c.phone.Deny()
	case "visit": // the provider, and sign in there
		came := c.upstream.visit(c.T, c.values["upstream-url"]).URL.Query()
		for _, name := range []string{"code", "state", "iss"} {
			c.values["upstream-"+name] = came.Get(name)
		}
	case "idtoken": // of the provider, for the nonce or another
		nonce := c.values["nonce"]
		if more {
			nonce = rest
		}
		r := c.upstream.app.Request(oauth2.SetAuthURLParam("nonce", nonce))
		r.Nonce = nonce
		tokens, err := r.Redeem(c.upstream.visit(c.T, r.URL))
		if err != nil {
			c.Fatal(err)
		}
		c.values["id-token"], c.values["access-token"] = tokens.IDToken, tokens.AccessToken
	case "mail": // brings the code that was sent
		c.values["otp"] = c.idp.Mailbox().Code("ann@example.com")
	default:
		c.Fatalf("unknown directive %q", line)
	}
}

func (c *conversation) person() *directory.User {
	c.Helper()
	u, err := c.idp.Provider.Directory.FindUser(c.Context(), "", "ann")
	if err != nil {
		c.Fatal(err)
	}
	return u
}

// exchange sends a request and returns the answer as a transcript has it.
func (c *conversation) exchange(text string) string {
	c.Helper()
	for strings.HasPrefix(text, "!") {
		line, rest, _ := strings.Cut(text, "\n")
		c.direct(strings.TrimPrefix(line, "!"))
		text = rest
	}
	for name, value := range c.values {
		text = strings.ReplaceAll(text, "<"+name+">", value)
	}
	head, body, _ := strings.Cut(text, "\n\n")
	_, path, _ := strings.Cut(head, " ")
	r := c.request(strings.TrimSpace(path), "application/json", strings.TrimSpace(body))
	if path == "/oauth2/authorize" {
		form, err := url.ParseQuery(strings.TrimSpace(body))
		if err != nil {
			c.Fatal(err)
		}
		r = c.first(func(own url.Values, _ *http.Request) {
			for name := range form {
				own.Set(name, form.Get(name))
			}
		})
	}
	s := c.send(r)
	return c.mask(s)
}

// mask writes an answer with names for what differs each time.
func (c *conversation) mask(s said) string {
	c.Helper()
	text := strings.ReplaceAll(s.Text, c.idp.URL, "<issuer>")
	if len(s.NextStep.Authenticators) > 0 {
		data := s.NextStep.Authenticators[0].Metadata.Additional
		for name, value := range map[string]string{
			"redirectUrl": "upstream-url", "state": "upstream-state", "clientId": "upstream-client", "nonce": "nonce",
			"promptId": "prompt", "sessions": "sessions", "numberChallenge": "number",
		} {
			if data[name] != "" {
				c.values[value] = data[name]
				quoted, err := json.Marshal(data[name])
				if err != nil {
					c.Fatal(err)
				}
				text = strings.ReplaceAll(text, string(quoted), `"<`+value+`>"`)
			}
		}
		if _, push, ok := strings.Cut(data["statusEndpoint"], "pushAuthId="); ok {
			text = strings.ReplaceAll(text, push, "<push>")
		}
	}
	if list := c.values["sessions"]; list != "" {
		_, rest, _ := strings.Cut(list, `"sessionId":"`)
		c.values["session"], _, _ = strings.Cut(rest, `"`)
	}
	for name, value := range map[string]string{"flow": s.FlowID, "trace": s.Trace, "authorization-code": s.AuthData.Code} {
		if value != "" {
			c.values[name] = value
			text = strings.ReplaceAll(text, `"`+value+`"`, `"<`+name+`>"`)
		}
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(text), "", "  "); err != nil {
		c.Fatal(err)
	}
	return fmt.Sprintf("%d %s\n\n%s\n", s.Status, s.Header.Get("Content-Type"), indented.String())
}
