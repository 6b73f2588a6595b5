package builder_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store/directory"
)

// joins sends the form of a registration with a user name.
func (w *world) joins(name, address string) told {
	w.Helper()
	w.start("REGISTRATION")
	return w.send("join", username, name, mail, address, "password", newPassword)
}

// named is a world in which people register with user names of their own, and somebody has the name "ann".
func named(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.must(w.CreateUser(t.Context(), &directory.User{Username: "ann", Email: "ann@example.com", EmailVerified: true}, "correct horse battery"))
	w.draw("registration-username", "REGISTRATION")
	return w
}

// Who registers has the user name that they have chosen, and the address that they have confirmed.
func TestDrawnUsername(t *testing.T) {
	t.Parallel()
	w := named(t)
	if a := w.start("REGISTRATION"); a.asks() != username+" "+mail+" password" {
		t.Fatalf("got %s", a.Text)
	}
	if a := w.send("join", mail, "zoe@example.com", "password", newPassword); a.Code != "FE-60002" {
		t.Errorf("without a name: %s", a.Text)
	}
	if a := w.send("join", username, "zoe", mail, "zoe@example.com", "password", newPassword); a.asks() != "otp" {
		t.Fatalf("got %s", a.Text)
	}
	if a := w.send("confirm", "otp", w.letter().Params[notify.Code]); a.FlowStatus != "COMPLETE" {
		t.Fatalf("got %s", a.Text)
	}
	user, err := w.FindUser(t.Context(), "", "zoe")
	if err != nil || user.Username != "zoe" || user.Email != "zoe@example.com" || !user.EmailVerified {
		t.Fatalf("%v %+v", err, user)
	}
	if right, err := w.Users.VerifyPassword(t.Context(), user, newPassword); err != nil || !right {
		t.Errorf("the password is not theirs: %v", err)
	}
	if a := w.joins("yan@example.com", "yan@example.com"); a.asks() != "otp" {
		t.Errorf("their own address: %s", a.Text)
	}
}

// A user name that the policy does not let people have is refused where it is typed, by the codes of the product.
func TestDrawnUsernamePolicy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		form          directory.UsernameForm
		name          string
		code, message string
	}{
		{directory.AlphanumericUsername, "zoe!", "", "username.policy.alphanumeric"},
		{directory.EmailUsername, "zoe", "FE-60005", ""},
		{directory.AnyUsername, strings.Repeat("z", 400), "", "register.refused"},
	} {
		w := named(t)
		w.must(directory.Set(t.Context(), w.Settings, w.Settings.Username, "", "", directory.UsernamePolicy{Form: c.form}))
		if a := w.joins(c.name, "zoe@example.com"); a.Code != c.code || a.message() != c.message || w.letter().To != "" {
			t.Errorf("%.20q: %d %s", c.name, a.Status, a.Text)
		}
	}
	w := newWorld(t) // a policy that no address keeps to
	w.must(directory.Set(t.Context(), w.Settings, w.Settings.Username, "", "", directory.UsernamePolicy{Form: directory.AlphanumericUsername}))
	w.draw("registration", "REGISTRATION")
	w.toTheEnd("zoe@example.com")
	if a := w.send("done"); a.Status != 200 || a.message() != "username.policy.alphanumeric" {
		t.Errorf("an address: %d %s", a.Status, a.Text)
	}
}

// Where the policy shows what is taken, a program is told at once, and the step waits for another name.
func TestDrawnUsernameShown(t *testing.T) {
	t.Parallel()
	w := named(t)
	w.registers(func(p *directory.RegistrationPolicy) { p.ShowTaken = true })
	if a := w.joins("Ann", "zoe@example.com"); a.Status != 400 || a.Code != "FE-60003" || w.letter().To != "" {
		t.Fatalf("got %s", a.Text)
	}
	if a := w.send("join", username, "zoe", mail, "zoe@example.com", "password", newPassword); a.asks() != "otp" {
		t.Errorf("another name: %s", a.Text)
	}
}

// Nobody learns who has a user name before they have proven an address, and nobody gets one that somebody has.
func TestAttackDrawnUsernameEnumeration(t *testing.T) {
	t.Parallel()
	attempt := func(name, address string) (seen []string, last told) {
		w := named(t)
		note := func(a told) {
			seen = append(seen, strings.ReplaceAll(a.Text, w.flow, "FLOW"))
		}
		note(w.joins(name, address))
		note(w.send("confirm", "otp", "0000000"))
		last = w.send("confirm", "otp", w.letter().Params[notify.Code])
		if user, err := w.FindUser(t.Context(), "", "ann"); err != nil || user.Email != "ann@example.com" {
			t.Errorf("%v %+v", err, user)
		}
		return seen, last
	}
	free, made := attempt("zoe", "zoe@example.com")
	taken, refused := attempt("ann", "zoe@example.com")
	for i := range free {
		if free[i] != taken[i] {
			t.Errorf("answer %d:\n%s\nbut for a name that nobody has\n%s", i, taken[i], free[i])
		}
	}
	if made.FlowStatus != "COMPLETE" || refused.FlowStatus != "INCOMPLETE" || refused.message() != "register.username-taken" || refused.asks() != username+" "+mail+" password" {
		t.Errorf("with the address proven: %s and %s", made.Text, refused.Text)
	}
}

// Nobody takes as their user name an address or a number that another signs in with, or would register with.
func TestAttackDrawnUsernameOfAnother(t *testing.T) {
	t.Parallel()
	w := named(t)
	w.must(directory.Set(t.Context(), w.Settings, w.Settings.Identifiers, "", "", directory.IdentifierPolicy{
		LoginBy: []directory.IdentifierName{directory.ByUsername, directory.ByPhone},
	}))
	for _, name := range []string{"yan@example.com", "YAN@example.com", "+4930765", "4930765", "@"} {
		if a := w.joins(name, "zoe@example.com"); a.message() != "register.username-address" || w.letter().To != "" {
			t.Errorf("%s: %s", name, a.Text)
		}
	}
	// The name is asked for before the address.
	text := fixture(t, "registration-username", `"id": "who-form", "type": "FORM", "components": [`, `"id": "name-form", "type": "FORM", "components": [`,
		`"label": "Username", "required": true}},`, `"label": "Username", "required": true}},
      {"id": "named", "type": "BUTTON", "action": {"type": "NEXT", "next": "rest"}}]}]}},
    {"id": "rest", "type": "VIEW", "data": {"components": [{"id": "who-form", "type": "FORM", "components": [`)
	if status, answer := w.call("PUT", "/api/server/v1/flow", text); status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	w.enable("REGISTRATION", true)
	w.start("REGISTRATION")
	if a := w.send("named", username, "yan@example.com"); a.asks() != mail+" password" {
		t.Fatalf("got %s", a.Text)
	}
	if a := w.send("join", mail, "zoe@example.com", "password", newPassword); a.message() != "register.username-address" || w.letter().To != "" {
		t.Errorf("got %s", a.Text)
	}
	if a := w.send("join", mail, "yan@example.com", "password", newPassword); a.asks() != "otp" {
		t.Errorf("the address of the name: %s", a.Text)
	}
}

// Nobody takes as their user name a number, where the host has people sign in with those, or an attribute by which somebody signs in.
func TestAttackDrawnUsernameOfAnotherLogin(t *testing.T) {
	t.Parallel()
	w := worldBy(t, directory.ByUsername, directory.ByPhone)
	w.draw("registration-username", "REGISTRATION")
	if a := w.joins("+4930765", "zoe@example.com"); a.message() != "register.username-address" || w.letter().To != "" {
		t.Errorf("got %s", a.Text)
	}

	w = named(t)
	w.must(directory.Set(t.Context(), w.Settings, w.Settings.Identifiers, "", "", directory.IdentifierPolicy{
		LoginBy: []directory.IdentifierName{directory.ByUsername, "attributes.badge"}, Unique: []directory.IdentifierName{"attributes.badge"},
	}))
	bob := &directory.User{Username: "bob", Email: "bob@example.com", Attributes: map[string]any{"badge": "E1001"}}
	w.must(w.CreateUser(t.Context(), bob, "correct horse battery"))
	if a := w.joins("e1001", "zoe@example.com"); a.asks() != "otp" {
		t.Fatalf("got %s", a.Text)
	}
	if a := w.send("confirm", "otp", w.letter().Params[notify.Code]); a.message() != "register.username-taken" {
		t.Errorf("got %s", a.Text)
	}
	if user, err := w.FindUser(t.Context(), "", "E1001"); err != nil || user.ID != bob.ID {
		t.Errorf("who signs in with their badge: %v %+v", err, user)
	}
}

// Whatever call of the store fails while an account with a chosen name is made, the answer is 503, and the name is neither taken for free nor for
// another's.
func TestFaultsDrawnUsername(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"zoe", "ann"} {
		for call := 1; ; call++ {
			w := named(t)
			if a := w.joins(name, "zoe@example.com"); a.asks() != "otp" {
				t.Fatalf("got %s", a.Text)
			}
			code := w.letter().Params[notify.Code]
			w.faults.FailCall(call, nil)
			a := w.send("confirm", "otp", code)
			over := w.faults.Waits()
			w.faults.Heal()
			if over {
				if done := a.FlowStatus == "COMPLETE"; done != (name == "zoe") {
					t.Errorf("%s: got %s", name, a.Text)
				}
				break
			}
			if a.Status != http.StatusServiceUnavailable || a.Code != "FE-65001" {
				t.Errorf("%s, call %d: %d %s", name, call, a.Status, a.Text)
			}
		}
	}
}
