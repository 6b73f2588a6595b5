package main

import (
	"bytes"
	"context"
	"encoding/base32"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/mfa"
)

// TestBrowser is the main job: a person signs in to the application with password and TOTP, consents, sees their claims,
// signs out, is asked again, and is remembered after a restart.
func TestBrowser(t *testing.T) {
	t.Parallel()
	browser := testenv.Chromium(t)
	c := config{folder: t.TempDir(), providerAddress: "127.0.0.1:0", appAddress: "127.0.0.1:0"}

	first := start(t, c)
	signInWithPassword(t, browser, first.app)
	key := enrol(t, browser)
	do(t, browser, chromedp.Click(chromedp.ID("consent_allow")), chromedp.WaitVisible(chromedp.ID("claims")))
	checkClaims(t, browser)

	do(t, browser, chromedp.Click(chromedp.ID("sign-out")), chromedp.WaitVisible(chromedp.ID("sign-in")))
	signInWithPassword(t, browser, first.app)
	// The step after the one that enrolment used up: the skew of one step lets it in without waiting for it.
	giveCode(t, browser, key, 30*time.Second)
	do(t, browser, chromedp.WaitVisible(chromedp.ID("claims"))) // the consent is remembered
	testenv.Shoot(t, browser, "claims")
	first.stop(t)

	// The same addresses: the issuer is part of what is remembered.
	c.providerAddress, c.appAddress = strings.TrimPrefix(first.provider, "http://"), strings.TrimPrefix(first.app, "http://")
	second := start(t, c)
	do(t, browser, chromedp.Navigate(second.app), chromedp.Click(chromedp.ID("sign-in")), chromedp.WaitVisible(chromedp.ID("claims")))
	checkClaims(t, browser) // neither password, code nor consent: the session was remembered too
	second.stop(t)
}

type running struct {
	provider, app string
	stop          func(*testing.T)
}

var urls = regexp.MustCompile(`Application\s+(http://\S+)(?s:.*)Identity provider\s+(http://\S+)`)

// start runs the program until stop.
func start(t *testing.T, c config) running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	out, done := newOutput(), make(chan error, 1)
	go func() {
		err := run(ctx, c, out)
		_ = out.writer.CloseWithError(errors.Join(io.EOF, err))
		done <- err
	}()
	text := out.until(t, "remembered in")
	go func() { _, _ = io.Copy(io.Discard, out.reader) }() // messages are printed as well
	found := urls.FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("the program does not print its URLs:\n%s", text)
	}
	return running{provider: found[2], app: found[1], stop: func(t *testing.T) {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Fatalf("run: %v", err)
		}
	}}
}

// output is what the program prints, as it prints it.
type output struct {
	reader *io.PipeReader
	writer *io.PipeWriter
}

func newOutput() *output {
	r, w := io.Pipe()
	return &output{r, w}
}

func (o *output) Write(p []byte) (int, error) { return o.writer.Write(p) }

// until reads until the text was printed.
func (o *output) until(t *testing.T, text string) string {
	t.Helper()
	var all bytes.Buffer
	buffer := make([]byte, 4096)
	for !strings.Contains(all.String(), text) {
		n, err := o.reader.Read(buffer)
		all.Write(buffer[:n])
		if err != nil {
			t.Fatalf("the program ended: %v\n%s", err, all.String())
		}
	}
	return all.String()
}

func signInWithPassword(t *testing.T, browser context.Context, app string) {
	t.Helper()
	do(t, browser, chromedp.Navigate(app), chromedp.Click(chromedp.ID("sign-in")), chromedp.WaitVisible(chromedp.ID("password")))
	testenv.Shoot(t, browser, "password")
	do(t, browser,
		chromedp.SendKeys(chromedp.ID("username"), demoUser), chromedp.SendKeys(chromedp.ID("password"), demoPassword), chromedp.Click(chromedp.ID("login")),
		chromedp.WaitVisible(chromedp.ID("otp")))
}

// enrol sets up the authenticator app from the key that is shown for typing, and returns the key.
func enrol(t *testing.T, browser context.Context) []byte {
	t.Helper()
	testenv.Shoot(t, browser, "enrol")
	text, err := chromedp.Run(browser, chromedp.Text(chromedp.ID("manual_key")))
	if err != nil {
		t.Fatal(err)
	}
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatalf("key %q: %v", text, err)
	}
	giveCode(t, browser, key, 0)
	do(t, browser, chromedp.WaitVisible(chromedp.ID("consent_allow")))
	testenv.Shoot(t, browser, "consent")
	return key
}

func giveCode(t *testing.T, browser context.Context, key []byte, ahead time.Duration) {
	t.Helper()
	code, err := mfa.TOTP{}.Code(key, time.Now().Add(ahead))
	if err != nil {
		t.Fatal(err)
	}
	do(t, browser, chromedp.SendKeys(chromedp.ID("otp"), code), chromedp.Click(chromedp.ID("login")))
}

func checkClaims(t *testing.T, browser context.Context) {
	t.Helper()
	text, err := chromedp.Run(browser, chromedp.Text(chromedp.ID("claims")))
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Subject, Name, Email, ACR string
		AMR                       []string
	}
	if err := json.Unmarshal([]byte(strings.Replace(text, `"sub"`, `"subject"`, 1)), &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Subject == "" || claims.Name != "Dana Demo" || claims.Email != "demo@example.com" || claims.ACR != "aal2" {
		t.Errorf("the application sees %s", text)
	}
}

func do(t *testing.T, browser context.Context, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(browser, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		where, _ := chromedp.Run(browser, chromedp.Location())
		body, _ := chromedp.Run(browser, chromedp.Text(chromedp.CSS("body")))
		t.Fatalf("%v at %s:\n%s", err, where, body)
	}
}
