package flow_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store/directory"
)

const newPassword = "a much better horse"

// toRecovery brings a browser to the page on which a code is asked for.
func (b *browser) toRecovery(name string) page {
	b.Helper()
	p := b.submit(b.get(b.request(directory.Interaction{})), "action", "recover")
	if p.step() != "recover" {
		b.Fatalf("got %v", p)
	}
	return b.submit(p, "username", name)
}

func TestRecovery(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.verified("ann")
		elsewhere := w.browser()
		elsewhere.signIn("ann")

		b := w.browser()
		p := b.toRecovery("ann")
		sent := box.last()
		if p.step() != "recover-code" || sent.Template != notify.InitiateRecovery || sent.To != "ann@example.com" || sent.Decoy {
			t.Fatalf("got %v and %+v", p, sent)
		}
		if p = b.submit(p, "otp", "000000x"); p.message() != "code.wrong" {
			t.Fatalf("a wrong code: got %v", p)
		}
		if p = b.submit(p, "otp", sent.Params[notify.Code]); p.step() != "recover-password" {
			t.Fatalf("the code: got %v", p)
		}
		if p = b.submit(p, "new_password", "short"); p.step() != "recover-password" || p.View.Prompt.Fields[0].Problem.ID != "new-password.refused" {
			t.Fatalf("a password that the policy refuses: got %v", p)
		}
		result := b.submit(p, "new_password", newPassword).answer(t)
		if a := directory.Assess(result.Evidence); a.ACR != directory.ACR1 {
			t.Errorf("the recovery is worth %+v", a)
		}
		if box.last().Template != notify.PasswordResetSuccess {
			t.Errorf("nobody was told: %+v", box.last())
		}
		if p = elsewhere.get(w.request(directory.Interaction{})); p.step() != "password" {
			t.Errorf("a session from before goes on: %v", p)
		}
		if p = elsewhere.login(p, "ann", goodPassword); p.message() != "password.wrong" {
			t.Errorf("the old password: got %v", p)
		}
		elsewhere.login(p, "ann", newPassword).answer(t)
	})
}

// Who has recovered an account has shown one factor: the other one is asked for as ever, and stays.
func TestAttackRecoveryIsNotASecondFactor(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		seed := w.totp(w.verified("ann"))
		b := w.browser()
		p := b.toRecovery("ann")
		p = b.submit(p, "otp", box.last().Params[notify.Code])
		if p = b.submit(p, "new_password", newPassword); p.step() != "totp" || b.cookie("session") != "" {
			t.Fatalf("got %v with session %q", p, b.cookie("session"))
		}
		result := b.submit(p, "otp", w.code(seed)).answer(t)
		if a := directory.Assess(result.Evidence); a.ACR != directory.ACR2 {
			t.Errorf("with both: %+v", a)
		}
	})
}

// A link is good in any browser, once, and by a post alone.
func TestRecoveryByLink(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.verified("ann")
		w.browser().toRecovery("ann")
		link := box.link(t)
		for range 3 { // a scanner
			if p := w.browser().get(link); p.step() != "recover-code" || len(p.View.Prompt.Fields) != 0 {
				t.Fatalf("opened: got %v", p)
			}
		}
		b := w.browser()
		first, second := b.get(link), b.get(link)
		p := b.submit(first)
		if p.step() != "recover-password" {
			t.Fatalf("got %v", p)
		}
		if again := b.submit(second); again.step() != "recover" || again.message() != "ticket.void" {
			t.Errorf("the link once more: got %v", again)
		}
		p = b.do("POST", p.View.Submit, fill(p.View, "new_password", newPassword))
		if p.Location != "/home" || b.cookie("session") == "" {
			t.Errorf("got %v with session %q", p, b.cookie("session"))
		}
		if strings.Contains(w.logged(), strings.TrimPrefix(link[strings.LastIndex(link, "=")+1:], "=")) {
			t.Error("the token of the link is in the log")
		}
	})
}

// Nothing that is shown, asked of the store or sent says whether there is an account, whether it may sign in and whether its address
// was verified; whatever is asked for again, and whatever is guessed.
func TestAttackRecoveryEnumeration(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		attempts := func(name string) (seen []string) {
			w, _ := selfService(t, open)
			w.user("bob") // whose address was never verified
			w.verified("ann")
			cid := w.verified("cid")
			w.must(w.Subjects.Disable(t.Context(), w.SubjectRef(cid)))
			b := w.browser()
			p := b.submit(b.get(w.request(directory.Interaction{})), "action", "recover")
			w.advance(2 * time.Second)
			note := func(p page) {
				seen = append(seen, strings.ReplaceAll(shown(p, name)+"|"+strings.Join(calls(w), "\n"), name, "TYPED"))
				w.faults.Forget()
			}
			w.faults.Forget()
			p = b.submit(p, "username", name)
			note(p)
			for range 7 {
				w.advance(61 * time.Second)
				p = b.submit(p, "action", "resend")
				note(p)
			}
			for range 7 {
				p = b.submit(p, "otp", "000000")
				note(p)
			}
			return seen
		}
		want := attempts("ann")
		for _, name := range []string{"nobody", "bob", "cid"} {
			got := attempts(name)
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("%s, answer %d:\n%s\nbut for ann\n%s", name, i, got[i], want[i])
					break
				}
			}
		}
	})
}

// However many codes are sent, the guesses at an account are counted together, and the right code is refused under the lock.
func TestAttackRecoveryCodeGuessed(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.verified("ann")
		b := w.browser()
		p := b.toRecovery("ann")
		for range 3 {
			p = b.submit(p, "otp", "999999x")
		}
		w.advance(61 * time.Second)
		p = b.submit(p, "action", "resend")
		code := box.last().Params[notify.Code]
		for range 2 {
			p = b.submit(p, "otp", "999999x")
		}
		if p = b.submit(p, "otp", code); p.message() != "code.wrong" {
			t.Errorf("the right code after five wrong ones: got %v", p)
		}
		w.advance(6 * time.Minute)
		if p = b.submit(p, "otp", code); p.step() != "recover-password" {
			t.Errorf("after the lock: got %v", p)
		}
	})
}

// A code counts in the flow in which it was asked for, and nowhere else.
func TestAttackRecoveryCodeOfAnotherFlow(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.verified("ann")
		mallory := w.browser()
		p := mallory.toRecovery("ann")
		w.advance(61 * time.Second)
		w.browser().toRecovery("ann")
		if p = mallory.submit(p, "otp", box.last().Params[notify.Code]); p.message() != "code.wrong" {
			t.Errorf("got %v", p)
		}
	})
}

// What was proven before something else has ended all that was issued to the person is worth nothing.
func TestAttackRecoveryAfterARevocation(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		ann := w.verified("ann")
		b := w.browser()
		p := b.toRecovery("ann")
		p = b.submit(p, "otp", box.last().Params[notify.Code])
		w.must(w.Subjects.Revoke(t.Context(), w.SubjectRef(ann)))
		if p = b.submit(p, "new_password", newPassword); p.Result == nil || p.Result.Refusal != directory.Denied {
			t.Errorf("got %v", p)
		}
		w.browser().signIn("ann") // with the old password, which stands
	})
}

// Of many who redeem one link at once, one gets to the new password.
func TestRecoveryLinkOneWinner(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.verified("ann")
		w.browser().toRecovery("ann")
		link := box.link(t)
		const many = 16
		var wait sync.WaitGroup
		winners := make(chan string, many)
		for range many {
			b := w.browser()
			p := b.get(link)
			wait.Go(func() {
				if p = b.submit(p); p.step() == "recover-password" {
					winners <- p.View.Flow
				}
			})
		}
		wait.Wait()
		if len(winners) != 1 {
			t.Errorf("%d winners", len(winners))
		}
	})
}

// Whichever call of the store fails: 503, and the person goes on and gets in.
func TestRecoveryCallsMayFail(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.verified("ann")
		everyCallMayFail(t, w, func(b *browser, p page) page {
			switch p.step() {
			case "password":
				return b.submit(p, "action", "recover")
			case "recover":
				return b.submit(p, "username", "ann")
			case "recover-code":
				if p.message() == "code.wrong" { // used up by the durable half of a step whose other half failed
					w.advance(2 * time.Minute)
					return b.submit(p, "action", "resend")
				}
				return b.submit(p, "otp", box.last().Params[notify.Code])
			case "recover-password":
				return b.submit(p, "new_password", newPassword)
			}
			return p
		})
	})
}

// everyCallMayFail walks through a flow once for each call of the store, which fails.
func everyCallMayFail(t *testing.T, w *world, answer func(*browser, page) page) {
	t.Helper()
	for n := 1; ; n++ {
		b := w.browser()
		w.advance(7 * time.Hour) // what bounds messages has room again
		path, failures := w.request(directory.Interaction{}), 0
		w.faults.FailCall(n, nil)
		p := b.get(path)
		for range 40 {
			if p.unavailable() {
				failures++
				w.advance(lease)
				p = b.get(path)
			} else if p.View != nil {
				if p.message() == "code.wait" {
					w.advance(2 * time.Minute)
				}
				p = answer(b, p)
			}
			if p.Result != nil {
				break
			}
		}
		if p.answer(t); failures > 1 {
			t.Fatalf("call %d: %d failures", n, failures)
		}
		if failures == 0 {
			w.faults.Heal()
			if n < 20 {
				t.Fatalf("call %d: its failure was not reported", n)
			}
			return
		}
	}
}
