package federated_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// A program tells by the place at which somebody comes back from whom they come: one place for two providers would have it bring the code of
// one to the other, who has asked for it in its own name (RFC 9700 §4.4).
func TestAttackProgramURLOfTwoProviders(t *testing.T) {
	t.Parallel()
	x := newWorld(t, storetest.Placement{Driver: memory.New()}, flow.Login("password", "up"))
	connect := func(first, second string) error {
		_, err := federated.New(federated.Config{DB: x.db, Directory: x.Directory, Issuer: x.URL, Connections: []federated.Connection{
			{Name: "up", ProgramURL: first, Provider: rp.Config{Issuer: x.up.URL, ClientID: "client"}},
			{Name: "down", ProgramURL: second, Provider: rp.Config{Issuer: "https://down.example.com", ClientID: "client"}},
		}})
		return err
	}
	if err := connect(programURL, programURL); err == nil || !strings.Contains(err.Error(), "ProgramURL") {
		t.Errorf("the same: %v", err)
	}
	if err := connect(programURL, programURL+"/down"); err != nil {
		t.Errorf("one for each: %v", err)
	}
	if err := connect("", ""); err != nil {
		t.Errorf("none: %v", err)
	}
}

// A provider that refuses what was pushed to it, as the hint that somebody has brought along, is no failure of ours.
func TestAttackPushedRequestIsRefused(t *testing.T) {
	t.Parallel()
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_request","error_description":"login_hint"}`))
	}))
	defer refusing.Close()
	x := newWorld(t, storetest.Placement{Driver: memory.New()}, flow.Login("password", "up"), func(c *federated.Connection) {
		up := c.Provider.Issuer
		c.Provider.PAR = true
		c.Provider.Endpoints = &rp.Endpoints{Authorization: up + "/authorize", Token: up + "/token", JWKS: up + "/jwks", PAR: refusing.URL}
	})
	b := x.browser()
	if p := b.press(b.begin(), "method_up"); p.status != http.StatusUnprocessableEntity || !strings.Contains(p.body, "Upstream Inc.") {
		t.Errorf("got %d %s", p.status, p.body)
	}
}

// Somebody who signs up at a provider where somebody else has before, in the same tab, gets an account of their own, and not the word that the one of
// before was made.
func TestAttackSecondSignUpInOneFlow(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		x := drawn(t, p)
		policy, err := directory.Resolve(t.Context(), x.Settings, x.Settings.Registration, "", "")
		x.must(err)
		policy.SignIn = false
		x.must(directory.Set(t.Context(), x.Settings, x.Settings.Registration, "", "", policy))
		x.advance(2 * time.Second)
		b := x.browser()
		at := b.begin()
		for _, name := range []string{"ann", "bob"} {
			x.up.claims["sub"], x.up.claims["email"] = "sub-of-"+name, name+"@example.com"
			at = b.press(at, "register")
			at = b.press(at, "to_up", "email", "eve@example.com")
			to, ok := strings.CutPrefix(at.header.Get("Refresh"), "0;url=")
			if !ok {
				t.Fatalf("%s: no way out: %d at %s\n%s", name, at.status, at.at, at.body)
			}
			at = b.press(b.open(to), "continue", "family_name", "Lee")
			user, err := x.FindUser(t.Context(), "", name+"@example.com")
			if err != nil || user.Email != name+"@example.com" {
				t.Fatalf("%s: %+v, %v", name, user, err)
			}
		}
	})
}
