package flow_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// toRegistration brings a browser to the page on which a code is asked for.
func (b *browser) toRegistration(address string) page {
	b.Helper()
	return b.submit(b.get(b.request(directory.Interaction{CreateAccount: true})), "email", address, "given_name", "Ann", "family_name", "Lee")
}

func TestRegistration(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		b := w.browser()
		p := b.toRegistration("ann@example.com")
		sent := box.letter()
		if p.step() != "register-code" || sent.Template != notify.EmailConfirm || sent.To != "ann@example.com" {
			t.Fatalf("got %v and %+v", p, sent)
		}
		if p = b.submit(p, "otp", sent.Params[notify.Code]); p.step() != "register-password" || p.View.Prompt.Fields[0].Value != "ann@example.com" {
			t.Fatalf("got %v", p)
		}
		if p = b.submit(p, "new_password", "short"); p.step() != "register-password" {
			t.Fatalf("a password that the policy refuses: got %v", p)
		}
		result := b.submit(p, "new_password", newPassword).answer(t)
		user, err := w.FindUser(t.Context(), "", "ann@example.com")
		if err != nil || !user.EmailVerified || user.GivenName != "Ann" || user.FamilyName != "Lee" || w.SubjectRef(user) != result.Subject {
			t.Errorf("%v %+v", err, user)
		}
		if box.letter().Template != notify.SelfSignUpSuccess {
			t.Errorf("the last message is %+v", box.letter())
		}
		other := w.browser()
		other.login(other.get(w.request(directory.Interaction{})), "ANN@example.com", newPassword).answer(t)
	})
}

func TestRegistrationRefusesAddresses(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		for _, address := range []string{"", "ann", "ann@", strings.Repeat("a", 300) + "@example.com", "a@b\x00c"} {
			b := w.browser()
			p := b.toRegistration(address)
			if p.Failure != nil && p.Failure.Code == "invalid_request" { // no text at all
				continue
			}
			if p.step() != "register" || p.View.Prompt.Fields[0].Problem.ID == "" || p.View.Prompt.Fields[1].Value != "Ann" {
				t.Errorf("%q: got %v", address, p)
			}
		}
		if delivered, decoys := box.all(); len(delivered)+len(decoys) != 0 {
			t.Errorf("messages %+v", delivered)
		}
	})
}

// Who registers with an address that has an account sees what everybody sees; its owner is told by mail.
func TestAttackRegistrationEnumeration(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		attempts := func(address string) (seen []string, last notify.Message, w *world) {
			w, box := selfService(t, open)
			w.verified("ann")
			b := w.browser()
			p := b.get(w.request(directory.Interaction{CreateAccount: true}))
			w.advance(2 * time.Second)
			w.faults.Forget()
			note := func(p page) {
				seen = append(seen, strings.ReplaceAll(shown(p, address)+"|"+strings.Join(calls(w), "\n"), address, "TYPED"))
				w.faults.Forget()
			}
			p = b.submit(p, "email", address)
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
			return seen, box.letter(), w
		}
		want, _, _ := attempts("new@example.com")
		got, last, _ := attempts("ann@example.com")
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("answer %d:\n%s\nbut for somebody new\n%s", i, got[i], want[i])
			}
		}
		if last.Template != notify.AccountExists || last.Decoy || last.To != "ann@example.com" || last.Params[notify.Code] != "" {
			t.Errorf("the owner of the account gets %+v", last)
		}
	})
}

// An address is nobody's before its mail was read: whoever registers it first without that gets nothing.
func TestAttackRegistrationOfAForeignAddress(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		mallory := w.browser()
		stolen := mallory.toRegistration("ann@example.com")
		w.advance(61 * time.Second)
		b := w.browser()
		p := b.toRegistration("ann@example.com")
		p = b.submit(p, "otp", box.last())
		b.submit(p, "new_password", newPassword).answer(t)
		if stolen = mallory.submit(stolen, "otp", box.last()); stolen.step() != "register-code" {
			t.Errorf("got %v", stolen)
		}
	})
}

// Two who have both proven one address, as in two tabs, make one account.
func TestRegistrationOneAccount(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		const many = 4
		pages := make([]page, many)
		browsers := make([]*browser, many)
		for i := range many {
			w.advance(61 * time.Second)
			browsers[i] = w.browser()
			p := browsers[i].toRegistration("ann@example.com")
			pages[i] = browsers[i].submit(p, "otp", box.last())
			if pages[i].step() != "register-password" {
				t.Fatalf("got %v", pages[i])
			}
		}
		var wait sync.WaitGroup
		var mu sync.Mutex
		var outcomes []string
		for i := range many {
			wait.Go(func() {
				p := browsers[i].submit(pages[i], "new_password", fmt.Sprintf("%s %d", newPassword, i))
				mu.Lock()
				defer mu.Unlock()
				if p.Result != nil && p.Result.Refusal == "" {
					outcomes = append(outcomes, p.Result.Subject.ID)
				} else if p.step() != "register" || p.message() != "ticket.void" {
					t.Errorf("got %v", p)
				}
			})
		}
		wait.Wait()
		if len(outcomes) != 1 {
			t.Errorf("%d accounts", len(outcomes))
		}
	})
}

func TestRegistrationCallsMayFail(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		n := 0
		everyCallMayFail(t, w, func(b *browser, p page) page {
			switch p.step() {
			case "password":
				return b.submit(p, "action", "register")
			case "register":
				n++
				return b.submit(p, "email", fmt.Sprintf("ann%d@example.com", n))
			case "register-code":
				if p.message() == "code.wrong" { // used up by the durable half of a step whose other half failed
					w.advance(2 * time.Minute)
					return b.submit(p, "action", "resend")
				}
				return b.submit(p, "otp", box.last())
			case "register-password":
				return b.submit(p, "new_password", newPassword)
			}
			return p
		})
	})
}

// A plan that an organization has closed is closed to whatever leads into it: a graph that calls it, too.
func TestAttackClosedPlanCalled(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, box := selfService(t, open)
		caller := compiledGraph(t, flow.Graph{Start: "make", Nodes: []flow.Node{
			{Name: "make", Call: "register", On: map[string]string{"ok": "password"}},
			{Name: "password", Options: []string{"password"}, On: map[string]string{"ok": "done"}},
			{Name: "done", End: flow.Succeeded},
		}})
		w.engine = w.rebuild(func(c *flow.Config) {
			c.Plans = map[string]flow.Plan{"login": caller, "register": flow.Registration()}
		})
		w.serve()
		if p := w.browser().get(w.request(directory.Interaction{})); p.step() != "register" {
			t.Fatalf("while it is open: got %v", p)
		}
		policy, err := directory.Resolve(t.Context(), w.Settings, w.Settings.Registration, "", "")
		w.must(err)
		policy.Enabled = false
		w.must(directory.Set(t.Context(), w.Settings, w.Settings.Registration, "", "", policy))
		w.advance(2 * time.Second)
		if p := w.browser().get(w.request(directory.Interaction{})); p.Status != 503 || len(box.sent) != 0 {
			t.Errorf("closed: got %v", p)
		}
	})
}

// Where nothing can be sent, a plan that sends something fails, and nobody gets an account by it.
func TestRegistrationWithoutMessages(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w := open(t, func(c *flow.Config, d *directory.Config) {
			c.Plans = map[string]flow.Plan{"register": flow.Registration()}
			d.Accounts.Registration.Enabled = true
		})
		p := w.browser().toRegistration("ann@example.com")
		if p.Failure == nil || p.Failure.Status != http.StatusServiceUnavailable {
			t.Errorf("got %v", p)
		}
		if _, err := w.FindUser(t.Context(), "", "ann@example.com"); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	})
}
