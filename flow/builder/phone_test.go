package builder_test

import (
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store/directory"
)

const mobile = "http://wso2.org/claims/mobile"

// toThePhone brings a registration to where the number is confirmed.
func (w *world) toThePhone(address, number string) told {
	w.Helper()
	w.start("REGISTRATION")
	w.send("join", mail, address, mobile, number, "password", newPassword)
	return w.send("confirm", "otp", w.letter().Params[notify.Code])
}

// guesses has the code of another flow tried at the one under way until there were too many guesses, and then the right one: neither leads on.
func (w *world) guesses(button, foreign, wrong string) {
	w.Helper()
	own := w.letter().Params[notify.Code]
	for own == foreign { // by chance
		w.advance(61 * time.Second)
		w.send("again")
		own = w.letter().Params[notify.Code]
	}
	if a := w.send(button, "otp", foreign); a.message() != wrong {
		w.Errorf("the code of another flow: %s", a.Text)
	}
	for range 5 {
		if a := w.send(button, "otp", foreign); a.asks() == "password" || a.FlowStatus == "COMPLETE" {
			w.Fatalf("the code of another flow: %s", a.Text)
		}
	}
	if a := w.send(button, "otp", own); a.asks() == "password" || a.FlowStatus == "COMPLETE" {
		w.Errorf("after too many guesses: %s", a.Text)
	}
}

// A drawn registration confirms a number by a text message, which is sent once the address is known to be somebody's.
func TestDrawnPhone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.draw("registration-phone", "REGISTRATION")
	if a := w.start("REGISTRATION"); a.asks() != mail+" "+mobile+" password" {
		t.Fatalf("got %s", a.Text)
	}
	if a := w.send("join", mail, "zoe@example.com", "password", newPassword); a.Code != "FE-60008" {
		t.Errorf("without a number: %s", a.Text)
	}
	for _, number := range []string{"none", "ann@example.com"} {
		if a := w.send("join", mail, "zoe@example.com", mobile, number, "password", newPassword); a.asks() != mail+" "+mobile+" password" || a.message() == "" {
			t.Errorf("%q: %s", number, a.Text)
		}
	}
	w.send("join", mail, "zoe@example.com", mobile, "+49 (30) 765", "password", newPassword)
	if sent := w.letter(); sent.Channel != notify.Email {
		t.Errorf("a text message before the address was verified: %+v", sent)
	}
	if a := w.send("confirm", "otp", w.letter().Params[notify.Code]); a.asks() != "otp" || !strings.Contains(a.Text, "Code by SMS") {
		t.Fatalf("got %s", a.Text)
	}
	sent := w.letter()
	if sent.Channel != notify.SMS || sent.To != "+4930765" || sent.Template != notify.SMSOTPVerification {
		t.Errorf("sent %+v", sent)
	}
	w.advance(61 * time.Second)
	if a := w.send("phone-confirm", "otp", sent.Params[notify.Code]); a.message() != "code.expired" {
		t.Errorf("a code of more than a minute: %s", a.Text)
	}
	if a := w.send("again"); a.message() != "code.resent" {
		t.Errorf("another: %s", a.Text)
	}
	if a := w.send("phone-confirm", "otp", w.letter().Params[notify.Code]); a.FlowStatus != "COMPLETE" {
		t.Fatalf("got %s", a.Text)
	}
	user, err := w.FindUser(t.Context(), "", "zoe@example.com")
	if err != nil || user.Phone != "+4930765" || !user.PhoneVerified || !user.EmailVerified {
		t.Errorf("%v %+v", err, user)
	}
}

// A number that was only typed is not confirmed, and may be left out.
func TestAttackDrawnPhoneUnconfirmed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text := fixture(t, "registration", family, mobile)
	if status, answer := w.call("PUT", "/api/server/v1/flow", text); status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	w.enable("REGISTRATION", true)
	w.toTheEnd("zoe@example.com")
	if a := w.send("done", mobile, "+4930765"); a.FlowStatus != "COMPLETE" {
		t.Fatalf("got %s", a.Text)
	}
	if user, err := w.FindUser(t.Context(), "", "zoe@example.com"); err != nil || user.Phone != "+4930765" || user.PhoneVerified {
		t.Errorf("%v %+v", err, user)
	}
	w.toTheEnd("yan@example.com")
	if a := w.send("done"); a.FlowStatus != "COMPLETE" {
		t.Errorf("without a number: %s", a.Text)
	}
}

// The codes to a number are guessed a few times, whatever flows they are guessed in, and another flow's code is worth nothing.
func TestAttackDrawnPhoneGuessing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.draw("registration-phone", "REGISTRATION")
	w.toThePhone("eve@example.com", "+4930766")
	own := w.letter().Params[notify.Code]
	w.toThePhone("zoe@example.com", "+4930765")
	w.guesses("phone-confirm", own, "register-phone.wrong")
	if _, err := w.FindUser(t.Context(), "", "zoe@example.com"); err == nil {
		t.Error("there is an account")
	}
}

// A store that fails while a number is confirmed is a failure, and the answer after it counts.
func TestFailingStoreAtThePhone(t *testing.T) {
	t.Parallel()
	for call := 1; ; call++ {
		w := newWorld(t)
		w.registers(func(p *directory.RegistrationPolicy) { p.CodeLife = 5 * time.Minute })
		w.draw("registration-phone", "REGISTRATION")
		w.start("REGISTRATION")
		w.send("join", mail, "zoe@example.com", mobile, "+4930765", "password", newPassword)
		code := w.letter().Params[notify.Code]
		w.faults.FailCall(call, nil)
		a := w.send("confirm", "otp", code)
		ended := w.faults.Waits()
		w.faults.Heal()
		if ended {
			if a.Status != 200 || call < 4 {
				t.Errorf("%d calls could fail, then %s", call-1, a.Text)
			}
			return
		}
		if a.Status != 503 {
			t.Fatalf("call %d: %d %s", call, a.Status, a.Text)
		}
		if w.letter().Channel != notify.SMS { // it was not only the answer that was lost
			w.send("confirm", "otp", code)
		}
		if a = w.send("phone-confirm", "otp", w.letter().Params[notify.Code]); a.FlowStatus != "COMPLETE" {
			t.Errorf("call %d: afterwards %s", call, a.Text)
		}
	}
}
