package flow_test

import (
	"testing"
	"time"

	"github.com/signet-idp/signet/store/directory"
)

func TestSelectAccount(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		w.user("bob")
		choose := directory.Interaction{SelectAccount: true}
		b := w.browser()
		p := b.get(w.request(choose))
		if p.step() != "password" {
			t.Fatalf("nothing to choose from: got %v", p)
		}
		first := b.login(p, "ann", goodPassword).answer(t)

		p = b.get(w.request(choose))
		if p.step() != "select-account" || len(p.View.Prompt.Actions) != 2 || p.View.Prompt.Actions[0].Params["person"] != "ann" {
			t.Fatalf("got %v with %+v", p, p.View)
		}
		if again := b.submit(p, "action", "current_account").answer(t); again.Session != first.Session || again.Subject != first.Subject {
			t.Errorf("the same account: got %+v", again)
		}
		p = b.submit(b.get(w.request(choose)), "action", "other_account")
		if p.step() != "password" || p.View.Person != "" {
			t.Fatalf("another account: got %v for %q", p, p.View.Person)
		}
		if other := b.login(p, "bob", goodPassword).answer(t); other.Subject == first.Subject || other.Session == first.Session {
			t.Errorf("another account: got %+v", other)
		}
		passive := choose
		passive.Passive = true
		if p = b.get(w.request(passive)); p.Result == nil || p.Result.Refusal != directory.AccountSelectionRequired {
			t.Errorf("without a page: got %v", p)
		}
	})
}

// The account is the one that the page shows, or none: not whoever another tab has signed in since, and not one whose session has ended.
func TestAttackSelectedAccountIsAnother(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		bob := w.user("bob")
		b := w.browser()
		b.signIn("ann")
		p := b.get(w.request(directory.Interaction{SelectAccount: true}))
		tab := b.get(w.request(directory.Interaction{Reauthenticate: true}))
		b.login(tab, "bob", goodPassword).answer(t)
		if p = b.submit(p, "action", "current_account"); p.step() != "password" {
			t.Errorf("after another tab: got %v", p)
		}
		p = b.get(w.request(directory.Interaction{SelectAccount: true}))
		if p.View.Prompt.Actions[0].Params["person"] != "bob" {
			t.Fatalf("got %+v", p.View.Prompt.Actions)
		}
		w.must(w.Subjects.Disable(t.Context(), w.SubjectRef(bob)))
		if p = b.submit(p, "action", "current_account"); p.step() != "password" {
			t.Errorf("after the end of the session: got %v", p)
		}
	})
}

// To choose an account is no proof: what else the request asks for is asked.
func TestSelectAccountAsksNoLess(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		seed := w.totp(w.user("ann"))
		age := time.Minute
		for name, c := range map[string]struct {
			in   directory.Interaction
			want string
		}{
			"again":   {directory.Interaction{Reauthenticate: true}, "password"},
			"too old": {directory.Interaction{MaxAge: &age}, "password"},
			"hint":    {directory.Interaction{HintSubject: "somebody else"}, "password"},
		} {
			b := w.browser()
			b.submit(b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword), "otp", w.nextCode(seed)).answer(t)
			w.advance(2 * time.Minute)
			c.in.SelectAccount = true
			p := b.get(w.request(c.in))
			if p.step() == "select-account" {
				p = b.submit(p, "action", "current_account")
			} else if name != "hint" {
				t.Errorf("%s: got %v", name, p)
			}
			if p.step() != c.want {
				t.Errorf("%s: got %v", name, p)
			}
		}
	})
}
