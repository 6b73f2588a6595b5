package signet_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// TestMeTranscripts plays the conversations of testdata/me to a whole provider and compares its answers. A conversation is an archive of
// pairs, "NAME request" and "NAME answer". A request is
//
//	!directive …                    what happens before, see (*portal).direct
//	GET /api/users/v1/me/sessions   method and path
//	                                an empty line
//	{"action":"INIT"}               the body, if there is one
//
// In an answer what differs each time stands as the name of its member in angle brackets, by which later requests may use it.
func TestMeTranscripts(t *testing.T) {
	t.Parallel()
	transcripts(t, "me", func(t *testing.T, p storetest.Placement, _ *txtar.Archive) func(string) string {
		c := &portal{values: map[string]string{}}
		c.self = newSelf(t, p, withPasskeys, onLocalhost, withGoogle, func(config *signet.Config) {
			config.Now = func() time.Time { return time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC) }
		})
		return c.exchange
	})
}

// portal is an application in which somebody looks after their account.
type portal struct {
	*self
	values map[string]string
}

// direct does what a directive says.
func (c *portal) direct(line string) {
	c.Helper()
	switch words := strings.Fields(line); words[0] {
	case "wait":
		d, err := time.ParseDuration(words[1])
		c.must(err)
		c.idp.Advance(d)
	case "sign-in":
		c.signIn()
	case "link": // an account at Google
		c.link(words[1], c.ref())
	case "forget-password": // of somebody who signs in elsewhere from now on
		credential, err := c.idp.Provider.Directory.OwnCredential(c.Context(), c.subject(), c.ref().ID+"/password")
		c.must(err)
		c.must(c.idp.Provider.Directory.Credentials.Delete(c.Context(), credential))
	case "app": // that people find
		c.must(c.idp.Provider.Directory.Applications.Create(c.Context(), &directory.Application{
			Name: words[1], URL: "https://" + words[1] + ".example", Description: "What " + words[1] + " is for", Discoverable: true,
		}))
	case "code": // is what the app shows that is being set up
		text, err := base64.StdEncoding.DecodeString(c.values["qrCodeUrl"])
		c.must(err)
		uri, err := url.Parse(string(text))
		c.must(err)
		seed, err := base32Seed(uri.Query().Get("secret"))
		c.must(err)
		c.values["code"], err = mfa.TOTP{}.Code(seed, c.idp.Now())
		c.must(err)
	default:
		c.Fatalf("unknown directive %q", line)
	}
}

// exchange sends a request and returns the answer as a transcript has it.
func (c *portal) exchange(text string) string {
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
	method, path, _ := strings.Cut(strings.TrimSpace(head), " ")
	var r *http.Request
	if body = strings.TrimSpace(body); body == "" {
		r = c.request(method, path, nil)
	} else {
		r = c.request(method, path, body)
	}
	return c.mask(c.send(r))
}

// varying are the members whose values differ each time, and drawn are codes.
var (
	varying = regexp.MustCompile(`"(traceId|id|appId|userId|subjectId|deviceId|challenge|requestId|qrCodeUrl|secret|credentialId|userHandle|consentReceiptID|piiPrincipalId|ip|userAgent)":"([^"]+)"`)
	drawn   = regexp.MustCompile(`"[A-Z0-9]{5}(-[A-Z0-9]{5})+"`)
)

// mask writes an answer with names for what differs each time.
func (c *portal) mask(a told) string {
	c.Helper()
	text := strings.ReplaceAll(a.text, c.idp.URL, "<issuer>")
	for _, found := range varying.FindAllStringSubmatch(text, -1) {
		c.values[found[1]] = found[2]
	}
	text = drawn.ReplaceAllString(varying.ReplaceAllString(text, `"$1":"<$1>"`), `"<code>"`)
	head := fmt.Sprintf("%d %s", a.status, a.header.Get("Content-Type"))
	for _, challenge := range a.header.Values("WWW-Authenticate") {
		head += "\nWWW-Authenticate: " + strings.ReplaceAll(challenge, c.idp.URL, "<issuer>")
	}
	if text == "" {
		return strings.TrimSpace(head) + "\n"
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(text), "", "  "); err != nil {
		c.Fatal(err)
	}
	return head + "\n\n" + indented.String() + "\n"
}
