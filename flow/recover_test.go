package flow_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store"
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
		sent := box.letter()
		if p.step() != "recover-code" || sent.Template != notify.InitiateRecovery || sent.To != "ann@example.com" || sent.Decoy {
			t.Fatalf("got %v and %+v", p, sent)
		}
		if p = b.submit(p, "otp", "000000x"); p.message() != "code.wrong" {
			t.Fatalf("a wrong code: got %v", p)
		}
		if p = b.submit(p, "otp", sent.Params[notify.Code]); p.step() != "recover-password" || p.View.Prompt.Fields[0].Value != "ann" {
			t.Fatalf("the code: got %v", p)
		}
		if p = b.submit(p, "new_password", "short"); p.step() != "recover-password" || p.View.Prompt.Fields[1].Problem.ID == "" {
			t.Fatalf("a password that the policy refuses: got %v", p)
		}
		result := b.submit(p, "new_password", newPassword).answer(t)
		if a := directory.Assess(result.Evidence); a.ACR != directory.ACR1 {
			t.Errorf("the recovery is worth %+v", a)
		}
		if box.letter().Template != notify.PasswordResetSuccess {
			t.Errorf("nobody was told: %+v", box.letter())
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
		p = b.submit(p, "otp", box.last())
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
			if p := w.browser().get(link); p.step() != "recover-password" || p.View.Prompt.Fields[0].Value != "ann" {
				t.Fatalf("opened: got %v", p)
			}
		}
		b, late := w.browser(), w.browser()
		p, second := b.get(link), late.get(link)
		p = b.do("POST", p.View.Submit, fill(p.View, "new_password", newPassword))
		if p.Location != "/home" || b.cookie("session") == "" {
			t.Errorf("got %v with session %q", p, b.cookie("session"))
		}
		if second = late.submit(second, "new_password", "a password of somebody else"); second.step() != "recover" || second.message() != "ticket.void" {
			t.Errorf("the link once more: got %v", second)
		}
		if strings.Contains(w.logged(), link[strings.LastIndex(link, "=")+1:]) {
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
		code := box.last()
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
		if p = mallory.submit(p, "otp", box.last()); p.message() != "code.wrong" {
			t.Errorf("got %v", p)
		}
	})
}

// A ticket is worth nothing once something else has ended all that was issued to the person.
func TestAttackRecoveryAfterARevocation(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		ann := w.verified("ann")
		b := w.browser()
		p := b.toRecovery("ann")
		p = b.submit(p, "otp", box.last())
		w.must(w.Subjects.Revoke(t.Context(), w.SubjectRef(ann)))
		if p = b.submit(p, "new_password", newPassword); p.step() != "recover" || p.message() != "ticket.void" {
			t.Errorf("got %v", p)
		}
		w.browser().signIn("ann") // with the old password, which stands
	})
}

// Of many who redeem one link at once, one sets the password.
func TestRecoveryLinkOneWinner(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.verified("ann")
		w.browser().toRecovery("ann")
		link := box.link(t)
		const many = 16
		var wait sync.WaitGroup
		winners := make(chan string, many)
		for i := range many {
			b := w.browser()
			p := b.get(link)
			wait.Go(func() {
				pass := fmt.Sprintf("%s %d", newPassword, i)
				if p := b.do("POST", p.View.Submit, fill(p.View, "new_password", pass)); p.Location == "/home" {
					winners <- pass
				}
			})
		}
		wait.Wait()
		if len(winners) != 1 {
			t.Fatalf("%d winners", len(winners))
		}
		b := w.browser()
		b.login(b.get(w.request(directory.Interaction{})), "ann", <-winners).answer(t)
	})
}

// Where the policy does not sign people in, they sign in themselves; where it has no way by mail, the page is closed.
// A password that has expired is no proof that the recovery has been done before: who types it again, with a code that is good no more,
// has not chosen another (attacks.md C).
func TestAttackRecoveryToAnExpiredPassword(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.verified("ann")
		policy, err := directory.Resolve(t.Context(), w.Settings, w.Settings.Recovery, "", "")
		w.must(err)
		policy.LinkLife = 2 * time.Minute
		w.must(directory.Set(t.Context(), w.Settings, w.Settings.Recovery, "", "", policy))
		w.must(directory.Set(t.Context(), w.Settings, w.Settings.PasswordExpiry, "", "", directory.PasswordExpiryPolicy{Days: 1}))
		w.advance(25 * time.Hour)
		b := w.browser()
		p := b.submit(b.toRecovery("ann"), "otp", box.last())
		w.advance(3 * time.Minute)
		if p = b.submit(p, "new_password", goodPassword); p.message() != "ticket.void" || b.cookie("session") != "" {
			t.Errorf("got %v with session %q", p, b.cookie("session"))
		}
	})
}

func TestRecoveryPolicy(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.verified("ann")
		policy, err := directory.Resolve(t.Context(), w.Settings, w.Settings.Recovery, "", "")
		w.must(err)
		policy.SignIn, policy.EmailLink, policy.EmailCode = false, false, true
		w.must(directory.Set(t.Context(), w.Settings, w.Settings.Recovery, "", "", policy))
		w.advance(2 * time.Second)
		b := w.browser()
		p := b.toRecovery("ann")
		if box.letter().Params[notify.Link] != "" {
			t.Errorf("a link was sent: %+v", box.letter())
		}
		p = b.submit(b.submit(p, "otp", box.last()), "new_password", newPassword)
		if p.step() != "password" || p.message() != "recover-password.done" || b.cookie("session") != "" {
			t.Fatalf("got %v", p)
		}
		b.login(p, "ann", newPassword).answer(t)
		policy.EmailCode = false
		w.must(directory.Set(t.Context(), w.Settings, w.Settings.Recovery, "", "", policy))
		w.advance(2 * time.Second)
		if p = w.browser().get("/t/recover"); p.Failure == nil || p.Failure.Code != "not_offered" {
			t.Errorf("closed: got %v", p)
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
				return b.submit(p, "otp", box.last())
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
		if w.faults.Waits() {
			w.faults.Heal()
			if n < 20 {
				t.Errorf("only %d calls could fail", n-1)
			}
			return
		}
		if failures == 0 {
			t.Fatalf("call %d: its failure was not reported", n)
		}
	}
}

// One person has several names. That two of them are one person's shows nowhere, however often messages are asked for under both.
func TestAttackRecoveryByTwoNames(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		attempts := func(names ...string) (seen []string) {
			w, box := selfService(t, open)
			w.verified("ann")
			for _, name := range names {
				for range 5 {
					w.advance(61 * time.Second)
					b := w.browser()
					seen = append(seen, strings.ReplaceAll(b.toRecovery(name).String(), name, "TYPED"))
				}
			}
			if delivered, _ := box.all(); len(delivered) > 5 {
				t.Errorf("%v: %d messages to one person", names, len(delivered))
			}
			return seen
		}
		want := attempts("nobody", "nobody@example.com")
		for i, got := range attempts("ann", "ann@example.com") {
			if got != want[i] {
				t.Fatalf("answer %d: %s\nbut for nobody\n%s", i, got, want[i])
			}
		}
	})
}

// What was sent, typed and proven for one plan is nothing to another.
func TestAttackTicketOfAnotherPlan(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.verified("ann")
		b := w.browser()
		p := b.submit(b.get(w.request(directory.Interaction{})), "action", "register")
		p = b.submit(p, "email", "eve@example.org")
		p = b.submit(p, "otp", box.last())
		if p.step() != "register-password" {
			t.Fatalf("got %v", p)
		}
		p = b.submit(b.submit(p, "action", "back"), "action", "recover")
		if p.step() != "recover" {
			t.Fatalf("recovery after a registration: got %v", p)
		}
		p = b.submit(p, "username", "ann")
		p = b.submit(b.submit(p, "action", "back"), "action", "register")
		if p.step() != "register" {
			t.Fatalf("registration after a recovery: got %v", p)
		}
	})
}

// A link leads into the organization that has sent it, and makes nobody anything in another.
func TestAttackLinkOfAnotherOrganization(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		b := w.browser()
		b.submit(b.get(w.request(directory.Interaction{Organization: "a", CreateAccount: true})), "email", "ann@example.com")
		b = w.browser()
		p := b.get(box.link(t))
		if p.step() != "register-password" {
			t.Fatalf("got %v", p)
		}
		b.do("POST", p.View.Submit, fill(p.View, "new_password", newPassword))
		if _, err := w.FindUser(t.Context(), "", "ann@example.com"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an account in the root: %v", err)
		}
	})
}

// What nobody can be called is nobody's name, and no failure.
func TestRecoveryOfOddNames(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, _ := selfService(t, open)
		for _, name := range []string{"", " ", strings.Repeat("a", 257), strings.Repeat("ä", 300), strings.Repeat("a", 40<<10), "a\tb"} {
			if p := w.browser().toRecovery(name); p.Status >= 500 {
				t.Errorf("%.20q, %d bytes: got %v\n%s", name, len(name), p, w.logged())
			}
		}
	})
}

// A recovery that was drawn to tell nobody does not keep the word of a new password from its owner where the organization sends it.
func TestAttackDrawnRecoveryInSilence(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		w.verified("ann")
		silent := map[string]string{flow.ParamNotify: "no"}
		drawn := compiledGraph(t, flow.Graph{Start: "who", Nodes: []flow.Node{
			{Name: "who", Options: []string{"recover"}, On: map[string]string{"ok": "code"}},
			{Name: "code", Options: []string{"recover-code"}, On: map[string]string{"ok": "choose"}},
			{Name: "choose", Options: []string{"recover-password"}, Params: silent, On: map[string]string{"ok": "done"}},
			{Name: "done", End: flow.Succeeded},
		}})
		w.engine = w.rebuild(func(c *flow.Config) { c.Plans = map[string]flow.Plan{"recover": drawn} })
		w.serve()
		b := w.browser()
		p := b.submit(b.get(w.request(directory.Interaction{Plan: "recover"})), "username", "ann")
		p = b.submit(p, "otp", box.last())
		b.submit(p, "new_password", newPassword).answer(t)
		if last := box.letter(); last.Template != notify.PasswordResetSuccess || last.Decoy {
			t.Errorf("the last message is %+v", last)
		}
	})
}
