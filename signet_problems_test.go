package signet_test

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
)

// Every problem at once, whichever part it is in.
func TestNewReportsEveryProblem(t *testing.T) {
	t.Parallel()
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	if err != nil {
		t.Fatal(err)
	}
	_, err = signet.New(signet.Config{
		Issuer: "https://id.example.com", Store: memory.New(), Keys: ring,
		Lock:    directory.LockPolicy{Failures: 1000},
		Locales: fstest.MapFS{"xx.json": {Data: []byte("{")}},
		Tokens:  signet.TokenLifetimes{Code: time.Hour, Access: time.Millisecond},
	})
	if err == nil {
		t.Fatal("New takes everything")
	}
	for _, part := range []string{"failures", "xx.json"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing in:\n%v", part, err)
		}
	}
	_, err = signet.New(signet.Config{
		Issuer: "https://id.example.com", Store: memory.New(), Keys: ring,
		Locales: fstest.MapFS{"xx.json": {Data: []byte("{")}},
		Tokens:  signet.TokenLifetimes{Code: time.Hour, Access: time.Millisecond},
	})
	for _, part := range []string{"xx.json", "CodeLifetime", "AccessTokenLifetime"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing in:\n%v", part, err)
		}
	}
}

// An authenticator app takes no colon in the name of the provider; a product may have one.
func TestBrandingNameWithColon(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, func(c *signet.Config) { c.Branding.Name = "Acme: People" })
	app := idp.App("http://127.0.0.1/callback", func(a *idptest.App) { a.Application.SecondFactor = directory.SecondFactorRequired })
	if acr := idp.SignIn(idp.User("ann"), app).Claims["acr"]; acr != directory.ACR2 {
		t.Errorf("signed in with %v", acr)
	}
}

// The grant of passwords has no page on which a bot check could ask.
func TestAttackBotCheckBesidePasswordGrant(t *testing.T) {
	t.Parallel()
	_, err := signet.New(signet.Config{BotCheck: &flow.BotCheck{}, OIDC: oidc.Features{Legacy: &oidc.Legacy{Password: true}}})
	if err == nil || !strings.Contains(err.Error(), "BotCheck") {
		t.Errorf("got %v", err)
	}
}
