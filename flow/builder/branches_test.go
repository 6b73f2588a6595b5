package builder_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store/directory"
)

// Of a view with several buttons each leads where it was drawn to, and what the form has asked is asked on the way that needs it.
func TestBranches(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.draw("branches", "REGISTRATION")
	a := w.start("REGISTRATION")
	if a.asks() != "" || !strings.Contains(a.Text, `"actionId":"long"`) || !strings.Contains(a.Text, `"actionId":"short"`) {
		t.Fatalf("got %s", a.Text)
	}
	if a = w.send("long"); a.asks() != mail+" password "+given {
		t.Fatalf("got %s", a.Text)
	}
	if a = w.send("join", mail, "zoe@example.com", "password", newPassword, given, "Zoe"); a.asks() != "otp" {
		t.Fatalf("got %s", a.Text)
	}
	if a = w.send("checked", "otp", w.letter().Params[notify.Code]); a.asks() != family {
		t.Fatalf("got %s", a.Text)
	}
	if a = w.send("skip", family, "Never"); a.FlowStatus != "COMPLETE" {
		t.Fatalf("got %s", a.Text)
	}
	user, err := w.FindUser(t.Context(), "", "zoe@example.com")
	if err != nil || user.GivenName != "Zoe" || user.FamilyName != "" {
		t.Errorf("%v %+v", err, user)
	}

	for _, way := range [][]string{{"short"}, {"long", "instead"}, {""}} {
		w.start("REGISTRATION")
		for _, button := range way {
			a = w.send(button)
		}
		if want := map[bool]string{true: mail, false: mail + " password " + given}[way[0] != ""]; a.asks() != want {
			t.Fatalf("%q: %s", way, a.Text)
		}
	}
	w.start("REGISTRATION")
	w.send("short")
	w.send("mail-go", mail, "yan@example.com")
	if a = w.send("verified", "otp", w.letter().Params[notify.Code]); a.asks() != "password" {
		t.Fatalf("got %s", a.Text)
	}
	if a = w.send("pass-save", "password", newPassword); a.FlowStatus != "COMPLETE" {
		t.Fatalf("got %s", a.Text)
	}
	if user, err = w.FindUser(t.Context(), "", "yan@example.com"); err != nil || !user.EmailVerified {
		t.Errorf("%v %+v", err, user)
	}
}

// A recovery may be chosen by a code or by a link, and left for the other.
func TestRecoveryChoice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(w.CreateUser(t.Context(), &directory.User{Username: "ann", Email: "ann@example.com", EmailVerified: true}, "correct horse battery"))
	w.draw("recovery-choice", "PASSWORD_RECOVERY")
	w.start("PASSWORD_RECOVERY")
	w.send("by-code")
	if a := w.send("code-find", username, "ann"); a.asks() != "otp" || w.letter().Params[notify.Link] != "" {
		t.Fatalf("got %s", a.Text)
	}
	code := w.letter().Params[notify.Code]
	if a := w.send("rather"); a.asks() != mail {
		t.Fatalf("got %s", a.Text)
	}
	if a := w.send("confirm", "otp", code); a.Code != "FE-60009" && a.Code != "FE-60008" {
		t.Errorf("a button of another view: %s", a.Text)
	}
	w.start("PASSWORD_RECOVERY")
	w.send("by-code")
	w.advance(120e9)
	w.send("code-find", username, "ann")
	if a := w.send("confirm", "otp", w.letter().Params[notify.Code]); a.asks() != "password" {
		t.Fatalf("got %s", a.Text)
	}
	if a := w.send("save-go", "password", newPassword); a.FlowStatus != "COMPLETE" {
		t.Fatalf("got %s", a.Text)
	}
}

// A button that leads elsewhere does nothing of what the form would have done, whatever is sent with it: no address is verified by it, no password set,
// no guess judged, and it is none of another view's.
func TestAttackLeadInPlaceOfAnAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.draw("branches", "REGISTRATION")
	w.start("REGISTRATION")
	w.send("long")
	for _, action := range []string{"skip", "to_skip", "done", "pass-save", "provision", "how", "main", "choice"} {
		if a := w.send(action, mail, "zoe@example.com", "password", newPassword, given, "Zoe"); a.Code != "FE-60009" {
			t.Errorf("%s: %d %s", action, a.Status, a.Text)
		}
	}
	w.send("instead", mail, "eve@example.com", "password", newPassword, given, "Eve")
	if w.letter().To != "" {
		t.Errorf("a message was sent for a form that was left: %+v", w.letter())
	}
	w.send("mail-go", mail, "zoe@example.com")
	for range 3 {
		if a := w.send("verify-again"); a.FlowStatus == "COMPLETE" {
			t.Errorf("got %s", a.Text)
		}
	}
	if a := w.send("", "otp", "000000"); a.asks() != "otp" || a.Status != http.StatusOK {
		t.Errorf("got %s", a.Text)
	}
	if _, err := w.FindUser(t.Context(), "", "zoe@example.com"); err == nil {
		t.Error("there is an account")
	}
}
