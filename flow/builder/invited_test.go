package builder_test

import (
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow/builder"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store/directory"
)

// invites has somebody invited, and returns what is in their link.
func (w *world) invites(name string, way directory.TicketWay) string {
	w.Helper()
	b := w.db.Batch()
	_, issued, err := w.Invite(w.Context(), b, &directory.User{Username: name, Email: name + "@example.com", Phone: "+4930765"}, way)
	w.must(err)
	w.must(b.Apply(w.Context()))
	return issued.Token.Reveal()
}

// Beside the link of an invitation a code is asked for that was sent, where it was drawn: of a link that was handed over, too. The number is confirmed by
// it no more than the address.
func TestDrawnInvitationCode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		way     directory.TicketWay
		drawn   string
		channel notify.Channel
		to      string
		wrong   string
	}{
		{directory.LinkByEmail, "invited-code", notify.Email, "ann@example.com", "invite-mail.wrong"},
		{directory.LinkByHand, "invited-code", notify.Email, "ann@example.com", "invite-mail.wrong"},
		{directory.LinkByEmail, "invited-sms", notify.SMS, "+4930765", "invite-sms.wrong"},
		{directory.LinkByHand, "invited-sms", notify.SMS, "+4930765", "invite-sms.wrong"},
	} {
		way := string(c.way) + " " + c.drawn
		w := newWorld(t)
		w.draw(c.drawn, "INVITED_USER_REGISTRATION")
		ticket := w.invites("ann", c.way)
		w.start("ASK_PASSWORD")
		if a := w.send("", "confirmationCode", ticket+"x"); a.asks() != "confirmationCode" || w.letter().To != "" {
			t.Errorf("%s: another link: %s", way, a.Text)
		}
		if a := w.send("", "confirmationCode", ticket); a.asks() != "otp" || !strings.Contains(a.Text, `"actionId":"confirm"`) {
			t.Fatalf("%s: %s", way, a.Text)
		}
		if sent := w.letter(); sent.To != c.to || sent.Channel != c.channel || sent.Params[notify.Link] != "" {
			t.Errorf("%s: sent %+v", way, sent)
		}
		if a := w.send("save", "password", newPassword); a.Code != "FE-60009" {
			t.Errorf("%s: the password before the code: %s", way, a.Text)
		}
		if a := w.send("confirm", "otp", "0000000"); a.asks() != "otp" || a.message() != c.wrong {
			t.Errorf("%s: a wrong code: %s", way, a.Text)
		}
		w.advance(61 * time.Second)
		if a := w.send("again"); a.message() != "code.resent" {
			t.Errorf("%s: another code: %s", way, a.Text)
		}
		if a := w.send("confirm", "otp", w.letter().Params[notify.Code]); a.asks() != "password" {
			t.Fatalf("%s: %s", way, a.Text)
		}
		if a := w.send("save", "password", newPassword); a.FlowStatus != "COMPLETE" {
			t.Fatalf("%s: %s", way, a.Text)
		}
		user, err := w.FindUser(t.Context(), "", "ann")
		w.must(err)
		if right, err := w.Users.VerifyPassword(t.Context(), user, newPassword); err != nil || !right {
			t.Errorf("%s: the password is not theirs: %v", way, err)
		}
		if user.PhoneVerified {
			t.Errorf("%s: the number is confirmed", way)
		}
	}
}

// Where people are invited by a code alone, which no drawing asks for, the engine's own plan takes it.
func TestDrawnInvitationWhereCodesAreTyped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.draw("invited-code", "INVITED_USER_REGISTRATION")
	w.must(directory.Set(t.Context(), w.Settings, w.Settings.Invitation, "", "", directory.InvitationPolicy{
		EmailCode: true, Life: time.Hour, Code: directory.CodeForm{Length: 6},
	}))
	w.advance(2 * time.Second)
	if a := w.start("ASK_PASSWORD"); a.Status != 200 || !strings.Contains(a.Text, "invite-code") {
		t.Errorf("got %s", a.Text)
	}
}

// By a text message nobody goes on who has no number, and where none can be sent any more the engine's own plan takes the link.
func TestDrawnInvitationWithoutANumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.draw("invited-sms", "INVITED_USER_REGISTRATION")
	b := w.db.Batch()
	_, issued, err := w.Invite(t.Context(), b, &directory.User{Username: "ann", Email: "ann@example.com"}, directory.LinkByEmail)
	w.must(err)
	w.must(b.Apply(t.Context()))
	w.start("ASK_PASSWORD")
	if a := w.send("", "confirmationCode", issued.Token.Reveal()); a.asks() == "password" || a.asks() == "otp" || w.letter().To != "" {
		t.Errorf("got %s, sent %+v", a.Text, w.letter())
	}
	if a := w.send("save", "password", newPassword); a.FlowStatus == "COMPLETE" {
		t.Errorf("the password: %s", a.Text)
	}
	mute, err := builder.New(builder.Config{DB: w.db, Directory: w.Directory})
	w.must(err)
	in := directory.Interaction{Purpose: directory.ManageAccount}
	if plan, _, err := mute.Find(t.Context(), in, "invite"); err != nil || plan != nil {
		t.Errorf("without text messages: %v %v", plan, err)
	}
	if plan, _, err := w.builder.Find(t.Context(), in, "invite"); err != nil || plan == nil {
		t.Errorf("with them: %v", err)
	}
}

// Whoever has got hold of the link alone gets no further: not by guessing, not with the code of somebody else, not by beginning with the link anew.
func TestAttackDrawnInvitationLinkAlone(t *testing.T) {
	t.Parallel()
	for drawn, wrong := range map[string]string{"invited-code": "invite-mail.wrong", "invited-sms": "invite-sms.wrong"} {
		attackInvitationLink(t, drawn, wrong)
	}
}

func attackInvitationLink(t *testing.T, drawn, wrong string) {
	t.Helper()
	w := newWorld(t)
	w.draw(drawn, "INVITED_USER_REGISTRATION")
	begin := func(ticket string) told {
		a := w.execute(map[string]any{"flowType": "ASK_PASSWORD", "inputs": map[string]string{"confirmationCode": ticket}})
		w.flow = a.FlowID
		return a
	}
	eve, ann := w.invites("eve", directory.LinkByEmail), w.invites("ann", directory.LinkByEmail)
	begin(eve)
	own := w.letter().Params[notify.Code]
	if a := begin(ann); a.asks() != "otp" {
		t.Fatalf("by the link: %s", a.Text)
	}
	w.guesses("confirm", own, wrong)
	if a := begin("x" + ann); a.asks() == "otp" || a.asks() == "password" {
		t.Errorf("a link that is none: %s", a.Text)
	}
}

// A store that fails while the code of an invitation is sent is a failure, and the link is as good as before.
func TestFailingStoreAtAnInvitation(t *testing.T) {
	t.Parallel()
	for call := 1; ; call++ {
		w := newWorld(t)
		w.draw("invited-code", "INVITED_USER_REGISTRATION")
		ticket := w.invites("ann", directory.LinkByEmail)
		w.start("ASK_PASSWORD")
		w.faults.FailCall(call, nil)
		a := w.send("", "confirmationCode", ticket)
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
		w.send("", "confirmationCode", ticket)
		if a = w.send("confirm", "otp", w.letter().Params[notify.Code]); a.asks() != "password" {
			t.Errorf("call %d: afterwards %s", call, a.Text)
		}
	}
}
