package e2e_test

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/account"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store/directory"
)

// look is how somebody sees a page.
type look struct {
	name, scheme, language string
	width                  int64
}

var looks = []look{
	{"light", "light", "en", 1280},
	{"dark", "dark", "de", 1280},
	{"right-to-left", "light", "ar", 1280},
	{"phone", "dark", "fr", 360},
	{"phone right-to-left", "dark", "ar", 360},
}

// as makes a tab show what comes next in a look.
func as(t *testing.T, tab context.Context, l look) {
	t.Helper()
	do(t, tab, chromedp.EmulateViewport(l.width, 800),
		call(network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": l.language}}),
		call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.scheme}},
		}))
}

// fullAccount is somebody with one of everything that an account can have, and a tab in which they have proven who they are.
func fullAccount(t *testing.T, browser context.Context) (*world, context.Context) {
	t.Helper()
	w := &world{site: newSite(t), idp: idptest.New(t, func(c *signet.Config) {
		c.Issuer = strings.Replace(c.Issuer, "127.0.0.1", "localhost", 1)
		c.Account, c.Passkeys, c.Branding = &account.Settings{}, &flow.Passkeys{}, directory.Branding{Name: "Acme"}
		c.Factors.TOTP, c.Factors.HOTP, c.Factors.BackupCodes, c.Factors.Push = &mfa.TOTP{}, &mfa.HOTP{}, &mfa.BackupCodes{}, &mfa.Push{}
		c.Accounts.Addresses.VerifyEmail = true
		c.Accounts.Attributes = directory.AttributePolicy{Rules: []directory.AttributeRule{
			{Name: "department", Label: "Department", Hint: "As on your badge", Account: directory.AttributeOptional},
			{Name: "size", Type: directory.ChoiceAttribute, Choices: []directory.AttributeChoice{{Value: "S"}, {Value: "L"}}, Account: directory.AttributeOptional},
			{Name: "hired", Type: directory.DateAttribute, Account: directory.AttributeOptional},
			{Name: "news", Label: "News by mail", Type: directory.BooleanAttribute, Account: directory.AttributeOptional},
			{Name: "badge", Label: "Badge", Account: directory.AttributeReadOnly},
		}}
	})}
	w.app = w.idp.App(w.site.as("127.0.0.1") + "/callback")
	w.ann = w.idp.User("ann", func(u *directory.User) {
		u.Name, u.Phone, u.Attributes = "Ann Example", "+491701234567", map[string]any{"badge": "A-17", "size": "L"}
	})
	other := newPerson(t, browser)
	signInAt(t, other, w, "/account", idptest.Password)

	key := w.idp.EnrollTOTP(w.ann)
	w.idp.EnrollPasskey(w.ann)
	tab := newPerson(t, browser)
	r := w.app.Request()
	visit(t, tab, r.URL)
	login(t, tab, idptest.Password)
	press(t, tab, "login")
	if has(t, tab, "method_totp") {
		press(t, tab, "method_totp")
	}
	enter(t, tab, "otp", key.Code())
	press(t, tab, "login")
	press(t, tab, "consent_allow")
	arrive(t, tab, r)
	visit(t, tab, w.idp.URL+"/account/contact")
	isAt(t, tab, "/account/contact")
	enter(t, tab, "email", "new@example.com")
	press(t, tab, "save")
	return w, tab
}

// Every page of an account passes every rule of axe-core, and fits on the screen, however it is looked at: also with what was refused, and
// with codes that are shown once.
func TestAccountAxe(t *testing.T) {
	t.Parallel()
	axe := testenv.Axe(t)
	w, tab := fullAccount(t, testenv.Chromium(t))
	for _, l := range looks {
		as(t, tab, l)
		judge := func(page string) {
			t.Helper()
			if found := axe(tab); found != "" {
				t.Errorf("%s, %s:\n%s", page, l.name, found)
			}
			if outside := testenv.OffScreen(t, tab); outside != "" {
				t.Errorf("%s, %s: off the screen: %s", page, l.name, outside)
			}
			testenv.Shoot(t, tab, page+" "+l.name)
		}
		for _, page := range []string{"", "/contact", "/security", "/sessions", "/applications", "/data"} {
			visit(t, tab, w.idp.URL+"/account"+page)
			isAt(t, tab, "/account"+page)
			judge("account" + page)
			if got := evaluate[string](t, tab, `document.documentElement.lang`); got != l.language {
				t.Errorf("%s is in %q, not %q", page, got, l.language)
			}
		}
		visit(t, tab, w.idp.URL+"/account")
		enter(t, tab, "zoneinfo", "nowhere", "birthdate", "never")
		press(t, tab, "save")
		judge("account refused")
		visit(t, tab, w.idp.URL+"/account/security")
		press(t, tab, "draw_codes")
		judge("account codes")
	}
}
