package flow_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store/directory"
)

// byPhone is a world in which accounts and user names are recovered by mail and by text message.
func byPhone(t *testing.T, open opener, recovery directory.RecoveryPolicy) (*world, *outbox) {
	t.Helper()
	return selfService(t, func(t *testing.T, edit ...func(*flow.Config, *directory.Config)) *world {
		t.Helper()
		return open(t, append(edit, func(_ *flow.Config, d *directory.Config) { d.Accounts.Recovery = recovery })...)
	})
}

// phoned adds a person with a confirmed address and a confirmed number.
func (w *world) phoned(name, number string) *directory.User {
	w.Helper()
	u := &directory.User{Username: name, Email: name + "@example.com", EmailVerified: true, Phone: number, PhoneVerified: true}
	w.must(w.CreateUser(w.Context(), u, goodPassword))
	return u
}

func TestRecoveryBySMS(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		for _, mail := range []bool{true, false} {
			w, box := byPhone(t, open, directory.RecoveryPolicy{EmailLink: mail, SMSCode: true, SignIn: true, Notify: true})
			w.phoned("ann", "+4930123456")
			b := w.browser()
			action := "continue"
			if mail {
				action = "sms"
			}
			p := b.submit(b.get(w.request(directory.Interaction{})), "action", "recover")
			p = b.submit(p, "username", "ann", "action", action)
			sent := box.letter()
			if p.step() != "recover-code" || sent.Template != notify.PasswordReset || sent.Channel != notify.SMS || sent.To != "+4930123456" ||
				sent.Params[notify.Link] != "" {
				t.Fatalf("mail %v: got %v and %+v", mail, p, sent)
			}
			if got := p.View.Prompt.Title.ID; got != "recover-code-sms.title" {
				t.Errorf("the page is %s", got)
			}
			w.advance(61 * time.Second)
			if p = b.submit(p, "otp", sent.Params[notify.Code]); p.message() != "code.wrong" {
				t.Errorf("a code of more than a minute: got %v", p)
			}
			if p = b.submit(p, "action", "resend"); box.letter().Channel != notify.SMS {
				t.Errorf("another one: got %v and %+v", p, box.letter())
			}
			p = b.submit(p, "otp", box.last())
			result := b.submit(p, "new_password", newPassword).answer(t)
			if a := directory.Assess(result.Evidence); a.ACR != directory.ACR1 || result.Evidence[0].Method != directory.SMSSignIn {
				t.Errorf("the recovery is worth %+v: %+v", a, result.Evidence)
			}
			delivered, _ := box.all()
			told := delivered[len(delivered)-2:]
			if told[0].Template != notify.PasswordResetSuccess || told[0].Channel != notify.SMS || told[0].To != "+4930123456" {
				t.Errorf("told: %+v", told[0])
			}
			// Attack: the number was taken over (attacks.md C).
			if told[1].Template != notify.PasswordResetSuccess || told[1].Channel != notify.Email || told[1].To != "ann@example.com" {
				t.Errorf("told by mail: %+v", told[1])
			}
		}
	})
}

// Who has recovered an account by text message is asked for the second factor as ever: also for a code to that very number.
func TestAttackSMSRecoveryIsNotASecondFactor(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := byPhone(t, open, directory.RecoveryPolicy{SMSCode: true, SignIn: true})
		seed := w.totp(w.phoned("ann", "+4930123456"))
		b := w.browser()
		p := b.toRecovery("ann")
		p = b.submit(p, "otp", box.last())
		if p = b.submit(p, "new_password", newPassword); p.step() != "totp" || b.cookie("session") != "" {
			t.Fatalf("got %v", p)
		}
		b.submit(p, "otp", w.code(seed)).answer(t)
	})
}

// Attack: recovery by a way that is closed, where nothing sends by the one that is open; a code by mail that is good for as long as links are.
func TestAttackRecoveryByAClosedWay(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := byPhone(t, open, directory.RecoveryPolicy{SMSCode: true})
		box.mute = notify.SMS
		w.phoned("ann", "+4930123456")
		b := w.browser()
		p := b.submit(b.get(w.request(directory.Interaction{})), "action", "recover")
		if p = b.submit(p, "username", "ann", "action", "continue"); box.count() != 0 {
			t.Errorf("sent %+v: %v", box.letter(), p)
		}
		w, box = byPhone(t, open, directory.RecoveryPolicy{EmailCode: true, EmailCodeLife: 10 * time.Minute})
		w.verified("ann")
		b = w.browser()
		p = b.toRecovery("ann")
		w.advance(11 * time.Minute)
		if p = b.submit(p, "otp", box.last()); p.message() != "code.wrong" {
			t.Errorf("a code of more than ten minutes: %v", p)
		}
	})
}

// Nothing tells who has an account, a confirmed number, or may sign in.
func TestAttackSMSRecoveryEnumeration(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		attempts := func(name string) (seen []string) {
			w, _ := byPhone(t, open, directory.RecoveryPolicy{EmailLink: true, SMSCode: true, SignIn: true})
			w.phoned("ann", "+4930123456")
			w.verified("bob") // who has no number
			cid := w.phoned("cid", "+4930123457")
			w.must(w.Subjects.Disable(t.Context(), w.SubjectRef(cid)))
			b := w.browser()
			p := b.submit(b.get(w.request(directory.Interaction{})), "action", "recover")
			w.advance(2 * time.Second)
			note := func(p page) {
				seen = append(seen, strings.ReplaceAll(shown(p, name)+"|"+strings.Join(calls(w), "\n"), name, "TYPED"))
				w.faults.Forget()
			}
			w.faults.Forget()
			p = b.submit(p, "username", name, "action", "sms")
			note(p)
			w.advance(61 * time.Second)
			p = b.submit(p, "action", "resend")
			note(p)
			for range 6 {
				p = b.submit(p, "otp", "000000")
				note(p)
			}
			return seen
		}
		want := attempts("ann")
		for _, name := range []string{"nobody", "bob", "cid"} {
			for i, got := range attempts(name) {
				if got != want[i] {
					t.Errorf("%s, answer %d:\n%s\nbut for ann\n%s", name, i, got, want[i])
					break
				}
			}
		}
	})
}

var byName = directory.RecoveryPolicy{EmailLink: true, UsernameEmail: true, UsernameSMS: true}

// toName brings a browser to the page on which a user name is looked for.
func (b *browser) toName() page {
	b.Helper()
	p := b.submit(b.get(b.request(directory.Interaction{})), "action", "recover")
	if p = b.submit(p, "action", "recover-username"); p.step() != "recover-username" {
		b.Fatalf("got %v", p)
	}
	return p
}

func TestUsernameRecovery(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := byPhone(t, open, byName)
		ann := w.phoned("ann", "+4930123456")
		for _, c := range []struct {
			typed, to string
			channel   notify.Channel
		}{{"ANN@example.com", "ann@example.com", notify.Email}, {"+49 (30) 123-456", "+4930123456", notify.SMS}} {
			b := w.browser()
			p := b.submit(b.toName(), "email", c.typed)
			sent := box.letter()
			if p.step() != "password" || p.message() != "recover-username.sent" || b.cookie("session") != "" {
				t.Errorf("%s: got %v", c.typed, p)
			}
			if sent.Template != notify.AccountIDRecovery || sent.Channel != c.channel || sent.To != c.to || sent.Subject != w.SubjectRef(ann) {
				t.Errorf("%s: sent %+v", c.typed, sent)
			}
			w.advance(2 * time.Minute)
		}
		for _, typed := range []string{"ann", "", "@", "12 ab"} {
			b := w.browser()
			if p := b.submit(b.toName(), "email", typed); typed != "@" && p.step() != "recover-username" {
				t.Errorf("%q is taken", typed)
			}
		}
	})
}

// The plan is there where the policy has a way, and nowhere else.
func TestUsernameRecoveryIsClosed(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, _ := byPhone(t, open, directory.RecoveryPolicy{EmailLink: true})
		b := w.browser()
		p := b.submit(b.get(w.request(directory.Interaction{})), "action", "recover")
		if p = b.submit(p, "action", "recover-username"); p.Status != http.StatusBadRequest {
			t.Errorf("got %v", p)
		}
		w, _ = byPhone(t, open, directory.RecoveryPolicy{EmailLink: true, UsernameEmail: true})
		b = w.browser()
		if p = b.submit(b.toName(), "email", "+4930123456"); p.step() != "recover-username" {
			t.Errorf("a number where there is mail alone: got %v", p)
		}
	})
}

// Whether an address is anybody's, confirmed, that of several or of one who may not sign in shows nowhere, and no name does.
func TestAttackUsernameEnumeration(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		attempts := func(address string) (seen []string) {
			w, box := byPhone(t, open, byName)
			w.phoned("ann-the-secret", "+4930123456")
			w.must(w.CreateUser(t.Context(), &directory.User{Username: "bob", Email: "bob@example.com"}, goodPassword)) // not confirmed
			for _, name := range []string{"cid", "dan"} {
				w.must(w.CreateUser(t.Context(), &directory.User{Username: name, Email: "shared@example.com", EmailVerified: true}, goodPassword))
			}
			eve := w.verified("eve")
			w.must(w.Subjects.Disable(t.Context(), w.SubjectRef(eve)))
			b := w.browser()
			p := b.toName()
			w.advance(2 * time.Second)
			for range 3 { // the last is too soon
				w.faults.Forget()
				p = b.submit(p, "email", address)
				text := strings.ReplaceAll(shown(p, address)+"|"+strings.Join(calls(w), "\n"), address, "TYPED")
				seen = append(seen, text)
				if strings.Contains(text, "secret") && !strings.Contains(address, "secret") {
					t.Errorf("the name is on the page: %s", text)
				}
				if p.step() == "password" {
					p = b.submit(b.submit(p, "action", "recover"), "action", "recover-username")
				}
			}
			if sent, decoys := box.all(); len(sent)+len(decoys) != 1 || len(sent) == 1 != strings.HasPrefix(address, "ann") {
				t.Errorf("%s: %d messages, %d decoys", address, len(sent), len(decoys))
			}
			return seen
		}
		want := attempts("ann-the-secret@example.com")
		for _, address := range []string{"nobody@example.com", "bob@example.com", "shared@example.com", "eve@example.com"} {
			for i, got := range attempts(address) {
				if got != want[i] {
					t.Errorf("%s, answer %d:\n%s\nbut for ann\n%s", address, i, got, want[i])
				}
			}
		}
	})
}

// Whatever call of the store fails, the answer is 503 and nothing is sent.
func TestFaultsUsernameRecovery(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		for n := 1; ; n++ {
			w, box := byPhone(t, open, byName)
			w.phoned("ann", "+4930123456")
			b := w.browser()
			p := b.toName()
			w.advance(2 * time.Second)
			w.faults.FailCall(n, nil)
			got := b.do(http.MethodPost, p.View.Submit, fill(p.View, "email", "ann@example.com"))
			over := w.faults.Waits()
			w.faults.Heal()
			if over {
				if got.Status != http.StatusSeeOther || n < 4 {
					t.Errorf("%d calls could fail, then %v", n-1, got)
				}
				return
			}
			if got.Status != http.StatusServiceUnavailable || box.count() != 0 {
				t.Fatalf("call %d fails: got %v, %d messages", n, got, box.count())
			}
		}
	})
}

// Programs have the same ways.
func TestExecutionUsernameRecovery(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := byPhone(t, open, byName)
		w.phoned("ann", "+4930123456")
		c := w.caller()
		c.start("PASSWORD_RECOVERY", "")
		c.send("recover-username")
		a := c.send("continue", claimEmail, "ann@example.com")
		if a.Status != http.StatusOK || !strings.Contains(a.Text, "COMPLETE") || box.letter().Template != notify.AccountIDRecovery {
			t.Errorf("got %s, sent %+v", a.Text, box.letter())
		}
	})
}
