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

	"golang.org/x/tools/txtar"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/idptest"
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
		})
		c.idp.User("ann")
		return c.exchange
	})
}

// conversation is one of an app with the provider.
type conversation struct {
	*native
	values map[string]string
	phone  *idptest.Authenticator
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
	switch verb, _, _ := strings.Cut(line, " "); verb {
	case "enroll": // ann has an authenticator app from here on
		c.phone = c.idp.EnrollTOTP(c.person())
	case "code": // is what it shows next
		c.values["otp"] = c.phone.Code()
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
