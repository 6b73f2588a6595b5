package flow_test

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store/directory"
)

const captchaField = "captcha-response"

// puzzle is a Captcha that every solution solves which begins with "right".
type puzzle struct {
	mu     sync.Mutex
	down   bool
	seen   []string
	before func()
}

func (*puzzle) Widget() flow.Widget {
	return flow.Widget{
		Kind: "TEST", SiteKey: "key", Field: captchaField, Class: "puzzle", Script: "https://captcha.example.com/api.js",
		Sources: []string{"https://captcha.example.com"},
	}
}

func (p *puzzle) Verify(_ context.Context, solution string, _ netip.Addr) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, solution)
	if p.before != nil {
		p.before()
	}
	if p.down {
		return false, errors.New("the service is down")
	}
	return strings.HasPrefix(solution, "right"), nil
}

// guarded is a world in which people make and recover accounts, and show that they are people.
func guarded(t *testing.T, open opener, edit ...func(*flow.Config, *directory.Config)) (*world, *puzzle, *outbox) {
	t.Helper()
	p := &puzzle{}
	w, box := selfService(t, func(t *testing.T, more ...func(*flow.Config, *directory.Config)) *world {
		t.Helper()
		return open(t, slices.Concat(more, []func(*flow.Config, *directory.Config){func(c *flow.Config, _ *directory.Config) {
			c.BotCheck = &flow.BotCheck{Captcha: p}
		}}, edit)...)
	})
	return w, p, box
}

// everyTurn asks for a solution at every turn.
func everyTurn(_ *flow.Config, d *directory.Config) {
	d.Accounts.BotCheck.SignIn = directory.CheckAlways
	d.Accounts.Recovery.Captcha = true
}

// puzzled reports whether a page shows the puzzle.
func (p page) puzzled() bool {
	return p.View != nil && p.View.Prompt.Captcha != nil &&
		slices.ContainsFunc(p.View.Prompt.Fields, func(f flow.Field) bool { return f.Type == flow.CaptchaField && f.Name == captchaField })
}

// After three wrong answers a solution is asked for, which is good for one answer.
func TestBotCheckAfterFailures(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, service, _ := guarded(t, open)
		w.user("ann")
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		for range 3 {
			if p = b.login(p, "ann", "wrong"); p.puzzled() || p.message() != "password.wrong" {
				t.Fatalf("got %v", p)
			}
		}
		p = b.login(p, "ann", goodPassword)
		if !p.puzzled() || p.message() != "captcha.needed" || p.View.Prompt.Fields[0].Value != "ann" || b.cookie("session") != "" {
			t.Fatalf("the right password without a solution: got %v", p)
		}
		if p = b.login(p, "ann", goodPassword); p.message() != "captcha.wrong" {
			t.Errorf("once more: got %v", p)
		}
		if p = b.submit(p, "username", "ann", "password", goodPassword, captchaField, "rubbish"); p.message() != "captcha.wrong" {
			t.Errorf("with a wrong solution: got %v", p)
		}
		if p = b.submit(p, "username", "ann", "password", "wrong", captchaField, "right 1"); p.message() != "password.wrong" || !p.puzzled() {
			t.Errorf("a wrong password with a solution: got %v", p)
		}
		if p = b.submit(p, "username", "ann", "password", goodPassword, captchaField, "right 1"); p.message() != "captcha.wrong" {
			t.Errorf("the same solution: got %v", p)
		}
		b.submit(p, "username", "ann", "password", goodPassword, captchaField, "right 2").answer(t)
		if want := []string{"rubbish", "right 1", "right 2"}; !slices.Equal(service.seen, want) {
			t.Errorf("the service saw %v", service.seen)
		}
	})
}

// Neither another tab, another browser, going back, another way and back, nor a program begins anew; an hour does.
func TestAttackBotCheckSkipped(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, _, _ := guarded(t, open, func(c *flow.Config, _ *directory.Config) {
			c.Plans["login"] = flow.Login("password", "email-code")
		})
		w.verified("ann")
		b := w.browser()
		first := b.get(w.request(directory.Interaction{}))
		p := first
		for range 3 {
			p = b.login(p, "ann", "wrong")
		}
		if got := b.login(b.get(w.request(directory.Interaction{})), "ANN", goodPassword); got.message() != "captcha.needed" {
			t.Errorf("another tab: got %v", got)
		}
		other := w.browser()
		other.address = "198.51.100.7"
		if got := other.login(other.get(w.request(directory.Interaction{})), "ann", goodPassword); got.message() != "captcha.needed" {
			t.Errorf("another browser: got %v", got)
		}
		p = b.login(p, "ann", goodPassword)
		p = b.submit(p, "action", "recover")
		if p = b.submit(p, "action", "back"); !p.puzzled() {
			t.Errorf("gone back: got %v", p)
		}
		p = b.submit(p, "action", "method_email-code")
		if p = b.submit(p, "username", "ann"); p.message() != "captcha.wrong" {
			t.Errorf("another way: got %v", p)
		}
		if first = b.login(first, "ann", goodPassword); first.puzzled() != p.puzzled() || b.cookie("session") != "" {
			t.Errorf("an old page: got %v", first)
		}
		w.advance(time.Hour + time.Minute)
		b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword).answer(t)
	})
}

// Many names from one address are asked as well.
func TestAttackBotCheckSpraying(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, _, _ := guarded(t, open, func(_ *flow.Config, d *directory.Config) { d.Accounts.BotCheck.AddressFailures = 5 })
		w.user("ann")
		b := w.browser()
		for i := range 5 {
			b.login(b.get(w.request(directory.Interaction{})), "name"+string(rune('a'+i)), "wrong")
		}
		if p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword); p.message() != "captcha.needed" {
			t.Errorf("got %v", p)
		}
		other := w.browser()
		other.address = "198.51.100.7"
		other.signIn("ann")
	})
}

// Whether somebody exists, may sign in, or has signed in meanwhile, shows neither in what is asked nor in what is asked of the store.
func TestAttackBotCheckEnumeration(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		attempts := func(name string) (seen []string) {
			w, service, _ := guarded(t, open)
			w.user("ann")
			cid := w.user("cid")
			w.must(w.Subjects.Disable(t.Context(), w.SubjectRef(cid)))
			b := w.browser()
			p := b.get(w.request(directory.Interaction{}))
			w.advance(2 * time.Second)
			w.faults.Forget()
			for i := range 7 {
				pairs := []string{"username", name, "password", "wrong"}
				if p.puzzled() {
					pairs = append(pairs, captchaField, "right "+string(rune('a'+i)))
				}
				p = b.submit(p, pairs...)
				seen = append(seen, shown(p, name)+"\n"+strings.Join(calls(w), "\n"))
				w.faults.Forget()
			}
			if len(service.seen) != 3 {
				t.Errorf("%s: the service saw %v", name, service.seen)
			}
			return seen
		}
		want := attempts("ann")
		for _, name := range []string{"bob", "cid"} {
			if got := attempts(name); !slices.Equal(got, want) {
				t.Errorf("%s:\n%s\nann:\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		// Who has signed in between does not take back what was counted: nobody learns of it.
		w, _, _ := guarded(t, open)
		w.user("ann")
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		for range 2 {
			p = b.login(p, "ann", "wrong")
		}
		w.browser().signIn("ann")
		p = b.login(p, "ann", "wrong")
		if p = b.login(p, "ann", "wrong"); p.message() != "captcha.needed" {
			t.Errorf("after a sign-in: got %v", p)
		}
	})
}

// Where it is always asked, the page has the puzzle at once, and nothing is looked for, hashed or sent without a solution.
func TestBotCheckAlways(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, _, box := guarded(t, open, everyTurn)
		w.verified("ann")
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		if !p.puzzled() {
			t.Fatalf("got %v", p)
		}
		if p = b.login(p, "ann", goodPassword); p.message() != "captcha.needed" || p.Status != http.StatusOK {
			t.Errorf("without a solution: got %v", p)
		}
		b.submit(p, "username", "ann", "password", goodPassword, captchaField, "right login").answer(t)

		for _, door := range []struct{ action, field, value, next string }{
			{"recover", "username", "ann", "recover-code"}, {"register", "email", "eve@example.com", "register-code"},
		} {
			b := w.browser()
			p := b.submit(b.get(w.request(directory.Interaction{})), "action", door.action)
			if !p.puzzled() {
				t.Fatalf("%s: got %v", door.action, p)
			}
			sent := box.count()
			if p = b.submit(p, door.field, door.value); p.message() != "captcha.needed" || box.count() != sent {
				t.Errorf("%s: got %v, %d messages", door.action, p, box.count()-sent)
			}
			if p = b.submit(p, door.field, door.value, captchaField, "right "+door.action); p.step() != door.next || p.puzzled() {
				t.Fatalf("%s with a solution: got %v", door.action, p)
			}
			w.advance(61 * time.Second)
			if p = b.submit(p, "action", "resend"); p.message() != "captcha.needed" || !p.puzzled() || box.count() != sent+1 {
				t.Errorf("%s: another message: got %v", door.action, p)
			}
			if p = b.submit(p, "action", "resend", captchaField, "right resend "+door.action); p.message() != "code.resent" {
				t.Errorf("%s: another message with a solution: got %v", door.action, p)
			}
			if p = b.submit(p, "otp", box.last()); p.step() == door.next {
				t.Errorf("%s: a code needs no solution: got %v", door.action, p)
			}
		}
	})
}

// The host's own assessment has the last word, and takes back nothing that was asked.
func TestBotCheckAssess(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		say, failing := flow.TurnAway, false
		var signals []flow.Signal
		w, _, _ := guarded(t, open, func(c *flow.Config, _ *directory.Config) {
			c.BotCheck.Assess = func(_ context.Context, s flow.Signal) (flow.Assessment, error) {
				signals = append(signals, s)
				if failing {
					return flow.Admit, errors.New("who knows")
				}
				return say, nil
			}
		})
		w.user("ann")
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		if got := b.login(p, "ann", goodPassword); got.Status != http.StatusForbidden || got.Failure.Code != "turned_away" {
			t.Fatalf("turned away: got %v", got)
		}
		if s := signals[0]; s.Checked != flow.CheckedSignIn || s.Identifier != "ann" || s.Client.Address.String() != b.address || s.Program {
			t.Errorf("the signal is %+v", s)
		}
		failing = true
		if got := b.login(p, "ann", goodPassword); got.Status != http.StatusServiceUnavailable {
			t.Errorf("a failing assessment: got %v", got)
		}
		failing, say = false, flow.Challenge
		p = b.login(p, "ann", goodPassword)
		say = flow.Admit
		if p = b.login(p, "ann", goodPassword); p.message() != "captcha.wrong" {
			t.Errorf("admitted after a challenge: got %v", p)
		}
		b.submit(p, "username", "ann", "password", goodPassword, captchaField, "right").answer(t)
	})
}

// Where a wrong answer leads elsewhere, a challenge does not: it was no answer. The failed branch would shut out everybody for whose name
// somebody has guessed wrong.
func TestAttackBotCheckWhereAnswersFail(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, _, _ := guarded(t, open, func(c *flow.Config, _ *directory.Config) {
			c.Plans["login"] = compiledGraph(t, flow.Graph{Start: "password", Nodes: []flow.Node{
				{Name: "password", Options: []string{"password"}, On: map[string]string{"ok": "done", "failed": "out"}},
				{Name: "done", End: flow.Succeeded},
				{Name: "out", End: flow.Failed, Failure: directory.Failure{Description: "wrong"}},
			}})
		})
		w.user("ann")
		for range 3 {
			b := w.browser()
			if p := b.login(b.get(w.request(directory.Interaction{})), "ann", "wrong"); p.Result == nil || p.Result.Failure.Description != "wrong" {
				t.Fatalf("got %v", p)
			}
		}
		b := w.browser()
		p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if !p.puzzled() || p.message() != "captcha.needed" {
			t.Fatalf("the right password without a solution: got %v", p)
		}
		if p = b.submit(p, "username", "ann", "password", goodPassword, captchaField, "rubbish"); p.message() != "captcha.wrong" {
			t.Fatalf("with a wrong solution: got %v", p)
		}
		b.submit(p, "username", "ann", "password", goodPassword, captchaField, "right").answer(t)
	})
}

// A service that is down lets nobody pass, and a failing store neither: 503, whatever fails.
func TestAttackBotCheckFaults(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, service, _ := guarded(t, open, everyTurn)
		w.user("ann")
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		service.down = true
		if got := b.submit(p, "username", "ann", "password", goodPassword, captchaField, "right 1"); got.Status != http.StatusServiceUnavailable {
			t.Errorf("got %v", got)
		}
		service.down = false
		b.submit(b.get(w.request(directory.Interaction{})), "username", "ann", "password", goodPassword, captchaField, "right 2").answer(t)
	})
}

// However a store fails while an answer is assessed, nobody gets past it, and the answer is 503.
func TestFaultsBotCheck(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		for n := 1; ; n++ {
			w, _, _ := guarded(t, open)
			w.user("ann")
			b := w.browser()
			p := b.get(w.request(directory.Interaction{}))
			for range 3 {
				p = b.login(p, "ann", "wrong")
			}
			w.advance(2 * time.Second)
			w.faults.FailCall(n, nil)
			got := b.login(p, "ann", goodPassword)
			over := w.faults.Waits()
			w.faults.Heal()
			if over {
				if got.message() != "captcha.needed" || n < 4 {
					t.Errorf("%d calls could fail, then %v", n-1, got)
				}
				return
			}
			if got.Status != http.StatusServiceUnavailable || b.cookie("session") != "" {
				t.Fatalf("call %d fails: got %v", n, got)
			}
		}
	})
}

// A solution is used up by one answer, however many come at once.
func TestAttackBotCheckSolutionShared(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, service, _ := guarded(t, open, everyTurn)
		w.user("ann")
		const tabs = 4
		pages := make([]page, tabs)
		browsers := make([]*browser, tabs)
		for i := range tabs {
			browsers[i] = w.browser()
			pages[i] = browsers[i].get(w.request(directory.Interaction{}))
		}
		var group sync.WaitGroup
		for i := range tabs {
			group.Go(func() {
				pages[i] = browsers[i].submit(pages[i], "username", "ann", "password", "wrong", captchaField, "right")
			})
		}
		group.Wait()
		judged := 0
		for _, p := range pages {
			if p.message() == "password.wrong" {
				judged++
			}
		}
		if judged != 1 || len(service.seen) != 1 {
			t.Errorf("%d answers were judged, the service saw %v", judged, service.seen)
		}
	})
}

// A second click while the first is judged is no second solution, and gets the page as it stands.
func TestBotCheckDuplicate(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, service, _ := guarded(t, open, everyTurn)
		w.user("ann")
		b := w.browser()
		p := b.get(w.request(directory.Interaction{}))
		form := fill(p.View, "username", "ann", "password", goodPassword, captchaField, "right")
		second := b.clone()
		var other page
		service.before = func() {
			service.before = nil
			other = second.do(http.MethodPost, p.View.Submit, form)
		}
		b.follow(b.do(http.MethodPost, p.View.Submit, form)).answer(t)
		if other.step() != "password" || other.message() == "captcha.wrong" || len(service.seen) != 1 {
			t.Errorf("the second: got %v, the service saw %v", other, service.seen)
		}
	})
}

// Programs get the puzzle as data, and a code of its own when they do not solve it.
func TestExecutionBotCheck(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, _, box := guarded(t, open, everyTurn)
		w.verified("ann")
		c := w.caller()
		a := c.start("PASSWORD_RECOVERY", "")
		for _, want := range []string{`"type":"CAPTCHA"`, `"variant":"TEST"`, `"captchaKey":"key"`, `"captchaResponse"`} {
			if !strings.Contains(a.Text, want) {
				t.Errorf("%s is not in %s", want, a.Text)
			}
		}
		if a = c.send("continue", claimUsername, "ann"); a.Code != "FE-60010" {
			t.Errorf("without a solution: %s", a.Text)
		}
		if a = c.send("continue", claimUsername, "ann", "captchaResponse", "rubbish"); a.Code != "FE-60010" {
			t.Errorf("with a wrong one: %s", a.Text)
		}
		if box.count() != 0 {
			t.Errorf("%d messages were sent", box.count())
		}
		if a = c.send("continue", claimUsername, "ann", "captchaResponse", "right"); a.Status != http.StatusOK || box.count() != 1 {
			t.Errorf("with the right one: %s", a.Text)
		}
	})
}

// A BotCheck without a Captcha is refused.
func TestBotCheckNeedsACaptcha(t *testing.T) {
	t.Parallel()
	w := together(t)
	config := w.config
	config.BotCheck = &flow.BotCheck{}
	if _, err := flow.New(config); err == nil || !strings.Contains(err.Error(), "BotCheck.Captcha") {
		t.Errorf("got %v", err)
	}
}

// No form has a password hashed for whoever has not shown that they are a person, also where it comes before the one that sends the mail.
func TestAttackPasswordBeforeTheBotCheck(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, service, box := guarded(t, open)
		drawn := compiledGraph(t, flow.Graph{Start: "secret", Nodes: []flow.Node{
			{Name: "secret", Options: []string{"register-profile"}, On: map[string]string{"ok": "ask"}, Params: map[string]string{
				flow.ParamFields: "given_name new_password+",
			}},
			{Name: "ask", Options: []string{"register"}, On: map[string]string{"ok": "more"}, Params: map[string]string{flow.ParamFields: "email+"}},
			{Name: "more", Options: []string{"register-profile"}, On: map[string]string{"ok": "code"}, Params: map[string]string{
				flow.ParamFields: "new_password+",
			}},
			{Name: "code", Options: []string{"register-code"}, On: map[string]string{"ok": "make"}},
			{Name: "make", Options: []string{"register-account"}, On: map[string]string{"ok": "done", "failed": "secret"}},
			{Name: "done", End: flow.Succeeded},
		}})
		w.engine = w.rebuild(func(c *flow.Config) { c.Plans = map[string]flow.Plan{"register": drawn} })
		w.serve()
		b := w.browser()
		p := b.get(w.request(directory.Interaction{CreateAccount: true}))
		if !p.puzzled() {
			t.Fatalf("without the puzzle: got %v", p)
		}
		for _, weak := range []string{"x", newPassword} { // neither is looked at
			if p = b.submit(p, "new_password", weak, captchaField, "rubbish"); p.message() != "captcha.wrong" || len(p.View.Prompt.Fields) != 3 {
				t.Fatalf("%s: got %v", weak, p)
			}
		}
		if p = b.submit(p, "new_password", newPassword, captchaField, "right 1"); p.View == nil || p.View.Prompt.Step != "register" || !p.puzzled() {
			t.Fatalf("with a solution: got %v", p)
		}
		if p = b.submit(p, "email", "zoe@example.com", captchaField, "right 2"); p.View == nil || p.View.Prompt.Step != "register-profile" || p.puzzled() {
			t.Fatalf("behind the address: got %v", p)
		}
		p = b.submit(p, "new_password", newPassword)
		b.submit(p, "otp", box.last())
		if _, err := w.FindUser(t.Context(), "", "zoe@example.com"); err != nil || len(service.seen) != 3 {
			t.Errorf("%v, solutions seen %q", err, service.seen)
		}
	})
}
